"""The header of an age file: bytes to a typed value and back. It knows no keys.

https://c2sp.org/age, "Header". Whatever this reader accepts, writing gives back to the byte: there is one text for
each header, so nothing in it can be changed that the header's MAC does not cover.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass

from crypto.age_streams import LineSource
from crypto.errors import HeaderFailure

VERSION_LINE = b"age-encryption.org/v1\n"

_COLUMNS = 64
_BYTES_PER_LINE = _COLUMNS // 4 * 3
_MAC_MARK = b"---"
_END_SIZE = len(_MAC_MARK) + 1 + 43 + 1
_ARGUMENT_LINE = re.compile(rb"-> [!-~]+(?: [!-~]+)*\n")
_ARGUMENT = re.compile(r"[!-~]+")


@dataclass(frozen=True)
class HeaderLimits:
    """How large a header may be before it is refused unread: its bytes, and its stanzas."""

    size_bytes: int
    stanzas: int


# Room for 650 hybrid recipients or some thousand others. A stanza costs its reader at most one exchange of keys, about
# 0.1 ms, so that even a header made to waste time costs less than half a second for each identity.
GENERAL_LIMITS = HeaderLimits(size_bytes=1 << 20, stanzas=4096)


@dataclass(frozen=True)
class Stanza:
    """The file key, wrapped for somebody: words of printable ASCII, the first of which says how, and bytes."""

    arguments: tuple[str, ...]
    body: bytes

    @property
    def kind(self) -> str:
        """The first argument, such as "X25519"."""
        return self.arguments[0]

    def to_bytes(self) -> bytes:
        """The lines of the stanza. Raises ValueError for arguments that have no text form."""
        if not self.arguments or not all(_ARGUMENT.fullmatch(argument) for argument in self.arguments):
            raise ValueError("a stanza has arguments, each of printable ASCII without spaces")
        text = encode_base64(self.body)
        # A body that fills its last line is followed by an empty one.
        lines = [text[start : start + _COLUMNS] for start in range(0, len(text) + 1, _COLUMNS)]
        return "\n".join(["-> " + " ".join(self.arguments), *lines, ""]).encode("ascii")


@dataclass(frozen=True)
class Header:
    """A header as it stands in the file; nothing of it is verified before its MAC is."""

    stanzas: tuple[Stanza, ...]
    mac: bytes
    text: bytes

    @property
    def covered(self) -> bytes:
        """What the MAC is computed over: everything up to and including the mark before it."""
        return self.text[: len(_MAC_MARK) - _END_SIZE]


def covered_bytes(stanzas: tuple[Stanza, ...]) -> bytes:
    """What the MAC of a header with these stanzas is computed over."""
    return VERSION_LINE + b"".join(stanza.to_bytes() for stanza in stanzas) + _MAC_MARK


def end_of_header(mac: bytes) -> bytes:
    """What follows `covered_bytes`."""
    return f" {encode_base64(mac)}\n".encode("ascii")


def parse_header(lines: LineSource, *, most_stanzas: int) -> Header:
    """Read a header up to its last line.

    Raises HeaderFailure for every text that is not the form of the specification, and when there are more stanzas.
    """
    if lines.line(len(VERSION_LINE)) != VERSION_LINE:
        raise HeaderFailure("not an age file of version 1")
    stanzas: list[Stanza] = []
    while (line := lines.line())[: len(_MAC_MARK)] != _MAC_MARK:
        if len(stanzas) == most_stanzas:
            raise HeaderFailure(f"more than {most_stanzas} stanzas")
        if not _ARGUMENT_LINE.fullmatch(line):
            raise HeaderFailure("not the first line of a stanza")
        arguments = tuple(line[len(b"-> ") : -1].decode("ascii").split(" "))
        stanzas.append(Stanza(arguments, _parse_body(lines)))
    if not stanzas:
        raise HeaderFailure("a header without a stanza")
    if len(line) != _END_SIZE or line[len(_MAC_MARK) : len(_MAC_MARK) + 1] != b" ":
        raise HeaderFailure("the last line of the header is malformed")
    mac = decode_base64(line[len(_MAC_MARK) + 1 : -1].decode("latin-1"))
    return Header(tuple(stanzas), mac, lines.taken())


def _parse_body(lines: LineSource) -> bytes:
    body = bytearray()
    while True:
        part = decode_base64(lines.line(_COLUMNS + 1)[:-1].decode("latin-1"))
        body += part
        if len(part) < _BYTES_PER_LINE:
            return bytes(body)


def encode_base64(data: bytes) -> str:
    """Base64 of RFC 4648, section 4, without padding."""
    return binascii.b2a_base64(data, newline=False).decode("ascii").rstrip("=")


def decode_base64(text: str) -> bytes:
    """The bytes whose base64 without padding is exactly `text`.

    Raises HeaderFailure for everything else: padding, other characters, bits left over that are not zero.
    """
    try:
        data = binascii.a2b_base64(text + "=" * (-len(text) % 4))
    except ValueError:
        raise HeaderFailure("not base64 without padding") from None
    # The decoder overlooks much; encoding again catches all of it at once.
    if encode_base64(data) != text:
        raise HeaderFailure("base64 that is not canonical")
    return data
