"""Recipients and identities of age files: who a file key is wrapped for, and who unwraps it.

https://c2sp.org/age, "Native recipient types". Three kinds: hybrid (`age1pq1…`, safe against an adversary with a
quantum computer later), X25519 (`age1…`) and passphrases.
"""

from __future__ import annotations

import re
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar, NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import (
    X25519PrivateKey,
    X25519PublicKey,
)
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from crypto import bech32, hybrid
from crypto.age_header import Stanza, decode_base64, encode_base64
from crypto.errors import (
    CryptoError,
    DecryptionFailed,
    HeaderFailure,
    InvalidIdentity,
    InvalidPublicKey,
    NotCanonical,
)

FILE_KEY_SIZE = 16
BODY_SIZE = FILE_KEY_SIZE + 16
SEED_SIZE = 32

HYBRID = "mlkem768x25519"
X25519 = "X25519"
SCRYPT = "scrypt"

# Each step doubles time and memory, which is 2 ** work factor KiB.
DEFAULT_WORK_FACTOR = 18
MOST_WORK_FACTOR = 22

_HYBRID_INFO = b"age-encryption.org/mlkem768x25519"
_X25519_INFO = b"age-encryption.org/v1/X25519"
_SCRYPT_INFO = b"age-encryption.org/v1/scrypt"
_HYBRID_PREFIX, _HYBRID_SECRET_PREFIX = "age1pq", "AGE-SECRET-KEY-PQ-"
_X25519_PREFIX, _X25519_SECRET_PREFIX = "age", "AGE-SECRET-KEY-"
_SALT_SIZE = 16
_NUMBER = re.compile(r"[1-9][0-9]*")
_ZERO_NONCE = bytes(12)


class Recipient(ABC):
    """Somebody a file can be encrypted to. `kind` is the first argument of the stanza it writes."""

    kind: ClassVar[str]

    @abstractmethod
    def wrap(self, file_key: bytes) -> Stanza:
        """A new stanza, which only this recipient's identity opens."""


class Identity(ABC):
    """Somebody who opens stanzas of one kind. It shows nothing, and is neither copied nor pickled."""

    kind: ClassVar[str]

    @abstractmethod
    def unwrap(self, stanzas: Sequence[Stanza]) -> bytes | None:
        """The file key, or None when none of the stanzas opens.

        Looks at all stanzas of its kind before it opens one, and ignores all others. Raises HeaderFailure when one of
        them breaks a rule.
        """

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(f"{type(self).__name__} is neither copied nor pickled")


class FileKey:
    """What a stanza wraps: it opens one file, and nothing else. It shows nothing, and is neither copied nor pickled."""

    __slots__ = ("raw",)

    def __init__(self, raw: bytes) -> None:
        """16 bytes. Raises ValueError for another length."""
        if len(raw) != FILE_KEY_SIZE:
            raise ValueError(f"a file key has {FILE_KEY_SIZE} bytes")
        self.raw = raw

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(f"{type(self).__name__} is neither copied nor pickled")


class FileKeyIdentity(Identity):
    """Whoever was given a file's key by somebody who unwrapped it. The header's MAC tells whether it is that file's."""

    kind = "file key"

    def __init__(self, file_key: FileKey) -> None:
        self._file_key = file_key

    def unwrap(self, stanzas: Sequence[Stanza]) -> bytes | None:  # noqa: ARG002 -- as every identity
        """See Identity."""
        return self._file_key.raw


class HybridRecipient(Recipient):
    """The public half of a hybrid identity, `age1pq1…`."""

    kind = HYBRID

    def __init__(self, public: bytes) -> None:
        """1,216 bytes. Raises InvalidPublicKey."""
        self._public = hybrid.HybridPublicKey(public)

    def wrap(self, file_key: bytes) -> Stanza:
        """See Recipient."""
        sealed = hybrid.seal(file_key, self._public, info=_HYBRID_INFO)
        share, body = sealed[: hybrid.ENCAPSULATED_SIZE], sealed[hybrid.ENCAPSULATED_SIZE :]
        return Stanza((HYBRID, encode_base64(share)), body)

    def __str__(self) -> str:
        return bech32.encode(_HYBRID_PREFIX, self._public.raw)


class HybridIdentity(Identity):
    """An identity made of a 32-byte seed, `AGE-SECRET-KEY-PQ-1…`."""

    kind = HYBRID

    def __init__(self, seed: bytes) -> None:
        """Raises ValueError for another length."""
        self._private = hybrid.HybridPrivateKey(seed)
        self._seed = seed

    @classmethod
    def generate(cls) -> HybridIdentity:
        """A new one."""
        return cls(secrets.token_bytes(SEED_SIZE))

    def recipient(self) -> HybridRecipient:
        """Its public half."""
        return HybridRecipient(self._private.public_bytes())

    def secret_text(self) -> str:
        """The text that `parse_identity` reads. A secret."""
        return bech32.encode(_HYBRID_SECRET_PREFIX.lower(), self._seed).upper()

    def unwrap(self, stanzas: Sequence[Stanza]) -> bytes | None:
        """See Identity. A share of low order is refused: half of the secret would be known to everybody."""
        return _first(_key_stanzas(stanzas, HYBRID, hybrid.ENCAPSULATED_SIZE), self._open)

    def _open(self, share: bytes, body: bytes) -> bytes | None:
        try:
            return hybrid.open_sealed(share + body, self._private, info=_HYBRID_INFO)
        except InvalidPublicKey:
            raise HeaderFailure("a share of low order") from None
        except DecryptionFailed:
            return None


class X25519Recipient(Recipient):
    """The public half of an X25519 identity, `age1…`."""

    kind = X25519

    def __init__(self, public: bytes) -> None:
        """32 bytes. Raises InvalidPublicKey for another length, and for a point of low order."""
        try:
            self._public = X25519PublicKey.from_public_bytes(public)
            X25519PrivateKey.generate().exchange(self._public)
        except ValueError:
            raise InvalidPublicKey("not a usable X25519 public key") from None
        self._raw = public

    def wrap(self, file_key: bytes) -> Stanza:
        """See Recipient."""
        ephemeral = X25519PrivateKey.generate()
        share = ephemeral.public_key().public_bytes_raw()
        key = _x25519_key(ephemeral.exchange(self._public), share, self._raw)
        return Stanza((X25519, encode_base64(share)), key.encrypt(_ZERO_NONCE, file_key, None))

    def __str__(self) -> str:
        return bech32.encode(_X25519_PREFIX, self._raw)


class X25519Identity(Identity):
    """An identity made of an X25519 private key, `AGE-SECRET-KEY-1…`."""

    kind = X25519

    def __init__(self, private: bytes) -> None:
        """32 bytes. Raises ValueError for another length."""
        self._private = X25519PrivateKey.from_private_bytes(private)
        self._public = self._private.public_key().public_bytes_raw()

    @classmethod
    def generate(cls) -> X25519Identity:
        """A new one."""
        return cls(secrets.token_bytes(SEED_SIZE))

    def recipient(self) -> X25519Recipient:
        """Its public half."""
        return X25519Recipient(self._public)

    def secret_text(self) -> str:
        """The text that `parse_identity` reads. A secret."""
        return bech32.encode(_X25519_SECRET_PREFIX.lower(), self._private.private_bytes_raw()).upper()

    def unwrap(self, stanzas: Sequence[Stanza]) -> bytes | None:
        """See Identity. A share of low order is refused, as the specification demands."""
        return _first(_key_stanzas(stanzas, X25519, 32), self._open)

    def _open(self, share: bytes, body: bytes) -> bytes | None:
        try:
            shared = self._private.exchange(X25519PublicKey.from_public_bytes(share))
        except ValueError:
            raise HeaderFailure("a share of low order") from None
        return _opened(_x25519_key(shared, share, self._public), body)


class PassphraseRecipient(Recipient):
    """Whoever knows a passphrase; the only recipient of a file. Shows nothing of it."""

    kind = SCRYPT

    def __init__(self, passphrase: bytes, *, work_factor: int = DEFAULT_WORK_FACTOR) -> None:
        """Raises ValueError for an empty passphrase or a work factor outside 1 to 22."""
        if not passphrase or not 1 <= work_factor <= MOST_WORK_FACTOR:
            raise ValueError(f"a passphrase, and a work factor from 1 to {MOST_WORK_FACTOR}")
        self._passphrase = passphrase
        self._work_factor = work_factor

    def wrap(self, file_key: bytes) -> Stanza:
        """See Recipient. Raises CryptoError when the machine does not have the memory."""
        salt = secrets.token_bytes(_SALT_SIZE)
        body = _scrypt_key(self._passphrase, salt, self._work_factor).encrypt(_ZERO_NONCE, file_key, None)
        return Stanza((SCRYPT, encode_base64(salt), str(self._work_factor)), body)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(f"{type(self).__name__} is neither copied nor pickled")


class PassphraseIdentity(Identity):
    """Whoever knows a passphrase. `most_work_factor` bounds the time and memory that a file can demand."""

    kind = SCRYPT

    def __init__(self, passphrase: bytes, *, most_work_factor: int = MOST_WORK_FACTOR) -> None:
        """Raises ValueError for an empty passphrase or a work factor outside 1 to 22."""
        if not passphrase or not 1 <= most_work_factor <= MOST_WORK_FACTOR:
            raise ValueError(f"a passphrase, and a work factor from 1 to {MOST_WORK_FACTOR}")
        self._passphrase = passphrase
        self._most_work_factor = most_work_factor

    def unwrap(self, stanzas: Sequence[Stanza]) -> bytes | None:
        """See Identity. Raises CryptoError when the machine does not have the memory."""
        for salt, work_factor, body in [self._parsed(stanza) for stanza in stanzas if stanza.kind == SCRYPT]:
            file_key = _opened(_scrypt_key(self._passphrase, salt, work_factor), body)
            if file_key is not None:
                return file_key
        return None

    def _parsed(self, stanza: Stanza) -> tuple[bytes, int, bytes]:
        if len(stanza.arguments) != 3:
            raise HeaderFailure("a stanza for a passphrase has three arguments")
        salt, number = decode_base64(stanza.arguments[1]), stanza.arguments[2]
        if len(salt) != _SALT_SIZE or not _NUMBER.fullmatch(number):
            raise HeaderFailure("a stanza for a passphrase has a salt of 16 bytes and a work factor in decimal digits")
        if len(number) > 2 or int(number) > self._most_work_factor:
            raise HeaderFailure(f"a work factor above {self._most_work_factor}")
        return salt, int(number), _checked_body(stanza)


def parse_recipient(text: str) -> HybridRecipient | X25519Recipient:
    """The recipient that `age1pq1…` or `age1…` names.

    Raises InvalidPublicKey for every other text, also for kinds that only plugins of age know, and for keys of low
    order.
    """
    try:
        prefix, raw = bech32.decode(text)
    except NotCanonical as error:
        raise InvalidPublicKey(f"not an age recipient: {error}") from None
    if prefix == _HYBRID_PREFIX:
        return HybridRecipient(raw)
    if prefix == _X25519_PREFIX:
        return X25519Recipient(raw)
    raise InvalidPublicKey("not an age recipient of a kind that is known here")


def parse_identity(text: str) -> HybridIdentity | X25519Identity:
    """The identity of `AGE-SECRET-KEY-PQ-1…` or `AGE-SECRET-KEY-1…`. Raises InvalidIdentity for every other text."""
    try:
        prefix, raw = bech32.decode(text)
    except NotCanonical:
        raise InvalidIdentity("not an age identity: a character is wrong or missing") from None
    if len(raw) == SEED_SIZE and prefix == _HYBRID_SECRET_PREFIX:
        return HybridIdentity(raw)
    if len(raw) == SEED_SIZE and prefix == _X25519_SECRET_PREFIX:
        return X25519Identity(raw)
    raise InvalidIdentity("not an age identity of a kind that is known here")


def passphrase_recipient(text: str, *, work_factor: int = DEFAULT_WORK_FACTOR) -> PassphraseRecipient:
    """The recipient for a passphrase, in UTF-8 exactly as given.

    2 ** `work_factor` KiB of memory are needed, and time in proportion. Raises ValueError for an empty passphrase, for
    one without a UTF-8 form, or for a work factor outside 1 to 22.
    """
    return PassphraseRecipient(_utf8(text), work_factor=work_factor)


def passphrase_identity(text: str, *, most_work_factor: int = MOST_WORK_FACTOR) -> PassphraseIdentity:
    """The identity for a passphrase, in UTF-8 exactly as given; files that demand more are refused.

    Raises ValueError as `passphrase_recipient` does.
    """
    return PassphraseIdentity(_utf8(text), most_work_factor=most_work_factor)


def _utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        # The original error would quote the passphrase.
        raise ValueError("a passphrase without a UTF-8 form") from None


def _key_stanzas(stanzas: Sequence[Stanza], kind: str, share_size: int) -> list[tuple[bytes, bytes]]:
    """Share and body of each stanza of this kind."""
    found = []
    for stanza in stanzas:
        if stanza.kind != kind:
            continue
        if len(stanza.arguments) != 2:
            raise HeaderFailure(f"a stanza {kind} has two arguments")
        share = decode_base64(stanza.arguments[1])
        if len(share) != share_size:
            raise HeaderFailure(f"a stanza {kind} has a share of {share_size} bytes")
        found.append((share, _checked_body(stanza)))
    return found


def _checked_body(stanza: Stanza) -> bytes:
    # A longer body could be made to open under several keys at once.
    if len(stanza.body) != BODY_SIZE:
        raise HeaderFailure(f"a wrapped file key has {BODY_SIZE} bytes")
    return stanza.body


def _first(stanzas: Sequence[tuple[bytes, bytes]], open_stanza: Callable[[bytes, bytes], bytes | None]) -> bytes | None:
    for share, body in stanzas:
        file_key = open_stanza(share, body)
        if file_key is not None:
            return file_key
    return None


def _opened(key: ChaCha20Poly1305, body: bytes) -> bytes | None:
    try:
        return key.decrypt(_ZERO_NONCE, body, None)
    except InvalidTag:
        return None


def _x25519_key(shared: bytes, share: bytes, public: bytes) -> ChaCha20Poly1305:
    return ChaCha20Poly1305(HKDF(SHA256(), 32, salt=share + public, info=_X25519_INFO).derive(shared))


def _scrypt_key(passphrase: bytes, salt: bytes, work_factor: int) -> ChaCha20Poly1305:
    try:
        # The standard library's scrypt takes less than 2 GiB, which is not enough above a work factor of 20.
        derived = Scrypt(salt=_SCRYPT_INFO + salt, length=32, n=1 << work_factor, r=8, p=1).derive(passphrase)
    except MemoryError:
        raise CryptoError(f"no {1 << work_factor} KiB of memory for scrypt") from None
    return ChaCha20Poly1305(derived)
