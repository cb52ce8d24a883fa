"""Key types, so that a key of one purpose cannot be passed where another is meant, and derivation by label."""

from __future__ import annotations

import hmac
import secrets
from typing import TYPE_CHECKING, NoReturn, TypeVar

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from crypto.encoding import uint32

if TYPE_CHECKING:
    from typing_extensions import Self

KEY_SIZE = 32


class Key:
    """32 secret bytes that show up in no repr, pickle or copy.

    Keys are equal only within one class, compared in constant time. They cannot be hashed: a dictionary of keys
    would compare them by a fast hash. Python cannot promise to wipe `raw`.

    Raises TypeError for anything but bytes, ValueError for any other length.
    """

    __slots__ = ("raw",)
    raw: bytes

    def __init__(self, raw: bytes) -> None:
        if not isinstance(raw, bytes):
            raise TypeError(f"{type(self).__name__} is made of bytes")
        if len(raw) != KEY_SIZE:
            raise ValueError(f"{type(self).__name__} is made of {KEY_SIZE} bytes")
        object.__setattr__(self, "raw", raw)

    @classmethod
    def random(cls) -> Self:
        """A new key from the operating system's generator."""
        return cls(secrets.token_bytes(KEY_SIZE))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is frozen")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is frozen")

    __hash__ = None  # type: ignore[assignment]  # so that no set or dictionary compares keys by a fast hash

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other) or not isinstance(other, Key):
            return NotImplemented
        return hmac.compare_digest(self.raw, other.raw)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(f"{type(self).__name__} is neither copied nor pickled")


K = TypeVar("K", bound=Key)


class VaultKey(Key):
    """Opens one epoch of a vault; only the header's slots hold it."""

    __slots__ = ()


class CaseKey(Key):
    """Opens one epoch of one case; kept in the vault's database."""

    __slots__ = ()


class ObjectKey(Key):
    """Encrypts one object, segment by segment; kept in its case's database."""

    __slots__ = ()


class DatabaseKey(Key):
    """The raw key of one SQLCipher file."""

    __slots__ = ()


class MacKey(Key):
    """Authenticates bytes that are not secret, such as the header."""

    __slots__ = ()


class RecordKey(Key):
    """Seals small values; see `crypto.records` for how many."""

    __slots__ = ()


class StepKey(Key):
    """The seed of the Ed25519 key that signs one step of the access log, and nothing else."""

    __slots__ = ()


class IdentityEd25519Key(Key):
    """The seed of the identity's Ed25519 key; it signs only through `crypto.sshsig`, under a kind."""

    __slots__ = ()


class IdentityMLDSAKey(Key):
    """The seed of the identity's ML-DSA-65 key; it signs only through `crypto.mldsa`, under a kind."""

    __slots__ = ()


def derive(key: Key, label: bytes, kind: type[K], *, context: bytes = b"") -> K:
    """The key of class `kind` that belongs to `key`, `label` and `context`.

    HKDF-SHA-256 (RFC 5869) without salt; info = label || uint32be(len(context)) || context. A label is one of
    `crypto.labels`; as none of them is another one's beginning, no two pairs of label and context share an info.
    """
    info = label + uint32(len(context)) + context
    return kind(HKDF(algorithm=SHA256(), length=KEY_SIZE, salt=None, info=info).derive(key.raw))
