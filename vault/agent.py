"""The agent of a session: the keeper behind a Unix socket, for this user's processes only.

One thread waits: for connections, bytes, signals and the clock; it never waits for a client, and never for the keeper.
Another thread asks the keeper, one request at a time, so that no transaction outlives a request. What a client opened ends
with its connection. When the session ends, every connection is cut first: nothing is given out any more. Then the
request at work may come to its end for a while, the vault is closed, and the process with it; one that does not come to
its end dies with the process, and the next opening settles it as after any crash.
"""

from __future__ import annotations

import contextlib
import os
import queue
import selectors
import socket
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vault import errors, meeting, platform, wire
from vault._vault import Vault
from vault._version import __version__
from vault.client import LOOK, USE, WATCH, SessionState
from vault.door import Door
from vault.folder import sweep_staging
from vault.keeper import Keeper
from vault.requests import BackupBegun, CheckBegun, DraftGrant, LogExportBegun, ObjectGrant

IDLE_SECONDS = 5 * 60
ABSOLUTE_SECONDS = 60 * 60

_MOST_CLIENTS = 64
_LONGEST_SILENCE_SECONDS = 10  # of a client that owes a greeting, the rest of a request, or reading its answer
_PATIENCE_SECONDS = 1.0  # at most, so that a time-out that passed while the machine slept is seen at once
_GRACE_SECONDS = 10.0  # for the request at work when the session ends
_PROGRESS_SECONDS = 0.1
_READ_BYTES = 1 << 18
_SECOND = 1_000_000_000

# Answers that begin something, and the requests that end it.
_BEGUN = (ObjectGrant, DraftGrant, BackupBegun, CheckBegun, LogExportBegun)
_ENDS = frozenset({"item_close", "draft_end", "backup_end", "check_end", "log_export_end"})

# What the keeper does for this process alone.
_NOT_SERVED = frozenset(
    {
        "record_older_copy",
        "record_session",
        "certify_generations",
        "abandon",
        "end_readings",
        "is_reading",
        "verify_serving",
    }
)


def served() -> dict[str, Callable[..., Any]]:
    """The methods of the keeper that a client may ask for: the public ones that are not the door's."""
    found: dict[str, Callable[..., Any]] = {}
    for kind in reversed(Keeper.__mro__[: Keeper.__mro__.index(Door)]):
        found |= {name: value for name, value in vars(kind).items() if callable(value) and not name.startswith("_")}
    return {name: value for name, value in found.items() if name not in _NOT_SERVED}


@dataclass(eq=False)
class _Client:
    """A connection. ``since`` is when it began to owe something; what it reads is known to the keeper's thread only."""

    connection: socket.socket
    since: int
    purpose: str | None = None
    inbox: bytearray = field(default_factory=bytearray)
    outbox: bytearray = field(default_factory=bytearray)
    sent: int = 0
    busy: bool = False
    gone: bool = False
    last: bool = False
    begun: set[int] = field(default_factory=set)

    @property
    def owes(self) -> bool:
        """Whether it has to do something before it may be silent."""
        return self.purpose is None or bool(self.inbox) or bool(self.outbox)


class Agent:
    """Serves an open vault at a listening socket until the session ends; then both are closed."""

    def __init__(
        self,
        vault: Vault,
        listener: socket.socket,
        path: Path,
        *,
        idle_seconds: int = IDLE_SECONDS,
        absolute_seconds: int = ABSOLUTE_SECONDS,
        clock: Callable[[], int] = platform.monotonic_ns_including_suspend,
        patience_seconds: float = _PATIENCE_SECONDS,
    ) -> None:
        """``clock`` counts nanoseconds, also while the machine sleeps."""
        self._vault, self._keeper = vault, vault.keeper
        self._place = meeting.place_of(vault.path)
        self._listener, self._path = listener, path
        self._idle, self._absolute = idle_seconds, absolute_seconds
        self._clock, self._patience = clock, patience_seconds
        self._begun, self._begun_at = self._keeper.now, clock()
        self._used = self._begun_at
        self._signatures = {name: wire.Signature(function) for name, function in served().items()}
        self._clients: set[_Client] = set()
        self._work: queue.SimpleQueue[tuple[_Client, dict[str, Any]] | None] = queue.SimpleQueue()
        self._results: deque[Callable[[], None]] = deque()
        self._why: str | None = None
        self._next_look = 0.0
        self._bell, self._ear = socket.socketpair()
        for each in (self._bell, self._ear, listener):
            each.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ)
        self._selector.register(self._ear, selectors.EVENT_READ)

    # Ends

    def end(self, why: str = "asked") -> None:
        """Ask for the end of the session; from any thread, and from a signal handler."""
        self._why = self._why or why
        self._ring()

    def _ring(self) -> None:
        with contextlib.suppress(OSError):
            self._bell.send(b"\0")

    def run(self) -> bool:
        """Serve until the session ends. False if a request did not come to its end: then the process must."""
        keeping = threading.Thread(target=self._keep, name="keeper", daemon=True)
        keeping.start()
        try:
            while not self._over():
                ready = self._selector.select(self._patience)
                for key, events in ready:
                    if self._over():
                        break
                    self._handle(key, events)
                self._see_the_folder()
                self._run_results()
                self._drop_silent()
        finally:
            self._why = self._why or "failed"
            ended = self._close(keeping)
        return ended

    def _over(self) -> bool:
        if self._why is None:
            idle_left, absolute_left = self._left()
            if absolute_left <= 0:
                self._why = "absolute time-out"
            elif idle_left <= 0:
                self._why = "idle time-out"
        return self._why is not None

    def _see_the_folder(self) -> None:
        """A vault that was pulled out or moved away is not kept open, however busy somebody keeps us."""
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + self._patience
        try:
            there = meeting.place_of(self._vault.path) == self._place
        except errors.NoSuchVault:
            there = False
        if not there:
            self.end("folder gone")

    def _left(self) -> tuple[int, int]:
        """Nanoseconds until the time-outs."""
        now = self._clock()
        if any(client.purpose in (USE, WATCH) for client in self._clients):
            self._used = now  # whoever is connected is at work
        return self._used + self._idle * _SECOND - now, self._begun_at + self._absolute * _SECOND - now

    def _close(self, keeping: threading.Thread) -> bool:
        """Cut every connection, then let the request at work end, then close the vault."""
        with contextlib.suppress(OSError):
            self._path.unlink()
        self._listener.close()
        waiting = [client for client in self._clients if client.last]
        for client in list(self._clients):
            if not client.last:
                self._drop(client)
        self._work.put(None)
        keeping.join(_GRACE_SECONDS)
        ended = not keeping.is_alive()
        if ended:
            with contextlib.suppress(errors.VaultError):
                self._keeper.end_readings()
                self._keeper.record_session("lock", self._why)
            with contextlib.suppress(errors.VaultError, OSError):
                self._vault.close()
        for client in waiting:
            client.connection.close()
        self._selector.close()
        self._bell.close()
        self._ear.close()
        return ended

    # The waiting thread

    def _handle(self, key: selectors.SelectorKey, events: int) -> None:
        if key.fileobj is self._listener:
            self._accept()
        elif key.fileobj is self._ear:
            with contextlib.suppress(OSError):
                self._ear.recv(4096)
        else:
            client: _Client = key.data
            if events & selectors.EVENT_READ and not client.gone:
                self._read(client)
            if events & selectors.EVENT_WRITE and not client.gone:
                self._write(client)

    def _accept(self) -> None:
        try:
            connection, _address = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionError):
            return
        except OSError:  # no descriptor is free: whoever waits there goes on waiting, and this loop must not spin
            time.sleep(0.05)
            return
        if len(self._clients) >= _MOST_CLIENTS or not platform.is_this_user(platform.peer(connection)):
            connection.close()
            return
        connection.setblocking(False)
        client = _Client(connection, self._clock())
        self._clients.add(client)
        self._selector.register(connection, selectors.EVENT_READ, client)

    def _read(self, client: _Client) -> None:
        try:
            data = client.connection.recv(_READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data or client.busy or client.last:  # who waits for an answer has nothing to say
            self._drop(client)
            return
        if not client.inbox:
            client.since = self._clock()
        client.inbox += data
        try:
            message = self._taken(client)
            if message is not None:
                self._heard(client, message)
        except wire.Malformed:
            self._drop(client)

    @staticmethod
    def _taken(client: _Client) -> dict[str, Any] | None:
        """The next whole message, if there is one."""
        if len(client.inbox) < wire.PREFIX_BYTES:
            return None
        size = wire.announced_size(client.inbox[: wire.PREFIX_BYTES], largest=wire.LARGEST_REQUEST_BYTES)
        end = wire.PREFIX_BYTES + size
        if len(client.inbox) < end:
            return None
        if len(client.inbox) > end:  # one request at a time
            raise wire.Malformed("more than one message")
        body = bytes(client.inbox[wire.PREFIX_BYTES :])
        client.inbox = bytearray()
        return wire.parse(body)

    def _heard(self, client: _Client, message: dict[str, Any]) -> None:
        if client.purpose is None:
            self._greet(client, message)
        elif message == {"session": True}:
            self._send(client, {"answer": wire.encode(self._state())})
        elif message == {"lock": True}:
            client.last = True
            self.end()
        elif "call" in message and client.purpose == USE:
            client.busy = True
            self._work.put((client, message))
        else:
            raise wire.Malformed("no request")

    def _greet(self, client: _Client, message: dict[str, Any]) -> None:
        hello = message.get("hello")
        if message.keys() != {"hello"} or not isinstance(hello, dict):
            raise wire.Malformed("no greeting")
        purpose = hello.get("purpose")
        if purpose not in (USE, LOOK, WATCH):
            raise wire.Malformed("no purpose")
        if hello.get("place") != list(self._place):
            error: errors.VaultError = errors.NoSession()
        elif (hello.get("format"), hello.get("software")) != (wire.FORMAT, __version__) and purpose != LOOK:
            error = errors.SessionRefused(path=str(self._path), reason="another version of casevault began it")
        else:
            client.purpose = purpose
            self._send(client, {"answer": None})
            return
        self._send(client, {"error": wire.encode_error(error)})
        client.last = not client.gone

    def _state(self) -> SessionState:
        idle_left, absolute_left = self._left()
        return SessionState(
            begun=self._begun,
            idle_left_seconds=max(0, idle_left // _SECOND),
            idle_seconds=self._idle,
            absolute_left_seconds=max(0, absolute_left // _SECOND),
            absolute_seconds=self._absolute,
            clients=sum(1 for client in self._clients if client.purpose in (USE, WATCH)),
            process=os.getpid(),
        )

    def _send(self, client: _Client, message: dict[str, object]) -> None:
        try:
            data = wire.frame(message, largest=wire.LARGEST_ANSWER_BYTES)
        except wire.Malformed:
            data = wire.frame({"error": wire.encode_error(_too_long())}, largest=wire.LARGEST_ANSWER_BYTES)
        self._send_frame(client, data)

    def _send_frame(self, client: _Client, data: bytes) -> None:
        if client.gone:
            return
        if not client.outbox:
            client.since = self._clock()
        client.outbox += data
        self._write(client)

    def _write(self, client: _Client) -> None:
        try:
            with memoryview(client.outbox) as view, view[client.sent :] as rest:
                sent = client.connection.send(rest)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            self._drop(client)
            return
        if sent:
            client.since = self._clock()
            client.sent += sent
        if client.sent == len(client.outbox):
            client.outbox, client.sent = bytearray(), 0
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if client.outbox else 0)
        self._selector.modify(client.connection, wanted, client)

    def _drop_silent(self) -> None:
        limit = self._clock() - _LONGEST_SILENCE_SECONDS * _SECOND
        for client in list(self._clients):
            if client.owes and client.since < limit:
                self._drop(client)

    def _drop(self, client: _Client) -> None:
        if client.gone:
            return
        client.gone = True
        self._used = max(self._used, self._clock()) if client.purpose in (USE, WATCH) else self._used
        self._clients.discard(client)
        self._selector.unregister(client.connection)
        with contextlib.suppress(OSError):
            client.connection.shutdown(socket.SHUT_RDWR)
        client.connection.close()
        if client.purpose == USE:
            self._work.put((client, {}))

    def _run_results(self) -> None:
        while self._results:
            self._results.popleft()()

    def _post(self, result: Callable[[], None]) -> None:
        self._results.append(result)
        self._ring()

    # The keeper's thread

    def _keep(self) -> None:
        try:
            self._serve()
        except BaseException:
            self.end("failed")  # without this thread nobody would ever get an answer
            raise

    def _serve(self) -> None:
        while (job := self._work.get()) is not None:
            client, message = job
            if not message:
                self._forget(client)
            elif not client.gone and self._why is None:
                data = self._answer(client, message)
                if not self._keeper.is_usable:
                    self.end("failed")
                self._post(lambda client=client, data=data: self._deliver(client, data))  # type: ignore[misc]

    def _deliver(self, client: _Client, data: bytes) -> None:
        client.busy = False
        self._send_frame(client, data)

    def _forget(self, client: _Client) -> None:
        """What a client had open has ended with it."""
        for intent in sorted(client.begun):
            self._keeper.abandon(intent, "connection ended")
        client.begun.clear()
        # Whoever comes now has to ask before it stages anything, and is served after this.
        if not any(each.purpose == USE for each in list(self._clients)):
            with contextlib.suppress(errors.VaultError, OSError):
                sweep_staging(self._keeper.folder)
                self._vault.remember()

    def _answer(self, client: _Client, message: dict[str, Any]) -> bytes:
        try:
            answer: dict[str, object] = {"answer": self._called(client, message)}
        except errors.VaultError as error:
            answer = {"error": wire.encode_error(error)}
        except wire.Malformed:
            answer = {"error": wire.encode_error(errors.Refused(reason="the session does not know this request"))}
        except Exception as error:  # noqa: BLE001 -- one request must not end the session; its message may hold anything
            answer = {"error": wire.encode_error(_failed(error))}
        try:
            return wire.frame(answer, largest=wire.LARGEST_ANSWER_BYTES)
        except wire.Malformed:
            return wire.frame({"error": wire.encode_error(_too_long())}, largest=wire.LARGEST_ANSWER_BYTES)

    def _called(self, client: _Client, message: dict[str, Any]) -> object:
        name = message.pop("call")
        signature = self._signatures.get(name) if isinstance(name, str) else None
        wants_progress = message.pop("progress", False) is True
        if signature is None or message.keys() != {"positional", "named"}:
            raise wire.Malformed("no such request")
        arguments = signature.decode(message["positional"], message["named"])
        # What another client began is none of this one's.
        if "intent" in arguments and arguments["intent"] not in client.begun:
            raise errors.ReceiptRefused
        if name in _ENDS:
            client.begun.discard(arguments["intent"])
        progress = _Progress(self, client, told=wants_progress)
        if signature.reports_progress:
            arguments["progress"] = progress
        answer = getattr(self._keeper, name)(**arguments)
        progress.flush()
        if isinstance(answer, _BEGUN):
            client.begun.add(answer.intent)
        return wire.encode(answer)

    def tell(self, client: _Client, done: int) -> None:
        """Tell a client how much was done since the last time; from the keeper's thread."""
        data = wire.frame({"progress": done}, largest=wire.LARGEST_ANSWER_BYTES)
        self._post(lambda: self._send_frame(client, data))

    @property
    def is_ending(self) -> bool:
        """Whether nothing more is to be done."""
        return self._why is not None


class _Progress:
    """Tells the client now and then, and stops the work when nobody waits for it any more."""

    def __init__(self, agent: Agent, client: _Client, *, told: bool) -> None:
        self._agent, self._client, self._told = agent, client, told
        self._done, self._next = 0, 0.0

    def __call__(self, further: int) -> None:
        if self._client.gone or self._agent.is_ending:
            raise errors.SessionOver
        self._done += further
        if time.monotonic() >= self._next:
            self.flush()

    def flush(self) -> None:
        if self._told and self._done:
            self._agent.tell(self._client, self._done)
        self._done, self._next = 0, time.monotonic() + _PROGRESS_SECONDS


def _too_long() -> errors.VaultError:
    return errors.Refused(reason="the answer is too long for a session")


def _failed(error: Exception) -> errors.VaultError:
    if isinstance(error, OSError) and error.errno:
        return errors.DiskFailed(path="the vault", reason=os.strerror(error.errno))
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
    return errors.SessionFailed(kind=type(error).__name__, place=place)
