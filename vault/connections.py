"""A client's connection as the agent has it: whole messages in and out, what the client owes meanwhile, and progress.

Nothing here waits. What reads or writes raises ``ConnectionError`` when the other end is gone or says what
it must not, and ``wire.Malformed`` for what is no message; then the connection is to be dropped.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vault import errors, wire

_READ_BYTES = 1 << 18
_PROGRESS_SECONDS = 0.1


class Connection:
    """One client. What it has begun, by the numbers of the intents, is known to the keeper's thread only."""

    def __init__(self, end: socket.socket, now: int) -> None:
        """``end`` is ours; ``now`` counts nanoseconds, here and below."""
        end.setblocking(False)
        self.socket = end
        self.since = now  # when it began to owe something
        self.purpose: str | None = None
        self.busy = False  # it waits for an answer
        self.last = False  # it gets what is on its way, and no more
        self.gone = False
        self.begun: set[int] = set()
        self._inbox = bytearray()
        self._outbox = bytearray()
        self._sent = 0

    @property
    def owes(self) -> bool:
        """Whether it has to do something before it may be silent."""
        return self.purpose is None or bool(self._inbox) or bool(self._outbox)

    @property
    def is_behind(self) -> bool:
        """Whether something is on its way to it that it has not taken yet."""
        return bool(self._outbox)

    def receive(self, now: int) -> dict[str, Any] | None:
        """The next message, once it is whole."""
        try:
            data = self.socket.recv(_READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return None
        except OSError:
            data = b""
        if not data or self.busy or self.last:  # who waits for an answer has nothing to say
            raise ConnectionAbortedError
        if not self._inbox:
            self.since = now
        self._inbox += data
        return self._taken()

    def _taken(self) -> dict[str, Any] | None:
        if len(self._inbox) < wire.PREFIX_BYTES:
            return None
        size = wire.announced_size(self._inbox[: wire.PREFIX_BYTES], largest=wire.LARGEST_REQUEST_BYTES)
        end = wire.PREFIX_BYTES + size
        if len(self._inbox) < end:
            return None
        if len(self._inbox) > end:  # one request at a time
            raise wire.Malformed("more than one message")
        body = bytes(self._inbox[wire.PREFIX_BYTES :])
        self._inbox = bytearray()
        return wire.parse(body)

    def send(self, data: bytes, now: int) -> None:
        """Send a frame, or more of what is on its way, as far as the client takes it."""
        if not self._outbox:
            self.since = now
        self._outbox += data
        try:
            with memoryview(self._outbox) as view, view[self._sent :] as rest:
                sent = self.socket.send(rest)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            raise ConnectionAbortedError from None
        if sent:
            self.since = now
            self._sent += sent
        if self._sent == len(self._outbox):
            self._outbox, self._sent = bytearray(), 0

    def cut(self) -> None:
        """End it at once."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def framed(message: dict[str, object]) -> bytes:
    """An answer as it is sent; in place of one that is too long, that it is."""
    try:
        return wire.frame(message, largest=wire.LARGEST_ANSWER_BYTES)
    except wire.Malformed:
        error = errors.Refused(reason="the answer is too long for a session")
        return wire.frame({"error": wire.encode_error(error)}, largest=wire.LARGEST_ANSWER_BYTES)


def failure(error: Exception) -> errors.VaultError:
    """What is said of an error that nobody expected: its kind and place, for its message may hold anything."""
    if isinstance(error, OSError) and error.errno:
        return errors.DiskFailed(path="the vault", reason=os.strerror(error.errno))
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
    return errors.SessionFailed(kind=type(error).__name__, place=place)


class Progress:
    """Says now and then how far a request has come, and stops it when nobody waits for it any more.

    Called by the keeper's thread, as its requests call ``progress``.
    """

    def __init__(self, tell: Callable[[int], None] | None, *, unwanted: Callable[[], bool]) -> None:
        """``tell`` gets what was done since the last time."""
        self._tell, self._unwanted = tell, unwanted
        self._done, self._next = 0, 0.0

    def __call__(self, further: int) -> None:
        """So much more is done. Raises ``SessionOver`` if the request is unwanted."""
        if self._unwanted():
            raise errors.SessionOver
        self._done += further
        if time.monotonic() >= self._next:
            self.flush()

    def flush(self) -> None:
        """Tell what was not told yet."""
        if self._tell and self._done:
            self._tell(self._done)
        self._done, self._next = 0, time.monotonic() + _PROGRESS_SECONDS
