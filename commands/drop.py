"""`casevault drop`: seal files for somebody's card, on a computer that has no vault."""

from __future__ import annotations

from pathlib import Path

import click

from commands import _terminal
from commands._documents import DROPPED
from commands._options import PathName, Settings, command, output_option, pass_settings
from commands._output import Output, exact_size, progress
from commands._public import read_public
from commands._terminal import visible
from commands._text import _, ngettext


@command("drop", example="casevault drop video.mp4 notes.txt --to anna.card", fields=DROPPED)
@click.argument("sources", metavar="FILE…", nargs=-1, required=True, type=PathName())
@click.option("--to", "card", type=PathName(), metavar="CARD", help="The card of whoever is to open it.")
@output_option(_("The new file, or the folder for one of a random name."))
@pass_settings
def drop(settings: Settings, sources: tuple[Path, ...], card: Path | None, target: Path | None) -> None:
    """Seal files for somebody's card, without a vault; only they can open it, not even you.

    It is signed by nobody: whoever opens it is told that the sender is unproven. The names of the files go along, inside.
    """
    if card is None:
        raise click.UsageError(_("Say for whom: `--to CARD` names the card that you were given"))
    from vault import dropping
    from vault._vault import utc_now

    with progress(settings, _("sealing"), None) as further:
        done = dropping.drop(
            sources, read_public(card), target, clock=utc_now, progress=further, expect=further and further.expect
        )
    Output(settings).done(done, visible(str(done.path)))
    _terminal.say(
        ngettext(
            "{number} file, sealed in {size}, its name inside. Only the owner of this card can open it; you cannot.",
            "{number} files, sealed in {size}, their names inside. Only the owner of this card can open it; you cannot.",
            done.files,
        ).format(number=done.files, size=exact_size(done.size_bytes))
    )
    if done.claimed:
        _terminal.say(_("The card calls itself {name}, which proves nothing.").format(name=visible(done.claimed)))
    _terminal.say(
        _("Compare the words of the card with its owner, by a way that you trust: {words}").format(
            words=" ".join(done.words)
        )
    )
    _terminal.say(
        ngettext(
            "Send or carry it by any way. The original is still where it was, unencrypted; we never delete it.",
            "Send or carry it by any way. The {number} originals are still where they were, unencrypted; we never delete them.",
            done.files,
        ).format(number=done.files)
    )
