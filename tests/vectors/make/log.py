"""Write tests/vectors/format/log.json: `python tests/vectors/make/log.py`, from anywhere.

Computed from the words of docs/format.md (*The access log*) and the specifications that it names, without the program: only
hashlib, hmac and the primitives of a library. All keys, secrets and nonces are fixed, so every run writes the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import struct
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

TARGET = Path(__file__).parents[1] / "format" / "log.json"

# Every field that docs/format.md lists.
FIELDS = [
    "act",
    "actor",
    "answers",
    "boot_id",
    "case",
    "condition",
    "consent",
    "counterparty",
    "digest",
    "entry",
    "heads",
    "item",
    "monotonic_ms",
    "objects",
    "phase",
    "purpose",
    "query",
    "reason",
    "recipients",
    "role",
    "size",
    "software",
    "state_after",
    "state_before",
    "wall_time",
]


def pattern(size: int, start: int) -> bytes:
    """Bytes that count up from `start`."""
    return bytes((start + i) % 256 for i in range(size))


VAULT_ID, VAULT_KEY, CASE_KEY = pattern(32, 100), pattern(32, 140), pattern(32, 180)
IDENTITY_SEED = pattern(32, 70)
# Step, generation, and how many entries it has: a restored vault begins its second generation with step 3.
STEPS = ((1, 1, 1), (2, 1, 2), (3, 2, 1), (4, 2, 3))
FIRST_STEPS = {1: 1, 2: 3}


def step_seed(step: int, generation: int) -> bytes:
    """The key that signs a step; a generation's first one was announced by nobody."""
    return pattern(32, 16 * step + generation)


def public_key(seed: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def signed(seed: bytes, message: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(seed).sign(message)


def canonical(value: object) -> bytes:
    """Of values without anything that would need an escape besides quotes and backslashes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def prefixed(*parts: bytes) -> bytes:
    return b"".join(struct.pack(">Q", len(part)) + part for part in parts)


def derive(key: bytes, label: bytes) -> bytes:
    secret = hmac.digest(bytes(32), key, "sha256")
    return hmac.digest(secret, label + struct.pack(">I", 0) + b"\x01", "sha256")


def record(key: bytes, nonce: bytes, plaintext: bytes, context: bytes) -> bytes:
    return nonce + AESGCM(key).encrypt(nonce, plaintext, context)


def root(leaves: list[bytes]) -> bytes:
    """RFC 9162, section 2.1.1."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\1" + root(leaves[:split]) + root(leaves[split:])).digest()


def frontier(leaves: list[bytes]) -> bytes:
    out, rest = struct.pack(">Q", len(leaves)), leaves
    while rest:
        size = 1 << len(rest).bit_length() - 1
        out, rest = out + root(rest[:size]), rest[size:]
    return out


def commitment(secret: bytes, fields: dict[str, object]) -> bytes:
    label, leaves = b"casevault/v1/commitment", []
    for name in sorted(fields):
        salt = hmac.digest(secret, label + name.encode(), "sha256")
        leaves.append(prefixed(label, salt, name.encode(), canonical(fields[name])))
    return root(leaves)


def origin(generation: int) -> str:
    return f"casevault/{VAULT_ID.hex()}/g{generation}"


def signed_note(name: str, text: bytes, key: bytes, signature: bytes) -> bytes:
    """https://c2sp.org/signed-note, with a key of type 1."""
    key_id = hashlib.sha256(name.encode() + b"\n\x01" + key).digest()[:4]
    return text + b"\n" + f"\u2014 {name} {base64.b64encode(key_id + signature).decode()}\n".encode()


def ssh_signature(seed: bytes, message: bytes, namespace: bytes) -> str:
    """PROTOCOL.sshsig of OpenSSH, with SHA-512."""

    def string(data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + data

    about = string(namespace) + string(b"") + string(b"sha512")
    signature = signed(seed, b"SSHSIG" + about + string(hashlib.sha512(message).digest()))
    key = string(b"ssh-ed25519") + string(public_key(seed))
    blob = b"SSHSIG" + struct.pack(">I", 1) + string(key) + about + string(string(b"ssh-ed25519") + string(signature))
    text = base64.b64encode(blob).decode()
    lines = [text[start : start + 70] for start in range(0, len(text), 70)]
    return "\n".join(("-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----", ""))


def entry(number: int, step: int, next_key: bytes | None) -> dict[str, object]:
    fields: dict[str, object] = dict.fromkeys(FIELDS)
    fields |= {"act": "item-show", "phase": "intent", "case": "HARBOUR", "item": "3", "entry": number + 1}
    fields |= {"purpose": "слушание", "wall_time": "2026-11-22T08:15:00.000Z", "monotonic_ms": 1000 + number}
    secret = pattern(32, 30 + number)
    value: dict[str, object] = {"c": commitment(secret, fields).hex(), "n": number, "s": step, "v": 1}
    if next_key is not None:
        value["k"] = next_key.hex()
    body = canonical({"fields": fields, "secret": secret.hex()})
    context = prefixed(b"casevault/v1/log-body", VAULT_ID, struct.pack(">Q", number))
    key = derive(CASE_KEY, b"casevault/v1/case-log")
    return {
        "number": number,
        "step": step,
        "body": body.decode(),
        "commitment": value["c"],
        "leaf": canonical(value).decode(),
        "context": context.hex(),
        "sealed": record(key, pattern(12, number), body, context).hex(),
    }


def generation(number: int, leaves: list[bytes]) -> dict[str, object]:
    first_step = FIRST_STEPS[number]
    first_key = public_key(step_seed(first_step, number)).hex()
    value = {"first_key": first_key, "first_step": first_step, "root": root(leaves).hex(), "size": len(leaves)}
    statement = canonical(value | {"origin": origin(number), "v": 1})
    return value | {
        "generation": number,
        "statement": statement.decode(),
        "sshsig": ssh_signature(IDENTITY_SEED, statement, b"casevault-generation@v1"),
    }


def main() -> None:
    """Write the file."""
    entries: list[dict[str, object]] = []
    steps: list[dict[str, object]] = []
    generations: list[dict[str, object]] = []
    leaves: list[bytes] = []
    for step, number, count in STEPS:
        if FIRST_STEPS[number] == step:
            generations.append(generation(number, leaves))
        seed, after = step_seed(step, number), public_key(step_seed(step + 1, number))
        for place in range(count):
            made = entry(len(leaves), step, after if place == count - 1 else None)
            leaves.append(str(made["leaf"]).encode())
            entries.append(made | {"frontier": frontier(leaves).hex(), "root": root(leaves).hex()})
        text = f"{origin(number)}\n{len(leaves)}\n{base64.b64encode(root(leaves)).decode()}\n".encode()
        signature = signed(seed, text)
        steps.append(
            {
                "step": step,
                "generation": number,
                "size": len(leaves),
                "seed": seed.hex(),
                "public_key": public_key(seed).hex(),
                "next_key": after.hex(),
                "checkpoint": text.decode(),
                "signature": signature.hex(),
                "note": signed_note(origin(number), text, public_key(seed), signature).decode(),
            }
        )
    step, number, _ = STEPS[-1]
    context = prefixed(b"casevault/v1/logkey", VAULT_ID, struct.pack(">Q", number), struct.pack(">Q", step + 1))
    seed = step_seed(step + 1, number)
    block = record(derive(VAULT_KEY, b"casevault/v1/logkey"), pattern(12, 90), seed + bytes(4036), context)
    vector = {
        "vault_id": VAULT_ID.hex(),
        "vault_key": VAULT_KEY.hex(),
        "case_key": CASE_KEY.hex(),
        "identity_seed": IDENTITY_SEED.hex(),
        "generations": generations,
        "entries": entries,
        "steps": steps,
        "logkey": {
            "step": step + 1,
            "generation": number,
            "seed": seed.hex(),
            "context": context.hex(),
            "block": block.hex(),
        },
    }
    TARGET.write_text(json.dumps(vector, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(TARGET.name)


if __name__ == "__main__":
    main()
