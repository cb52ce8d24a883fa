"""Items made to make the player fetch something else: other files of this computer, or an address that tells its owner who looks."""

import http.server
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from commands import _content, _encodings, _pdf, _players
from commands._content import Media
from commands._errors import Stop
from vault import KeyFileUnlocker, Vault
from vault.streaming import Stream

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="left out: strace shows what a player opens")
KEY = b"k" * 32
SILENT = ("--vo=null", "--ao=null")


class Listener:
    """The hostile sender's own server: whoever asks it anything is noted."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        asked = self.asked

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                self.send_error(404)

            do_HEAD = do_GET  # noqa: N815 -- the name that the server looks for

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def listener() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.server.shutdown()
    listener.server.server_close()


def lists(address: str, canary: str) -> dict[str, bytes]:
    """What names other places: playlists and the like, in every spelling that players know."""
    return {
        "m3u": f"#EXTM3U\n#EXTINF:1,x\n{address}/a.mp4\nfile://{canary}\n{canary}\n".encode(),
        "hls": (
            f'#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-MAP:URI="file://{canary}"\n#EXTINF:1,\n{address}/a.ts\n'
            f"#EXTINF:1,\nfile://{canary}\n#EXT-X-ENDLIST\n"
        ).encode(),
        "concat": f"ffconcat version 1.0\nfile '{canary}'\nfile '{address}/a.mp4'\n".encode(),
        "pls": f"[playlist]\nNumberOfEntries=2\nFile1={address}/a\nFile2={canary}\n".encode(),
        "edl": f"# mpv EDL v0\n{canary}\n{address}/a\n".encode(),
        "asx": f'<asx version="3.0"><entry><ref href="{address}/a"/></entry></asx>'.encode(),
        "ram": f"{address}/a\n".encode(),
        "dash": f'<?xml version="1.0"?><MPD><BaseURL>{address}/</BaseURL></MPD>'.encode(),
        "sdp": b"v=0\nc=IN IP4 127.0.0.1\nm=audio 5004 RTP/AVP 0\n",
        "svg": f'<svg xmlns="http://www.w3.org/2000/svg"><image href="{address}/a"/></svg>'.encode(),
        "cue": f'FILE "{canary}" WAVE\n  TRACK 01 AUDIO\n    INDEX 01 00:00:00\n'.encode(),
    }


def box(kind: bytes, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return (8 + len(content)).to_bytes(4, "big") + kind + content


def reference_movie(address: str, canary: str) -> bytes:
    """A movie without a picture of its own: what it shows lies in other files, by the ways that the format has."""

    def full(kind: bytes, *parts: bytes, flags: int = 0) -> bytes:
        return box(kind, flags.to_bytes(4, "big"), *parts)

    def track(number: int, reference: bytes) -> bytes:
        sample = box(
            b"jpeg", bytes(6) + b"\0\1", bytes(16), b"\0\x10\0\x10", bytes(14) + b"\0\1", bytes(32), b"\0\x18\xff\xff"
        )
        table = box(
            b"stbl",
            full(b"stsd", b"\0\0\0\1", sample),
            full(b"stts", b"\0\0\0\1", b"\0\0\0\1", b"\0\0\0\1"),
            full(b"stsc", b"\0\0\0\1", b"\0\0\0\1" * 3),
            full(b"stsz", b"\0\0\0\x40", b"\0\0\0\1"),
            full(b"stco", b"\0\0\0\1", b"\0\0\0\0"),
        )
        information = box(
            b"minf",
            full(b"vmhd", bytes(8), flags=1),
            box(b"dinf", full(b"dref", b"\0\0\0\1", reference)),
            table,
        )
        media = box(
            b"mdia",
            full(b"mdhd", bytes(8), b"\0\0\0\1", b"\0\0\0\1", bytes(4)),
            full(b"hdlr", bytes(4), b"vide", bytes(13)),
            information,
        )
        head = full(b"tkhd", bytes(8), number.to_bytes(4, "big"), bytes(68), flags=7)
        return box(b"trak", head, media)

    name = canary.encode()
    # An alias record whose further entries name the file by an absolute and a relative path.
    alias = bytes(150) + b"\0\2" + len(name).to_bytes(2, "big") + name + bytes(len(name) % 2) + b"\xff\xff\0\0"
    movie = box(
        b"moov",
        full(b"mvhd", bytes(8), b"\0\0\0\1", b"\0\0\0\1", bytes(80)),
        track(1, full(b"url ", address.encode() + b"/a\0")),
        track(2, full(b"alis", alias)),
        track(3, full(b"url ", b"file://" + name + b"\0")),
        box(b"rmra", box(b"rmda", full(b"rdrf", b"url ", len(address).to_bytes(4, "big"), address.encode()))),
    )
    return box(b"ftyp", b"qt  ", bytes(4), b"qt  ") + movie


FORMATS = sorted(
    {media.format for _start, media in _content._BEGINNINGS if not media.picture}
    | {"mov", "avi", "wav", "mpegts", "aac", "png_pipe"}
)


def shown(tmp_path: Path, content: bytes, media: Media, mpv: str, strace: str) -> str:
    """Hand bytes to the player as if they were of that format; returns every file and address that it opened."""
    log, wrapper = tmp_path / "opened", tmp_path / "mpv-watched"
    wrapper.write_text(f'#!/bin/sh\nexec {strace} -f -qq -s 300 -o {log} -e trace=%file,connect {mpv} "$@"\n')
    wrapper.chmod(0o700)
    folder = tmp_path / "vault"
    with Vault.create(folder, KeyFileUnlocker(KEY)) as vault:
        vault.cases.new("Harbour", code="HARBOUR")
        source = tmp_path / "item"
        source.write_bytes(content)
        vault.cases.get("HARBOUR").items.add_file(source)
        source.unlink()
        player = _players.Mpv(str(wrapper), media, title="x", options=SILENT)
        with vault.cases.get("HARBOUR").items.get(1).open(act="view") as reading, Stream() as stream, player:
            address = stream.offer(reading)
            player.show(address)
            while not stream.serve(20, player.socket) or player.hear():
                pass
    found = log.read_text(errors="replace")
    port = address.split(":")[2].split("/")[0]
    assert f"htons({port})" in found  # it did look at the item
    return found.replace(f"sin_port=htons({port})", "ours")


def assert_nothing_else(found: str, listener: Listener, canary: Path) -> None:
    assert listener.asked == []
    assert str(canary) not in found
    assert "sin_port=" not in found, [line for line in found.splitlines() if "sin_port" in line]


def test_a_player_that_is_not_held_back_asks_the_listener(
    listener: Listener, tmp_path: Path, program: Callable[[str], str]
) -> None:
    """Else the tests below would show nothing."""
    path = tmp_path / "list.m3u8"
    path.write_bytes(lists(listener.address, "/nowhere")["hls"])
    subprocess.run([program("mpv"), "--no-config", *SILENT, path], capture_output=True, timeout=60)
    assert listener.asked != []


def test_a_list_of_other_places_is_text_and_nothing_else(listener: Listener, tmp_path: Path) -> None:
    for name, content in lists(listener.address, str(tmp_path / "canary")).items():
        assert _content.media(content) is None, name
        assert not _content.is_pdf(content), name
        assert _encodings.of_text(content) is not None, name


@pytest.mark.parametrize("kind", ["m3u", "hls", "concat"])
@pytest.mark.parametrize("told", ["mov", "mp3", "matroska"])
def test_a_list_behind_the_beginning_of_a_film_makes_the_player_fetch_nothing(
    listener: Listener, tmp_path: Path, program: Callable[[str], str], kind: str, told: str
) -> None:
    canary = tmp_path / "canary"
    canary.write_bytes(b"a private file")
    beginnings = {"mov": box(b"ftyp", b"isom") + box(b"free"), "mp3": b"ID3", "matroska": b"\x1aE\xdf\xa3"}
    content = beginnings[told] + b"\n" + lists(listener.address, str(canary))[kind]
    media = _content.media(content)
    assert media is not None
    assert media.format == told
    found = shown(tmp_path, content, media, program("mpv"), program("strace"))
    assert_nothing_else(found, listener, canary)


@pytest.mark.parametrize("told", FORMATS)
def test_no_format_that_a_player_is_told_reads_a_list(
    listener: Listener, tmp_path: Path, program: Callable[[str], str], told: str
) -> None:
    canary = tmp_path / "canary"
    canary.write_bytes(b"a private file")
    content = lists(listener.address, str(canary))["hls"]
    found = shown(tmp_path, content, Media(told), program("mpv"), program("strace"))
    assert_nothing_else(found, listener, canary)


def test_a_movie_that_lies_in_other_files_makes_the_player_fetch_none(
    listener: Listener, tmp_path: Path, program: Callable[[str], str]
) -> None:
    canary = tmp_path / "canary"
    canary.write_bytes(b"\xff\xd8\xff" + bytes(100))
    content = reference_movie(listener.address, str(canary))
    media = _content.media(content)
    assert media is not None
    found = shown(tmp_path, content, media, program("mpv"), program("strace"))
    assert_nothing_else(found, listener, canary)


def test_subtitles_that_lie_beside_are_not_looked_for(
    listener: Listener, tmp_path: Path, program: Callable[[str], str]
) -> None:
    """And a film that carries fonts and pictures of its own has nothing written."""
    ffmpeg = program("ffmpeg")
    made = subprocess.run(
        [
            *(ffmpeg, "-v", "error", "-f", "lavfi", "-i", "testsrc=d=0.2:s=64x64", "-attach", __file__),
            *("-metadata:s:t", "mimetype=application/x-truetype-font", tmp_path / "film.mkv"),
        ],
        capture_output=True,
    )
    assert made.returncode == 0, made.stderr
    content = (tmp_path / "film.mkv").read_bytes()
    media = _content.media(content)
    assert media is not None
    found = shown(tmp_path, content, media, program("mpv"), program("strace"))
    assert_nothing_else(found, listener, tmp_path / "canary")
    assert ".srt" not in found
    assert ".ass" not in found


WIDE = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
    b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 14400 14400]>>endobj\ntrailer<</Root 1 0 R>>"
)


def test_a_page_of_any_width_takes_no_memory_without_end(tmp_path: Path, program: Callable[[str], str]) -> None:
    """Two hundred inches, the most that a page may have: as a picture more than two gigabytes."""
    for name in _pdf.PROGRAMS:
        program(name)
    (tmp_path / "wide.pdf").write_bytes(WIDE)
    with Vault.create(tmp_path / "vault", KeyFileUnlocker(KEY)) as vault:
        vault.cases.new("Harbour", code="HARBOUR")
        vault.cases.get("HARBOUR").items.add_file(tmp_path / "wide.pdf")
        with vault.cases.get("HARBOUR").items.get(1).open(act="view") as reading:
            assert _pdf.page_count(reading) == 1
            with pytest.raises(Stop, match="too much for the program"):
                _pdf.page(reading, 1)


def test_a_program_gets_no_more_memory_than_it_may_have() -> None:
    for size, status in ((600 << 20, 1), (100 << 20, 0)):
        taking = [sys.executable, "-I", "-c", f"bytearray({size})"]
        assert _players.start(taking, memory_bytes=512 << 20).wait(60) == status
