"""Our log, as files that we seal show it: a checkpoint, that the file is logged, and that it goes on from what was shown.

The recipient may have seen any of the states that files to them have shown, so a file proves them all, as far as there is
room; what a receipt has named is always among them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crypto.encoding import canonical_json
from crypto.errors import NotCanonical
from crypto.signing import Checkpoint, checkpoint_note
from vault import bag, errors, log_rows, schema, shares
from vault.leaves import Leaf, origin
from vault.log_proofs import MOST_EARLIER, SHOWN, Certificate, Earlier, Included, LogProofs
from vault.tables import Row, blob, integer

if TYPE_CHECKING:
    from vault.log import Announced
    from vault.registry import Registry

# The state that was confirmed, and the one that the last receipt named: in every file. Of the others as many as this at
# least, the newest.
ALWAYS, LEAST_WHEN_FULL = 2, 64
# Of log-proofs.json, at most: an earlier state without its proof, a hash in a proof, a certificate, what else there is.
_STATE_BYTES, _HASH_BYTES, _CERTIFICATE_BYTES, _REST_BYTES = 160, 67, 7800, 16 << 10


def expected_bytes(registry: Registry, recipient: str) -> int:
    """About how large log-proofs.json will be for a recipient."""
    proof = [bytes(32)] * max(1, registry.frontier.size.bit_length())
    earlier = [{"generation": 1, "proof": proof, "root": bytes(32), "size": 1} for _ in _to_prove(registry, recipient)]
    certificates = _CERTIFICATE_BYTES * len(registry.rows(schema.GENERATIONS))
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
        generations=tuple(_certificate(row) for row in log_rows.generations(registry)),
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


def _generation_of(registry: Registry, step: int) -> Row:
    begun = [row for row in log_rows.generations(registry) if integer(row, "first_step") <= step]
    if not begun:
        raise errors.DatabaseDamaged(what=f"log step {step}")
    return begun[-1]


def _to_prove(registry: Registry, recipient: str, but: bytes = b"") -> list[tuple[int, int, bytes]]:
    """Generation, size and root of what this recipient may have seen: the newest 64, also those that they have confirmed,
    because whoever goes on from a backup knows only what was before; all since what they confirmed; and what their last
    receipt named. Where a file has no room for so many the newest stay, and what was confirmed and named.
    """
    if not recipient:
        return []
    found = _shown_to(registry, recipient, but)
    confirmed, named = _sizes(registry, recipient)
    always = {confirmed, named} & set(found)
    wanted = always | set(sorted(found)[-LEAST_WHEN_FULL:]) | {size for size in found if size > confirmed}
    most = _most_earlier(registry)
    if len(wanted) > most:
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
    return max(LEAST_WHEN_FULL, min(MOST_EARLIER, left_bytes // each_bytes))


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
            step = log_rows.step_at(registry, integer(row, "step"))
            found[step.size] = integer(_generation_of(registry, step.step), "generation"), step.size, step.root
    return found
