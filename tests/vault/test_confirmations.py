"""The form of a receipt: one for each, limits before work, and nothing believed that both keys did not sign."""

from __future__ import annotations

import io
import os
from typing import Any

import pytest
import receipts
from hypothesis import given
from hypothesis import strategies as st
from receipts import TOP, members, packed, parts
from somebody import Somebody

from crypto.encoding import canonical_json
from crypto.labels import SignedKind
from crypto.padding import padded_size
from vault import bag, errors
from vault.cards import Card
from vault.confirmations import Confirmation, Parts, is_beginning

BEAR, CRANE = Somebody(1), Somebody(2)
ROW: Any = {"share_id": bytes(16), "digest": bytes(32), "manifest": bytes(range(32))}
SAID = receipts.said(BEAR, "ab" * 32, ROW)
GOOD = packed(members(parts(BEAR, SAID)))


def unpacked(data: bytes) -> Parts:
    return Parts.unpack(io.BytesIO(data))


def card(of: Somebody) -> Card:
    return Card.from_bytes(of.card())


def test_a_receipt_is_read_back_as_it_was_written() -> None:
    found = unpacked(GOOD)
    confirmed = found.verified(card(BEAR))
    assert confirmed.to_bytes() == canonical_json(SAID)
    assert (confirmed.complete, confirmed.items, confirmed.by) == (True, 2, BEAR.fingerprint.hex())
    assert Parts.from_signed_bytes(found.signed_bytes()) == found


def test_two_receipts_of_the_same_have_another_name_inside_and_one_size() -> None:
    found, tops = unpacked(GOOD), set()
    for _ in range(3):
        sink = io.BytesIO()
        found.pack(sink)
        data = sink.getvalue()
        assert len(data) == padded_size(len(data)) == 64 << 10
        assert unpacked(data) == found
        assert is_beginning(data[:512])
        tops.add(data[:24])
    assert len(tops) == 3


def test_what_is_no_receipt_does_not_begin_as_one() -> None:
    for other in (b"", b"HARBOUR-1/tagmanifest-sha256.txt\0", b"receipt-01/receipt.json\0", b"\xff" * 600):
        assert not is_beginning(other)


WRONG: dict[str, dict[str, Any]] = {
    "form": {"form": True},
    "no form": {"form": 0},
    "checkpoint": {"checkpoint": {"size": 1}},
    "capital letters": {"digest": "AB" * 32},
    "short digest": {"digest": "ab" * 31},
    "no digest": {"digest": None},
    "a list for a name": {"by": []},
    "an id that is longer": {"share_id": "ab" * 17},
    "a time of another form": {"arrived": "2026-11-23"},
    "a time that is a text": {"made": "\u202eyesterday"},
    "a negative number": {"items": -1},
    "a number too many": {"items": bag.MAX_ITEMS + 1},
    "a truth for a number": {"items": True},
    "a number for a truth": {"complete": 1},
    "all of nothing": {"items": 0, "complete": True},
    "another field": {"note": ""},
}


@pytest.mark.parametrize("wrong", WRONG)
def test_another_form_of_what_it_says_is_refused(wrong: str) -> None:
    with pytest.raises(errors.BadReceipt):
        Confirmation.from_bytes(canonical_json(SAID | WRONG[wrong]))


@pytest.mark.parametrize("field", SAID)
def test_a_field_that_is_missing_is_refused(field: str) -> None:
    with pytest.raises(errors.BadReceipt):
        Confirmation.from_bytes(canonical_json({name: value for name, value in SAID.items() if name != field}))


def test_a_newer_form_is_called_so() -> None:
    with pytest.raises(errors.BadReceipt, match="newer version"):
        Confirmation.from_bytes(canonical_json(SAID | {"form": 2}))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"null",
        b" " + canonical_json(SAID),
        canonical_json(SAID) + b"\n",
        canonical_json(SAID).replace(b'"items":2', b'"items":2.0'),
        canonical_json(SAID).replace(b'"items":2', b'"items":2,"items":2'),
        canonical_json(SAID).replace(b'"items":2', b'"items":' + b"[" * 2000 + b"]" * 2000),
        b"[" * 4096,
    ],
)
def test_json_of_another_form_is_refused(data: bytes) -> None:
    with pytest.raises(errors.BadReceipt):
        Confirmation.from_bytes(data)


def test_values_that_make_no_receipt_are_not_written() -> None:
    said = Confirmation.from_bytes(canonical_json(SAID))
    values = {name: getattr(said, name) for name in Confirmation.__dataclass_fields__}
    for wrong in ({"items": 0}, {"by": "x"}, {"made": "now"}):
        with pytest.raises(ValueError, match="make no receipt"):
            Confirmation(**(values | wrong)).to_bytes()


def test_only_both_keys_of_the_card_that_lies_here_make_it_true() -> None:
    other = parts(CRANE, SAID)
    for wrong in {
        "another signer": parts(CRANE, SAID),
        "ssh by another": {**parts(BEAR, SAID), receipts.SIGNATURE: other[receipts.SIGNATURE]},
        "ml-dsa by another": {**parts(BEAR, SAID), receipts.MLDSA_SIGNATURE: other[receipts.MLDSA_SIGNATURE]},
        "signed as a card": parts(BEAR, SAID, kind=SignedKind.CARD),
        "signed as a sealed file": parts(BEAR, SAID, kind=SignedKind.SEALED_FILE),
        "another text": parts(BEAR, SAID, receipt=canonical_json(SAID | {"items": 1})),
        "text after the signature": parts(BEAR, SAID, sshsig=parts(BEAR, SAID)[receipts.SIGNATURE] + b"\n"),
    }.values():
        found = unpacked(packed(members(wrong)))
        with pytest.raises(errors.BadReceipt, match="signatures do not hold"):
            found.verified(card(BEAR))


def test_nothing_is_parsed_that_nobody_signed() -> None:
    with pytest.raises(errors.BadReceipt, match="signatures do not hold"):
        unpacked(packed(members(parts(CRANE, b"[" * 4000)))).verified(card(BEAR))


def _forms() -> dict[str, bytes]:
    good = members(parts(BEAR, SAID))
    return {
        "another order": packed([good[1], good[0], *good[2:]]),
        "without padding": packed(good[:-1]),
        "less padding": packed([*good[:-1], (good[-1][0], good[-1][1][512:])]),
        "something in the padding": packed([*good[:-1], (good[-1][0], b"\1" + good[-1][1][1:])]),
        "another member": packed([*good, (f"{TOP}/more", b"")]),
        "a member twice": packed([*good[:-1], (f"{TOP}/receipt.json2", b"")]),
        "a member in another folder": packed([*good[:2], (good[2][0].replace("0123", "3210"), good[2][1]), *good[3:]]),
        "another folder": packed(members(parts(BEAR, SAID), top="HARBOUR-1")),
        "a folder with capital letters": packed(members(parts(BEAR, SAID), top="receipt-0123456789ABCDEF")),
        "no folder": packed([(name.partition("/")[2], data) for name, data in good]),
        "too long a text": packed(members(parts(BEAR, b" " * 4097))),
        "too long a card": packed(members(parts(BEAR, SAID, card=bytes((32 << 10) + 1)))),
        "ends early": GOOD[: len(GOOD) // 2],
        "goes on after its end": GOOD + bytes(512),
        "empty": b"",
        "only an end": bytes(1024),
    }


@pytest.mark.parametrize("form", _forms())
def test_an_archive_of_another_form_is_refused(form: str) -> None:
    with pytest.raises(errors.BadReceipt):
        unpacked(_forms()[form])


def test_a_member_that_announces_more_than_any_is_refused_before_it_is_read() -> None:
    class Source:
        def __init__(self) -> None:
            self.taken = 0

        def readinto(self, buffer: memoryview, /) -> int:
            count = min(len(buffer), 512 - self.taken)
            buffer[:count] = header[self.taken : self.taken + count]
            self.taken += count
            return count

    from vault import archive

    header = archive.header(f"{TOP}/receipt.json", 2**33 - 1)
    source = Source()
    with pytest.raises(errors.BadReceipt):
        Parts.unpack(source)
    assert source.taken <= 512


@given(st.integers(0, 14_000), st.integers(1, 255))
def test_a_changed_byte_is_never_a_receipt_of_another_meaning(at: int, mask: int) -> None:
    changed = bytearray(GOOD)
    changed[at] ^= mask
    try:
        found = unpacked(bytes(changed)).verified(card(BEAR))
    except errors.BadReceipt:
        return
    # The random folder, and the card, which the one that lies here replaces, say nothing.
    assert found == unpacked(GOOD).verified(card(BEAR))


@given(st.binary(max_size=2000))
def test_any_bytes_are_refused_and_nothing_else_happens(data: bytes) -> None:
    with pytest.raises(errors.BadReceipt):
        unpacked(data)
    with pytest.raises(errors.BadReceipt):
        Parts.from_signed_bytes(data)
    with pytest.raises(errors.BadReceipt):
        Confirmation.from_bytes(data)


def test_random_beginnings_are_no_receipts() -> None:
    for _ in range(20):
        assert not is_beginning(os.urandom(512))
