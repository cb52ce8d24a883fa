"""`casevault init`: a vault, its passphrase, and the words for the day when the passphrase is forgotten."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from commands import _terminal
from commands._documents import MADE
from commands._errors import REFUSED, Stop
from commands._new_passphrase import new_passphrase
from commands._options import PathName, Settings, asked, command, pass_settings
from commands._output import Output
from commands._session import lies_in, locked, make_for_owner, passphrase_file, read_key_file, state_folder, vault_path
from commands._terminal import visible
from commands._text import _
from vault import errors, platform

_KEY_FILE_BYTES = 64
_ASKED_BACK = 3
_TRIES = 5


@command("init", example="casevault init", fields=MADE)
@click.option(
    "--recovery-file",
    type=PathName(),
    metavar="FILE",
    help="Write the recovery words to a new file.",
)
@click.option("--no-recovery", is_flag=True, help="No recovery words: a forgotten passphrase loses everything.")
@click.option("--words", type=click.Choice(["english", "russian"]), default="english", help="Language of the words.")
@click.option("--no-passphrase", is_flag=True, help="The key file alone opens the vault.")
@click.option("--insist", is_flag=True, help="Take a passphrase that is too weak.")
@pass_settings
def init(
    settings: Settings, recovery_file: Path | None, no_recovery: bool, words: str, no_passphrase: bool, insist: bool
) -> None:
    """Make a vault.

    A passphrase is proposed or asked for, and 24 recovery words are shown once: write them on paper. With --key-file
    FILE the vault opens only with that file too; a file that does not exist is made.
    """
    from vault import KeyFileUnlocker, PassphraseUnlocker, RecoveryUnlocker, Vault

    if recovery_file and no_recovery:
        raise click.UsageError(_("--recovery-file and --no-recovery exclude each other"))
    if no_passphrase and (settings.key_file is None or passphrase_file(settings)):
        raise click.UsageError(_("--no-passphrase needs --key-file, and no --passphrase-file"))
    platform.harden_process()
    path = vault_path(settings)
    if os.path.lexists(path) and not (path.is_dir() and not any(path.iterdir())):
        raise errors.AlreadyThere(path=str(path))
    asking = _terminal.can_ask()
    if not asking and not (no_recovery or recovery_file):
        raise Stop(
            locked().status,
            _("There is no terminal to show the recovery words on"),
            _("`--recovery-file FILE` writes them to a file, `--no-recovery` does without"),
        )
    if recovery_file and lies_in(recovery_file, path):
        raise Stop(
            REFUSED, _("The recovery words must not lie in the vault's own folder"), _("put them somewhere else")
        )
    with contextlib.ExitStack() as undo:
        key_file, key_file_made = _key_file(settings.key_file, path, undo)
        way = (
            KeyFileUnlocker(key_file)
            if no_passphrase and key_file is not None
            else PassphraseUnlocker(new_passphrase(passphrase_file(settings), insist=insist), key_file)
        )
        recovery = None
        if not no_recovery:
            recovery, chosen = RecoveryUnlocker.generate(words)
            if recovery_file:
                _new_file(recovery_file, _sheet(chosen))
                undo.callback(_take_back, recovery_file, path)
            else:
                _show_words(chosen)
        make_for_owner(path.parent)
        _terminal.say(_("Making the vault; this takes a moment."))
        with Vault.create(path, way, recovery=recovery, state_dir=state_folder()) as vault:
            made = vault.info()
            owner_only = vault.owner_only
        undo.pop_all()
    output = Output(settings)
    if output.json:
        output.answer(
            {
                "path": path,
                "keys": made.keys,
                "recovery": "none" if no_recovery else "file" if recovery_file else "shown",
                "key_file_made": key_file_made,
                "owner_only": owner_only,
            }
        )
    else:
        output.line(visible(str(path)))
    _explain(path, recovery_file, key_file_made, no_recovery=no_recovery, owner_only=owner_only)


def _explain(
    path: Path, recovery_file: Path | None, key_file_made: Path | None, *, no_recovery: bool, owner_only: bool
) -> None:
    _terminal.say(
        _(
            "The vault is in {path}. Everything in it is encrypted; what anybody can see is how many cases there are and "
            "about how large they are."
        ).format(path=visible(str(path)))
    )
    if key_file_made:
        _terminal.say(
            _(
                "The key file is {path}. Without it the vault does not open, recovery words apart: copy it to a stick, "
                "and keep it away from the vault."
            ).format(path=visible(str(key_file_made)))
        )
    if recovery_file:
        _terminal.say(
            _(
                "The recovery words are in {path}, in the clear: whoever reads them opens the vault. Print or copy them "
                "by hand, put the paper in a safe place, and delete the file."
            ).format(path=visible(str(recovery_file)))
        )
    if no_recovery:
        _terminal.warn(
            _("there are no recovery words: without the passphrase or key file all is lost, and nobody can help")
        )
    if not owner_only:
        _terminal.warn(
            _(
                "this disk does not keep files from other users of the computer. They cannot read the vault, but they "
                "can copy or delete it"
            )
        )
    _terminal.say(_("Next: `casevault case new` makes a case; `casevault add CASE FILE` stores something in it."))


# The key file


def _key_file(path: Path | None, vault: Path, undo: contextlib.ExitStack) -> tuple[bytes | None, Path | None]:
    """The content of the key file; a new one is made where there is none."""
    if path is None:
        return None, None
    if lies_in(path, vault):
        raise Stop(REFUSED, _("The key file must not lie in the vault's own folder"), _("put it somewhere else"))
    if os.path.lexists(path):
        return read_key_file(path), None
    content = secrets.token_bytes(_KEY_FILE_BYTES)
    _new_file(path, content)
    undo.callback(_take_back, path, vault)
    return content, path


# The recovery words


def _sheet(words: tuple[str, ...]) -> bytes:
    """Six words a line: as it is, the file can be given as --passphrase-file."""
    return "".join(" ".join(words[start : start + 6]) + "\n" for start in range(0, len(words), 6)).encode()


def _numbered(words: tuple[str, ...]) -> str:
    rows = len(words) // 4
    return "\n".join(
        "   ".join(f"{row + rows * column + 1:2d}. {words[row + rows * column]:<12}" for column in range(4)).rstrip()
        for row in range(rows)
    )


def _show_words(words: tuple[str, ...]) -> None:
    """Show the words until three of them are given back."""
    text = _(
        "Recovery words. They open the vault when the passphrase is forgotten, and for anybody who finds them.\n"
        "Write them on paper, with their numbers. They are not shown again."
    )
    for _attempt in range(_TRIES):
        try:
            _terminal.show_once(f"{text}\n\n{_numbered(words)}", _("Written down? Press Enter."))
        except _terminal.NoTerminal:
            raise locked() from None
        if all(_gives_back(words, number) for number in _places(len(words))):
            return
        _terminal.say(_("That is another word. Here they are once more."))
    raise Stop(REFUSED, _("The words were not given back, so no vault was made"), _("begin again when there is time"))


def _places(count: int) -> Iterator[int]:
    yield from sorted(secrets.SystemRandom().sample(range(count), _ASKED_BACK))


def _gives_back(words: tuple[str, ...], number: int) -> bool:
    typed = asked(_("Word number {number}?").format(number=number + 1)).strip().casefold()
    return typed.replace("ё", "е") == words[number].casefold().replace("ё", "е")


# Files beside the vault


def _new_file(path: Path, content: bytes) -> None:
    """Write a file for the owner alone that must not exist yet."""
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags, 0o600)
    except FileExistsError:
        raise errors.AlreadyThere(path=str(path)) from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
            kept = sys.platform == "win32" or os.fstat(descriptor).st_mode & 0o077 == 0
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    if not kept:
        _terminal.warn(_("this disk does not keep {path} from other users").format(path=visible(str(path))))


def _take_back(path: Path, vault: Path) -> None:
    # Once there is a vault that needs the file, it stays, whatever happened since.
    if not (vault.is_dir() and any(vault.iterdir())):
        path.unlink(missing_ok=True)
