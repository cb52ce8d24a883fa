"""The program as a user runs it: in a process of its own, without a terminal or on a real one, against real vaults.

The vaults here open by key file: Argon2id takes a second each time, and only what is about passphrases should wait for it.
"""

import contextlib
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import commands
from vault import KeyFileUnlocker, PassphraseUnlocker, Vault

ROOT = Path(commands.__file__).resolve().parents[1]
KEY = b"a key file of the tests, 32 byte"
PASSPHRASE = "seven quiet herons over the harbour at dawn"
# A session of its own has no controlling terminal; opening one makes it the controlling one.
ON_TERMINAL = (
    "import os, sys; os.close(os.open(os.ttyname(0), os.O_RDWR)); from commands.cli import main; sys.exit(main())"
)


def environment(**more: str) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", "LANGUAGE": "en"} | more


@dataclass
class Done:
    status: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)

    @property
    def lines(self) -> list[list[str]]:
        return [line.split("\t") for line in self.stdout.splitlines()]


def start(
    *arguments: str | Path, cwd: Path | None = None, stdout: Any = subprocess.PIPE, **variables: str
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "commands", *map(os.fspath, arguments)],
        cwd=cwd,
        env=environment(**variables),
        stdin=subprocess.PIPE,
        stdout=stdout,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def run(*arguments: str | Path, typed: str | bytes = b"", cwd: Path | None = None, **variables: str) -> Done:
    process = start(*arguments, cwd=cwd, **variables)
    stdout, stderr = process.communicate(typed.encode() if isinstance(typed, str) else typed, timeout=120)
    return Done(process.returncode, stdout.decode(), stderr.decode())


@dataclass
class Program:
    """`casevault` with a vault and a key file of its own."""

    folder: Path
    vault: Path
    key_file: Path

    def __call__(self, *arguments: str | Path, typed: str | bytes = b"", status: int = 0, **variables: str) -> Done:
        done = run(*self.options, *arguments, typed=typed, cwd=self.folder, **variables)
        assert done.status == status, done.stderr
        return done

    def bare(self, *arguments: str | Path, typed: str | bytes = b"", status: int = 0, **variables: str) -> Done:
        """Without --vault and --key-file."""
        done = run(*arguments, typed=typed, cwd=self.folder, **variables)
        assert done.status == status, done.stderr
        return done

    @property
    def options(self) -> tuple[str | Path, ...]:
        return ("--vault", self.vault, "--key-file", self.key_file)

    def start(self, *arguments: str | Path, **more: Any) -> subprocess.Popen[bytes]:
        return start(*self.options, *arguments, cwd=self.folder, **more)

    def start_bare(self, *arguments: str | Path, **more: Any) -> subprocess.Popen[bytes]:
        """Without --vault and --key-file."""
        return start(*arguments, cwd=self.folder, **more)

    @property
    def environment(self) -> dict[str, str]:
        return environment()

    def file(self, name: str, content: bytes = b"bytes of an original") -> Path:
        path = self.folder / name
        path.write_bytes(content)
        return path

    def secret(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        path.touch(0o600)
        path.write_bytes(content)
        return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "work"
    path.mkdir(mode=0o700)
    return path


@pytest.fixture
def cv(folder: Path) -> Program:
    """The program with an empty vault that a key file opens."""
    program = Program(folder, folder / "vault", folder / "key")
    program.secret("key", KEY)
    Vault.create(program.vault, KeyFileUnlocker(KEY)).close()
    return program


@pytest.fixture
def harbour(cv: Program) -> Program:
    """The program with a vault that holds the case HARBOUR."""
    with Vault.open(cv.vault, KeyFileUnlocker(KEY)) as vault:
        vault.cases.new("Harbour Street", code="HARBOUR")
    return cv


@pytest.fixture
def locked(folder: Path) -> Path:
    """A vault that a passphrase opens."""
    path = folder / "locked"
    from crypto import kdf

    Vault.create(path, PassphraseUnlocker(PASSPHRASE), cost=kdf.FLOOR).close()
    return path


@dataclass
class Terminal:
    """The program on a terminal of its own: what it shows, and what is typed."""

    process: subprocess.Popen[bytes]
    screen_fd: int
    shown: bytes = b""
    read_up_to: int = 0
    typed: list[bytes] = field(default_factory=list)

    def expect(self, text: str, seconds: float = 120) -> str:
        """Wait until text is shown; returns everything since the last time."""
        wanted = text.encode()
        end = time.monotonic() + seconds
        while wanted not in self.shown[self.read_up_to :]:
            if time.monotonic() > end or not self._read(0.2):
                raise AssertionError(f"{text!r} is not in {self.shown[self.read_up_to :]!r}")
        place = self.shown.index(wanted, self.read_up_to) + len(wanted)
        new, self.read_up_to = self.shown[self.read_up_to : place], place
        return new.decode(errors="replace")

    def send(self, line: str | bytes) -> None:
        # A prompt without echo throws away what was typed before it began to listen.
        time.sleep(0.1)
        os.write(self.screen_fd, (line.encode() if isinstance(line, str) else line) + b"\n")

    def answer(self, question: str, line: str | bytes) -> str:
        shown = self.expect(question)
        self.send(line)
        return shown

    def interrupt(self) -> None:
        os.write(self.screen_fd, b"\x03")

    def finish(self, seconds: float = 120) -> tuple[int, str]:
        end = time.monotonic() + seconds
        while self._read(0.2):
            assert time.monotonic() < end, self.shown
        return self.process.wait(60), self.shown[self.read_up_to :].decode(errors="replace")

    def succeed(self, *, unseen: tuple[bytes, ...]) -> str:
        """As ``finish``, for what has to end well and must never have shown some words."""
        status, rest = self.finish()
        assert status == 0, rest
        for word in unseen:
            assert word not in self.shown
        return rest

    def _read(self, seconds: float) -> bool:
        """False once the program has ended and nothing is left to be read."""
        if not select.select([self.screen_fd], [], [], seconds)[0]:
            return self.process.poll() is None
        try:
            piece = os.read(self.screen_fd, 65536)
        except OSError:  # the other side is closed
            return False
        self.shown += piece
        return bool(piece)


@pytest.fixture
def terminal(folder: Path) -> Iterator[Callable[..., Terminal]]:
    """Starts the program on a terminal, of so many columns; further arguments redirect stdin or stdout away from it."""
    if sys.platform == "win32":
        pytest.skip("left out: there are no pseudo-terminals on Windows")
    import fcntl
    import pty
    import struct
    import termios

    opened: list[Terminal] = []

    def begin(
        *arguments: str | Path, stdout: Any = None, term: str = "dumb", columns: int = 0, **variables: str
    ) -> Terminal:
        screen, program_side = pty.openpty()
        if columns:
            fcntl.ioctl(program_side, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        process = subprocess.Popen(
            [sys.executable, "-c", ON_TERMINAL, *map(os.fspath, arguments)],
            cwd=folder,
            env=environment(TERM=term, COLUMNS=str(columns or 400), **variables),
            stdin=program_side,
            stdout=program_side if stdout is None else stdout,
            stderr=program_side,
            start_new_session=True,
        )
        os.close(program_side)
        opened.append(Terminal(process, screen))
        return opened[-1]

    yield begin
    for each in opened:
        if each.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                each.process.send_signal(signal.SIGKILL)
            each.process.wait(60)
        os.close(each.screen_fd)


@pytest.fixture
def words_of() -> Callable[[str], dict[int, str]]:
    """The numbered recovery words on a screen."""

    def find(screen: str) -> dict[int, str]:
        return {int(number): word for number, word in re.findall(r"(\d+)\. (\w+)", screen)}

    return find
