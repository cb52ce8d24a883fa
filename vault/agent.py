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
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from vault import errors, meeting, platform, wire
from vault._vault import Vault
from vault._version import __version__
from vault.ahead import Ahead
from vault.arrivals import OpenGrant
from vault.client import LOOK, USE, WATCH, SessionState
from vault.connections import Connection, Progress, failure, framed
from vault.door import Door
from vault.folder import sweep_staging
from vault.keeper import Keeper
from vault.log_requests import LogExportBegun
from vault.requests import BackupBegun, CheckBegun, DraftGrant, ObjectGrant
from vault.sealing_requests import SharePlan
from vault.time_outs import SECOND, TimeOuts

_IDLE_SECONDS = 5 * 60
_ABSOLUTE_SECONDS = 60 * 60

_MOST_CLIENTS = 64
_LONGEST_SILENCE_SECONDS = 10  # of a client that owes a greeting, the rest of a request, or reading its answer
_PATIENCE_SECONDS = 1.0  # at most, so that a time-out that passed while the machine slept is seen at once
_GRACE_SECONDS = 10.0  # for the request at work when the session ends
_MOMENT_SECONDS = 0.05  # longer than a command needs from one request to the next

# Answers that begin something, and the requests that end it.
_BEGUN = (ObjectGrant, DraftGrant, BackupBegun, CheckBegun, LogExportBegun, SharePlan, OpenGrant)
_ENDS = frozenset(
    {
        "item_close",
        "draft_end",
        "backup_end",
        "check_end",
        "log_export_end",
        "share_end",
        "open_end",
        "open_finish",
    }
)

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


class Agent:
    """Serves an open vault at a listening socket until the session ends; then both are closed."""

    def __init__(
        self,
        vault: Vault,
        listener: socket.socket,
        path: Path,
        *,
        idle_seconds: int = _IDLE_SECONDS,
        absolute_seconds: int = _ABSOLUTE_SECONDS,
        clock: Callable[[], int] = platform.monotonic_ns_including_suspend,
        patience_seconds: float = _PATIENCE_SECONDS,
        ahead: Ahead | None = None,
    ) -> None:
        """``clock`` counts nanoseconds, also while the machine sleeps. ``ahead`` is opened while nobody asks anything."""
        self._vault, self._keeper, self._ahead = vault, vault.keeper, ahead
        self._place = meeting.place_of(vault.path)
        self._listener, self._path = listener, path
        self._clock, self._patience = clock, patience_seconds
        self._time_outs = TimeOuts(clock, idle_seconds=idle_seconds, absolute_seconds=absolute_seconds)
        self._begun = self._keeper.now
        self._signatures = {name: wire.Signature(function) for name, function in served().items()}
        self._clients: set[Connection] = set()
        self._work: queue.SimpleQueue[tuple[Connection, dict[str, Any]] | None] = queue.SimpleQueue()
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
            self._see_use()
            passed = self._time_outs.passed()
            if passed:  # and nothing else: another thread may have asked for the end meanwhile
                self._why = passed
        return self._why is not None

    def _see_use(self) -> None:
        if any(client.purpose in (USE, WATCH) for client in self._clients):
            self._time_outs.use()  # whoever is connected is at work

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
            client.socket.close()
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
            client: Connection = key.data
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
        client = Connection(connection, self._clock())
        self._clients.add(client)
        self._selector.register(connection, selectors.EVENT_READ, client)

    def _read(self, client: Connection) -> None:
        try:
            message = client.receive(self._clock())
            if message is not None:
                self._heard(client, message)
        except (ConnectionError, wire.Malformed):
            self._drop(client)

    def _heard(self, client: Connection, message: dict[str, Any]) -> None:
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

    def _greet(self, client: Connection, message: dict[str, Any]) -> None:
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
        self._see_use()
        idle_left, absolute_left = self._time_outs.left()
        return SessionState(
            begun=self._begun,
            idle_left_seconds=max(0, idle_left // SECOND),
            idle_seconds=self._time_outs.idle_seconds,
            absolute_left_seconds=max(0, absolute_left // SECOND),
            absolute_seconds=self._time_outs.absolute_seconds,
            clients=sum(1 for client in self._clients if client.purpose in (USE, WATCH)),
            process=os.getpid(),
            warnings=tuple(self._keeper.warnings),
        )

    def _send(self, client: Connection, message: dict[str, object]) -> None:
        self._send_frame(client, framed(message))

    def _send_frame(self, client: Connection, data: bytes) -> None:
        if not client.gone:
            self._write(client, data)

    def _write(self, client: Connection, data: bytes = b"") -> None:
        try:
            client.send(data, self._clock())
        except ConnectionError:
            self._drop(client)
            return
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if client.is_behind else 0)
        self._selector.modify(client.socket, wanted, client)

    def _drop_silent(self) -> None:
        limit = self._clock() - _LONGEST_SILENCE_SECONDS * SECOND
        for client in list(self._clients):
            if client.owes and client.since < limit:
                self._drop(client)

    def _drop(self, client: Connection) -> None:
        if client.gone:
            return
        client.gone = True
        if client.purpose in (USE, WATCH):
            self._time_outs.use()
        self._clients.discard(client)
        self._selector.unregister(client.socket)
        client.cut()
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
        finally:
            if self._ahead:
                self._ahead.stop()

    def _serve(self) -> None:
        while (job := self._next_job()) is not None:
            client, message = job
            if not message:
                self._forget(client)
            elif not client.gone and self._why is None:
                data = self._answer(client, message)
                if not self._keeper.is_usable:
                    self.end("failed")
                self._post(lambda client=client, data=data: self._deliver(client, data))  # type: ignore[misc]  # of a lambda's defaults no types are told

    def _next_job(self) -> tuple[Connection, dict[str, Any]] | None:
        """What is asked next. Where nobody asks for a moment, cases are opened until somebody does."""
        ahead = self._ahead
        if ahead and not ahead.is_done:
            with contextlib.suppress(queue.Empty):
                return self._work.get(timeout=_MOMENT_SECONDS)
            while self._work.empty() and self._why is None and ahead.open_one():
                pass
        return self._work.get()

    def _deliver(self, client: Connection, data: bytes) -> None:
        client.busy = False
        self._send_frame(client, data)

    def _forget(self, client: Connection) -> None:
        """What a client had open has ended with it."""
        for intent in sorted(client.begun):
            self._keeper.abandon(intent, "connection ended")
        client.begun.clear()
        # Whoever comes now has to ask before it stages anything, and is served after this.
        if not any(each.purpose == USE for each in list(self._clients)):
            with contextlib.suppress(errors.VaultError, OSError):
                sweep_staging(self._keeper.folder)
                self._vault.remember()

    def _answer(self, client: Connection, message: dict[str, Any]) -> bytes:
        try:
            answer: dict[str, object] = {"answer": self._called(client, message)}
        except errors.VaultError as error:
            answer = {"error": wire.encode_error(error)}
        except wire.Malformed:
            answer = {"error": wire.encode_error(errors.Refused(reason="the session does not know this request"))}
        except Exception as error:  # noqa: BLE001 -- one request must not end the session; its message may hold anything
            answer = {"error": wire.encode_error(failure(error))}
        return framed(answer)

    def _called(self, client: Connection, message: dict[str, Any]) -> object:
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
        progress = Progress(
            partial(self._tell, client) if wants_progress else None,
            unwanted=lambda: client.gone or self._why is not None,
        )
        if signature.reports_progress:
            arguments["progress"] = progress
        answer = getattr(self._keeper, name)(**arguments)
        progress.flush()
        if isinstance(answer, _BEGUN):
            client.begun.add(answer.intent)
        return wire.encode(answer)

    def _tell(self, client: Connection, done: int) -> None:
        data = framed({"progress": done})
        self._post(lambda: self._send_frame(client, data))
