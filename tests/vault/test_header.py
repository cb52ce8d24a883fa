from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from vaults import flip, key_file, make_vault, open_vault, vault_key

from crypto import kdf, slots
from crypto.errors import CryptoError
from crypto.keys import VaultKey
from vault import Vault, errors, header, inspect_folder
from vault.errors import HeaderDamaged, NotAVault, OlderCopy, UnknownFormat, VaultError
from vault.folder import Folder
from vault.unlock import Place

COST = kdf.Cost(262_144, 3)


@pytest.fixture(scope="module")
def sealed() -> header.Header:
    public_keys = [slots.throwaway_public_key(), *[None] * 7]
    return header.seal(
        VaultKey(b"k" * 32), folder_id=b"f" * 32, epoch=7, cost=COST, salt=b"s" * 16, public_keys=public_keys
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    make_vault(tmp_path / "v").close()
    return tmp_path / "v"


def with_digest(body: bytes) -> bytes:
    return body + hashlib.sha256(body).digest()


def test_a_header_is_what_its_bytes_say_and_back(sealed: header.Header) -> None:
    data = sealed.to_bytes()
    assert len(data) == header.SIZE == 9492
    parsed = header.parse(data)
    assert parsed == sealed
    assert (parsed.epoch, parsed.cost, parsed.folder_id, parsed.salt) == (7, COST, b"f" * 32, b"s" * 16)
    parsed.verify(VaultKey(b"k" * 32))


def test_every_flipped_byte_is_seen_before_any_key_is_known(sealed: header.Header) -> None:
    data = sealed.to_bytes()
    for offset in range(len(data)):
        damaged = data[:offset] + bytes([data[offset] ^ 0x10]) + data[offset + 1 :]
        with pytest.raises(header.Unreadable) as caught:
            header.parse(damaged)
        assert caught.value.reason == "damaged", offset


def test_every_length_but_one_is_refused(sealed: header.Header) -> None:
    data = sealed.to_bytes()
    for size in (*range(200), *range(200, len(data), 97), len(data) - 1):
        with pytest.raises(header.Unreadable):
            header.parse(data[:size])
    for longer in (data + b"\0", data + data):
        with pytest.raises(header.Unreadable, match="damaged"):
            header.parse(longer)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "absent"),
        (b"\0" * 4096, "foreign"),
        (b"PK\x03\x04" + b"x" * 500, "foreign"),
        (b"casevault heade", "foreign"),
    ],
)
def test_what_is_no_header_is_told_apart(data: bytes, reason: str) -> None:
    with pytest.raises(header.Unreadable, match=reason):
        header.parse(data)


def test_a_newer_format_is_named_whatever_its_size(sealed: header.Header) -> None:
    data = sealed.to_bytes()
    newer = header.MAGIC + (2).to_bytes(4, "big")
    for body in (newer + data[20:-32], newer + b"short", newer + b"x" * 20_000):
        with pytest.raises(header.Unreadable) as caught:
            header.parse(with_digest(body))
        assert (caught.value.reason, caught.value.format) == ("format", 2)


def test_the_mac_covers_every_byte_that_means_something(sealed: header.Header) -> None:
    body = sealed.body()
    for offset in (*range(20, 84), *range(84, len(body), 389)):
        altered = bytearray(body + sealed.tag)
        altered[offset] ^= 1
        with pytest.raises(CryptoError):
            header.parse(with_digest(bytes(altered))).verify(VaultKey(b"k" * 32))
    with pytest.raises(CryptoError):
        sealed.verify(VaultKey(b"K" * 32))


def test_all_slots_look_alike_and_are_sealed_anew_each_time() -> None:
    public = slots.throwaway_public_key()
    sealed = [
        header.seal(VaultKey(b"k" * 32), folder_id=b"f" * 32, epoch=1, cost=COST, salt=b"s" * 16, public_keys=keys)
        for keys in ([public, *[None] * 7], [public, *[None] * 7])
    ]
    for one, other in zip(sealed[0].sealed_slots, sealed[1].sealed_slots, strict=True):
        assert one != other
        assert len(one) == len(other) == 1168
    # Ciphertext of used and unused slots is equally random: no value of a byte is far from its share.
    for found in sealed:
        for slot in found.sealed_slots:
            counts = [slot.count(value) for value in range(256)]
            assert max(counts) < 25


def test_a_slot_opens_only_in_its_place(path: Path) -> None:
    found = Folder(path).read_headers()[0]
    private = key_file().slot_key(_place(found))
    assert header.open_any_slot(found, private) is not None
    moved = (found.sealed_slots[1], found.sealed_slots[0], *found.sealed_slots[2:])
    exchanged = header.Header(found.folder_id, found.epoch, found.cost, found.salt, moved, found.tag)
    assert header.open_any_slot(exchanged, private) is None
    later = header.Header(found.folder_id, found.epoch + 1, found.cost, found.salt, found.sealed_slots, found.tag)
    assert header.open_any_slot(later, private) is None


def _place(found: header.Header) -> Place:
    return Place(found.folder_id, found.salt, found.cost)


# Two copies


@pytest.mark.parametrize("name", header.FILE_NAMES)
@pytest.mark.parametrize("damage", ["absent", "empty", "flipped", "cut", "foreign", "folder"])
def test_either_copy_alone_opens_the_vault_and_heals_the_other(path: Path, name: str, damage: str) -> None:
    copy = path / name
    whole = copy.read_bytes()
    if damage in ("absent", "folder"):
        copy.unlink()
    if damage == "folder":
        copy.mkdir()
    elif damage == "empty":
        copy.write_bytes(b"")
    elif damage == "flipped":
        flip(copy, 5000)
    elif damage == "cut":
        copy.write_bytes(whole[:4096])
    elif damage == "foreign":
        copy.write_bytes(b"\xff" * len(whole))
    if damage == "folder":
        with pytest.raises(VaultError):
            open_vault(path)
        copy.rmdir()
    with open_vault(path) as vault:
        assert vault.warnings == ("header-repaired",)
    assert copy.read_bytes() == whole
    with open_vault(path) as vault:
        assert vault.warnings == ()


def test_two_copies_damaged_in_one_place_open_nothing_and_are_left_alone(path: Path) -> None:
    for name in header.FILE_NAMES:
        flip(path / name, 3000)
    before = [(path / name).read_bytes() for name in header.FILE_NAMES]
    with pytest.raises(HeaderDamaged):
        open_vault(path)
    with pytest.raises(HeaderDamaged):
        inspect_folder(path)
    assert [(path / name).read_bytes() for name in header.FILE_NAMES] == before


def test_a_folder_whose_headers_are_gone_is_a_damaged_vault_and_not_no_vault(path: Path) -> None:
    for name in header.FILE_NAMES:
        (path / name).unlink()
    with pytest.raises(HeaderDamaged):
        open_vault(path)


def test_a_folder_that_never_was_a_vault_is_not_one(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"x")
    with pytest.raises(NotAVault):
        open_vault(tmp_path)
    with pytest.raises(NotAVault):
        open_vault(tmp_path / "photo.jpg")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["photo.jpg"]


def test_a_vault_of_a_newer_format_is_named_and_left_alone(path: Path) -> None:
    body = header.MAGIC + (9).to_bytes(4, "big") + b"what nobody knows yet"
    (path / "header.a").write_bytes(with_digest(body))
    before = (path / "header.b").read_bytes()
    with pytest.raises(UnknownFormat, match="9"):
        open_vault(path)
    assert (path / "header.b").read_bytes() == before


def test_every_flipped_byte_of_a_copy_is_an_error_or_healed_and_never_another_vault(path: Path) -> None:
    copy = path / "header.a"
    whole = copy.read_bytes()
    (path / "header.b").unlink()
    for offset in (*range(84), *range(84, len(whole), 331), *range(len(whole) - 64, len(whole))):
        copy.write_bytes(whole[:offset] + bytes([whole[offset] ^ 1]) + whole[offset + 1 :])
        with pytest.raises(errors.HeaderDamaged):
            open_vault(path)


def test_whoever_alters_a_header_and_its_digest_is_stopped_by_slot_or_mac(path: Path) -> None:
    whole = (path / "header.a").read_bytes()
    for offset in (*range(20, 84), 84, 84 + 1168, 84 + 7 * 1168, header.SIZE - 64):
        altered = bytearray(whole[:-32])
        altered[offset] ^= 1
        for name in header.FILE_NAMES:
            (path / name).write_bytes(with_digest(bytes(altered)))
        with pytest.raises((errors.WrongPassphrase, HeaderDamaged)):
            open_vault(path)


def test_a_valid_header_that_the_database_does_not_know_is_an_older_copy(path: Path) -> None:
    found = Folder(path).read_headers()[0]
    planted = header.seal(
        vault_key(path),
        folder_id=found.folder_id,
        epoch=found.epoch,
        cost=found.cost,
        salt=found.salt,
        public_keys=[key_file().slot_key(_place(found)).public_bytes(), *[None] * 7],
    )
    for name in header.FILE_NAMES:
        (path / name).write_bytes(planted.to_bytes())
    with pytest.raises(OlderCopy):
        open_vault(path)


def test_what_can_be_told_without_a_key(tmp_path: Path) -> None:
    with make_vault(tmp_path / "v") as vault:
        vault.cases.new("Harbour", code="HARBOUR")
        vault.cases.get("HARBOUR").items.add_text("text")
        assert inspect_folder(tmp_path / "v").in_use
    facts = inspect_folder(tmp_path / "v")
    assert (facts.format, facts.compartments, facts.object_files, facts.in_use) == (1, 1, 1, False)
    assert facts.size_bytes == sum(file.stat().st_size for file in (tmp_path / "v").rglob("*") if file.is_file())
    with pytest.raises(errors.NoSuchVault):
        inspect_folder(tmp_path / "absent")


def test_a_vault_has_the_same_folder_id_and_salt_for_life(path: Path) -> None:
    before = Folder(path).read_headers()[0]
    with open_vault(path) as vault:
        vault.change_passphrase(key_file(), key_file(1))
    after = Folder(path).read_headers()[0]
    assert (before.folder_id, before.salt, before.cost) == (after.folder_id, after.salt, after.cost)
    assert after.epoch == before.epoch + 1
    assert not set(before.sealed_slots) & set(after.sealed_slots)
    with Vault.open(path, key_file(1)) as vault:
        assert vault.warnings == ()
