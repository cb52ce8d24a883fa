"""Whether the log proves itself: leaves, tree, and a checkpoint after each step by the key that the step before announced.

It needs no body and no case's key. What it shows: nothing of what was logged was altered, removed, added or moved since its
step was signed, by anybody who did not keep that step's key. What it cannot show is in the threat model.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from crypto import mldsa, sshsig
from crypto.encoding import canonical_json, parse_canonical_json
from crypto.errors import CryptoError, NotCanonical
from crypto.labels import SignedKind
from crypto.signing import Checkpoint, verify_checkpoint
from crypto.tree import Frontier, leaf_hash
from vault import errors, log_rows, platform, schema
from vault.leaves import Leaf, generation_statement, origin
from vault.log_requests import LogGeneration
from vault.registry import Registry
from vault.store import Record
from vault.tables import Row, blob, integer

LAST_SETTING = "log_verified"

_BATCH = 256
_MOST_WAITING = 16  # batches, so that memory stays flat

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Verified:
    """How far a log was found to hold: after which step, with which tree, and which key must sign the next."""

    step: int
    frontier: bytes
    next_key: bytes | None
    when: str

    def to_bytes(self) -> bytes:
        """As vault.db keeps it."""
        return canonical_json(
            {"frontier": self.frontier, "next_key": self.next_key, "step": self.step, "when": self.when}
        )


def last_verified(registry: Registry) -> Verified | None:
    """How far the last verification came that found nothing; None where there was none."""
    stored = registry.optional_setting(LAST_SETTING)
    if stored is None:
        return None
    try:
        value = parse_canonical_json(stored)
        if not isinstance(value, dict):
            return None
        key = value["next_key"]
        return Verified(
            int(value["step"]), bytes.fromhex(value["frontier"]), bytes.fromhex(key) if key else None, value["when"]
        )
    except (CryptoError, KeyError, TypeError, ValueError):
        return None


def verify(registry: Registry, *, since: Verified | None, when: str, progress: Progress | None = None) -> Verified:
    """Verify the log up to its last step, from the beginning or from where it was verified before.

    1. The generations are numbered upwards, and each begins with the tree and after the step where the one before ended.
       Where the identity has certified one, both signatures hold.
    2. Steps follow each other without a gap, and each has entries.
    3. Each leaf is in its one form, its number is the next one, and its step is this one.
    4. Since the first generation began: the last leaf of a step, and no other, names the next key. Before, none does, and
       no step is signed.
    5. The tree over all leaves has the root that the step records.
    6. Since then: the signature holds for the checkpoint of exactly this origin, size and root, by the key that the step
       before named in a leaf under its own checkpoint, and by no other; of a generation's first step, by the
       generation's first key.
    7. The last step is the one that the vault stands at, no entry follows it, and none comes before the first.

    ``progress`` is told of steps, some hundreds at a time. Raises ``LogProofFailed``, which names the first step that does
    not hold.
    """
    walk = _Walk(registry, since)
    signatures = _Signatures()
    told = walk.step
    try:
        steps = registry.store.stream(f"{log_rows.steps_query(registry)} WHERE step > ? ORDER BY step", (walk.step,))
        for record in steps:
            claim = walk.take(record)
            if claim is not None:
                signatures.add(claim)
            if progress and walk.step % _BATCH == 0:
                progress(walk.step - told)
                told = walk.step
    except errors.LogProofFailed:
        signatures.finish()  # an earlier step's signature may be what fails first
        raise
    finally:
        signatures.close()
    signatures.finish()
    walk.end()
    if progress:
        progress(walk.step - told)
    return Verified(walk.step, walk.frontier.to_bytes(), walk.next_key, when)


@dataclass(frozen=True, slots=True)
class _Claim:
    step: int
    text: bytes
    signature: bytes
    public_key: bytes


class _Walk:
    """The state after each step: rules 1 to 5 and 7."""

    def __init__(self, registry: Registry, since: Verified | None) -> None:
        self._registry = registry
        self._vault_id = registry.setting("vault_id")
        self._generations = log_rows.generations(registry)
        self._now: Row | None = None
        self.step, self.frontier = 0, Frontier()
        self.next_key: bytes | None = None
        if since is not None:
            self._go_on(since)
        self._verify_generations()
        self._leaves: Iterator[tuple[int, bytes]] = registry.store.stream(
            "SELECT number, leaf FROM log_entries WHERE number >= ? ORDER BY number", (self.frontier.size,)
        )

    def _go_on(self, since: Verified) -> None:
        try:
            self.frontier = Frontier.from_bytes(since.frontier)
        except CryptoError:
            raise errors.LogProofFailed(step=since.step, reason="verified") from None
        if self._registry.root_at(since.step) != self.frontier.root():
            raise errors.LogProofFailed(step=since.step, reason="verified")
        self.step, self.next_key = since.step, since.next_key
        for row in self._generations:
            if integer(row, "first_step") <= self.step:
                self._now = row

    def _verify_generations(self) -> None:
        numbers = [integer(row, "generation") for row in self._generations]
        steps = [integer(row, "first_step") for row in self._generations]
        for row in self._generations:
            _verify_certificate(self._registry, row)
        if steps != sorted(set(steps)) or (numbers and numbers[-1] != self._registry.signing.generation):
            raise errors.LogProofFailed(step=min(steps), reason="generation")

    def take(self, record: Record) -> _Claim | None:
        """What is claimed of the next step; None before the first generation, when steps were not signed."""
        try:
            row = log_rows.step_row(record)
        except errors.DatabaseDamaged:
            raise errors.LogProofFailed(step=self.step + 1, reason="root") from None
        step, size, root, signature = row.step, row.size, row.root, row.signature
        if step != self.step + 1:
            raise errors.LogProofFailed(step=self.step + 1, reason="missing")
        self._begin_generation(step)
        is_signed = self._now is not None
        if is_signed and size <= self.frontier.size:
            raise errors.LogProofFailed(step=step, reason="empty")
        announced: bytes | None = None
        while self.frontier.size < size:
            number, data = next(self._leaves, (-1, b""))
            leaf = self._leaf(data, number, step)
            is_last = number == size - 1
            if (leaf.next_key is not None) is not (is_signed and is_last):
                raise errors.LogProofFailed(step=step, reason="key")
            announced = leaf.next_key
            self.frontier.append(leaf_hash(data))
        if self.frontier.root() != root:
            raise errors.LogProofFailed(step=step, reason="root")
        self.step, key, self.next_key = step, self.next_key, announced
        if self._now is None:
            if signature is not None:
                raise errors.LogProofFailed(step=step, reason="generation")
            return None
        if key is None or signature is None:
            raise errors.LogProofFailed(step=step, reason="unsigned")
        name = origin(self._vault_id, integer(self._now, "generation"))
        return _Claim(step, Checkpoint.text_of(name, size, root), signature, key)

    def _begin_generation(self, step: int) -> None:
        for row in self._generations:
            if integer(row, "first_step") == step:
                if (integer(row, "size"), blob(row, "root")) != (self.frontier.size, self.frontier.root()):
                    raise errors.LogProofFailed(step=step, reason="generation")
                self._now, self.next_key = row, blob(row, "first_key")

    def _leaf(self, data: bytes, number: int, step: int) -> Leaf:
        try:
            leaf = Leaf.from_bytes(data)
        except NotCanonical:
            raise errors.LogProofFailed(step=step, reason="entry") from None
        if number != self.frontier.size or (leaf.number, leaf.step) != (number, step):
            raise errors.LogProofFailed(step=step, reason="entry")
        return leaf

    def end(self) -> None:
        """Rule 7."""
        registry = self._registry
        first = registry.store.execute("SELECT min(number), (SELECT min(step) FROM log_steps) FROM log_entries")
        if first != [(0, 1)]:
            raise errors.LogProofFailed(step=1, reason="entry")
        same = (self.step, self.frontier.to_bytes()) == (registry.steps, registry.frontier.to_bytes())
        if not same or next(self._leaves, None) is not None:
            raise errors.LogProofFailed(step=self.step, reason="end")


class _Signatures:
    """Rule 6: signatures in batches, on as many cores as there are; the library lets other threads run meanwhile."""

    def __init__(self) -> None:
        cores = platform.usable_cores()
        self._pool = ThreadPoolExecutor(cores) if cores > 1 else None
        self._batch: list[_Claim] = []
        self._waiting: deque[Future[None]] = deque()

    def add(self, claim: _Claim) -> None:
        self._batch.append(claim)
        if len(self._batch) == _BATCH:
            self._send()

    def _send(self) -> None:
        batch, self._batch = self._batch, []
        if self._pool is None:
            _verify(batch)
            return
        self._waiting.append(self._pool.submit(_verify, batch))
        while len(self._waiting) > _MOST_WAITING:
            self._waiting.popleft().result()

    def finish(self) -> None:
        """Raises ``LogProofFailed`` for the first that does not hold."""
        if self._pool is None:
            _verify(self._batch)
            return
        while self._waiting:
            self._waiting.popleft().result()
        _verify(self._batch)

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=False)


def _verify(batch: list[_Claim]) -> None:
    for claim in batch:
        try:
            verify_checkpoint(claim.text, claim.signature, claim.public_key)
        except CryptoError:
            raise errors.LogProofFailed(step=claim.step, reason="signature") from None


def _verify_certificate(registry: Registry, row: Row) -> None:
    if row["certified"] is None:
        return
    statement, identity = generation_statement(registry.setting("vault_id"), row), registry.rows(schema.IDENTITY)
    try:
        (own,) = identity
        sshsig.verify(blob(own, "ed25519"), statement, blob(row, "sshsig"), kind=SignedKind.GENERATION)
        mldsa.verify(blob(own, "mldsa65"), statement, blob(row, "mldsa65"), kind=SignedKind.GENERATION)
    except (CryptoError, TypeError, ValueError):
        raise errors.LogProofFailed(step=integer(row, "first_step"), reason="certificate") from None


def generations(registry: Registry) -> tuple[LogGeneration, ...]:
    """Every generation of the log, with the gap that it declares before it."""
    vault_id = registry.setting("vault_id")
    return tuple(
        LogGeneration(
            number=integer(row, "generation"),
            origin=origin(vault_id, integer(row, "generation")),
            first_step=integer(row, "first_step"),
            first_entry=integer(row, "size"),
            root=blob(row, "root").hex(),
            first_key=blob(row, "first_key").hex(),
            certified=row["certified"] is not None,
        )
        for row in log_rows.generations(registry)
    )
