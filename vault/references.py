"""Codes of cases and references to what is in them, short enough to say aloud: ``HARBOUR``, ``HARBOUR/3``, ``HARBOUR/p2``."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator

from vault import errors

_CODE = re.compile(r"[A-Z][A-Z0-9]{2,11}")
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")
_GENERATED_LENGTH = 6

# Typed on a Cyrillic keyboard, these look like the Latin letters that were meant.
_LOOK_ALIKES = str.maketrans("АВЕКМНОРСТУХІЅЈ", "ABEKMHOPCTYXISJ")

_DEVICES = frozenset(
    {"CON", "PRN", "AUX", "NUL", "CONIN", "CONOUT"}
    | {f"{port}{number}" for port in ("COM", "LPT") for number in range(10)}
)

_CONFUSABLE = str.maketrans("018526LQV", "OIBSZGIOU")

# Without vowels, so that no word comes out, and without what is misheard or misread.
_LETTERS = "BCDFGHKLMNPQRSTVWXZ"
_DIGITS = "23456789"


def parse_case(text: str) -> str:
    """The code of a case as it is stored. Raises ``BadCode``."""
    code = text.strip().upper().translate(_LOOK_ALIKES)
    if not _CODE.fullmatch(code) or code in _DEVICES:
        raise errors.BadCode(code=text)
    return code


def parse_item(text: str) -> tuple[str, int]:
    """Code and number of an item, from ``HARBOUR/3``. Raises ``BadReference``."""
    return _parse(text, prefix="")


def parse_person(text: str) -> tuple[str, int]:
    """Code and number of a person, from ``HARBOUR/p2``. Raises ``BadReference``."""
    return _parse(text, prefix="p")


def parse_either(text: str) -> str:
    """The reference of an item or a person as the log has it. Raises ``BadReference``."""
    try:
        return item_reference(*parse_item(text))
    except errors.BadReference:
        return person_reference(*parse_person(text))


def _parse(text: str, *, prefix: str) -> tuple[str, int]:
    code, slash, rest = text.strip().partition("/")
    # The letter that marks a person may be the Cyrillic one that looks the same.
    local = rest.strip().lower().replace("р", "p")
    number = local.removeprefix(prefix)
    if not slash or not local.startswith(prefix) or not _NUMBER.fullmatch(number):
        raise errors.BadReference(reference=text)
    try:
        return parse_case(code), int(number)
    except errors.BadCode:
        raise errors.BadReference(reference=text) from None


def item_reference(code: str, number: int) -> str:
    """``HARBOUR/3``."""
    return f"{code}/{number}"


def person_reference(code: str, number: int) -> str:
    """``HARBOUR/p2``."""
    return f"{code}/p{number}"


def listed(numbers: Iterable[int], people: Iterable[int]) -> str:
    """Items and persons as the log has them: ``1,3-5,p2``."""
    return ",".join([*_ranges(numbers), *(f"p{number}" for number in people)])


def _ranges(numbers: Iterable[int]) -> Iterator[str]:
    parts: list[list[int]] = []
    for number in sorted(set(numbers)):
        if parts and number == parts[-1][-1] + 1:
            parts[-1][1:] = [number]
        else:
            parts.append([number])
    yield from ("-".join(map(str, part)) for part in parts)


def is_among(reference: str, several: str) -> bool:
    """Whether one item or person is among those that a reference of the log names: ``HARBOUR/4`` in ``HARBOUR/1,3-5,p2``."""
    code, _, local = reference.partition("/")
    other, _, named = several.partition("/")
    if code != other:
        return False
    for part in named.split(","):
        first, dash, last = part.partition("-")
        if part == local:
            return True
        if (
            dash
            and local.isdecimal()
            and first.isdecimal()
            and last.isdecimal()
            and int(first) <= int(local) <= int(last)
        ):
            return True
    return False


def look_alike(one: str, other: str) -> bool:
    """Whether two different codes are easily taken for each other: one letter's difference, or letters like digits.

    Codes that differ in one digit for another are counted on purpose, and are no look-alikes.
    """
    if one == other:
        return False
    if one.translate(_CONFUSABLE) == other.translate(_CONFUSABLE):
        return True
    if len(one) == len(other):
        differing = [place for place in range(len(one)) if one[place] != other[place]]
        if len(differing) == 1:
            return not (one[differing[0]].isdigit() and other[differing[0]].isdigit())
        first, last = differing[0], differing[-1]
        return len(differing) == 2 and last == first + 1 and one[first] + one[last] == other[last] + other[first]
    shorter, longer = sorted((one, other), key=len)
    return any(longer[:place] + longer[place + 1 :] == shorter for place in range(len(longer)))


def generate_code(taken: Container[str]) -> str:
    """A random code that no case has."""
    import secrets

    while True:
        letters = "".join(secrets.choice(_LETTERS) for _ in range(_GENERATED_LENGTH - 2))
        code = letters + secrets.choice(_DIGITS) + secrets.choice(_DIGITS)
        if code not in taken:
            return code
