"""age files, version 1: https://c2sp.org/age.

The one door to the format; a sealed case file is such a file. What is wrong with a file is named by the layer that
refuses it: ArmorFailure, HeaderFailure, NoMatch, HMACFailure, PayloadFailure. age proves no sender: whoever can read a
file can write another one for the same recipients.

`encrypt` and `decrypt` go from one binary stream to another in bounded memory. Whoever makes the content piece by
piece uses `open_writer`, whoever takes it piece by piece `open_reader`, and `open_range` reads any part of a file that
can be sought in.
"""

from __future__ import annotations

import hmac
import io
import secrets
from collections.abc import Iterable, Sequence
from typing import Protocol

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from crypto.age_armor import ArmorReader, ArmorWriter, armor, dearmor
from crypto.age_header import (
    GENERAL_LIMITS,
    VERSION_LINE,
    Header,
    HeaderLimits,
    Stanza,
    covered_bytes,
    end_of_header,
    parse_header,
)
from crypto.age_keys import (
    FILE_KEY_SIZE,
    HYBRID,
    SCRYPT,
    X25519,
    FileKey,
    FileKeyIdentity,
    HybridIdentity,
    HybridRecipient,
    Identity,
    PassphraseIdentity,
    PassphraseRecipient,
    Recipient,
    X25519Identity,
    X25519Recipient,
    parse_identity,
    parse_recipient,
    passphrase_identity,
    passphrase_recipient,
)
from crypto.age_payload import CHUNK, SEALED_CHUNK, ChunkReader, PayloadReader, PayloadWriter, sealed_size
from crypto.age_streams import LineSource, Rest, Sink, Source, read_full, rest_of, write_all
from crypto.errors import (
    AgeFailure,
    ArmorFailure,
    HeaderFailure,
    HMACFailure,
    InvalidIdentity,
    InvalidPublicKey,
    NoMatch,
    PayloadFailure,
)

__all__ = [
    "CHUNK",
    "GENERAL_LIMITS",
    "HYBRID",
    "SCRYPT",
    "VERSION_LINE",
    "X25519",
    "AgeFailure",
    "ArmorFailure",
    "ArmorReader",
    "ArmorWriter",
    "FileKey",
    "FileKeyIdentity",
    "HMACFailure",
    "Header",
    "HeaderFailure",
    "HeaderLimits",
    "HybridIdentity",
    "HybridRecipient",
    "Identity",
    "InvalidIdentity",
    "InvalidPublicKey",
    "NoMatch",
    "PassphraseIdentity",
    "PassphraseRecipient",
    "PayloadFailure",
    "PayloadReader",
    "PayloadWriter",
    "RangeReader",
    "Recipient",
    "Stanza",
    "X25519Identity",
    "X25519Recipient",
    "armor",
    "dearmor",
    "decrypt",
    "encrypt",
    "file_size",
    "open_range",
    "open_reader",
    "open_writer",
    "parse_identity",
    "parse_recipient",
    "passphrase_identity",
    "passphrase_recipient",
    "read_header",
    "unwrap_file_key",
]

_NONCE_SIZE = 16
_BLOCK = 8 * CHUNK


class SeekableSource(Source, Protocol):
    """A binary stream in which one can go to any place."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to a place; returns it."""

    def tell(self) -> int:
        """The place where it is."""


class RangeReader:
    """Any part of an encrypted file, each chunk authenticated, from a file whose end has been verified."""

    __slots__ = ("_cached", "_cached_number", "_chunks", "_source", "_start", "header")

    def __init__(self, source: SeekableSource, start: int, chunks: ChunkReader, header: Header) -> None:
        self.header = header
        self._source = source
        self._start = start
        self._chunks = chunks
        # A cut file would look whole up to the place where it is cut; only the last chunk tells.
        self._cached_number = chunks.chunks - 1
        self._cached = self._read_chunk(self._cached_number)

    @property
    def size_bytes(self) -> int:
        """The size of the plaintext; authentic."""
        return self._chunks.size_bytes

    def read_at(self, offset: int, size: int) -> bytes:
        """The plaintext from `offset` on, `size` bytes or what there is up to the end.

        Raises PayloadFailure when a chunk is altered, or the source became shorter; ValueError below zero.
        """
        if offset < 0 or size < 0:
            raise ValueError("a place and a size are not negative")
        end = min(offset + size, self.size_bytes)
        parts = []
        while offset < end:
            number, skip = divmod(offset, CHUNK)
            if number != self._cached_number:
                self._cached, self._cached_number = self._read_chunk(number), number
            part = self._cached[skip : skip + end - offset]
            parts.append(part)
            offset += len(part)
        return b"".join(parts)

    def _read_chunk(self, number: int) -> bytes:
        self._source.seek(self._start + number * SEALED_CHUNK)
        sealed = memoryview(bytearray(self._chunks.sealed_chunk_size(number)))
        count = read_full(self._source, sealed)
        return self._chunks.decrypt_chunk(number, sealed[:count])


def encrypt(source: Source, sink: Sink, recipients: Iterable[Recipient]) -> None:
    """Encrypt all of `source` into `sink`.

    Raises ValueError without recipients, for a passphrase beside another recipient, and for hybrid recipients beside
    others, through whom a quantum computer would read the file; what the streams raise.
    """
    writer = open_writer(sink, recipients)
    rest = rest_of(source)
    while len(block := rest.take(_BLOCK)):
        writer.write(block)
    writer.finish()


def open_writer(sink: Sink, recipients: Iterable[Recipient]) -> PayloadWriter:
    """Write a header to `sink`, and return what encrypts the content into it; its `finish` completes the file.

    Raises as `encrypt` does.
    """
    wanted = list(recipients)
    kinds = {recipient.kind for recipient in wanted}
    if not wanted:
        raise ValueError("a file is encrypted to somebody")
    if SCRYPT in kinds and len(wanted) > 1:
        raise ValueError("a file for a passphrase has no other recipient")
    if HYBRID in kinds and len(kinds) > 1:
        raise ValueError("hybrid recipients are not mixed with others")
    file_key = secrets.token_bytes(FILE_KEY_SIZE)
    covered = covered_bytes(tuple(recipient.wrap(file_key) for recipient in wanted))
    nonce = secrets.token_bytes(_NONCE_SIZE)
    write_all(sink, memoryview(covered + end_of_header(_header_mac(file_key, covered)) + nonce))
    return PayloadWriter(_payload_key(file_key, nonce), sink)


def decrypt(source: Source, sink: Sink, identities: Iterable[Identity]) -> None:
    """Decrypt all of `source` into `sink`.

    Each chunk goes to the sink as soon as it is authenticated, so after PayloadFailure the sink holds a beginning that
    is authentic but not the whole; what is made of it is the caller's business. Raises HeaderFailure, NoMatch,
    HMACFailure, PayloadFailure; CryptoError without memory for scrypt; what the streams raise, ArmorFailure among it.
    """
    reader, _ = open_reader(source, identities)
    while (chunk := reader.next_chunk()) is not None:
        write_all(sink, chunk)


def open_reader(
    source: Source, identities: Iterable[Identity], *, limits: HeaderLimits = GENERAL_LIMITS
) -> tuple[PayloadReader, Header]:
    """Read and verify the header of a file; returns what decrypts the rest, and the header.

    Raises HeaderFailure, NoMatch, HMACFailure; what the source raises.
    """
    key, rest, header = _open(source, list(identities), limits)
    return PayloadReader(key, rest), header


def open_range(
    source: SeekableSource, identities: Iterable[Identity], *, limits: HeaderLimits = GENERAL_LIMITS
) -> RangeReader:
    """A reader for any part of the file that begins where `source` stands and ends where it ends.

    The last chunk is verified first, so that a cut file is never taken for a whole one. Raises HeaderFailure, NoMatch,
    HMACFailure, PayloadFailure; what the source raises.
    """
    start = source.tell()
    key, _, header = _open(source, list(identities), limits)
    start += len(header.text) + _NONCE_SIZE
    chunks = ChunkReader(key, source.seek(0, io.SEEK_END) - start)
    return RangeReader(source, start, chunks, header)


def read_header(source: Source, *, limits: HeaderLimits = GENERAL_LIMITS) -> Header:
    """The header of a file, for which no key is needed and of which nothing is verified.

    The source may be read further than the header. Raises HeaderFailure; what the source raises.
    """
    return _parse(LineSource(source, limit_bytes=limits.size_bytes), limits)


def unwrap_file_key(header: bytes, identities: Iterable[Identity], *, limits: HeaderLimits = GENERAL_LIMITS) -> FileKey:
    """The file key of the file whose header has exactly these bytes, the MAC verified: for another process to read it.

    Raises HeaderFailure, NoMatch, HMACFailure.
    """
    lines = LineSource(io.BytesIO(header), limit_bytes=limits.size_bytes)
    parsed = _parse(lines, limits)
    if parsed.text != header:
        raise HeaderFailure("something follows the header")
    return FileKey(_file_key(parsed, list(identities)))


def file_size(plaintext_size: int, header_size: int) -> int:
    """The size in bytes of a file with a header of that size. Raises ValueError below zero."""
    return header_size + _NONCE_SIZE + sealed_size(plaintext_size)


def _parse(lines: LineSource, limits: HeaderLimits) -> Header:
    header = parse_header(lines, most_stanzas=limits.stanzas)
    # Whoever knows a passphrase is taken for the sender; a second stanza would let somebody else be it.
    if len(header.stanzas) > 1 and any(stanza.kind == SCRYPT for stanza in header.stanzas):
        raise HeaderFailure("a stanza for a passphrase beside another")
    return header


def _open(source: Source, identities: Sequence[Identity], limits: HeaderLimits) -> tuple[bytes, Rest, Header]:
    lines = LineSource(source, limit_bytes=limits.size_bytes)
    header = _parse(lines, limits)
    file_key = _file_key(header, identities)
    rest = lines.rest()
    nonce = bytes(rest.take(_NONCE_SIZE))
    # age counts the nonce to what must be there before a payload can begin.
    if len(nonce) != _NONCE_SIZE:
        raise HeaderFailure("the file ends before its payload")
    return _payload_key(file_key, nonce), rest, header


def _file_key(header: Header, identities: Sequence[Identity]) -> bytes:
    file_key = _unwrap(header, identities)
    if not hmac.compare_digest(_header_mac(file_key, header.covered), header.mac):
        raise HMACFailure("the header is not the one that was written")
    return file_key


def _unwrap(header: Header, identities: Sequence[Identity]) -> bytes:
    for identity in identities:
        file_key = identity.unwrap(header.stanzas)
        if file_key is not None:
            return file_key
    raise NoMatch("no identity opens the file")


def _header_mac(file_key: bytes, covered: bytes) -> bytes:
    return hmac.digest(HKDF(SHA256(), 32, salt=None, info=b"header").derive(file_key), covered, "sha256")


def _payload_key(file_key: bytes, nonce: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt=nonce, info=b"payload").derive(file_key)
