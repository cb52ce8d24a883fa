"""RFC 6962 hashing."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import NotCanonical
from crypto.tree import Frontier, leaf_hash, node_hash, root

# Inputs and roots of the reference trees of certificate-transparency, cpp/merkletree/merkle_tree_test.cc
INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
LEAVES = [leaf_hash(bytes.fromhex(data)) for data in INPUTS]

leaf_lists = st.integers(0, 130).map(lambda size: [leaf_hash(bytes([number])) for number in range(size)])


def _grown(leaves) -> Frontier:
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(leaf)
    return frontier


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_those_of_the_reference_trees(size):
    assert root(LEAVES[:size]).hex() == ROOTS[size - 1]
    assert _grown(LEAVES[:size]).root().hex() == ROOTS[size - 1]


def test_the_empty_tree_is_the_hash_of_nothing():
    assert root([]).hex() == Frontier().root().hex() == EMPTY


def test_leaves_and_nodes_are_told_apart():
    assert leaf_hash(b"ab") == hashlib.sha256(b"\x00ab").digest()
    assert node_hash(b"a" * 32, b"b" * 32) == hashlib.sha256(b"\x01" + b"a" * 32 + b"b" * 32).digest()


def _rfc_root(leaves):
    """Section 2.1 word by word: split at the largest power of two below the size."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node_hash(_rfc_root(leaves[:split]), _rfc_root(leaves[split:]))


@given(leaf_lists.filter(bool))
def test_the_root_is_the_recursion_of_the_rfc(leaves):
    assert root(leaves) == _rfc_root(leaves)


@given(leaf_lists)
def test_a_frontier_has_the_root_of_its_leaves(leaves):
    frontier = _grown(leaves)
    assert frontier.root() == root(leaves)
    assert frontier.size == len(leaves)


@given(leaf_lists, leaf_lists)
def test_a_frontier_goes_on_from_its_bytes(before, after):
    restored = Frontier.from_bytes(_grown(before).to_bytes())
    for leaf in after:
        restored.append(leaf)
    assert restored.root() == root(before + after)
    assert restored.to_bytes() == _grown(before + after).to_bytes()


def test_a_frontier_stays_small():
    frontier = _grown([leaf_hash(b"")] * 1023)
    assert len(frontier.to_bytes()) == 8 + 10 * 32


@given(st.binary(max_size=120))
def test_any_bytes_are_a_frontier_or_refused_by_name(data):
    try:
        frontier = Frontier.from_bytes(data)
    except NotCanonical:
        return
    assert frontier.to_bytes() == data


@pytest.mark.parametrize(
    "data", [b"", bytes(7), bytes(9), bytes(7) + b"\x01", bytes(7) + b"\x03" + bytes(32), bytes(8) + bytes(32)]
)
def test_bytes_of_another_size_are_no_frontier(data):
    with pytest.raises(NotCanonical):
        Frontier.from_bytes(data)


def test_the_root_does_not_change_its_argument():
    leaves = tuple(LEAVES)
    root(leaves)
    assert leaves == tuple(LEAVES)


@pytest.mark.parametrize("size_bytes", [0, 31, 33])
def test_a_leaf_is_hashed_before_it_is_appended(size_bytes):
    with pytest.raises(ValueError):
        Frontier().append(bytes(size_bytes))
