"""Partners as witnesses: what we show them of our log, what they show us of theirs, and what does not go together.

A state of a log is a generation, a number of entries, and the root over them. Of one sender's log each chain of states, as
it was shown to one of our fingerprints, must go on from the newest of it; and no two states with one name and size may have
two roots, whoever was shown them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crypto.encoding import canonical_json
from crypto.signing import Checkpoint, checkpoint_note
from crypto.tree import Tree, leaf_hash
from vault import bag, errors, lineage, schema, shares
from vault.leaves import Leaf, origin
from vault.log_proofs import MOST_EARLIER, SHOWN, Certificate, Earlier, Included, LogProofs
from vault.log_requests import LogFork, LogWitness
from vault.tables import Row, blob, integer, optional_blob, optional_text, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from vault.arrivals import ShownHead
    from vault.log import Announced
    from vault.registry import Registry
    from vault.store import Value

# Two roots for one state; a state that the sender should have proved to go on from another, and did not; a state which our
# own identity has signed, and which our log never had.
FORKED, UNCONNECTED, NOT_OURS = "forked", "unconnected", "not-ours"
# No contradiction: the two states lie farther apart than a file has room to prove.
UNPROVED = "unproved"

_MOST_BEFORE_CONFIRMED = 8
_LEAST_WHEN_FULL = 64
_ALWAYS = 2  # the state that was confirmed, and the one that the last receipt named
# Of log-proofs.json, at most: an earlier state without its proof, a hash in a proof, a certificate, what else there is.
_STATE_BYTES, _HASH_BYTES, _CERTIFICATE_BYTES, _REST_BYTES = 160, 67, 7800, 16 << 10
_MOST_FORKS = 8  # of one sender, or from one partner: one proves as much as a thousand


# Our log, for others


def expected_bytes(registry: Registry, recipient: str) -> int:
    """About how large log-proofs.json will be for a recipient."""
    proof = [bytes(32)] * max(1, registry.frontier.size.bit_length())
    earlier = [{"generation": 1, "proof": proof, "root": bytes(32), "size": 1} for _ in _to_prove(registry, recipient)]
    certificates = _CERTIFICATE_BYTES * len(registry.rows(schema.GENERATIONS))
    return len(canonical_json({"earlier": earlier, "key": proof, "share": proof})) + certificates + 3300


def note(registry: Registry, step: int) -> bytes:
    """The checkpoint of a signed step, as a signed note."""
    ((size, root, signature),) = registry.store.execute(
        "SELECT size, root, signature FROM log_steps WHERE step = ?", (step,)
    )
    name = origin(registry.setting("vault_id"), integer(_generation_of(registry, step), "generation"))
    return checkpoint_note(Checkpoint(name, size, root), signature, key_of(registry, step))


def key_of(registry: Registry, step: int) -> bytes:
    """The public key that a signed step was signed with."""
    generation = _generation_of(registry, step)
    if integer(generation, "first_step") == step:
        return blob(generation, "first_key")
    ((leaf,),) = registry.store.execute(
        "SELECT leaf FROM log_entries WHERE number = (SELECT size - 1 FROM log_steps WHERE step = ?)", (step - 1,)
    )
    return Leaf.from_bytes(leaf).next_key or b""


def proofs(registry: Registry, announced: Announced, share_id: bytes, recipient: str) -> bytes:
    """log-proofs.json for a file that the last step announced.

    Raises ``Refused`` where there are more generations than a file has room for.
    """
    leaves = [leaf for (leaf,) in registry.store.stream("SELECT leaf FROM log_entries ORDER BY number")]
    tree = Tree(map(leaf_hash, leaves))
    number = announced.number
    begins = integer(_generation_of(registry, registry.steps), "first_step") == registry.steps

    def included(index: int) -> Included:
        return Included(leaves[index], tuple(tree.inclusion_proof(index)))

    earlier = tuple(
        Earlier(generation, size, root, tuple(tree.consistency_proof(size)))
        for generation, size, root in _to_prove(registry, recipient, but=share_id)
    )
    found = LogProofs(
        generations=tuple(_certificate(row) for row in _generations(registry)),
        share=included(number),
        fields=announced.disclosed(*SHOWN),
        key=None if begins else included(number - 1),
        earlier=earlier,
    )
    try:
        return found.to_bytes()
    except ValueError:
        raise errors.Refused(reason="the log has more generations than a sealed file can prove") from None


def _certificate(row: Row) -> Certificate:
    return Certificate(
        generation=integer(row, "generation"),
        first_step=integer(row, "first_step"),
        size=integer(row, "size"),
        root=blob(row, "root"),
        first_key=blob(row, "first_key"),
        sshsig=blob(row, "sshsig"),
        mldsa65=blob(row, "mldsa65"),
    )


def _generations(registry: Registry) -> list[Row]:
    return sorted(registry.rows(schema.GENERATIONS), key=lambda row: integer(row, "generation"))


def _generation_of(registry: Registry, step: int) -> Row:
    return [row for row in _generations(registry) if integer(row, "first_step") <= step][-1]


def _to_prove(registry: Registry, recipient: str, but: bytes = b"") -> list[tuple[int, int, bytes]]:
    """Generation, size and root of what this recipient may have seen: the state that they last confirmed, all that was shown
    since, and a few before, for one who goes on from a backup; and what their last receipt named. Where that is more than a
    file has room for the newest stay, and what was confirmed and named.
    """
    if not recipient:
        return []
    found = _shown_to(registry, recipient, but)
    confirmed, named = _sizes(registry, recipient)
    before = [size for size in sorted(found) if size < confirmed][-_MOST_BEFORE_CONFIRMED:]
    wanted = {*before, *(size for size in found if size >= confirmed), *(size for size in (named,) if size in found)}
    most = _most_earlier(registry)
    if len(wanted) > most:
        always = wanted & {confirmed, named}
        wanted = always | set(sorted(wanted - always)[len(always) - most :])
    return [found[size] for size in sorted(wanted)]


def unconfirmed(registry: Registry, recipient: str) -> int:
    """How many files a recipient was sent since the newest that they have confirmed."""
    confirmed, _ = _sizes(registry, recipient)
    return sum(size > confirmed for size in _shown_to(registry, recipient))


def _sizes(registry: Registry, recipient: str) -> tuple[int, int]:
    """How many entries the newest state has that a recipient confirmed, and the one that their last receipt named; or 0."""
    rows = (registry.row(table, recipient) for table in (schema.WITNESSES, schema.NAMED_HEADS))
    confirmed, named = (0 if row is None else integer(row, "size") for row in rows)
    return confirmed, named


def _most_earlier(registry: Registry) -> int:
    """How many earlier states a file has room for, each with a proof as long as the longest."""
    each_bytes = _STATE_BYTES + _HASH_BYTES * max(1, registry.frontier.size.bit_length())
    left_bytes = bag.MAX_PROOFS_BYTES - _CERTIFICATE_BYTES * len(registry.rows(schema.GENERATIONS)) - _REST_BYTES
    return max(_LEAST_WHEN_FULL, min(MOST_EARLIER, left_bytes // each_bytes))


def _shown_to(registry: Registry, recipient: str, but: bytes = b"") -> dict[int, tuple[int, int, bytes]]:
    """The states that files to a recipient have shown, by their sizes."""
    shown = {
        blob(row, "share_id")
        for row in registry.rows(schema.SHARES)
        if row["recipient"] == recipient and row["state"] != shares.FAILED and row["share_id"] != but
    }
    found: dict[int, tuple[int, int, bytes]] = {}
    for row in registry.rows(schema.SENT_HEADS):
        if blob(row, "share_id") in shown:
            step = integer(row, "step")
            ((size, root),) = registry.store.execute("SELECT size, root FROM log_steps WHERE step = ?", (step,))
            found[size] = integer(_generation_of(registry, step), "generation"), size, root
    return found


# Their logs, shown to us


@dataclass(frozen=True, slots=True)
class Inconsistent:
    """A state that does not go together with one that was shown before."""

    kind: str
    before: Row

    @property
    def reason(self) -> str:
        """Why a file with it is refused."""
        if self.kind == FORKED:
            return "its sender's log has two histories, and this file is of another one than an earlier file"
        return "its sender's log does not go on from where an earlier file showed it"


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
        is_cut = sum(row["audience"] == audience and row["first_key"] in line for row in known) < last
        return Inconsistent(UNPROVED if is_cut and sequence < last and sequence not in numbers else UNCONNECTED, newest)
    return None


def _is_beyond(proved: list[int], size: int) -> bool:
    """Whether a sender whose file has no room for every state would have left out this one: the older go first, and only
    two of them stay of what fills a file.
    """
    older = sum(each < size for each in proved)
    return not older or (len(proved) >= _LEAST_WHEN_FULL and older <= _ALWAYS)


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


def to_name(
    registry: Registry, sender: str, audience: str, vault_id: bytes, *, digest: bytes
) -> tuple[str, bytes | None] | None:
    """The state of a sender's log that a receipt names, as the text of a checkpoint, and what proves that it was shown.

    It is the newest that was shown to us of the generation that the file with this ``digest`` is of; or, where no proof leads to
    that from an older one, the older: so the sender's own log must have it, and the next file can prove it.
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
    """Keep what proves that both states were shown; inside a step."""
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
        among=[row for row in registry.rows(schema.FORKS) if row["sender"] == sender],
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
