"""The key that signs the log's next step: in a file of its own, never in a database, and erased when it has signed.

The file has two blocks, which are overwritten in place. The key of the next step lies in one of them. A step writes the
key after it into the other, becomes durable together with a signature by the current key, and then overwrites the
current key. So at any moment the number of the last durable step says which block is the one. Deleted keys were found
again in databases, in every journal mode, which is why none is ever there.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from crypto import labels
from crypto.encoding import length_prefixed, uint64
from crypto.errors import CryptoError
from crypto.keys import KEY_SIZE, RecordKey, StepKey, VaultKey, derive
from crypto.records import RECORD_OVERHEAD, decrypt_record, encrypt_record
from crypto.signing import Checkpoint, sign_checkpoint, step_public_key
from vault import errors, files

FILE_NAME = "logkey"
BLOCK_BYTES = 4096
SIZE_BYTES = 2 * BLOCK_BYTES

_PADDING = bytes(BLOCK_BYTES - RECORD_OVERHEAD - KEY_SIZE)


@dataclass(frozen=True, slots=True)
class Place:
    """Which key of which log: the one that signs ``step``."""

    vault_id: bytes
    generation: int
    step: int

    def context(self) -> bytes:
        """What a block is sealed to."""
        return length_prefixed(labels.LOGKEY, self.vault_id, uint64(self.generation), uint64(self.step))


@dataclass(frozen=True, slots=True)
class _Held:
    place: Place
    key: StepKey
    public_key: bytes
    block: int


class LogKey:
    """The evolving key of one log, as far as its last durable step.

    A step calls ``begin`` (only the first of a generation), ``announce``, ``sign``, and after its transaction ``advance``.
    """

    def __init__(self, path: Path, vault_key: VaultKey) -> None:
        self.path = path
        self._sealing = derive(vault_key, labels.LOGKEY, RecordKey)
        self._held: _Held | None = None
        self._first: StepKey | None = None
        self._announced: _Held | None = None
        self._old_stays = False

    def inherited(self, vault_key: VaultKey) -> LogKey:
        """The same key in the next epoch of the vault: good for one step there, while the old epoch's block stays."""
        heir = LogKey(self.path, vault_key)
        heir._held, heir._old_stays = self._held, True
        return heir

    # Which key fits

    def find(self, place: Place, public_key: bytes) -> bool:
        """Whether there is the key that the log expects next; what is in memory goes before what is in the file."""
        known = [each for each in (self._announced, self._held) if each is not None]
        self._first = self._announced = self._held = None
        for held in (*known, *self._read(place)):
            if held.place == place and held.public_key == public_key:
                self._held = held
                return True
        return False

    def _read(self, place: Place) -> list[_Held]:
        try:
            if not self._is_there():
                return []
            content = self.path.read_bytes()
        except OSError:
            return []
        found = []
        for block in (0, 1):
            sealed = content[block * BLOCK_BYTES : (block + 1) * BLOCK_BYTES]
            try:
                opened = decrypt_record(self._sealing, sealed, context=place.context())
            except CryptoError:
                continue
            key = StepKey(opened[:KEY_SIZE])
            found.append(_Held(place, key, step_public_key(key), block))
        return found

    @property
    def fits(self) -> bool:
        """Whether the last ``find`` found it, and nothing was lost since."""
        return self._held is not None

    def signs(self, place: Place) -> bool:
        """Whether the key that is held is the one of ``place``: no other one may sign that step."""
        return self._first is None and self._held is not None and self._held.place == place

    # A step

    def begin(self) -> bytes:
        """The public key of a new generation's first key, which signs this step and never lies on the disk."""
        self._first = StepKey.random()
        return step_public_key(self._first)

    def announce(self, place: Place) -> bytes:
        """Draw the key of ``place``, make it durable in the block that is free, and return its public key.

        Raises ``LogUnavailable``, ``NoSpace``, ``ReadOnly``, ``DiskFailed``.
        """
        if self._old_stays and self._held is None:
            raise errors.LogUnavailable  # the free block is the old epoch's, which may still be led back to
        key = StepKey.random()
        block = 0 if self._held is None else 1 - self._held.block
        announced = _Held(place, key, step_public_key(key), block)
        try:
            if self._is_there():
                self._overwrite(block, self._sealed(announced))
            else:
                self._write_anew(announced)
        except FileNotFoundError:
            raise errors.DiskFailed(path=str(self.path), reason="the vault's folder is gone") from None
        self._announced = announced
        return announced.public_key

    def sign(self, checkpoint: Checkpoint) -> bytes:
        """The signature of this step's checkpoint. Raises ``LogUnavailable`` where no key is held."""
        key = self._first or (self._held.key if self._held else None)
        if key is None:
            raise errors.LogUnavailable
        return sign_checkpoint(checkpoint, key)

    def advance(self) -> None:
        """The step is durable: what was announced is the key now. ``erase_others`` must follow."""
        self._first, self._held, self._announced = None, None if self._old_stays else self._announced, None

    def erase_others(self) -> None:
        """Overwrite the block that holds no key of what comes. Raises ``NoSpace``, ``ReadOnly``, ``DiskFailed``.

        Where that fails nothing is lost but time: the next step writes into this block, and so does the next open.
        """
        if self._held is not None and not self._old_stays and self._is_there():
            self._overwrite(1 - self._held.block, os.urandom(BLOCK_BYTES))

    # The file

    def _sealed(self, held: _Held) -> bytes:
        return encrypt_record(self._sealing, held.key.raw + _PADDING, context=held.place.context())

    def _is_there(self) -> bool:
        with files.translated(self.path):
            try:
                found = self.path.lstat()
            except FileNotFoundError:
                return False
        return stat.S_ISREG(found.st_mode) and found.st_size == SIZE_BYTES

    def _overwrite(self, block: int, data: bytes) -> None:
        with files.translated(self.path):
            files.disk.overwrite(self.path, block * BLOCK_BYTES, data)

    def _write_anew(self, announced: _Held) -> None:
        if self._old_stays:
            raise errors.LogUnavailable  # the old epoch's key would be lost with the file
        blocks = [os.urandom(BLOCK_BYTES), os.urandom(BLOCK_BYTES)]
        for held in (self._held, announced):
            if held is not None:
                blocks[held.block] = self._sealed(held)
        files.write_file(self.path, b"".join(blocks))
