"""Edwards25519 in plain integers, to forge signatures with, and a verifier as lenient as verifiers were.

Slow, and nothing of it is secret. From RFC 8032, sections 5.1 and 6.
"""

import hashlib

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
Point = tuple[int, int]
IDENTITY: Point = (0, 1)
# Every encoding of a point of order 1, 2, 4 or 8, those with y of P or more and with the sign of x = 0 among them:
# https://github.com/C2SP/CCTV, ed25519/README.md
LOW_ORDER = [
    bytes.fromhex(each)
    for each in (
        "00" * 32,
        "ed" + "ff" * 30 + "7f",
        "00" * 31 + "80",
        "ed" + "ff" * 31,
        "01" + "00" * 31,
        "01" + "00" * 30 + "80",
        "ee" + "ff" * 30 + "7f",
        "ee" + "ff" * 31,
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "ec" + "ff" * 30 + "7f",
        "ec" + "ff" * 31,
    )
]


def add(a: Point, b: Point) -> Point:
    (x1, y1), (x2, y2) = a, b
    product = D * x1 * x2 * y1 * y2
    x = (x1 * y2 + x2 * y1) * pow(1 + product, -1, P)
    y = (y1 * y2 + x1 * x2) * pow(1 - product, -1, P)
    return x % P, y % P


def multiply(scalar: int, point: Point) -> Point:
    result = IDENTITY
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point, scalar = add(point, point), scalar >> 1
    return result


def encode(point: Point) -> bytes:
    x, y = point
    return (y | (x & 1) << 255).to_bytes(32, "little")


def decode(encoded: bytes) -> Point:
    """Lenient: y may be P or more, and x = 0 may have a sign. Raises ValueError off the curve."""
    number = int.from_bytes(encoded, "little")
    sign, y = number >> 255, number % 2**255 % P
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - square) % P:
        raise ValueError("not on the curve")
    return (P - x if x & 1 != sign and x else x), y


BASE: Point = decode(bytes.fromhex("58" + "66" * 31))


def challenge(r: bytes, key: bytes, message: bytes) -> int:
    return int.from_bytes(hashlib.sha512(r + key + message).digest(), "little") % L


def secret_scalar(seed: bytes) -> int:
    scalar = int.from_bytes(hashlib.sha512(seed).digest()[:32], "little")
    return scalar & (1 << 254) - 8 | 1 << 254


def leniently_verified(key: bytes, message: bytes, signature: bytes) -> bool:
    """The cofactored equation, any encoding of any point, any S."""
    try:
        a, r = decode(key), decode(signature[:32])
    except ValueError:
        return False
    s, k = int.from_bytes(signature[32:], "little"), challenge(signature[:32], key, message)
    return multiply(8, multiply(s, BASE)) == multiply(8, add(r, multiply(k, a)))
