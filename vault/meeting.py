"""Where a command and a session's agent meet: a private folder, and in it a socket for each vault.

The socket's name tells nothing of the vault's path: it is made of the header's folder id and of what the system calls the
folder. Both ends trust only what belongs to this user and nobody else can reach, and ask the kernel who is at the other
end. Only who holds the vault's lock may remove a socket: then no agent can be behind it.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from vault import errors, files, platform

if TYPE_CHECKING:
    import socket

# As ``vault.header`` has them, which a client does not load: it brings the cryptography along.
_MAGIC = b"casevault header"
_FOLDER_ID = slice(20, 52)
_LONGEST_PATH_BYTES = 103  # 104 on macOS and 108 on Linux, with a zero at the end
_ANSWER_SECONDS = 10.0

Place = tuple[int, int]


def place_of(vault_path: Path) -> Place:
    """What the system calls a vault's folder: device and inode. Raises ``NoSuchVault``."""
    try:
        found = vault_path.stat()
    except OSError:
        raise errors.NoSuchVault(path=str(vault_path)) from None
    return found.st_dev, found.st_ino


def socket_path(runtime_dir: Path, vault_path: Path) -> Path:
    """Where the agent of a vault has its socket. Raises ``NoSuchVault`` and ``NoSession`` for what is none."""
    device, inode = place_of(vault_path)
    for name in ("header.a", "header.b"):
        with contextlib.suppress(OSError), open(vault_path / name, "rb", opener=files.open_at_once) as file:
            start = file.read(_FOLDER_ID.stop)
            if start.startswith(_MAGIC) and len(start) == _FOLDER_ID.stop:
                return runtime_dir / f"{start[_FOLDER_ID][:10].hex()}{device:x}{inode:x}"
    raise errors.NoSession


def make_private(folder: Path) -> None:
    """Make a folder for this user alone. Raises ``SessionRefused`` if something else is there."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        raise errors.SessionUnavailable(reason="the folder for its socket cannot be made") from None
    _verify_private(folder)


def _verify_private(folder: Path) -> None:
    """See that a folder is this user's own and closed to others, and no link. Raises ``SessionRefused``."""
    try:
        found = folder.lstat()
    except OSError:
        raise errors.NoSession from None
    if not stat.S_ISDIR(found.st_mode) or not platform.is_private(found):
        raise errors.SessionRefused(path=str(folder), reason="others can get at this folder, or it is a link")


def connect(runtime_dir: Path, vault_path: Path) -> socket.socket:
    """A connection to the agent of a vault, verified.

    Raises ``NoSession``; ``SessionOver`` if its socket was left behind; ``SessionRefused`` for what is not trusted;
    ``SessionStuck``.
    """
    path = socket_path(runtime_dir, vault_path)
    _verify_private(runtime_dir)
    try:
        found = path.lstat()
    except OSError:
        raise errors.NoSession from None
    if not stat.S_ISSOCK(found.st_mode) or not platform.is_private(found):
        raise errors.SessionRefused(path=str(path), reason="it is not a socket of this user alone")
    try:
        connection = platform.connect(path, seconds=_ANSWER_SECONDS)
    except (ConnectionRefusedError, FileNotFoundError):
        raise errors.SessionOver from None
    except OSError:
        raise errors.SessionStuck(path=str(path)) from None
    if not platform.is_this_user(platform.peer(connection)):
        connection.close()
        raise errors.SessionRefused(path=str(path), reason="another user is behind it")
    return connection


def listen(runtime_dir: Path, vault_path: Path) -> tuple[socket.socket, Path]:
    """The agent's socket. The caller holds the vault's lock, so what is in its place is stale, or planted.

    Raises ``SessionRefused`` and ``SessionUnavailable``.
    """
    make_private(runtime_dir)
    path = socket_path(runtime_dir, vault_path)
    if len(os.fsencode(path)) > _LONGEST_PATH_BYTES:
        raise errors.SessionUnavailable(reason="the path of its folder is too long for a socket")
    _remove_stale(path)
    try:
        return platform.listen(path), path
    except OSError as error:
        raise errors.SessionUnavailable(reason=os.strerror(error.errno or 0)) from None


def forget(runtime_dir: Path, vault_path: Path) -> None:
    """Remove what an agent that died left here. The caller holds the vault's lock."""
    with contextlib.suppress(errors.VaultError):
        _verify_private(runtime_dir)
        _remove_stale(socket_path(runtime_dir, vault_path))


def _remove_stale(path: Path) -> None:
    """Remove a socket that an agent left behind. The caller holds the vault's lock. Raises ``SessionRefused``."""
    try:
        found = path.lstat()
    except OSError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise errors.SessionRefused(path=str(path), reason="it is not a socket of this user alone")
    with contextlib.suppress(OSError):
        path.unlink()
