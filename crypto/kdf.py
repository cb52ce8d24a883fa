"""From what a person knows or holds to the 32-byte seed of a header slot.

A passphrase is guessable, so its seed costs memory and time (Argon2id, RFC 9106). Recovery words and key files of
high entropy are not, so theirs costs nothing (HKDF).
"""

from __future__ import annotations

import hashlib
import time
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from nacl.bindings import crypto_pwhash_alg, crypto_pwhash_ALG_ARGON2ID13

from crypto.encoding import uint64
from crypto.errors import CostOutOfRange, CryptoError
from crypto.labels import SEED_SECRET

SEED_SIZE = 32
SALT_SIZE = 16
FOLDER_ID_SIZE = 32

KIND_PASSPHRASE = 1
KIND_PASSPHRASE_AND_KEY_FILE = 2
KIND_RECOVERY = 3
KIND_KEY_FILE = 4


@dataclass(frozen=True)
class Cost:
    """What one guess at a passphrase costs: memory in KiB and the number of passes over it; always one lane."""

    memory_kib: int
    passes: int

    def check(self) -> None:
        """Raises CostOutOfRange outside FLOOR and CEILING: a header in hostile hands may name any cost."""
        if not (
            FLOOR.memory_kib <= self.memory_kib <= CEILING.memory_kib and FLOOR.passes <= self.passes <= CEILING.passes
        ):
            raise CostOutOfRange(self.memory_kib, self.passes)


FLOOR = Cost(memory_kib=262_144, passes=3)
CEILING = Cost(memory_kib=4_194_304, passes=16)


def argon2id(secret: bytes, *, salt: bytes, cost: Cost) -> bytes:
    """32 bytes from `secret` and a 16-byte salt by Argon2id version 1.3 with one lane.

    The cost is checked before any memory is taken. Raises CostOutOfRange; CryptoError when the machine does not
    have the memory; ValueError for another length of salt.
    """
    cost.check()
    if len(salt) != SALT_SIZE:
        raise ValueError(f"an Argon2id salt has {SALT_SIZE} bytes")
    try:
        return crypto_pwhash_alg(
            SEED_SIZE, secret, salt, cost.passes, cost.memory_kib * 1024, crypto_pwhash_ALG_ARGON2ID13
        )
    except (RuntimeError, MemoryError):
        raise CryptoError(f"no {cost.memory_kib} KiB of memory for Argon2id") from None


def calibrate(target_seconds: float = 1.0, *, measure: Callable[[Cost], float] | None = None) -> Cost:
    """The cost that takes about `target_seconds` on this machine, from FLOOR upwards and never above CEILING.

    Times one run at FLOOR and scales: passes first, then memory. `measure` returns the seconds one run takes.
    """
    available = target_seconds / max((measure or _measured_seconds)(FLOOR), 1e-6)
    passes = min(max(int(FLOOR.passes * available), FLOOR.passes), CEILING.passes)
    memory_mib = int(FLOOR.memory_kib * available * FLOOR.passes / passes) // 1024
    memory_kib = min(max(memory_mib * 1024, FLOOR.memory_kib), CEILING.memory_kib)
    return Cost(memory_kib, passes)


def passphrase_secret(passphrase: str, key_file: bytes | None) -> bytes:
    """What Argon2id is run on: kind || uint64be length || passphrase || SHA-256 of the key file, if there is one.

    The passphrase is brought to Unicode NFC and otherwise left as it is, spaces and line ends included.
    Raises CryptoError for text that has no UTF-8 form.
    """
    try:
        text = unicodedata.normalize("NFC", passphrase).encode("utf-8")
    except UnicodeEncodeError:
        raise CryptoError("the passphrase has no UTF-8 form") from None
    if key_file is None:
        return bytes([KIND_PASSPHRASE]) + uint64(len(text)) + text
    return bytes([KIND_PASSPHRASE_AND_KEY_FILE]) + uint64(len(text)) + text + hashlib.sha256(key_file).digest()


def secret_seed(secret: bytes, *, folder_id: bytes, kind: int) -> bytes:
    """32 bytes from a secret that nobody can guess: recovery entropy or a random key file.

    HKDF-SHA-256 with the folder id (32 bytes) as salt and the kind in info, so that neither another vault nor
    another kind of secret ever has the same seed. Raises ValueError for fewer than 16 bytes or another kind.
    """
    if len(secret) < 16:
        raise ValueError("a secret without Argon2id needs at least 16 bytes")
    if len(folder_id) != FOLDER_ID_SIZE:
        raise ValueError(f"a folder id has {FOLDER_ID_SIZE} bytes")
    if kind not in (KIND_RECOVERY, KIND_KEY_FILE):
        raise ValueError("not a kind of high-entropy secret")
    return HKDF(algorithm=SHA256(), length=SEED_SIZE, salt=folder_id, info=SEED_SECRET + bytes([kind])).derive(secret)


def _measured_seconds(cost: Cost) -> float:
    start = time.perf_counter()
    argon2id(b"calibration", salt=bytes(SALT_SIZE), cost=cost)
    return time.perf_counter() - start
