"""The editor on a real terminal: what is typed is found again after every kind of end, and is nowhere in the clear."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyte
import pytest

from commands._places import state_folder
from vault import Case, KeyFileUnlocker, Vault, errors

if sys.platform == "win32":
    pytest.skip("left out: there are no pseudo-terminals on Windows", allow_module_level=True)

import pty
import struct
import termios

KEY = b"a key file of the tests, 32 byte"
CANARY = "Солтаева Эльза: я ушла сама. Grüße, äöü. საქართველო"
STARTED = "Ctrl-S"  # in the line at the bottom
F10, ESCAPE, UNDO, REDO = b"\x1b[21~", b"\x1b", b"\x1a", b"\x19"
SAVE, KEEP, DISCARD = b"\x13", b"2", b"33"
_ENDED = "\x1b[?1049l"

# The program with a shorter time between saves, and a disk that is full while a file says so.
PROGRAM = """
import errno, os, sys
os.close(os.open(os.ttyname(0), os.O_RDWR))
import commands._editor
from vault import disk, files
commands._editor.SAVE_EVERY_SECONDS = float(sys.argv.pop(1))
full = sys.argv.pop(1)
class Disk(disk.Disk):
    def write(self, descriptor, data):
        if os.path.exists(full):
            raise OSError(errno.ENOSPC, "full")
        super().write(descriptor, data)
files.disk = Disk()
from commands.__main__ import start
start()
"""


class Screen:
    """The program on a terminal, read all the time so that it never waits for us."""

    def __init__(self, program: Any, *arguments: str, every: float, term: str, tracer: tuple[str, ...]) -> None:
        self.fd, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        environment = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
        root = str(Path(sys.modules["commands"].__file__ or "").resolve().parents[1])
        self.process = subprocess.Popen(
            [*tracer, sys.executable, "-c", PROGRAM, str(every), str(program.folder / "full"), *arguments],
            cwd=program.folder,
            env=environment | {"PYTHONPATH": root, "TERM": term, "LANG": "C.UTF-8", "LANGUAGE": "en"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.shown = b""
        self._seen = 0
        self._display = pyte.Screen(100, 30)
        self._stream = pyte.ByteStream(self._display)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while piece := os.read(self.fd, 65536):
                self._stream.feed(piece)
                self.shown += piece

    def expect(self, text: str, seconds: float = 120) -> None:
        """Wait until text is shown after what was waited for before."""
        until(lambda: text.encode() in self.shown[self._seen :], f"{text!r} in {self.shown[self._seen :]!r}", seconds)
        self._seen = self.shown.index(text.encode(), self._seen) + len(text.encode())

    @property
    def display(self) -> list[str]:
        """The lines of the screen."""
        return list(self._display.display)

    def see(self, text: str, seconds: float = 120) -> None:
        """Wait until text stands on the screen."""
        until(lambda: text in "\n".join(self.display), f"{text!r} in {self.display}", seconds)

    def type(self, keys: str | bytes) -> None:
        data = keys.encode() if isinstance(keys, str) else keys
        while data:
            data = data[os.write(self.fd, data[:1024]) :]

    def end(self, *keys: bytes) -> int:
        """Press F10 and then these, and wait for the end."""
        self.type(F10)
        self.see("1 store")
        for key in keys:
            self.type(key)
            time.sleep(0.05)  # an Escape and a letter at once would be another key
        return self.wait()

    def wait(self) -> int:
        status = self.process.wait(60)
        self._reader.join(60)
        return status

    @property
    def left(self) -> str:
        """What stays on the screen."""
        return re.sub("\x1b\\[\\?1049h.*?\x1b\\[\\?1049l", "", self.shown.decode(errors="replace"), flags=re.DOTALL)

    def close(self) -> None:
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(60)
        with contextlib.suppress(OSError):
            os.close(self.fd)


def until(condition: Callable[[], object], what: str, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.02)


Write = Callable[..., Screen]


@pytest.fixture
def write(harbour: Any) -> Iterator[Write]:
    """Starts `write` and waits until the editor is there; `started` is what to wait for otherwise."""
    screens: list[Screen] = []

    def begin(
        *arguments: str,
        started: str = STARTED,
        every: float = 0.2,
        term: str = "xterm",
        tracer: tuple[str, ...] = (),
        bare: bool = False,
    ) -> Screen:
        options = ("--vault", str(harbour.vault)) if bare else tuple(map(str, harbour.options))
        screen = Screen(harbour, *options, "write", *(arguments or ("HARBOUR",)), every=every, term=term, tracer=tracer)
        screens.append(screen)
        (screen.see if started == STARTED else screen.expect)(started)
        return screen

    yield begin
    for each in screens:
        each.close()


@contextlib.contextmanager
def looking(harbour: Any) -> Iterator[tuple[Vault, Case]]:
    with Vault.open(harbour.vault, KeyFileUnlocker(KEY)) as vault:
        yield vault, vault.cases.get("HARBOUR")


def drafts_of(harbour: Any) -> list[str]:
    """The texts of all drafts; the vault must be sound."""
    with looking(harbour) as (vault, case):
        assert vault.check(read_data=True).findings == ()
        texts = []
        for summary in case.drafts.list():
            with case.drafts.resume(summary.draft_id) as writing:
                assert not writing.doubtful
                texts.append(writing.draft.text)
    return texts


def item(harbour: Any, number: int) -> tuple[str, bytes]:
    with looking(harbour) as (_vault, case), case.items.get(number).open() as reading:
        return reading.grant.title, b"".join(bytes(piece) for piece in reading)


def files(harbour: Any) -> list[Path]:
    return sorted((harbour.vault / "drafts").iterdir())


def is_saved(harbour: Any, text: str) -> Callable[[], bool]:
    """Whether a draft with this text lies on the disk, while somebody writes: a copy is looked at."""

    def look() -> bool:
        copy = harbour.folder.parent / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        try:
            shutil.copytree(harbour.vault, copy, ignore=shutil.ignore_patterns("lock"))
            with Vault.open(copy, KeyFileUnlocker(KEY)) as vault:
                case = vault.cases.get("HARBOUR")
                for summary in case.drafts.list():
                    with case.drafts.resume(summary.draft_id) as writing:
                        if writing.draft.text == text:
                            return True
        except (shutil.Error, errors.VaultError):  # a save was on its way
            pass
        finally:
            shutil.rmtree(copy, ignore_errors=True)
        return False

    return look


def saves(harbour: Any) -> Callable[[], bool]:
    """Whether another file of the draft lies there than now: the two take turns."""
    before = {path.name for path in files(harbour)}
    return lambda: any(len(path.name) == 30 and path.name not in before for path in files(harbour))


def test_what_is_typed_is_stored_bit_for_bit_and_nothing_stays_on_the_screen(harbour: Any, write: Write) -> None:
    screen = write("HARBOUR", "--tag", "court", "--language", "rus")
    screen.type(f"{CANARY}\rвторая строка")
    screen.see("вторая")
    assert screen.end(b"1", b"\r") == 0
    assert item(harbour, 1) == (CANARY, f"{CANARY}\nвторая строка".encode())
    assert drafts_of(harbour) == []
    assert files(harbour) == []
    assert "HARBOUR/1" in screen.left
    assert CANARY[:8] not in screen.left
    assert "строка" not in screen.left
    shown = harbour("show", "HARBOUR/1", "--json").json
    assert (shown["kind"], shown["tags"], shown["language"]) == ("statement", ["court"], "rus")
    assert harbour("search", "-", typed="საქართველო").stdout.startswith("HARBOUR/1")


def test_a_title_can_be_given_and_a_text_without_letters_is_not_stored(harbour: Any, write: Write) -> None:
    screen = write("HARBOUR", "--title", "First account")
    screen.type(b"  \r" + F10 + b"1")
    screen.see("There is no text yet.")
    screen.type("words")
    assert screen.end(b"1", b"\r") == 0
    assert item(harbour, 1) == ("First account", b"  \nwords")


def test_after_kill_9_the_next_write_offers_the_text(harbour: Any, write: Write) -> None:
    screen = write()
    screen.type(CANARY)
    until(is_saved(harbour, CANARY), "a save")
    screen.process.kill()
    screen.wait()
    screen = write(started="writing was cut off")
    screen.type("\r")
    screen.see(STARTED)
    screen.type(" and on")
    assert screen.end(KEEP) == 0
    assert "The text is kept as a sealed draft" in screen.left
    assert drafts_of(harbour) == [f"{CANARY} and on"]


@pytest.mark.parametrize("end", ["SIGHUP", "SIGTERM", "SIGQUIT", "closed"])
def test_a_closed_terminal_or_a_polite_kill_saves_at_once(harbour: Any, write: Write, end: str) -> None:
    screen = write(every=3600)
    screen.type("the last words")
    screen.see("last words")
    if end == "closed":
        os.close(screen.fd)
    else:
        os.kill(screen.process.pid, getattr(signal, end))
    assert screen.wait() in (1, 130)
    assert drafts_of(harbour) == ["the last words"]
    assert end == "closed" or "last words" not in screen.left


def test_keys_that_stop_or_suspend_other_programs_do_not(harbour: Any, write: Write) -> None:
    screen = write()
    screen.type("one two")
    screen.see("two")
    screen.type(b"\x03")  # Ctrl-C
    screen.see("1 store")
    screen.type(ESCAPE)
    screen.see("Ctrl-Q")
    screen.type(b"\x1c\x04")  # Ctrl-\ and Ctrl-D
    screen.type(UNDO)
    screen.type(b" three")
    screen.see("three")
    assert screen.end(KEEP) == 0
    assert drafts_of(harbour) == ["one  three"]


def test_undo_goes_back_word_by_word_and_redo_forth(harbour: Any, write: Write) -> None:
    screen = write()
    screen.type("one two three")
    screen.type(UNDO * 2 + REDO)
    screen.type("!")
    screen.see("!")
    assert screen.end(KEEP) == 0
    assert drafts_of(harbour) == ["one two !"]


def test_a_text_can_be_thrown_away_but_not_by_one_key(harbour: Any, write: Write) -> None:
    screen = write()
    screen.type(CANARY)
    screen.type(F10 + b"3")
    screen.see("away for good")
    screen.type(ESCAPE)
    screen.see("Ctrl-Q")
    assert screen.end(b"3", b"3") == 0
    assert "thrown away" in screen.left
    assert files(harbour) == []
    assert drafts_of(harbour) == []


def test_a_megabyte_can_be_pasted(harbour: Any, write: Write) -> None:
    screen = write()
    text = "".join(f"строка {number}: ქართული, äöü\n" for number in range(25_000))
    assert len(text.encode()) > 1_000_000
    screen.type(b"\x1b[200~" + text.encode() + b"\x1b[201~")
    screen.see("24999", seconds=120)
    assert screen.end(b"1", b"\r") == 0
    title, content = item(harbour, 1)
    assert title.startswith("строка 0")
    assert hashlib.sha256(content).hexdigest() == hashlib.sha256(text.encode()).hexdigest()


def test_what_a_terminal_would_obey_is_shown_and_kept_as_it_is(harbour: Any, write: Write) -> None:
    screen = write()
    text = "a\u202eb\x1b[31mc\td\u200be\x9bf"
    screen.type(b"\x1b[200~" + text.encode() + b"\x1b[201~")
    screen.see("<U+202E>b<U+001B>[31mc    d<U+200B>e<U+009B>f")
    assert screen.end(KEEP) == 0
    assert drafts_of(harbour) == [text]
    for obeyed in ("\u202e", "\u200b", "\x9b", "b\x1b[31mc"):
        assert obeyed.encode() not in screen.shown


def test_on_a_full_disk_the_text_stays_on_the_screen_and_the_person_is_told(harbour: Any, write: Write) -> None:
    screen = write()
    screen.type("first ")
    screen.see("first")
    (harbour.folder / "full").touch()
    screen.type("second")
    screen.see("NOT SAVED: There is no space left")
    screen.type(F10 + b"1")
    screen.see("Title: first second")
    screen.type("\r")
    screen.see("Not stored: ")
    screen.type(F10)
    screen.see("1 store")
    screen.type(KEEP)
    screen.see("Ctrl-Q")
    screen.type(" third")
    screen.see("third")
    assert screen.process.poll() is None
    (harbour.folder / "full").unlink()
    until(lambda: "NOT SAVED" not in "".join(screen.display), "saving is tried again")
    assert screen.end(b"1", b"\r") == 0
    assert item(harbour, 1)[1] == b"first second third"


def test_an_older_draft_that_was_put_back_is_said_before_anything_else(harbour: Any, write: Write) -> None:
    with looking(harbour) as (_vault, case):
        writing = case.drafts.begin(text="older")
        (older,) = files(harbour)
        content = older.read_bytes()
        writing.save("newer")
        writing.save("newest")
        writing.keep()
    older.write_bytes(content)
    screen = write(started="Enter goes on")
    screen.type("\r")
    screen.expect("an older draft than the one that was kept")
    screen.see("This is an older draft")
    assert screen.end(KEEP) == 0


def test_a_damaged_draft_is_said_and_can_be_thrown_away(harbour: Any, write: Write) -> None:
    with looking(harbour) as (_vault, case):
        case.drafts.begin(text="a").keep()
    (file,) = files(harbour)
    file.write_bytes(file.read_bytes()[:-1])
    screen = write(started="Enter goes on")
    screen.type("\r")
    screen.expect("damaged or missing")
    screen.type("no\n")
    assert screen.wait() == 20
    screen = write(started="Enter goes on")
    screen.type("\r")
    screen.expect("Throw this draft away?")
    screen.type("yes\n")
    screen.see(STARTED)
    assert screen.end(KEEP) == 0
    assert drafts_of(harbour) == [""]


def test_of_several_drafts_one_is_chosen_or_a_new_text_begun(harbour: Any, write: Write) -> None:
    with looking(harbour) as (_vault, case):
        case.drafts.begin(text="one").keep()
        case.drafts.begin(text="two").keep()
    screen = write(started="There are 2 texts in HARBOUR")
    screen.type("7\n1\n")
    screen.see(STARTED)
    screen.type(" more")
    screen.see("more")
    assert screen.end(KEEP) == 0
    assert sorted(drafts_of(harbour)) == ["one more", "two"] or sorted(drafts_of(harbour)) == ["one", "two more"]
    screen = write(started="Enter goes on")
    screen.type("n\n")
    screen.see(STARTED)
    assert screen.end(KEEP) == 0
    assert len(drafts_of(harbour)) == 3


def test_a_later_version_of_a_text_can_be_written_and_nothing_else_can(harbour: Any, write: Write) -> None:
    harbour("add", "HARBOUR", "--text", "-", "--title", "Account", typed="first")
    harbour("add", "HARBOUR", harbour.file("photo.jpg", b"\xff\xd8\xff\xe0"))
    screen = write("HARBOUR/1")
    screen.type(", and what she added")
    assert screen.end(b"1", b"\r") == 0
    assert item(harbour, 3) == ("Account", b"first, and what she added")
    assert harbour("show", "HARBOUR/3", "--json").json["revises"] == "HARBOUR/1"
    assert item(harbour, 1)[1] == b"first"
    assert write("HARBOUR/2", started="not UTF-8 text").wait() == 2
    assert write("HARBOUR/9", started="There is no item").wait() == 14
    assert drafts_of(harbour) == []


def test_without_a_terminal_another_way_is_named(harbour: Any) -> None:
    for arguments in (("write", "HARBOUR"), ("write", "HARBOUR", "--json")):
        done = harbour(*arguments, typed=CANARY, status=2)
        assert "casevault add HARBOUR --text -" in done.stderr
    assert drafts_of(harbour) == []


# Line by line


@pytest.mark.parametrize("term", ["xterm", "dumb"])
def test_line_by_line_every_line_is_saved_when_it_is_entered(harbour: Any, write: Write, term: str) -> None:
    options = ("--plain",) if term == "xterm" else ()
    screen = write("HARBOUR", *options, started="A line with a single dot ends.", term=term)
    screen.type("первая\n\nsecond\n")
    until(is_saved(harbour, "первая\n\nsecond"), "a save of each line")
    screen.process.kill()
    screen.wait()
    screen = write("HARBOUR", *options, started="Enter goes on", term=term)
    screen.type("\n")
    screen.expect("second")
    screen.expect("A line with a single dot ends.")
    screen.type("third\n.\n")
    screen.expect("Enter alone goes on")
    screen.type("\nfourth\n")
    screen.type(b"\x04")
    screen.expect("Enter alone goes on")
    screen.type("1\n")
    screen.expect("Title")
    screen.type("By line\n")
    assert screen.wait() == 0
    assert item(harbour, 1) == ("By line", "первая\n\nsecond\nthird\nfourth".encode())
    assert ("second" in screen.left) is (term == "dumb")
    assert ("This terminal cannot hide" in screen.left) is (term == "dumb")


def test_line_by_line_a_text_can_be_kept_or_thrown_away(harbour: Any, write: Write) -> None:
    screen = write("HARBOUR", "--plain", started="A line with a single dot ends.")
    screen.type("words\n.\n2\n")
    assert screen.wait() == 0
    assert drafts_of(harbour) == ["words"]
    screen = write("HARBOUR", "--plain", started="Enter goes on")
    screen.type("\n")
    screen.expect("A line with a single dot ends.")
    screen.type(".\n3\nno\n.\n3\n3\n")
    assert screen.wait() == 0
    assert drafts_of(harbour) == []


def test_a_line_that_a_terminal_may_have_cut_is_kept_and_said(harbour: Any, write: Write) -> None:
    screen = write("HARBOUR", "--plain", started="A line with a single dot ends.")
    screen.type("ы" * 700 + "\n")
    screen.expect("some terminals cut such a line")
    screen.type(".\n2\n")
    assert screen.wait() == 0
    assert drafts_of(harbour) == ["ы" * 700]


def test_line_by_line_a_closed_terminal_loses_nothing_that_was_entered(harbour: Any, write: Write) -> None:
    screen = write("HARBOUR", "--plain", started="A line with a single dot ends.")
    screen.type("entered\nnot entered")
    until(is_saved(harbour, "entered"), "a save")
    os.kill(screen.process.pid, signal.SIGHUP)
    assert screen.wait() == 130
    assert drafts_of(harbour) == ["entered"]


# A session that ends


@pytest.mark.parametrize("options", [(), ("--plain",)])
def test_when_the_session_ends_the_text_is_saved_and_shown_no_longer(
    harbour: Any, write: Write, options: tuple[str, ...]
) -> None:
    harbour("unlock")
    screen = write("HARBOUR", *options, bare=True, every=3600, started="ends." if options else STARTED)
    screen.type("typed just before\n")
    if options:
        until(is_saved(harbour, "typed just before"), "a save")
    else:
        screen.see("typed just before")
    harbour("lock")
    assert screen.wait() == 13
    assert "just before" not in screen.left
    assert "the text was saved as a sealed draft" in screen.left
    assert "casevault unlock" in screen.left
    assert drafts_of(harbour) == ["typed just before" + ("" if options else "\n")]


def test_in_a_session_a_text_is_stored_and_two_windows_do_not_write_the_same(harbour: Any, write: Write) -> None:
    harbour("unlock")
    first = write(bare=True)
    first.type("one")
    second = write(bare=True)
    second.type("two")
    assert second.end(KEEP) == 0
    assert first.end(b"1", b"\r") == 0
    harbour("lock")
    assert item(harbour, 1)[1] == b"one"
    assert drafts_of(harbour) == ["two"]


# Nowhere in the clear

WRITING = re.compile(r'(?:openat|open|creat)\((?:AT_FDCWD, )?"([^"]*)", [^)]*O_(?:WRONLY|RDWR|CREAT)')


@pytest.mark.parametrize("end", ["stored", "killed"])
def test_no_byte_of_the_text_is_written_anywhere_but_sealed(
    harbour: Any, write: Write, tmp_path: Path, end: str
) -> None:
    strace = shutil.which("strace")
    trace = tmp_path / "trace"
    tracer = (strace, "-f", "-s", "4096", "-o", str(trace), "-e", "trace=file,write,pwrite64") if strace else ()
    screen = write(tracer=tracer)
    screen.type("Canary of a text\r" * 20)
    until(is_saved(harbour, "Canary of a text\n" * 20), "a save")
    if end == "stored":
        assert screen.end(b"1", b"\r") == 0
    else:
        os.killpg(screen.process.pid, signal.SIGKILL)
        screen.wait()
    searched = 0
    for path in (found for found in tmp_path.rglob("*") if found.is_file() and found != trace):
        content = path.read_bytes()
        searched += 1
        for form in ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le"):
            assert "Canary".encode(form) not in content, path
    assert searched > 5
    if not strace:
        pytest.skip("left out: what the program opened for writing: needs strace")
    opened = {Path(name) for name in WRITING.findall(trace.read_text(encoding="utf-8", errors="replace"))}
    assert opened
    allowed = (harbour.vault, state_folder(), Path("/dev"), Path("/proc"))
    assert {path for path in opened if not any(path.is_relative_to(place) for place in allowed)} == set()


@pytest.mark.slow
def test_however_often_writing_is_killed_what_was_saved_is_there(harbour: Any, write: Write) -> None:
    moments = random.Random("kills while writing")
    known, saved_inside = "", 0
    for number in range(15):
        screen = write("HARBOUR", started="Enter goes on" if number else STARTED, every=0.05)
        if number:
            screen.type("\n")
            screen.see(STARTED)
        again = saves(harbour)
        words = "".join(f"{number}.{word} " for word in range(40))
        screen.type(words)
        time.sleep(moments.uniform(0, 0.6))
        screen.process.kill()
        screen.wait()
        saved_inside += again()
        (text,) = drafts_of(harbour)
        assert text.startswith(known), "what was there once is there still"
        assert (known + words).startswith(text), "and nothing else"
        known = text
    assert saved_inside >= 5, "kills should have landed after a save"


def test_rows_end_after_words_and_the_cursor_stands_where_it_writes(harbour: Any, write: Write) -> None:
    screen = write()
    words = " ".join(f"слово{number}" for number in range(40))
    screen.type(words)
    screen.see("слово39")
    shown = [word for row in screen.display[1:-1] for word in row.split()]
    assert shown == words.split()
    screen.type(b"\x1b[H" + b"\x1b[C" * 6 + b"-")  # Home, behind the first word
    screen.see("слово0- слово1")
    assert screen.end(KEEP) == 0
    assert drafts_of(harbour) == [words.replace("слово0 ", "слово0- ", 1)]


def test_a_long_title_is_one_row_as_it_was_typed(harbour: Any, write: Write) -> None:
    screen = write()
    words, more = " ".join(f"слово{number}" for number in range(9)), "и ещё несколько слов в заглавие, для полноты"
    screen.type(words)
    screen.type(F10)
    screen.see("1 store")
    screen.type("1")
    screen.see("Title: ")
    screen.type(" " + more)
    screen.see("полноты")
    row = next(row for row in screen.display if row.startswith("Title: ")).removeprefix("Title: ").strip()
    assert len(row) > 80
    assert row in f"{words} {more}"
    screen.type("\r")
    assert screen.wait() == 0
