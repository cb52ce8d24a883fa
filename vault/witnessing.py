"""Partners as witnesses: what we show them of our log, what they show us of theirs, and what does not go together.

A state of a log is a generation, a number of entries, and the root over them. Of one sender's log each chain of states, as
it was shown to one of our fingerprints, must go on from the newest of it; and no two states with one name and size may have
two roots, whoever was shown them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crypto.encoding import canonical_json
from crypto.errors import NotCanonical
from crypto.signing import Checkpoint, checkpoint_note
from vault import errors, log_rows, schema, shares
from vault.leaves import Leaf, origin
from vault.log_proofs import MOST_EARLIER, SHOWN, Certificate, Earlier, Included, LogProofs
from vault.log_requests import LogFork, LogWitness
from vault.tables import Row, blob, integer, optional_blob, optional_text, text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vault.arrivals import ShownHead
    from vault.log import Announced
    from vault.registry import Registry

# Two roots for one state; a state from which no proof leads to the other; a receipt with a state that our log never had.
FORKED, UNCONNECTED, NOT_OURS = "forked", "unconnected", "not-ours"
# What became of the state that a receipt names.
CONFIRMED, LOST, FOREIGN = "confirmed", "lost", "not-ours"

_MOST_FORKS = 8  # of one sender: one proves as much as a thousand


# Our log, for others


def expected_bytes(registry: Registry, recipient: str) -> int:
    """About how large log-proofs.json will be for a recipient."""
    proof = [bytes(32)] * max(1, registry.frontier.size.bit_length())
    earlier = [{"generation": 1, "proof": proof, "root": bytes(32), "size": 1} for _ in _to_prove(registry, recipient)]
    certificates = 7800 * len(registry.rows(schema.GENERATIONS))
    return len(canonical_json({"earlier": earlier, "key": proof, "share": proof})) + certificates + 3300


def note(registry: Registry, step: int) -> bytes:
    """The checkpoint of a signed step, as a signed note."""
    row = log_rows.step_at(registry, step)
    name = origin(registry.setting("vault_id"), integer(_generation_of(registry, step), "generation"))
    if row.signature is None:
        raise errors.DatabaseDamaged(what=f"log step {step}")
    return checkpoint_note(Checkpoint(name, row.size, row.root), row.signature, key_of(registry, step))


def key_of(registry: Registry, step: int) -> bytes:
    """The public key that a signed step was signed with."""
    generation = _generation_of(registry, step)
    if integer(generation, "first_step") == step:
        return blob(generation, "first_key")
    size = log_rows.step_at(registry, step - 1).size
    (leaf,) = log_rows.leaves(registry, size - 1, size)
    try:
        announced = Leaf.from_bytes(leaf).next_key
    except NotCanonical:
        announced = None
    if announced is None:
        raise errors.DatabaseDamaged(what=f"log step {step - 1}")
    return announced


def proofs(registry: Registry, announced: Announced, share_id: bytes, recipient: str) -> bytes:
    """log-proofs.json for a file that the last step announced.

    Raises ``Refused`` where there are more generations than a file has room for, and ``OlderCopy`` where the entries are not
    those of the log's head.
    """
    tree = log_rows.tree(registry)
    number = announced.number
    begins = integer(_generation_of(registry, registry.steps), "first_step") == registry.steps

    def included(index: int) -> Included:
        (leaf,) = log_rows.leaves(registry, index, index + 1)
        return Included(leaf, tuple(tree.inclusion_proof(index)))

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
    begun = [row for row in _generations(registry) if integer(row, "first_step") <= step]
    if not begun:
        raise errors.DatabaseDamaged(what=f"log step {step}")
    return begun[-1]


def _to_prove(registry: Registry, recipient: str, but: bytes = b"") -> list[tuple[int, int, bytes]]:
    """Generation, size and root of what this recipient may have seen, the newest 64: also what they have confirmed, because
    whoever goes on from a backup knows only what was before.
    """
    if not recipient:
        return []
    shown = {
        blob(row, "share_id")
        for row in registry.rows(schema.SHARES)
        if row["recipient"] == recipient and row["state"] != shares.FAILED and row["share_id"] != but
    }
    found: dict[int, tuple[int, int, bytes]] = {}
    for sent in registry.rows(schema.SENT_HEADS):
        if blob(sent, "share_id") in shown:
            step = log_rows.step_at(registry, integer(sent, "step"))
            found[step.size] = integer(_generation_of(registry, step.step), "generation"), step.size, step.root
    return [found[size] for size in sorted(found)[-MOST_EARLIER:]]


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
        return (
            "nothing in it proves that its sender's log goes on from where an earlier file showed it. Where this vault was "
            "restored from a backup, open the files first that came since then, in their order; else the log has two histories"
        )


def judge(registry: Registry, sender: str, audience: str, head: ShownHead) -> Inconsistent | None:
    """Whether a state goes together with all that this sender has shown, above all with the newest to this fingerprint."""
    known = _of_sender(registry, sender)
    for generation, size, root in ((head.generation, head.size, head.root), *head.earlier):
        for row in known:
            if (row["generation"], row["size"]) == (generation, size) and blob(row, "root").hex() != root:
                return Inconsistent(FORKED, row)
    same = [row for row in known if row["generation"] == head.generation]
    for row in same:
        key = optional_blob(row, "first_key")
        if key is not None and key.hex() != head.first_key:
            return Inconsistent(FORKED, row)
    shown = [row for row in same if row["audience"] == audience]
    if not audience or not shown:
        return None
    newest = max(shown, key=lambda row: integer(row, "size"))
    size = integer(newest, "size")
    earlier = {(generation, size) for generation, size, _root in head.earlier}
    if head.size > size and (head.generation, size) not in earlier:
        return Inconsistent(UNCONNECTED, newest)
    if head.size < size and not any(row["size"] == head.size for row in shown):
        return Inconsistent(UNCONNECTED, newest)
    return None


def gap_before(registry: Registry, sender: str, audience: str, head: ShownHead, *, digest: bytes) -> int | None:
    """The generation of a state, if an earlier one was shown last and nothing proves that this one holds all of it.

    What the file with this ``digest`` has shown itself does not count: when it was not stored, the gap may not have been said.
    """
    shown = [
        row
        for row in _of_sender(registry, sender)
        if audience and row["audience"] == audience and row["digest"] != digest
    ]
    if not shown or any(integer(row, "generation") >= head.generation for row in shown):
        return None
    newest = max(shown, key=lambda row: (integer(row, "generation"), integer(row, "size")))
    held = {(generation, size, root) for generation, size, root in head.earlier}
    place = integer(newest, "generation"), integer(newest, "size"), blob(newest, "root").hex()
    return None if place in held else head.generation


def remember(registry: Registry, sender: str, audience: str, head: ShownHead, *, digest: bytes, now: str) -> None:
    """Keep a state, and those that it goes on from; inside a step."""
    states = [(*each, b"") for each in head.earlier]
    states.append((head.generation, head.size, head.root, head.evidence))
    for generation, size, root, evidence in states:
        if registry.row(schema.SEEN_HEADS, sender, audience, generation, size) is None or evidence:
            is_own = bool(evidence)
            registry.put(
                schema.SEEN_HEADS,
                {
                    "sender": sender,
                    "audience": audience,
                    "generation": generation,
                    "size": size,
                    "root": bytes.fromhex(root),
                    "first_key": bytes.fromhex(head.first_key) if is_own else None,
                    "digest": digest,
                    "seen": now,
                    "evidence": evidence or None,
                },
            )
    chain = [
        row
        for row in _of_sender(registry, sender)
        if row["audience"] == audience and row["generation"] == head.generation and row["evidence"] is not None
    ]
    for row in sorted(chain, key=lambda row: integer(row, "size"))[:-1]:
        registry.put(schema.SEEN_HEADS, {**row, "evidence": None})
    if audience:
        _settle_unconnected(registry, sender, audience, head.generation)


def _settle_unconnected(registry: Registry, sender: str, audience: str, generation: int) -> None:
    """Forget a suspicion that was refuted: of two states without a proof between them, both are now proven to be of one chain."""
    chain = {
        (integer(row, "size"), blob(row, "root"))
        for row in _of_sender(registry, sender)
        if row["audience"] == audience and row["generation"] == generation
    }
    for row in registry.rows(schema.FORKS):
        both = {(integer(row, f"{each}_size"), optional_blob(row, f"{each}_root")) for each in ("first", "second")}
        if (row["sender"], row["kind"], row["generation"]) == (sender, UNCONNECTED, generation) and both <= chain:
            registry.erase(schema.FORKS, row["number"])


def newest_seen(registry: Registry, sender: str, audience: str, vault_id: bytes) -> str | None:
    """The newest state of a sender's log that was shown to us, as the text of a checkpoint."""
    shown = [row for row in _of_sender(registry, sender) if row["audience"] == audience]
    if not shown:
        return None
    newest = max(shown, key=lambda row: (integer(row, "generation"), integer(row, "size")))
    name = origin(vault_id, integer(newest, "generation"))
    return Checkpoint(name, integer(newest, "size"), blob(newest, "root")).to_bytes().decode("ascii")


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
                and row["generation"] == first["generation"]
            ),
            default=(0, None),
        )[1]
    _put_fork(
        registry,
        sender=sender,
        name=name,
        kind=found.kind,
        generation=head.generation,
        found=now,
        first=(integer(first, "size"), blob(first, "root"), evidence),
        second=(head.size, bytes.fromhex(head.root), head.evidence),
    )


def _put_fork(
    registry: Registry,
    *,
    sender: str,
    name: str | None,
    kind: str,
    generation: int,
    found: str,
    first: tuple[int, bytes | None, bytes | None],
    second: tuple[int, bytes, bytes],
) -> None:
    before = [row for row in registry.rows(schema.FORKS) if row["sender"] == sender]
    same = any((row["second_size"], row["second_root"]) == second[:2] for row in before)
    if same or len(before) >= _MOST_FORKS:
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


# Our log, as others confirm it


def judge_own(registry: Registry, named: Checkpoint) -> str:
    """Whether our log has the state that a receipt names: confirmed; lost in a gap that is declared; or not ours."""
    rows = _generations(registry)
    for row, after in zip(rows, [*rows[1:], None], strict=True):
        if named.origin != origin(registry.setting("vault_id"), integer(row, "generation")):
            continue
        if after is not None and named.size > integer(after, "size"):
            return LOST
        found = registry.store.execute(
            "SELECT root FROM log_steps WHERE size = ? AND step >= ?", (named.size, integer(row, "first_step"))
        )
        return CONFIRMED if [root for (root,) in found] == [named.root] else FOREIGN
    return FOREIGN


def generation_of(registry: Registry, named: Checkpoint) -> int | None:
    """The generation of our log that a checkpoint names; None where it is another vault's."""
    beginning = origin(registry.setting("vault_id"), 0)[:-1]
    number = named.origin.removeprefix(beginning)
    is_ours = named.origin.startswith(beginning) and number.isascii() and number.isdecimal() and len(number) < 10
    return int(number) if is_ours and origin(registry.setting("vault_id"), int(number)) == named.origin else None


def confirm(registry: Registry, fingerprint: str, named: Checkpoint, *, now: str) -> None:
    """Keep that a partner has confirmed a state of our log, unless they have confirmed a later one; inside a step."""
    generation = generation_of(registry, named) or 0
    before = registry.row(schema.WITNESSES, fingerprint)
    if before is not None and (integer(before, "generation"), integer(before, "size")) >= (generation, named.size):
        return
    registry.put(
        schema.WITNESSES,
        {
            "fingerprint": fingerprint,
            "generation": generation,
            "size": named.size,
            "root": named.root,
            "confirmed": now,
        },
    )


def keep_own_fork(registry: Registry, named: Checkpoint, receipt: bytes, *, name: str, now: str) -> None:
    """Keep a receipt that proves that our log was shown with another history; inside a step."""
    _put_fork(
        registry,
        sender="",
        name=name,
        kind=NOT_OURS,
        generation=generation_of(registry, named) or 0,
        found=now,
        first=(registry.frontier.size, registry.frontier.root(), None),
        second=(named.size, named.root, receipt),
    )


# What is told


def witnesses(registry: Registry) -> tuple[LogWitness, ...]:
    """Who has confirmed our log, and up to where; who came farthest first."""
    names = {blob(row, "fingerprint").hex(): text(row, "name") for row in registry.rows(schema.PARTNERS)}
    rows: Iterable[Row] = sorted(
        registry.rows(schema.WITNESSES), key=lambda row: (-integer(row, "generation"), -integer(row, "size"))
    )
    return tuple(
        LogWitness(
            partner=names.get(text(row, "fingerprint")),
            fingerprint=text(row, "fingerprint"),
            generation=integer(row, "generation"),
            entries=integer(row, "size"),
            when=text(row, "confirmed"),
        )
        for row in rows
    )


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
