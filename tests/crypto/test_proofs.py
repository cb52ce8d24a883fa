"""Inclusion and consistency proofs: made by RFC 6962, verified by RFC 9162, and nothing else accepted."""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import BadProof
from crypto.tree import (
    EMPTY_ROOT,
    Tree,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root,
    verify_consistency,
    verify_inclusion,
)

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "merkle.json").read_text("utf-8"))
LEAVES = [leaf_hash(bytes.fromhex(data)) for data in VECTORS["leaves"]]
ROOTS = [bytes.fromhex(each) for each in VECTORS["roots"]]
# The values that the reference's corrupted proofs are made with (transparency-dev/merkle, cmd/proofgen)
SOME_HASH = bytes.fromhex("abacaba000000000000000000000000000000000000000000060061e00123456")
WRONG = b"Wrong"
UINT64 = 2**64


def leaves_of(size: int) -> list[bytes]:
    return [leaf_hash(number.to_bytes(4, "big")) for number in range(size)]


MANY = leaves_of(300)
TREES = [Tree(MANY[:size]) for size in range(301)]


def hashes(proof):
    return [bytes.fromhex(each) for each in proof]


INCLUSION = [(each["index"], each["size"], hashes(each["proof"])) for each in VECTORS["inclusion"]]
CONSISTENCY = [(each["old_size"], each["new_size"], hashes(each["proof"])) for each in VECTORS["consistency"]]


# Published vectors


@pytest.mark.parametrize(("index", "size", "proof"), INCLUSION)
def test_inclusion_proofs_are_those_of_the_reference(index, size, proof):
    assert inclusion_proof(index, LEAVES[:size]) == proof
    verify_inclusion(LEAVES[index], index, size, proof, ROOTS[size - 1])


@pytest.mark.parametrize(("old_size", "new_size", "proof"), CONSISTENCY)
def test_consistency_proofs_are_those_of_the_reference(old_size, new_size, proof):
    assert consistency_proof(old_size, LEAVES[:new_size]) == proof
    verify_consistency(old_size, new_size, proof, ROOTS[old_size - 1], ROOTS[new_size - 1])


def corrupted_inclusion():
    for index, size, proof in INCLUSION:
        leaf, head = LEAVES[index], ROOTS[size - 1]
        for wrong in ((index - 1) % UINT64, index - 1, index + 1, index ^ 2):
            yield f"{index}/{size} index {wrong}", (leaf, wrong, size, proof, head)
        for wrong in (size * 2, size // 2):
            yield f"{index}/{size} size {wrong}", (leaf, index, wrong, proof, head)
        yield f"{index}/{size} leaf", (WRONG, index, size, proof, head)
        for number, wrong in enumerate((EMPTY_ROOT, SOME_HASH, b"")):
            yield f"{index}/{size} root {number}", (leaf, index, size, proof, wrong)
        for number, extra in enumerate((b"", head)):
            yield f"{index}/{size} behind {number}", (leaf, index, size, [*proof, extra], head)
            yield f"{index}/{size} before {number}", (leaf, index, size, [extra, *proof], head)
        for at, node in enumerate(proof):
            flipped = [*proof[:at], bytes([node[0] ^ 8]) + node[1:], *proof[at + 1 :]]
            yield f"{index}/{size} bit in {at}", (leaf, index, size, flipped, head)
        if proof:
            yield f"{index}/{size} cut", (leaf, index, size, proof[:-1], head)
        if len(proof) > 1:
            yield f"{index}/{size} inserted", (leaf, index, size, [proof[0], SOME_HASH, *proof[1:]], head)
    # Trees of one leaf, and places that no tree has
    leaf = leaf_hash(b"data")
    yield "no leaf", (b"", 0, 1, [], leaf)
    yield "no root", (leaf, 0, 1, [], b"")
    yield "neither", (b"", 0, 1, [], b"")
    for index, size in ((0, 0), (0, 1), (1, 0), (2, 1)):
        yield f"{index}/{size} no root", (SOME_HASH, index, size, [], b"")
        yield f"{index}/{size} no leaf", (b"", index, size, [], EMPTY_ROOT)
        yield f"{index}/{size} of an empty tree", (SOME_HASH, index, size, [], EMPTY_ROOT)
    yield "a tree that is too large", (leaf, 0, 2**64 + 1, [leaf] * 65, leaf)


@pytest.mark.parametrize("arguments", [pytest.param(a, id=name) for name, a in corrupted_inclusion()])
def test_corrupted_inclusion_is_refused_as_the_reference_refuses_it(arguments):
    with pytest.raises(BadProof):
        verify_inclusion(*arguments)


def corrupted_consistency():
    for old, new, proof in CONSISTENCY:
        if not proof:
            continue
        old_root, new_root = ROOTS[old - 1], ROOTS[new - 1]
        for wrong in (old - 1, old + 1, old ^ 2):
            yield f"{old}-{new} old size {wrong}", (wrong, new, proof, old_root, new_root)
        for wrong in (new * 2, new // 2):
            yield f"{old}-{new} new size {wrong}", (old, wrong, proof, old_root, new_root)
        yield f"{old}-{new} old root", (old, new, proof, WRONG, new_root)
        yield f"{old}-{new} new root", (old, new, proof, old_root, WRONG)
        yield f"{old}-{new} roots swapped", (old, new, proof, new_root, old_root)
        yield f"{old}-{new} no proof", (old, new, [], old_root, new_root)
        for number, extra in enumerate((b"", old_root, new_root, proof[0])):
            yield f"{old}-{new} behind {number}", (old, new, [*proof, extra], old_root, new_root)
            yield f"{old}-{new} before {number}", (old, new, [extra, *proof], old_root, new_root)
        yield f"{old}-{new} cut", (old, new, proof[:-1], old_root, new_root)
        for at, node in enumerate(proof):
            flipped = [*proof[:at], bytes([node[0] ^ 16]) + node[1:], *proof[at + 1 :]]
            yield f"{old}-{new} bit in {at}", (old, new, flipped, old_root, new_root)
    yield "size one, two roots", (1, 1, [], EMPTY_ROOT, SOME_HASH)
    yield "size zero, two roots", (0, 0, [], EMPTY_ROOT, SOME_HASH)
    yield "from nothing to nothing", (0, 0, [], WRONG, WRONG)
    yield "from nothing", (0, 1, [], EMPTY_ROOT, SOME_HASH)
    yield "from nothing with a proof", (0, 1, [EMPTY_ROOT], EMPTY_ROOT, EMPTY_ROOT)
    yield "backwards to nothing", (1, 0, [], SOME_HASH, SOME_HASH)
    yield "backwards", (2, 1, [], SOME_HASH, SOME_HASH)
    yield "nothing shown", (1, 2, [], SOME_HASH, EMPTY_ROOT)
    yield "nothing shown, not a power of two", (3, 4, [], SOME_HASH, EMPTY_ROOT)
    yield "size zero with a proof", (0, 0, [EMPTY_ROOT], EMPTY_ROOT, EMPTY_ROOT)
    yield "size one with a proof", (1, 1, [EMPTY_ROOT], EMPTY_ROOT, EMPTY_ROOT)
    yield "below nothing", (-1, 1, [SOME_HASH], SOME_HASH, SOME_HASH)
    yield "a tree that is too large", (2**64, 2**64, [], SOME_HASH, SOME_HASH)


@pytest.mark.parametrize("arguments", [pytest.param(a, id=name) for name, a in corrupted_consistency()])
def test_corrupted_consistency_is_refused_as_the_reference_refuses_it(arguments):
    with pytest.raises(BadProof):
        verify_consistency(*arguments)


def test_trees_of_one_size_are_consistent_when_their_roots_are_equal():
    verify_consistency(1, 1, [], SOME_HASH, SOME_HASH)
    verify_consistency(7, 7, (), ROOTS[6], ROOTS[6])
    verify_consistency(1, 1, [], b"don't care 2", b"don't care 2")  # a vector of the reference: nothing is hashed


def test_proofs_of_a_foreign_log_of_a_thousand_million_leaves_hold():
    log = VECTORS["foreign_log"]
    leaf, head, old_head = (b64decode(log[name]) for name in ("leaf_hash", "root", "old_root"))
    inclusion, consistency = ([b64decode(each) for each in log[name]] for name in ("inclusion", "consistency"))
    verify_inclusion(leaf, log["index"], log["size"], inclusion, head)
    verify_consistency(log["old_size"], log["size"], consistency, old_head, head)
    for at in range(len(inclusion)):
        with pytest.raises(BadProof):
            verify_inclusion(leaf, log["index"], log["size"], [*inclusion[:at], SOME_HASH, *inclusion[at + 1 :]], head)
    for at in range(len(consistency)):
        wrong = [*consistency[:at], SOME_HASH, *consistency[at + 1 :]]
        with pytest.raises(BadProof):
            verify_consistency(log["old_size"], log["size"], wrong, old_head, head)


# The definitions of RFC 6962, word by word


def split(size):
    return 1 << (size - 1).bit_length() - 1


def rfc_path(index, leaves):
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if index < k:
        return [*rfc_path(index, leaves[:k]), root(leaves[k:])]
    return [*rfc_path(index - k, leaves[k:]), root(leaves[:k])]


def rfc_subproof(size, leaves, known):
    if size == len(leaves):
        return [] if known else [root(leaves)]
    k = split(len(leaves))
    if size <= k:
        return [*rfc_subproof(size, leaves[:k], known), root(leaves[k:])]
    return [*rfc_subproof(size - k, leaves[k:], False), root(leaves[:k])]


@pytest.mark.parametrize("size", range(1, 40))
def test_proofs_of_small_trees_are_the_recursions_of_the_rfc(size):
    leaves = MANY[:size]
    for number in range(size):
        assert inclusion_proof(number, leaves) == rfc_path(number, leaves)
        assert consistency_proof(number + 1, leaves) == rfc_subproof(number + 1, leaves, True)


@given(st.data())
def test_proofs_of_larger_trees_are_the_recursions_of_the_rfc(data):
    size = data.draw(st.integers(40, 300))
    number = data.draw(st.integers(0, size - 1))
    assert TREES[size].inclusion_proof(number) == rfc_path(number, MANY[:size])
    assert TREES[size].consistency_proof(number + 1) == rfc_subproof(number + 1, MANY[:size], True)


def test_every_proof_of_every_tree_of_up_to_300_leaves_holds():
    for size in range(1, 301):
        tree, head = TREES[size], TREES[size].root()
        for number in range(size):
            verify_inclusion(MANY[number], number, size, tree.inclusion_proof(number), head)
            verify_consistency(number + 1, size, tree.consistency_proof(number + 1), TREES[number + 1].root(), head)


# What holds is right


@pytest.mark.parametrize("size", [1, 2, 3, 6, 7, 8, 21, 32])
def test_a_leaf_is_in_its_own_place_only(size):
    head = TREES[size].root()
    for number in range(size):
        proof = TREES[size].inclusion_proof(number)
        for other in range(size):
            if other != number:
                with pytest.raises(BadProof):
                    verify_inclusion(MANY[number], other, size, proof, head)
                with pytest.raises(BadProof):
                    verify_inclusion(MANY[other], number, size, proof, head)


@pytest.mark.parametrize("new", [2, 3, 6, 7, 8, 21, 32])
def test_a_proof_is_for_its_own_sizes_only(new):
    for old in range(1, new):
        proof = TREES[new].consistency_proof(old)
        for other in range(1, new + 1):
            if other != old:
                with pytest.raises(BadProof):
                    verify_consistency(other, new, proof, TREES[old].root(), TREES[new].root())
                with pytest.raises(BadProof):
                    verify_consistency(old, new, proof, TREES[other].root(), TREES[new].root())


def test_a_node_is_not_a_leaf():
    pair = node_hash(MANY[0], MANY[1])
    with pytest.raises(BadProof):
        verify_inclusion(pair, 0, 4, [node_hash(MANY[2], MANY[3])], TREES[4].root())
    verify_inclusion(pair, 0, 2, [node_hash(MANY[2], MANY[3])], TREES[4].root())  # hence a size comes with its root


def nodes_around(size):
    """What an attacker may put into a proof: every node over these leaves, and foreign bytes."""
    trees = TREES[1 : size + 1]
    inner = {node for tree in trees for number in range(len(tree)) for node in tree.inclusion_proof(number)}
    return [*sorted(inner | {tree.root() for tree in trees}), SOME_HASH, b"", bytes(31)]


@given(st.data())
def test_an_inclusion_proof_that_holds_is_the_proof(data):
    size = data.draw(st.integers(1, 12))
    nodes = st.sampled_from(nodes_around(size))
    index = data.draw(st.integers(-1, 13))
    right = TREES[size].inclusion_proof(index) if 0 <= index < size else []
    proof = data.draw(st.one_of(st.lists(nodes, max_size=5), st.permutations(right), st.just(right)))
    leaf = data.draw(st.one_of(nodes, st.sampled_from(MANY[:size])))
    try:
        verify_inclusion(leaf, index, size, proof, TREES[size].root())
    except BadProof:
        assert not (0 <= index < size and proof == right and leaf == MANY[index])
    else:
        assert (leaf, proof) == (MANY[index], right)


@given(st.data())
def test_a_consistency_proof_that_holds_is_the_proof(data):
    new = data.draw(st.integers(1, 12))
    nodes = st.sampled_from(nodes_around(new))
    old = data.draw(st.integers(-1, 13))
    possible = 0 < old <= new
    right = TREES[new].consistency_proof(old) if possible else []
    proof = data.draw(st.one_of(st.lists(nodes, max_size=5), st.permutations(right), st.just(right)))
    old_root = data.draw(st.one_of(nodes, st.just(TREES[min(max(old, 0), new)].root())))
    try:
        verify_consistency(old, new, proof, old_root, TREES[new].root())
    except BadProof:
        assert not (possible and proof == right and old_root == TREES[old].root())
    else:
        assert (old_root, proof) == (TREES[old].root(), right)


@given(st.data())
def test_each_flipped_bit_is_refused(data):
    size = data.draw(st.integers(2, 300))
    number = data.draw(st.integers(0, size - 2))
    bit = data.draw(st.integers(0, 255))

    def flipped(value):
        return (int.from_bytes(value, "big") ^ 1 << bit).to_bytes(32, "big")

    head, old_head = TREES[size].root(), TREES[number + 1].root()
    inclusion, consistency = TREES[size].inclusion_proof(number), TREES[size].consistency_proof(number + 1)
    verify_inclusion(MANY[number], number, size, inclusion, head)
    verify_consistency(number + 1, size, consistency, old_head, head)
    for at, node in enumerate(inclusion):
        with pytest.raises(BadProof):
            verify_inclusion(MANY[number], number, size, [*inclusion[:at], flipped(node), *inclusion[at + 1 :]], head)
    for at, node in enumerate(consistency):
        wrong = [*consistency[:at], flipped(node), *consistency[at + 1 :]]
        with pytest.raises(BadProof):
            verify_consistency(number + 1, size, wrong, old_head, head)
    for leaf, top in ((flipped(MANY[number]), head), (MANY[number], flipped(head))):
        with pytest.raises(BadProof):
            verify_inclusion(leaf, number, size, inclusion, top)
    for old, new in ((flipped(old_head), head), (old_head, flipped(head))):
        with pytest.raises(BadProof):
            verify_consistency(number + 1, size, consistency, old, new)


@given(st.integers(2, 60), st.data())
def test_a_log_that_changed_its_past_has_no_proof(new, data):
    old = data.draw(st.integers(1, new - 1))
    changed = data.draw(st.integers(0, old - 1))
    other = [*MANY[:changed], SOME_HASH, *MANY[changed + 1 : new]]
    for proof in (consistency_proof(old, other), TREES[new].consistency_proof(old)):
        with pytest.raises(BadProof):
            verify_consistency(old, new, proof, TREES[old].root(), root(other))


def test_a_root_that_was_made_to_fit_a_proof_of_another_shape_does_not_help():
    a, b, c = MANY[:3]
    for arguments in (
        (a, 0, 1, [b], node_hash(b, a)),  # too long
        (a, 0, 2, [b, c], node_hash(c, node_hash(a, b))),
        (a, 0, 2, [], a),  # too short
        (a, 0, 2, [b[:31]], node_hash(a, b[:31])),  # no hash
        (a[:31], 0, 2, [b], node_hash(a[:31], b)),
        (a, 2**64, 2**64 + 1, [b], node_hash(b, a)),  # no tree
        (a, -1, 1, [], a),
        (a, -2, 2, [b], node_hash(a, b)),
    ):
        with pytest.raises(BadProof):
            verify_inclusion(*arguments)
    for arguments in (
        (1, 2, [b, c], a, node_hash(c, node_hash(a, b))),  # too long
        (1, 2, [], a, a),  # too short
        (3, 4, [a], a, a),
        (1, 2, [b[:31]], a, node_hash(a, b[:31])),  # no hash
        (1, 2, [b], a[:31], node_hash(a[:31], b)),
        (2**64, 2**64 + 1, [b], a, node_hash(a, b)),  # no tree
        (2**64, 2**64, [], a, a),
    ):
        with pytest.raises(BadProof):
            verify_consistency(*arguments)


# Making proofs


def test_a_tree_has_the_root_and_the_length_of_its_leaves():
    for size in (0, 1, 2, 3, 130):
        assert (len(TREES[size]), TREES[size].root()) == (size, root(MANY[:size]))


@pytest.mark.parametrize("index", [-1, 3, 4])
def test_a_leaf_that_is_not_there_has_no_proof(index):
    with pytest.raises(ValueError, match="no leaf"):
        inclusion_proof(index, MANY[:3])


@pytest.mark.parametrize("old_size", [-1, 0, 4])
def test_no_proof_is_made_from_nothing_or_from_more(old_size):
    with pytest.raises(ValueError, match="no proof"):
        consistency_proof(old_size, MANY[:3])


def test_leaves_may_come_one_by_one():
    assert root(iter(MANY[:5])) == Tree(iter(MANY[:5])).root() == TREES[5].root()
    assert inclusion_proof(3, iter(MANY[:5])) == TREES[5].inclusion_proof(3)
    assert consistency_proof(3, iter(MANY[:5])) == TREES[5].consistency_proof(3)


@pytest.mark.parametrize("size_bytes", [0, 31, 33])
def test_leaves_are_hashed_before_they_are_in_a_tree(size_bytes):
    for make in (Tree, root):
        with pytest.raises(ValueError, match="32 bytes"):
            make([MANY[0], bytes(size_bytes), bytes(64 - size_bytes)])
