"""Partners as witnesses: what they show us of their logs, what does not go together, and who has confirmed ours.

A state of a log is a generation, a number of entries, and the root over them. Of one sender's log each chain of states, as
it was shown to one of our fingerprints, must go on from the newest of it; and no two states with one name and size may have
two roots, whoever was shown them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crypto.signing import Checkpoint
from vault import lineage, log_showing, schema
from vault.leaves import origin
from vault.log_requests import LogFork, LogWitness
from vault.tables import Row, blob, integer, optional_blob, optional_text, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from vault.arrivals import ShownHead
    from vault.registry import Registry
    from vault.store import Value

# Two roots for one state; a state that the sender should have proved to go on from another, and did not; a state which our
# own identity has signed, and which our log never had.
FORKED, UNCONNECTED, NOT_OURS = "forked", "unconnected", "not-ours"
# No contradiction: the two states lie farther apart than a file has room to prove.
UNPROVED = "unproved"

_TWO_HISTORIES = "its sender's log has two histories, and this file is of another one than an earlier file"
_NOT_SHOWN_TO_GO_ON = (
    "nothing in it proves that its sender's log goes on from where an earlier file showed it. Where this vault was "
    "restored from a backup, open the files first that came since then, in their order; else the log has two histories"
)

REASONS = (FORKED, UNCONNECTED, _TWO_HISTORIES, _NOT_SHOWN_TO_GO_ON)

_MOST_FORKS = 8  # of one sender and kind, or from one partner: one proves as much as a thousand


# Their logs, shown to us


@dataclass(frozen=True, slots=True)
class Inconsistent:
    """A state that does not go together with one that was shown before."""

    kind: str
    before: Row

    @property
    def reason(self) -> str:
        """Why a file with it is refused."""
        return _TWO_HISTORIES if self.kind == FORKED else _NOT_SHOWN_TO_GO_ON


def judge(
    registry: Registry, sender: str, audience: str, head: ShownHead, *, sequence: int, others: Mapping[bytes, int]
) -> Inconsistent | None:
    """Whether a state goes together with all that this sender has shown, above all with the newest to this fingerprint.

    ``sequence`` is the number of the file that shows it, ``others`` are those of the files that came here before,
    by their digests; of them those count whose states are of the same generation.
    """
    known = _of_sender(registry, sender)
    contradicted = lineage.forked(registry, sender, head, known)
    if contradicted is not None:
        return Inconsistent(FORKED, contradicted)
    same = [row for row in known if row["first_key"] == bytes.fromhex(head.first_key)]
    shown = [row for row in same if row["audience"] == audience]
    if not audience or not shown:
        return None
    newest = max(shown, key=lambda row: integer(row, "size"))
    numbers = {others[blob(row, "digest")] for row in same if row["digest"] in others}
    size, last = integer(newest, "size"), max(numbers, default=0)
    if head.size > size and (head.generation, size) not in {each[:2] for each in head.earlier}:
        # It must be proved, unless there is no room: then some of the files before are not among what is proved at all.
        is_cut = len(head.earlier) < sequence - 1 and _is_beyond([each[1] for each in head.earlier], size)
        return Inconsistent(UNPROVED if is_cut and sequence > last else UNCONNECTED, newest)
    if head.size < size and not any(row["size"] == head.size for row in shown):
        # A file of before, which the newest one must go on from; but perhaps not all of these were ever proved.
        line = {bytes.fromhex(each[1]) for each in head.generations}
        seen = sum(row["audience"] == audience and row["first_key"] in line for row in known)
        is_cut = log_showing.LEAST_WHEN_FULL <= seen < last
        return Inconsistent(UNPROVED if is_cut and sequence < last and sequence not in numbers else UNCONNECTED, newest)
    return None


def _is_beyond(proved: list[int], size: int) -> bool:
    """Whether a sender whose file has no room for every state would have left out this one: the older go first, and only
    two of them stay of what fills a file.
    """
    return len(proved) >= log_showing.LEAST_WHEN_FULL and sum(each < size for each in proved) <= log_showing.ALWAYS


def told(
    registry: Registry, sender: str, audience: str, head: ShownHead, *, digest: bytes
) -> tuple[int | None, int | None]:
    """What must be said of the generations of a state, see ``lineage.told``."""
    return lineage.told(audience, head, _of_sender(registry, sender), digest=digest)


def remember(registry: Registry, sender: str, audience: str, head: ShownHead, *, digest: bytes, now: str) -> None:
    """Keep a state, and those that it goes on from; inside a step.

    What proves that it was shown is kept for the newest state, and for each from which no proof leads to a newer one.
    """
    own, keys = bytes.fromhex(head.first_key), {each[0]: bytes.fromhex(each[1]) for each in head.generations}
    known = _of_chain(registry, sender, audience, own)
    before = next((row for row in known if row["size"] == head.size), None)
    is_held = (not audience or before is not None) and any(integer(row, "size") > head.size for row in known)
    shown = registry.steps if before is None else before["shown"]

    def keep(generation: int, size: int, root: str, *, shown: Value, evidence: bytes | None) -> None:
        registry.put(
            schema.SEEN_HEADS,
            {
                "sender": sender,
                "audience": audience,
                "first_key": keys[generation],
                "size": size,
                "generation": generation,
                "root": bytes.fromhex(root),
                "digest": digest,
                "seen": now,
                "shown": shown,
                "evidence": evidence,
            },
        )

    for generation, size, root in head.earlier:
        if registry.row(schema.SEEN_HEADS, sender, audience, keys[generation], size) is None:
            keep(generation, size, root, shown=None, evidence=None)
    keep(head.generation, head.size, head.root, shown=shown, evidence=None if is_held else head.evidence)
    lineage.remember(registry, sender, head)
    held = {size for _generation, size, _root in head.earlier}
    for row in known:
        is_older = row["size"] in held or (not audience and integer(row, "size") < head.size)
        if row["evidence"] is not None and is_older:
            registry.put(schema.SEEN_HEADS, {**row, "evidence": None})
    if audience:
        _settle_unconnected(registry, sender, audience, head)


def _settle_unconnected(registry: Registry, sender: str, audience: str, head: ShownHead) -> None:
    """Forget a suspicion that was refuted: two states without a proof between them are now proven to be of one chain."""
    known = _of_chain(registry, sender, audience, bytes.fromhex(head.first_key))
    if sum(row["evidence"] is not None for row in known) > 1:
        return  # there are states from which no proof leads on
    chain = {(integer(row, "size"), blob(row, "root")) for row in known}
    for row in registry.rows(schema.FORKS):
        both = {(integer(row, f"{each}_size"), optional_blob(row, f"{each}_root")) for each in ("first", "second")}
        if (row["sender"], row["kind"], row["generation"]) == (sender, UNCONNECTED, head.generation) and both <= chain:
            registry.erase(schema.FORKS, row["number"])


def to_name(
    registry: Registry, sender: str, audience: str, vault_id: bytes, *, digest: bytes
) -> tuple[str, bytes | None] | None:
    """The state of a sender's log that a receipt names, as the text of a checkpoint, and what proves that it was shown.

    It is the newest that was shown to us of the generation that the file with this ``digest`` is of; or, where no proof
    leads to that from an older one, the older: so the sender's own log must have it, and the next file can prove it.
    """
    shown = [row for row in _of_sender(registry, sender) if row["audience"] == audience]
    if not shown:
        return None
    last = max(shown, key=lambda row: (row["digest"] == digest, integer(row, "generation"), integer(row, "size")))
    generation, same = integer(last, "generation"), [row for row in shown if row["first_key"] == last["first_key"]]
    latest = sorted(same, key=lambda row: integer(row, "size"), reverse=True)
    named = next((row for row in reversed(latest) if row["evidence"] is not None), latest[0])
    checkpoint = Checkpoint(origin(vault_id, generation), integer(named, "size"), blob(named, "root"))
    return checkpoint.to_bytes().decode("ascii"), optional_blob(named, "evidence")


def _of_chain(registry: Registry, sender: str, audience: str, first_key: bytes) -> list[Row]:
    return [row for row in _of_sender(registry, sender) if (row["audience"], row["first_key"]) == (audience, first_key)]


def _of_sender(registry: Registry, sender: str) -> list[Row]:
    return [row for row in registry.rows(schema.SEEN_HEADS) if row["sender"] == sender]


def keep_fork(
    registry: Registry, found: Inconsistent, head: ShownHead, *, sender: str, name: str | None, now: str
) -> None:
    """Keep what proves that both states were shown; inside a step. No suspicion takes the place of a proof."""
    first = found.before
    evidence = optional_blob(first, "evidence")
    if evidence is None:  # the newest one names this state among those that it goes on from
        evidence = max(
            (
                (integer(row, "size"), blob(row, "evidence"))
                for row in _of_sender(registry, sender)
                if row["evidence"] is not None
                and row["audience"] == first["audience"]
                and row["first_key"] == first["first_key"]
            ),
            default=(0, None),
        )[1]
    put_fork(
        registry,
        among=[row for row in registry.rows(schema.FORKS) if (row["sender"], row["kind"]) == (sender, found.kind)],
        sender=sender,
        name=name,
        kind=found.kind,
        generation=head.generation,
        found=now,
        first=(integer(first, "size"), blob(first, "root"), evidence),
        second=(head.size, bytes.fromhex(head.root), head.evidence),
    )


def put_fork(
    registry: Registry,
    *,
    among: list[Row],
    sender: str,
    name: str | None,
    kind: str,
    generation: int,
    found: str,
    first: tuple[int, bytes | None, bytes | None],
    second: tuple[int, bytes, bytes],
) -> None:
    """Keep two states, unless the second is ``among`` those that are kept, or these are enough; inside a step."""
    same = any((row["second_size"], row["second_root"]) == second[:2] for row in among)
    if same or len(among) >= _MOST_FORKS:
        return
    registry.put(
        schema.FORKS,
        {
            "number": max((integer(row, "number") for row in registry.rows(schema.FORKS)), default=0) + 1,
            "sender": sender,
            "name": name,
            "kind": kind,
            "generation": generation,
            "found": found,
            "first_size": first[0],
            "first_root": first[1],
            "first": first[2],
            "second_size": second[0],
            "second_root": second[1],
            "second": second[2],
        },
    )


# What is told


def witnesses(registry: Registry) -> tuple[LogWitness, ...]:
    """Who has confirmed our log, and up to where; who came farthest first."""
    called = names(registry)
    rows: Iterable[Row] = sorted(
        registry.rows(schema.WITNESSES), key=lambda row: (-integer(row, "generation"), -integer(row, "size"))
    )
    return tuple(
        LogWitness(
            partner=called.get(text(row, "fingerprint")),
            fingerprint=text(row, "fingerprint"),
            generation=integer(row, "generation"),
            entries=integer(row, "size"),
            when=text(row, "confirmed"),
        )
        for row in rows
    )


def names(registry: Registry) -> dict[str, str]:
    """Our names of partners by the fingerprints, in hexadecimal, that they have, or had when a file was sealed for them."""
    partners = {integer(row, "number"): row for row in registry.rows(schema.PARTNERS)}
    sent = {
        text(row, "recipient"): text(partners[integer(row, "partner")], "name")
        for row in registry.rows(schema.SHARES)
        if row["partner"] in partners
    }
    return sent | {blob(row, "fingerprint").hex(): text(row, "name") for row in partners.values()}


def forks(registry: Registry) -> tuple[LogFork, ...]:
    """States that do not go together, of our log and of others'."""
    return tuple(
        LogFork(
            kind=text(row, "kind"),
            sender=text(row, "sender") or None,
            partner=optional_text(row, "name"),
            generation=integer(row, "generation"),
            found=text(row, "found"),
            entries_before=integer(row, "first_size"),
            entries=integer(row, "second_size"),
        )
        for row in registry.rows(schema.FORKS)
    )


def warning(registry: Registry) -> tuple[str, ...]:
    """What must be said of forks whenever the vault is opened."""
    senders = {text(row, "sender") for row in registry.rows(schema.FORKS)}
    return (("own-log-forked",) if "" in senders else ()) + (("partner-log-forked",) if senders - {""} else ())
