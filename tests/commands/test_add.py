"""Adding: bit for bit, one file's failure apart from the others', the originals untouched."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT_CAN_READ_ALL = hasattr(os, "geteuid") and os.geteuid() == 0


def test_a_file_goes_in_and_the_original_is_named_and_untouched(harbour: Any) -> None:
    path = harbour.file("film.mp4", os.urandom(100_000))
    before = (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_mode)
    done = harbour("add", "HARBOUR", path)
    assert done.stdout == "HARBOUR/1\tfilm.mp4\n"
    assert f"The original is still at {path}, unencrypted; we never delete it." in done.stderr
    assert (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_mode) == before
    shown = harbour("show", "HARBOUR/1", "--json").json
    assert shown["sha256"] == hashlib.sha256(before[0]).hexdigest()
    assert shown["sha512"] == hashlib.sha512(before[0]).hexdigest()
    assert (shown["kind"], shown["file_name"], shown["size_bytes"]) == ("video", "film.mp4", 100_000)


def test_everything_that_is_said_of_an_item_is_kept(harbour: Any) -> None:
    harbour("person", "add", "HARBOUR", "-", typed="A Name")
    described = [
        *("--kind", "document", "--title", "The letter", "--note", "found in the car", "--tag", "court", "--tag", "b"),
        *(
            "--from",
            "harbour/p1",
            "--via",
            "USB stick",
            "--recorded",
            "2026-11-20",
            "--received",
            "2026-11-21T10:00:00Z",
        ),
        *("--language", "che"),
    ]
    done = harbour("add", "HARBOUR", harbour.file("scan.bin"), *described, "--json")
    (stored,) = done.json["stored"]
    for field, value in {
        "kind": "document",
        "title": "The letter",
        "tags": ["b", "court"],
        "source": "HARBOUR/p1",
        "via": "USB stick",
        "recorded": "2026-11-20",
        "received": "2026-11-21T10:00:00Z",
        "language": "che",
        "again": False,
    }.items():
        assert stored[field] == value, field
    assert stored["notes"][0]["text"] == "found in the car"


def test_one_failing_file_stops_no_other_and_each_is_named(harbour: Any) -> None:
    good, better = harbour.file("good.txt", b"a"), harbour.file("better.txt", b"b")
    folder = harbour.folder / "sub"
    folder.mkdir()
    done = harbour("add", "HARBOUR", good, "missing.txt", folder, better, "--json", status=1)
    assert [Path(each["path"]).name for each in done.json["stored"]] == ["good.txt", "better.txt"]
    assert {Path(each["path"]).name: each["status"] for each in done.json["failed"]} == {"missing.txt": 14, "sub": 2}
    assert "There is no file missing.txt" in done.stderr
    assert "Stored 2 (2 bytes), failed 2, left out 0." in done.stderr
    harbour("add", "HARBOUR", "missing.txt", "missing too.txt", status=14)
    assert len(harbour("items", "HARBOUR", "--json").json) == 2


def test_what_was_here_before_is_not_counted_as_stored(harbour: Any) -> None:
    first, second = harbour.file("first.txt", b"a"), harbour.file("second.txt", b"bb")
    done = harbour("add", "HARBOUR", first, first, second)
    assert "Stored 2 (3 bytes), failed 0, left out 0." in done.stderr
    assert "1 file was here before and was not stored again." in done.stderr
    assert len(harbour("items", "HARBOUR", "--json").json) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="left out: devices and pipes of Unix")
def test_devices_and_pipes_are_refused_and_never_waited_for(harbour: Any) -> None:
    os.mkfifo(harbour.folder / "pipe")
    done = harbour("add", "HARBOUR", "/dev/zero", "pipe", "/dev/null", status=2)
    assert done.stdout == ""
    assert done.stderr.count("is not a file") == 3


@pytest.mark.skipif(ROOT_CAN_READ_ALL or sys.platform == "win32", reason="left out: root reads every file")
def test_an_unreadable_file_is_named(harbour: Any) -> None:
    path = harbour.file("secret.txt")
    path.chmod(0)
    assert "cannot be read" in harbour("add", "HARBOUR", path, status=1).stderr


def test_a_folder_goes_in_whole_without_following_links_and_without_the_vault_itself(harbour: Any) -> None:
    outside = harbour.file("outside.txt", b"not ours")
    tree = harbour.folder / "tree"
    (tree / "deep" / "deeper").mkdir(parents=True)
    (tree / "b.txt").write_bytes(b"b")
    (tree / "a.txt").write_bytes(b"a")
    (tree / "deep" / "deeper" / "c.txt").write_bytes(b"c")
    (tree / "link.txt").symlink_to(outside)
    (tree / "loop").symlink_to(tree)
    harbour.vault.rename(tree / "vault")
    harbour.vault = tree / "vault"
    done = harbour("add", "HARBOUR", "-r", tree, "--json")
    assert [Path(each["path"]).name for each in done.json["stored"]] == ["a.txt", "b.txt", "c.txt"]
    assert {Path(each["path"]).name for each in done.json["skipped"]} == {"link.txt", "loop", "vault"}
    assert "not followed" in done.stderr
    assert "The 3 originals are still where they were" in done.stderr


def test_a_folder_without_r_is_refused_with_the_way_to_do_it(harbour: Any) -> None:
    (harbour.folder / "sub").mkdir()
    done = harbour("add", "HARBOUR", "sub", status=2)
    assert "is not a file" in done.stderr


def test_a_statement_keeps_its_bytes_from_a_file_and_from_a_pipe(harbour: Any) -> None:
    text = "\ufeffПервая строка\r\nno final newline".encode()
    harbour("add", "HARBOUR", "--text", harbour.file("st.txt", text))
    harbour("add", "HARBOUR", "--text", "-", "--title", "From a pipe", typed=text + b"\n")
    first, second = harbour("items", "HARBOUR", "--json").json
    assert (first["title"], first["kind"]) == ("st.txt", "statement")
    assert (second["title"], second["kind"]) == ("From a pipe", "statement")
    assert harbour("cat", "HARBOUR/1").stdout.encode() == text
    assert harbour("cat", "HARBOUR/2").stdout.encode() == text + b"\n"
    assert len(harbour("search", "-", "--json", typed="Первая").json) == 2


def test_what_is_no_text_is_refused_as_a_statement(harbour: Any) -> None:
    harbour("add", "HARBOUR", "--text", harbour.file("x.bin", b"\xff\xfe\x00"), status=2)
    harbour("add", "HARBOUR", "--text", "none.txt", status=14)
    harbour("add", "HARBOUR", "--text", harbour.folder, status=2)
    assert harbour("items", "HARBOUR", "--json").json == []


def test_a_pipe_goes_in_bit_for_bit_and_needs_a_title(harbour: Any) -> None:
    content = os.urandom(300_001)
    harbour("add", "HARBOUR", "-", typed=content, status=2)
    harbour("add", "HARBOUR", "-", "--title", "Stream", "--kind", "audio", typed=content)
    shown = harbour("show", "HARBOUR/1", "--json").json
    assert shown["sha256"] == hashlib.sha256(content).hexdigest()
    assert (shown["title"], shown["file_name"], shown["kind"]) == ("Stream", None, "audio")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["-", "x"],
        ["x", "--text", "y"],
        ["-r", "--text", "y"],
        ["x", "y", "--title", "t"],
        ["x", "--kind", "song"],
        ["-", "--note", "-", "--title", "t"],
    ],
)
def test_a_command_line_that_says_two_things_is_a_usage_error(harbour: Any, arguments: list[str]) -> None:
    harbour("add", "HARBOUR", *arguments, typed="x", status=2)
    assert harbour("items", "HARBOUR", "--json").json == []


def test_the_same_bytes_again_are_a_second_reception(harbour: Any) -> None:
    path = harbour.file("a.txt")
    harbour("add", "HARBOUR", path, "--via", "stick")
    done = harbour("add", "HARBOUR", path, "--via", "messenger")
    assert done.stdout == "HARBOUR/1\ta.txt\n"
    assert "already" in done.stderr
    shown = harbour("show", "HARBOUR/1")
    assert shown.stdout.count("Came in: ") == 2
    assert "messenger" in shown.stdout


def test_no_case_is_no_place(harbour: Any) -> None:
    harbour("add", "NOWHERE", harbour.file("a.txt"), status=14)
    harbour("add", "no such code", harbour.file("a.txt"), status=2)
    assert list((harbour.vault / "objects").rglob("*.*")) == []


@pytest.mark.skipif(sys.platform != "linux", reason="left out: a file system of a fixed size")
def test_a_full_disk_stores_nothing_half(harbour: Any, tmp_path: Path) -> None:
    """A limit on the size of files stands in for the disk: the first write beyond it fails."""
    path = harbour.file("big.bin", os.urandom(3_000_000))
    script = (
        "import resource, signal, sys\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))\n"
        "from commands.cli import main\nsys.exit(main())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, harbour.options), "add", "HARBOUR", str(path)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 28, done.stderr
    assert done.stdout == ""
    assert "takes no files as large as this one" in done.stderr
    assert harbour("items", "HARBOUR", "--json").json == []
    assert harbour("check", "--json").json["findings"] == []
    assert path.exists()


def test_a_revision_stands_beside_the_original(harbour: Any) -> None:
    harbour("add", "HARBOUR", harbour.file("a.txt", b"first"))
    done = harbour("revise", "HARBOUR/1", harbour.file("b.txt", b"second"), "--note", "corrected", "--json")
    assert (done.json["reference"], done.json["revises"]) == ("HARBOUR/2", "HARBOUR/1")
    assert harbour("cat", "HARBOUR/1").stdout == "first"
    assert harbour("cat", "HARBOUR/2").stdout == "second"
    assert harbour("show", "HARBOUR/1", "--json").json["revisions"] == ["HARBOUR/2"]
    harbour("revise", "HARBOUR/9", harbour.file("b.txt"), status=14)
    harbour("revise", "HARBOUR/1", "none.txt", status=14)


def test_a_large_file_shows_a_bar_on_a_terminal_and_not_with_plain(harbour: Any, terminal: Callable[..., Any]) -> None:
    path = harbour.folder / "large.bin"
    with path.open("wb") as file:
        for _number in range(600):
            file.write(os.urandom(1 << 20))
    screen = terminal(*harbour.options, "add", "HARBOUR", path, term="xterm")
    status, shown = screen.finish()
    assert status == 0
    assert "large.bin" in shown
    assert "MB/s" in shown
    screen = terminal(*harbour.options, "--plain", "check", "--read-data", term="xterm")
    status, shown = screen.finish()
    assert status == 0
    assert "\x1b" not in shown
    path.unlink()


def test_a_source_that_changes_under_our_hands_is_not_stored(harbour: Any) -> None:
    """The program is stopped while it reads, the file grows, the program goes on."""
    import signal
    import time

    path = harbour.folder / "growing.bin"
    with path.open("wb") as file:
        for _number in range(300):
            file.write(os.urandom(1 << 20))
    process = harbour.start("add", "HARBOUR", path)
    staging = harbour.vault / "staging"
    end = time.monotonic() + 120
    while not any(each.is_file() and each.stat().st_size > 1 << 20 for each in staging.rglob("*")):
        assert time.monotonic() < end
        assert process.poll() is None
        time.sleep(0.001)
    process.send_signal(signal.SIGSTOP)
    with path.open("ab") as file:
        file.write(b"more")
    process.send_signal(signal.SIGCONT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 1, stderr
    assert stdout == b""
    assert b"changed while it was read" in stderr
    assert harbour("items", "HARBOUR", "--json").json == []
    path.unlink()


def test_what_to_do_is_said_once_of_files_that_fail_alike(harbour: Any) -> None:
    for name in ("a", "b"):
        (harbour.folder / name).mkdir()
    done = harbour("add", "HARBOUR", "a", "b", "gone", harbour.file("c.txt", b"c"), status=1)
    assert done.stdout == "HARBOUR/1\tc.txt\n"
    assert done.stderr.count("is not a file") == 2
    assert done.stderr.count("a folder is added with `-r`") == 1
    assert done.stderr.count("hint: look at the path") == 1
    assert "Stored 1 (1 byte), failed 3, left out 0." in done.stderr
