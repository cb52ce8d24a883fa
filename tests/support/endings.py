"""Processes that end in the middle of their work, all of them in one run.

every_end(lambda: write_file(path, new), lambda failure: check(path.read_bytes()), places=(path.parent,), kinds=("crash",))
"""

from __future__ import annotations

import hashlib
import shutil
import stat
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from faults import Crash, Failure, FaultyDisk, Kind, NothingToFail, Unsynced, replaced

from vault.disk import Buffer

ENDS: tuple[Kind, ...] = ("crash", "torn crash", "power cut")


def every_end(
    run: Callable[[], object],
    check: Callable[[Failure], object],
    *,
    places: Sequence[Path],
    kinds: Iterable[Kind],
    disk: Callable[[], FaultyDisk] = FaultyDisk,
    ended: Callable[[], object] = lambda: None,
    way: Callable[[Failure], object] = lambda _: None,
) -> int:
    """Let the process end at the 1st, 2nd, … operation of `run`; call `check` after each ending.

    It is what `faults.every_failure` does for these kinds, with one `run` for all of them: what a process leaves that ends
    at an operation is what lies there before that. So all that the `places` hold is remembered before each operation of the
    run (which must change nothing elsewhere), and put back there for each `check`, after `ended` was called to close what
    the run has open. Where the same bytes would be looked at once more in the same `way` they are not. Returns how many
    endings there were, those included; raises NothingToFail as there.
    """
    moments: list[Moment] = []
    faulty = disk()

    def remember(operation: str, path: Path, data: Buffer, offset: int | None) -> None:
        known = any(path.is_relative_to(place) for place in places)
        assert known or operation == "erase", f"{path} is changed, which is in none of the places"
        with memoryview(data) as view, view.cast("B") as part:
            half = bytes(part[: len(part) // 2])
        moments.append(Moment(operation, path, half, offset, Content.of(places), faulty.unsynced))

    faulty.before = remember
    with replaced(faulty):
        run()
    last = Content.of(places)
    ended()
    if not moments:
        raise NothingToFail
    looked_at: set[tuple[str, object, bool]] = set()

    def look(failure: Failure, content: Content, lost: Unsynced) -> None:
        if failure.kind == "power cut":
            content.put_back()
            lost.lose()
            content = Content.of(places)
        what = content.digest(), way(failure), failure.raised is None
        if what not in looked_at:
            looked_at.add(what)
            content.put_back()
            check(failure)

    endings = 0
    for kind in kinds:
        for nth, moment in enumerate(moments, 1):
            failure = Failure(kind, nth, moment.operation, moment.path.name, Crash(f"at operation {nth}"))
            look(failure, moment.torn() if kind == "torn crash" else moment.content, moment.unsynced.copy())
            endings += 1
        if kind == "power cut":
            look(Failure(kind, len(moments) + 1, "after the end", "", None), last, faulty.unsynced)
    return endings


@dataclass(frozen=True)
class Moment:
    """What there is before an operation; `half` of what that would write, at `offset` or at the end; what is not durable."""

    operation: str
    path: Path
    half: bytes
    offset: int | None
    content: Content
    unsynced: Unsynced

    def torn(self) -> Content:
        """What there is after half of a write."""
        return self.content.with_part(self.path, self.offset, self.half) if self.half else self.content


class Content:
    """What some places hold: every folder, and every file with its bytes, and who may read them."""

    def __init__(self, places: Sequence[Path], folders: dict[Path, int], files: dict[Path, tuple[int, bytes]]) -> None:
        self._places, self._folders, self._files = places, folders, files

    @classmethod
    def of(cls, places: Sequence[Path]) -> Content:
        """What they hold now."""
        folders: dict[Path, int] = {}
        files: dict[Path, tuple[int, bytes]] = {}
        for place in places:
            for path in [place, *sorted(place.rglob("*"))] if place.exists() else []:
                mode = stat.S_IMODE(path.lstat().st_mode)
                if path.is_dir():
                    folders[path] = mode
                else:
                    files[path] = mode, path.read_bytes()
        return cls(places, folders, files)

    def with_part(self, path: Path, offset: int | None, part: bytes) -> Content:
        """The same after `part` was written into a file, at its end or over what is there."""
        mode, data = self._files[path]
        start = len(data) if offset is None else offset
        written = data[:start] + part + data[start + len(part) :]
        return Content(self._places, self._folders, {**self._files, path: (mode, written)})

    def digest(self) -> str:
        """The same for the same bytes in the same places."""
        told = hashlib.sha256(repr(self._folders).encode())
        for path, (mode, data) in self._files.items():
            told.update(repr((path, mode, hashlib.sha256(data).digest())).encode())
        return told.hexdigest()

    def put_back(self) -> None:
        """Let the places hold this, and nothing else."""
        for place in self._places:
            shutil.rmtree(place, ignore_errors=True)
        for folder, mode in self._folders.items():
            folder.mkdir()
            folder.chmod(mode)
        for path, (mode, data) in self._files.items():
            path.write_bytes(data)
            path.chmod(mode)
