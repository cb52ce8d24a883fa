"""Sizes that tell little."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.padding import SMALLEST_SIZE, padded_size, padme

lengths = st.integers(min_value=0, max_value=2**50)


@pytest.mark.parametrize(
    ("length", "padded"),
    # Worked by hand from the paper's algorithm: E = floor(log2 L), S = floor(log2 E) + 1, the low E - S bits zero.
    [(0, 0), (1, 1), (2, 2), (3, 3), (8, 8), (9, 10), (10, 10), (15, 16), (17, 18), (100, 104), (1000, 1024),
     (1025, 1088), (65_537, 67_584), (1_000_000, 1_015_808), (2**32 + 1, 2**32 + 2**26)],
)  # fmt: skip
def test_known_lengths(length, padded):
    assert padme(length) == padded


@given(st.integers(min_value=2, max_value=2**45))
def test_it_is_the_papers_formula(length):
    exponent = math.floor(math.log2(length))
    low_bits = exponent - (math.floor(math.log2(exponent)) + 1 if exponent else 0)
    step = 2**low_bits if low_bits > 0 else 1
    assert padme(length) == -(-length // step) * step


@given(lengths)
def test_padding_never_cuts_and_costs_at_most_twelve_per_cent(length):
    assert length <= padme(length) <= length * 1.12
    assert padded_size(length) >= SMALLEST_SIZE
    assert padded_size(length) <= max(SMALLEST_SIZE, length * 1.12)


@given(lengths)
def test_padding_again_changes_nothing(length):
    assert padme(padme(length)) == padme(length)
    assert padded_size(padded_size(length)) == padded_size(length)


@given(lengths, lengths)
def test_longer_content_is_never_stored_smaller(first, second):
    shorter, longer = sorted((first, second))
    assert padme(shorter) <= padme(longer)
    assert padded_size(shorter) <= padded_size(longer)


def test_a_doubling_has_few_sizes():
    assert len({padme(length) for length in range(65_536, 131_072)}) <= 33


def test_small_content_has_one_size():
    assert {padded_size(length) for length in (0, 1, 1000, 65_536)} == {65_536}


def test_a_negative_length_is_refused():
    with pytest.raises(ValueError):
        padme(-1)
