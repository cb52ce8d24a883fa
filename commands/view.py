"""`casevault view`: looking at an item without a trace of it outside the vault."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from commands import _content, _encodings, _pdf, _players, _terminal
from commands._content import PAGE, Media
from commands._errors import DONE, INTERRUPTED, REFUSED, Stop
from commands._options import PURPOSE_OPTION, Settings, command, optional, pass_settings
from commands._pager import beginning, show_made_text, show_text
from commands._session import opened
from commands._terminal import visible
from commands._text import _
from vault import Reading, references

if TYPE_CHECKING:
    from vault.streaming import Stream

_LOOK_SECONDS = 0.1  # whether the session is still there is told without asking it


@command("view", example="casevault view HARBOUR/3")
@click.argument("reference", metavar="ITEM")
@click.option("--text", "as_text", is_flag=True, help="Show the words of a PDF here, not its pages in a window.")
@PURPOSE_OPTION
@pass_settings
def view(settings: Settings, reference: str, as_text: bool, purpose: str | None) -> int:
    """Look at an item: text in this terminal; recordings, pictures and the pages of a PDF in the player mpv.

    Nothing is written to a file. The player gets the bytes as a stream that ends with it, and keeps no history. What
    can't be shown so is refused; `export` writes it to a folder on purpose.
    """
    if settings.json:
        raise click.UsageError(_("What is looked at is no JSON document; `show --json` describes an item"))
    code, number = references.parse_item(reference)
    try:
        with opened(settings) as session:
            purpose = optional(purpose, _("Purpose:"))
            item = session.vault.cases.get(code).items.get(number)
            with item.open(act="view", purpose=purpose) as reading:
                _show(settings, reading, as_text=as_text)
    except KeyboardInterrupt:
        _terminal.say("")  # below the ^C; nothing was to be stored, so nothing is said of it
        return INTERRUPTED
    return DONE


def _show(settings: Settings, reading: Reading, *, as_text: bool) -> None:
    start = beginning(reading)
    if _content.is_pdf(start):
        _show_pdf(settings, reading, as_text=as_text)
    elif encoding := _encodings.of_text(start):
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


# Documents


def _show_pdf(settings: Settings, reading: Reading, *, as_text: bool) -> None:
    """Show the pages in a window; the words in the terminal where that is wanted, or where no window can be."""
    if sys.platform == "win32":
        raise _not_on_windows(reading.grant.reference)
    if as_text or settings.plain or not _players.has_screen() or _players.found("mpv") is None:
        words = _pdf.text(reading)
        if not words.strip():
            raise _no_words(reading.grant.reference)
        show_made_text(settings, reading, words)
        return
    from vault.streaming import Stream

    count, number = _pdf.page_count(reading), 1
    _say(_("Page Down and Page Up turn the pages, + and - zoom, Alt and an arrow key move, q ends."))
    reference = reading.grant.reference
    with _not_suspended(), Stream() as stream, _players.Mpv(_player(reference), PAGE, title=reference) as player:
        for key, order in (("PGDWN", "further"), ("SPACE", "further"), ("PGUP", "back")):
            player.bind(key, order)
        player.show(stream.offer(_pdf.page(reading, number)))
        while _served(reading, stream, player):
            turned = number
            while player.orders:
                turned += 1 if player.orders.pop(0) == "further" else -1
                turned = min(max(turned, 1), count)
            if turned != number:
                number = turned
                player.show(stream.offer(_pdf.page(reading, number)))
    _verify_shown(reading, player)


def _no_words(reference: str) -> Stop:
    return Stop(
        REFUSED,
        _("{reference} holds no words that can be shown here: its pages are pictures, as those of a scan").format(
            reference=reference
        ),
        _(
            "where there is a graphical screen and the player mpv, `casevault view` without --text and --plain shows the pages; "
            "`casevault export` writes it to a folder, in the clear, on purpose"
        ),
    )


# Recordings and pictures


def _play(reading: Reading, media: Media) -> None:
    """Show a recording or a picture in a player until it ends or is ended."""
    from vault.streaming import Stream

    reference = reading.grant.reference
    program = _player(reference)
    sound_alone = media.sound_only or reading.grant.kind == "audio"
    if not sound_alone and not _players.has_screen():
        raise Stop(
            REFUSED,
            _("{reference} is a film or a picture, and there is no graphical screen here").format(reference=reference),
            _("`casevault export` writes it to a folder, in the clear, on purpose"),
        )
    options = ["--video=no"] if sound_alone and not _players.has_screen() else []
    if media.picture:
        options.append("--loop-file=inf")
    _say(_("Space pauses, the arrow keys seek, f fills the screen, q ends. Ctrl-C here ends it at once."))
    with _not_suspended(), Stream() as stream, _players.Mpv(program, media, title=reference, options=options) as player:
        player.show(stream.offer(reading))
        while _served(reading, stream, player):
            pass
    _verify_shown(reading, player)


@contextlib.contextmanager
def _not_suspended() -> Iterator[None]:
    """A command that is stopped could not end its player when the session ends."""
    if sys.platform == "win32":
        yield
        return
    before = signal.signal(signal.SIGTSTP, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGTSTP, before)


def _say(sentence: str) -> None:
    if _terminal.stderr_is_terminal():
        _terminal.say(sentence)


def _served(reading: Reading, stream: Stream, player: _players.Mpv) -> bool:
    """Serve the player for a moment; False once it has ended. Raises as soon as the session ends or damage is met."""
    reading.verify_open()
    return not stream.serve(_LOOK_SECONDS, player.socket) or player.hear()


def _verify_shown(reading: Reading, player: _players.Mpv) -> None:
    if player.shown:
        return
    message = _("the player could not show {reference}").format(reference=reading.grant.reference)
    if player.complaint:
        message = _("the player could not show {reference}: {reason}").format(
            reference=reading.grant.reference, reason=visible(player.complaint)
        )
    raise Stop(
        REFUSED,
        message,
        _("`casevault check --read-data` tells whether it is whole; `casevault export` writes it to a folder"),
    )


def _player(reference: str) -> str:
    if sys.platform == "win32":
        raise _not_on_windows(reference)
    program = _players.found("mpv")
    if program is None:
        raise Stop(
            REFUSED,
            _("{reference} needs the player mpv, which is not installed").format(reference=reference),
            _("install mpv (Debian and Ubuntu: `apt install mpv`); `casevault export` writes the item to a folder"),
        )
    return program


def _not_on_windows(reference: str) -> Stop:
    return Stop(
        REFUSED,
        _("{reference} can't be shown: on Windows no program can be told in secret where its bytes are").format(
            reference=reference
        ),
        _("`casevault export` writes it to a folder, in the clear, on purpose"),
    )
