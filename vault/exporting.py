"""Writing an item in the clear, on purpose: under a name that is safe on every system, never over anything.

Until it is whole and compared, its name ends in ``.partial``, so that nobody takes what a crash left for the item.
"""

from __future__ import annotations

import contextlib
import mimetypes
import re
import unicodedata
from pathlib import Path
from types import TracebackType

from vault import errors, files, platform
from vault.requests import ObjectGrant

_LONGEST_STEM_BYTES = 120
_UNSAFE = re.compile(r'[<>:"/\\|?*]')
_POWERFUL = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")  # control, bidirectional, not a character
_DEVICES = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(\.|$)", re.IGNORECASE)


def safe_name(name: str | None, number: int) -> str:
    """A file name without power: the item's number, then what is harmless of its own name.

    No separator, control or bidirectional character, no leading dot or dash, no name of a device, and short.
    """
    shown = unicodedata.normalize("NFC", name or "")
    shown = "".join("_" if unicodedata.category(char) in _POWERFUL else char for char in shown)
    shown = _UNSAFE.sub("_", shown).strip(" .")
    if _DEVICES.match(shown):
        shown = f"_{shown}"
    stem, dot, suffix = shown.rpartition(".")
    if not dot or len(suffix.encode()) > 16:
        stem, dot, suffix = shown, "", ""
    stem = stem.encode()[:_LONGEST_STEM_BYTES].decode(errors="ignore").rstrip(" .")
    return f"{number:03d}-{stem or 'item'}{dot}{suffix}"


class NewExport:
    """A file in the clear being written; a context manager. After an error neither it nor its digests are left."""

    def __init__(self, folder: Path, grant: ObjectGrant) -> None:
        number = int(grant.reference.partition("/")[2])
        # What never was a file, as a statement that was typed, gets the ending of its kind of bytes.
        ending = "" if grant.file_name else mimetypes.guess_extension(grant.media_type or "") or ""
        self.path = folder / safe_name(grant.file_name or f"{grant.title}{ending}", number)
        self._digests = {name: self.path.with_name(f"{self.path.name}.{name}") for name in ("sha256", "sha512")}
        self._grant = grant
        self._unfinished = files.Unfinished(self.path, self.path.with_name(f"{self.path.name}.partial"))
        self._file = files.NewFile(self._unfinished.partial)
        self._made: list[Path] = []

    def __enter__(self) -> NewExport:
        for path in (self.path, *self._digests.values()):
            if path.exists() or path.is_symlink():
                raise errors.AlreadyThere(path=str(path))
        try:
            self._file.__enter__()
        except FileExistsError:
            raise errors.AlreadyThere(path=str(self._file.path)) from None
        except (FileNotFoundError, NotADirectoryError):
            raise errors.SourceMissing(path=str(self.path.parent)) from None
        return self

    def write(self, data: memoryview) -> None:
        """The next bytes."""
        self._file.write(data)

    def finish(self) -> Path:
        """Make the file durable and write its digests beside it, in the form of ``sha256sum`` and ``sha512sum``."""
        self._file.sync()
        digests = {self._digests["sha256"]: self._grant.sha256, self._digests["sha512"]: self._grant.sha512}
        for path, digest in digests.items():
            if digest is not None:
                self._write_new(path, f"{digest}  {self.path.name}\n".encode())
        return self._digests["sha256"]

    def _write_new(self, path: Path, data: bytes) -> None:
        try:
            with files.NewFile(path) as file:
                self._made.append(path)
                file.write(data)
        except FileExistsError:
            raise errors.AlreadyThere(path=str(path)) from None

    @property
    def owner_only(self) -> bool:
        """Whether the disk keeps the file from other users."""
        return platform.owner_only(self._file.path)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._file.__exit__(kind, error, trace)
            if kind is None:
                self._unfinished.finish()
        except BaseException:
            self._discard()
            raise
        if kind is not None:
            self._discard()

    def _discard(self) -> None:
        """Remove what this export made, and nothing that others put there meanwhile."""
        self._unfinished.discard()
        for path in self._made:
            with contextlib.suppress(errors.VaultError, OSError):
                files.remove(path)
