"""Bech32 (BIP 173) without its limit on length: the text form of age's recipients and identities."""

from __future__ import annotations

from crypto.errors import NotCanonical

_DIGITS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_VALUES = {digit: value for value, digit in enumerate(_DIGITS)}
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_CHECKSUM_DIGITS = 6


def encode(prefix: str, data: bytes) -> str:
    """The text of `data` behind `prefix`, in lower case. Raises ValueError for a prefix that Bech32 does not allow."""
    if not prefix or prefix != prefix.lower() or not all(33 <= ord(character) <= 126 for character in prefix):
        raise ValueError("a prefix has printable ASCII characters, none of them in upper case")
    # Bits are joined from the left and filled up with zeros on the right.
    size_bits = len(data) * 8
    digits_needed = (size_bits + 4) // 5
    number = int.from_bytes(data, "big") << (digits_needed * 5 - size_bits)
    values = [number >> (5 * place) & 31 for place in reversed(range(digits_needed))]
    checksum = _polymod([*_expanded(prefix), *values, *[0] * _CHECKSUM_DIGITS]) ^ 1
    values += [checksum >> (5 * place) & 31 for place in reversed(range(_CHECKSUM_DIGITS))]
    return f"{prefix}1{''.join(_DIGITS[value] for value in values)}"


def decode(text: str) -> tuple[str, bytes]:
    """Prefix (in the case in which it is written) and data.

    Raises NotCanonical for mixed case, a wrong character or checksum, and bits left over that are not zero. The
    error does not quote the text, which may be a secret.
    """
    lower = text.lower()
    if not text.isascii() or text not in (lower, text.upper()):
        raise NotCanonical("Bech32 is ASCII in one case")
    prefix, separator, digits = lower.rpartition("1")
    if not separator or not prefix or not all(33 <= ord(character) <= 126 for character in prefix):
        raise NotCanonical("Bech32 has a prefix of printable characters")
    try:
        values = [_VALUES[digit] for digit in digits]
    except KeyError:
        raise NotCanonical("a character that is no digit of Bech32") from None
    if len(values) < _CHECKSUM_DIGITS or _polymod([*_expanded(prefix), *values]) != 1:
        raise NotCanonical("the checksum of Bech32 does not hold")
    del values[-_CHECKSUM_DIGITS:]
    size_bytes, spare_bits = divmod(len(values) * 5, 8)
    number = 0
    for value in values:
        number = number << 5 | value
    if spare_bits > 4 or number & ((1 << spare_bits) - 1):
        raise NotCanonical("bits are left over")
    return text[: len(prefix)], (number >> spare_bits).to_bytes(size_bytes, "big")


def _expanded(prefix: str) -> list[int]:
    codes = [ord(character) for character in prefix]
    return [*(code >> 5 for code in codes), 0, *(code & 31 for code in codes)]


def _polymod(values: list[int]) -> int:
    checksum = 1
    for value in values:
        top = checksum >> 25
        checksum = (checksum & 0x1FFFFFF) << 5 ^ value
        for place, generator in enumerate(_GENERATOR):
            if top >> place & 1:
                checksum ^= generator
    return checksum
