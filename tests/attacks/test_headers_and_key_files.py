"""One copy of the header in a bad state, and key files that are no secret."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from vaults import make_vault, open_vault

from crypto import kdf
from vault import KeyFileUnlocker, PassphraseUnlocker, Vault
from vault.errors import BadValue, CostRefused, UnknownFormat, WrongPassphrase
from vault.header import FILE_NAMES, MAGIC


@pytest.mark.parametrize("name", FILE_NAMES)
@pytest.mark.parametrize("rest", [bytes(200), b"\0\0\0\2" + bytes(200), bytes(12_000)])
def test_a_copy_of_the_header_that_seems_of_another_format_does_not_shut_out_the_whole_one(
    tmp_path: Path, name: str, rest: bytes
) -> None:
    path = tmp_path / "vault"
    make_vault(path).close()
    (path / name).write_bytes(MAGIC + rest)
    with open_vault(path) as vault:
        assert vault.warnings == ("header-repaired",)
    for each in FILE_NAMES:
        (path / each).write_bytes(MAGIC + rest)
    with pytest.raises(UnknownFormat):
        open_vault(path)


def test_an_empty_key_file_is_never_half_of_a_secret() -> None:
    with pytest.raises(BadValue):
        PassphraseUnlocker("seven words of a list", b"")
    with pytest.raises(BadValue):
        KeyFileUnlocker(b"")


def test_a_cost_that_somebody_wrote_into_one_copy_does_not_shut_out_the_other(tmp_path: Path) -> None:
    path = tmp_path / "vault"
    Vault.create(path, PassphraseUnlocker("one of many"), cost=kdf.FLOOR).close()
    forged = bytearray((path / "header.a").read_bytes())
    forged[60:64] = (2**32 - 1).to_bytes(4, "big")  # KiB of memory
    forged[-32:] = hashlib.sha256(forged[:-32]).digest()
    (path / "header.a").write_bytes(forged)
    with pytest.raises(WrongPassphrase):
        Vault.open(path, KeyFileUnlocker(b"k" * 32))
    with pytest.raises(CostRefused):
        Vault.open(path, PassphraseUnlocker("another"))
    with Vault.open(path, PassphraseUnlocker("one of many")) as vault:
        assert vault.warnings == ("header-repaired",)
