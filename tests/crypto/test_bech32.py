"""Bech32: https://github.com/bitcoin/bips/blob/master/bip-0173.mediawiki."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto import bech32
from crypto.errors import NotCanonical

# Valid strings of BIP 173 whose data part is whole bytes, and their data.
PUBLISHED = {
    "A12UEL5L": ("A", b""),
    "a12uel5l": ("a", b""),
    "an83characterlonghumanreadablepartthatcontainsthenumber1andtheexcludedcharactersbio1tt5tgs": (
        "an83characterlonghumanreadablepartthatcontainsthenumber1andtheexcludedcharactersbio",
        b"",
    ),
    "abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw": (
        "abcdef",
        bytes.fromhex("00443214c74254b635cf84653a56d7c675be77df"),
    ),
}
INVALID = [
    "\x201nwldj5",  # a character of the prefix out of range
    "\x7f1axkwrx",
    "\x801eym55h",
    "pzry9x0s0muk",  # no separator
    "1pzry9x0s0muk",  # no prefix
    "x1b4n0q5v",  # a character that is no digit
    "li1dgmt3",  # a checksum that is too short
    "de1lg7wt\xff",
    "A1G7SGD8",  # a checksum of the prefix in upper case
    "10a06t8",
    "1qzzfhee",
    "a12UEL5L",  # mixed case
    "",
    "1",
    "age",
    "a12uel5l ",
    " a12uel5l",
    "a12uel5l\n",
]
BYTES = st.binary(max_size=64) | st.integers(0, 1300).map(bytes)


@pytest.mark.parametrize("text", PUBLISHED)
def test_published_strings_are_read(text):
    prefix, data = PUBLISHED[text]
    assert bech32.decode(text) == (prefix, data)
    assert bech32.encode(prefix.lower(), data) == text.lower()


@pytest.mark.parametrize("text", INVALID, ids=ascii)
def test_invalid_strings_are_refused(text):
    with pytest.raises(NotCanonical):
        bech32.decode(text)


@given(st.sampled_from(["age", "age1pq", "age-secret-key-"]), BYTES)
def test_any_data_comes_back_in_either_case(prefix, data):
    text = bech32.encode(prefix, data)
    assert bech32.decode(text) == (prefix, data)
    assert bech32.decode(text.upper()) == (prefix.upper(), data)


@given(st.binary(min_size=1, max_size=40), st.data())
def test_a_changed_digit_is_found(data, draw):
    text = bech32.encode("age", data)
    at = draw.draw(st.integers(4, len(text) - 1))
    other = draw.draw(st.sampled_from([digit for digit in "qpzry9x8gf2tvdw0s3jn54khce6mua7l" if digit != text[at]]))
    with pytest.raises(NotCanonical):
        bech32.decode(text[:at] + other + text[at + 1 :])


@pytest.mark.parametrize("left", ["q", "qqq", "qqqqqq", "p", "yp", "qqqp"])
def test_bits_left_over_are_refused(left):
    """One digit, three or six leave five bits or more; the others leave bits that are not zero."""
    values = ["qpzry9x8gf2tvdw0s3jn54khce6mua7l".index(digit) for digit in left]
    checksum = bech32._polymod([*bech32._expanded("age"), *values, *[0] * 6]) ^ 1
    digits = "".join("qpzry9x8gf2tvdw0s3jn54khce6mua7l"[checksum >> 5 * place & 31] for place in reversed(range(6)))
    with pytest.raises(NotCanonical):
        bech32.decode(f"age1{left}{digits}")


@pytest.mark.parametrize("prefix", ["", "AGE", "a b", "é", "\x7f"])
def test_a_prefix_that_bech32_does_not_allow_is_not_written(prefix):
    with pytest.raises(ValueError):
        bech32.encode(prefix, b"")


def test_an_error_says_nothing_of_a_secret():
    with pytest.raises(NotCanonical) as caught:
        bech32.decode("AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEY")
    assert "GFPYY" not in repr(caught.value).upper()
