"""Sizes that tell little: Padmé, from "Reducing Metadata Leakage from Encrypted Files and Communication with PURBs"
(Nikitin and others, PoPETs 2019, section 4).
"""

from __future__ import annotations

SMALLEST_SIZE = 65_536


def padme(length: int) -> int:
    """`length` in bytes rounded up so that its size leaks O(log log length) bits, for at most 12 % more.

    Of the E + 1 bits of a length only the highest floor(log2 E) + 2 may be set. Raises ValueError below zero.
    """
    if length < 0:
        raise ValueError("a length is not negative")
    if length < 2:
        return length
    exponent = length.bit_length() - 1
    low_bits = exponent - exponent.bit_length()
    if low_bits <= 0:
        return length
    mask = (1 << low_bits) - 1
    return (length + mask) & ~mask


def padded_size(length: int) -> int:
    """The stored size in bytes of an object of `length` bytes: Padmé, and 64 KiB at least."""
    return max(SMALLEST_SIZE, padme(length))
