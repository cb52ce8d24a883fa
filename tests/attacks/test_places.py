"""Places that are odd, gone or nowhere: a line and a status of the table, never a surprise."""

import os
import sys
from pathlib import Path

import platformdirs
import pytest
from program import Program

from commands._places import state_folder
from commands.cli import main

posix = pytest.mark.skipif(sys.platform == "win32", reason="left out: links and pipes of POSIX")


def test_a_user_without_a_home_is_told_to_name_the_vault(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def homeless(*_: object, **__: object) -> Path:
        raise RuntimeError

    monkeypatch.setattr(platformdirs, "user_data_path", homeless)
    monkeypatch.setattr(platformdirs, "user_state_path", homeless)
    assert (main(["status"]), state_folder()) == (10, None)
    assert "--vault PATH" in capsys.readouterr().err


@posix
@pytest.mark.parametrize("option", ["--key-file", "--recovery-file"])
def test_init_names_a_link_that_leads_in_a_circle(casevault: Program, tmp_path: Path, option: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    done = casevault("--vault", "other", "init", "--no-passphrase", "--recovery-file", "words", option, "loop")
    assert done.status != 0
    assert "loop" in done.stderr
    assert "unexpected" not in done.stderr
    assert not (tmp_path / "other").exists()


@posix
def test_a_pipe_in_place_of_a_header_is_not_waited_for(casevault: Program) -> None:
    (casevault.vault / "header.a").unlink()
    os.mkfifo(casevault.vault / "header.a")
    assert casevault("status").status == 0


@posix
@pytest.mark.parametrize("place", ["a\nb\x1b[31m", "-rf", "--help", "x/../vault"])
def test_a_vault_opens_wherever_it_lies_and_its_path_is_shown_on_one_line(
    casevault: Program, tmp_path: Path, place: str
) -> None:
    (tmp_path / "x").mkdir()
    if place != "x/../vault":
        casevault.vault.rename(tmp_path / place)
    casevault.vault = Path(place)
    done = casevault("status")
    assert done.status == 0, done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    assert len(done.stdout.splitlines()[0].split(": ", 1)[1]) > len(str(tmp_path))


@posix
@pytest.mark.parametrize("mask", ["000", "777"])
def test_what_is_made_is_the_owners_under_every_umask(casevault: Program, tmp_path: Path, mask: str) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "out").mkdir()
    casevault.umask = mask
    for arguments in (
        ("add", "HARBOUR", "file"),
        ("export", "HARBOUR", "--to", "out"),
        ("--vault", "parent/deep/vault", "init", "--no-passphrase", "--recovery-file", "words"),
    ):
        done = casevault(*arguments)
        assert done.status == 0, done.stderr
    made = [casevault.vault, tmp_path / "out" / "HARBOUR", tmp_path / "parent", tmp_path / "words"]
    for path in made + [inner for each in made for inner in each.rglob("*")]:
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path


def test_files_that_may_not_be_read_are_no_mistake_in_the_command_line(
    casevault: Program, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    casevault.add(b"x")
    monkeypatch.setattr(os, "access", lambda *_, **__: False)
    monkeypatch.chdir(casevault.folder)
    opening = ["--vault", str(casevault.vault), "--key-file", str(casevault.key_file)]
    for arguments in (["add", "HARBOUR", "file.txt"], ["revise", "HARBOUR/1", "file.txt"], ["case", "list"]):
        assert main([*opening, *arguments]) == 0, capsys.readouterr().err
