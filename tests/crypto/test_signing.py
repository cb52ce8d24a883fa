"""Signed notes and checkpoints: published notes byte for byte, and every other form refused."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
from pathlib import Path

import edwards
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto import ed25519
from crypto.errors import BadSignature, CryptoError, InvalidPublicKey, NotCanonical
from crypto.keys import IdentityEd25519Key, StepKey
from crypto.signing import MAX_NOTE_SIZE, Checkpoint, VerifierKey, sign_note, verify_note
from crypto.tree import EMPTY_ROOT

CASES = json.loads((Path(__file__).parents[1] / "vectors" / "notes.json").read_text("utf-8"))["cases"]
PETER, ENOCH = (case["verifier_key"] for case in CASES[:2])
TEXT = CASES[0]["text"].encode()
PETERS_LINE, ENOCHS_LINE = (line + b"\n" for line in CASES[1]["note"].encode().split(b"\n")[-3:-1])
SEED, OTHER_SEED = bytes(range(32)), bytes(range(1, 33))
NAME = "casevault/test"
KEY = str(VerifierKey.of(NAME, ed25519.public_key(SEED)))
LINE = sign_note(b"x\n", NAME, SEED).split(b"\n")[-2]


def with_id(name, typed):
    """A verifier key whose id fits, whatever else is wrong with it."""
    key_id = hashlib.sha256(name.encode() + b"\n" + typed).hexdigest()[:8]
    return f"{name}+{key_id}+{base64.b64encode(typed).decode()}"


def note_line(name, payload):
    return f"— {name} {base64.b64encode(payload).decode()}\n".encode()


# Published notes


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["source"])
def test_published_notes_are_verified(case):
    assert verify_note(case["note"].encode(), [case["verifier_key"]]) == case["text"].encode()


@pytest.mark.parametrize("case", [case for case in CASES if case["seed"]], ids=lambda case: case["source"])
def test_published_notes_are_signed_byte_for_byte(case):
    seed = bytes.fromhex(case["seed"])
    for key in (seed, StepKey(seed)):
        assert sign_note(case["text"].encode(), case["name"], key) == case["note"].encode()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["source"])
def test_published_verifier_keys_are_written_again_as_they_were(case):
    key = VerifierKey.parse(case["verifier_key"])
    assert str(key) == case["verifier_key"]
    assert key == VerifierKey.of(case["name"], key.public_key)


# Verifier keys


def test_no_part_of_a_verifier_key_is_one_and_no_other_character_fits():
    for start in range(len(PETER)):
        for end in range(start, len(PETER) + 1):
            if end - start < len(PETER):
                with pytest.raises(InvalidPublicKey):
                    VerifierKey.parse(PETER[start:end])
    for at, character in enumerate(PETER):
        for other in (chr(ord(character) + 1), chr(ord(character) - 1), "é", "\ud800", ""):
            with pytest.raises(InvalidPublicKey):
                VerifierKey.parse(PETER[:at] + other + PETER[at + 1 :])


RAW_KEY = VerifierKey.parse(KEY).public_key


@pytest.mark.parametrize(
    "text",
    [
        "",
        "++",
        with_id(NAME, b""),
        with_id(NAME, b"\x01"),
        with_id(NAME, b"\x01" + RAW_KEY[:-1]),
        with_id(NAME, b"\x01" + RAW_KEY + b"\x00"),
        with_id(NAME, b"\x02" + RAW_KEY),
        with_id(NAME, b"\x04" + RAW_KEY),
        with_id(NAME, b"\x06" + bytes(1312)),
        with_id(NAME, b"\xff" + RAW_KEY),
        with_id("", b"\x01" + RAW_KEY),
        with_id("two words", b"\x01" + RAW_KEY),
        with_id("tab\tbed", b"\x01" + RAW_KEY),
        with_id("no\u00a0break", b"\x01" + RAW_KEY),
        with_id("line\u2028break", b"\x01" + RAW_KEY),
        with_id("pl+us", b"\x01" + RAW_KEY),
        PETER + "\n",
        " " + PETER,
        PETER + "=",
        PETER.replace("c74f20a3", "C74F20A3"),
        PETER.replace("c74f20a3", "0xc74f20"),
        PETER.replace("c74f20a3", "c74f20a"),
        PETER.replace("c74f20a3", "c74f20a4"),
        PETER.replace("c74f20a3", "\u0663" * 8),
        PETER.replace("+", "-"),
    ],
)
def test_other_verifier_keys_are_refused(text):
    with pytest.raises(InvalidPublicKey):
        verify_note(CASES[0]["note"].encode(), [PETER, text])


@pytest.mark.parametrize(
    ("name", "key"), [("", RAW_KEY), ("two words", RAW_KEY), ("pl+us", RAW_KEY), ("a", b""), ("a", bytes(33))]
)
def test_no_verifier_key_is_made_that_would_not_be_read(name, key):
    with pytest.raises(ValueError, match=r"name|32 bytes"):
        VerifierKey.of(name, key)


# Which signatures count


def test_one_known_signature_is_enough_and_others_are_ignored():
    note = TEXT + b"\n" + PETERS_LINE + ENOCHS_LINE
    for keys in ([PETER], [ENOCH], [PETER, ENOCH], (key for key in (ENOCH, KEY))):
        assert verify_note(note, keys) == TEXT


@pytest.mark.parametrize("keys", [[], [KEY]])
def test_a_note_without_a_known_signature_is_refused(keys):
    with pytest.raises(BadSignature, match="known"):
        verify_note(TEXT + b"\n" + PETERS_LINE + ENOCHS_LINE, keys)


def test_a_known_name_or_a_known_id_alone_is_unknown():
    peters = VerifierKey.parse(PETER)
    same_name = note_line(peters.name, b"\x00\x00\x00\x00" + bytes(64))
    same_id = note_line("PeterNeuman", peters.key_id + bytes(64))
    for lines in (same_name + same_id + PETERS_LINE, PETERS_LINE + same_id + same_name):
        assert verify_note(TEXT + b"\n" + lines, [PETER]) == TEXT
    with pytest.raises(BadSignature, match="known"):
        verify_note(TEXT + b"\n" + same_name + same_id, [PETER])


@pytest.mark.parametrize("size_bytes", [1, 63, 64, 65, 2420])
def test_a_known_signature_that_fails_spoils_the_note(size_bytes):
    wrong = note_line("EnochRoot", VerifierKey.parse(ENOCH).key_id + bytes(size_bytes))
    for lines in (PETERS_LINE + wrong, wrong + PETERS_LINE, PETERS_LINE + ENOCHS_LINE + wrong):
        with pytest.raises(BadSignature):
            verify_note(TEXT + b"\n" + lines, [PETER, ENOCH])
        assert verify_note(TEXT + b"\n" + lines, [PETER]) == TEXT


def test_a_signature_may_stand_twice():
    lines = PETERS_LINE + PETERS_LINE + ENOCHS_LINE + ENOCHS_LINE
    assert verify_note(TEXT + b"\n" + lines, [PETER]) == TEXT


def test_two_keys_under_one_name_and_id_are_refused_where_they_matter():
    keys = [ENOCH, PETER, ENOCH]
    with pytest.raises(InvalidPublicKey, match="two keys"):
        verify_note(TEXT + b"\n" + ENOCHS_LINE, keys)
    assert verify_note(TEXT + b"\n" + PETERS_LINE, keys) == TEXT


@pytest.mark.parametrize("key", edwards.LOW_ORDER, ids=bytes.hex)
def test_a_note_by_a_key_of_small_order_is_refused(key):
    """R = B, S = 1 fits about one text in eight without any secret."""
    verifier = VerifierKey.of(NAME, key)
    signature = edwards.encode(edwards.BASE) + (1).to_bytes(32, "little")
    for number in range(24):
        text = f"text {number}\n".encode()
        assert edwards.leniently_verified(key, text, signature)
        with pytest.raises(BadSignature):
            verify_note(text + b"\n" + note_line(NAME, verifier.key_id + signature), [str(verifier)])


def test_a_note_has_one_signature_by_a_key():
    note = sign_note(TEXT, NAME, SEED)
    payload = base64.b64decode(note.split(b" ")[-1])
    s = int.from_bytes(payload[36:], "little") + edwards.L
    with pytest.raises(BadSignature):
        verify_note(TEXT + b"\n" + note_line(NAME, payload[:36] + s.to_bytes(32, "little")), [KEY])


# The form of a note


@pytest.mark.parametrize(
    "note",
    [
        b"",
        b"\n",
        b"\n\n",
        TEXT,
        TEXT + b"\n",
        TEXT + b"\n\n",
        b"\n" + PETERS_LINE,
        TEXT + PETERS_LINE,
        TEXT + b"\n" + PETERS_LINE[:-1],
        TEXT + b"\n" + PETERS_LINE + b"\n",
        TEXT + b"\n" + PETERS_LINE + b"Unexpected line.\n",
        TEXT + b"\nUnexpected line.\n" + PETERS_LINE,
        TEXT + b"\n" + PETERS_LINE + b"\n" + b"Unexpected line.\n",
        TEXT + b"\r\n\r\n" + PETERS_LINE,
        TEXT.replace(b"\n", b"\r\n") + b"\n" + PETERS_LINE,
        b"\x01" + TEXT + b"\n" + PETERS_LINE,
        b"\t" + TEXT + b"\n" + PETERS_LINE,
        b"\x00" + TEXT + b"\n" + PETERS_LINE,
        b"\xff" + TEXT + b"\n" + PETERS_LINE,
        b"\xc0\x80" + TEXT + b"\n" + PETERS_LINE,
        b"\xed\xa0\x80" + TEXT + b"\n" + PETERS_LINE,
        TEXT + b"\n" + PETERS_LINE.replace("—".encode(), b"-"),
        TEXT + b"\n" + PETERS_LINE.replace("—".encode(), "–".encode()),
        TEXT + b"\n" + PETERS_LINE.replace("— ".encode(), "—".encode()),
        TEXT + b"\n" + PETERS_LINE.replace("— ".encode(), "—\u00a0".encode()),
        TEXT + b"\n" + PETERS_LINE.replace("— ".encode(), "—  ".encode()),
        TEXT + b"\n " + PETERS_LINE,
        TEXT + b"\n" + PETERS_LINE.replace(b"Neumann ", b"Neumann  "),
        TEXT + b"\n" + PETERS_LINE.replace(b"Neumann ", b"Neumann\t"),
        TEXT + b"\n" + PETERS_LINE.replace(b"\n", b" \n"),
        TEXT + b"\n" + PETERS_LINE.replace(b"PeterNeumann", b""),
        TEXT + b"\n" + PETERS_LINE.replace(b"PeterNeumann ", b""),
        TEXT + b"\n" + PETERS_LINE + "— Bad Name ".encode() + PETERS_LINE[17:],
        TEXT + b"\n" + PETERS_LINE + "— Bad+Name ".encode() + PETERS_LINE[17:],
        TEXT + b"\n" + PETERS_LINE + "— Bad\u2003Name ".encode() + PETERS_LINE[17:],
        TEXT + b"\n" + PETERS_LINE + "— unknown\n".encode(),
        TEXT + b"\n" + PETERS_LINE + "— unknown \n".encode(),
        TEXT + b"\n" + PETERS_LINE + note_line("unknown", b"1234"),
        TEXT + b"\n" + PETERS_LINE + "— unknown MTIzNDU\n".encode(),
        TEXT + b"\n" + PETERS_LINE + "— unknown MTIzNDV=\n".encode(),
        TEXT + b"\n" + PETERS_LINE + "— unknown MTIzNDU==\n".encode(),
        TEXT + b"\n" + PETERS_LINE + "— unknown MTIz_DU=\n".encode(),
        TEXT + b"\n" + PETERS_LINE + "— unknown MTIzNDU= MTIzNDU=\n".encode(),
        TEXT + b"\n" + PETERS_LINE + "— unknown MTIzé\n".encode(),
    ],
)
def test_other_bytes_are_no_note(note):
    with pytest.raises(NotCanonical):
        verify_note(note, [PETER])


def test_the_last_blank_line_separates():
    inner = sign_note(b"inner\n", NAME, OTHER_SEED)
    for text in (b"\n", b"a\n\n", b"a\n\nb\n", b"\n\n\n", inner, "— \u00e9t\u00e9 x\n".encode(), b"\x7f\xc2\x85\n"):
        assert verify_note(sign_note(text, NAME, SEED), [KEY]) == text


def test_a_note_has_100_signatures_and_1_mib_at_most():
    for count, keys in ((16, [PETER]), (100, [PETER])):
        assert verify_note(TEXT + b"\n" + PETERS_LINE * count, keys) == TEXT
    for lines, keys in (
        (PETERS_LINE * 101, [PETER]),
        (ENOCHS_LINE * 100 + PETERS_LINE, [PETER]),
        (PETERS_LINE * 101, []),
    ):
        with pytest.raises(NotCanonical, match="100"):
            verify_note(TEXT + b"\n" + lines, keys)
    room = MAX_NOTE_SIZE - len(sign_note(b"\n", NAME, SEED))
    largest = b"x" * room + b"\n"
    assert verify_note(sign_note(largest, NAME, SEED), [KEY]) == largest
    with pytest.raises(ValueError, match="1 MiB"):
        sign_note(b"x" + largest, NAME, SEED)
    with pytest.raises(NotCanonical, match="1 MiB"):
        verify_note(b"x" + largest + b"\n" + LINE + b"\n", [KEY])


# Signing


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"abc",
        b"a\r\n",
        b"\t\n",
        b"\x00\n",
        b"\xff\n",
        b"a\n\nb",
        b"\xed\xa0\x80\n",
        "a\n\n— other AAAAAAA=".encode(),  # would be a note of another text
    ],
)
def test_a_text_that_no_note_may_hold_is_not_signed(text):
    with pytest.raises(ValueError, match="not the text of a note"):
        sign_note(text, NAME, SEED)


SPACES = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2005\u200a\u2028\u2029\u202f\u205f\u3000"


@pytest.mark.parametrize("name", ["", "+", "a+b", "\x01", "\ud800", *(f"a{space}b" for space in SPACES), *SPACES])
def test_a_name_that_no_note_may_hold_does_not_sign(name):
    with pytest.raises(ValueError):
        sign_note(TEXT, name, SEED)


@pytest.mark.parametrize("name", ["a", "—", "étoile/\u200b", "example.com/log42", "-", "=", "a" * 300])
def test_any_other_name_signs(name):
    key = str(VerifierKey.of(name, ed25519.public_key(SEED)))
    assert verify_note(sign_note(TEXT, name, SEED), [key]) == TEXT


def test_only_a_seed_or_the_key_of_a_step_signs_notes():
    with pytest.raises(ValueError, match="32 bytes"):
        sign_note(TEXT, NAME, bytes(31))
    with pytest.raises(TypeError):
        sign_note(TEXT, NAME, IdentityEd25519Key(SEED))


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters=[chr(c) for c in range(32) if c != 10]))
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(
    lambda name: "+" not in name and not any(c.isspace() or c < " " for c in name)
)


@given(text=texts.map(lambda text: f"{text}\n".encode()), name=names, seed=st.binary(min_size=32, max_size=32))
def test_what_was_signed_is_verified(text, name, seed):
    verifier = str(VerifierKey.of(name, ed25519.public_key(seed)))
    note = sign_note(text, name, seed)
    assert verify_note(note, [verifier]) == text
    assert sign_note(text, name, seed) == note
    with pytest.raises(BadSignature):
        verify_note(note, [KEY])


def test_each_changed_byte_and_each_cut_is_refused():
    note = sign_note("Grüße\n\nzwei\n".encode(), NAME, SEED)
    for at in range(len(note)):
        for bit in range(8):
            changed = bytearray(note)
            changed[at] ^= 1 << bit
            with pytest.raises(CryptoError):
                verify_note(bytes(changed), [KEY])
        with pytest.raises(CryptoError):
            verify_note(note[:at], [KEY])
        with pytest.raises(CryptoError):
            verify_note(note[:at] + note[at + 1 :], [KEY])


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_by_name(data):
    for note in (data, data + b"\n\n" + LINE + b"\n"):
        with pytest.raises(CryptoError):
            verify_note(note, [KEY])
    with contextlib.suppress(NotCanonical):
        assert Checkpoint.from_bytes(data).to_bytes() == data


# Checkpoints

ROOT = bytes.fromhex("abacaba000000000000000000000000000000000000000000060061e00123456")
ROOT_LINE = base64.b64encode(ROOT).decode()


def test_the_published_checkpoint_is_read_and_written_again():
    text = CASES[3]["text"].encode()
    checkpoint = Checkpoint.from_bytes(text)
    assert (checkpoint.origin, checkpoint.size) == (CASES[3]["name"], 10)
    assert checkpoint.root == base64.b64decode("HA5HAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
    assert checkpoint.extensions == ()
    assert checkpoint.to_bytes() == text


@pytest.mark.parametrize(
    "checkpoint",
    [
        Checkpoint("a", 1, ROOT),
        Checkpoint("a log of ours + others", 2**64 - 1, ROOT, ("one", " two ", "—")),
        Checkpoint("étoile", 0, EMPTY_ROOT, ("0",)),
    ],
)
def test_a_checkpoint_is_read_as_it_was_written(checkpoint):
    lines = checkpoint.to_bytes().decode().split("\n")
    assert lines == [
        checkpoint.origin,
        str(checkpoint.size),
        base64.b64encode(checkpoint.root).decode(),
        *checkpoint.extensions,
        "",
    ]
    assert Checkpoint.from_bytes(checkpoint.to_bytes()) == checkpoint
    assert verify_note(sign_note(checkpoint.to_bytes(), NAME, SEED), [KEY]) == checkpoint.to_bytes()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "a\n1\n",
        f"a\n1\n{ROOT_LINE}",
        f"\n1\n{ROOT_LINE}\n",
        f"a\n\n{ROOT_LINE}\n",
        "a\n1\n\n",
        f"a\n1\n{ROOT_LINE}\n\n",
        f"a\n1\n{ROOT_LINE}\nb\n\nc\n",
        f"a\n1\n{ROOT_LINE}\r\n",
        f"a\n1\n{ROOT_LINE}\nb\x01\n",
        f"a\n1\n{ROOT_LINE} \n",
        f"a\n1\n{ROOT_LINE[:-1]}\n",
        f"a\n1\n{ROOT_LINE.replace('Y=', 'Z=')}\n",
        f"a\n1\n{base64.b64encode(ROOT[:31]).decode()}\n",
        f"a\n1\n{base64.b64encode(ROOT + b'x').decode()}\n",
        f"a\n0\n{ROOT_LINE}\n",
        *(
            f"a\n{size}\n{ROOT_LINE}\n"
            for size in (
                "01",
                "00",
                "+1",
                "-1",
                "1 ",
                " 1",
                "1_0",
                "0x1",
                "1.0",
                "1e3",
                "\u0661",
                str(2**64),
                "9" * 5000,
            )
        ),
    ],
)
def test_any_other_text_is_no_checkpoint(text):
    with pytest.raises(NotCanonical):
        Checkpoint.from_bytes(text.encode())


@pytest.mark.parametrize(
    "values",
    [
        ("", 1, ROOT),
        ("a\nb", 1, ROOT),
        ("a\t", 1, ROOT),
        ("a", -1, ROOT),
        ("a", 2**64, ROOT),
        ("a", 0, ROOT),
        ("a", True, ROOT),
        ("a", 1, ROOT[:31]),
        ("a", 1, b""),
        ("a", 1, ROOT, ("",)),
        ("a", 1, ROOT, ("b\nc",)),
        ("\ud800", 1, ROOT),
    ],
)
def test_values_that_would_not_be_read_back_make_no_checkpoint(values):
    with pytest.raises(ValueError):
        Checkpoint(*values).to_bytes()
