"""Commitments to fields."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.commitments import commit, verify_commitment
from crypto.errors import CommitmentMismatch, NotCanonical
from crypto.labels import COMMITMENT

SECRET = bytes(range(32))
FIELDS = {"act": "open", "case": b"\x01\x02", "item": 3, "purpose": None}

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
fields = st.dictionaries(text, st.none() | st.booleans() | st.integers(-100, 100) | text, max_size=6)


def _leaf(name: str, value: bytes) -> bytes:
    salt = hmac.digest(SECRET, COMMITMENT + name.encode(), "sha256")
    parts = b"".join(len(part).to_bytes(8, "big") + part for part in (COMMITMENT, salt, name.encode(), value))
    return hashlib.sha256(b"\x00" + parts).digest()


def test_a_commitment_is_a_tree_over_salted_leaves_in_the_order_of_names():
    leaves = [_leaf("a", b"null"), _leaf("b", b'"0102"'), _leaf("c", b"3")]
    inner = hashlib.sha256(b"\x01" + leaves[0] + leaves[1]).digest()
    expected = hashlib.sha256(b"\x01" + inner + leaves[2]).digest()
    assert commit(SECRET, {"c": 3, "a": None, "b": b"\x01\x02"}) == expected


@given(fields)
def test_the_committed_fields_verify(values):
    verify_commitment(commit(SECRET, values), SECRET, dict(reversed(values.items())))


@given(fields, fields)
def test_other_fields_do_not_verify(first, second):
    if {name: (type(value), value) for name, value in first.items()} == {
        name: (type(value), value) for name, value in second.items()
    }:
        verify_commitment(commit(SECRET, first), SECRET, second)
    else:
        with pytest.raises(CommitmentMismatch):
            verify_commitment(commit(SECRET, first), SECRET, second)


@pytest.mark.parametrize(
    "altered",
    [
        {**FIELDS, "item": 4}, {**FIELDS, "item": "3"}, {**FIELDS, "item": True}, {**FIELDS, "purpose": ""},
        {**FIELDS, "more": None}, {name: FIELDS[name] for name in ("act", "case", "item")}, {},
        {**FIELDS, "act": FIELDS["purpose"], "purpose": FIELDS["act"]}, {**FIELDS, "item": 3.0},
        {**FIELDS, "\ud800": 1},
    ],
)  # fmt: skip
def test_each_alteration_of_a_field_is_noticed(altered):
    with pytest.raises(CommitmentMismatch):
        verify_commitment(commit(SECRET, FIELDS), SECRET, altered)


def test_another_secret_does_not_verify():
    with pytest.raises(CommitmentMismatch):
        verify_commitment(commit(SECRET, FIELDS), bytes(32), FIELDS)


@pytest.mark.parametrize("commitment", [b"", bytes(32), bytes(31), bytes(33)])
def test_another_commitment_does_not_verify(commitment):
    with pytest.raises(CommitmentMismatch):
        verify_commitment(commitment, SECRET, FIELDS)


def test_equal_values_under_two_names_have_different_leaves():
    assert commit(SECRET, {"a": "yes"}) != commit(SECRET, {"b": "yes"})


def test_values_without_canonical_form_are_not_committed_to():
    for value in (1.5, "\ud800", 2**53):
        with pytest.raises(NotCanonical):
            commit(SECRET, {"a": value})
    with pytest.raises(NotCanonical):
        commit(SECRET, {"\ud800": 1})


@pytest.mark.parametrize("size_bytes", [0, 16, 31, 33])
def test_a_secret_of_another_length_is_refused(size_bytes):
    with pytest.raises(ValueError):
        commit(bytes(size_bytes), FIELDS)
