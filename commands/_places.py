"""Folders: those that this system gives this program, and those that are made."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from vault import errors, files, platform


def state_folder() -> Path | None:
    """Where this machine remembers how far a vault's log had come; None for a user without a home."""
    import platformdirs

    try:
        return platformdirs.user_state_path("casevault", appauthor=False)
    except RuntimeError:
        return None


def runtime_folders() -> Iterator[Path]:
    """Where a session's socket may lie, the first choice first; none where no agent can run.

    The place that the system gives each user for such things, if it is theirs alone, else one of our own.
    """
    if not platform.can_meet():
        return
    given = os.environ.get("XDG_RUNTIME_DIR")
    if given and Path(given).is_absolute():
        with contextlib.suppress(OSError):
            if platform.is_private(Path(given).lstat()):
                yield Path(given) / "casevault"
    state = state_folder()
    if state is not None:
        yield state / "run"


def make_for_owner(folder: Path) -> Path:
    """Make a folder and what is missing above it. Raises ``AlreadyThere``, ``SourceMissing``, ``ReadOnly``."""
    # Each by itself: `mkdir` with parents would leave the upper ones open to other users.
    try:
        for each in reversed([folder, *folder.parents]):
            if not each.exists():
                each.mkdir(mode=0o700, exist_ok=True)
    except NotADirectoryError:
        raise errors.SourceMissing(path=str(folder)) from None
    except PermissionError:
        raise errors.ReadOnly(path=str(folder)) from None
    except FileExistsError:
        raise errors.AlreadyThere(path=str(folder)) from None
    if not folder.is_dir():
        raise errors.AlreadyThere(path=str(folder))
    return folder


def make_inside(folder: Path, name: str) -> Path:
    """Make a folder inside one that is there, durably; it may be there itself.

    Raises ``AlreadyThere``, ``NoSpace``, ``ReadOnly``, OSError.
    """
    path = folder / name
    try:
        files.make_folder(path)
    except FileExistsError:
        if not path.is_dir():
            raise errors.AlreadyThere(path=str(path)) from None
    return path
