"""Byte forms of structured values, one form for each value: they are hashed, signed and compared."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import NoReturn

from crypto.errors import NotCanonical

MAX_DEPTH = 16
_LARGEST_INTEGER = 2**53 - 1
# Made once: an entry of the log or a row that is compared encodes dozens of values.
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))


def uint32(value: int) -> bytes:
    """Four bytes, big-endian. Raises ValueError when `value` does not fit."""
    return _unsigned(value, 4)


def uint64(value: int) -> bytes:
    """Eight bytes, big-endian. Raises ValueError when `value` does not fit."""
    return _unsigned(value, 8)


def length_prefixed(*parts: bytes) -> bytes:
    """Each part behind its length (uint64, big-endian), so that no two lists of parts share an encoding."""
    return b"".join(uint64(len(part)) + part for part in parts)


def canonical_json(value: object, *, max_depth: int = MAX_DEPTH) -> bytes:
    """The one JSON text of `value` in UTF-8: keys sorted by code point, no spaces, no escapes that are not needed.

    Takes None, bool, int below 2**53 in size, str, bytes (written as lowercase hex), lists, tuples and mappings with
    str keys, nested at most `max_depth` deep. Raises NotCanonical for everything else: floats, lone surrogates,
    larger integers, other types.
    """
    if value is None:
        return b"null"
    return _encoded(_plain(value, max_depth))


def parse_canonical_json(data: bytes, *, max_depth: int = MAX_DEPTH) -> object:
    """The value whose canonical JSON is exactly `data`; hex strings stay strings.

    Raises NotCanonical for all other bytes: another order or spacing, duplicate keys, needless escapes, floats,
    text that is not UTF-8, values nested deeper than `max_depth`.
    """
    try:
        value: object = json.loads(data.decode("utf-8"), parse_float=_refuse_number, parse_constant=_refuse_number)
    except (ValueError, RecursionError):
        raise NotCanonical("not JSON in UTF-8, or nested without end") from None
    # What was parsed may be large, and is plain already: no copy is made of it.
    _verify_plain(value, max_depth)
    # Encoding again catches all remaining freedom of JSON at once, duplicate keys included.
    if _encoded(value) != data:
        raise NotCanonical("JSON that is not in canonical form")
    return value


def parse_base64(text: bytes) -> bytes:
    """The bytes whose base64 (RFC 4648, section 4, with padding) is exactly `text`.

    Raises NotCanonical for all other text: other letters, missing padding, unused bits that are not zero.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise NotCanonical("not base64") from None
    if base64.b64encode(data) != text:
        raise NotCanonical("base64 that is not in canonical form")
    return data


def _unsigned(value: int, size_bytes: int) -> bytes:
    try:
        return value.to_bytes(size_bytes, "big")
    except OverflowError:
        raise ValueError(f"does not fit into {size_bytes} bytes") from None


def _encoded(value: object) -> bytes:
    try:
        return _ENCODER.encode(value).encode("utf-8")
    except UnicodeEncodeError:
        raise NotCanonical("a lone surrogate has no UTF-8 form") from None


def _verify_plain(value: object, depth_left: int) -> None:
    """Raise NotCanonical for what came out of JSON and has no canonical form, or is nested too deep."""
    if isinstance(value, int) and abs(value) > _LARGEST_INTEGER:
        raise NotCanonical("integer of 2**53 or more")
    if not isinstance(value, (dict, list)):
        return
    if depth_left == 0:
        raise NotCanonical("nested too deep")
    for each in value.values() if isinstance(value, dict) else value:
        _verify_plain(each, depth_left - 1)


def _plain(value: object, depth_left: int) -> object:
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        if abs(value) > _LARGEST_INTEGER:
            raise NotCanonical("integer of 2**53 or more")
        return value
    if isinstance(value, bytes):
        return value.hex()
    if depth_left == 0:
        raise NotCanonical("nested too deep")
    if isinstance(value, (list, tuple)):
        return [_plain(item, depth_left - 1) for item in value]
    if isinstance(value, Mapping):
        if not all(isinstance(name, str) for name in value):
            raise NotCanonical("a key that is not text")
        return {name: _plain(item, depth_left - 1) for name, item in value.items()}
    raise NotCanonical(f"{type(value).__name__} has no canonical form")


def _refuse_number(_text: str) -> NoReturn:
    raise NotCanonical("a number that is not an integer")
