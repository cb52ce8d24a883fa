"""The state of a case: a hash over every change it has seen, in order.

Each change enters as a salted digest. So what a change said can be erased, salt included, and the chain over the
digests still holds, while nobody can guess what was erased.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from crypto.labels import CHANGE

STATE_SIZE = 32
SALT_SIZE = 16
CASE_ID_SIZE = 16


def first_state(case_id: bytes) -> bytes:
    """The state of a case (16-byte id) without changes: SHA-256(label || case id)."""
    _check(case_id, CASE_ID_SIZE, "a case id")
    return hashlib.sha256(CHANGE + case_id).digest()


def change_digest(salt: bytes, change: bytes) -> bytes:
    """What stays of a change for ever: SHA-256(salt || change), with a salt of 16 random bytes."""
    _check(salt, SALT_SIZE, "the salt of a change")
    return hashlib.sha256(salt + change).digest()


def next_state(state: bytes, digest: bytes) -> bytes:
    """The state after a change: SHA-256(state || digest), 32 bytes each."""
    return next_states(state, (digest,))[0]


def next_states(state: bytes, digests: Sequence[bytes]) -> list[bytes]:
    """``next_state`` over many changes, in order: the state after each. A case has many thousands."""
    if len(state) != STATE_SIZE or not {STATE_SIZE}.issuperset(map(len, digests)):
        raise ValueError(f"a state and the digest of a change have {STATE_SIZE} bytes each")
    sha256, states = hashlib.sha256, []
    for digest in digests:
        state = sha256(state + digest).digest()
        states.append(state)
    return states


def _check(value: bytes, size_bytes: int, name: str) -> None:
    if len(value) != size_bytes:
        raise ValueError(f"{name} has {size_bytes} bytes")
