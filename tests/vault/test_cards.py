"""Cards: one form, signed by themselves with both keys, and nothing else passes for one."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from somebody import Somebody

from crypto import fingerprints, mldsa, sshsig
from crypto.keys import IdentityEd25519Key, IdentityMLDSAKey
from crypto.labels import SignedKind
from vault import cards, errors
from vault.cards import Card

LENA, OTHER = Somebody(1), Somebody(2)
NAMES = st.none() | st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=200).map(
    str.strip
).filter(lambda name: name != "" and not cards._other_name(name))


@given(NAMES, st.dates().map(str), st.booleans())
def test_a_card_is_read_as_it_was_written(name: str | None, date: str, classical: bool) -> None:
    data = LENA.card(name=name, date=date, classical=classical)
    assert len(data) < cards.LARGEST_BYTES
    card = Card.from_bytes(data)
    assert card == LENA.unsigned(name=name, date=date, classical=classical)
    assert cards.tidied(data) == data
    assert data.startswith(card.unsigned_bytes())


def test_a_card_is_the_text_that_the_format_describes() -> None:
    lines = LENA.card(name="Lena", classical=True).decode().split("\n")
    assert lines[:4] == ["casevault card 1", "name: Lena", "date: 2026-11-22", f"vault: {LENA.vault_id.hex()}"]
    at = lines.index("age:")
    end = next(number for number, line in enumerate(lines) if line.startswith("classical: "))
    assert "".join(lines[at + 1 : end]) == str(LENA.hybrid.recipient())
    assert lines[end] == f"classical: {LENA.classical.recipient()}"
    assert lines[end + 1] == f"ed25519: {sshsig.public_key_line(sshsig.public_key(LENA.ed25519))}"
    start = lines.index("mldsa65:")
    key = base64.b64decode("".join(lines[start + 1 : lines.index("-----BEGIN SSH SIGNATURE-----")]))
    assert key == mldsa.public_key(LENA.mldsa65)
    assert lines[-2] == "-----END CASEVAULT ML-DSA-65 SIGNATURE-----"
    assert max(map(len, lines)) <= 128


def test_the_fingerprint_covers_neither_name_nor_date_nor_classical_recipient() -> None:
    plain = LENA.unsigned()
    for other in (LENA.unsigned(name="Anna"), LENA.unsigned(date="2027-01-01"), LENA.unsigned(classical=True)):
        assert other.fingerprint == plain.fingerprint
    assert plain.fingerprint == fingerprints.fingerprint(
        vault_id=LENA.vault_id,
        age_recipient=str(LENA.hybrid.recipient()),
        ed25519=sshsig.public_key(LENA.ed25519),
        mldsa65=mldsa.public_key(LENA.mldsa65),
    )


def test_any_byte_that_is_changed_makes_it_no_card() -> None:
    data = LENA.card(name="Lena", classical=True)
    signature = data.index(b"ML-DSA-65 SIGNATURE-----\n") + 100
    # The last signature is verified for each of its letters, a millisecond each: some of them stand for all.
    for position in (*range(signature), *range(signature, len(data) - 100, 11), *range(len(data) - 100, len(data))):
        changed = bytearray(data)
        changed[position] ^= 1 << position % 8
        with pytest.raises(errors.BadCard):
            Card.from_bytes(bytes(changed))


def test_no_line_can_be_left_out_doubled_or_moved() -> None:
    lines = LENA.card(name="Lena", classical=True).splitlines(keepends=True)
    for number in range(len(lines)):
        without = lines[:number] + lines[number + 1 :]
        doubled = lines[: number + 1] + lines[number:]
        moved = [*without, lines[number]] if number < len(lines) - 1 else [lines[number], *without]
        for changed in (without, doubled, moved):
            with pytest.raises(errors.BadCard):
                Card.from_bytes(b"".join(changed))


def test_what_stands_before_or_behind_a_card_is_refused() -> None:
    data = LENA.card()
    for changed in (data + b"x", data + b"\n", b"\n" + data, data + OTHER.card(), data[:-1]):
        with pytest.raises(errors.BadCard):
            Card.from_bytes(changed)


def test_both_signatures_must_be_of_this_card_and_each_of_its_own_key() -> None:
    card = LENA.unsigned()
    message = card.unsigned_bytes()
    right_ssh = sshsig.sign(LENA.ed25519, message, kind=SignedKind.CARD)
    right_mldsa = mldsa.sign(LENA.mldsa65, message, kind=SignedKind.CARD)
    assert Card.from_bytes(cards.signed_bytes(card, right_ssh, right_mldsa)) == card
    wrong_ssh = [
        sshsig.sign(OTHER.ed25519, message, kind=SignedKind.CARD),
        sshsig.sign(LENA.ed25519, message, kind=SignedKind.SEALED_FILE),
        sshsig.sign(LENA.ed25519, message + b"\n", kind=SignedKind.CARD),
        b"",
    ]
    wrong_mldsa = [
        mldsa.sign(OTHER.mldsa65, message, kind=SignedKind.CARD),
        mldsa.sign(LENA.mldsa65, message, kind=SignedKind.SEALED_FILE),
        mldsa.sign(LENA.mldsa65, message + b"\n", kind=SignedKind.CARD),
        b"",
        bytes(mldsa.SIGNATURE_SIZE),
    ]
    for ssh, pq in [*((ssh, right_mldsa) for ssh in wrong_ssh), *((right_ssh, pq) for pq in wrong_mldsa)]:
        with pytest.raises(errors.BadCard):
            Card.from_bytes(cards.signed_bytes(card, ssh, pq))


def test_signatures_of_two_cards_cannot_change_places() -> None:
    ours, theirs = LENA.card(), OTHER.card()
    at_ours, at_theirs = (data.index(b"-----BEGIN SSH") for data in (ours, theirs))
    for changed in (ours[:at_ours] + theirs[at_theirs:], theirs[:at_theirs] + ours[at_ours:]):
        with pytest.raises(errors.BadCard, match="signatures do not hold"):
            Card.from_bytes(changed)
    later = LENA.card(date="2026-11-23")
    with pytest.raises(errors.BadCard, match="signatures do not hold"):
        Card.from_bytes(later[: later.index(b"-----BEGIN SSH")] + ours[at_ours:])


def test_another_recipient_under_the_same_signatures_is_refused() -> None:
    data = LENA.card()
    for changed in (
        replace(LENA.unsigned(), age_recipient=str(OTHER.hybrid.recipient())),
        replace(LENA.unsigned(), age_classical=str(OTHER.classical.recipient())),
    ):
        with pytest.raises(errors.BadCard, match="signatures do not hold"):
            Card.from_bytes(changed.unsigned_bytes() + data[data.index(b"-----BEGIN SSH") :])


@pytest.mark.parametrize(
    "values",
    [
        {"age_recipient": str(LENA.classical.recipient())},
        {"age_recipient": "age1pq1abc"},
        {"age_recipient": str(LENA.hybrid.recipient()).upper()},
        {"age_classical": str(LENA.hybrid.recipient())},
        {"age_classical": "age1yubikey1xxx"},
        {"vault_id": bytes(31)},
        {"date": "22.11.2026"},
        {"date": "2026-11-22\nname: Anna"},
        {"date": ""},
        {"name": ""},
        {"name": " Lena"},
        {"name": "Lena\nvault: 00"},
        {"name": "Lena\r"},
        {"name": "Le\x1b[2Jna"},
        {"name": "Lena\N{LINE SEPARATOR}Anna"},
        {"name": "Jose\N{COMBINING ACUTE ACCENT}"},  # not NFC
        {"name": "x" * 201},
    ],
    ids=str,
)
def test_what_a_card_cannot_say_is_refused_though_it_is_signed(values: dict[str, object]) -> None:
    with pytest.raises(errors.BadCard):
        Card.from_bytes(LENA.claiming(**values))


def test_keys_of_another_size_or_low_order_are_refused() -> None:
    for values in ({"ed25519": bytes(32)}, {"ed25519": b"\1" + bytes(31)}, {"mldsa65": bytes(1951)}):
        with pytest.raises(errors.BadCard):
            Card.from_bytes(LENA.claiming(**values))


def test_what_mail_programs_do_to_a_text_is_forgiven_to_a_person_and_nothing_else_is() -> None:
    data = LENA.card(name="Лена", classical=True)
    crlf, bom = data.replace(b"\n", b"\r\n"), b"\xef\xbb\xbf"
    for changed in (crlf, bom + data, bom + crlf, b"\n\n" + data + b"\n\n", data.removesuffix(b"\n"), b"\r\n" + crlf):
        assert cards.tidied(changed) == data
        with pytest.raises(errors.BadCard):
            Card.from_bytes(changed)
    for changed in (data.replace(b"\n", b" \n"), data.replace(b"\n", b"\n\n"), data.decode().encode("utf-16")):
        with pytest.raises(errors.BadCard):
            Card.from_bytes(cards.tidied(changed))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"casevault card 1\n",
        b"casevault card 2\n",
        bytes(1000),
        b"\xff" * 100,
        b"age1pq1xyz",
        b": \n" * 100,
    ],
    ids=repr,
)
def test_what_is_no_card_is_refused(data: bytes) -> None:
    for text in (data, cards.tidied(data)):
        with pytest.raises(errors.BadCard):
            Card.from_bytes(text)


@given(st.binary(max_size=300), st.integers(0, 9000), st.integers(0, 300))
def test_no_damage_ends_in_another_error(piece: bytes, start: int, size: int) -> None:
    data = LENA.card(name="Lena", classical=True)
    changed = data[:start] + piece + data[start + size :]
    if changed == data:
        return
    with pytest.raises(errors.BadCard):
        Card.from_bytes(changed)


def test_a_card_has_at_most_32_kib() -> None:
    padding = b"\n" * (cards.LARGEST_BYTES + 1)
    for refuse in (Card.from_bytes, cards.tidied):
        with pytest.raises(errors.BadCard, match="too long"):
            refuse(padding)
    data = LENA.card()
    assert cards.tidied(data + b"\n" * 1000) == data


def test_ssh_keygen_verifies_a_card_and_shows_the_same_fingerprint(
    tmp_path: Path, program: Callable[[str], str]
) -> None:
    keygen = program("ssh-keygen")
    data = LENA.card(name="Lena", classical=True)
    card = Card.from_bytes(data)
    start, end = data.index(b"-----BEGIN SSH"), data.index(b"-----BEGIN CASEVAULT")
    (tmp_path / "card.sig").write_bytes(data[start:end])
    line = next(line for line in data.decode().splitlines() if line.startswith("ed25519: ")).removeprefix("ed25519: ")
    (tmp_path / "key.pub").write_text(f"{line}\n")
    (tmp_path / "signers").write_text(f"lena {line}\n")
    verify = (keygen, "-Y", "verify", "-f", "signers", "-I", "lena", "-n", "casevault-card@v1", "-s", "card.sig")
    done = subprocess.run(verify, cwd=tmp_path, input=data[:start], capture_output=True)
    assert done.returncode == 0, done.stderr
    assert card.ssh_fingerprint.encode() in done.stdout
    assert subprocess.run(verify, cwd=tmp_path, input=data[: start - 1], capture_output=True).returncode != 0
    shown = subprocess.run((keygen, "-l", "-f", "key.pub"), cwd=tmp_path, capture_output=True, text=True)
    assert card.ssh_fingerprint in shown.stdout


def test_seeds_lead_to_the_same_card_text_everywhere() -> None:
    """Known answers: keys of RFC 8032 (test 1) and of an ML-DSA seed of zeros, written down by hand in the text's form."""
    ed25519 = IdentityEd25519Key(bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"))
    public = sshsig.public_key(ed25519)
    assert public.hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    card = replace(LENA.unsigned(name="Lena"), ed25519=public, mldsa65=mldsa.public_key(IdentityMLDSAKey(bytes(32))))
    line = "ed25519: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea"
    assert line in card.unsigned_bytes().decode().splitlines()
