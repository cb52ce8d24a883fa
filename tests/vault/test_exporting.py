from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from faults import FaultyDisk, replaced
from hypothesis import given
from hypothesis import strategies as st
from vaults import FailingLog, flip, make_vault, object_files, open_vault

from vault import Description, Vault, errors
from vault.errors import AlreadyThere, LogUnavailable, NoSpace, ObjectDamaged, ObjectMissing, OutcomeUnrecorded
from vault.exporting import safe_name
from vault.handles import Item

HOSTILE = [
    "../../etc/passwd",
    "..",
    ".",
    "/etc/passwd",
    "C:\\Windows\\System32\\evil.dll",
    "\\\\server\\share\\x",
    "a\0b.txt",
    ".bashrc",
    "-rf",
    "--help",
    "con",
    "CON.txt",
    "nul.",
    "COM1.mp4",
    "lpt¹",
    "aux .txt",
    "x" * 300 + ".mp4",
    "щ" * 300,
    "😀" * 200 + ".jpeg",
    "name." + "y" * 300,
    "a\nb",
    "a\rb\tc",
    "\x1b]0;title\x07\x1b[2J",
    "\x9b2J.txt",
    "\x85next",
    "gpj.\u202eexe",
    "\u2066a\u2069",
    "zero\u200bwidth",
    "\ufeffbom",
    "line\u2028para\u2029",
    "private\ue000use",
    "surrogate\udcff",
    'a:b*c?d"e<f>g|h',
    "trailing dot.",
    "trailing space ",
    " . . ",
    "",
    "$(reboot)",
    "`reboot`",
    "a;b&c",
    "e\u0301",
    "file.txt:stream",
    "~",
]


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_no_name_leaves_the_folder_starts_an_option_or_moves_the_terminal(name: str, tmp_path: Path) -> None:
    check_safe(name)
    path = tmp_path / safe_name(name, 3)
    path.write_bytes(b"x")
    assert path.resolve().parent == tmp_path.resolve()
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    path.with_name(path.name + ".sha512").write_bytes(b"x")


@given(st.text(max_size=400), st.integers(1, 10**6))
def test_no_text_at_all_does(name: str, number: int) -> None:
    check_safe(name, number)


def check_safe(name: str, number: int = 3) -> None:
    safe = safe_name(name, number)
    assert safe.startswith(f"{number:03d}-")
    assert len((safe + ".sha512").encode()) <= 200
    assert not set(safe) & set('<>:"/\\|?*')
    assert safe == safe.rstrip(" .")
    for char in safe:
        assert unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"), ascii(char)
    assert safe_name(unicodedata.normalize("NFD", name), number) == safe_name(
        unicodedata.normalize("NFC", name), number
    )


def test_a_plain_name_stays_readable_in_every_script() -> None:
    for name in ("statement.mp4", "Заявление Зайнаб.pdf", "ქართული.txt", "photo (2).jpeg", "a.tar.gz"):
        assert safe_name(name, 12) == f"012-{name}"
    assert safe_name(None, 7) == "007-item"
    assert safe_name("con", 7) == "007-_con"


def test_two_names_that_differ_only_in_form_or_case_never_meet_because_of_the_number() -> None:
    assert len({safe_name(name, number).casefold() for number, name in enumerate(["A.txt", "a.txt", "A.TXT"], 1)}) == 3


# Exports


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    with make_vault(tmp_path / "v") as found:
        found.cases.new("Harbour Street", code="HARBOUR")
        yield found


def added(vault: Vault, tmp_path: Path, data: bytes = b"original bytes", name: str = "statement.mp4") -> Item:
    source = tmp_path / name
    source.write_bytes(data)
    number = len(vault.cases.get("HARBOUR").items.list()) + 1
    vault.cases.get("HARBOUR").items.add_file(source)
    return vault.cases.get("HARBOUR").items.get(number)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_an_export_is_the_original_bit_for_bit_with_its_digests_beside_it(
    vault: Vault, tmp_path: Path, out: Path, program: Callable[[str], str]
) -> None:
    data = os.urandom(3_000_000)
    exported = added(vault, tmp_path, data).export(out, purpose="for the court")
    assert exported.path == out / "001-statement.mp4"
    assert exported.path.read_bytes() == data
    assert (exported.size_bytes, exported.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert names(out) == ["001-statement.mp4", "001-statement.mp4.sha256", "001-statement.mp4.sha512"]
    for tool, suffix in (("sha256sum", "sha256"), ("sha512sum", "sha512")):
        subprocess.run([program(tool), "--check", "--strict", f"001-statement.mp4.{suffix}"], cwd=out, check=True)
    entry = vault.log("HARBOUR")[-2]
    assert (entry.act, entry.phase, entry.size_bytes, entry.digest) == (
        "item-export",
        "done",
        len(data),
        exported.sha256,
    )


@pytest.mark.parametrize("taken", ["001-statement.mp4", "001-statement.mp4.sha256", "001-statement.mp4.sha512"])
@pytest.mark.parametrize("kind", ["file", "folder", "broken link"])
def test_an_export_is_never_over_anything(vault: Vault, tmp_path: Path, out: Path, taken: str, kind: str) -> None:
    item = added(vault, tmp_path)
    if kind == "file":
        (out / taken).write_bytes(b"mine")
    elif kind == "folder":
        (out / taken).mkdir()
    elif sys.platform != "win32":
        (out / taken).symlink_to(tmp_path / "elsewhere")
    before = names(out)
    with pytest.raises(AlreadyThere):
        item.export(out)
    assert names(out) == before
    assert not (tmp_path / "elsewhere").exists()
    if kind == "file":
        assert (out / taken).read_bytes() == b"mine"


def test_a_digest_file_that_appears_meanwhile_is_neither_replaced_nor_removed(
    vault: Vault, tmp_path: Path, out: Path
) -> None:
    item = added(vault, tmp_path)
    theirs = out / "001-statement.mp4.sha256"
    with pytest.raises(AlreadyThere):
        item.export(out, progress=lambda _: theirs.write_bytes(b"mine"))
    assert names(out) == [theirs.name]
    assert theirs.read_bytes() == b"mine"


@pytest.mark.parametrize("size", [10, 3_000_000])
def test_after_damage_nothing_of_it_is_left_outside(vault: Vault, tmp_path: Path, out: Path, size: int) -> None:
    item = added(vault, tmp_path, os.urandom(size))
    (path,) = object_files(vault.path)
    flip(path, 56 + size // 2)
    with pytest.raises(ObjectDamaged):
        item.export(out)
    assert names(out) == []
    entry = vault.log("HARBOUR")[-2]
    assert (entry.phase, entry.reason) == ("failed", "ObjectDamaged")
    path.unlink()
    with pytest.raises(ObjectMissing):
        item.export(out)
    assert names(out) == []


def test_on_a_full_disk_nothing_is_left_outside_whenever_it_fills_up(vault: Vault, tmp_path: Path, out: Path) -> None:
    item = added(vault, tmp_path, os.urandom(100_000))
    for nth in range(1, 30):
        disk = FaultyDisk().fail_nth(nth)
        try:
            with replaced(disk):
                item.export(out)
        except OutcomeUnrecorded:
            assert len(names(out)) == 3, nth
        except (NoSpace, LogUnavailable):
            assert names(out) == [], nth
        if not disk.fired:
            break
        for path in out.iterdir():
            path.unlink()
    assert nth > 5
    assert len(names(out)) == 3


def test_an_export_whose_intent_cannot_be_logged_writes_nothing(vault: Vault, tmp_path: Path, out: Path) -> None:
    item = added(vault, tmp_path)
    with FailingLog(vault), pytest.raises(LogUnavailable):
        item.export(out)
    assert names(out) == []


def test_an_export_whose_outcome_cannot_be_logged_is_whole_and_says_so(vault: Vault, tmp_path: Path, out: Path) -> None:
    item = added(vault, tmp_path)
    with FailingLog(vault, 2), pytest.raises(OutcomeUnrecorded):
        item.export(out)
    assert (out / "001-statement.mp4").read_bytes() == b"original bytes"
    vault.close()
    with open_vault(tmp_path / "v") as again:
        assert again.warnings == ("recovered",)
        phases = [entry.phase for entry in again.log("HARBOUR") if entry.act == "item-export"]
        assert phases == ["intent", "recovered"]


def test_a_folder_that_is_not_there_is_named(vault: Vault, tmp_path: Path) -> None:
    with pytest.raises(errors.SourceMissing, match="nowhere"):
        added(vault, tmp_path).export(tmp_path / "nowhere")


def test_an_item_with_a_hostile_name_is_stored_under_it_and_exported_without_its_power(
    vault: Vault, out: Path, tmp_path: Path
) -> None:
    for number, name in enumerate(HOSTILE, 1):
        stored = vault.cases.get("HARBOUR").items.add_stream(
            _Bytes(f"content {number}".encode()), file_name=name, size_hint=10
        )
        exported = vault.cases.get("HARBOUR").items.get(number).export(out)
        assert exported.path.parent == out
        assert exported.path.name.startswith(f"{number:03d}-")
        assert exported.path.read_bytes() == f"content {number}".encode()
        if name.strip() and "\udcff" not in name:
            assert stored.item.file_name == name.strip()
    assert len(names(out)) == 3 * len(HOSTILE)
    assert names(tmp_path) == ["out", "v"]


class _Bytes:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def readinto(self, buffer: memoryview) -> int:
        count = len(self._data)
        buffer[:count] = self._data
        self._data = b""
        return count


@pytest.mark.skipif(sys.platform == "win32", reason="left out: modes of POSIX")
def test_an_export_is_for_its_owner_alone_where_the_disk_can(vault: Vault, tmp_path: Path, out: Path) -> None:
    exported = added(vault, tmp_path).export(out)
    assert exported.owner_only
    for path in out.iterdir():
        assert path.stat().st_mode & 0o077 == 0


def test_a_typed_statement_is_exported_with_the_ending_of_a_text(tmp_path: Path) -> None:
    with make_vault(tmp_path / "vault") as vault:
        vault.cases.new("Title", code="HARBOUR")
        items = vault.cases.get("HARBOUR").items
        items.add_text("typed", description=Description(title="First day"))
        items.add_text("from a file", file_name="second.md", description=Description(title="Second day"))
        names = [items.get(number).export(tmp_path).path.name for number in (1, 2)]
    assert names == ["001-First day.txt", "002-second.md"]
