"""Closed, narrow and full standard streams: a refusal with its status, never a traceback and never another file's number."""

import json
import sys

import pytest
from program import Program

posix = pytest.mark.skipif(sys.platform == "win32", reason="left out: a shell that closes descriptors")
UNEXPECTED = ("unexpected", "Traceback", "Exception ignored")


def assert_expected(stderr: str) -> None:
    assert not any(word in stderr for word in UNEXPECTED), stderr


@posix
@pytest.mark.parametrize("command", [("items", "HARBOUR"), ("--version",), ("--help",), ("log", "--json")])
def test_a_result_that_nobody_can_get_is_a_failure_with_a_line(casevault: Program, command: tuple[str, ...]) -> None:
    casevault.add(b"x")
    done = casevault(*command, streams=">&-")
    assert done.status == 1
    assert "Bad file descriptor" in done.stderr
    assert_expected(done.stderr)


@posix
def test_bytes_of_an_item_do_not_go_to_a_closed_output(casevault: Program) -> None:
    done = casevault("cat", casevault.add(b"x"), streams=">&-")
    assert done.status == 1
    assert_expected(done.stderr)


@posix
@pytest.mark.parametrize("closed", ["<&-", "2>&-", "<&- 2>&-"])
def test_a_command_that_needs_no_input_and_has_nothing_to_say_works_without_them(
    casevault: Program, closed: str
) -> None:
    casevault.add(b"x")
    done = casevault("items", "HARBOUR", streams=closed)
    assert (done.status, done.stdout.split("\t")[0]) == (0, "HARBOUR/1")
    assert_expected(done.stderr)


@posix
@pytest.mark.parametrize(
    "command",
    [
        ("note", "HARBOUR", "-"),
        ("add", "HARBOUR", "-", "--title", "x"),
        ("add", "HARBOUR", "--text", "-", "--title", "x"),
    ],
)
def test_what_should_be_read_from_a_closed_input_is_not_stored_as_nothing(
    casevault: Program, command: tuple[str, ...]
) -> None:
    done = casevault(*command, streams="<&-")
    assert done.status == 1
    assert_expected(done.stderr)
    assert casevault("case", "show", "HARBOUR", "--json").json()["notes"] == []
    assert casevault("items", "HARBOUR", "--json").json() == []


@posix
def test_no_database_gets_the_number_of_a_closed_stream(casevault: Program) -> None:
    done = casevault("add", "HARBOUR", casevault.key_file, streams="<&- >&- 2>&-")
    assert done.status == 1
    assert casevault("check", "--read-data").status == 0


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1251", "cp1252:strict"])
def test_a_name_that_the_output_cannot_spell_stops_no_command(casevault: Program, encoding: str) -> None:
    casevault("case", "new", "Дело ჩემი ñ 🙂", "--code", "ROAD")
    done = casevault("case", "list", PYTHONIOENCODING=encoding, PYTHONUTF8="0")
    assert (done.status, "ROAD\t" in done.stdout) == (0, True), done.stderr


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1251", "utf-8"])
def test_json_is_valid_in_every_encoding(casevault: Program, encoding: str) -> None:
    title = "Дело ჩემი ñ 🙂\x7f"
    casevault("case", "new", "-", "--code", "ROAD", stdin=title)
    done = casevault("case", "list", "--json", PYTHONIOENCODING=encoding, PYTHONUTF8="0")
    assert done.status == 0, done.stderr
    assert [each["title"] for each in json.loads(done.stdout) if each["code"] == "ROAD"] == [title]


@pytest.mark.parametrize("title", ["a\x7fb", "я\x7fb"])
def test_no_control_character_stands_in_json(casevault: Program, title: str) -> None:
    casevault("case", "new", "-", "--code", "ROAD", stdin=title)
    assert "\x7f" not in casevault("case", "list", "--json").stdout


@posix
def test_a_full_disk_behind_the_output_is_said(casevault: Program) -> None:
    assert casevault("case", "list", streams=">/dev/full").status == 28


@posix
def test_a_reader_who_goes_away_ends_the_command_quietly(casevault: Program) -> None:
    reference = casevault.add(bytes(3_000_000), "big.bin")
    done = casevault("cat", reference, streams="| head -c 5")
    assert (len(done.stdout), done.stderr) == (5, "")
