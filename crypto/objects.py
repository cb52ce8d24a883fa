"""Encrypted objects: Cobblestone-256 streams and random access to their chunks.

C2SP chunked encryption with AES-256-GCM and HKDF-Expand-SHA-512, https://c2sp.org/chunked-encryption. A stream is
salt (24) || commitment (32) || sealed chunks; every chunk but the last holds 16,384 plaintext bytes, and the last
holds fewer, perhaps none.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import TypeVar

from cryptography.cobblestone import Cobblestone256Decryptor, Cobblestone256Encryptor
from cryptography.exceptions import AlreadyFinalized, InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from cryptography.utils import Buffer

from crypto.encoding import uint32
from crypto.errors import DecryptionFailed, Truncated
from crypto.keys import ObjectKey
from crypto.labels import DRAFT, OBJECT

CHUNK = 16_384
TAG_SIZE = 16
SEALED_CHUNK = CHUNK + TAG_SIZE
SALT_SIZE = 24
COMMITMENT_SIZE = 32
PREFIX = SALT_SIZE + COMMITMENT_SIZE
SEGMENT = 1 << 30
DRAFT_ID_SIZE = 30
FORMAT = 1

_MOST_CHUNKS = 1 << 38
_KEY_SIZE = 32
_NONCE_SIZE = 12
_INFO = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\x00"

T = TypeVar("T")


def ciphertext_size(plaintext_size: int) -> int:
    """The size in bytes of the stream of `plaintext_size` bytes. Raises ValueError below zero."""
    if plaintext_size < 0:
        raise ValueError("a size is not negative")
    return PREFIX + plaintext_size + TAG_SIZE * (plaintext_size // CHUNK + 1)


def object_context(*, folder_id: bytes, case_id: bytes, object_id: bytes, segment: int) -> bytes:
    """The place that a segment is bound to.

    label || format (uint32) || folder id (32) || case id (16) || object id (16) || segment number (uint32).
    Raises ValueError for other sizes.
    """
    for value, size_bytes in ((folder_id, 32), (case_id, 16), (object_id, 16)):
        if len(value) != size_bytes:
            raise ValueError(f"an id of {size_bytes} bytes is needed")
    return OBJECT + uint32(FORMAT) + folder_id + case_id + object_id + uint32(segment)


def draft_context(*, folder_id: bytes, case_id: bytes, draft_id: bytes, place: int) -> bytes:
    """The place that a sealed draft is bound to.

    label || format (uint32) || folder id (32) || case id (16) || draft id (30) || which of its two files (uint32).
    Raises ValueError for other sizes.
    """
    for value, size_bytes in ((folder_id, 32), (case_id, 16), (draft_id, DRAFT_ID_SIZE)):
        if len(value) != size_bytes:
            raise ValueError(f"an id of {size_bytes} bytes is needed")
    return DRAFT + uint32(FORMAT) + folder_id + case_id + draft_id + uint32(place)


class StreamEncryptor:
    """Encrypts one stream, from the first byte to `finalize`, under a fresh random salt."""

    __slots__ = ("_stream",)

    def __init__(self, key: ObjectKey, context: bytes) -> None:
        self._stream = Cobblestone256Encryptor(key.raw, context)

    @staticmethod
    def output_size(data_size: int) -> int:
        """The most bytes that one `update_into` of `data_size` bytes writes."""
        return PREFIX + SEALED_CHUNK * ((data_size + CHUNK - 1) // CHUNK)

    def update_into(self, data: Buffer, buffer: Buffer) -> int:
        """Encrypt `data`, write what is complete to `buffer`, return how many bytes that is.

        Raises ValueError when the buffer is too small or the stream is finished.
        """
        return _unless_finished(lambda: self._stream.update_into(data, buffer))

    def finalize(self) -> bytes:
        """The last bytes of the stream, with the last chunk. Without them the stream is truncated."""
        return _unless_finished(self._stream.finalize)


class StreamDecryptor:
    """Decrypts one stream; every byte it hands out is authenticated, but only `finalize` shows that none is missing."""

    __slots__ = ("_failed", "_received", "_stream")

    def __init__(self, key: ObjectKey, context: bytes) -> None:
        self._stream = Cobblestone256Decryptor(key.raw, context)
        self._received = 0
        self._failed = False

    @staticmethod
    def output_size(data_size: int) -> int:
        """The most bytes that one `update_into` of `data_size` bytes writes."""
        return CHUNK * ((data_size + SEALED_CHUNK - 1) // SEALED_CHUNK)

    def update_into(self, data: Buffer, buffer: Buffer) -> int:
        """Decrypt `data`, write what is authenticated to `buffer`, return how many bytes that is.

        Raises DecryptionFailed, then for ever, and clears the buffer; ValueError when the buffer is too small or the
        stream is finished.
        """
        try:
            size = self._checked(lambda: self._stream.update_into(data, buffer))
        except DecryptionFailed:
            # The library may have written plaintext there before it saw that the tag is wrong.
            writable = memoryview(buffer).cast("B")
            writable[:] = bytes(len(writable))
            raise
        self._received += memoryview(data).nbytes
        return size

    def finalize(self) -> bytes:
        """The last bytes of the plaintext.

        Raises Truncated when the stream ends where no stream can end, DecryptionFailed when its end is not authentic:
        a stream cut inside a chunk cannot be told from an altered one.
        """
        tail = (self._received - PREFIX) % SEALED_CHUNK
        if not self._failed and (self._received < PREFIX or tail < TAG_SIZE):
            self._failed = True
            raise Truncated("the stream ends too early")
        return self._checked(self._stream.finalize)

    def _checked(self, step: Callable[[], T]) -> T:
        if self._failed:
            raise DecryptionFailed("the stream has failed before")
        try:
            return _unless_finished(step)
        except InvalidTag:
            self._failed = True
            raise DecryptionFailed("the stream does not open") from None


class ChunkDecryptor:
    """Decrypts single chunks of one stream, in any order.

    It does not notice that a stream was cut: compare the file's size with `ciphertext_size` first.
    """

    __slots__ = ("_aead", "_base_nonce")

    def __init__(self, key: ObjectKey, context: bytes, prefix: bytes) -> None:
        """`prefix` is the first 56 bytes of the stream.

        Raises Truncated when it is shorter, DecryptionFailed when its commitment is not to this key and context.
        """
        if len(prefix) < PREFIX:
            raise Truncated("the stream ends within its prefix")
        if len(prefix) > PREFIX:
            raise ValueError(f"a stream's prefix has {PREFIX} bytes")
        salt, commitment = prefix[:SALT_SIZE], prefix[SALT_SIZE:]
        size_bytes = _KEY_SIZE + _NONCE_SIZE + COMMITMENT_SIZE
        derived = HKDFExpand(SHA512(), size_bytes, _INFO + salt + context).derive(key.raw)
        if not hmac.compare_digest(derived[_KEY_SIZE + _NONCE_SIZE :], commitment):
            raise DecryptionFailed("the stream is not of this key and context")
        self._aead = AESGCM(derived[:_KEY_SIZE])
        self._base_nonce = int.from_bytes(derived[_KEY_SIZE : _KEY_SIZE + _NONCE_SIZE], "big")

    def decrypt_chunk(self, number: int, ciphertext: bytes) -> bytes:
        """The plaintext of chunk `number`, whose ciphertext begins at 56 + number * 16,400 and has 16 to 16,400 bytes.

        Raises Truncated for fewer bytes, DecryptionFailed for more or altered ones, ValueError for a number that
        no stream reaches.
        """
        if not 0 <= number < _MOST_CHUNKS:
            raise ValueError("no stream has a chunk of that number")
        if len(ciphertext) < TAG_SIZE:
            raise Truncated("the stream ends within a chunk")
        if len(ciphertext) > SEALED_CHUNK:
            raise DecryptionFailed("longer than any chunk")
        try:
            return self._aead.decrypt((self._base_nonce ^ number).to_bytes(_NONCE_SIZE, "big"), ciphertext, None)
        except InvalidTag:
            raise DecryptionFailed("the chunk does not open") from None


def _unless_finished(step: Callable[[], T]) -> T:
    try:
        return step()
    except AlreadyFinalized:
        raise ValueError("the stream is finished") from None
