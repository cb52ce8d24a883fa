"""`casevault view`: looking at an item without a trace of it outside the vault."""

from __future__ import annotations

import sys

import click

from commands import _content, _encodings, _players, _terminal
from commands._content import Media
from commands._errors import REFUSED, Stop
from commands._options import Settings, command, optional, pass_settings
from commands._pager import beginning, show_text
from commands._session import opened
from commands._text import _
from vault import Reading, references

_LOOK_SECONDS = 0.5


@command("view", example="casevault view HARBOUR/3")
@click.argument("reference", metavar="ITEM")
@click.option("--purpose", metavar="TEXT", help="What for; the log keeps it.")
@pass_settings
def view(settings: Settings, reference: str, purpose: str | None) -> None:
    """Look at an item: text in this terminal, recordings and pictures in a player.

    Nothing is written to a file. The player (mpv) gets the bytes as a stream that ends with it, and keeps no history.
    What can't be shown so is refused; `export` writes it to a folder on purpose.
    """
    if settings.json:
        raise click.UsageError(_("What is looked at is no JSON document; `show --json` describes an item"))
    code, number = references.parse_item(reference)
    purpose = optional(purpose, _("Purpose:"))
    with opened(settings) as session:
        item = session.vault.cases.get(code).items.get(number)
        with item.open(act="view", purpose=purpose) as reading:
            _show(settings, reading)


def _show(settings: Settings, reading: Reading) -> None:
    start = beginning(reading)
    if encoding := _encodings.of_text(start):
        show_text(settings, reading, encoding)
    elif media := _content.media(start):
        _play(reading, media)
    elif encoding := _encodings.of_unmarked_utf16(start):
        show_text(settings, reading, encoding)
    else:
        raise Stop(
            REFUSED,
            _("{reference} is of a kind that can't be shown without writing it to a file").format(
                reference=reading.grant.reference
            ),
            _("`casevault export` writes it to a folder, in the clear, on purpose"),
        )


# Recordings and pictures


def _play(reading: Reading, media: Media) -> None:
    """Show a recording or a picture in a player until it ends or is ended."""
    from vault.streaming import Stream

    program = _player(reading.grant.reference)
    sound_alone = media.sound_only or reading.grant.kind == "audio"
    if not sound_alone and not _players.has_screen():
        raise Stop(
            REFUSED,
            _("{reference} is a film or a picture, and there is no graphical screen here").format(
                reference=reading.grant.reference
            ),
            _("`casevault export` writes it to a folder, in the clear, on purpose"),
        )
    options = ["--video=no"] if sound_alone and not _players.has_screen() else []
    if _terminal.stderr_is_terminal():
        _terminal.say(_("Space pauses, the arrow keys seek, f fills the screen, q ends. Ctrl-C here ends it at once."))
    with (
        Stream(reading) as stream,
        _players.Mpv(program, media, stream.address, title=reading.grant.reference, options=options) as player,
    ):
        while True:
            reading.verify_open()
            if stream.serve(_LOOK_SECONDS, player.socket) and not player.hear():
                break
    if player.failed or not player.shown:
        raise Stop(
            REFUSED,
            _("the player could not show {reference}").format(reference=reading.grant.reference),
            _("`casevault check --read-data` tells whether it is whole; `casevault export` writes it to a folder"),
        )


def _player(reference: str) -> str:
    if sys.platform == "win32":
        raise Stop(
            REFUSED,
            _("{reference} can't be shown: on Windows no player can be told in secret where the stream is").format(
                reference=reference
            ),
            _("`casevault export` writes it to a folder, in the clear, on purpose"),
        )
    program = _players.found("mpv")
    if program is None:
        raise Stop(
            REFUSED,
            _("{reference} needs the player mpv, which is not installed").format(reference=reference),
            _("install mpv (Debian and Ubuntu: `apt install mpv`); `casevault export` writes the item to a folder"),
        )
    return program
