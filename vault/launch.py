"""Beginning a session: a process of its own that gets its orders and the secret by a pipe, and then serves.

Nothing of the vault stands among the process's arguments. Until a secret is right it only waits, without keys, and it
ends when whoever started it does.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any

from vault import errors, meeting, platform, wire

if TYPE_CHECKING:
    from vault.unlock import Unlocker

# Only where this package lies; everything else, the caller's folder among it, is told by the pipe.
_PROGRAM = "import sys; sys.path.insert(0, {root!r}); from vault.launch import main; main()"


@dataclass(frozen=True, slots=True)
class Orders:
    """What an agent is told when it starts."""

    path: str
    runtime_dir: str
    state_dir: str | None
    accept_older: bool
    idle_seconds: int
    absolute_seconds: int


@dataclass(frozen=True, slots=True)
class Begun:
    """A session has begun."""

    process: int


class Launch:
    """An agent that waits for the secret; a context manager. Without the right one it ends with it."""

    def __init__(self, orders: Orders) -> None:
        """Start the process. Raises ``SessionUnavailable``, ``SessionRefused``."""
        if not platform.can_meet() or not sys.executable:
            raise errors.SessionUnavailable(reason="this system has no sockets for one user's processes")
        meeting.make_private(Path(orders.runtime_dir))
        program = _PROGRAM.format(root=str(Path(__file__).resolve().parents[1]))
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-c", program],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,
                bufsize=0,
            )
        except OSError as error:
            raise errors.SessionUnavailable(reason=os.strerror(error.errno or 0)) from None
        self._process.wait()  # it has parted from us: nobody's child, and of no terminal
        search = tuple(os.path.abspath(each) for each in sys.path)  # noqa: PTH100 -- "" is the current folder
        self._send(wire.encode(search))
        self._send(wire.encode(orders))

    def unlock(self, unlocker: Unlocker) -> Begun:
        """Open the vault and begin to serve. Raises as ``Vault.open`` does; after ``WrongPassphrase`` try another."""
        self._send(wire.encode(unlocker))
        begun = self._answer()
        if not isinstance(begun, Begun):
            raise errors.SessionUnavailable(reason="its process did not begin")
        return begun

    def _send(self, value: object) -> None:
        with contextlib.suppress(OSError):  # what went wrong is in its answer, or there is none
            _input(self._process).write(wire.frame({"order": value}, largest=wire.LARGEST_REQUEST_BYTES))

    def _answer(self) -> object:
        try:
            answer = _read(_output(self._process))
            if answer.keys() == {"answer"}:
                return wire.decode(answer["answer"])
            error = wire.decode_error(answer.get("error"))
        except (OSError, EOFError, wire.Malformed):
            raise errors.SessionUnavailable(reason="its process ended") from None
        raise error

    def __enter__(self) -> Launch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # An agent that has not begun ends when nobody is there to tell it more.
        _input(self._process).close()
        _output(self._process).close()


def _input(process: subprocess.Popen[bytes]) -> IO[bytes]:
    if process.stdin is None:
        raise RuntimeError("started with a pipe")
    return process.stdin


def _output(process: subprocess.Popen[bytes]) -> IO[bytes]:
    if process.stdout is None:
        raise RuntimeError("started with a pipe")
    return process.stdout


def _read(source: IO[bytes]) -> dict[str, Any]:
    size = wire.announced_size(_exactly(source, wire.PREFIX_BYTES), largest=wire.LARGEST_REQUEST_BYTES)
    return wire.parse(_exactly(source, size))


def _exactly(source: IO[bytes], size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        part = source.read(size - len(parts))
        if not part:
            raise EOFError
        parts += part
    return bytes(parts)


# In the new process


def main() -> None:
    """Be an agent: orders and secrets come on standard input, what came of them goes to standard output."""
    platform.harden_process()
    platform.leave_parent()
    os.umask(0o077)
    orders_from, answers_to = os.fdopen(0, "rb", buffering=0), os.fdopen(1, "wb", buffering=0)
    status = 1
    with contextlib.suppress(OSError, EOFError, wire.Malformed):
        status = _serve(orders_from, answers_to)
    # Without the interpreter's farewell: a thread may be stuck on a disk that does not answer.
    os._exit(status)


def _serve(orders_from: IO[bytes], answers_to: IO[bytes]) -> int:
    sys.path[:] = wire.decode(_read(orders_from).get("order"), tuple[str, ...])
    from vault.agent import Agent

    orders: Orders = wire.decode(_read(orders_from).get("order"), Orders)

    def answer(message: dict[str, object]) -> None:
        answers_to.write(wire.frame(message, largest=wire.LARGEST_ANSWER_BYTES))

    opened = None
    while opened is None:
        try:
            opened = _opened(orders, _read(orders_from).get("order"))
        except errors.VaultError as error:
            answer({"error": wire.encode_error(error)})
            if not isinstance(error, errors.WrongPassphrase):
                return 1
        except Exception as error:  # noqa: BLE001 -- nobody else can say it, and its message may hold anything
            answer({"error": wire.encode_error(errors.SessionFailed(kind=type(error).__name__, place="start"))})
            return 1
    vault, listener, path, ahead = opened
    agent = Agent(
        vault,
        listener,
        path,
        idle_seconds=orders.idle_seconds,
        absolute_seconds=orders.absolute_seconds,
        ahead=ahead,
    )
    for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"):
        signal.signal(getattr(signal, name), lambda *_: agent.end("signal"))
    answer({"answer": wire.encode(Begun(os.getpid()))})
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)
    return 0 if agent.run() else 1


def _opened(orders: Orders, secret: object) -> Any:
    from vault._vault import Vault
    from vault.ahead import Ahead
    from vault.unlock import Unlocker

    path = Path(orders.path)
    vault = Vault.open(
        path,
        wire.decode(secret, Unlocker),
        state_dir=None if orders.state_dir is None else Path(orders.state_dir),
        accept_older=orders.accept_older,
    )
    try:
        listener, socket_path = meeting.listen(Path(orders.runtime_dir), path)
    except BaseException:
        vault.close()
        raise
    try:
        ahead = Ahead(vault.keeper, vault.keeper.record_session("unlock"))
    except BaseException:
        listener.close()
        socket_path.unlink(missing_ok=True)
        vault.close()
        raise
    return vault, listener, socket_path, ahead
