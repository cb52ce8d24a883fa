"""Looking at an item: the real player on a real film, text on a screen that forgets it, and nothing anywhere afterwards."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from players import children, everything, film, running, screen, wait_until

from commands import _content, _players
from vault import KeyFileUnlocker, Vault, errors
from vault.streaming import Stream

KEY = b"a key file of the tests, 32 byte"
TEXT = "Я уехала по собственной воле.\n\x1b[2Jforged\u202e\n" + "строка\n" * 200
SILENT = ("--vo=null", "--ao=null")
posix = pytest.mark.skipif(sys.platform == "win32", reason="left out: no player is started on Windows")
linux = pytest.mark.skipif(sys.platform != "linux", reason="left out: /proc shows what a player has")


def real_film(*, short: bool) -> Path:
    path = film(short=short)
    if path is None:
        pytest.skip("left out: no real film (Debian's forensics-samples-files)")
    return path


@pytest.fixture
def movie() -> Path:
    return real_film(short=False)


@pytest.fixture
def short_movie() -> Path:
    return real_film(short=True)


@pytest.fixture
def display(program: Callable[[str], str]) -> Iterator[str]:
    with screen(program("Xvfb")) as name:
        yield name


def outcome(program: Any) -> dict[str, Any]:
    found: dict[str, Any] = [entry for entry in program("log", "--json").json if entry["act"] == "item-view"][-1]
    return found


def watched(tmp_path: Path, mpv: str, strace: str) -> tuple[str, Path]:
    """A program that is mpv, with a list of all files that it opens, makes or renames."""
    log, wrapper = tmp_path / "opened", tmp_path / "mpv-watched"
    wrapper.write_text(f'#!/bin/sh\nexec {strace} -f -qq -s 300 -o {log} -e trace=%file,connect,bind {mpv} "$@"\n')
    wrapper.chmod(0o700)
    return str(wrapper), log


def made(log: Path) -> list[str]:
    """The lines of such a list that made, changed or removed something, devices and what failed apart."""
    changing = r"O_CREAT|O_WRONLY|O_RDWR|O_TMPFILE|\b(creat|mkdir\w*|rename\w*|link\w*|symlink\w*|unlink\w*|mknod\w*)\("
    lines = log.read_text(errors="replace").splitlines()
    return [
        line for line in lines if re.search(changing, line) and not re.search(r'= -1 |"/dev/(null|tty|dri|snd)', line)
    ]


# The player


@linux
def test_a_real_film_is_shown_to_its_end_and_the_player_writes_nothing(
    tmp_path: Path, home: Path, movie: Path, program: Callable[[str], str]
) -> None:
    wrapper, log = watched(tmp_path, program("mpv"), program("strace"))
    with Vault.create(tmp_path / "vault", KeyFileUnlocker(KEY)) as vault:
        vault.cases.new("Harbour", code="HARBOUR")
        item = vault.cases.get("HARBOUR").items
        item.add_file(movie)
        before = everything(home.parent)
        with item.get(1).open(act="view") as reading:
            media = _content.media(movie.read_bytes()[:4096])
            assert media is not None
            with Stream() as stream, _players.Mpv(wrapper, media, title="HARBOUR/1", options=SILENT) as player:
                address = stream.offer(reading)
                player.show(address)
                sought = False
                while not stream.serve(20, player.socket) or player.hear():
                    if player.shown and not sought:
                        sought = True
                        player.tell("seek", 95, "absolute-percent")
            assert player.shown
            assert player.complaint == ""
            assert player.process.returncode == 0
        entry = [entry for entry in vault.log("HARBOUR") if entry.act == "item-view"][-1]
        assert entry.phase == "done"
        assert entry.size_bytes is not None
        assert entry.size_bytes > 100_000
        assert everything(home.parent) == before
    assert made(log) == []
    assert "/HARBOUR" not in log.read_text()
    assert address.rpartition("/")[2] not in log.read_text()


@linux
def test_the_command_shows_a_film_and_neighbours_see_no_address_and_no_new_file(
    harbour: Any, home: Path, short_movie: Path, display: str, program: Callable[[str], str]
) -> None:
    mpv = program("mpv")
    harbour("add", "HARBOUR", short_movie)
    before = everything(home.parent)
    process = harbour.start("view", "HARBOUR/1", "--purpose", "court", DISPLAY=display, http_proxy="http://127.0.0.1:9")
    seen = b""
    wait_until(lambda: process.poll() is not None or children(process.pid))
    while process.poll() is None:
        for child in children(process.pid):
            with contextlib.suppress(OSError):
                arguments = Path(f"/proc/{child}/cmdline").read_bytes()
                if not arguments.startswith(os.fsencode(mpv)):
                    continue  # it is still a copy of the command
                seen += arguments + Path(f"/proc/{child}/environ").read_bytes()
                descriptors = [str(each.readlink()) for each in Path(f"/proc/{child}/fd").iterdir()]
                assert not any(str(harbour.vault) in each for each in descriptors), descriptors
    _stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    assert b"mpv" in seen
    assert b"http" not in seen.replace(b"protocol_whitelist=[http,tcp]", b"")
    assert b"HARBOUR" not in seen
    assert str(home).encode() not in seen.replace(str(home / ".Xauthority").encode(), b"")
    changed = {path for path, about in everything(home.parent).items() if before.get(path) != about}
    assert all("/casevault" in path or path.endswith("/state") for path in changed - set(before)), changed
    entry = outcome(harbour)
    assert (entry["phase"], entry["purpose"]) == ("done", None)
    assert entry["size_bytes"] > 100_000


@linux
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_the_player_ends_with_the_command_however_that_ends(
    harbour: Any, display: str, program: Callable[[str], str], number: signal.Signals
) -> None:
    program("mpv")
    path = harbour.file("picture.bmp", picture())
    harbour("add", "HARBOUR", path)
    process = harbour.start("view", "HARBOUR/1", DISPLAY=display)
    wait_until(lambda: children(process.pid) or process.poll() is not None)
    (player,) = children(process.pid)
    wait_until(lambda: b"mpv" in Path(f"/proc/{player}/cmdline").read_bytes())
    process.send_signal(number)
    process.communicate(timeout=60)
    wait_until(lambda: not running(player))
    assert process.returncode == (-number if number == signal.SIGKILL else 130)
    if number != signal.SIGKILL:
        assert (outcome(harbour)["phase"], outcome(harbour)["reason"]) == ("failed", "KeyboardInterrupt")


@posix
@pytest.mark.parametrize("key", ["q", "ESC", "CLOSE_WIN"])
def test_the_player_can_be_closed(program: Callable[[str], str], key: str) -> None:
    with _players.Mpv(program("mpv"), _content.PAGE, title="x", options=SILENT) as player:
        player.tell("keypress", key)
        while player.hear():
            pass
        assert player.process.wait(60) == 0


@linux
def test_the_player_is_allowed_no_core_dump(program: Callable[[str], str]) -> None:
    from vault import platform

    platform.harden_process()
    with _players.Mpv(program("mpv"), _content.PAGE, title="x", options=SILENT) as player:
        limits = Path(f"/proc/{player.process.pid}/limits").read_text()
        assert re.search(r"Max core file size +0 +0 ", limits)


@posix
def test_the_player_ends_when_nothing_is_given_out_any_more(
    tmp_path: Path, movie: Path, program: Callable[[str], str]
) -> None:
    """As when the session ends: its keeper knows the reading no more."""
    from commands.view import _served

    with Vault.create(tmp_path / "vault", KeyFileUnlocker(KEY)) as vault:
        vault.cases.new("Harbour", code="HARBOUR")
        vault.cases.get("HARBOUR").items.add_file(movie)
        reading = vault.cases.get("HARBOUR").items.get(1).open(act="view")
        player = _players.Mpv(program("mpv"), _content.Media("mov"), title="x", options=(*SILENT, "--pause"))

        def watch() -> None:
            with Stream() as stream, player:
                player.show(stream.offer(reading))
                while _served(reading, stream, player):
                    if player.shown:
                        reading.close()

        with pytest.raises(errors.ReceiptRefused):
            watch()
        # It is killed, unless it was quicker to end by itself, because it was given no more of the film.
        assert player.process.returncode in (-signal.SIGKILL, 0)


@posix
def test_a_damaged_film_is_shown_up_to_the_damage_and_the_status_says_so(
    harbour: Any, movie: Path, display: str, program: Callable[[str], str]
) -> None:
    program("mpv")
    harbour("add", "HARBOUR", movie)
    path = max((harbour.vault / "objects").rglob("*.*"), key=lambda each: each.stat().st_size)
    data = bytearray(path.read_bytes())
    for place in range(1_000_000, len(data), 100_000):
        data[place] ^= 1
    path.write_bytes(data)
    done = harbour("view", "HARBOUR/1", status=20, DISPLAY=display)
    assert "HARBOUR/1" in done.stderr
    assert outcome(harbour)["reason"] == "ObjectDamaged"


# Sessions


@pytest.fixture
def session(harbour: Any) -> Iterator[Any]:
    harbour("unlock")
    yield harbour
    harbour.bare("lock", "--vault", harbour.vault)


@linux
@pytest.mark.parametrize("end", ["lock", "killed"])
def test_the_end_of_the_session_ends_every_view_and_every_player(
    session: Any, terminal: Callable[..., Any], program: Callable[[str], str], display: str, end: str
) -> None:
    program("mpv")
    session("add", "HARBOUR", session.file("picture.bmp", picture()), session.file("text.txt", TEXT.encode()))
    process = session.start("view", "HARBOUR/1", DISPLAY=display)
    wait_until(lambda: children(process.pid) or process.poll() is not None)
    (player,) = children(process.pid)
    wait_until(lambda: b"mpv" in Path(f"/proc/{player}/cmdline").read_bytes())
    at = terminal(*session.options, "view", "HARBOUR/2", term="xterm")
    at.expect("HARBOUR/2")
    if end == "lock":
        session("lock")
    else:
        agent = session("status", "--json").json["session"]["process"]
        os.kill(agent, signal.SIGKILL)
    wait_until(lambda: not running(player))
    _stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 13, stderr
    assert at.finish()[0] == 13
    assert b"\x1b[?1049l" in at.shown
    phases = {
        (entry["phase"], entry["reason"]) for entry in session("log", "--json").json if entry["act"] == "item-view"
    }
    assert not any(phase == "done" for phase, _reason in phases)
    assert len(phases) > 1


@linux
def test_a_view_that_is_over_leaves_the_session_as_it_was(
    session: Any, display: str, short_movie: Path, program: Callable[[str], str]
) -> None:
    program("mpv")
    session("add", "HARBOUR", short_movie)
    session.bare("view", "HARBOUR/1", "--vault", session.vault, DISPLAY=display)
    assert outcome(session)["phase"] == "done"
    assert session.bare("items", "HARBOUR", "--vault", session.vault).stdout.startswith("HARBOUR/1")


# What can't be shown


def test_what_can_not_be_shown_is_refused_with_the_reason(harbour: Any, tmp_path: Path) -> None:
    harbour("add", "HARBOUR", harbour.file("letter.docx", b"PK\3\4\x14\0\6\0" + bytes(1000)))
    harbour("add", "HARBOUR", harbour.file("film.mp4", b"\0\0\0\x18ftypmp42" + bytes(5000)))
    harbour("add", "HARBOUR", harbour.file("notes.txt", TEXT.encode()))
    assert "export" in harbour("view", "HARBOUR/1", status=15).stderr
    assert "mpv" in harbour("view", "HARBOUR/2", status=15, PATH=str(tmp_path), DISPLAY=":0").stderr
    assert "terminal" in harbour("view", "HARBOUR/3", status=15).stderr
    harbour("view", "HARBOUR/4", status=14)
    harbour("view", "HARBOUR", status=2)
    harbour("view", "HARBOUR/1", "--json", status=2)
    phases = [entry["phase"] for entry in harbour("log", "--json").json if entry["act"] == "item-view"]
    assert phases.count("failed") == 4


@posix
def test_without_a_screen_a_film_is_refused_and_a_broken_one_too(
    harbour: Any, program: Callable[[str], str], display: str
) -> None:
    program("mpv")
    harbour("add", "HARBOUR", harbour.file("film.mp4", b"\0\0\0\x18ftypmp42" + bytes(5000)))
    assert "screen" in harbour("view", "HARBOUR/1", status=15, DISPLAY="", WAYLAND_DISPLAY="").stderr
    assert "could not show" in harbour("view", "HARBOUR/1", status=15, DISPLAY=display).stderr


def test_open_says_how_an_item_is_looked_at(cv: Any) -> None:
    assert "casevault view HARBOUR/3" in cv("open", "HARBOUR/3", status=2).stderr
    assert "\x1b" not in cv("open", "HARBOUR/\x1b[2J", status=14).stderr


# Text


@pytest.fixture
def texts(harbour: Any) -> Any:
    harbour("add", "HARBOUR", harbour.file("text.txt", TEXT.encode()))
    harbour("add", "HARBOUR", harbour.file("old.txt", ("Я уехала по собственной воле.\n" * 9).encode("cp1251")))
    return harbour


def on_the_screen(shown: bytes) -> tuple[str, str]:
    """What was shown on the alternate screen, and what outside it."""
    inside = b"".join(re.findall(rb"\x1b\[\?1049h(.*?)\x1b\[\?1049l", shown, re.DOTALL))
    outside = re.sub(rb"\x1b\[\?1049h.*?\x1b\[\?1049l", b"", shown, flags=re.DOTALL)
    return inside.decode(errors="replace"), outside.decode(errors="replace")


@pytest.mark.parametrize("command", [("view",), ("cat",), ("view", "--plain"), ("cat", "--plain")])
def test_text_is_shown_on_a_screen_that_forgets_it(
    texts: Any, terminal: Callable[..., Any], command: tuple[str, ...]
) -> None:
    at = terminal(*texts.options, *command, "HARBOUR/1", term="xterm")
    at.expect("HARBOUR/1")
    at.send("G")
    at.expect("100 %")
    at.send("q")
    status, _shown = at.finish()
    assert status == 0, at.shown
    inside, outside = on_the_screen(at.shown)
    assert "по собственной воле" in inside
    assert "<U+001B>[2Jforged<U+202E>" in inside
    assert "воле" not in outside
    assert "строка" not in outside
    assert "\x1b" not in outside
    assert ("\x1b[7m" in inside) is ("--plain" not in command)


def test_a_text_in_an_old_encoding_is_read_and_another_can_be_chosen(texts: Any, terminal: Callable[..., Any]) -> None:
    at = terminal(*texts.options, "view", "HARBOUR/2", term="xterm")
    assert "Я уехала по собственной воле." in at.expect("cp1251")
    at.send("e")
    at.expect("koi8-u")
    at.send("q")
    assert at.finish()[0] == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_the_terminal_is_given_back_after_every_end(
    texts: Any, terminal: Callable[..., Any], number: signal.Signals
) -> None:
    import termios

    at = terminal(*texts.options, "view", "HARBOUR/1", term="xterm")
    before = termios.tcgetattr(at.screen_fd)
    at.expect("HARBOUR/1")
    assert termios.tcgetattr(at.screen_fd)[3] != before[3]
    at.process.send_signal(number)
    status, _shown = at.finish()
    assert status == 130
    assert b"not stored" not in at.shown  # there was nothing to store
    assert "воле" not in on_the_screen(at.shown)[1]
    assert b"\x1b[?25h\x1b[?1049l" in at.shown


def test_a_suspended_view_has_left_the_screen_first(texts: Any, terminal: Callable[..., Any]) -> None:
    at = terminal(*texts.options, "view", "HARBOUR/1", term="xterm")
    at.expect("HARBOUR/1")
    at.process.send_signal(signal.SIGTSTP)
    at.expect("\x1b[?1049l")
    wait_until(lambda: Path(f"/proc/{at.process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T")
    at.process.send_signal(signal.SIGCONT)
    at.expect("\x1b[?1049h")
    at.expect("HARBOUR/1")
    at.send("q")
    assert at.finish()[0] == 0


def test_damage_in_a_text_leaves_the_screen_and_says_so(texts: Any, terminal: Callable[..., Any]) -> None:
    long = texts.file("long.txt", b"a line of a long text\n" * 20_000)
    texts("add", "HARBOUR", long)
    path = max((texts.vault / "objects").rglob("*.*"), key=lambda each: each.stat().st_size)
    data = bytearray(path.read_bytes())
    data[400_000] ^= 1
    path.write_bytes(data)
    at = terminal(*texts.options, "view", "HARBOUR/3", term="xterm")
    at.expect("HARBOUR/3")
    at.send("G")
    status, _shown = at.finish()
    assert status == 20
    assert "damaged" in on_the_screen(at.shown)[1]


# PDF


@posix
def test_the_words_of_a_pdf_are_shown_in_the_terminal(
    harbour: Any, terminal: Callable[..., Any], program: Callable[[str], str], tmp_path: Path
) -> None:
    program("pdftotext")
    harbour("add", "HARBOUR", harbour.file("request.pdf", pdf("Asylum request", "Second page")))
    at = terminal(*harbour.options, "view", "HARBOUR/1", "--text", term="xterm")
    assert "Second page" in at.expect("HARBOUR/1")
    at.send("q")
    assert at.finish()[0] == 0
    assert "request" not in on_the_screen(at.shown)[1]
    assert outcome(harbour)["phase"] == "done"


@posix
def test_a_scan_without_words_is_no_empty_screen(
    harbour: Any, terminal: Callable[..., Any], program: Callable[[str], str]
) -> None:
    program("pdftotext")
    harbour("add", "HARBOUR", harbour.file("scan.pdf", pdf("", "")))
    status, shown = terminal(*harbour.options, "view", "HARBOUR/1", "--text", term="xterm").finish()
    assert status == 15
    assert "its pages are pictures" in shown


@posix
def test_the_pages_of_a_pdf_are_made_in_memory_alone(tmp_path: Path, program: Callable[[str], str]) -> None:
    from commands import _pdf

    for name in _pdf.PROGRAMS:
        program(name)
    with Vault.create(tmp_path / "vault", KeyFileUnlocker(KEY)) as vault:
        vault.cases.new("Harbour", code="HARBOUR")
        items = vault.cases.get("HARBOUR").items
        for number, content in enumerate((pdf("One", "Two", "Three"), b"%PDF-1.4\nbroken"), 1):
            (tmp_path / f"{number}.pdf").write_bytes(content)
            items.add_file(tmp_path / f"{number}.pdf")
        with items.get(1).open(act="view") as reading:
            assert _pdf.page_count(reading) == 3
            page = b"".join(_pdf.page(reading, 2).part(0, 1 << 30))
            assert page.startswith(b"\x89PNG")
            assert page != b"".join(_pdf.page(reading, 3).part(0, 1 << 30))
            assert b"Two" in _pdf.text(reading)
        with items.get(2).open(act="view") as reading, pytest.raises(Exception, match="can't be shown"):
            _pdf.page_count(reading)


def pressed(xdotool: str, display: str, key: str) -> bool:
    """Whether there was a window that could get the key."""
    keys = [xdotool, "search", "--name", "HARBOUR/1", "key", key]
    return subprocess.run(keys, env=os.environ | {"DISPLAY": display}, capture_output=True).returncode == 0


@linux
def test_no_key_of_the_player_writes_a_screenshot_or_opens_anything(
    harbour: Any, home: Path, display: str, program: Callable[[str], str]
) -> None:
    program("mpv")
    xdotool = program("xdotool")
    harbour("add", "HARBOUR", harbour.file("picture.bmp", picture()))
    before = everything(home.parent)
    process = harbour.start("view", "HARBOUR/1", DISPLAY=display)
    wait_until(lambda: pressed(xdotool, display, "s") or process.poll() is not None)
    for key in ("s", "S", "ctrl+s", "grave", "Q", "i", "ctrl+o", "d", "XF86Tools"):
        assert pressed(xdotool, display, key)
    wait_until(lambda: process.poll() is not None or not pressed(xdotool, display, "q"))
    _stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    assert {each for each in set(everything(home.parent)) - set(before) if "/casevault" not in each} == set()
    assert not [path for path in (Path("/"), harbour.folder) for found in path.glob("mpv-shot*")]


@linux
def test_a_pdf_is_shown_page_by_page_in_a_window(harbour: Any, display: str, program: Callable[[str], str]) -> None:
    for name in ("mpv", "pdfinfo", "pdftoppm"):
        program(name)
    xdotool = program("xdotool")
    harbour("add", "HARBOUR", harbour.file("request.pdf", pdf("One", "Two")))
    process = harbour.start("view", "HARBOUR/1", DISPLAY=display)

    wait_until(lambda: pressed(xdotool, display, "Next") or process.poll() is not None)
    wait_until(lambda: pressed(xdotool, display, "q") or process.poll() is not None)
    wait_until(lambda: process.poll() is not None or not pressed(xdotool, display, "q"))
    _stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr


def picture() -> bytes:
    """A grey square."""
    sizes = [54 + 48, 0, 54, 40, 4, 4]
    return b"BM" + b"".join(size.to_bytes(4, "little") for size in sizes) + b"\1\0\x18\0" + bytes(24) + b"\x80" * 48


def pdf(*pages: str) -> bytes:
    """A document of a line a page."""
    count = len(pages)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Count %d /Kids [%s] >>" % (count, b" ".join(b"%d 0 R" % (4 + 2 * i) for i in range(count))),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for number, line in enumerate(pages):
        drawing = b"BT /F1 24 Tf 50 700 Td (%s) Tj ET" % line.encode()
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 400 800] /Contents %d 0 R "
            b"/Resources << /Font << /F1 3 0 R >> >> >>" % (5 + 2 * number)
        )
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(drawing), drawing))
    made, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(made))
        made += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(objects) + 1
    trailer = b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (size, len(made))
    return made + b"xref\n0 %d\n0000000000 65535 f \n" % size + table + trailer
