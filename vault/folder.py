"""The folder of a vault: where each thing lies, and what can be told without a key."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from vault import backup_marker, errors, files, header

_VAULT_DATABASE = re.compile(r"vault-([1-9][0-9]*)\.db(?:-wal|-shm|-journal)?")
_CASE_DATABASE = re.compile(r"([0-9a-f]{32})-([1-9][0-9]*)\.db(?:-wal|-shm|-journal)?")
_OBJECT = re.compile(r"[0-9a-f]{30}\.[0-9]+")
_OBJECT_PATH = re.compile(r"[0-9a-f]{2}/[0-9a-f]{30}\.(?:0|[1-9][0-9]*)")
_DRAFT = re.compile(r"[0-9a-f]{30}")
_STAGING = re.compile(r"[0-9a-f]{32}")

# Whoever looks at the folder without a key holds the lock for an instant.
_PATIENCE_SECONDS = 0.2

SUBFOLDERS = ("cases", "objects", "drafts", "staging")


@dataclass(frozen=True, slots=True)
class FolderFacts:
    """What anybody can tell who has the folder and no key."""

    path: Path
    format: int
    compartments: int
    object_files: int
    size_bytes: int
    in_use: bool


class Folder:
    """Paths inside a vault's folder."""

    is_backup = False

    def __init__(self, path: Path) -> None:
        self.path = path
        self.cases = path / "cases"
        self.objects = path / "objects"
        self.drafts = path / "drafts"
        self.staging = path / "staging"

    def vault_database(self, epoch: int) -> Path:
        """The index and log of an epoch."""
        return self.path / f"vault-{epoch}.db"

    def case_database(self, case_id: bytes, epoch: int) -> Path:
        """The database of a case's epoch."""
        return self.cases / f"{case_id.hex()}-{epoch}.db"

    def vault_databases(self) -> dict[int, Path]:
        """Every vault.db that lies here, by epoch."""
        found = (_VAULT_DATABASE.fullmatch(path.name) for path in self.path.iterdir())
        return {int(match[1]): self.vault_database(int(match[1])) for match in found if match}

    def case_databases(self) -> set[tuple[bytes, int]]:
        """Every case database that lies here: id and epoch."""
        found = (_CASE_DATABASE.fullmatch(path.name) for path in self.cases.glob("*"))
        return {(bytes.fromhex(match[1]), int(match[2])) for match in found if match}

    def stored_objects(self) -> dict[bytes, int]:
        """Every object that lies here, with the number of its files."""
        found: dict[bytes, int] = {}
        for path in self.objects.glob("[0-9a-f][0-9a-f]/*"):
            name, dot, segment = path.name.partition(".")
            if dot and segment.isdigit() and re.fullmatch(r"[0-9a-f]{30}", name):
                object_id = bytes.fromhex(path.parent.name + name)
                found[object_id] = found.get(object_id, 0) + 1
        return found

    def header_paths(self) -> tuple[Path, ...]:
        """Where the two copies of the header lie."""
        return tuple(self.path / name for name in header.FILE_NAMES)

    def read_headers(self) -> list[header.Header]:
        """The readable copies of the header, newest epoch first, each different one once.

        Raises ``NoSuchVault``, ``NotAVault``, ``IsABackup``, ``UnknownFormat``, ``HeaderDamaged`` and ``ReadOnly``.
        """
        if not self.path.exists():
            raise errors.NoSuchVault(path=str(self.path))
        if backup_marker.is_backup(self.path):
            raise errors.IsABackup(path=str(self.path))
        found: dict[bytes, header.Header] = {}
        reasons: list[str] = []
        unknown: int | None = None
        contents = [_content(path) for path in self.header_paths()]
        for content in contents:
            try:
                parsed = header.parse(content)
                found[parsed.to_bytes()] = parsed
            except header.Unreadable as error:
                if error.reason == "format" and header.digest_holds(content):
                    raise errors.UnknownFormat(path=str(self.path), format=error.format) from None
                if error.reason == "format":
                    # Perhaps only damage that looks like another format: the other copy may be whole.
                    unknown = error.format
                reasons.append(error.reason)
        if not found and (healed := header.heal(*contents)):
            found[healed.to_bytes()] = healed
        if found:
            return sorted(found.values(), key=lambda each: -each.epoch)
        if unknown is not None:
            raise errors.UnknownFormat(path=str(self.path), format=unknown)
        if all(reason == "absent" for reason in reasons) and not self._looks_like_a_vault():
            raise errors.NotAVault(path=str(self.path))
        if all(reason in ("absent", "foreign") for reason in reasons) and not self._looks_like_a_vault():
            raise errors.NotAVault(path=str(self.path))
        raise errors.HeaderDamaged(path=str(self.path))

    def _looks_like_a_vault(self) -> bool:
        return self.path.is_dir() and all((self.path / name).is_dir() for name in SUBFOLDERS)

    def make_subfolders(self) -> None:
        """Make again the subfolders that a copy left out because they were empty.

        Raises ``Damage`` if one is a link or a file: what is removed there would be somebody else's.
        """
        for name in SUBFOLDERS:
            path = self.path / name
            if files.is_folder(path):
                continue
            if os.path.lexists(path):
                raise errors.Damage(what=name)
            files.make_folder(path)

    def write_headers(self, found: header.Header) -> None:
        """Write both copies, in turn, each durable before the next is touched."""
        for path in self.header_paths():
            files.replace_and_erase(path, found.to_bytes())

    def damaged_headers(self, found: header.Header) -> list[str]:
        """The names of the copies that are not, or not readably, this header."""
        return [path.name for path in self.header_paths() if _content(path) != found.to_bytes()]

    def repair_headers(self, winner: header.Header) -> bool:
        """Make both copies say the same. True if one had to be written."""
        repaired = False
        for path in self.header_paths():
            if _content(path) != winner.to_bytes():
                files.replace_and_erase(path, winner.to_bytes())
                repaired = True
        return repaired

    def lock(self) -> FileLock:
        """Take the vault for this process. Raises ``VaultInUse`` and ``VaultReadOnly``."""
        try:
            return take_lock(self.path / "lock", self.path, patience_seconds=_PATIENCE_SECONDS)
        except errors.ReadOnly:
            raise errors.VaultReadOnly(path=str(self.path)) from None

    def facts(self) -> FolderFacts:
        """What can be told without a key. Raises as ``read_headers`` does."""
        self.read_headers()
        names, size = self._listed()
        return FolderFacts(
            path=self.path,
            format=header.FORMAT,
            compartments=len({match[1] for match in map(_CASE_DATABASE.fullmatch, names["cases"]) if match}),
            object_files=sum(1 for name in names["objects"] if _OBJECT.fullmatch(name)),
            size_bytes=size,
            in_use=self._is_in_use(),
        )

    def _listed(self) -> tuple[dict[str, list[str]], int]:
        """The names of all files by the subfolder they lie in, and their size, while another process may be working."""
        names: dict[str, list[str]] = {name: [] for name in SUBFOLDERS}
        size = 0
        for parent, _, found in os.walk(self.path):
            place = Path(parent).relative_to(self.path).parts
            if place and place[0] in names:
                names[place[0]] += found
            for name in found:
                with contextlib.suppress(OSError):  # removed since it was listed
                    size += Path(parent, name).lstat().st_size
        return names, size

    def _is_in_use(self) -> bool:
        try:
            take_lock(self.path / "lock", self.path).release()
        except errors.VaultInUse:
            return True
        except errors.ReadOnly:
            pass
        return False


@contextlib.contextmanager
def filled(unfinished: Path, path: Path) -> Iterator[None]:
    """A new folder to be filled in the block, which gets the name ``path`` at the end; after an error it is removed.

    Raises ``AlreadyThere``, ``NoSpace``, ``ReadOnly``.
    """
    files.make_folders(path.parent)
    try:
        files.make_folder(unfinished)
        yield
        with contextlib.suppress(OSError):
            path.rmdir()  # an empty folder is in nobody's way
        try:
            files.move(unfinished, path)
        except FileExistsError:
            raise errors.AlreadyThere(path=str(path)) from None
    except BaseException:
        with contextlib.suppress(OSError, errors.VaultError):
            files.remove_tree(unfinished)
        raise


def take_lock(path: Path, vault_path: Path, *, patience_seconds: float = 0) -> FileLock:
    """Hold a lock file for this process. Raises ``VaultInUse`` and ``ReadOnly``, which name ``vault_path``."""
    # Whichever thread closes the vault gives the lock free.
    lock = FileLock(path, timeout=patience_seconds, poll_interval=0.02, thread_local=False)
    try:
        # For the owner alone from the start; the library would change the mode later, which some sticks refuse.
        # A link would lead to a file elsewhere, which some versions of the library would empty.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600))
        lock.acquire()
    except Timeout:
        raise errors.VaultInUse(path=str(vault_path)) from None
    except OSError:
        raise errors.ReadOnly(path=str(vault_path)) from None
    return lock


def is_database_name(name: str) -> bool:
    """Whether a database of a vault, or what SQLite keeps beside it, may be called so, with its folder's name."""
    if name.startswith("cases/"):
        return _CASE_DATABASE.fullmatch(name.removeprefix("cases/")) is not None
    return _VAULT_DATABASE.fullmatch(name) is not None


def is_draft_name(name: str) -> bool:
    """Whether a file of a draft may be called so."""
    return _DRAFT.fullmatch(name) is not None


def is_object_name(name: str) -> bool:
    """Whether a file of an object may be called so, its folder's name and a slash before it."""
    return _OBJECT_PATH.fullmatch(name) is not None


def _content(path: Path) -> bytes:
    try:
        with open(path, "rb", opener=files.open_at_once) as file:
            return file.read(header.SIZE + 1)
    except FileNotFoundError:
        return b""
    except NotADirectoryError:
        return b""
    except PermissionError:
        raise errors.ReadOnly(path=str(path)) from None
    except OSError:
        # A sector that cannot be read is a damaged copy; the other one may be whole.
        return b"\0"


class Staging:
    """A process's own subfolder for objects that no case has yet; it holds a lock, so that others leave it alone."""

    def __init__(self, folder: Folder) -> None:
        self.path = folder.staging / os.urandom(16).hex()
        files.make_folder(self.path)
        self._lock = take_lock(self.path / "lock", folder.path)

    def close(self) -> None:
        """Remove the subfolder and all in it."""
        self._lock.release()
        files.remove_tree(self.path)


def sweep_staging(folder: Folder) -> None:
    """Remove what processes left that do not run any more, and nothing else that lies there."""
    for path in folder.staging.iterdir():
        if not _STAGING.fullmatch(path.name) or not files.is_folder(path):
            continue  # what a file manager leaves everywhere; nothing of ours
        try:
            take_lock(path / "lock", folder.path).release()
        except errors.VaultInUse:
            continue
        files.remove_tree(path)
