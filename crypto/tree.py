"""Merkle tree hashing of RFC 6962, section 2.1, with SHA-256."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from crypto.encoding import uint64
from crypto.errors import NotCanonical

HASH_SIZE = 32
EMPTY_ROOT = hashlib.sha256().digest()


def leaf_hash(data: bytes) -> bytes:
    """SHA-256(0x00 || data)."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root(leaf_hashes: Sequence[bytes]) -> bytes:
    """The tree head over leaves that are already hashed; of an empty tree SHA-256 of nothing."""
    if not leaf_hashes:
        return EMPTY_ROOT
    level = list(leaf_hashes)
    while len(level) > 1:
        above = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        # The last node of an odd level rises unhashed, which gives the RFC's split at a power of two.
        level = above + level[len(above) * 2 :]
    return level[0]


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
