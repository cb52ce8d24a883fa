"""What is added may be deep, strange, or our own vault: it is stored or refused by name, and stops nothing else."""

import os
import sys
from pathlib import Path

import pytest
from program import Program

from vault import errors, files, intake

posix = pytest.mark.skipif(sys.platform == "win32", reason="left out: links, pipes and deep folders of POSIX")


@posix
def test_a_folder_deeper_than_python_recurses_is_stored(casevault: Program, tmp_path: Path) -> None:
    top = tmp_path / "deep"
    top.mkdir()
    folder = os.open(top, os.O_RDONLY)
    for _ in range(1300):
        os.mkdir("d", dir_fd=folder)
        inner = os.open("d", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = inner
    with os.fdopen(os.open("leaf", os.O_CREAT | os.O_WRONLY, 0o600, dir_fd=folder), "w") as file:
        file.write("x")
    os.close(folder)
    done = casevault("add", "HARBOUR", "-r", "deep", "--json")
    files.remove_tree(top)  # pytest's own way of removing recurses
    assert (done.status, len(done.json()["stored"])) == (0, 1), done.stderr


@posix
def test_a_folder_too_deep_for_a_path_is_named_and_does_not_stop_the_others(casevault: Program, tmp_path: Path) -> None:
    (tmp_path / "all").mkdir()
    (tmp_path / "all" / "z.txt").write_text("x")
    folder = os.open(tmp_path / "all", os.O_RDONLY)
    for _ in range(30):
        os.mkdir("d" * 200, dir_fd=folder)
        inner = os.open("d" * 200, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = inner
    os.close(folder)
    done = casevault("add", "HARBOUR", "-r", "all", "--json")
    answer = done.json()
    assert (done.status, len(answer["stored"]), len(answer["failed"])) == (1, 1, 1), done.stderr
    assert "unexpected" not in done.stderr


@posix
def test_a_name_that_is_too_long_does_not_stop_the_others(casevault: Program, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_text("x")
    answer = casevault("add", "HARBOUR", "-r", "n" * 300, "a", "--json").json()
    assert (len(answer["stored"]), len(answer["failed"])) == (1, 1)


def test_the_vaults_own_files_are_not_stored_in_it(casevault: Program, tmp_path: Path) -> None:
    casevault.add(b"x")
    own = ["vault/header.a", "vault/vault-1.db", "vault/lock"]
    for arguments in (own, ["-r", "vault/objects"], ["-r", "vault"], ["-r", "vault/../vault/cases"]):
        answer = casevault("add", "HARBOUR", *arguments, "--json").json()
        assert (answer["stored"], answer["failed"]) == ([], [])
        assert {each["why"] for each in answer["skipped"]} == {"the vault itself"}
    assert casevault("revise", "HARBOUR/1", "vault/header.a").status == 15


@posix
def test_a_link_into_the_vault_is_not_stored(casevault: Program, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("vault/header.a")
    assert casevault("add", "HARBOUR", "link", "--json").json()["stored"] == []


@posix
def test_links_pipes_and_loops_are_named(casevault: Program, tmp_path: Path) -> None:
    folder = tmp_path / "all"
    folder.mkdir()
    os.mkfifo(folder / "pipe")
    (folder / "loop").symlink_to("loop")
    (folder / "up").symlink_to("..")
    (folder / "-rf").write_text("x")
    answer = casevault("add", "HARBOUR", "-r", "all", "--json").json()
    assert [each["title"] for each in answer["stored"]] == ["-rf"]
    assert [each["path"] for each in answer["failed"]] == ["all/pipe"]
    assert sorted(each["path"] for each in answer["skipped"]) == ["all/loop", "all/up"]


@posix
def test_a_file_that_becomes_a_pipe_before_it_is_opened_does_not_hang(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_text("x")
    before = path.stat()
    path.unlink()
    os.mkfifo(path)
    monkeypatch.setattr(Path, "stat", lambda *_, **__: before)
    with pytest.raises(errors.NotAFile), intake.SourceFile(path):
        pass
