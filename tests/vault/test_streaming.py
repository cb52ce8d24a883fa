"""The stream for a player: any part of an item, for whoever knows the address and is this user, and for nobody else."""

import contextlib
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from vault import KeyFileUnlocker, Reading, Vault, errors, streaming
from vault.streaming import Stream

KEY = b"k" * 32
CONTENT = os.urandom(3_000_000)


def made(folder: Path) -> Vault:
    vault = Vault.create(folder / "vault", KeyFileUnlocker(KEY))
    vault.cases.new("Harbour", code="HARBOUR")
    source = folder / "film"
    source.write_bytes(CONTENT)
    vault.cases.get("HARBOUR").items.add_file(source)
    return vault


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vault]:
    with made(tmp_path_factory.mktemp("shared")) as vault:
        yield vault


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    """One to damage, or whose log is looked at."""
    with made(tmp_path) as vault:
        yield vault


@pytest.fixture
def reading(shared: Vault) -> Iterator[Reading]:
    with shared.cases.get("HARBOUR").items.get(1).open(act="view") as reading:
        yield reading


@pytest.fixture
def stream() -> Iterator[Stream]:
    with Stream() as stream:
        yield stream


class Client:
    """Somebody who connects, and sends what they like."""

    def __init__(self, address: str) -> None:
        match = re.fullmatch(r"http://(127\.0\.0\.1):(\d+)(/.+)", address)
        assert match
        self.host, self.path = f"{match[1]}:{match[2]}", match[3]
        self.socket = socket.create_connection((match[1], int(match[2])))
        self.socket.setblocking(False)
        self.answer = b""
        self.ended = False

    def send(self, data: bytes) -> None:
        with contextlib.suppress(OSError):
            self.socket.sendall(data)

    def ask(self, *headers: str, method: str = "GET", path: str | None = None, host: str | None = None) -> None:
        lines = [f"{method} {self.path if path is None else path} HTTP/1.1", f"Host: {host or self.host}", *headers]
        self.send("\r\n".join([*lines, "", ""]).encode())

    def hear(self) -> None:
        try:
            while part := self.socket.recv(1 << 20):
                self.answer += part
            self.ended = True
        except BlockingIOError:
            pass
        except OSError:
            self.ended = True

    @property
    def status(self) -> int:
        return int(self.answer.split(b" ", 2)[1]) if self.answer else 0

    @property
    def body(self) -> bytes:
        return self.answer.partition(b"\r\n\r\n")[2]

    @property
    def head(self) -> str:
        return self.answer.partition(b"\r\n\r\n")[0].decode()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()


def serve_until_ended(stream: Stream, *clients: Client, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not all(client.ended for client in clients):
        assert time.monotonic() < end, "no answer"
        stream.serve(0.01)
        for client in clients:
            client.hear()


def asked(stream: Stream, address: str, *headers: str, **more: str) -> Client:
    with Client(address) as client:
        client.ask(*headers, **more)
        serve_until_ended(stream, client)
        return client


@pytest.mark.parametrize(
    ("asked_for", "part"),
    [
        ("bytes=0-", slice(0, None)),
        ("bytes=0-0", slice(0, 1)),
        ("bytes=16383-16384", slice(16383, 16385)),
        ("bytes=2999999-", slice(2999999, None)),
        ("bytes=1000000-1999999", slice(1000000, 2000000)),
        ("bytes=2999000-99999999", slice(2999000, None)),
        ("bytes=-10", slice(-10, None)),
        ("bytes=-9999999", slice(0, None)),
    ],
)
def test_any_part_comes_out_bit_for_bit(stream: Stream, reading: Reading, asked_for: str, part: slice) -> None:
    client = asked(stream, stream.offer(reading), f"Range: {asked_for}")
    assert client.status == 206
    assert client.body == CONTENT[part]
    first, stop, _ = part.indices(len(CONTENT))
    assert f"Content-Range: bytes {first}-{stop - 1}/{len(CONTENT)}" in client.head


def test_without_a_range_all_comes_out_and_head_brings_none(stream: Stream, reading: Reading) -> None:
    address = stream.offer(reading)
    assert asked(stream, address).body == CONTENT
    client = asked(stream, address, method="HEAD")
    assert (client.status, client.body) == (200, b"")
    assert f"Content-Length: {len(CONTENT)}" in client.head
    assert "Cache-Control: no-store" in client.head


@pytest.mark.parametrize(
    "asked_for", ["bytes=3000000-", "bytes=5-4", "bytes=-0", "bytes=-", "bytes=1-2,5-6", "lines=1-2", "bytes=-1-5", "x"]
)
def test_a_range_outside_or_of_another_form_gets_nothing(stream: Stream, reading: Reading, asked_for: str) -> None:
    client = asked(stream, stream.offer(reading), f"Range: {asked_for}")
    assert (client.status, client.body) == (416, b"")


def test_the_address_cannot_be_guessed_and_is_new_each_time(stream: Stream, reading: Reading) -> None:
    first, second = stream.offer(reading), stream.offer(reading)
    assert first != second
    assert len(first.rpartition("/")[2]) >= 43  # 256 bits
    assert asked(stream, first).status == 404
    assert asked(stream, second, "Range: bytes=0-1").status == 206


@pytest.mark.parametrize("path", ["/", "/x", "*", "http://127.0.0.1/", "/" + "A" * 43, "/../etc/passwd", "/%00"])
def test_another_path_looks_as_if_nothing_were_here(stream: Stream, reading: Reading, path: str) -> None:
    client = asked(stream, stream.offer(reading), path=path)
    assert (client.status, client.body) == (404, b"")
    assert "casevault" not in client.head


@pytest.mark.parametrize("host", ["evil.example", "localhost", "127.0.0.1", "evil.example:80", "[::1]"])
def test_a_name_that_was_led_here_gets_nothing(stream: Stream, reading: Reading, host: str) -> None:
    assert asked(stream, stream.offer(reading), host=host).status == 404


@pytest.mark.parametrize("header", ["Origin: null", "Referer: http://x/", "Cookie: a=b", "Sec-Fetch-Site: cross-site"])
def test_a_browser_gets_nothing(stream: Stream, reading: Reading, header: str) -> None:
    assert asked(stream, stream.offer(reading), header).status == 404


@pytest.mark.parametrize(
    "request_text",
    [
        "POST {path} HTTP/1.1\r\nHost: {host}\r\n\r\n",
        "GET {path}\r\nHost: {host}\r\n\r\n",
        "GET {path} HTTP/2\r\nHost: {host}\r\n\r\n",
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nHost: evil\r\n\r\n",
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nno colon\r\n\r\n",
        "GET {path} HTTP/1.1\r\n\r\n",
        "get {path} HTTP/1.1\r\nHost: {host}\r\n\r\n",
        "GET  {path} HTTP/1.1\r\nHost: {host}\r\n\r\n",
        "\r\n\r\n",
        "\0\0\0\0\r\n\r\n",
    ],
)
def test_a_malformed_request_is_refused_and_the_next_one_served(
    stream: Stream, reading: Reading, request_text: str
) -> None:
    address = stream.offer(reading)
    with Client(address) as client:
        client.send(request_text.format(path=client.path, host=client.host).encode())
        serve_until_ended(stream, client)
        assert client.status in (400, 404)
        assert client.body == b""
    assert asked(stream, address, "Range: bytes=0-9").body == CONTENT[:10]


def test_a_giant_header_is_cut_off(stream: Stream, reading: Reading) -> None:
    address = stream.offer(reading)
    with Client(address) as client:
        client.socket.setblocking(True)
        client.socket.settimeout(0.01)
        for _ in range(100):
            client.send(b"X" * 4096)
            stream.serve(0.001)
        client.socket.setblocking(False)
        serve_until_ended(stream, client)
        assert client.answer == b""
    assert asked(stream, address, "Range: bytes=0-9").status == 206


def test_who_sends_slowly_or_nothing_is_dropped_and_holds_nobody_up(
    stream: Stream, reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "_PATIENCE_SECONDS", 0.3)
    address = stream.offer(reading)
    with Client(address) as silent, Client(address) as slow:
        slow.send(b"GET ")
        assert asked(stream, address, "Range: bytes=0-9").status == 206
        serve_until_ended(stream, silent, slow)
        assert silent.answer == slow.answer == b""


def test_hundreds_of_connections_leave_no_descriptor_and_the_player_is_still_served(
    stream: Stream, reading: Reading
) -> None:
    address = stream.offer(reading)
    with Client(address) as player:
        player.ask()
        stream.serve(0.05)  # it has shown that it knows the address
        before = len(list(Path("/proc/self/fd").iterdir())) if sys.platform == "linux" else 0
        held = []
        for number in range(600):
            other = Client(address)
            if number % 2:
                other.send(b"GET / HTTP/1.1\r\n")
            held.append(other)
            stream.serve(0.001)
            if len(held) > 40:
                held.pop(0).socket.close()
            player.hear()
        for other in held:
            other.socket.close()
        if sys.platform == "linux":
            assert len(list(Path("/proc/self/fd").iterdir())) <= before + 16
        serve_until_ended(stream, player)
        assert player.body == CONTENT


def test_two_at_once_get_their_own_parts(stream: Stream, reading: Reading) -> None:
    address = stream.offer(reading)
    with Client(address) as one, Client(address) as two:
        one.ask("Range: bytes=0-1499999")
        two.ask("Range: bytes=1500000-")
        serve_until_ended(stream, one, two)
        assert one.body + two.body == CONTENT


def test_who_goes_away_in_the_middle_disturbs_nobody(stream: Stream, reading: Reading) -> None:
    address = stream.offer(reading)
    for _ in range(20):
        with Client(address) as client:
            client.ask()
            stream.serve(0.002)
    assert asked(stream, address).body == CONTENT


CONNECT_AS = """
import os, socket, sys
os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[1]))
connection = socket.create_connection((sys.argv[2], int(sys.argv[3])))
connection.sendall(sys.stdin.buffer.read())
connection.settimeout(20)
try:
    while part := connection.recv(65536):
        sys.stdout.buffer.write(part)
except ConnectionError:
    pass
"""


@pytest.mark.skipif(sys.platform != "linux", reason="left out: only Linux tells who connects")
@pytest.mark.parametrize(("user", "served"), [(0, True), (65534, False)])
@pytest.mark.parametrize("kind", ["127.0.0.1", "::ffff:127.0.0.1"])
def test_another_user_gets_nothing_even_with_the_address(
    stream: Stream, reading: Reading, user: int, served: bool, kind: str
) -> None:
    if os.geteuid() != 0:
        pytest.skip("left out: only an administrator can be another user")
    with Client(stream.offer(reading)) as known:
        request = f"GET {known.path} HTTP/1.1\r\nHost: {known.host}\r\nRange: bytes=0-99\r\n\r\n"
        port = known.host.rpartition(":")[2]
    other = subprocess.Popen(
        [sys.executable, "-c", CONNECT_AS, str(user), kind, port], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdin is not None
    assert other.stdout is not None
    other.stdin.write(request.encode())
    other.stdin.close()
    end = time.monotonic() + 60
    while other.poll() is None:
        assert time.monotonic() < end
        stream.serve(0.05)
    answer = other.stdout.read()
    other.stdout.close()
    assert (CONTENT[:100] in answer) is served
    assert bool(answer) is served


def test_nothing_listens_after_the_end(reading: Reading) -> None:
    with Stream() as stream:
        address = stream.offer(reading)
        idle = Client(address)
        stream.serve(0.05)
    with pytest.raises(ConnectionError):
        Client(address)
    with idle:
        idle.hear()
        assert idle.ended
        assert idle.answer == b""


def test_damage_in_the_middle_cuts_the_stream_off_and_nothing_that_is_not_authentic_is_sent(
    vault: Vault, stream: Stream
) -> None:
    (path,) = [file for file in (vault.path / "objects").rglob("*") if file.is_file()]
    data = bytearray(path.read_bytes())
    data[2_000_000] ^= 1
    path.write_bytes(data)
    item = vault.cases.get("HARBOUR").items.get(1)
    client = None

    def watch() -> None:
        nonlocal client
        with item.open(act="view") as reading, Client(stream.offer(reading)) as client:
            client.ask("Range: bytes=100-")
            try:
                serve_until_ended(stream, client)
            finally:
                client.hear()

    with pytest.raises(errors.ObjectDamaged):
        watch()
    assert client is not None
    assert client.ended
    assert 0 < len(client.body) < 2_000_000
    assert CONTENT[100:].startswith(client.body)
    outcome = [entry for entry in vault.log("HARBOUR") if entry.act == "item-view"][-1]
    assert (outcome.phase, outcome.reason) == ("failed", "ObjectDamaged")


def test_nothing_is_given_out_once_the_log_has_the_outcome(vault: Vault, stream: Stream) -> None:
    reading = vault.cases.get("HARBOUR").items.get(1).open(act="view")
    with Client(stream.offer(reading)) as client:
        client.ask()
        reading.close()
        with pytest.raises(errors.ReceiptRefused):
            serve_until_ended(stream, client)
        client.hear()
        assert client.body == b""


def test_the_log_says_how_much_was_given_out(vault: Vault, stream: Stream) -> None:
    with vault.cases.get("HARBOUR").items.get(1).open(act="view") as reading:
        address = stream.offer(reading)
        for _ in range(2):
            assert len(asked(stream, address, "Range: bytes=5-104").body) == 100
    outcome = [entry for entry in vault.log("HARBOUR") if entry.act == "item-view"][-1]
    assert (outcome.phase, outcome.size_bytes, outcome.digest) == ("done", 200, None)
