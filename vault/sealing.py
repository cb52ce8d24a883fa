"""Writing a sealed case file: the part that runs in the command's process.

Items stream from their objects through the archive and age's encryption into a new file; nothing lies in the clear
anywhere, and each item must be what came in. Reading, hashing, encryption and writing work side by side. Until the file is
whole it is called ``sealed-<32 hex>.partial``; what a crash leaves under such a name is removed by the next seal there.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from crypto import age
from vault import errors, files, passphrases, platform
from vault.archive import ArchiveWriter
from vault.bag import PADDING
from vault.objects import ObjectReader
from vault.pipeline import BUFFER_BYTES, Pipeline

if TYPE_CHECKING:
    from vault.keeper import Keeper
    from vault.objects import Progress
    from vault.requests import ObjectGrant
    from vault.sealing_requests import SharePlan, ShareSigned, TagFile

# A passphrase of eight random words has 88 bits. It is stretched in 64 MiB, so that any telephone can open the file.
_PASSPHRASE_WORDS = 8
_WORK_FACTOR = 16

_PARTIAL = re.compile(r"sealed-[0-9a-f]{32}\.partial")
_LEFT_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Sealed:
    """A file that was sealed. ``owner_only`` says whether the disk keeps it from other users."""

    path: Path
    size_bytes: int
    sha256: str
    share_id: str
    sequence: int
    owner_only: bool


class Sealing:
    """A file that is to be sealed: ``plan`` says everything of it, ``write`` makes it. A context manager; if it ends
    without ``write``, the log says that it was not done.

    ``done`` is the file as soon as it is whole and has its name, also if ``write`` raises after that; until then None.
    """

    def __init__(self, keeper: Keeper, plan: SharePlan) -> None:
        self._keeper = keeper
        self._grants: dict[int, ObjectGrant] = {}
        self._ended = False
        self.plan = plan
        self.done: Sealed | None = None

    def verify_room(self, target: Path) -> None:
        """See that the file has room there, once what crashes left in the folder is removed.

        Raises ``NoSpace``, ``ReadOnly``; ``AlreadyThere``, ``NoSuchFolder``, ``Refused`` as ``write``.
        """
        folder = placed(self._keeper, target).parent
        remove_leftovers(folder)
        files.verify_writable(folder, self.plan.size_bytes)

    def write(self, target: Path, *, passphrase: str | None = None, progress: Progress | None = None) -> Sealed:
        """Seal the file as ``target``, or under a random name in the folder ``target``; never over anything.

        1. See that there is room, and nothing in the place.
        2. Read the items of which one digest is missing.
        3. Have the file announced to the log, and signed.
        4. Write it, each item compared with its digest; make it durable.
        5. Give it its name.
        6. The outcome: its size and SHA-256.

        ``passphrase`` is needed where the plan is for one, and only there. Raises ``AlreadyThere``, ``NoSuchFolder``,
        ``NoSpace``, ``FileTooLarge``, ``ReadOnly``, ``ObjectDamaged``, ``ObjectMissing``, ``PartnerChanged``,
        ``LogUnavailable``, ``SessionOver``. After an error nothing of the file is left, except after
        ``OutcomeUnrecorded``, and after ``SessionOver`` if only the outcome was missing: then it is ``done``.
        """
        if (passphrase is None) == (self.plan.protection == age.SCRYPT):
            raise ValueError("a passphrase goes with a file for a passphrase")
        self.verify_room(target)
        path = placed(self._keeper, target)
        file = unfinished(path)
        try:
            signed = self._keeper.share_sign(self.plan.intent, self._missing_digests(progress))
            size_bytes, digest = self._write(file.partial, signed, passphrase, progress)
            file.finish()
            done = Sealed(path, size_bytes, digest, signed.share_id, signed.sequence, platform.owner_only(path))
        except BaseException as error:
            self._give_up(type(error).__name__, nothing_left=file.discard())
            raise
        self._ended, self.done = True, done
        self._keeper.share_end(self.plan.intent, "done", size=size_bytes, digest=digest)
        return done

    def _missing_digests(self, progress: Progress | None) -> tuple[tuple[int, str], ...]:
        found = []
        for item in self.plan.items:
            if not item.hashed:
                digest = hashlib.sha512()
                self._pour(item.number, digest.update, progress)
                found.append((item.number, digest.hexdigest()))
        return tuple(found)

    def _tag(self, tag: TagFile) -> Iterator[bytes]:
        offset = 0
        while offset < tag.size_bytes:
            piece = self._keeper.share_tag(self.plan.intent, tag.name, offset)
            yield piece
            offset += len(piece)

    def _pour(self, number: int, write: Callable[[memoryview], object], progress: Progress | None) -> None:
        """Give an item's bytes to ``write``, and see that they are those that came in. Raises ``ObjectDamaged``."""
        if number not in self._grants:
            self._grants[number] = self._keeper.share_object(self.plan.intent, number)
        grant = self._grants[number]

        def further(count: int) -> None:
            self._keeper.verify_serving()
            if progress:
                progress(count)

        reader = ObjectReader(self._keeper.folder.objects, grant)
        if reader.pour(write, progress=further, writing_here=True) != grant.sha256:
            raise errors.ObjectDamaged(what=grant.reference)

    def _write(
        self, path: Path, signed: ShareSigned, passphrase: str | None, progress: Progress | None
    ) -> tuple[int, str]:
        recipient = (
            age.parse_recipient(self.plan.age_recipient)
            if passphrase is None
            else age.passphrase_recipient(passphrase, work_factor=_WORK_FACTOR)
        )
        digest = hashlib.sha256()
        with files.NewFile(path, held=True) as file:
            with Pipeline([file.write, digest.update], size_hint=self.plan.size_bytes) as pipeline:
                sink = _Buffered(pipeline)
                payload = age.open_writer(sink, [recipient])
                archive = ArchiveWriter(payload)
                for tag in signed.tag_files:
                    archive.member(f"{signed.top}/{tag.name}", tag.size_bytes)
                    for piece in self._tag(tag):
                        archive.write(memoryview(piece))
                for item in self.plan.items:
                    archive.member(f"{signed.top}/{item.path}", item.size_bytes)
                    self._pour(item.number, archive.write, progress)
                    del self._grants[item.number]
                archive.member(f"{signed.top}/{PADDING}", signed.padding_bytes)
                archive.zeros()
                archive.finish()
                payload.finish()
                sink.flush()
            return file.size_bytes, digest.hexdigest()

    def _give_up(self, reason: str, *, nothing_left: bool = True) -> None:
        if self._ended:
            return
        self._ended = True
        with contextlib.suppress(errors.VaultError):
            self._keeper.share_end(self.plan.intent, "failed", reason=reason, nothing_left=nothing_left)

    def __enter__(self) -> Sealing:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._give_up(reason="not sealed" if kind is None else kind.__name__)


def placed(keeper: Keeper, target: Path) -> Path:
    """Where a sealed file goes, as ``new_place``. Raises also ``Refused`` inside the vault's own folder."""
    path = new_place(target)
    if files.lies_in(path, keeper.folder.path):
        raise errors.Refused(reason="a sealed file must not lie in the vault's own folder")
    return path


def new_place(target: Path) -> Path:
    """``target``, or a random name in the folder ``target``, of which nobody can tell what kind of file it is; never over
    anything. Raises ``AlreadyThere``, ``NoSuchFolder``.
    """
    path = target / f"sealed-{secrets.token_hex(16)}.age" if target.is_dir() else target
    if os.path.lexists(path):
        raise errors.AlreadyThere(path=str(path))
    if not path.parent.is_dir():
        raise errors.NoSuchFolder(path=str(path.parent))
    return path


def unfinished(path: Path) -> files.Unfinished:
    """A sealed file that is being written, under a name by which ``remove_leftovers`` knows it."""
    return files.Unfinished(path, path.with_name(f"sealed-{secrets.token_hex(16)}.partial"))


def new_file(path: Path) -> contextlib.AbstractContextManager[files.NewFile]:
    """A sealed file that has its name only when it is whole and durable, and never another's; after an error there is none."""
    return unfinished(path).writing(held=True)


class _Buffered:
    """Collects what is written into the buffers of a pipeline."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._buffer: bytearray | None = None
        self._used = 0

    def write(self, data: memoryview) -> int:
        """Take all of ``data``."""
        done = 0
        while done < len(data):
            if self._buffer is None:
                self._buffer, self._used = self._pipeline.free(), 0
            count = min(len(data) - done, BUFFER_BYTES - self._used)
            self._buffer[self._used : self._used + count] = data[done : done + count]
            done, self._used = done + count, self._used + count
            if self._used == BUFFER_BYTES:
                self.flush()
        return done

    def flush(self) -> None:
        """Pass on what was collected."""
        if self._buffer is not None:
            buffer, self._buffer = self._buffer, None
            self._pipeline.feed(buffer, self._used)


def new_passphrase() -> str:
    """A passphrase for one file, to be spoken: eight random words, 88 bits."""
    return passphrases.generate(_PASSPHRASE_WORDS)


def remove_leftovers(folder: Path) -> None:
    """Remove the beginnings of sealed files that a crash left in a folder, and nothing else.

    That is, what is called so, begins so, belongs to this user, and nobody writes to any more.
    """
    with contextlib.suppress(OSError):
        for entry in list(os.scandir(folder)):
            with contextlib.suppress(OSError, errors.VaultError):
                if (
                    _PARTIAL.fullmatch(entry.name)
                    and entry.is_file(follow_symlinks=False)
                    and _is_left(Path(entry.path))
                ):
                    files.remove(Path(entry.path))


def _is_left(path: Path) -> bool:
    found = path.lstat()
    if sys.platform != "win32" and found.st_uid != os.geteuid():
        return False
    if time.time() - found.st_mtime < _LEFT_SECONDS or platform.is_held(path):
        return False
    with path.open("rb") as file:
        return age.VERSION_LINE.startswith(file.read(len(age.VERSION_LINE)))
