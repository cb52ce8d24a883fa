"""age files by `crypto.age` alone, each in a process that loads nothing of the vault: `python -m bench.age_files WHAT …`."""

from __future__ import annotations

import io
import json
import os
import sys
import time
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from crypto import age


def encrypt(source: str, target: str, recipient: str) -> None:
    """One age file from another file."""
    with Path(source).open("rb", buffering=0) as plain, Path(target).open("wb", buffering=0) as sealed:
        age.encrypt(plain, sealed, [age.parse_recipient(recipient)])


def decrypt(source: str, target: str, identity: str) -> None:
    """Back again; `identity` is a file of age-keygen."""
    secret = age.parse_identity(Path(identity).read_text().split()[-1])
    with Path(source).open("rb", buffering=0) as sealed, Path(target).open("wb", buffering=0) as plain:
        age.decrypt(sealed, plain, [secret])


def memory(size_mib: str, count: str) -> None:
    """Bytes a second, from memory to memory that is there already, and of the cipher alone over the same bytes.

    One thread that never waits: its processor time is the time it takes on a core of its own.
    """
    size = int(size_mib) << 20
    identity = age.HybridIdentity.generate()
    source, sealed, back = io.BytesIO(os.urandom(size)), io.BytesIO(), io.BytesIO()
    cipher, room = ChaCha20Poly1305(bytes(32)), bytearray(age.CHUNK + 16)
    pieces = [memoryview(source.getvalue())[at : at + age.CHUNK] for at in range(0, size, age.CHUNK)]

    def cipher_alone() -> None:
        for piece in pieces:
            cipher.encrypt_into(bytes(12), piece, None, room)

    steps = {
        "encrypt": lambda: age.encrypt(source, sealed, [identity.recipient()]),
        "decrypt": lambda: age.decrypt(sealed, back, [identity]),
        "cipher": cipher_alone,
    }
    found: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(int(count) + 1):
        for name, step in steps.items():
            for stream in (source, sealed, back):
                stream.seek(0)
            start = time.process_time()
            step()
            if number:  # the first round makes the memory that the others write to
                found[name].append(size / (time.process_time() - start))
    print(json.dumps(found))


if __name__ == "__main__":
    {"encrypt": encrypt, "decrypt": decrypt, "memory": memory}[sys.argv[1]](*sys.argv[2:])
