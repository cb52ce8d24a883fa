"""Bytes that leave the vault: all of them or a part, on purpose, never over anything, never as orders to a terminal."""

import hashlib
import os
import stat
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

CONTENT = bytes(range(256)) * 200


@pytest.fixture
def item(harbour: Any) -> Any:
    """A vault whose HARBOUR/1 is binary and HARBOUR/2 a text with tricks in it."""
    harbour("add", "HARBOUR", harbour.file("film.mp4", CONTENT))
    harbour("add", "HARBOUR", harbour.file("text.txt", "one\n\x1b[2Jtwo\ttab\u202e\n".encode()))
    return harbour


def cat(program: Any, *arguments: str) -> bytes:
    process = program.start("cat", *arguments)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    assert stderr == b""
    return bytes(stdout)


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ([], slice(None)),
        (["--offset", "0", "--length", "0"], slice(0, 0)),
        (["--offset", "20000"], slice(20000, None)),
        (["--length", "17"], slice(0, 17)),
        (["--offset", "16383", "--length", "2"], slice(16383, 16385)),
        (["--offset", "51199", "--length", "100"], slice(51199, None)),
        (["--offset", "51200"], slice(51200, None)),
    ],
)
def test_an_item_comes_out_bit_for_bit_whole_or_in_part(item: Any, options: list[str], part: slice) -> None:
    assert cat(item, "HARBOUR/1", *options) == CONTENT[part]


def test_a_place_outside_the_item_and_no_item_are_refused(item: Any) -> None:
    item("cat", "HARBOUR/1", "--offset", "51201", status=2)
    item("cat", "HARBOUR/1", "--offset", "-1", status=2)
    item("cat", "HARBOUR/3", status=14)
    item("cat", "HARBOUR", status=2)
    item("cat", "HARBOUR/p1", status=2)
    item("--json", "cat", "HARBOUR/1", status=2)


def test_binary_content_goes_to_a_terminal_only_by_force(item: Any, terminal: Callable[..., Any]) -> None:
    screen = terminal(*item.options, "cat", "HARBOUR/1")
    status, shown = screen.finish()
    assert status == 15
    assert "\x01\x02" not in shown
    assert "--force" in shown
    screen = terminal(*item.options, "cat", "HARBOUR/1", "--force")
    status, shown = screen.finish()
    assert status == 0
    assert "\x01\x02" in shown


def test_text_is_shown_on_a_terminal_with_its_tricks_made_visible(item: Any, terminal: Callable[..., Any]) -> None:
    screen = terminal(*item.options, "cat", "HARBOUR/2")
    status, shown = screen.finish()
    assert status == 0
    assert "one\r\n<U+001B>[2Jtwo" in shown
    assert "\t" in shown or "  tab" in shown
    assert "<U+202E>" in shown
    assert "\x1b" not in shown


def test_a_pipe_gets_the_tricks_as_they_are(item: Any) -> None:
    assert cat(item, "HARBOUR/2") == "one\n\x1b[2Jtwo\ttab\u202e\n".encode()


def test_an_export_has_the_same_bytes_and_digests_that_stock_tools_accept(
    item: Any, program: Callable[[str], str]
) -> None:
    (item.folder / "out").mkdir()
    done = item("export", "HARBOUR/1", "--to", "out", "--json")
    (exported,) = done.json["exported"]
    path = item.folder / exported["path"]
    assert path.read_bytes() == CONTENT
    assert exported["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert "leaves the vault" in done.stderr
    for tool in ("sha256", "sha512"):
        checked = subprocess.run(
            [program(f"{tool}sum"), "-c", f"{path.name}.{tool}"], cwd=path.parent, capture_output=True, text=True
        )
        assert checked.returncode == 0, checked.stderr


def test_what_is_exported_is_for_the_owner_alone(item: Any) -> None:
    (item.folder / "out").mkdir()
    item("export", "HARBOUR", "--to", "out")
    paths = list((item.folder / "out").rglob("*"))
    assert len([path for path in paths if path.is_file()]) == 6
    for path in paths:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_an_export_overwrites_nothing(item: Any) -> None:
    (item.folder / "out").mkdir()
    first = item("export", "HARBOUR/1", "--to", "out")
    path = item.folder / first.stdout.strip()
    path.write_bytes(b"mine now")
    item("export", "HARBOUR/1", "--to", "out", status=15)
    assert path.read_bytes() == b"mine now"
    item("export", "HARBOUR/1", "--to", item.file("a file"), status=15)
    item("export", "HARBOUR/9", "--to", "out", status=14)
    item("export", "NOWHERE", "--to", "out", status=14)


@pytest.mark.parametrize("what", ["HARBOUR", "HARBOUR/1"])
@pytest.mark.parametrize("place", ["media/stick", "stick"])
def test_where_a_stick_is_missing_nothing_is_written_in_the_clear(item: Any, what: str, place: str) -> None:
    before = sorted(item.folder.rglob("*"))
    done = item("export", what, "--to", place, status=14)
    assert done.stdout == ""
    assert "stick" in done.stderr.split("hint")[1]
    assert "leaves the vault" not in done.stderr
    assert sorted(item.folder.rglob("*")) == before
    assert "item-export" not in {entry["act"] for entry in item("log", "--json").json}


def test_of_a_case_one_damaged_item_stops_no_other(item: Any) -> None:
    largest = max((item.vault / "objects").rglob("*.*"), key=lambda path: path.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[1000] ^= 1
    largest.write_bytes(content)
    (item.folder / "out").mkdir()
    done = item("export", "HARBOUR", "--to", "out", "--json", status=20)
    assert len(done.json["exported"]) + len(done.json["failed"]) == 2
    assert [each["status"] for each in done.json["failed"]] == [20]
    names = [path.name for path in (item.folder / "out" / "HARBOUR").iterdir()]
    assert len(names) == 3  # of the damaged one nothing is left, not even in part
    reference = done.json["failed"][0]["reference"]
    failed = item("cat", reference, status=20)
    assert reference in failed.stderr


def test_the_purpose_is_in_the_log(item: Any) -> None:
    (item.folder / "out").mkdir()
    item("export", "HARBOUR/1", "--to", "out", "--purpose", "for the court")
    item("cat", "HARBOUR/2", "--purpose", "-", typed="read to the judge")
    purposes = [entry["purpose"] for entry in item("log", "--json").json]
    assert "for the court" in purposes
    assert "read to the judge" in purposes


def test_a_name_with_tricks_is_exported_under_a_name_without_power(harbour: Any) -> None:
    for name in ("-rf", "x\x1b[31m\n.mp4", "CON", "..", "a\u202egpj.exe"):
        harbour("add", "HARBOUR", "-", "--title", name, typed=os.urandom(10))
    (harbour.folder / "out").mkdir()
    harbour("export", "HARBOUR", "--to", "out")
    names = [path.name for path in (harbour.folder / "out" / "HARBOUR").iterdir()]
    assert len(names) == 15
    assert all(name.isprintable() and name[:3].isdigit() for name in names)
