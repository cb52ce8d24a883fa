"""SSHSIG, the signatures of `ssh-keygen -Y sign`, with Ed25519 keys and SHA-512 only.

Format: OpenSSH, PROTOCOL.sshsig. Ed25519 has one signature for a message, so what is written here is byte for byte
what ssh-keygen writes with the same key. What is read is stricter: ssh-keygen takes other line lengths and text behind.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass

from crypto import ed25519
from crypto.encoding import parse_base64, uint32
from crypto.errors import BadSignature, NotCanonical
from crypto.keys import IdentityEd25519Key
from crypto.labels import SignedKind

MAX_SIZE = 4096

_MAGIC = b"SSHSIG"
_VERSION = 1
_KEY_TYPE = b"ssh-ed25519"
_HASH = b"sha512"
_BEGIN = b"-----BEGIN SSH SIGNATURE-----\n"
_END = b"-----END SSH SIGNATURE-----\n"
_LINE_SIZE = 70


@dataclass(frozen=True, slots=True)
class SSHSignature:
    """What a signature says of itself. It holds only after `verify`."""

    public_key: bytes
    namespace: bytes
    signature: bytes

    def to_bytes(self) -> bytes:
        """The armored signature."""
        signature = _string(_KEY_TYPE) + _string(self.signature)
        parts = (_public_blob(self.public_key), self.namespace, b"", _HASH, signature)
        encoded = base64.b64encode(_MAGIC + uint32(_VERSION) + b"".join(map(_string, parts)))
        lines = [encoded[at : at + _LINE_SIZE] + b"\n" for at in range(0, len(encoded), _LINE_SIZE)]
        return _BEGIN + b"".join(lines) + _END

    @classmethod
    def from_bytes(cls, armored: bytes) -> SSHSignature:
        """The signature that `to_bytes` writes so. Raises NotCanonical for bytes of any other form."""
        if len(armored) > MAX_SIZE:
            raise NotCanonical("a signature of more than 4 KiB")
        blob = parse_base64(armored.removeprefix(_BEGIN).removesuffix(_END).replace(b"\n", b""))
        # Only the namespace has a length of its own. Writing it again compares everything that is not picked out here.
        key_start = len(_MAGIC + uint32(_VERSION)) + len(_public_blob(b"")) + 4
        key_end = key_start + ed25519.PUBLIC_KEY_SIZE
        namespace_size = int.from_bytes(blob[key_end : key_end + 4], "big")
        namespace = blob[key_end + 4 : key_end + 4 + namespace_size]
        found = cls(blob[key_start:key_end], namespace, blob[-ed25519.SIGNATURE_SIZE :])
        if not namespace or found.to_bytes() != armored:
            raise NotCanonical("not an Ed25519 signature of SSH")
        return found


def sign(key: IdentityEd25519Key, message: bytes, *, kind: SignedKind) -> bytes:
    """The armored signature of `message` in the kind's namespace."""
    signature = ed25519.sign(key.raw, _signed_data(message, kind.value))
    return SSHSignature(ed25519.public_key(key.raw), kind.value, signature).to_bytes()


def verify(public_key: bytes, message: bytes, armored: bytes, *, kind: SignedKind) -> None:
    """Raises BadSignature when it is not of this message, kind and key, NotCanonical when it has another form."""
    found = SSHSignature.from_bytes(armored)
    if found.public_key != public_key or found.namespace != kind.value:
        raise BadSignature("a signature by another key or of another kind")
    ed25519.verify(public_key, _signed_data(message, kind.value), found.signature)


def public_key(key: IdentityEd25519Key) -> bytes:
    """The 32 bytes that verify what `key` signs."""
    return ed25519.public_key(key.raw)


def public_key_line(public_key: bytes) -> str:
    """`ssh-ed25519 AAAA…`, as in a .pub file, without a comment."""
    return f"{_KEY_TYPE.decode('ascii')} {base64.b64encode(_public_blob(public_key)).decode('ascii')}"


def fingerprint(public_key: bytes) -> str:
    """`SHA256:…`, as `ssh-keygen -l` shows a key."""
    digest = base64.b64encode(hashlib.sha256(_public_blob(public_key)).digest()).decode("ascii")
    return f"SHA256:{digest.rstrip('=')}"


def _signed_data(message: bytes, namespace: bytes) -> bytes:
    parts = (namespace, b"", _HASH, hashlib.sha512(message).digest())
    return _MAGIC + b"".join(map(_string, parts))


def _public_blob(public_key: bytes) -> bytes:
    return _string(_KEY_TYPE) + _string(public_key)


def _string(data: bytes) -> bytes:
    return uint32(len(data)) + data
