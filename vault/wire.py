"""What passes between a session's agent and its clients: plain values as JSON behind a length of four bytes.

Text, whole numbers, truth values and None stand for themselves, a tuple is a list; every object has one name that says
what it is: ``{"bytes": hex}``, ``{"dict": {...}}``, ``{"unlocker": [[kind, hex], ...]}``, or the class of a frozen dataclass
of this package with all its fields, ``{"requests.Note": {...}}``. What is written is canonical JSON, except that lone
surrogates pass (a file's name may hold them). What is read is checked against the type hint of the argument that it is
for; sizes are limited before anything is read, and depth before anything is built.
"""

from __future__ import annotations

import importlib
import json
import sys
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from vault import errors

if TYPE_CHECKING:
    from vault.unlock import Unlocker

FORMAT = 1
PREFIX_BYTES = 4
LARGEST_REQUEST_BYTES = 32 << 20  # a text that is searched has at most 4 MiB
LARGEST_ANSWER_BYTES = 64 << 20
_DEEPEST = 16
_LARGEST_INTEGER = 2**63 - 1
_LONGEST_INTEGER = 20
_PACKAGE = "vault."
_BYTES, _DICT, _UNLOCKER = "bytes", "dict", "unlocker"
_NONE = type(None)
_CLASSES: dict[str, type] = {}
_FIELDS: dict[type, dict[str, Any]] = {}


class Malformed(Exception):
    """These bytes, or this value, are not of this form."""


# Frames


def frame(value: object, *, largest: int) -> bytes:
    """A message: a JSON value behind its length. Raises ``Malformed``."""
    try:
        body = json.dumps(
            value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"), check_circular=False
        ).encode("utf-8", "surrogatepass")
    except (TypeError, ValueError, RecursionError):
        raise Malformed("not a JSON value") from None
    if len(body) > largest:
        raise Malformed("too long")
    return len(body).to_bytes(PREFIX_BYTES, "big") + body


def announced_size(prefix: bytes | bytearray, *, largest: int) -> int:
    """How many bytes follow a prefix. Raises ``Malformed`` for more than ``largest``."""
    size = int.from_bytes(prefix, "big")
    if size > largest:
        raise Malformed("too long")
    return size


def parse(body: bytes) -> dict[str, Any]:
    """The JSON object in a message. Raises ``Malformed``: no name twice, no fractions, no endless depth."""
    try:
        value = json.loads(
            body.decode("utf-8", "surrogatepass"),
            parse_float=_refuse,
            parse_constant=_refuse,
            parse_int=_integer,
            object_pairs_hook=_object,
        )
    except (ValueError, RecursionError):
        raise Malformed("not JSON") from None
    if not isinstance(value, dict):
        raise Malformed("not an object")
    return value


def _refuse(_text: str) -> NoReturn:
    raise Malformed("a number that is not whole")


def _integer(text: str) -> int:
    if len(text) > _LONGEST_INTEGER:
        raise Malformed("a number that is too large")
    return int(text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise Malformed("a name twice")
    return value


# Values


def encode(value: object, depth: int = _DEEPEST) -> object:
    """The JSON form of a plain value. Raises ``Malformed`` for any other."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        if abs(value) > _LARGEST_INTEGER:
            raise Malformed("a number that is too large")
        return value
    if depth == 0:
        raise Malformed("nested too deep")
    if isinstance(value, (tuple, list)):
        return [encode(each, depth - 1) for each in value]
    if isinstance(value, (bytes, bytearray)):
        return {_BYTES: value.hex()}
    if isinstance(value, Mapping):
        if not all(isinstance(name, str) for name in value):
            raise Malformed("a name that is not text")
        return {_DICT: {name: encode(each, depth - 1) for name, each in value.items()}}
    kind = type(value)
    if is_dataclass(value):
        return {_name(kind): {name: encode(getattr(value, name), depth - 1) for name in _hints(kind)}}
    if kind.__module__ == "vault.unlock":
        from vault import unlock

        return {_UNLOCKER: [[way, secret.hex()] for way, secret in unlock.packed(typing.cast("Unlocker", value))]}
    raise Malformed(f"{kind.__name__} is not a plain value")


def decode(value: object, hint: Any = object, depth: int = _DEEPEST) -> Any:
    """The value of a type hint from its JSON form; for ``object``, whatever plain value it says it is.

    Raises ``Malformed`` if it is of another type, and ``VaultError`` if it is a way in that cannot be.
    """
    if hint is str or hint is bool:
        if type(value) is hint:
            return value
        raise Malformed("another type")
    if hint is int:
        if type(value) is int and abs(value) <= _LARGEST_INTEGER:
            return value
        raise Malformed("another type")
    if hint is None or hint is _NONE:
        if value is None:
            return None
        raise Malformed("another type")
    if depth == 0:
        raise Malformed("nested too deep")
    if hint is object or hint is Any:
        return _decode_any(value, depth)
    origin = typing.get_origin(hint)
    if origin in (types.UnionType, typing.Union):
        return _decode_union(value, hint, depth)
    if origin is tuple:
        return _decode_tuple(value, typing.get_args(hint), depth)
    if origin is dict:
        content = _content(value, _DICT)
        if not isinstance(content, dict):
            raise Malformed("another type")
        return {name: decode(each, typing.get_args(hint)[1], depth - 1) for name, each in content.items()}
    if hint is bytes:
        return _decode_bytes(_content(value, _BYTES))
    if isinstance(hint, type) and is_dataclass(hint):
        return _decode_dataclass(value, hint, depth)
    if getattr(hint, "__module__", "") == "vault.unlock":
        return _decode_unlocker(_content(value, _UNLOCKER), hint)
    raise Malformed(f"{hint} is not plain")


def _decode_any(value: object, depth: int) -> Any:
    if isinstance(value, list):
        return tuple(decode(each, object, depth - 1) for each in value)
    if not isinstance(value, dict):
        return decode(value, type(value), depth)
    if len(value) != 1:
        raise Malformed("an object has one name")
    (name,) = value
    if name == _BYTES:
        return decode(value, bytes, depth)
    if name == _DICT:
        return decode(value, dict[str, object], depth)
    return _decode_dataclass(value, object, depth)


def _decode_union(value: object, hint: Any, depth: int) -> Any:
    for each in typing.get_args(hint):
        if value is None and each is not _NONE:
            continue
        try:
            return decode(value, each, depth)
        except Malformed:
            continue
    raise Malformed("another type")


def _decode_tuple(value: object, parts: tuple[Any, ...], depth: int) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise Malformed("another type")
    if len(parts) == 2 and parts[1] is Ellipsis:
        return tuple([decode(each, parts[0], depth - 1) for each in value])
    if len(value) != len(parts):
        raise Malformed("another length")
    return tuple(decode(each, part, depth - 1) for each, part in zip(value, parts, strict=True))


def _decode_bytes(content: object) -> bytes:
    try:
        found = bytes.fromhex(content) if isinstance(content, str) else None
    except ValueError:
        found = None
    if found is None or found.hex() != content:
        raise Malformed("not bytes")
    return found


def _decode_dataclass(value: object, hint: type, depth: int) -> Any:
    if not isinstance(value, dict) or len(value) != 1:
        raise Malformed("another type")
    ((name, content),) = value.items()
    kind = _class(name)
    if not issubclass(kind, hint) or not isinstance(content, dict):
        raise Malformed("another type")
    hints = _hints(kind)
    if content.keys() != hints.keys():
        raise Malformed("other fields")
    return kind(**{field: decode(content[field], each, depth - 1) for field, each in hints.items()})


def _decode_unlocker(content: object, hint: type) -> Any:
    from vault import unlock

    if not isinstance(content, list) or not content:
        raise Malformed("not a way in")
    ways = [decode(each, tuple[str, str], 2) for each in content]
    unlocker = unlock.unpacked([(kind, _decode_bytes(secret)) for kind, secret in ways])
    if hint is unlock.SecretUnlocker and not isinstance(unlocker, hint):
        raise Malformed("several ways in")
    return unlocker


def _content(value: object, name: str) -> object:
    if not isinstance(value, dict) or value.keys() != {name}:
        raise Malformed("another type")
    return value[name]


def _name(kind: type) -> str:
    name = f"{kind.__module__.removeprefix(_PACKAGE)}.{kind.__qualname__}"
    if _class(name) is not kind:
        raise Malformed(f"{kind.__name__} is not a plain value")
    return name


def _class(name: str) -> type:
    """A frozen dataclass of this package by its name. Raises ``Malformed``."""
    if name in _CLASSES:
        return _CLASSES[name]
    module, dot, attribute = name.rpartition(".")
    if not dot or not module.replace("_", "").isalnum() or not attribute.isidentifier():
        raise Malformed("no such class")
    try:
        found = getattr(importlib.import_module(f"{_PACKAGE}{module}"), attribute, None)
    except ImportError:
        raise Malformed("no such class") from None
    if (
        not isinstance(found, type)
        or found.__module__ != f"{_PACKAGE}{module}"
        or not is_dataclass(found)
        or not found.__dataclass_params__.frozen  # type: ignore[attr-defined]  # every dataclass has them
    ):
        raise Malformed("no such class")
    _CLASSES[name] = found
    return found


def _hints(kind: type) -> dict[str, Any]:
    """The fields of a dataclass with their types."""
    if kind not in _FIELDS:
        known = typing.get_type_hints(kind, vars(sys.modules[kind.__module__]))
        _FIELDS[kind] = {field.name: known[field.name] for field in fields(kind)}
    return _FIELDS[kind]


# Calls


class Signature:
    """The arguments of a method, from its type hints; ``progress`` and what is no plain value stay outside."""

    def __init__(self, function: Callable[..., Any]) -> None:
        import inspect

        self.hints = typing.get_type_hints(function)
        self.answer = self.hints.pop("return")
        self._signature = inspect.signature(function)
        self.reports_progress = self.hints.pop("progress", None) is not None

    def decode(self, positional: object, named: object) -> dict[str, Any]:
        """All given arguments by name. Raises ``Malformed``, and ``VaultError`` for a way in that cannot be."""
        if not isinstance(positional, list) or not isinstance(named, dict) or "progress" in named:
            raise Malformed("no arguments")
        try:
            bound = self._signature.bind(None, *positional, **named).arguments
        except TypeError:
            raise Malformed("other arguments") from None
        given = {name: value for name, value in bound.items() if name in self.hints}
        if len(given) != len(bound) - 1:
            raise Malformed("other arguments")
        return {name: decode(value, self.hints[name]) for name, value in given.items()}


# Errors


def encode_error(error: errors.VaultError) -> object:
    """An error as class and fields."""
    return [type(error).__name__, {name: encode(_plain(value)) for name, value in error.fields.items()}]


def _plain(value: object) -> object:
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)


def decode_error(value: object) -> errors.VaultError:
    """The same error again. Raises ``Malformed``."""
    if not isinstance(value, list) or len(value) != 2 or not isinstance(value[1], dict):
        raise Malformed("no error")
    kind = getattr(errors, value[0], None) if isinstance(value[0], str) else None
    if not isinstance(kind, type) or not issubclass(kind, errors.VaultError):
        raise Malformed("no such error")
    try:
        return kind(**{name: decode(each, object, 1) for name, each in value[1].items()})
    except (KeyError, IndexError, TypeError):
        raise Malformed("other fields") from None
