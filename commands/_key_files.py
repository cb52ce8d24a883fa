"""Files beside the vault that open it: key files and sheets of recovery words. They are made new, never written over."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
from collections.abc import Callable
from pathlib import Path

from commands import _terminal
from commands._errors import REFUSED, Stop
from commands._session import read_key_file
from commands._terminal import visible
from commands._text import _
from vault import errors
from vault.files import lies_in

_KEY_FILE_BYTES = 64


def key_file(
    path: Path, vault: Path, undo: contextlib.ExitStack, *, unused: Callable[[], bool]
) -> tuple[bytes, Path | None]:
    """The content of the key file; a new one is made where there is none, and its path then comes second.

    What was made is removed by ``undo``, if then ``unused``. Raises ``Stop`` for a place inside the vault.
    """
    if lies_in(path, vault):
        raise Stop(REFUSED, _("The key file must not lie in the vault's own folder"), _("put it somewhere else"))
    if os.path.lexists(path):
        return read_key_file(path), None
    content = secrets.token_bytes(_KEY_FILE_BYTES)
    new_file(path, content)
    undo.callback(_take_back, path, unused)
    return content, path


def recovery_sheet(path: Path, content: bytes, undo: contextlib.ExitStack, *, unused: Callable[[], bool]) -> None:
    """Write recovery words to a new file, which ``undo`` removes if it is then ``unused``."""
    new_file(path, content)
    undo.callback(_take_back, path, unused)


def new_file(path: Path, content: bytes) -> None:
    """Write a file for the owner alone that must not exist yet; it is durable, with its name, at return."""
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags, 0o600)
    except FileExistsError:
        raise errors.AlreadyThere(path=str(path)) from None
    except (FileNotFoundError, NotADirectoryError):
        raise errors.NoSuchFolder(path=str(path.absolute().parent)) from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
            kept = sys.platform == "win32" or os.fstat(descriptor).st_mode & 0o077 == 0
        _sync_folder(path)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    if not kept:
        _terminal.warn(_("this disk does not keep {path} from other users").format(path=visible(str(path))))


def _sync_folder(path: Path) -> None:
    if sys.platform == "win32":
        return
    descriptor = os.open(path.absolute().parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with contextlib.suppress(OSError):  # not every file system can; the content is durable
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _take_back(path: Path, unused: Callable[[], bool]) -> None:
    # Once there is a vault that may need the file, it stays, whatever happened since.
    if unused():
        path.unlink(missing_ok=True)


def say_key_file_made(path: Path) -> None:
    """What a new key file means."""
    _terminal.say(
        _(
            "The key file is {path}. Whoever has it has that way into the vault, and who loses it loses it: copy it to a "
            "stick, and keep it away from the vault."
        ).format(path=visible(str(path)))
    )


def say_sheet_made(path: Path) -> None:
    """What a file of recovery words means."""
    _terminal.say(
        _(
            "The recovery words are in {path}, in the clear: whoever reads them opens the vault. Print or copy them "
            "by hand, put the paper in a safe place, and delete the file."
        ).format(path=visible(str(path)))
    )
