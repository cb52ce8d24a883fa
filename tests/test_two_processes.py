"""Two processes at one vault: one works, the other hears at once that it is taken, and has changed nothing."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from scenarios import OLD, build, child_environment, clock, contents

from vault import Vault, errors, inspect_folder

needs_signals = pytest.mark.skipif(
    sys.platform == "win32", reason="left out: kill -9 and SIGSTOP, which Windows has not"
)

HOLD = """
import sys
from pathlib import Path
import scenarios
from vault import Vault
with Vault.open(Path(sys.argv[1]), scenarios.OLD, clock=scenarios.clock) as vault:
    print("open", flush=True)
    for line in sys.stdin:
        vault.cases.get("HARBOUR").items.add_text(line)
        print("done", flush=True)
"""

OPEN = """
import sys
from pathlib import Path
import scenarios
from vault import Vault, errors
try:
    Vault.open(Path(sys.argv[1]), scenarios.OLD, clock=scenarios.clock).close()
    print("opened")
except errors.VaultError as error:
    print(type(error).__name__)
"""

CREATE = """
import sys
from pathlib import Path
import scenarios
from vault import Vault, errors
sys.stdin.readline()
try:
    Vault.create(Path(sys.argv[1]), scenarios.OLD, clock=scenarios.clock).close()
    print("created")
except errors.VaultError as error:
    print(type(error).__name__)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    build(tmp_path / "vault", cases=2)
    return tmp_path / "vault"


def _start(program: str, path: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", program, str(path)],
        env=child_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@contextmanager
def _held(path: Path) -> Iterator["subprocess.Popen[str]"]:
    holder = _start(HOLD, path)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "open\n"
    try:
        yield holder
    finally:
        holder.communicate()


def _work(holder: "subprocess.Popen[str]", text: str) -> None:
    assert holder.stdin is not None
    assert holder.stdout is not None
    holder.stdin.write(text + "\n")
    holder.stdin.flush()
    assert holder.stdout.readline() == "done\n"


def _files(path: Path) -> dict[str, tuple[int, str]]:
    return {
        str(file.relative_to(path)): (file.stat().st_mtime_ns, hashlib.sha256(file.read_bytes()).hexdigest())
        for file in path.rglob("*")
        if file.is_file()
    }


@pytest.mark.slow
def test_the_second_process_is_refused_and_changes_nothing_while_the_first_works_on(path: Path) -> None:
    with _held(path) as holder:
        _work(holder, "first page")
        before = _files(path)
        with pytest.raises(errors.VaultInUse):
            Vault.open(path, OLD, clock=clock)
        second = subprocess.run(
            [sys.executable, "-c", OPEN, str(path)], env=child_environment(), capture_output=True, text=True, timeout=60
        )
        assert second.stdout == "VaultInUse\n"
        assert _files(path) == before
        _work(holder, "second page")
    with Vault.open(path, OLD, clock=clock) as vault:
        assert vault.warnings == ()
        assert len(vault.cases.get("HARBOUR").items.list()) == 4


def test_a_second_vault_in_the_same_process_is_refused_too(path: Path) -> None:
    with Vault.open(path, OLD, clock=clock) as vault:
        with pytest.raises(errors.VaultInUse):
            Vault.open(path, OLD, clock=clock)
        assert len(vault.cases.list()) == 2
    Vault.open(path, OLD, clock=clock).close()


@needs_signals
def test_a_killed_holder_leaves_the_vault_free(path: Path) -> None:
    with _held(path) as holder:
        _work(holder, "first page")
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
        with Vault.open(path, OLD, clock=clock) as vault:
            assert len(vault.cases.get("HARBOUR").items.list()) == 3
            assert vault.check(read_data=True).findings == ()


@needs_signals
def test_a_stopped_holder_holds_on(path: Path) -> None:
    with _held(path) as holder:
        os.kill(holder.pid, signal.SIGSTOP)
        try:
            with pytest.raises(errors.VaultInUse):
                Vault.open(path, OLD, clock=clock)
        finally:
            os.kill(holder.pid, signal.SIGCONT)


def test_a_folder_can_be_looked_at_while_it_is_worked_on(path: Path) -> None:
    assert not inspect_folder(path).in_use
    with _held(path) as holder:
        facts = inspect_folder(path)
        assert (facts.in_use, facts.compartments, facts.object_files) == (True, 2, 4)
        # Files come and go under the eyes of whoever looks.
        for number in range(10):
            assert holder.stdin is not None
            holder.stdin.write(f"page {number}\n")
            holder.stdin.flush()
            for _ in range(20):
                assert inspect_folder(path).in_use
        assert holder.stdout is not None
        assert [holder.stdout.readline() for _ in range(10)] == ["done\n"] * 10
        assert inspect_folder(path).object_files == 14


@pytest.mark.slow
def test_looking_at_a_folder_does_not_keep_its_owner_out(path: Path) -> None:
    looking = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys; from pathlib import Path; from vault import inspect_folder\n"
            "print(flush=True)\n"
            "while True: inspect_folder(Path(sys.argv[1]))",
            str(path),
        ],
        env=child_environment(),
        stdout=subprocess.PIPE,
    )
    try:
        assert looking.stdout is not None
        looking.stdout.readline()
        for _ in range(100):
            Vault.open(path, OLD, clock=clock).close()
        assert looking.poll() is None, "the one who looks was not disturbed either"
    finally:
        looking.kill()
        looking.communicate()


@pytest.mark.slow
def test_of_two_that_make_a_vault_at_the_same_place_one_makes_it(tmp_path: Path) -> None:
    for number in range(3):
        place = tmp_path / str(number)
        makers = [_start(CREATE, place) for _ in range(3)]
        time.sleep(0.5)
        for maker in makers:
            assert maker.stdin is not None
            maker.stdin.write("now\n")
            maker.stdin.flush()
        said = sorted(maker.communicate()[0].strip() for maker in makers)
        assert said.count("created") <= 1
        assert set(said) <= {"created", "AlreadyThere", "VaultInUse"}
        with Vault.open(place, OLD, clock=clock) as vault:
            assert vault.check(read_data=True).findings == ()
            assert contents(vault) == ()
        assert [entry.name for entry in tmp_path.iterdir() if entry.name.startswith(".")] == []
