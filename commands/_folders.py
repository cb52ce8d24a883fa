"""Folders that are made on the way, each for the owner alone; `mkdir` with parents would leave the upper ones open."""

from __future__ import annotations

from pathlib import Path

from vault import errors


def make_for_owner(folder: Path) -> Path:
    """Make a folder and what is missing above it. Raises ``AlreadyThere``, ``SourceMissing``, ``ReadOnly``."""
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
