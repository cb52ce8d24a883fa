"""Merkle trees of RFC 6962, section 2.1, with SHA-256: hashing, proofs, and their verification by RFC 9162.

A proof is a list of hashes, from the leaves upwards. Making one is for who has all the leaves; verifying one is for
who has two roots, or a root and a leaf, and trusts nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from crypto.encoding import uint64
from crypto.errors import BadProof, NotCanonical

HASH_SIZE = 32
EMPTY_ROOT = hashlib.sha256().digest()
MAX_SIZE = 2**64 - 1


def leaf_hash(data: bytes) -> bytes:
    """SHA-256(0x00 || data)."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root(leaf_hashes: Iterable[bytes]) -> bytes:
    """The tree head over leaves that are already hashed; of an empty tree SHA-256 of nothing.

    Raises ValueError when a leaf hash has not 32 bytes.
    """
    level = _joined(leaf_hashes)
    while len(level) > HASH_SIZE:
        level = _above(level)
    return level or EMPTY_ROOT


def inclusion_proof(index: int, leaf_hashes: Iterable[bytes]) -> list[bytes]:
    """The path that shows leaf `index`, counted from 0, under the root of these leaves.

    For many proofs over the same leaves make a `Tree` once. Raises ValueError when there is no such leaf.
    """
    return Tree(leaf_hashes).inclusion_proof(index)


def consistency_proof(old_size: int, leaf_hashes: Iterable[bytes]) -> list[bytes]:
    """What shows that the tree over the first `old_size` leaves is the beginning of the tree over all of them.

    Empty when nothing was added. Raises ValueError when `old_size` is 0, from which nothing can be shown, or more than
    there are leaves.
    """
    return Tree(leaf_hashes).consistency_proof(old_size)


def verify_inclusion(leaf_hash: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """RFC 9162, section 2.1.3.2: `leaf_hash` is leaf `index` of the tree of `size` leaves that has this root.

    Raises BadProof otherwise.
    """
    if not 0 <= index < size <= MAX_SIZE:
        raise BadProof("there is no such leaf")
    _check_sizes(leaf_hash, root, *proof)
    first, last, node = index, size - 1, leaf_hash
    for sibling in proof:
        if last == 0:
            raise BadProof("the proof is too long")
        if first & 1 or first == last:
            node = node_hash(sibling, node)
            first, last = _past_levels_without_sibling(first, last)
        else:
            node = node_hash(node, sibling)
        first, last = first >> 1, last >> 1
    if last != 0:
        raise BadProof("the proof is too short")
    if node != root:
        raise BadProof("the leaf is not under this root")


def verify_consistency(old_size: int, new_size: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    """RFC 9162, section 2.1.4.2: the tree of `old_size` leaves is the beginning of the tree of `new_size` leaves.

    Trees of one size are consistent when their roots are equal and the proof is empty. An old tree of no leaves is
    refused: anything could follow it, so nothing is shown. Raises BadProof.
    """
    if not 0 < old_size <= new_size <= MAX_SIZE:
        raise BadProof("no proof leads from such a size to the other")
    if old_size == new_size:
        if proof:
            raise BadProof("the proof is too long")
        if old_root != new_root:
            raise BadProof("two roots for one size")
        return
    _check_sizes(old_root, new_root, *proof)
    path = list(proof)
    if old_size & (old_size - 1) == 0:
        path.insert(0, old_root)  # a perfect old tree is a node of the new one; the proof need not name it
    if not path:
        raise BadProof("the proof is too short")
    first, last = old_size - 1, new_size - 1
    while first & 1:
        first, last = first >> 1, last >> 1
    old_node = new_node = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise BadProof("the proof is too long")
        if first & 1 or first == last:
            old_node, new_node = node_hash(sibling, old_node), node_hash(sibling, new_node)
            first, last = _past_levels_without_sibling(first, last)
        else:
            new_node = node_hash(new_node, sibling)
        first, last = first >> 1, last >> 1
    if last != 0:
        raise BadProof("the proof is too short")
    if old_node != old_root or new_node != new_root:
        raise BadProof("the old tree is not the beginning of the new one")


class Tree:
    """All nodes over a list of leaves, for making proofs: each is hashed once, 64 bytes of memory a leaf."""

    __slots__ = ("_levels",)

    def __init__(self, leaf_hashes: Iterable[bytes]) -> None:
        """Raises ValueError when a leaf hash has not 32 bytes."""
        self._levels = [_joined(leaf_hashes)]
        while len(self._levels[-1]) > HASH_SIZE:
            self._levels.append(_above(self._levels[-1]))

    def __len__(self) -> int:
        return len(self._levels[0]) // HASH_SIZE

    def root(self) -> bytes:
        """The tree head over all leaves."""
        return self._levels[-1] or EMPTY_ROOT

    def inclusion_proof(self, index: int) -> list[bytes]:
        """As the function of that name."""
        if not 0 <= index < len(self):
            raise ValueError(f"there is no leaf {index}")
        return self._siblings(index, 0)

    def consistency_proof(self, old_size: int) -> list[bytes]:
        """As the function of that name."""
        if not 0 < old_size <= len(self):
            raise ValueError(f"no proof leads from {old_size} leaves to {len(self)}")
        if old_size == len(self):
            return []
        # The last perfect subtree of the old tree: the one node that both paths start from.
        height = (old_size & -old_size).bit_length() - 1
        position = (old_size - 1) >> height
        start = [] if position == 0 else [self._node(height, position)]
        return start + self._siblings(position, height)

    def _siblings(self, position: int, height: int) -> list[bytes]:
        found = [self._node(above, (position >> (above - height)) ^ 1) for above in range(height, len(self._levels))]
        return [node for node in found if node]

    def _node(self, height: int, position: int) -> bytes:
        """Empty where the level has no such node, as beside a node that rises unhashed."""
        return self._levels[height][position * HASH_SIZE : (position + 1) * HASH_SIZE]


class Frontier:
    """The right edge of a growing tree: what is needed to append leaves and name the root, O(log n) hashes.

    It holds the roots of the perfect subtrees that the leaves fall into, largest first: one for each bit that is set
    in the number of leaves.
    """

    __slots__ = ("_roots", "_size")

    def __init__(self) -> None:
        self._roots: list[bytes] = []
        self._size = 0

    @property
    def size(self) -> int:
        """How many leaves were appended."""
        return self._size

    def append(self, leaf_hash: bytes) -> None:
        """Add one leaf, already hashed. Raises ValueError for anything but 32 bytes."""
        if len(leaf_hash) != HASH_SIZE:
            raise ValueError(f"a leaf hash has {HASH_SIZE} bytes")
        node, size = leaf_hash, self._size
        while size & 1:
            node, size = node_hash(self._roots.pop(), node), size >> 1
        self._roots.append(node)
        self._size += 1

    def root(self) -> bytes:
        """The tree head over all leaves so far."""
        if not self._roots:
            return EMPTY_ROOT
        node = self._roots[-1]
        for left in reversed(self._roots[:-1]):
            node = node_hash(left, node)
        return node

    def to_bytes(self) -> bytes:
        """uint64 number of leaves, then the subtree roots, 32 bytes each, largest first."""
        return uint64(self._size) + b"".join(self._roots)

    @classmethod
    def from_bytes(cls, data: bytes) -> Frontier:
        """The frontier that `to_bytes` wrote. Raises NotCanonical for bytes of any other form."""
        size = int.from_bytes(data[:8], "big")
        if len(data) != 8 + HASH_SIZE * size.bit_count():
            raise NotCanonical("not a frontier")
        frontier = cls()
        frontier._size = size
        frontier._roots = [data[i : i + HASH_SIZE] for i in range(8, len(data), HASH_SIZE)]
        return frontier


def _joined(leaf_hashes: Iterable[bytes]) -> bytes:
    leaves = tuple(leaf_hashes)
    if any(len(each) != HASH_SIZE for each in leaves):
        raise ValueError(f"a leaf hash has {HASH_SIZE} bytes")
    return b"".join(leaves)


def _above(level: bytes) -> bytes:
    """The nodes over those of one level, all joined."""
    pairs_size = len(level) - len(level) % (2 * HASH_SIZE)
    sha256 = hashlib.sha256
    above = [sha256(b"\x01" + level[at : at + 2 * HASH_SIZE]).digest() for at in range(0, pairs_size, 2 * HASH_SIZE)]
    # The last node of an odd level rises unhashed, which gives the RFC's split at a power of two.
    return b"".join(above) + level[pairs_size:]


def _past_levels_without_sibling(first: int, last: int) -> tuple[int, int]:
    """On the right edge: up to the level below the next one where a left sibling is hashed in."""
    while first and not first & 1:
        first, last = first >> 1, last >> 1
    return first, last


def _check_sizes(*hashes: bytes) -> None:
    if any(len(each) != HASH_SIZE for each in hashes):
        raise BadProof(f"a hash has {HASH_SIZE} bytes")
