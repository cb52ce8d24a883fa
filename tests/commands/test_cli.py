"""The program as a whole: what it loads, how it fails, how it ends."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import click
import pytest

from commands import _errors, cli
from vault import errors

HEAVY = {"rich", "cryptography", "nacl", "sqlcipher3", "zxcvbn", "mnemonic", "platformdirs", "filelock", "sqlite3"}


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["add", "--help"], ["case", "--help"], ["nonsense"]])
def test_what_needs_no_vault_loads_nothing_heavy(arguments: list[str]) -> None:
    script = (
        "import sys\nfrom commands.cli import main\nstatus = main(sys.argv[1:])\n"
        "print('LOADED', *sorted(sys.modules), file=sys.stderr)\nsys.exit(status)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(cli.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], env=environment, capture_output=True, text=True, timeout=60
    )
    loaded = done.stderr.split("LOADED", 1)[1].split()
    assert HEAVY.isdisjoint(name.split(".")[0] for name in loaded)
    assert "vault._vault" not in loaded


def test_a_command_without_arguments_shows_how_it_is_used_and_fails(cv: Any) -> None:
    done = cv("add", status=2)
    assert done.stdout == ""
    assert done.stderr == (
        "casevault: error: Missing argument 'CASE'\ncasevault: hint: `casevault add --help` shows how it is used\n"
    )


def test_the_program_alone_says_what_to_do_next_and_opens_nothing(cv: Any, locked: Path, folder: Path) -> None:
    for arguments, said in (
        (("--vault", folder / "none"), "casevault init"),
        (("--vault", locked), "casevault case list"),
        (("--vault", folder), "is not a case vault"),
    ):
        for form in ((), ("--plain",)):
            done = cv.bare(*arguments, *form)
            assert said in done.stdout
            assert "casevault help" in done.stdout
            assert done.stderr == ""
    assert cv.bare("--vault", locked, "--json").json == {"path": str(locked), "state": "locked"}
    before = sorted((path, path.stat().st_mtime_ns) for path in locked.rglob("*") if path.name != "lock")
    cv.bare("--vault", locked, "--passphrase-file", folder / "not there")
    assert sorted((path, path.stat().st_mtime_ns) for path in locked.rglob("*") if path.name != "lock") == before


def test_the_program_alone_asks_nothing_on_a_terminal(locked: Path, terminal: Any) -> None:
    status, shown = terminal("--vault", locked).finish()
    assert status == 0
    assert "locked" in shown
    assert "Passphrase" not in shown


def test_the_program_alone_says_when_the_vault_is_open(harbour: Any) -> None:
    process = harbour.start("add", "HARBOUR", "-", "--title", "waiting")
    end = time.monotonic() + 120
    while "Another process" not in (done := harbour.bare("--vault", harbour.vault)).stdout:
        assert time.monotonic() < end, done
    process.communicate(b"x", timeout=60)


def test_help_explains_every_command_as_its_own_option_does(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    paths: list[tuple[str, ...]] = [()]
    for path in paths:
        command: click.Command = cli.root
        for name in path:
            assert isinstance(command, click.Group)
            found = command.get_command(click.Context(command), name)
            assert found is not None
            command = found
        if isinstance(command, click.Group):
            paths += [(*path, name) for name in command.list_commands(click.Context(command))]
        assert cli.main(["help", *path]) == 0
        helped = capsys.readouterr().out
        assert cli.main([*path, "--help"]) == 0
        assert capsys.readouterr().out == helped != ""
    assert len(paths) > 30
    assert cli.main(["help", "case", "nonsense"]) == 2
    assert cli.main(["help", "items", "more"]) == 2


def test_global_options_stand_before_the_command_or_after_it(harbour: Any) -> None:
    before = harbour("--json", "case", "list")
    between = harbour("case", "--json", "list")
    after = harbour("case", "list", "--json")
    assert before.json == between.json == after.json
    assert before.json[0]["code"] == "HARBOUR"


def test_the_later_of_two_global_options_counts(harbour: Any, folder: Path) -> None:
    harbour("case", "list", "--vault", folder / "nowhere", status=10)
    done = harbour("--vault", folder / "nowhere", "case", "list", "--vault", harbour.vault)
    assert done.stdout.startswith("HARBOUR\t")


def test_a_hostile_argument_in_a_usage_error_is_made_visible(cv: Any) -> None:
    done = cv("items", "HARBOUR", "x\x1b[31m\u202e\nforged line", status=2)
    assert "\x1b" not in done.stderr
    assert "\u202e" not in done.stderr
    assert "\nforged" not in done.stderr
    assert "\x1b" not in cv("--bo\x1bgus", status=2).stderr
    assert "\x1b" not in cv("case", "li\x1bst", status=2).stderr


def test_there_is_no_vault_yet(folder: Path, cv: Any) -> None:
    done = cv("--vault", folder / "none", "case", "list", status=10)
    assert done.stdout == ""
    assert done.stderr.startswith(f"casevault: error: There is no vault at {folder / 'none'}\ncasevault: hint: ")


def test_a_folder_that_is_no_vault_is_left_alone(folder: Path, cv: Any) -> None:
    other = folder / "other"
    other.mkdir()
    (other / "holiday.jpg").write_bytes(b"x")
    cv("--vault", other, "case", "list", status=21)
    cv("--vault", other, "status", status=21)
    assert [path.name for path in other.iterdir()] == ["holiday.jpg"]


def test_a_vault_of_a_newer_format_is_named_as_such(cv: Any) -> None:
    for name in ("header.a", "header.b"):
        path = cv.vault / name
        content = bytearray(path.read_bytes())
        content[16:20] = (99).to_bytes(4, "big")
        content[-32:] = hashlib.sha256(content[:-32]).digest()
        path.write_bytes(content)
    done = cv("case", "list", status=21)
    assert "99" in done.stderr


def test_both_headers_damaged_is_damage(cv: Any) -> None:
    for name in ("header.a", "header.b"):
        path = cv.vault / name
        path.write_bytes(b"\xff" * path.stat().st_size)
    done = cv("case", "list", status=20)
    assert "backup" in done.stderr


def test_one_damaged_header_is_healed_and_said(harbour: Any) -> None:
    path = harbour.vault / "header.a"
    whole = path.read_bytes()
    path.write_bytes(whole[:100] + b"\xff\xff" + whole[102:])
    done = harbour("case", "list")
    assert "header" in done.stderr
    assert "warning" in done.stderr
    assert "header" not in harbour("case", "list").stderr


def test_a_damaged_index_is_damage(harbour: Any) -> None:
    path = harbour.vault / "vault-1.db"
    path.write_bytes(b"\xff" * path.stat().st_size)
    harbour("case", "list", status=20)


def test_a_closed_pipe_ends_quietly(harbour: Any) -> None:
    process = harbour.start("log")
    process.stdout.close()
    process.stdin.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(60) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="left out: there is no /dev/full")
def test_a_result_that_cannot_be_written_is_no_success(harbour: Any) -> None:
    with Path("/dev/full").open("wb") as full:
        process = harbour.start("case", "list", stdout=full)
        _stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 28
    assert b"casevault: error: " in stderr


@pytest.mark.skipif(sys.platform == "win32", reason="left out: signals of Unix")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_add_leaves_nothing_behind(harbour: Any, number: signal.Signals) -> None:
    process = harbour.start("add", "HARBOUR", "-", "--title", "never")
    process.stdin.write(b"x" * 300_000)
    process.stdin.flush()
    wait_until(lambda: any(path.is_file() for path in (harbour.vault / "staging").rglob("*")))
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert stdout == b""
    assert [path for path in (harbour.vault / "staging").rglob("*") if path.is_file()] == []
    assert harbour("items", "HARBOUR").stdout == ""
    assert harbour("check", "--json").json["findings"] == []


@pytest.mark.skipif(sys.platform == "win32", reason="left out: signals of Unix")
def test_a_second_process_is_told_who_is_in_the_way_before_anything_is_asked(harbour: Any) -> None:
    process = harbour.start("add", "HARBOUR", "-", "--title", "slow")
    process.stdin.write(b"x" * 300_000)
    process.stdin.flush()
    wait_until(lambda: any(path.is_file() for path in (harbour.vault / "staging").rglob("*")))
    done = harbour("case", "list", status=11)
    assert done.stdout == ""
    assert "in use by another process" in done.stderr
    assert "in use" in harbour("status").stdout
    assert harbour("status", "--json").json["state"] == "in use"
    process.communicate(b"", timeout=60)
    assert process.returncode == 0
    assert harbour("items", "HARBOUR").lines[0][3] == "300000"


def wait_until(condition: Any, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


# Errors that nobody expected


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command whose code has a mistake, with a secret in the exception and in a local."""

    @click.command("broken")
    def broken() -> None:
        passphrase = "canary-of-a-secret"
        raise KeyError(passphrase)

    monkeypatch.setattr(cli.root, "get_command", lambda _context, _name: broken)


def test_an_unexpected_error_is_one_line_without_content(broken: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["broken"]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "KeyError" in shown.err
    assert "canary" not in shown.err
    assert len(shown.err.splitlines()) == 2


def test_debug_says_where_and_shows_neither_locals_nor_messages(
    broken: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["--debug", "broken"]) == 1
    shown = capsys.readouterr()
    assert "test_cli.py" in shown.err
    assert "in broken" in shown.err
    assert "canary" not in shown.err


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (OSError(28, "No space left on device", "/x"), 28),
        (OSError(2, "No such file or directory", "/x\x1b"), 14),
        (PermissionError(13, "Permission denied", "/x"), 1),
        (OSError("bare"), 1),
        (errors.NoSuchCase(code="HARBOUR"), 14),
        (_errors.Stop(15, "no", "hint"), 15),
        (MemoryError(), 1),
    ],
)
def test_each_kind_of_failure_has_its_status(error: Exception, status: int) -> None:
    found, message, _hint = _errors.described(error)
    assert found == status
    assert message.isprintable()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (("seel",), "There is no command seel. Perhaps `casevault seal` is meant?"),
        (("Seal",), "There is no command Seal. Perhaps `casevault seal` is meant?"),
        (("case", "nwe"), "There is no command nwe. Perhaps `casevault case new` is meant?"),
        (("log", "verfy"), "There is no command verfy. Perhaps `casevault log verify` is meant?"),
        (("qwertz",), "There is no command qwertz\n"),
        (("q\x1b[31m",), "There is no command q<U+001B>[31m\n"),
        (("case", "list", "--jsno"), "There is no option --jsno. Perhaps --json is meant?"),
        (("restore", "--to", "there"), "There is no option --to\n"),
        (("case", "list", "--qwertz"), "There is no option --qwertz\n"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_mistyped_word_is_answered_with_the_one_that_is_meant(cv: Any, line: tuple[str, ...], said: str) -> None:
    done = cv(*line, status=2)
    assert f"casevault: error: {said}" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("name", ["key", "partner", "identity", "case", "log"])
def test_the_list_of_a_group_cuts_no_sentence(cv: Any, name: str) -> None:
    assert "..." not in cv.bare(name, "--help").stdout.split("Commands:")[1]
