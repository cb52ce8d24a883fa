"""What others were broken by: agents that serve another user, live too long, leave secrets about, or give the same thing twice."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from program import Program
from sessions import Served, receive, until
from vaults import key_file, make_vault

from vault import Vault, errors, meeting, platform

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="left out: Unix sockets")

CANARIES = (b"canary-passphrase heron quay lantern", b"CanaryTitle", b"CanaryNote", b"CanaryBytesOfAFile")
NOBODY = 65534


@pytest.fixture
def another_user() -> int:
    if os.geteuid() != 0:
        pytest.skip("left out: another user, which only root can become")
    return NOBODY


def in_another_user(user: int, work: Callable[[], str]) -> str:
    """What a child of this process says that has become another user."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        with contextlib.suppress(BaseException):
            os.setgroups([])
            os.setgid(user)
            os.setuid(user)
            os.write(writing, work().encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as said:
        text = said.read()
    os.waitpid(child, 0)
    return text


def opened_up(path: Path, runtime: Path) -> None:
    """Take away what the modes protect, so that only the question who is there remains."""
    for folder in (runtime, *runtime.parents[:3]):
        folder.chmod(folder.stat().st_mode | 0o005)
    path.chmod(0o666)


# Another user


def test_the_modes_keep_another_user_from_the_socket(served: Served, another_user: int) -> None:
    def connect() -> str:
        try:
            platform.connect(served.socket_path, seconds=5)
        except PermissionError:
            return "kept out"
        return "let in"

    assert in_another_user(another_user, connect) == "kept out"


def test_an_agent_serves_no_other_user_even_if_the_modes_let_them_in(served: Served, another_user: int) -> None:
    opened_up(served.socket_path, served.runtime_dir)

    def ask() -> str:
        connection = platform.connect(served.socket_path, seconds=10)
        with contextlib.suppress(OSError):
            connection.sendall(b"\0\0\0\2{}")
        return "nothing" if receive(connection) is None else "something"

    assert in_another_user(another_user, ask) == "nothing"
    served.socket_path.chmod(0o600)
    served.runtime_dir.chmod(0o700)
    with served.attach() as vault:
        assert len(vault.cases.list()) == 1


def test_a_folder_of_another_user_is_not_used(served: Served, another_user: int) -> None:
    os.chown(served.runtime_dir, another_user, another_user)
    with pytest.raises(errors.SessionRefused):
        served.attach()
    os.chown(served.runtime_dir, 0, 0)


def test_a_socket_that_another_user_planted_is_refused_before_anything_is_said(
    tmp_path: Path, runtime: Path, another_user: int
) -> None:
    """The file looks like ours in every way; only the kernel knows who listens behind it."""
    make_vault(tmp_path / "v").close()
    meeting.make_private(runtime)
    place = meeting.socket_path(runtime, tmp_path / "v")
    theirs = runtime.parent / "theirs"  # on the same disk, so that the socket can be put into its place
    theirs.mkdir()
    os.chown(theirs, another_user, another_user)
    reading, writing = os.pipe()
    heard, said = os.pipe()
    child = os.fork()
    if not child:
        with contextlib.suppress(BaseException):
            os.chdir(theirs)
            os.setgroups([])
            os.setgid(another_user)
            os.setuid(another_user)
            listener = socket.socket(socket.AF_UNIX)
            listener.bind("s")
            listener.listen()
            os.write(writing, b"ready")
            connection, _address = listener.accept()
            os.write(said, b"got:" + connection.recv(1000))
        os._exit(0)
    try:
        os.close(writing)
        os.close(said)
        assert os.read(reading, 5) == b"ready"
        (theirs / "s").rename(place)
        os.chown(place, 0, 0)
        place.chmod(0o600)
        with pytest.raises(errors.SessionRefused, match="another user"):
            Vault.attach(tmp_path / "v", runtime_dir=runtime)
        assert os.read(heard, 1000) == b"got:", "not a word was said to them"
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reading)
        os.close(heard)


def test_a_pipe_in_place_of_the_socket_holds_nobody_up(tmp_path: Path, runtime: Path) -> None:
    make_vault(tmp_path / "v").close()
    meeting.make_private(runtime)
    os.mkfifo(meeting.socket_path(runtime, tmp_path / "v"), 0o600)
    with pytest.raises(errors.SessionRefused):
        Vault.attach(tmp_path / "v", runtime_dir=runtime)


# Receipts (line 17)


def test_a_grant_is_good_for_one_reading_of_one_object_by_one_client(served: Served) -> None:
    with served.attach() as mine, served.attach() as other:
        grant = mine.keeper.item_open("HARBOUR", 1, act_name="cat")
        with pytest.raises(errors.ReceiptRefused):
            other.keeper.item_close(grant.intent, "done")
        mine.keeper.item_close(grant.intent, "done")
        for client in (mine, other):
            with pytest.raises(errors.ReceiptRefused):
                client.keeper.item_close(grant.intent, "done")
        phases = [entry.phase for entry in mine.log() if grant.intent in (entry.number, entry.answers)]
        assert phases == ["intent", "done"]


def test_after_lock_and_after_the_agents_death_nothing_opens(served: Served) -> None:
    vault = served.attach()
    reading = vault.cases.get("HARBOUR").items.get(1).open()
    served.stop()
    for ask in (
        lambda: list(reading),
        vault.cases.list,
        lambda: vault.cases.get("HARBOUR").items.get(1).open(),
        lambda: vault.search("train"),
        vault.watch,
    ):
        with pytest.raises((errors.SessionOver, errors.NoSession)):
            ask()
    assert vault.has_ended
    vault.close()


# What is left about (line 15)


@pytest.fixture
def unlocked(casevault: Program, home: Path) -> Iterator[tuple[Program, int]]:
    phrase = casevault.folder / "phrase"
    phrase.touch(0o600)
    phrase.write_bytes(CANARIES[0])
    casevault.environment |= {
        name: os.environ[name] for name in ("HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME", "TMPDIR")
    }
    vault = casevault.folder / "secret"
    first = ["--vault", str(vault), "--passphrase-file", str(phrase)]
    for arguments in (["init", "--no-recovery"], ["unlock", "--json"]):
        done = subprocess.run(
            [sys.executable, "-m", "commands", *first, *arguments],
            env=casevault.environment,
            capture_output=True,
            text=True,
            timeout=120,
            start_new_session=True,
        )
        assert done.returncode == 0, done.stderr
    process = json.loads(done.stdout)["session"]["process"]
    casevault.vault = vault
    yield casevault, process
    with contextlib.suppress(OSError):
        os.kill(process, signal.SIGKILL)


@pytest.mark.skipif(sys.platform != "linux", reason="left out: /proc")
def test_the_process_of_a_session_shows_nothing_and_hangs_on_nothing(unlocked: tuple[Program, int], home: Path) -> None:
    program, agent = unlocked
    for arguments, typed in (
        (("case", "new", "-", "--code", "HARBOUR"), "CanaryTitle"),
        (("add", "HARBOUR", "-", "--title", "x"), "CanaryBytesOfAFile"),
        (("note", "HARBOUR/1", "-"), "CanaryNote"),
        (("search", "-"), "CanaryNote"),
        (("cat", "HARBOUR/1"), ""),
    ):
        done = program(*arguments, stdin=typed)
        assert done.status == 0, done.stderr
    place = Path("/proc", str(agent))
    command = place.joinpath("cmdline").read_bytes()
    assert b"vault.launch" in command
    assert str(program.folder).encode() not in command, "neither the vault's path nor where the command was typed"
    limits = place.joinpath("limits").read_text(encoding="ascii")
    assert next(line for line in limits.splitlines() if line.startswith("Max core")).split()[4:6] == ["0", "0"]
    assert os.getsid(agent) != os.getsid(0)
    assert place.joinpath("stat").read_text(encoding="ascii").rpartition(")")[2].split()[4] == "0", "no terminal"
    seen = command
    if os.geteuid() == 0:  # to everybody else the system shows nothing of a process that must not be dumped
        assert place.joinpath("cwd").readlink() == Path("/")
        assert {place.joinpath("fd", each).readlink() for each in "012"} == {Path("/dev/null")}
        seen += place.joinpath("environ").read_bytes()
        assert place.joinpath("environ").stat().st_uid == 0
    for root in (home.parent, program.vault):
        for path in root.rglob("*"):
            seen += os.fsencode(path) + (path.read_bytes() if path.is_file() else b"")
    assert [canary for canary in CANARIES if canary in seen] == []
    assert program("lock").status == 0
    until(lambda: not place.exists())


def test_the_secret_of_a_session_that_did_not_begin_is_in_no_message(tmp_path: Path, runtime: Path) -> None:
    from vault import PassphraseUnlocker
    from vault.launch import Launch, Orders

    make_vault(tmp_path / "v").close()
    orders = Orders(str(tmp_path / "v"), str(runtime), None, False, 60, 60)
    way = PassphraseUnlocker(CANARIES[0].decode())
    assert "canary" not in repr(way)
    with Launch(orders) as launch, pytest.raises(errors.WrongPassphrase) as caught:
        launch.unlock(way)
    assert "canary" not in str(caught.value) + repr(caught.value.fields)
    with Launch(orders) as launch:
        with pytest.raises(errors.WrongPassphrase):
            launch.unlock(way)
        begun = launch.unlock(key_file())
    try:
        with Vault.attach(tmp_path / "v", runtime_dir=runtime) as vault:
            assert vault.cases.list() == ()
            assert vault.client is not None
            vault.client.lock()
    finally:
        with contextlib.suppress(OSError):
            os.kill(begun.process, signal.SIGKILL)


def test_a_vault_that_is_pulled_out_is_not_kept_open(served: Served) -> None:
    served.path.rename(served.path.with_name("elsewhere"))
    end = time.monotonic() + 120
    while not served.has_ended:
        assert time.monotonic() < end
        time.sleep(0.02)
    served.path.with_name("elsewhere").rename(served.path)
