"""An item as a stream that a player can seek in: HTTP on the loopback interface, for one player, while it lasts.

The address cannot be guessed, and where the system tells who connects, only this user's programs are answered. Nothing
is held but the piece that is being sent. Everything happens in the caller's thread, inside ``Stream.serve``.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import re
import secrets
import selectors
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol

from vault import platform

_HOST = "127.0.0.1"
_LONGEST_REQUEST_BYTES = 8 << 10
_MOST_CONNECTIONS = 16
_PATIENCE_SECONDS = 5.0
_REQUEST_LINE = re.compile(rb"(GET|HEAD) ([!-~]+) HTTP/1\.[01]")
_RANGE = re.compile(rb"bytes=([0-9]{0,19})-([0-9]{0,19})")
# What a browser sends along and a player does not: a page of somebody else's may be behind it.
_OF_BROWSERS = frozenset({b"origin", b"referer", b"cookie"})


class Seekable(Protocol):
    """What can be given out from any place on: a ``Reading``, for instance."""

    @property
    def size_bytes(self) -> int:
        """How many bytes there are."""
        ...

    def part(self, offset: int, length: int, /) -> Iterator[memoryview]:
        """Some of them, in pieces that are valid until the next one is asked for."""
        ...


class _Refused(Exception):
    """A request that gets no bytes: its status line says why, as far as who asks may know."""

    def __init__(self, status: bytes, *headers: bytes) -> None:
        super().__init__()
        self.status, self.headers = status, headers


@dataclass(eq=False)
class _Connection:
    """One connection: what came of its request, and what is still to be sent."""

    socket: socket.socket
    since: float = field(default_factory=time.monotonic)
    request: bytearray = field(default_factory=bytearray)
    answering: bool = False
    known: bool = False
    sending: memoryview = field(default_factory=lambda: memoryview(b""))
    pieces: Iterator[memoryview] = field(default_factory=lambda: iter(()))


class Stream:
    """Gives out one thing at a time over HTTP with ranges; a context manager, at whose end nothing is given out."""

    def __init__(self) -> None:
        self._offered: Seekable | None = None
        self._path = b""
        self._listening = socket.create_server((_HOST, 0), backlog=_MOST_CONNECTIONS)
        self._listening.setblocking(False)
        self._host = f"{_HOST}:{self._listening.getsockname()[1]}".encode("ascii")
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listening, selectors.EVENT_READ)
        self._connections: list[_Connection] = []

    def offer(self, source: Seekable) -> str:
        """Give this out from now on, under a new address; what was offered before has none any more.

        Whoever knows the address can read it all: it must not be an argument, and not be stored.
        """
        self._offered, self._path = source, b"/" + secrets.token_urlsafe(32).encode("ascii")
        return f"http://{self._host.decode('ascii')}{self._path.decode('ascii')}"

    def serve(self, seconds: float, *also: socket.socket) -> Sequence[socket.socket]:
        """Answer requests for so long; returns earlier with those of ``also`` that can be read.

        Raises what is offered raises when it is read. What was sent until then is authentic, but
        not complete; whoever was being sent it sees that.
        """
        for each in also:
            self._selector.register(each, selectors.EVENT_READ)
        end = time.monotonic() + seconds
        try:
            while True:
                self._drop_the_slow()
                waiting = [connection.since for connection in self._connections if not connection.answering]
                until = min([end, *(since + _PATIENCE_SECONDS for since in waiting)])
                events = self._selector.select(max(0.0, until - time.monotonic()))
                readable = [key.fileobj for key, _ in events if key.fileobj in also]
                for key, _ in events:
                    if key.fileobj is self._listening:
                        self._accept()
                    elif key.data in self._connections:
                        self._go_on(key.data)
                if readable:
                    return [each for each in also if each in readable]
                if time.monotonic() >= end:
                    return []
        finally:
            for each in also:
                self._selector.unregister(each)

    def close(self) -> None:
        """Answer no more."""
        for connection in list(self._connections):
            self._drop(connection)
        self._selector.close()
        self._listening.close()

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Connections

    def _accept(self) -> None:
        try:
            accepted, _ = self._listening.accept()
        except OSError:  # it has gone already, or this process has no descriptor left
            return
        if not _is_of_this_user(accepted):
            accepted.close()
            return
        accepted.setblocking(False)
        if len(self._connections) >= _MOST_CONNECTIONS:
            # Those who showed that they know the address stay.
            unknown = next((each for each in self._connections if not each.known), None)
            if unknown is None:
                accepted.close()
                return
            self._drop(unknown)
        connection = _Connection(accepted)
        self._connections.append(connection)
        self._selector.register(accepted, selectors.EVENT_READ, connection)

    def _drop_the_slow(self) -> None:
        latest = time.monotonic() - _PATIENCE_SECONDS
        for connection in list(self._connections):
            if not connection.answering and connection.since <= latest:
                self._drop(connection)

    def _drop(self, connection: _Connection) -> None:
        self._connections.remove(connection)
        self._selector.unregister(connection.socket)
        connection.socket.close()

    def _go_on(self, connection: _Connection) -> None:
        try:
            done = self._send(connection) if connection.answering else self._receive(connection)
        except BlockingIOError:
            return
        except OSError:  # the other side has gone: a player that seeks does that all the time
            done = True
        except BaseException:
            # Cut off, and not ended as if that had been all.
            self._drop(connection)
            raise
        if done:
            self._drop(connection)

    def _receive(self, connection: _Connection) -> bool:
        part = connection.socket.recv(_LONGEST_REQUEST_BYTES)
        connection.request += part
        if not part or len(connection.request) > _LONGEST_REQUEST_BYTES:
            return True
        if b"\r\n\r\n" in connection.request:
            self._answer(connection)
        return False

    def _send(self, connection: _Connection) -> bool:
        if not len(connection.sending):
            following = next(connection.pieces, None)
            if following is None:
                with contextlib.suppress(OSError):
                    connection.socket.shutdown(socket.SHUT_WR)
                return True
            connection.sending = following
        sent = connection.socket.send(connection.sending)
        connection.sending = connection.sending[sent:]
        return False

    # Requests

    def _answer(self, connection: _Connection) -> None:
        try:
            method, headers, source = self._understood(bytes(connection.request))
            connection.known = True
            size = source.size_bytes
            first, stop = _range(headers.get(b"range"), size)
        except _Refused as refusal:
            lines = [refusal.status, b"Content-Length: 0", *refusal.headers]
        else:
            whole = b"range" not in headers
            lines = [
                b"200 OK" if whole else b"206 Partial Content",
                b"Content-Length: %d" % (stop - first),
                b"Content-Type: application/octet-stream",
                b"Accept-Ranges: bytes",
            ]
            if not whole:
                lines.append(b"Content-Range: bytes %d-%d/%d" % (first, stop - 1, size))
            if method == b"GET":
                connection.pieces = source.part(first, stop - first)
        lines += [b"Connection: close", b"Cache-Control: no-store", b"X-Content-Type-Options: nosniff"]
        connection.sending = memoryview(b"HTTP/1.1 " + b"\r\n".join(lines) + b"\r\n\r\n")
        connection.answering = True
        self._selector.modify(connection.socket, selectors.EVENT_WRITE, connection)

    def _understood(self, request: bytes) -> tuple[bytes, dict[bytes, bytes], Seekable]:
        """Method and headers of a request for our one path, and what is there. All else looks as if nothing were here."""
        head, _, _ = request.partition(b"\r\n\r\n")
        line, *rest = head.split(b"\r\n")
        match = _REQUEST_LINE.fullmatch(line)
        headers: dict[bytes, bytes] = {}
        for each in rest:
            name, colon, value = each.partition(b":")
            if not colon or name.lower() in headers:
                raise _Refused(b"400 Bad Request")
            headers[name.lower()] = value.strip()
        # Another name in Host is that of a web page which had its name lead here.
        if (
            not match
            or self._offered is None
            or not hmac.compare_digest(match[2], self._path)
            or headers.get(b"host") != self._host
            or _OF_BROWSERS & headers.keys()
            or any(name.startswith(b"sec-fetch") for name in headers)
        ):
            raise _Refused(b"404 Not Found")
        return match[1], headers, self._offered


def _is_of_this_user(connection: socket.socket) -> bool:
    try:
        user = platform.loopback_user(connection)
    except (LookupError, OSError):
        return False
    return user is None or sys.platform == "win32" or user == os.geteuid()


def _range(asked: bytes | None, size: int) -> tuple[int, int]:
    """The first byte and the one after the last. Raises ``_Refused`` for what lies outside, or is several ranges."""
    if asked is None:
        return 0, size
    outside = _Refused(b"416 Range Not Satisfiable", b"Content-Range: bytes */%d" % size)
    match = _RANGE.fullmatch(asked.replace(b" ", b""))
    if not match or match[0] == b"bytes=-":
        raise outside
    if not match[1]:
        first, stop = max(0, size - int(match[2])), size
    else:
        first, stop = int(match[1]), min(size, int(match[2]) + 1 if match[2] else size)
    if first >= stop:
        raise outside
    return first, stop
