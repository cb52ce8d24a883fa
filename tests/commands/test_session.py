"""How a vault is found and opened: places, secrets from files, secrets that are asked for."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from commands import _session
from commands._options import Settings
from vault import errors

PASSPHRASE = "seven quiet herons over the harbour at dawn"


@pytest.mark.parametrize(
    ("content", "passphrase"),
    [
        (b"open sesame", "open sesame"),
        (b"open sesame\n", "open sesame"),
        (b"open sesame\r\n", "open sesame"),
        (b"\xef\xbb\xbfopen sesame\n", "open sesame"),
        (b"open sesame\n\n", "open sesame\n"),
        (b"  open sesame \t\n", "  open sesame \t"),
        (b"open\nsesame", "open\nsesame"),
        (b"open sesame\r", "open sesame\r"),
        ("é ".encode(), "é "),
        ("é".encode(), "é"),
        (b"x" * 4096, "x" * 4096),
        (b"\0a", "\0a"),
    ],
)
def test_of_a_passphrase_file_only_a_mark_and_one_line_end_are_dropped(
    tmp_path: Path, content: bytes, passphrase: str
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    path.chmod(0o600)
    assert _session.read_passphrase(str(path)) == passphrase


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", errors.UnusablePassphrase),
        (b"\n", errors.UnusablePassphrase),
        (b"\xff\xfe", errors.UnusablePassphrase),
        (b"a\xc3(", errors.UnusablePassphrase),
        (b"x" * 70_000, errors.UnusablePassphrase),
    ],
)
def test_what_is_no_passphrase_is_refused_and_never_changed(
    tmp_path: Path, content: bytes, error: type[Exception]
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(error):
        _session.read_passphrase(str(path))


def test_a_passphrase_file_that_is_not_there_or_is_a_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(errors.SourceMissing):
        _session.read_passphrase(str(tmp_path / "none"))
    with pytest.raises((errors.NotAFile, errors.SourceUnreadable)):
        _session.read_passphrase(str(tmp_path))


def test_a_descriptor_is_read_as_a_file(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"open sesame\n")
    os.close(writing)
    assert _session.read_passphrase(f"/dev/fd/{reading}") == "open sesame"
    os.close(reading)
    with pytest.raises(errors.SourceUnreadable):
        _session.read_passphrase(f"/dev/fd/{reading}")


@pytest.mark.skipif(sys.platform == "win32", reason="left out: permissions of Unix")
def test_a_passphrase_file_that_others_can_read_is_warned_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"open sesame")
    path.chmod(0o600)
    _session.read_passphrase(str(path))
    assert capsys.readouterr().err == ""
    path.chmod(0o644)
    _session.read_passphrase(str(path))
    assert "other users" in capsys.readouterr().err


def test_the_vault_is_where_the_option_says_else_the_variable_else_the_place_for_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    assert _session.vault_path(Settings()).is_relative_to(home)
    monkeypatch.setenv("CASEVAULT_VAULT", str(tmp_path / "a"))
    assert _session.vault_path(Settings()) == tmp_path / "a"
    assert _session.vault_path(Settings(vault=tmp_path / "b")) == tmp_path / "b"


# Without a terminal


def test_without_terminal_and_secret_it_is_locked(cv: Any, locked: Path) -> None:
    done = cv.bare("--vault", locked, "case", "list", status=13)
    assert done.stdout == ""
    assert "--passphrase-file" in done.stderr


def test_a_secret_on_standard_input_is_not_taken_for_a_passphrase(cv: Any, locked: Path) -> None:
    cv.bare("--vault", locked, "case", "list", typed=PASSPHRASE + "\n", status=13)


def test_a_passphrase_file_opens_the_vault_by_option_or_variable(cv: Any, locked: Path) -> None:
    path = cv.secret("phrase", PASSPHRASE.encode() + b"\n")
    assert cv.bare("--vault", locked, "--passphrase-file", path, "case", "list").stdout == ""
    assert cv.bare("--vault", locked, "case", "list", CASEVAULT_PASSPHRASE_FILE=str(path)).stdout == ""
    stdin = cv.bare("--vault", locked, "--passphrase-file", "/dev/fd/0", "case", "list", typed=PASSPHRASE)
    assert stdin.stdout == ""


def test_a_wrong_passphrase_hints_at_the_keyboard(cv: Any, locked: Path) -> None:
    path = cv.secret("phrase", b"seven quiet herons over the harbour at dusk")
    done = cv.bare("--vault", locked, "--passphrase-file", path, "case", "list", status=12)
    assert done.stdout == ""
    assert "keyboard layout" in done.stderr
    assert "herons" not in done.stderr


def test_a_passphrase_from_a_dash_is_refused_with_the_way_to_do_it(cv: Any, locked: Path) -> None:
    assert "/dev/fd/0" in cv.bare("--vault", locked, "--passphrase-file", "-", "case", "list", status=2).stderr


def test_another_key_file_does_not_open_the_vault(cv: Any) -> None:
    cv("--key-file", cv.secret("other", b"another key file, also 32 bytes!"), "case", "list", status=12)
    cv("--key-file", cv.secret("short", b"short"), "case", "list", status=2)
    cv("--key-file", cv.folder / "none", "case", "list", status=14)


def test_key_file_and_passphrase_together_open_a_vault_that_needs_both(cv: Any) -> None:
    phrase, key = cv.secret("phrase", PASSPHRASE.encode()), cv.secret("key2", b"k" * 40)
    both = ("--vault", cv.folder / "both", "--passphrase-file", phrase)
    cv.bare(*both, "--key-file", key, "init", "--no-recovery")
    cv.bare(*both, "--key-file", key, "case", "list")
    cv.bare(*both, "case", "list", status=12)
    cv.bare("--vault", cv.folder / "both", "--key-file", key, "case", "list", status=12)


# On a terminal


def test_the_passphrase_is_asked_for_without_echo_three_times(terminal: Callable[..., Any], locked: Path) -> None:
    screen = terminal("--vault", locked, "case", "list")
    screen.answer("Passphrase:", "wrong-canary-one")
    screen.expect("keyboard layout")
    screen.answer("Passphrase:", PASSPHRASE)
    screen.succeed(unseen=(b"canary", b"herons"))


def test_three_wrong_passphrases_are_enough(terminal: Callable[..., Any], locked: Path) -> None:
    screen = terminal("--vault", locked, "case", "list")
    for _attempt in range(3):
        screen.answer("Passphrase:", "wrong")
    status, _rest = screen.finish()
    assert status == 12


def test_the_passphrase_is_asked_on_the_terminal_when_input_and_output_are_files(
    terminal: Callable[..., Any], locked: Path, folder: Path
) -> None:
    with (folder / "out.json").open("wb") as out:
        screen = terminal("--vault", locked, "--json", "case", "list", stdout=out)
        screen.answer("Passphrase:", PASSPHRASE)
        assert screen.finish()[0] == 0
    assert (folder / "out.json").read_text() == "[]\n"


def test_a_line_that_the_terminal_would_cut_is_refused(terminal: Callable[..., Any], locked: Path) -> None:
    """The system cuts a line of a terminal at 4,096 bytes and says nothing: another passphrase would be taken."""
    screen = terminal("--vault", locked, "case", "list")
    screen.answer("Passphrase:", "x" * 2000)
    status, rest = screen.finish()
    assert status == 2
    assert "too long" in rest


@pytest.mark.parametrize("how", [b"\x03", b"\x04"])
def test_giving_up_at_the_prompt_is_an_interruption(terminal: Callable[..., Any], locked: Path, how: bytes) -> None:
    screen = terminal("--vault", locked, "case", "list")
    screen.expect("Passphrase:")
    import time

    time.sleep(0.3)
    os.write(screen.screen_fd, how)
    assert screen.finish()[0] == 130


def test_nobody_is_asked_for_a_passphrase_of_a_vault_that_is_not_there(
    terminal: Callable[..., Any], folder: Path
) -> None:
    screen = terminal("--vault", folder / "none", "case", "list")
    assert screen.finish()[0] == 10
    assert b"Passphrase" not in screen.shown
