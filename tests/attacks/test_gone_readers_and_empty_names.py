"""A reader that goes away loses no file, and an empty name is not the current folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import commands
from vault import KeyFileUnlocker, Vault

KEY = b"k" * 32
ROOT = Path(commands.__file__).resolve().parents[1]


@pytest.fixture
def options(tmp_path: Path) -> list[str]:
    (tmp_path / "key").write_bytes(KEY)
    with Vault.create(tmp_path / "vault", KeyFileUnlocker(KEY)) as vault:
        vault.cases.new("Harbour", code="HARBOUR")
    return ["--vault", str(tmp_path / "vault"), "--key-file", str(tmp_path / "key")]


def run(*arguments: str, cwd: Path, stdout: int = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "commands", *arguments],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_adding_goes_on_when_nobody_reads_the_list_any_more(options: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    for number in range(12):
        (folder / f"{number}.bin").write_bytes(bytes([number]))
    reading, writing = os.pipe()
    os.close(reading)
    run(*options, "add", "HARBOUR", "-r", str(folder), cwd=tmp_path, stdout=writing)
    os.close(writing)
    with Vault.open(tmp_path / "vault", KeyFileUnlocker(KEY)) as vault:
        assert len(vault.cases.get("HARBOUR").items.list()) == 12


@pytest.mark.parametrize(
    "arguments", [["--vault", "", "status"], ["export", "HARBOUR", "--to", ""]], ids=["vault", "to"]
)
def test_an_empty_name_is_refused_and_nothing_is_written(
    options: list[str], tmp_path: Path, arguments: list[str]
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    done = run(*options, *arguments, cwd=here)
    assert (done.returncode, done.stdout) == (2, "")
    assert list(here.iterdir()) == []
