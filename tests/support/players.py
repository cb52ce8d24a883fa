"""A real film, a screen for it, and what to look at while it is shown."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

SAMPLES = Path("/usr/share/forensics-samples/original-files")


def film(*, short: bool = False) -> Path | None:
    """A film that a person recorded, from Debian's forensics-samples-files: 8 seconds with sound, or less than 2."""
    path = SAMPLES / ("movie1/VID_20191220_170832.mp4" if short else "movie2/movie-hello.mp4")
    return path if path.is_file() else None


@contextlib.contextmanager
def screen(program: str) -> Iterator[str]:
    """A graphical screen that nobody sees; gives the value of DISPLAY."""
    told, tells = os.pipe()
    server = subprocess.Popen(
        [program, "-displayfd", str(tells), "-screen", "0", "800x600x24", "-nolisten", "tcp"],
        pass_fds=[tells],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(tells)
    try:
        with os.fdopen(told) as answer:
            number = answer.readline().strip()
        if not number:
            raise RuntimeError("the screen did not start")
        yield f":{number}"
    finally:
        server.terminate()
        server.wait(20)


def everything(*roots: Path) -> dict[str, tuple[int, int]]:
    """Every file and folder there, with size and time of change."""
    found = {}
    for root in roots:
        for path in [root, *root.rglob("*")]:
            with contextlib.suppress(OSError):
                about = path.lstat()
                found[str(path)] = (about.st_size if path.is_file() else 0, about.st_mtime_ns)
    return found


def children(process_id: int) -> list[int]:
    """The processes that a process started and that still run."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{process_id}/task").iterdir():
            found += [int(each) for each in (task / "children").read_text().split()]
    return found


def running(process_id: int) -> bool:
    """Whether a process is there and is no zombie."""
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition: Callable[[], object], *, seconds: float = 60) -> None:
    """Poll for something that must come true."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("it did not come true")
        time.sleep(0.02)
