"""`casevault cat` and `casevault export`: bytes leave the vault, on purpose."""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from commands import _encodings, _screen, _terminal
from commands._documents import EXPORTED
from commands._errors import NOT_FOUND, OTHER, REFUSED, Stop, message_of, status_of
from commands._options import PURPOSE_OPTION, PathName, Settings, command, optional, pass_settings
from commands._output import Output, progress
from commands._pager import beginning, show_text
from commands._places import make_inside
from commands._session import Session, opened, vault_path
from commands._terminal import visible
from commands._text import _
from vault import Reading, errors, files, references
from vault.files import lies_in

_OF_ONE_ITEM = (errors.Damage, errors.AlreadyThere, errors.NoSuchItem)


# cat


@command("cat", example="casevault cat HARBOUR/3 --length 1000")
@click.argument("reference", metavar="ITEM")
@click.option("--offset", type=click.IntRange(min=0), default=0, metavar="N", help="Begin at this byte.")
@click.option("--length", type=click.IntRange(min=0), metavar="N", help="End after so many bytes.")
@click.option("--force", is_flag=True, help="Send the bytes to a terminal as they are.")
@PURPOSE_OPTION
@pass_settings
def cat(settings: Settings, reference: str, offset: int, length: int | None, force: bool, purpose: str | None) -> None:
    """Write an item's bytes to standard output.

    On a terminal only text is shown, with what a terminal would obey made visible. If the stored bytes turn out to be
    damaged the status says so: what came until then is authentic, but not complete.
    """
    if settings.json:
        raise click.UsageError(_("The bytes of an item are no JSON document; `show --json` describes it"))
    code, number = references.parse_item(reference)
    with opened(settings) as session:
        purpose = optional(purpose, _("Purpose:"))
        item = session.vault.cases.get(code).items.get(number)
        with item.open(act="cat", purpose=purpose, offset=offset, length=length) as reading:
            if _terminal.stdout_is_terminal() and not force:
                _show_text(settings, reading)
                return
            with progress(settings, reading.grant.reference, reading.size_bytes) as further:
                reading.write_to(sys.stdout.buffer.write, progress=further)
            sys.stdout.buffer.flush()


def _show_text(settings: Settings, reading: Reading) -> None:
    """Text and nothing else, nothing in it obeyed; on the alternate screen where there is one."""
    start = beginning(reading)
    encoding = _encodings.of_text(start) or _encodings.of_unmarked_utf16(start)
    if encoding is None:
        raise Stop(
            REFUSED,
            _("{reference} is no text, so it is not sent to a terminal").format(reference=reading.grant.reference),
            _("redirect it to a file or program; `--force` sends it to the terminal as it is"),
        )
    if _screen.has_alternate_screen():
        show_text(settings, reading, encoding)
        return
    _terminal.warn(_("this text stays in the window of the terminal until it is closed"))
    decoder = codecs.getincrementaldecoder(encoding.name)(errors="replace")
    for piece in reading.part(encoding.mark_bytes, reading.size_bytes):
        sys.stdout.write(_lines(decoder.decode(bytes(piece))))
    sys.stdout.write(_lines(decoder.decode(b"", final=True)) + "\n")


def _lines(text: str) -> str:
    return "\n".join(
        "\t".join(visible(cell) for cell in line.split("\t")) for line in text.replace("\r\n", "\n").split("\n")
    )


# export


@command("export", example="casevault export HARBOUR/3 --to FOLDER", fields=EXPORTED)
@click.argument("reference", metavar="ITEM|CASE")
@click.option(
    "--to",
    "folder",
    required=True,
    type=PathName(),
    metavar="DIR",
    help="The folder to write to; it must be there.",
)
@PURPOSE_OPTION
@pass_settings
def export(settings: Settings, reference: str, folder: Path, purpose: str | None) -> int:
    """Write an item, or all items of a case, to a folder in the clear, with their digests beside them.

    Nothing is overwritten. DIR must be there. Of a case each item is written, to a folder in DIR that is called by the
    code; persons, notes and tags stay in the vault.
    """
    whole_case = "/" not in reference
    if whole_case:
        code, number = references.parse_case(reference), 0
    else:
        code, number = references.parse_item(reference)
    if lies_in(folder, vault_path(settings)):
        raise Stop(
            REFUSED, _("What is exported must not lie in the vault's own folder"), _("name a folder outside the vault")
        )
    must_take_files(folder)
    _terminal.warn(
        _(
            "what is exported leaves the vault: it lies in {folder} unencrypted, for everybody who gets at this disk"
        ).format(folder=visible(str(folder)))
    )
    with opened(settings) as session:
        purpose = optional(purpose, _("Purpose:"))
        numbers = list(_numbers(session, code)) if whole_case else [number]
        must_take_files(folder)
        target = make_inside(folder, code) if whole_case else folder
        exporting = _Exporting(settings, session, code, target, purpose)
        for each in numbers:
            exporting.item(each, alone=not whole_case)
    return exporting.report()


def must_take_files(folder: Path) -> None:
    """Refuse a folder that is not there or takes no files. Raises ``Stop``, ``AlreadyThere``, ``ReadOnly``, ``NoSpace``."""
    # Made here, it would take what was meant for a stick that is not plugged in, in the clear.
    if folder.is_dir():
        files.verify_writable(folder)
        return
    if os.path.lexists(folder):
        raise errors.AlreadyThere(path=str(folder))
    raise Stop(
        NOT_FOUND,
        _("There is no folder {folder}; nothing was exported").format(folder=visible(str(folder))),
        _("look whether the stick or disk is there; if it is, make the folder first"),
    )


def _numbers(session: Session, code: str) -> Iterator[int]:
    for each in session.vault.cases.get(code).items.list():
        yield references.parse_item(each.reference)[1]


class _Exporting:
    """What was written and what could not be: of a case, one damaged item does not stop the others."""

    def __init__(self, settings: Settings, session: Session, code: str, folder: Path, purpose: str | None) -> None:
        self.settings, self.folder, self.purpose = settings, folder, purpose
        self.code, self.items = code, session.vault.cases.get(code).items
        self.output = Output(settings)
        self.exported: list[dict[str, Any]] = []
        self.failed: list[dict[str, Any]] = []

    def item(self, number: int, *, alone: bool) -> None:
        reference = references.item_reference(self.code, number)
        try:
            with progress(self.settings, reference, None) as further:
                done = self.items.get(number).export(
                    self.folder, purpose=self.purpose, progress=further, expect=further and further.expect
                )
        except _OF_ONE_ITEM as error:
            if alone:
                raise
            message = message_of(error)
            self.failed.append({"reference": reference, "error": message, "status": status_of(error)})
            _terminal.say(_("casevault: error: {message}").format(message=message))
            return
        self.exported.append(
            {
                "reference": reference,
                "path": done.path,
                "digests_path": done.digests_path,
                "size_bytes": done.size_bytes,
                "sha256": done.sha256,
                "owner_only": done.owner_only,
            }
        )
        if not self.output.json:
            self.output.line(visible(str(done.path)))

    def report(self) -> int:
        """Sum up; returns the exit status."""
        if self.output.json:
            self.output.answer({"exported": self.exported, "failed": self.failed})
        if not all(each["owner_only"] for each in self.exported):
            _terminal.warn(_("this disk does not keep files from other users: everybody who uses it can read them"))
        if self.exported:
            _terminal.say(_("Delete what was exported when it is not needed any more; the vault keeps the original."))
        elif not self.failed:
            _terminal.say(_("There is nothing to export in {code}.").format(code=self.code))
        statuses = {each["status"] for each in self.failed}
        return statuses.pop() if len(statuses) == 1 else OTHER if statuses else 0
