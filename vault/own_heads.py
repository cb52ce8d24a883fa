"""States of our own log that the receipts of partners name: found in it, lost in a declared gap, or of another history.

What a receipt says of our log is its signer's word. That our log was once at a state which it never had is proven by
ourselves alone: both keys of our identity have signed the tagmanifest of the file that showed it, and that lists the
checkpoint. They have also certified the first key of its generation, so a copy of this vault that was declared elsewhere is
told from one that was not.
"""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING

from crypto import mldsa, sshsig
from crypto.errors import CryptoError
from crypto.labels import SignedKind
from crypto.signing import Checkpoint
from vault import bag, errors, log_rows, schema, witnessing
from vault.archive import ArchiveReader, packed
from vault.confirmations import LARGEST_SHOWN_BYTES, Confirmation, Parts
from vault.identity import ONLY
from vault.leaves import FIRST_GENERATION, origin
from vault.log_proofs import last_certificate, read_certificate, verify_certificate
from vault.tables import Row, blob, integer

if TYPE_CHECKING:
    from vault.registry import Registry

# What becomes of the state that a receipt names: our log has it; a later generation was declared before it; our identity
# has signed it, and our log never had it; so, in a generation that another copy of this vault began; the partner says so,
# and nothing proves it.
CONFIRMED, LOST, PROVEN, ELSEWHERE, CLAIMED = "confirmed", "lost", "not-ours", "elsewhere", "claimed"
REASONS = (PROVEN, ELSEWHERE, CLAIMED)  # for which the log keeps a receipt that confirms nothing

# What of a file proves that its sender's identity has signed a state of the log, and of which generation that is.
_GENERATION = "log-generation.json"
_SHOWN = (bag.TAGMANIFEST, bag.SIGNATURE, bag.MLDSA_SIGNATURE, bag.LOG_CHECKPOINT)


def shown(evidence: bytes) -> bytes:
    """What a receipt carries of the evidence that is kept of a state: its sender's own signatures, and the checkpoint."""
    files = {each.name: each.read(bag.MAX_PROOFS_BYTES) for each in ArchiveReader(io.BytesIO(evidence))}
    certificate = (_GENERATION, last_certificate(files[bag.LOG_PROOFS]))
    return packed([*((name, files[name]) for name in _SHOWN), certificate])


def certified(registry: Registry, named: Checkpoint, proof: bytes) -> bytes | None:
    """The first key of the generation of a state, if our own identity has certified it and signed a file that showed this
    state; else None.
    """
    own = registry.row(schema.IDENTITY, ONLY)
    try:
        files = {each.name: each.read(LARGEST_SHOWN_BYTES) for each in ArchiveReader(io.BytesIO(proof))}
        if own is None or tuple(files) != (*_SHOWN, _GENERATION):
            return None
        signed, note = files[bag.TAGMANIFEST], files[bag.LOG_CHECKPOINT]
        sshsig.verify(blob(own, "ed25519"), signed, files[bag.SIGNATURE], kind=SignedKind.SEALED_FILE)
        mldsa.verify(blob(own, "mldsa65"), signed, files[bag.MLDSA_SIGNATURE], kind=SignedKind.SEALED_FILE)
        checkpoint = Checkpoint.from_bytes(note.rpartition(b"\n\n")[0] + b"\n")
        certificate, vault_id = read_certificate(files[_GENERATION]), registry.setting("vault_id")
        verify_certificate(certificate, vault_id=vault_id, ed25519=blob(own, "ed25519"), mldsa65=blob(own, "mldsa65"))
    except (CryptoError, ValueError, errors.SealedFileRefused):
        return None
    listed = bag.manifest([(bag.LOG_CHECKPOINT, hashlib.sha256(note).hexdigest())])
    is_it = checkpoint == named and listed in signed.splitlines(keepends=True)
    return certificate.first_key if is_it and named.origin == origin(vault_id, certificate.generation) else None


def judge(registry: Registry, named: Checkpoint, proof: bytes | None) -> str:
    """What becomes of a state of our log that a receipt names, with what it carries to prove it.

    Raises ``BadReceipt`` for one of another log, and for a proof that is none.
    """
    if generation_of(registry, named) is None:
        raise errors.BadReceipt(reason="it names a state of another log than ours")
    first_key = None if proof is None else certified(registry, named, proof)
    if proof is not None and first_key is None:
        raise errors.BadReceipt(reason="what it carries as signed by this vault is not")
    found = find(registry, named)
    if found is not None or first_key is None:
        return found or CLAIMED
    is_declared = generation_of(registry, named) != FIRST_GENERATION
    own = {blob(row, "first_key") for row in registry.rows(schema.GENERATIONS)}
    return ELSEWHERE if is_declared and first_key not in own else PROVEN


def find(registry: Registry, named: Checkpoint) -> str | None:
    """Whether our log has a state, or has declared that it was lost; else None."""
    rows = log_rows.generations(registry)
    for row, after in zip(rows, [*rows[1:], None], strict=True):
        if named.origin != origin(registry.setting("vault_id"), integer(row, "generation")):
            continue
        if after is not None and named.size > integer(after, "size"):
            return LOST
        found = registry.store.execute(
            "SELECT root FROM log_steps WHERE size = ? AND step >= ?", (named.size, integer(row, "first_step"))
        )
        return CONFIRMED if [root for (root,) in found] == [named.root] else None
    return None


def generation_of(registry: Registry, named: Checkpoint) -> int | None:
    """The generation of our log that a checkpoint names; None where it is another vault's."""
    beginning = origin(registry.setting("vault_id"), 0)[:-1]
    number = named.origin.removeprefix(beginning)
    is_it = named.origin.startswith(beginning) and number.isascii() and number.isdecimal() and len(number) < 10
    return int(number) if is_it and origin(registry.setting("vault_id"), int(number)) == named.origin else None


def confirm(registry: Registry, fingerprint: str, named: Checkpoint, *, now: str) -> None:
    """Keep that a partner has confirmed a state of our log, and that they named it last; inside a step.

    What they have confirmed farther than that stays.
    """
    generation = generation_of(registry, named) or 0
    state: Row = {"fingerprint": fingerprint, "generation": generation, "size": named.size, "root": named.root}
    registry.put(schema.NAMED_HEADS, state)
    before = registry.row(schema.WITNESSES, fingerprint)
    if before is None or (integer(before, "generation"), integer(before, "size")) < (generation, named.size):
        registry.put(schema.WITNESSES, {**state, "confirmed": now})


def keep(registry: Registry, named: Checkpoint, receipt: bytes, *, by: str, name: str, now: str) -> None:
    """Keep a receipt with the proof that our log was shown with another history; inside a step.

    However many one partner sends, those of others have room.
    """
    witnessing.put_fork(
        registry,
        among=[row for row in registry.rows(schema.FORKS) if not row["sender"] and _signer(row) == by],
        sender="",
        name=name,
        kind=witnessing.NOT_OURS,
        generation=generation_of(registry, named) or 0,
        found=now,
        first=(registry.frontier.size, registry.frontier.root(), None),
        second=(named.size, named.root, receipt),
    )


def _signer(row: Row) -> str | None:
    """Whose receipt is kept."""
    try:
        return Confirmation.from_bytes(Parts.from_signed_bytes(blob(row, "second")).receipt).by
    except errors.BadReceipt:
        return None
