"""At a prompt: whatever ends the program, the terminal is as it was, and no core is left of what was typed."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from program import Program

if sys.platform == "win32":
    pytest.skip("left out: terminals of POSIX", allow_module_level=True)

import pty
import resource
import select
import signal
import termios

_SECONDS = 120


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, command: list[str], environment: dict[str, str], folder: Path) -> None:
        _soft, self._hard = resource.getrlimit(resource.RLIMIT_CORE)
        master, self._slave = pty.openpty()
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()
            os.close(os.open(os.ttyname(self._slave), os.O_RDWR))  # becomes the controlling terminal
            for number in range(3):
                os.dup2(self._slave, number)
            resource.setrlimit(resource.RLIMIT_CORE, (self._hard, self._hard))
            os.chdir(folder)  # where a core would be left
            os.execve(command[0], command, environment)  # noqa: S606 -- our own interpreter
        self._master, self.shown = master, b""

    def wait_for(self, text: bytes) -> None:
        end = time.monotonic() + _SECONDS
        while text not in self.shown and time.monotonic() < end:
            self._read()
        assert text in self.shown, self.shown
        while self.echoes and b"assphrase" in text and time.monotonic() < end:
            time.sleep(0.01)

    def _read(self) -> None:
        if select.select([self._master], [], [], 0.1)[0]:
            self.shown += os.read(self._master, 65536)

    def type(self, keys: bytes) -> None:
        os.write(self._master, keys)

    @property
    def echoes(self) -> bool:
        return bool(termios.tcgetattr(self._slave)[3] & termios.ECHO)

    def end(self) -> int:
        """The exit status."""
        end = time.monotonic() + _SECONDS
        while time.monotonic() < end:
            self._read()
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._read()
                return os.waitstatus_to_exitcode(status)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        raise AssertionError(self.shown)

    def close(self) -> None:
        os.close(self._master)
        os.close(self._slave)


@pytest.fixture
def start(tmp_path: Path, source: Path) -> Callable[..., Terminal]:
    program = Program(tmp_path, source)
    environment = program.environment | {"TERM": "xterm"}

    def begin(*arguments: str) -> Terminal:
        return Terminal(
            [sys.executable, "-m", "commands", "--vault", str(tmp_path / "v"), *arguments], environment, tmp_path
        )

    return begin


def keys(typed: bytes) -> Callable[[Terminal], None]:
    return lambda terminal: terminal.type(typed)


def signals(number: int) -> Callable[[Terminal], None]:
    return lambda terminal: os.kill(terminal.pid, number)


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(keys(b"\x03"), id="ctrl-c"),
        pytest.param(keys(b"\x04"), id="ctrl-d"),
        pytest.param(keys(b"\x1c"), id="ctrl-backslash"),
        pytest.param(signals(signal.SIGTERM), id="sigterm"),
        pytest.param(signals(signal.SIGHUP), id="sighup"),
    ],
)
def test_a_prompt_that_is_ended_gives_the_echo_back(
    start: Callable[..., Terminal], end: Callable[[Terminal], None]
) -> None:
    terminal = start("init", "--no-recovery")
    terminal.wait_for(b"New passphrase:")
    end(terminal)
    assert (terminal.end(), terminal.echoes) == (130, True)
    assert b"Traceback" not in terminal.shown
    terminal.close()


@pytest.mark.parametrize("end", [keys(b"\x03"), keys(b"\x1c"), signals(signal.SIGTERM)], ids=["c", "backslash", "term"])
def test_recovery_words_leave_the_screen_however_the_program_ends(
    start: Callable[..., Terminal], end: Callable[[Terminal], None], tmp_path: Path
) -> None:
    (tmp_path / "pass").write_text("correct horse battery staple road\n")
    terminal = start("--passphrase-file", str(tmp_path / "pass"), "init")
    terminal.wait_for(b"Press Enter.")
    end(terminal)
    assert terminal.end() == 130
    assert terminal.shown.rindex(b"\x1b[?1049l") > terminal.shown.rindex(b"\x1b[?1049h")
    assert not (tmp_path / "v").exists()
    terminal.close()


@pytest.mark.skipif(sys.platform != "linux", reason="left out: /proc")
def test_no_core_can_be_left_while_a_passphrase_is_typed(start: Callable[..., Terminal]) -> None:
    terminal = start("init", "--no-recovery")
    terminal.wait_for(b"New passphrase:")
    limits = Path(f"/proc/{terminal.pid}/limits").read_text(encoding="ascii")
    (core,) = [line.split()[4:6] for line in limits.splitlines() if line.startswith("Max core file size")]
    terminal.type(b"\x03")
    terminal.end()
    terminal.close()
    assert core == ["0", "0"]
