"""Two damaged copies of a header heal each other."""

import os

import pytest

from vault import KeyFileUnlocker, Vault, errors, header

KEY = KeyFileUnlocker(b"k" * 32)


@pytest.fixture
def folder(tmp_path):
    Vault.create(tmp_path / "vault", KEY).close()
    return tmp_path / "vault"


def damage(path, position):
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


def test_copies_damaged_in_different_fields_open_and_are_repaired(folder):
    whole = (folder / "header.a").read_bytes()
    for position in (0, 50, 90, 2000):
        damage(folder / "header.a", position)
    for position in (4000, header.SIZE - 70, header.SIZE - 1):
        damage(folder / "header.b", position)
    with Vault.open(folder, KEY) as vault:
        assert "header-repaired" in vault.warnings
    assert (folder / "header.a").read_bytes() == (folder / "header.b").read_bytes() == whole


def test_a_field_damaged_in_both_copies_is_reported_as_damage_not_as_a_wrong_passphrase(folder):
    damage(folder / "header.a", 5000)
    damage(folder / "header.b", 5001)
    with pytest.raises(errors.HeaderDamaged):
        Vault.open(folder, KEY)


def test_random_bytes_of_the_right_size_are_damage(folder):
    for name in header.FILE_NAMES:
        (folder / name).write_bytes(os.urandom(header.SIZE))
    with pytest.raises(errors.HeaderDamaged):
        Vault.open(folder, KEY)
