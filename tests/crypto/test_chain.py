"""The state of a case."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.chain import change_digest, first_state, next_state, next_states
from crypto.labels import CHANGE

CASE = bytes(range(16))
changes = st.lists(st.tuples(st.binary(min_size=16, max_size=16), st.binary(max_size=20)), max_size=6)


def _state(case_id: bytes, entries) -> bytes:
    state = first_state(case_id)
    for salt, change in entries:
        state = next_state(state, change_digest(salt, change))
    return state


def test_states_are_the_hashes_of_the_format():
    first = hashlib.sha256(CHANGE + CASE).digest()
    digest = hashlib.sha256(b"s" * 16 + b"change").digest()
    assert first_state(CASE) == first
    assert change_digest(b"s" * 16, b"change") == digest
    assert next_state(first, digest) == hashlib.sha256(first + digest).digest()


@given(changes, changes)
def test_another_history_leads_to_another_state(first, second):
    assert (_state(CASE, first) == _state(CASE, second)) == (first == second)


@given(changes)
def test_every_prefix_of_a_history_has_its_own_state(entries):
    states = [_state(CASE, entries[:size]) for size in range(len(entries) + 1)]
    assert len(set(states)) == len(states)


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=6))
def test_many_changes_at_once_lead_to_the_same_states_as_one_after_the_other(digests):
    state, states = first_state(CASE), []
    for digest in digests:
        state = next_state(state, digest)
        states.append(state)
    assert next_states(first_state(CASE), digests) == states


def test_cases_start_in_different_states():
    assert first_state(CASE) != first_state(bytes(16))


def test_other_lengths_are_refused():
    for call in (
        lambda: first_state(bytes(15)),
        lambda: change_digest(bytes(15), b""),
        lambda: change_digest(b"", b""),
        lambda: next_state(bytes(31), bytes(32)),
        lambda: next_state(bytes(32), bytes(33)),
        lambda: next_states(bytes(31), [bytes(32)]),
        lambda: next_states(bytes(32), [bytes(32), bytes(31)]),
    ):
        with pytest.raises(ValueError):
            call()
