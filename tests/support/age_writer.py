"""A second writer of age files, from the specification alone, that also writes what no honest writer would.

Nothing of `crypto` is used, only the primitives of a library. Every part can be replaced before the file is put
together, and the MAC is then computed over what stands there, so that a fault is the only one in its file.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PrivateKey, Suite

CHUNK = 65_536
VERSION = b"age-encryption.org/v1\n"
BEGIN = b"-----BEGIN AGE ENCRYPTED FILE-----\n"
END = b"-----END AGE ENCRYPTED FILE-----\n"

# The identities that the specification prints.
HYBRID = "AGE-SECRET-KEY-PQ-1XX76JRALNLXDMEW0CRK45QMCCH4X06SE84UN3VPM33W6HWDX0H3SK3ZQFR"
X25519 = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX"

# Encodings of points of low order on Curve25519: https://cr.yp.to/ecdh.html#validate
LOW_ORDER = [
    bytes(32),
    bytes([1]) + bytes(31),
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    (2**255 - 20).to_bytes(32, "little"),
    (2**255 - 19).to_bytes(32, "little"),
    (2**255 - 18).to_bytes(32, "little"),
]


def b64(data: bytes) -> bytes:
    return base64.b64encode(data).rstrip(b"=")


def secret_bytes(identity: str) -> bytes:
    """The 32 bytes of an identity's text."""
    digits = ["qpzry9x8gf2tvdw0s3jn54khce6mua7l".index(digit) for digit in identity.lower().rpartition("1")[2][:-6]]
    return int("".join(f"{digit:05b}" for digit in digits)[:256], 2).to_bytes(32, "big")


def hkdf(secret: bytes, salt: bytes, info: bytes) -> bytes:
    return hmac.digest(hmac.digest(salt or bytes(32), secret, "sha256"), info + b"\x01", "sha256")


def stanza(*arguments: bytes, body: bytes) -> bytes:
    text = b64(body)
    lines = [text[i : i + 64] for i in range(0, len(text) + 1, 64)]
    return b"-> " + b" ".join(arguments) + b"\n" + b"".join(line + b"\n" for line in lines)


def x25519_parts(
    file_key: bytes, identity: str, *, ephemeral: bytes, share: bytes | None = None
) -> tuple[bytes, bytes]:
    """Share and body of a stanza; another share than that of `ephemeral` is used as if it were an honest one."""
    private = X25519PrivateKey.from_private_bytes(secret_bytes(identity))
    public = private.public_key().public_bytes_raw()
    ephemeral_key = X25519PrivateKey.from_private_bytes(ephemeral)
    # What the reader would compute: zeros for a share of low order.
    shared = bytes(32) if share in LOW_ORDER else ephemeral_key.exchange(X25519PublicKey.from_public_bytes(public))
    share = share or ephemeral_key.public_key().public_bytes_raw()
    key = hkdf(shared, share + public, b"age-encryption.org/v1/X25519")
    return share, ChaCha20Poly1305(key).encrypt(bytes(12), file_key, None)


def x25519_stanza(file_key: bytes, identity: str = X25519, *, ephemeral: bytes = b"\x07" * 32) -> bytes:
    share, body = x25519_parts(file_key, identity, ephemeral=ephemeral)
    return stanza(b"X25519", b64(share), body=body)


def hybrid_parts(file_key: bytes, identity: str = HYBRID) -> tuple[bytes, bytes]:
    """Share and body of a stanza; other ones each time."""
    expanded = hashlib.shake_256(secret_bytes(identity)).digest(96)
    private = MLKEM768X25519PrivateKey(
        MLKEM768PrivateKey.from_seed_bytes(expanded[:64]), X25519PrivateKey.from_private_bytes(expanded[64:])
    )
    suite = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
    sealed = suite.encrypt(file_key, private.public_key(), b"age-encryption.org/mlkem768x25519")
    return sealed[:1120], sealed[1120:]


def hybrid_stanza(file_key: bytes, identity: str = HYBRID) -> bytes:
    share, body = hybrid_parts(file_key, identity)
    return stanza(b"mlkem768x25519", b64(share), body=body)


def scrypt_body(file_key: bytes, passphrase: bytes, salt: bytes, factor: int) -> bytes:
    key = hashlib.scrypt(
        passphrase,
        salt=b"age-encryption.org/v1/scrypt" + salt,
        n=1 << factor,
        r=8,
        p=1,
        dklen=32,
        maxmem=(1 << factor) * 1024 + (1 << 20),
    )
    return ChaCha20Poly1305(key).encrypt(bytes(12), file_key, None)


def scrypt_stanza(file_key: bytes, passphrase: bytes, *, salt: bytes = b"0123456789abcdef", factor: int = 10) -> bytes:
    body = scrypt_body(file_key, passphrase, salt, factor)
    return stanza(b"scrypt", b64(salt), str(factor).encode(), body=body)


def mac_line(file_key: bytes, before: bytes) -> bytes:
    """The last line of a header, after all lines before it."""
    mac = hmac.digest(hkdf(file_key, b"", b"header"), before + b"---", "sha256")
    return b"--- " + b64(mac) + b"\n"


def header(file_key: bytes, *stanzas: bytes, version: bytes = VERSION) -> bytes:
    before = version + b"".join(stanzas)
    return before + mac_line(file_key, before)


def payload(file_key: bytes, *chunks: tuple[bytes, bool], nonce: bytes = b"n" * 16) -> bytes:
    """Nonce and chunks, each said to be the last or not."""
    aead = ChaCha20Poly1305(hkdf(file_key, nonce, b"payload"))
    return nonce + b"".join(
        aead.encrypt(number.to_bytes(11, "big") + bytes([last]), chunk, None)
        for number, (chunk, last) in enumerate(chunks)
    )


def honest_payload(file_key: bytes, plaintext: bytes) -> bytes:
    chunks = [plaintext[i : i + CHUNK] for i in range(0, len(plaintext), CHUNK)] or [b""]
    return payload(file_key, *[(chunk, number == len(chunks) - 1) for number, chunk in enumerate(chunks)])


def armored(data: bytes, *, end_of_line: bytes = b"\n") -> bytes:
    text = base64.b64encode(data)
    lines = [text[i : i + 64] + b"\n" for i in range(0, len(text), 64)]
    return (BEGIN + b"".join(lines) + END).replace(b"\n", end_of_line)
