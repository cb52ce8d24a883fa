"""`casevault unlock` and `casevault lock`: a session, in which commands do not ask for the passphrase."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from commands import _terminal
from commands._documents import LOCKED, UNLOCKED
from commands._options import Settings, command, pass_settings
from commands._output import Fact, Output, length, moment
from commands._places import runtime_folders, state_folder
from commands._session import (
    ask_until_right,
    attached,
    look_before_asking,
    named_key_file,
    say_session_died,
    vault_path,
    warning,
)
from commands._text import _
from vault import errors, platform

if TYPE_CHECKING:
    from vault import Unlocker, Vault

_IDLE_SECONDS = 5 * 60
_UNITS = (3600, 60, 1)
_SHORTEST_SECONDS, _LONGEST_SECONDS = 60, 12 * 3600


def _seconds(_context: click.Context, _parameter: click.Parameter, value: str) -> int:
    """`90m`, `1h`, `1h30m`: from a minute to twelve hours."""
    parts = re.fullmatch(r"(?:([0-9]{1,4})h)?(?:([0-9]{1,4})m)?(?:([0-9]{1,5})s)?", value.strip().lower())
    seconds = sum(int(part or 0) * size for part, size in zip(parts.groups(), _UNITS, strict=True)) if parts else 0
    if not _SHORTEST_SECONDS <= seconds <= _LONGEST_SECONDS:
        raise click.BadParameter(_("a session lasts from 1m to 12h, as in 90m or 1h30m"))
    return seconds


@command("unlock", example="casevault unlock --for 2h", fields=UNLOCKED)
@click.option(
    "--for",
    "seconds",
    callback=_seconds,
    default="1h",
    show_default=True,
    metavar="TIME",
    help="When the vault locks in any case: 90m, 2h.",
)
@pass_settings
def unlock(settings: Settings, seconds: int) -> None:
    """Keep the vault open for the commands that follow.

    It locks after five minutes without a command, after the time given with --for, and with `casevault lock`. Time in
    which the computer sleeps counts.
    """
    platform.harden_process()
    path = vault_path(settings)
    try:
        there = attached(path)
    except errors.SessionOver:
        say_session_died()
        there = None
    already = there is not None
    slips = 0
    if there is None:
        there, slips = _begun(settings, path, seconds)
    with there:
        info, session = there.info(), there.session()
    if session is None:
        raise errors.SessionOver
    for code in session.warnings:
        _terminal.warn(warning(code))
    output = Output(settings)
    if output.json:
        output.answer(
            {
                "already": already,
                "session": session,
                "last_unlock": info.last_unlock,
                "failed_unlocks": info.failed_unlocks,
                "last_backup": info.last_backup,
                "last_check": info.last_check,
            }
        )
        return
    if not already:
        _terminal.say(_("The vault is unlocked for every command until it locks; `casevault lock` locks it at once."))
    else:
        _terminal.say(_("The vault is unlocked already; this changed nothing. `casevault lock` ends the session."))
    never = _("never")
    shown: list[Fact] = [
        (_("Locks without use after"), length(session.idle_seconds)),
        (_("Locks in any case in"), length(session.absolute_left_seconds)),
        (_("Last unlock"), moment(info.last_unlock) or never),
        (_("Failed attempts since"), str(info.failed_unlocks)),
        (_("Last backup"), moment(info.last_backup) or never),
        (_("Last full check"), moment(info.last_check) or never),
    ]
    output.facts(shown)
    if info.failed_unlocks > slips and not already:  # whoever mistyped just now knows who it was
        _terminal.warn(
            _("if it was not you who tried to open this vault, somebody else had this computer: change the passphrase")
        )


def _begun(settings: Settings, path: Path, seconds: int) -> tuple[Vault, int]:
    """A session that begins now, and ends after so many ``seconds`` at the latest; and how often the secret was mistyped for it.

    Raises ``SessionUnavailable``.
    """
    runtime = next(runtime_folders(), None)
    if runtime is None:
        raise errors.SessionUnavailable(reason="there is no place for its socket")
    look_before_asking(path)
    state = state_folder()
    from vault.launch import Launch, Orders

    orders = Orders(
        path=str(path),
        runtime_dir=str(runtime),
        state_dir=None if state is None else str(state),
        accept_older=settings.accept_older_copy,
        idle_seconds=min(_IDLE_SECONDS, seconds),
        absolute_seconds=seconds,
    )
    slips = 0
    with Launch(orders) as launch:

        def unlock_there(unlocker: Unlocker) -> None:
            nonlocal slips
            try:
                launch.unlock(unlocker)
            except errors.WrongPassphrase:
                slips += 1
                raise

        ask_until_right(settings, named_key_file(settings), unlock_there)
    there = attached(path)
    if there is None:
        raise errors.SessionOver
    return there, slips


@command("lock", example="casevault lock", fields=LOCKED)
@pass_settings
def lock(settings: Settings) -> None:
    """End the session: its process ends, and with it every view, player and editor."""
    path = vault_path(settings)
    was_open = False
    try:
        there = attached(path, only_look=True)
    except errors.SessionOver:
        there = None
        say_session_died()
    except errors.SessionStuck:
        there, was_open = None, True
        _end_stuck(path)
    if there is not None and there.client is not None:
        was_open = True
        there.client.lock()
        there.close()
    if not was_open:
        look_before_asking(path)  # a session may have its socket where this terminal does not look
    output = Output(settings)
    if output.json:
        output.answer({"was_unlocked": was_open})
    elif was_open:
        output.line(_("The vault is locked."))
    else:
        output.line(_("The vault was locked already."))


def _end_stuck(path: Path) -> None:
    """A process that does not answer gets no chance to close the vault; the next command settles what was at work."""
    from vault.client import end_stuck

    for folder in runtime_folders():
        with contextlib.suppress(errors.NoSession, errors.SessionOver):
            end_stuck(folder, path)
