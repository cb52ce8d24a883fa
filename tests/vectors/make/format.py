"""Write tests/vectors/format/*.json but log.json: `python tests/vectors/make/format.py`, from the checkout.

The vectors belong to format 1. They are made once and kept: what needs randomness (slots, records) comes out different in
every run, so run this only when the format changes, and then say so in docs/format.md and CHANGELOG.md.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

from crypto import chain, encoding, kdf, keys, labels, objects, padding, records, slots
from vault import header, registry

TARGET = Path(__file__).parents[1] / "format"


def pattern(size: int, start: int = 0) -> bytes:
    """Bytes that count up from `start`."""
    return bytes((start + i) % 256 for i in range(size))


FOLDER_ID, SALT, CASE_ID, OBJECT_ID = pattern(32, 1), pattern(16, 40), pattern(16, 60), pattern(16, 80)
VAULT_KEY, CASE_KEY = keys.VaultKey(pattern(32, 140)), keys.CaseKey(pattern(32, 180))


def seeds() -> object:
    """Seeds of every kind of secret, with the public key of the slot that each makes."""
    key_file, entropy = pattern(64, 7), pattern(32, 9)
    found = []
    for passphrase, with_file in (("correct horse", False), ("Cafe\u0301 пароль ", True)):
        secret = kdf.passphrase_secret(passphrase, key_file if with_file else None)
        found.append(
            {
                "kind": secret[0],
                "passphrase": passphrase,
                "key_file": key_file.hex() if with_file else None,
                "secret": secret.hex(),
                "seed": kdf.argon2id(secret, salt=SALT, cost=kdf.FLOOR).hex(),
            }
        )
    for kind, secret in ((kdf.KIND_RECOVERY, entropy), (kdf.KIND_KEY_FILE, key_file)):
        seed = kdf.secret_seed(secret, folder_id=FOLDER_ID, kind=kind)
        found.append({"kind": kind, "passphrase": None, "key_file": None, "secret": secret.hex(), "seed": seed.hex()})
    for each in found:
        public = slots.slot_keys(bytes.fromhex(str(each["seed"]))).public_bytes()
        each["public_key_sha256"] = hashlib.sha256(public).hexdigest()
    return {
        "folder_id": FOLDER_ID.hex(),
        "salt": SALT.hex(),
        "memory_kib": kdf.FLOOR.memory_kib,
        "passes": kdf.FLOOR.passes,
        "seeds": found,
    }


def headers() -> object:
    """One header of epoch 7 with ways in at slots 0 and 5."""
    used = {0: pattern(32, 11), 5: pattern(32, 13)}
    public = [slots.slot_keys(used[n]).public_bytes() if n in used else None for n in range(header.SLOTS)]
    made = header.seal(VAULT_KEY, folder_id=FOLDER_ID, epoch=7, cost=kdf.FLOOR, salt=SALT, public_keys=public)
    return {
        "vault_key": VAULT_KEY.raw.hex(),
        "seeds": {str(slot): seed.hex() for slot, seed in used.items()},
        "folder_id": FOLDER_ID.hex(),
        "epoch": 7,
        "memory_kib": kdf.FLOOR.memory_kib,
        "passes": kdf.FLOOR.passes,
        "salt": SALT.hex(),
        "tag": made.tag.hex(),
        "digest": made.digest().hex(),
        "file_base64": base64.b64encode(made.to_bytes()).decode(),
    }


def derived() -> object:
    """Every key that is derived from the vault key or a case key."""
    tables = (
        (VAULT_KEY, "vault", {"header-mac": labels.HEADER_MAC, "vault-database": labels.VAULT_DATABASE}),
        (
            CASE_KEY,
            "case",
            {
                "case-database": labels.CASE_DATABASE,
                "case-log": labels.CASE_LOG,
                "case-title": labels.CASE_TITLE,
                "log-key-wrap": labels.LOG_KEY_WRAP,
            },
        ),
    )
    return [
        {
            "from": name,
            "key": key.raw.hex(),
            "label": f"casevault/v1/{label}",
            "derived": keys.derive(key, value, keys.RecordKey).raw.hex(),
        }
        for key, name, chosen in tables
        for label, value in chosen.items()
    ]


def streams() -> object:
    """Segments: an empty one, a short one, one full chunk, one that ends in a second chunk, and segment 3."""
    key, found = keys.ObjectKey(pattern(32, 21)), []
    for size, segment in ((0, 0), (11, 0), (16_384, 0), (16_385, 0), (300, 3)):
        context = objects.object_context(folder_id=FOLDER_ID, case_id=CASE_ID, object_id=OBJECT_ID, segment=segment)
        encryptor = objects.StreamEncryptor(key, context)
        buffer = bytearray(encryptor.output_size(size))
        written = encryptor.update_into(pattern(size), buffer)
        stream = bytes(buffer[:written]) + encryptor.finalize()
        found.append(
            {
                "segment": segment,
                "plaintext_size": size,
                "context": context.hex(),
                "salt": stream[:24].hex(),
                "commitment": stream[24:56].hex(),
                "stream_size": len(stream),
                "stream_sha256": hashlib.sha256(stream).hexdigest(),
            }
        )
    return {
        "key": key.raw.hex(),
        "folder_id": FOLDER_ID.hex(),
        "case_id": CASE_ID.hex(),
        "object_id": OBJECT_ID.hex(),
        "plaintext": "byte i is i modulo 256",
        "streams": found,
    }


def changes() -> object:
    """A person is written, written again and erased; the states of the chain."""
    row = {"number": 1, "name": "Анна", "phones": '["+1 234"]', "role": None}
    told = [
        {"table": "persons", "key": "[1]", "row": row},
        {"table": "persons", "key": "[1]", "row": {**row, "role": "witness"}},
        {"table": "items", "key": "[2]", "row": {"object_id": OBJECT_ID, "size_bytes": 2**53 - 1}},
        {"table": "persons", "key": "[1]", "row": None},
    ]
    state, found = chain.first_state(CASE_ID), []
    for number, change in enumerate(told, 1):
        salt, text = pattern(16, number), encoding.canonical_json(change)
        digest = chain.change_digest(salt, text)
        state = chain.next_state(state, digest)
        found.append({"salt": salt.hex(), "change": text.decode(), "digest": digest.hex(), "state": state.hex()})
    return {"case_id": CASE_ID.hex(), "first_state": chain.first_state(CASE_ID).hex(), "changes": found}


def sealed_values() -> object:
    """The other records: a title of the index, a wrapped log key, a high-water mark."""
    earlier, mark_key = keys.RecordKey(pattern(32, 50)), keys.RecordKey(pattern(32, 55))
    mark_body = encoding.canonical_json({"generation": 1, "root": pattern(32, 3), "step": 12})
    wrapping, place = registry.log_wrapping_key(CASE_KEY), registry.log_key_context(CASE_ID, 4)
    rows = (
        ("title", registry.title_key(CASE_KEY), CASE_ID, b"Harbour Street"),
        ("wrapped log key", wrapping, place, earlier.raw),
        ("mark", mark_key, labels.MARK, mark_body),
    )
    return {
        "case_key": CASE_KEY.raw.hex(),
        "case_id": CASE_ID.hex(),
        "epoch": 4,
        "mark_key": mark_key.raw.hex(),
        "records": [
            {
                "what": what,
                "context": context.hex(),
                "plaintext": plaintext.hex(),
                "sealed": records.encrypt_record(key, plaintext, context=context).hex(),
            }
            for what, key, context, plaintext in rows
        ],
    }


def sizes() -> object:
    """Lengths, stored lengths and the size of the files."""
    lengths = (0, 1, 60, 65_535, 65_536, 65_537, 100_000, 1_000_000, 3_000_000, 25_000_000, 2**30, 2**30 + 1, 4 * 10**9)
    return [
        {
            "length": length,
            "padded": padding.padded_size(length),
            "files": [
                objects.ciphertext_size(min(objects.SEGMENT, padding.padded_size(length) - start))
                for start in range(0, padding.padded_size(length), objects.SEGMENT)
            ],
        }
        for length in lengths
    ]


def canonical() -> object:
    """Values with their one form, and texts that are no canonical form."""
    values = [
        None,
        True,
        [],
        {},
        {"б": 1, "a": [2, None], "Z": '\u001f"\\/é'},
        2**53 - 1,
        -5,
        "😀",
    ]
    refused = [
        '{"b":1,"a":2}',
        '{"a":1,"a":1}',
        "[1, 2]",
        "1.0",
        "1e3",
        "9007199254740992",
        '"\\u0041"',
        '"\\/"',
        "NaN",
        "01",
        " 1",
        '"\\ud800"',
    ]
    return {
        "values": [{"value": value, "utf8": encoding.canonical_json(value).hex()} for value in values],
        "refused": refused,
    }


FILES = {
    "seeds": seeds,
    "header": headers,
    "keys": derived,
    "objects": streams,
    "changes": changes,
    "records": sealed_values,
    "sizes": sizes,
    "canonical_json": canonical,
}


def main() -> None:
    """Write the files that are named as arguments, or all of them."""
    for name in sys.argv[1:] or FILES:
        text = json.dumps(FILES[name](), ensure_ascii=False, indent=1) + "\n"
        (TARGET / f"{name}.json").write_text(text, encoding="utf-8")
        print(f"{name}.json")


if __name__ == "__main__":
    main()
