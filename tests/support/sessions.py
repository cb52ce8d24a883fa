"""A session's agent inside the test's own process, with a clock that the test moves, and clients that misbehave."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from vault import Vault, meeting, platform, wire
from vault._version import __version__
from vault.agent import Agent
from vault.ahead import Ahead
from vault.unlock import Unlocker

SECOND = 1_000_000_000


class MovedClock:
    """Nanoseconds that stand still until somebody moves them, as a machine's clock jumps that slept."""

    def __init__(self) -> None:
        self.now = 1_000 * SECOND

    def __call__(self) -> int:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += int(seconds * SECOND)


def until(condition: Callable[[], bool], *, seconds: float = 120) -> None:
    """Wait for a condition; fail when it does not come."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.01)


class Served:
    """A vault behind a socket, in this process."""

    def __init__(
        self,
        vault: Vault,
        runtime_dir: Path,
        *,
        idle: int = 300,
        absolute: int = 3600,
        ahead: Callable[[Vault], Ahead] | None = None,
    ) -> None:
        self.vault, self.path, self.runtime_dir = vault, vault.path, runtime_dir
        self.clock = MovedClock()
        listener, self.socket_path = meeting.listen(runtime_dir, vault.path)
        self.agent = Agent(
            vault,
            listener,
            self.socket_path,
            idle_seconds=idle,
            absolute_seconds=absolute,
            clock=self.clock,
            patience_seconds=0.01,
            ahead=ahead and ahead(vault),
        )
        self.orderly: bool | None = None
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        self.orderly = self.agent.run()

    def attach(self) -> Vault:
        return Vault.attach(self.path, runtime_dir=self.runtime_dir)

    def look(self) -> Vault:
        return Vault.attach(self.path, runtime_dir=self.runtime_dir, only_look=True)

    def raw(self, *, greeted: bool = True, purpose: str = "use") -> socket.socket:
        """A connection without a client's manners."""
        connection = platform.connect(self.socket_path, seconds=20)
        if greeted:
            send(connection, greeting(self.path, purpose=purpose))
            assert receive(connection) == {"answer": None}
        return connection

    @property
    def has_ended(self) -> bool:
        return not self.thread.is_alive()

    def stop(self) -> None:
        self.agent.end()
        self.thread.join(30)


def greeting(path: Path, *, purpose: str = "use", **other: object) -> dict[str, object]:
    hello: dict[str, object] = {
        "format": wire.FORMAT,
        "software": __version__,
        "place": list(meeting.place_of(path)),
        "purpose": purpose,
    }
    return {"hello": hello | other}


def send(connection: socket.socket, message: object) -> None:
    connection.sendall(wire.frame(message, largest=wire.LARGEST_REQUEST_BYTES))


def receive(connection: socket.socket) -> dict[str, object] | None:
    """The next message; None where the other end has closed."""
    data = b""
    try:
        while len(data) < 4 or len(data) < 4 + int.from_bytes(data[:4], "big"):
            part = connection.recv(65536)
            if not part:
                return None
            data += part
    except ConnectionError:
        return None
    return wire.parse(data[4:])


@contextlib.contextmanager
def session(
    vault: Vault, runtime_dir: Path, *, ahead: Callable[[Vault], Ahead] | None = None, **limits: int
) -> Iterator[Served]:
    """An agent for as long as the block lasts."""
    served = Served(vault, runtime_dir, ahead=ahead, **limits)
    try:
        yield served
    finally:
        served.stop()
        assert served.has_ended


def reopened(path: Path, unlocker: Unlocker) -> Vault:
    """The vault, opened without a session."""
    return Vault.open(path, unlocker)
