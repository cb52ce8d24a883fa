"""The vectors of docs/format.md, computed a second time from its words alone, and then read by the program.

Nothing of `crypto` or `vault` is used to compute; only hashlib, hmac and the primitives of a library.
"""

import base64
import contextlib
import hashlib
import hmac
import json
import struct
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PrivateKey, Suite
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from commands import _verify_log
from crypto import (
    chain,
    commitments,
    encoding,
    kdf,
    keys,
    labels,
    objects,
    padding,
    records,
    signing,
    slots,
    sshsig,
    tree,
)
from crypto.errors import NotCanonical
from vault import header, leaves, log_bodies, logkey, registry
from vault.leaves import Leaf

VECTORS = Path(__file__).parent / "vectors" / "format"


def load(name: str) -> Any:
    return json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))


# The primitives, from their specifications


def hkdf_expand(key: bytes, info: bytes, size: int, digest: str) -> bytes:
    block, out, number = b"", b"", 1
    while len(out) < size:
        block = hmac.digest(key, block + info + bytes([number]), digest)
        out, number = out + block, number + 1
    return out[:size]


def hkdf_sha256(secret: bytes, salt: bytes, info: bytes) -> bytes:
    return hkdf_expand(hmac.digest(salt, secret, "sha256"), info, 32, "sha256")


def derived_key(key: bytes, label: str, context: bytes = b"") -> bytes:
    return hkdf_sha256(key, bytes(32), label.encode() + struct.pack(">I", len(context)) + context)


def key_pair(seed: bytes) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
    expanded = hashlib.shake_256(seed).digest(96)
    return MLKEM768PrivateKey.from_seed_bytes(expanded[:64]), X25519PrivateKey.from_private_bytes(expanded[64:])


def public_key(seed: bytes) -> bytes:
    mlkem, x25519 = key_pair(seed)
    return mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()


def canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def opened(key: bytes, sealed: bytes, context: bytes) -> bytes:
    return AESGCM(key).decrypt(sealed[:12], sealed[12:], context)


def prefixed(*parts: bytes) -> bytes:
    return b"".join(struct.pack(">Q", len(part)) + part for part in parts)


def merkle_root(leaves: list[bytes]) -> bytes:
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + merkle_root(leaves[:split]) + merkle_root(leaves[split:])).digest()


def frontier_bytes(leaves: list[bytes]) -> bytes:
    out, start = struct.pack(">Q", len(leaves)), 0
    for bit in reversed(range(len(leaves).bit_length())):
        if len(leaves) >> bit & 1:
            out, start = out + merkle_root(leaves[start : start + (1 << bit)]), start + (1 << bit)
    return out


# Seeds


def test_every_seed_follows_from_its_secret_by_the_words_of_the_format() -> None:
    vector = load("seeds")
    folder_id, salt = bytes.fromhex(vector["folder_id"]), bytes.fromhex(vector["salt"])
    assert {each["kind"] for each in vector["seeds"]} == {1, 2, 3, 4}
    for each in vector["seeds"]:
        secret = bytes.fromhex(each["secret"])
        if each["kind"] in (1, 2):
            text = unicodedata.normalize("NFC", each["passphrase"]).encode()
            file_digest = hashlib.sha256(bytes.fromhex(each["key_file"])).digest() if each["key_file"] else b""
            assert secret == bytes([each["kind"]]) + struct.pack(">Q", len(text)) + text + file_digest
            seed = Argon2id(
                salt=salt, length=32, iterations=vector["passes"], lanes=1, memory_cost=vector["memory_kib"]
            ).derive(secret)
        else:
            seed = hkdf_sha256(secret, folder_id, b"casevault/v1/seed-secret" + bytes([each["kind"]]))
        assert seed.hex() == each["seed"]
        assert hashlib.sha256(public_key(seed)).hexdigest() == each["public_key_sha256"]


def test_the_program_makes_the_seeds_and_key_pairs_of_the_vectors() -> None:
    vector = load("seeds")
    cost = kdf.Cost(vector["memory_kib"], vector["passes"])
    for each in vector["seeds"]:
        secret = bytes.fromhex(each["secret"])
        if each["passphrase"] is not None:
            key_file = bytes.fromhex(each["key_file"]) if each["key_file"] else None
            assert kdf.passphrase_secret(each["passphrase"], key_file) == secret
            seed = kdf.argon2id(secret, salt=bytes.fromhex(vector["salt"]), cost=cost)
        else:
            seed = kdf.secret_seed(secret, folder_id=bytes.fromhex(vector["folder_id"]), kind=each["kind"])
        assert seed.hex() == each["seed"]
        assert hashlib.sha256(slots.slot_keys(seed).public_bytes()).hexdigest() == each["public_key_sha256"]


# The header


def test_every_field_of_the_header_lies_where_the_table_of_the_format_says() -> None:
    vector = load("header")
    file = base64.b64decode(vector["file_base64"])
    assert len(file) == 9_492
    assert file[0:16] == b"casevault header"
    assert struct.unpack(">I", file[16:20]) == (1,)
    assert file[20:52].hex() == vector["folder_id"]
    assert struct.unpack(">Q", file[52:60]) == (vector["epoch"],)
    assert struct.unpack(">II", file[60:68]) == (vector["memory_kib"], vector["passes"])
    assert file[68:84].hex() == vector["salt"]
    mac_key = derived_key(bytes.fromhex(vector["vault_key"]), "casevault/v1/header-mac")
    assert file[9428:9460] == hmac.digest(mac_key, file[:9428], "sha256")
    assert file[9428:9460].hex() == vector["tag"]
    assert file[9460:] == hashlib.sha256(file[:9460]).digest()
    assert hashlib.sha256(file).hexdigest() == vector["digest"]


def test_the_used_slots_open_by_hpke_with_the_info_of_the_format_and_the_others_do_not() -> None:
    vector = load("header")
    file = base64.b64decode(vector["file_base64"])
    suite = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
    opening = {}
    for slot, seed in vector["seeds"].items():
        mlkem, x25519 = key_pair(bytes.fromhex(seed))
        for number in range(8):
            sealed = file[84 + 1168 * number : 84 + 1168 * (number + 1)]
            info = b"casevault/v1/slot" + file[20:52] + file[52:60] + struct.pack(">I", number)
            with contextlib.suppress(InvalidTag):
                opening[int(slot), number] = suite.decrypt(sealed, MLKEM768X25519PrivateKey(mlkem, x25519), info)
    assert opening == {(0, 0): bytes.fromhex(vector["vault_key"]), (5, 5): bytes.fromhex(vector["vault_key"])}


def test_the_program_reads_the_header_of_the_vectors_and_writes_the_same_bytes() -> None:
    vector = load("header")
    file = base64.b64decode(vector["file_base64"])
    found = header.parse(file)
    assert found.to_bytes() == file
    assert found.digest().hex() == vector["digest"]
    for slot, seed in vector["seeds"].items():
        opening = header.open_any_slot(found, slots.slot_keys(bytes.fromhex(seed)))
        assert opening is not None
        assert (opening[0].raw.hex(), opening[1]) == (vector["vault_key"], int(slot))
        found.verify(opening[0])


# Keys


def test_every_key_follows_from_the_one_above_it_and_its_label() -> None:
    vector = load("keys")
    assert [(each["from"], each["label"].rpartition("/")[2]) for each in vector] == [
        ("vault", "header-mac"),
        ("vault", "vault-database"),
        ("case", "case-database"),
        ("case", "case-log"),
        ("case", "case-title"),
        ("case", "log-key-wrap"),
    ]
    for each in vector:
        key = bytes.fromhex(each["key"])
        assert derived_key(key, each["label"]).hex() == each["derived"]
        by_program = keys.derive(keys.CaseKey(key), each["label"].encode(), keys.RecordKey)
        assert by_program.raw.hex() == each["derived"]


# Objects


def test_every_stream_can_be_made_again_from_its_salt() -> None:
    vector = load("objects")
    key = bytes.fromhex(vector["key"])
    ids = bytes.fromhex(vector["folder_id"] + vector["case_id"] + vector["object_id"])
    for each in vector["streams"]:
        context = b"casevault/v1/object" + struct.pack(">I", 1) + ids + struct.pack(">I", each["segment"])
        assert context.hex() == each["context"]
        stream = stream_of(key, bytes.fromhex(each["salt"]), context, each["plaintext_size"])
        assert stream[24:56].hex() == each["commitment"]
        assert (len(stream), hashlib.sha256(stream).hexdigest()) == (each["stream_size"], each["stream_sha256"])
        size = each["plaintext_size"]
        assert len(stream) == 56 + size + 16 * (size // 16_384 + 1)


def stream_of(key: bytes, salt: bytes, context: bytes, size: int) -> bytes:
    info = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0" + salt + context
    expanded = hkdf_expand(key, info, 32 + 12 + 32, "sha512")
    aead, base_nonce, commitment = AESGCM(expanded[:32]), int.from_bytes(expanded[32:44], "big"), expanded[44:]
    plaintext = bytes(i % 256 for i in range(size))
    stream = salt + commitment
    for number in range(size // 16_384 + 1):
        nonce = (base_nonce ^ number).to_bytes(12, "big")
        stream += aead.encrypt(nonce, plaintext[number * 16_384 : (number + 1) * 16_384], None)
    return stream


def test_the_program_opens_the_streams_of_the_vectors() -> None:
    vector = load("objects")
    key = keys.ObjectKey(bytes.fromhex(vector["key"]))
    names = ("folder_id", "case_id", "object_id")
    for each in vector["streams"]:
        context = objects.object_context(
            **{name: bytes.fromhex(vector[name]) for name in names}, segment=each["segment"]
        )
        size = each["plaintext_size"]
        stream = stream_of(key.raw, bytes.fromhex(each["salt"]), context, size)
        decryptor, buffer = objects.StreamDecryptor(key, context), bytearray(2 * 16_384)
        given = decryptor.update_into(stream, buffer)
        assert bytes(buffer[:given]) + decryptor.finalize() == bytes(i % 256 for i in range(size))


def test_stored_lengths_are_those_of_the_table() -> None:
    for each in load("sizes"):
        length, padded = each["length"], each["padded"]
        assert padded == padding.padded_size(length) == max(65_536, padme_of_the_paper(length))
        segments = [min(2**30, padded - start) for start in range(0, padded, 2**30)]
        assert each["files"] == [56 + size + 16 * (size // 16_384 + 1) for size in segments]
        assert each["files"] == [objects.ciphertext_size(size) for size in segments]


def padme_of_the_paper(length: int) -> int:
    if length < 2:
        return length
    exponent = length.bit_length() - 1
    significant = exponent.bit_length()
    step = 2 ** (exponent - significant)
    return -(-length // step) * step if exponent > significant else length


# Canonical JSON, changes, log, records


def test_canonical_json_has_the_form_of_the_vectors_and_refuses_every_other() -> None:
    vector = load("canonical_json")
    for each in vector["values"]:
        form = bytes.fromhex(each["utf8"])
        assert form == canonical(each["value"]) == encoding.canonical_json(each["value"])
        assert encoding.parse_canonical_json(form) == each["value"]
    for text in vector["refused"]:
        with pytest.raises(NotCanonical):
            encoding.parse_canonical_json(text.encode())


def test_the_states_of_a_case_follow_from_its_changes() -> None:
    vector = load("changes")
    case_id = bytes.fromhex(vector["case_id"])
    state = hashlib.sha256(b"casevault/v1/change" + case_id).digest()
    assert state.hex() == vector["first_state"] == chain.first_state(case_id).hex()
    for each in vector["changes"]:
        salt, change = bytes.fromhex(each["salt"]), each["change"].encode()
        assert canonical(json.loads(change)) == change
        digest = hashlib.sha256(salt + change).digest()
        assert digest.hex() == each["digest"] == chain.change_digest(salt, change).hex()
        after = hashlib.sha256(state + digest).digest()
        assert after.hex() == each["state"] == chain.next_state(state, digest).hex()
        state = after


def test_the_log_follows_from_its_bodies() -> None:
    vector = load("log")
    key = derived_key(bytes.fromhex(vector["case_key"]), "casevault/v1/case-log")
    frontier, hashed = tree.Frontier(), []
    next_keys = {step["size"] - 1: step["next_key"] for step in vector["steps"]}
    for each in vector["entries"]:
        number = struct.pack(">Q", each["number"])
        context = prefixed(b"casevault/v1/log-body", bytes.fromhex(vector["vault_id"]), number)
        assert context.hex() == each["context"]
        assert opened(key, bytes.fromhex(each["sealed"]), context) == each["body"].encode()
        body = json.loads(each["body"])
        assert canonical(body) == each["body"].encode()
        assert tuple(body["fields"]) == log_bodies.FIELDS
        commitment = commitment_of(bytes.fromhex(body["secret"]), body["fields"])
        assert commitment.hex() == each["commitment"]
        commitments.verify_commitment(commitment, bytes.fromhex(body["secret"]), body["fields"])
        # The last entry of a step names the key of the next one, and no other does.
        named = {"k": next_keys[each["number"]]} if each["number"] in next_keys else {}
        leaf = canonical({"c": commitment.hex(), "n": each["number"], "s": each["step"], "v": 1} | named)
        assert leaf == each["leaf"].encode()
        found = Leaf.from_bytes(leaf)
        assert found.to_bytes() == leaf
        assert (found.next_key.hex() if found.next_key else None) == named.get("k")
        hashed.append(leaf)
        frontier.append(tree.leaf_hash(leaf))
        assert frontier_bytes(hashed).hex() == each["frontier"] == frontier.to_bytes().hex()
        assert merkle_root(hashed).hex() == each["root"] == frontier.root().hex()


def test_every_step_is_signed_by_the_key_that_the_step_before_named() -> None:
    vector = load("log")
    vault_id, roots = vector["vault_id"], [each["root"] for each in vector["entries"]]
    begins = {each["first_step"]: each for each in vector["generations"]}
    assert {1, 3} == set(begins)
    expected = None
    for each in vector["steps"]:
        if each["step"] in begins:
            expected = begins[each["step"]]["first_key"]
        seed, size, root = bytes.fromhex(each["seed"]), each["size"], bytes.fromhex(roots[each["size"] - 1])
        private = Ed25519PrivateKey.from_private_bytes(seed)
        assert private.public_key().public_bytes_raw().hex() == each["public_key"] == expected
        name = f"casevault/{vault_id}/g{each['generation']}"
        text = f"{name}\n{size}\n{base64.b64encode(root).decode()}\n".encode()
        signature = private.sign(text)
        assert (text.decode(), signature.hex()) == (each["checkpoint"], each["signature"])
        key_id = hashlib.sha256(f"{name}\n\x01".encode() + bytes.fromhex(expected)).digest()[:4]
        note = text + f"\n\u2014 {name} {base64.b64encode(key_id + signature).decode()}\n".encode()
        assert note.decode() == each["note"]
        # The program signs and verifies the same bytes.
        checkpoint = signing.Checkpoint(leaves.origin(bytes.fromhex(vault_id), each["generation"]), size, root)
        key = keys.StepKey(seed)
        assert checkpoint.to_bytes() == signing.Checkpoint.text_of(checkpoint.origin, size, root) == text
        assert signing.sign_checkpoint(checkpoint, key) == signature
        assert signing.checkpoint_note(checkpoint, signature, signing.step_public_key(key)) == note
        signing.verify_checkpoint(text, signature, bytes.fromhex(expected))
        expected = each["next_key"]


def test_a_generation_is_certified_by_the_identity() -> None:
    vector = load("log")
    vault_id, seed = bytes.fromhex(vector["vault_id"]), bytes.fromhex(vector["identity_seed"])
    roots = [hashlib.sha256(b"").hexdigest(), *(each["root"] for each in vector["entries"])]
    for each in vector["generations"]:
        assert each["root"] == roots[each["size"]]
        signed = {name: each[name] for name in ("first_key", "first_step", "root", "size")}
        signed |= {"origin": f"casevault/{vector['vault_id']}/g{each['generation']}", "v": 1}
        assert canonical(signed).decode() == each["statement"]
        row = each | {name: bytes.fromhex(each[name]) for name in ("first_key", "root")}
        statement = leaves.generation_statement(vault_id, row)
        assert statement.decode() == each["statement"]
        key = keys.IdentityEd25519Key(seed)
        assert sshsig.sign(key, statement, kind=labels.SignedKind.GENERATION).decode() == each["sshsig"]
        sshsig.verify(sshsig.public_key(key), statement, each["sshsig"].encode(), kind=labels.SignedKind.GENERATION)


def test_the_key_of_the_next_step_lies_in_a_block_of_its_own(tmp_path: Path) -> None:
    vector = load("log")
    held, vault_id = vector["logkey"], bytes.fromhex(vector["vault_id"])
    block, seed = bytes.fromhex(held["block"]), bytes.fromhex(held["seed"])
    places = (struct.pack(">Q", held["generation"]), struct.pack(">Q", held["step"]))
    context = prefixed(b"casevault/v1/logkey", vault_id, *places)
    assert context.hex() == held["context"]
    assert len(block) == 4096
    assert opened(
        derived_key(bytes.fromhex(vector["vault_key"]), "casevault/v1/logkey"), block, context
    ) == seed + bytes(4036)
    (tmp_path / "logkey").write_bytes(bytes(4096) + block)
    found = logkey.LogKey(tmp_path / "logkey", keys.VaultKey(bytes.fromhex(vector["vault_key"])))
    place = logkey.Place(vault_id, held["generation"], held["step"])
    assert found.find(place, bytes.fromhex(vector["steps"][-1]["next_key"]))


def test_the_program_for_others_verifies_the_log_of_the_vectors(tmp_path: Path) -> None:
    vector = load("log")
    identity = sshsig.public_key(keys.IdentityEd25519Key(bytes.fromhex(vector["identity_seed"])))
    names = ("first_key", "first_step", "generation", "root", "size", "sshsig")
    not_verified = {"mldsa65": bytes(3309).hex()}
    header_line = {
        "casevault": "log-public",
        "generations": [{name: each[name] for name in names} | not_verified for each in vector["generations"]],
        "identity": {"ed25519": identity.hex(), "mldsa65": bytes(1952).hex()},
        "v": 1,
        "vault_id": vector["vault_id"],
    }
    lines: list[dict[str, Any]] = [header_line]
    for step in vector["steps"]:
        leaves_of = [each["leaf"] for each in vector["entries"] if each["step"] == step["step"]]
        lines.append({"leaves": leaves_of, "signature": step["signature"], "step": step["step"]})
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"".join(canonical(line) + b"\n" for line in lines))
    assert _verify_log.main([str(path)]) == 0
    lines[2]["signature"] = vector["steps"][2]["signature"]
    path.write_bytes(b"".join(canonical(line) + b"\n" for line in lines))
    assert _verify_log.main([str(path)]) != 0


def commitment_of(secret: bytes, fields: dict[str, Any]) -> bytes:
    label = b"casevault/v1/commitment"
    leaves = []
    for name in sorted(fields):
        salt = hmac.digest(secret, label + name.encode(), "sha256")
        leaves.append(prefixed(label, salt, name.encode(), canonical(fields[name])))
    return merkle_root(leaves)


def test_titles_wrapped_log_keys_and_marks_open_by_the_words_of_the_format() -> None:
    vector = load("records")
    case_key, case_id = bytes.fromhex(vector["case_key"]), bytes.fromhex(vector["case_id"])
    ways = {
        "title": (derived_key(case_key, "casevault/v1/case-title"), case_id),
        "wrapped log key": (
            derived_key(case_key, "casevault/v1/log-key-wrap"),
            prefixed(case_id, struct.pack(">Q", vector["epoch"])),
        ),
        "mark": (bytes.fromhex(vector["mark_key"]), b"casevault/v1/mark"),
    }
    assert registry.log_key_context(case_id, vector["epoch"]) == ways["wrapped log key"][1]
    assert ways["mark"][1] == labels.MARK
    assert {each["what"] for each in vector["records"]} == set(ways)
    for each in vector["records"]:
        key, context = ways[each["what"]]
        sealed, plaintext = bytes.fromhex(each["sealed"]), bytes.fromhex(each["plaintext"])
        assert context.hex() == each["context"]
        assert opened(key, sealed, context) == plaintext
        assert records.decrypt_record(keys.RecordKey(key), sealed, context=context) == plaintext
