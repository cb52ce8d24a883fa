"""One form for each value, and one value for each form."""

from __future__ import annotations

import enum
import json

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from crypto.encoding import (
    canonical_json,
    length_prefixed,
    parse_canonical_json,
    uint32,
    uint64,
)
from crypto.errors import CryptoError, NotCanonical

text = st.text(st.characters(exclude_categories=["Cs"]))
integers = st.integers(min_value=-(2**53) + 1, max_value=2**53 - 1)
values = st.recursive(
    st.none() | st.booleans() | integers | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=12,
)


def _nested(depth: int) -> object:
    value: object = []
    for _ in range(depth - 1):
        value = [value]
    return value


@given(values)
def test_canonical_json_comes_back_as_the_same_value(value):
    assert parse_canonical_json(canonical_json(value)) == value


@given(values)
def test_canonical_json_is_json_with_the_same_meaning(value):
    assert json.loads(canonical_json(value)) == value


@given(values, st.integers(min_value=0), st.integers(min_value=0, max_value=255))
def test_altered_canonical_json_is_refused_or_is_the_canonical_form_of_another_value(value, position, byte):
    data = bytearray(canonical_json(value))
    position %= len(data)
    assume(data[position] != byte)
    data[position] = byte
    try:
        parsed = parse_canonical_json(bytes(data))
    except NotCanonical:
        return
    assert canonical_json(parsed) == bytes(data)
    assert parsed != value or type(parsed) is not type(value)


@given(st.binary(max_size=60))
def test_any_bytes_are_parsed_or_refused_by_name(data):
    try:
        parsed = parse_canonical_json(data)
    except CryptoError:
        return
    assert canonical_json(parsed) == data


def test_the_form_is_fixed():
    value = {"я": 1, "b": [True, None, -3], "a": '\n\x7f"\\/é😀', "Z": b"\x00\xff", "tuple": (1, "2")}
    expected = '{"Z":"00ff","a":"\\n\x7f\\"\\\\/é😀","b":[true,null,-3],"tuple":[1,"2"],"я":1}'
    assert canonical_json(value) == expected.encode()


@pytest.mark.parametrize(
    "value",
    [
        0.0, 1.5, float("nan"), float("inf"), 2**53, -(2**53), 10**400, "\ud800", {"\udfff": 1}, {1: 2}, {None: 1},
        {b"a": 1}, {1, 2}, pytest.param(object(), id="object"), bytearray(b"a"), 1j, [[float("inf")]], _nested(17),
    ],
    ids=repr,
)  # fmt: skip
def test_what_has_no_canonical_form_is_refused(value):
    with pytest.raises(NotCanonical):
        canonical_json(value)


@pytest.mark.parametrize(
    "data",
    [
        b"", b" 1", b"1 ", b"1\n", b"{ }", b"[1, 2]", b'{"b":1,"a":2}', b'{"a":1,"a":1}', b'{"a":1,"a":2}', b"1.0",
        b"1e2", b"-0", b"01", b"+1", b"NaN", b"Infinity", b"-Infinity", b"9007199254740992", b"-9007199254740992",
        b"1" * 10_000, b'"\\u0041"', b'"\\/"', b'"\\ud800"', b'"\\ud83d\\ude00"', b'"\xff"', b'"\xed\xa0\x80"',
        b"\xef\xbb\xbf1", '"é"'.encode("utf-16"), b"'a'", b"[1,]", b"{}{}", b"null\x00", b"tru", b'"\\u007f"',
        b'"\x01"',
    ],
)  # fmt: skip
def test_json_in_any_other_form_is_refused(data):
    with pytest.raises(NotCanonical):
        parse_canonical_json(data)


def test_depth_is_limited_alike_when_writing_and_reading():
    assert parse_canonical_json(canonical_json(_nested(16))) == _nested(16)
    with pytest.raises(NotCanonical):
        parse_canonical_json(b"[" * 17 + b"]" * 17)
    assert parse_canonical_json(b"[[]]", max_depth=2) == [[]]
    with pytest.raises(NotCanonical):
        parse_canonical_json(b"[[]]", max_depth=1)
    with pytest.raises(NotCanonical):
        parse_canonical_json(b'{"a":{}}', max_depth=1)


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_endless_nesting_is_refused(opening):
    with pytest.raises(NotCanonical):
        parse_canonical_json(opening * 200_000)


def test_numbers_of_the_standard_library_are_written_as_numbers():
    assert canonical_json(enum.IntEnum("Act", {"OPEN": 7}).OPEN) == b"7"


@given(st.lists(st.binary(max_size=20), max_size=5), st.lists(st.binary(max_size=20), max_size=5))
def test_length_prefixed_lists_of_parts_never_collide(first, second):
    assert (length_prefixed(*first) == length_prefixed(*second)) == (first == second)


def test_length_prefixed_is_length_then_bytes():
    assert length_prefixed() == b""
    assert length_prefixed(b"", b"ab") == bytes(8) + bytes(7) + b"\x02ab"


def test_integers_have_a_fixed_width():
    assert uint32(258) == b"\x00\x00\x01\x02"
    assert uint64(2**64 - 1) == b"\xff" * 8
    for call, value in ((uint32, 2**32), (uint64, 2**64), (uint32, -1), (uint64, -1)):
        with pytest.raises(ValueError):
            call(value)
