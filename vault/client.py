"""A client of a session's agent: asks what the keeper is asked, over the socket, and looks like one from outside."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vault import errors, meeting, platform, wire
from vault._version import __version__

if TYPE_CHECKING:
    import socket

    from vault.folder import Folder

_LOCK_SECONDS = 20.0

# What a connection is for. One that only looks does not keep the session from its idle time-out.
USE, LOOK, WATCH = "use", "look", "watch"


@dataclass(frozen=True, slots=True)
class SessionState:
    """A session as its agent sees it. ``warnings`` are those of opening, and what was found since."""

    begun: str
    idle_left_seconds: int
    idle_seconds: int
    absolute_left_seconds: int
    absolute_seconds: int
    clients: int
    process: int
    warnings: tuple[str, ...]


class Client:
    """A connection to an agent. Every method of ``Keeper`` can be called on it.

    Raises ``SessionOver`` once the connection has ended, whichever end closed it: then nothing is given out any more.
    May be used by several threads; one request at a time.
    """

    def __init__(self, runtime_dir: Path, path: Path, *, purpose: str = USE) -> None:
        """Connect. Raises ``NoSession``, ``SessionOver``, ``SessionRefused`` and ``SessionStuck``."""
        self.path = path
        self._runtime_dir = runtime_dir
        self._readings: set[int] = set()
        self._turn = threading.Lock()
        self._connection: socket.socket | None = meeting.connect(runtime_dir, path)
        self._peer = platform.peer(self._connection)
        greeting = {
            "format": wire.FORMAT,
            "software": __version__,
            "place": list(meeting.place_of(path)),
            "purpose": purpose,
        }
        self._ask({"hello": greeting})
        self._connection.settimeout(None)

    @cached_property
    def folder(self) -> Folder:
        """The vault's folder."""
        from vault.folder import Folder

        return Folder(self.path)

    # What the keeper is asked

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)
        return partial(self._call, name)

    def _call(
        self, name: str, *positional: object, progress: Callable[[int], None] | None = None, **named: object
    ) -> Any:
        try:
            message: dict[str, object] = {
                "call": name,
                "positional": [wire.encode(each) for each in positional],
                "named": {key: wire.encode(each) for key, each in named.items()},
            }
        except wire.Malformed as error:
            raise errors.BadValue(field=name, reason=str(error)) from None
        if progress is not None:
            message["progress"] = True
        return self._ask(message, progress)

    def item_open(self, code: str, number: int, *, act_name: str, purpose: str | None = None) -> Any:
        """See ``Keeper.item_open``."""
        grant = self._call("item_open", code, number, act_name=act_name, purpose=purpose)
        self._readings.add(grant.intent)
        return grant

    def item_close(
        self, intent: int, phase: str, *, size: int | None = None, digest: str | None = None, reason: str | None = None
    ) -> None:
        """See ``Keeper.item_close``."""
        self._readings.discard(intent)
        self._call("item_close", intent, phase, size=size, digest=digest, reason=reason)

    def is_reading(self, intent: int) -> bool:
        """Whether an ``item_open`` of this client has no outcome yet, told by the connection without asking.

        Raises ``SessionOver``.
        """
        self.verify_serving()
        return intent in self._readings

    def verify_serving(self) -> None:
        """See that the session still lasts, told by the connection without asking. Raises ``SessionOver``."""
        if self.has_ended:
            raise errors.SessionOver

    # The session itself

    @property
    def has_ended(self) -> bool:
        """Whether the session is over for this client."""
        connection = self._connection  # another thread may be closing
        return connection is None or platform.has_ended(connection)

    def session(self) -> SessionState:
        """How long the session still lasts."""
        answer = self._ask({"session": True})
        if not isinstance(answer, SessionState):
            raise errors.SessionOver
        return answer

    @property
    def warnings(self) -> tuple[str, ...]:
        """What opening found, and what was found since, that a person must hear."""
        return self.session().warnings

    def watch(self) -> socket.socket:
        """A connection on which nothing ever comes: it becomes readable when the session ends."""
        watching = Client(self._runtime_dir, self.path, purpose=WATCH)
        connection = watching._connection
        if connection is None:
            raise errors.SessionOver
        return connection

    def lock(self) -> None:
        """End the session; returns when its process has ended. One that does not end is killed."""
        with self._turn:
            connection = self._connection
            if connection is None:
                return
            with contextlib.suppress(OSError):
                connection.sendall(wire.frame({"lock": True}, largest=wire.LARGEST_REQUEST_BYTES))
                connection.settimeout(_LOCK_SECONDS)
                while connection.recv(4096):
                    pass
        if self._peer is not None:
            _see_ended(self._peer.process)
        self.close()

    def close(self) -> None:
        """End the connection: the agent ends what this client had open. Closing twice is fine."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    # The wire

    def _ask(self, message: dict[str, object], progress: Callable[[int], None] | None = None) -> Any:
        try:
            request = wire.frame(message, largest=wire.LARGEST_REQUEST_BYTES)
        except wire.Malformed as error:
            raise errors.BadValue(field="request", reason=str(error)) from None
        with self._turn:
            connection = self._connection
            if connection is None:
                raise errors.SessionOver
            whole = False
            try:
                connection.sendall(request)
                while True:
                    answer = wire.parse(_receive(connection))
                    if progress is None or "progress" not in answer:
                        break
                    progress(wire.decode(answer["progress"], int))
                whole = True
            except wire.Malformed:
                raise errors.SessionRefused(path=str(self.path), reason="it does not answer as an agent does") from None
            except TimeoutError:
                raise errors.SessionStuck(path=str(self.path)) from None
            except OSError:
                raise errors.SessionOver from None
            finally:
                if not whole:  # what comes next would be the answer to something else
                    self.close()
        return self._opened(answer)

    def _opened(self, answer: dict[str, Any]) -> Any:
        try:
            if answer.keys() == {"answer"}:
                return wire.decode(answer["answer"])
            if answer.keys() == {"error"}:
                raise wire.decode_error(answer["error"])
        except wire.Malformed:
            pass
        self.close()
        raise errors.SessionRefused(path=str(self.path), reason="it does not answer as an agent does")


def _receive(connection: socket.socket) -> bytes:
    size = wire.announced_size(_exactly(connection, wire.PREFIX_BYTES), largest=wire.LARGEST_ANSWER_BYTES)
    return _exactly(connection, size)


def _exactly(connection: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        part = connection.recv(min(size - len(parts), 1 << 20))
        if not part:
            raise ConnectionResetError
        parts += part
    return bytes(parts)


def end_stuck(runtime_dir: Path, path: Path) -> None:
    """End the process behind a socket of this user that does not answer. Raises as ``meeting.connect`` does."""
    with meeting.connect(runtime_dir, path) as connection:
        found = platform.peer(connection)
    if found is not None:
        _see_ended(found.process)


def _see_ended(process: int | None) -> None:
    """See that an agent's process has ended."""
    if process is None or process <= 1 or process == os.getpid():
        return  # unknown to the system, in another container, or ourselves
    end = time.monotonic() + 1
    while time.monotonic() < end:
        if platform.process_has_ended(process):
            return
        time.sleep(0.01)
    platform.kill(process)
