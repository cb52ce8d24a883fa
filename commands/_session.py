"""Where the vault is and how it is opened: paths, secrets, and the one place that asks for them."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from commands import _terminal
from commands._errors import LOCKED, NO_VAULT, Stop, message_of
from commands._options import Settings
from commands._places import runtime_folders, state_folder
from commands._terminal import visible
from commands._text import _
from vault import errors, platform, references

if TYPE_CHECKING:
    from vault import Unlocker, Vault

_TRIES = 3
_LARGEST_PASSPHRASE_BYTES = 64 << 10
_LARGEST_KEY_FILE_BYTES = 16 << 20
_RECOVERY_WORDS = 24
_DESCRIPTOR = re.compile(r"/dev/fd/([0-9]{1,9})")


# Places


def vault_path(settings: Settings) -> Path:
    """The vault's folder: as given, else ``CASEVAULT_VAULT``, else the place for data of this system."""
    if settings.vault is not None:
        return settings.vault.absolute()
    named = os.environ.get("CASEVAULT_VAULT")
    if named:
        return Path(named).absolute()
    import platformdirs

    try:
        return platformdirs.user_data_path("casevault", appauthor=False) / "vault"
    except RuntimeError:  # a user without a home
        raise Stop(
            NO_VAULT,
            _("This user has no home folder to look for a vault in"),
            _("`--vault PATH` or the variable CASEVAULT_VAULT says where the vault is"),
        ) from None


def attached(path: Path, *, only_look: bool = False) -> Vault | None:
    """The vault as a session keeps it open; None where there is no session. Raises ``SessionOver``, ``SessionRefused``."""
    from vault import Vault

    died: errors.SessionOver | None = None
    for folder in runtime_folders():
        try:
            return Vault.attach(path, runtime_dir=folder, only_look=only_look)
        except errors.NoSession:
            continue
        except errors.SessionOver as error:
            died = error  # a later one may have its socket in the next folder
    if died is not None:
        raise died
    return None


# Secrets


def passphrase_file(settings: Settings) -> str | None:
    """The file or descriptor that holds the passphrase, if one was named."""
    return settings.passphrase_file or os.environ.get("CASEVAULT_PASSPHRASE_FILE") or None


def read_passphrase(name: str) -> str:
    """The passphrase in a file or behind ``/dev/fd/N``. A BOM and one final line end are dropped, nothing else.

    Raises ``SourceMissing``, ``SourceUnreadable``, ``NotAFile``, ``UnusablePassphrase``.
    """
    if name == "-":
        raise click.UsageError(_("A passphrase is not read from `-`; standard input is /dev/fd/0"))
    content = _read(name, _LARGEST_PASSPHRASE_BYTES)
    if len(content) > _LARGEST_PASSPHRASE_BYTES:
        raise errors.UnusablePassphrase(reason="long")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise errors.UnusablePassphrase(reason="characters") from None
    passphrase = text[:-2] if text.endswith("\r\n") else text.removesuffix("\n")
    if not passphrase:
        raise errors.UnusablePassphrase(reason="empty")
    return passphrase


def read_key_file(path: Path) -> bytes:
    """The content of a key file. Raises as ``read_passphrase`` does, and ``BadValue`` for a file that is too large."""
    content = _read(str(path), _LARGEST_KEY_FILE_BYTES)
    if len(content) > _LARGEST_KEY_FILE_BYTES:
        raise errors.BadValue(field="key file", reason="it is too long")
    return content


def _read(name: str, most: int) -> bytes:
    match = _DESCRIPTOR.fullmatch(name)
    try:
        source = os.dup(int(match[1])) if match else os.open(name, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    except (FileNotFoundError, NotADirectoryError):
        raise errors.SourceMissing(path=name) from None
    except (OSError, OverflowError, ValueError):
        raise errors.SourceUnreadable(path=name) from None
    try:
        with os.fdopen(source, "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if stat.S_ISDIR(mode):
                raise errors.NotAFile(path=name)
            if stat.S_ISREG(mode) and mode & 0o077 and not match and sys.platform != "win32":
                _terminal.warn(_("other users of this computer can read {path}").format(path=visible(name)))
            return file.read(most + 1)
    except OSError as error:
        if isinstance(error, IsADirectoryError):
            raise errors.NotAFile(path=name) from None
        raise errors.SourceUnreadable(path=name) from None


def ask_passphrase(question: str) -> str:
    """A passphrase from the terminal, without echo. Raises ``Stop`` where there is none, ``UnusablePassphrase``."""
    try:
        return _terminal.ask_secret(question)
    except _terminal.NoTerminal:
        raise locked() from None
    except _terminal.UnreadableLine:
        raise errors.UnusablePassphrase(reason="long") from None


def locked() -> Stop:
    """There is no secret and nobody to ask."""
    return Stop(
        LOCKED,
        _("The vault is locked, and there is no terminal to ask for the passphrase"),
        _("`--passphrase-file FILE` (also /dev/fd/N) or the variable CASEVAULT_PASSPHRASE_FILE names where it is"),
    )


class _Secret:
    """A passphrase, or the 24 recovery words in its place."""

    def __init__(self, text: str, key_file: bytes | None) -> None:
        from vault import AnyOf, PassphraseUnlocker, RecoveryUnlocker, passphrases

        self.bad_words: errors.BadRecoveryWords | None = None
        by_passphrase: Unlocker = PassphraseUnlocker(text, key_file)
        if hyphened := passphrases.with_hyphens(text):
            # What is typed is tried first: only if it fails does this cost another second.
            by_passphrase = AnyOf(by_passphrase, PassphraseUnlocker(hyphened, key_file))
        self.unlocker: Unlocker = by_passphrase
        if len(text.split()) == _RECOVERY_WORDS:
            try:
                self.unlocker = AnyOf(RecoveryUnlocker(text), by_passphrase)
            except errors.BadRecoveryWords as error:
                self.bad_words = error


Opened = TypeVar("Opened")
Opener = Callable[["Unlocker"], Opened]


class Session:
    """An open vault, and a way in.

    A vault that a session keeps open was opened without one: then ``unlocker`` asks for the secret when it is first used,
    and sees that it is right.
    """

    def __init__(self, settings: Settings, vault: Vault, way: Way | None, at_end: contextlib.ExitStack) -> None:
        self.vault = vault
        self._settings, self._way, self._at_end = settings, way, at_end

    def go_on(self) -> Vault:
        """The vault, after a person was asked. If the session ended meanwhile it is opened anew: what was typed is not lost.

        Raises as opening does.
        """
        if self.vault.has_ended:
            _terminal.say(
                _("The session ended while you typed. What you typed is still here: open the vault to store it.")
            )
            again = self._at_end.enter_context(opened(self._settings))
            self.vault, self._way = again.vault, again._way
        return self.vault

    def see_case(self, code: str) -> None:
        """Nobody should type a text to hear that there is no such case. Raises ``NoSuchCase``."""
        if all(each.code != code for each in self.vault.cases.list()):
            raise errors.NoSuchCase(code=code)

    def see_item(self, code: str, number: int) -> None:
        """As ``see_case``, of an item. Raises ``NoSuchCase``, ``NoSuchItem``."""
        reference = references.item_reference(code, number)
        if all(each.reference != reference for each in self.vault.cases.get(code).items.list()):
            raise errors.NoSuchItem(reference=reference)

    @property
    def unlocker(self) -> Unlocker:
        """A secret that opens this vault. Raises ``WrongPassphrase`` and ``Stop``."""
        return self._asked().unlocker

    @property
    def key_file(self) -> bytes | None:
        """The content of the key file, if one was named."""
        return self._asked().key_file

    def _asked(self) -> Way:
        if self._way is None:
            key_file = named_key_file(self._settings)
            # Why it is asked, though the vault is open: else it looks as if the session had ended.
            question = _("The vault is open, but this needs what opens it once more. Passphrase:")
            _nothing, self._way = ask_until_right(self._settings, key_file, self.vault.verify_secret, question=question)
        return self._way


@dataclass(frozen=True, slots=True)
class Way:
    """What opened the vault."""

    unlocker: Unlocker
    key_file: bytes | None


@contextlib.contextmanager
def opened(settings: Settings) -> Iterator[Session]:
    """The vault as a session keeps it open; without one, opened with what was given or what is asked for. Closed at the end.

    A key file is tried alone first, then with the passphrase. What opening found is said on stderr.
    """
    platform.harden_process()
    path = vault_path(settings)
    try:
        kept_open, died = attached(path), False
    except errors.SessionOver:
        say_session_died()
        kept_open, died = None, True
    if kept_open is not None:
        with contextlib.ExitStack() as at_end:
            yield Session(settings, at_end.enter_context(kept_open), None, at_end)
        return
    look_before_asking(path)

    def open_here(unlocker: Unlocker) -> Vault:
        from vault import Vault

        return Vault.open(path, unlocker, state_dir=state_folder(), accept_older=settings.accept_older_copy)

    # Why it is asked: a session that ended without use leaves no trace that could be told of.
    question = _("The vault is locked. Passphrase:")
    vault, way = ask_until_right(settings, named_key_file(settings), open_here, question=question)
    with contextlib.ExitStack() as at_end:
        at_end.enter_context(vault)
        if died:
            forget_session(path)
        for code in vault.warnings:
            _terminal.warn(warning(code))
        yield Session(settings, vault, way, at_end)


def forget_session(path: Path) -> None:
    """Remove the socket of an agent that died; the caller has the vault open."""
    from vault import meeting

    for folder in runtime_folders():
        meeting.forget(folder, path)


def say_session_died() -> None:
    """An agent's socket is there and no agent."""
    _terminal.say(
        _(
            "The session is over: its process ended without closing the vault. What was stored is whole; what a command "
            "had not finished is taken back or completed now."
        )
    )


def look_before_asking(path: Path) -> None:
    """Nobody should type a passphrase to hear that there is no vault, or that it is taken."""
    from vault import inspect_folder

    if inspect_folder(path).in_use:
        raise errors.VaultInUse(path=str(path))


def named_key_file(settings: Settings) -> bytes | None:
    """The content of the key file, if one was named."""
    return read_key_file(settings.key_file) if settings.key_file else None


def ask_until_right(
    settings: Settings, key_file: bytes | None, use: Opener[Opened], *, question: str = ""
) -> tuple[Opened, Way]:
    """Give ``use`` the secret that was named, or ask for it up to three times, until it is not refused as wrong."""
    question = question or _("Passphrase:")
    name = passphrase_file(settings)
    if key_file is not None:
        from vault import KeyFileUnlocker

        alone = KeyFileUnlocker(key_file)
        try:
            return use(alone), Way(alone, key_file)
        except errors.WrongPassphrase:
            if name is None and not _terminal.can_ask():
                raise
    for left in reversed(range(1 if name else _TRIES)):
        text = read_passphrase(name) if name else ask_passphrase(question)
        question = _("Passphrase:")
        try:
            secret = _Secret(text, key_file)
        except errors.UnusablePassphrase as error:
            if not left:
                raise
            _terminal.say(message_of(error))
            continue
        try:
            return use(secret.unlocker), Way(secret.unlocker, key_file)
        except errors.WrongPassphrase as error:
            shown = secret.bad_words or error
            if not left:
                raise shown from None
            _terminal.say(
                _("{message}. Look at the keyboard layout and at Caps Lock.").format(message=message_of(shown))
            )
    raise errors.WrongPassphrase


def warning(code: str) -> str:
    """What opening found, in a sentence."""
    known = {
        "unknown-slot": _(
            "the secret that opened this vault is not among the ways in that the vault knows. Somebody may have prepared "
            "this copy: do not add anything, and compare with a backup"
        ),
        "older-than-last-time": _(
            "this vault is older than when it was last open on this computer; a part of it may have been put back"
        ),
        "log-key-lost": _(
            "the key of the log was not the one that this vault expects; its log says so and goes on as a new generation"
        ),
        "header-repaired": _("one of the two copies of the header was damaged and has been written anew"),
        "newer-files": _(
            "there are files of a later time than this copy of the vault: a part may have been put back. They were left "
            "as they are; do not add anything, and compare with a backup"
        ),
        "recovered": _("the last command did not end; what it had not finished was taken back, and the log says so"),
        "own-log-forked": _(
            "a partner has what this vault's own keys have signed of a state of its log that this log never had: an older copy was "
            "put back and gone on from, the log was rewritten, or somebody else has these keys. `casevault log status` says what is "
            "known; the proof is kept"
        ),
        "partner-log-forked": _(
            "a sender's log was shown here with two histories, or with states that nothing connects. Their vault was put back "
            "to an older copy, somebody rewrote it, or this vault was restored from one: `casevault log status` says whose log "
            "and what to do. The proof is kept"
        ),
        "unsettled": _("a case does not open, so what was begun in it could not be settled: run `casevault check`"),
    }
    return known.get(code) or _("opening the vault found: {code}").format(code=visible(code))
