"""How often this machine saw a wrong secret since the vault was last opened: a file whose length is the number.

Nobody vouches for it: whoever can remove the file can hide what they tried. It never stops an unlock.
"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

from crypto import labels
from crypto.encoding import length_prefixed

_MOST = 1_000_000


def _path(state_dir: Path, folder_id: bytes) -> Path:
    return state_dir / hashlib.sha256(length_prefixed(labels.FAILURES, folder_id)).hexdigest()[:32]


def add(state_dir: Path, folder_id: bytes) -> None:
    """Count one more."""
    with contextlib.suppress(OSError):
        state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _path(state_dir, folder_id).open("ab") as file:
            if file.tell() < _MOST:
                file.write(b"\n")


def count(state_dir: Path, folder_id: bytes) -> int:
    """How many there were."""
    try:
        return _path(state_dir, folder_id).lstat().st_size
    except OSError:
        return 0


def forget(state_dir: Path, folder_id: bytes) -> None:
    """Begin anew: the log has them now."""
    with contextlib.suppress(OSError):
        _path(state_dir, folder_id).unlink()
