"""Run every command with canaries for secrets and names, and search everything that it left, and its arguments, for them."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from somebody import material

from commands import cli
from crypto import kdf
from vault import PassphraseUnlocker, Vault

PASSPHRASE = "canary-passphrase heron quay lantern"
NEW_PASSPHRASE = "canary-new-passphrase crane bridge ember"
TITLE, PERSON, NOTE, STATEMENT = "CanaryTitle", "CanaryPerson", "CanaryNote", "CanaryStatement"
FURTHER_PASSPHRASE = "canary-further-passphrase owl meadow kettle"
TAG, PURPOSE, CONTENT, LABEL = "CanaryTag", "CanaryPurpose", "CanaryBytesOfAFile", "CanaryLabel"
PARTNER, OWN_NAME = "CanaryPartner", "CanaryOffice"
CANARIES = (
    *(PASSPHRASE, NEW_PASSPHRASE, FURTHER_PASSPHRASE),
    *(TITLE, PERSON, NOTE, STATEMENT, TAG, PURPOSE, CONTENT, LABEL, PARTNER, OWN_NAME),
)

# What is typed stands last; every name goes in through standard input.
RUNS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("init", "--recovery-file", "OUT/words"), ""),
    (("status",), ""),
    (("case", "new", "-", "--code", "HARBOUR"), TITLE),
    (("case", "list"), ""),
    (("case", "edit", "HARBOUR", "--description", "-"), NOTE),
    (("case", "show", "HARBOUR", "--purpose", "-"), PURPOSE),
    (("add", "HARBOUR", "OUT/original.txt"), ""),
    (("add", "HARBOUR", "--text", "-", "--title", "x"), STATEMENT),
    (("items", "HARBOUR"), ""),
    (("show", "HARBOUR/1"), ""),
    (("edit", "HARBOUR/1", "--title", "-"), TITLE),
    (("revise", "HARBOUR/1", "OUT/original2.txt"), ""),
    (("note", "HARBOUR/1", "-"), NOTE),
    (("tag", "HARBOUR/1", "-"), TAG),
    (("statement", "HARBOUR/1", "--place", "-"), NOTE),
    (("person", "add", "HARBOUR", "-"), PERSON),
    (("person", "list"), ""),
    (("person", "edit", "HARBOUR/p1", "--phone", "-"), NOTE),
    (("person", "show", "HARBOUR/p1"), ""),
    (("search", "-"), STATEMENT),
    (("identity", "name", "-"), OWN_NAME),
    (("identity", "show"), ""),
    (("identity", "card", "-o", "OUT/our.card"), ""),
    (("partner", "add", "OUT/lena.card", "--name", "-"), PARTNER),
    (("partner", "list"), ""),
    (("partner", "show", "-"), PARTNER),
    (("partner", "verify", "-", "--heard", "OUT/heard"), PARTNER),
    (("seal", "HARBOUR", "--all", "--to", "-", "--with", "names,notes,tags", "--person", "p1", "--yes"), PARTNER),
    (("unlock",), ""),
    (("seal", "HARBOUR", "--all", "--to", "-", "--yes", "-o", "sealed.age"), PARTNER),
    (("lock",), ""),
    (("partner", "remove", "-", "--yes"), PARTNER),
    (("init", "--vault", "second", "--no-recovery"), ""),
    (("identity", "card", "--vault", "second", "-o", "OUT/second.card"), ""),
    (("partner", "add", "OUT/our.card", "--name", "-", "--vault", "second"), PARTNER),
    (("partner", "add", "OUT/second.card", "--name", "-"), PARTNER),
    (("seal", "HARBOUR", "--item", "1", "--to", "-", "--yes", "-o", "second.age"), PARTNER),
    (("open", "second.age", "--vault", "second", "--accept-unverified", "--receipt", "receipt.age"), ""),
    (("receipt", "receipt.age"), ""),
    (("grants",), ""),
    (("search", "-"), STATEMENT),
    (("unlock", "--for", "30m"), ""),
    (("status",), ""),
    (("items", "HARBOUR"), ""),
    (("note", "HARBOUR/1", "-"), NOTE),
    (("search", "-"), STATEMENT),
    (("cat", "HARBOUR/1"), ""),
    (("lock",), ""),
    (("cat", "HARBOUR/1"), ""),
    (("export", "HARBOUR", "--to", "OUT"), ""),
    (("passphrase", "change", "--new-passphrase-file", "OUT/new"), ""),
    (("key", "add", "--new-passphrase-file", "OUT/further", "--label", "-"), LABEL),
    (("key", "list"), ""),
    (("key", "remove", "-", "--yes"), LABEL),
    (("check", "--read-data"), ""),
    (("log", "list"), ""),
    (("log", "verify"), ""),
    (("log", "status"), ""),
    (("log", "head"), ""),
    (("log", "export", "--to", "OUT"), ""),
    (("backup", "stick"), ""),
    (("restore", "stick", "--vault", "restored"), ""),
    (("drop", "OUT/original.txt", "--to", "OUT/our.card", "-o", "dropped.age"), ""),
    (("inspect", "dropped.age"), ""),
    (("open", "dropped.age", "--into", "HARBOUR"), ""),
    (("person", "remove", "HARBOUR/p1", "--yes", "--reason", "-"), NOTE),
    (("delete", "HARBOUR/1", "--yes", "--reason", "-"), NOTE),
    (("case", "delete", "HARBOUR", "--confirm", "HARBOUR"), ""),
)


GROUPS = ("case", "key", "person", "passphrase", "identity", "partner", "log")


def names(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        if isinstance(command, click.Group):
            yield from names(command, (*path, name))
        else:
            yield (*path, name)


def contents(*roots: Path) -> Iterator[tuple[Path, bytes]]:
    for root in roots:
        for path in root.rglob("*"):
            yield path, os.fsencode(path)
            if path.is_file():
                yield path, path.read_bytes()


def found_in(data: bytes) -> list[str]:
    return [
        canary
        for canary in CANARIES
        for encoding in ("utf-8", "utf-16-le", "utf-32-le")
        if canary.encode(encoding) in data or canary.swapcase().encode(encoding) in data
    ]


def watched(process: subprocess.Popen[bytes], typed: bytes) -> tuple[bytes, bytes, bytes]:
    """What a neighbour sees in the list of processes while the program runs, and what the program said."""
    seen = b""
    folder = Path("/proc") / str(process.pid)
    if folder.exists():
        seen += (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
    assert process.stdin is not None
    process.stdin.write(typed)
    process.stdin.close()
    process.stdin = None
    end = time.monotonic() + 60
    while process.poll() is None and folder.exists() and time.monotonic() < end:
        try:
            for task in folder.glob("task/*/children"):
                for child in task.read_text().split():
                    seen += Path("/proc", child, "cmdline").read_bytes()
            seen += (folder / "cmdline").read_bytes()
        except OSError:  # it ended between two looks
            break
        time.sleep(0.01)
    stdout, stderr = process.communicate(timeout=60)
    return seen, stdout, stderr


def make_cheap(vault: Path) -> None:
    """The same vault again, where a passphrase costs the least that is allowed and not a second, for sixty commands to open."""
    shutil.rmtree(vault)
    Vault.create(vault, PassphraseUnlocker(PASSPHRASE), cost=kdf.FLOOR).close()


@pytest.mark.skipif(sys.platform != "linux", reason="left out: /proc")
def test_no_command_leaves_a_secret_or_a_name_anywhere(cv: Any, home: Path, tmp_path: Path) -> None:
    covered = {arguments[: 2 if arguments[0] in GROUPS else 1] for arguments, _typed in RUNS}
    assert set(names(cli.root)) - covered == {
        ("demo",),
        ("help",),
        ("completion",),
        ("help-partner",),
        ("view",),
        ("write",),
    }  # the tests of these look at what they leave
    out = cv.folder / "out"
    out.mkdir()
    for name, content in {
        "old": PASSPHRASE,
        "new": NEW_PASSPHRASE,
        "further": FURTHER_PASSPHRASE,
        "original.txt": CONTENT,
        "original2.txt": "2",
    }.items():
        (out / name).touch(0o600)
        (out / name).write_text(content)
    for name, card in material().items():
        (out / name).write_bytes(card)
    watching = cv.folder / "elsewhere"
    watching.mkdir()
    passphrase = out / "old"
    for arguments, typed in RUNS:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "commands", "--vault", str(watching / "vault"), "--debug"),
                *("--passphrase-file", str(passphrase)),
                *(argument.replace("OUT", str(out)) for argument in arguments),
            ],
            cwd=watching,
            env=os.environ | {"PYTHONPATH": str(Path(cli.__file__).parents[1])},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        seen, _stdout, stderr = watched(process, typed.encode())
        assert process.returncode == 0, (arguments, stderr)
        assert b"commands" in seen
        assert found_in(seen) == [], arguments
        assert [canary for canary in found_in(stderr) if "passphrase" in canary] == [], arguments
        if arguments[0] == "passphrase":
            passphrase = out / "new"
        for path, data in contents(home.parent, watching):
            assert found_in(data) == [], (arguments, path)
        if arguments[0] == "init":
            make_cheap(watching / ("second" if "second" in arguments else "vault"))
    # The same looking finds a name that does stand among the arguments, and words that do lie in the clear.
    process = cv.start("case", "new", TITLE)
    assert found_in(watched(process, b"")[0]) == [TITLE]
    assert found_in(b"...".join(data for _path, data in contents(out))) != []  # the search does find


@pytest.mark.skipif(sys.platform != "linux", reason="left out: /proc")
def test_a_wrong_passphrase_a_damage_and_a_crash_of_ours_say_nothing_of_it(cv: Any, locked: Path, home: Path) -> None:
    wrong = cv.secret("wrong", b"canary-passphrase that is wrong")
    for arguments, status in (
        (("--vault", locked, "--passphrase-file", wrong, "--debug", "case", "list"), 12),
        (("--vault", locked, "--passphrase-file", wrong, "--debug", "init"), 15),
    ):
        done = cv.bare(*arguments, status=status)
        assert "canary" not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
    for _path, data in contents(home.parent):
        assert b"canary" not in data


def test_no_core_is_left_by_a_process_that_holds_keys(harbour: Any) -> None:
    """What a crash would write to the disk holds every key: the program forbids it before it opens a vault."""
    if sys.platform != "linux":
        pytest.skip("left out: /proc")
    process = harbour.start("add", "HARBOUR", "-", "--title", "waiting")
    process.stdin.write(b"x" * 300_000)
    process.stdin.flush()
    limits = Path("/proc", str(process.pid), "limits")
    end = time.monotonic() + 120
    while not any(path.is_file() for path in (harbour.vault / "staging").rglob("*")):
        assert time.monotonic() < end
        time.sleep(0.02)
    line = next(line for line in limits.read_text().splitlines() if line.startswith("Max core file size"))
    process.communicate(timeout=60)
    assert line.split()[4:6] == ["0", "0"]
