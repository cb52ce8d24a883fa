"""`casevault add` and `casevault revise`: originals go in as they are; the files themselves are never touched."""

from __future__ import annotations

import contextlib
import stat
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from commands import _terminal
from commands._described import describing, description
from commands._documents import ADDED, REVISED
from commands._errors import OTHER, REFUSED, Stop, entry, message_of, status_of
from commands._options import PathName, Settings, command, complete_files, needed, pass_settings, stdin_is_free
from commands._output import Output, human_size, progress, values
from commands._session import Session, opened, vault_path
from commands._show import stored as show_stored
from commands._terminal import visible
from commands._text import _, ngettext
from vault import errors, references
from vault.files import lies_in
from vault.requests import Description, Stored

_LARGEST_TEXT_BYTES = 64 << 20
# These concern one file; everything else would stop the next one too.
_OF_ONE_FILE = (
    errors.SourceMissing,
    errors.SourceUnreadable,
    errors.SourceChanged,
    errors.NotAFile,
    errors.BadValue,
)


@command(
    "add",
    example="casevault add HARBOUR FILE\ncasevault add HARBOUR -r FOLDER\ncasevault add HARBOUR --text -",
    fields=ADDED,
)
@click.argument("code", metavar="CASE")
@click.argument("files", nargs=-1, metavar="[FILE]...", type=PathName(allow_dash=True))
@click.option("-r", "--recursive", is_flag=True, help="Take folders, with all that is in them.")
@click.option(
    "--text",
    metavar="FILE|-",
    shell_complete=complete_files,
    help="A written statement: a text file, or standard input.",
)
@click.option("--sha256-only", is_flag=True, help="Leave SHA-512 out: faster for large files, one digest less.")
@describing
@pass_settings
def add(
    settings: Settings,
    code: str,
    files: tuple[Path, ...],
    recursive: bool,
    text: str | None,
    sha256_only: bool,
    **described: Any,
) -> int:
    """Store files in a case as they are; FILE may be `-` for standard input.

    A file that fails does not stop the others. The originals stay where they are.
    """
    wanted = references.parse_case(code)
    if not files and text is None:
        raise click.UsageError(_("Say what to store: FILE, `-`, or --text"))
    if text is not None and (files or recursive):
        raise click.UsageError(_("--text stands alone, without FILE"))
    from_pipe = [path for path in files if str(path) == "-"]
    if from_pipe and len(files) > 1:
        raise click.UsageError(_("`-` stands alone, without other files"))
    if described["title"] and (len(files) > 1 or recursive):
        raise click.UsageError(_("--title is for one file"))
    if from_pipe or text == "-":
        stdin_is_free()
    unnamed = (from_pipe or text == "-") and described["title"] in (None, "-")
    if unnamed and not _terminal.can_ask():
        raise click.UsageError(
            _("What comes from standard input needs --title, and there is no terminal to ask for it")
        )
    with opened(settings) as session:
        title = None
        if from_pipe or text == "-":
            session.see_case(wanted)
        if unnamed:
            title, described["title"] = needed(_("Title:")), None  # what comes from a pipe has no name of its own
        elif text is not None and not described["title"]:
            title = Path(text).name
        if text is not None:
            described["kind"] = described["kind"] or "statement"
        shared = description(**described)
        if title is not None:
            shared = replace(shared, title=title)
        statement = None if text is None else _read_text(text)
        session.go_on()
        adding = _Adding(settings, session, wanted, shared, both_digests=not sha256_only)
        if statement is not None:
            adding.text(statement, None if text == "-" else text)
        elif from_pipe:
            adding.pipe()
        else:
            for path in files:
                adding.path(path, recursive=recursive)
    return adding.report()


def _read_text(name: str) -> str:
    """A text byte for byte: nothing is added, dropped or translated."""
    if name == "-":
        _terminal.say_how_to_end_input()
        content = sys.stdin.buffer.read(_LARGEST_TEXT_BYTES + 1)
    else:
        path = Path(name)
        try:
            if not stat.S_ISREG(path.stat().st_mode) and not name.startswith("/dev/fd/"):
                raise errors.NotAFile(path=name)
            with path.open("rb") as file:
                content = file.read(_LARGEST_TEXT_BYTES + 1)
        except (FileNotFoundError, NotADirectoryError):
            raise errors.SourceMissing(path=name) from None
        except OSError:
            raise errors.SourceUnreadable(path=name) from None
    if len(content) > _LARGEST_TEXT_BYTES:
        raise errors.BadValue(field="text", reason="it is too long; add it as a file")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise errors.BadValue(field="text", reason="it is not UTF-8; add it as a file") from None


class _Adding:
    """What was stored, what failed and what was left out, said as it happens and summed up at the end."""

    def __init__(
        self, settings: Settings, session: Session, code: str, shared: Description, *, both_digests: bool
    ) -> None:
        self.settings, self.session, self.shared, self.both_digests = settings, session, shared, both_digests
        self.items = session.vault.cases.get(code).items
        self.output = Output(settings)
        self.stored: list[dict[str, Any]] = []
        self.failed: list[dict[str, Any]] = []
        self._hinted: set[str] = set()
        self.skipped: list[dict[str, Any]] = []
        self.originals: list[Path] = []

    def text(self, statement: str, name: str | None) -> None:
        file_name = None if name is None else Path(name).name
        self._stored(self.items.add_text(statement, file_name=file_name, description=self.shared), None)
        if name is not None:
            self.originals.append(Path(name))

    def pipe(self) -> None:
        _terminal.say_how_to_end_input()
        with (
            open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as stream,  # nothing lies twice in memory
            progress(self.settings, _("standard input"), None) as further,
        ):
            stored = self.items.add_stream(
                stream, description=self.shared, both_digests=self.both_digests, progress=further
            )
            self._stored(stored, None)

    def path(self, path: Path, *, recursive: bool) -> None:
        if lies_in(path, self.session.vault.path):
            self._skip(path, _("the vault itself"))
        elif recursive and _is_folder(path):
            for each in self._walk(path):
                self._file(each)
        else:
            self._file(path)

    def _walk(self, folder: Path) -> Iterator[Path]:
        """Every file below a folder, by name. Links are named and not followed, devices named and refused."""
        waiting = [folder]  # folders may lie deeper than Python recurses
        while waiting:
            path = waiting.pop()
            try:
                mode = path.lstat().st_mode
                inner = sorted(path.iterdir(), reverse=True) if stat.S_ISDIR(mode) else []
                own = stat.S_ISDIR(mode) and path.samefile(self.session.vault.path)
            except OSError:
                self._fail(path, errors.SourceUnreadable(path=str(path)))
                continue
            if stat.S_ISLNK(mode):
                self._skip(path, _("a symbolic link, not followed"))
            elif own:
                self._skip(path, _("the vault itself"))
            elif stat.S_ISDIR(mode):
                waiting += inner
            else:
                yield path

    def _file(self, path: Path) -> None:
        try:
            mode = path.stat().st_mode
            # Opening a pipe would wait for ever, and a device may do anything.
            if not stat.S_ISREG(mode):
                raise errors.NotAFile(path=str(path))
            size = path.stat().st_size
        except errors.NotAFile as error:
            self._fail(path, error)
            return
        except (FileNotFoundError, NotADirectoryError):
            self._fail(path, errors.SourceMissing(path=str(path)))
            return
        except (OSError, ValueError):
            self._fail(path, errors.SourceUnreadable(path=str(path)))
            return
        try:
            with progress(self.settings, path.name, size) as further:
                stored = self.items.add_file(
                    path, description=replace(self.shared), both_digests=self.both_digests, progress=further
                )
        except _OF_ONE_FILE as error:
            self._fail(path, error)
        else:
            self._stored(stored, path)
            self.originals.append(path)

    def _stored(self, stored: Stored, path: Path | None) -> None:
        item = stored.item
        self.stored.append(values(item) | {"path": _text_of(path), "again": stored.again})
        if not self.output.json:
            # Whoever read the list may have gone, as `head` does; the files that are left are stored all the same.
            with contextlib.suppress(BrokenPipeError):
                show_stored(self.output, item.summary)
        if stored.again:
            _terminal.say(
                _("{reference} has these bytes already; that they came once more is noted there.").format(
                    reference=item.summary.reference
                )
            )

    def _fail(self, path: Path, error: errors.VaultError) -> None:
        self.failed.append({"path": _text_of(path), "error": message_of(error), "status": status_of(error)})
        _terminal.say(_("casevault: error: {message}").format(message=message_of(error)))
        hint = entry(type(error))[1]
        if hint and hint not in self._hinted:  # of a thousand files that fail alike, the first says what to do
            self._hinted.add(hint)
            _terminal.say(_("casevault: hint: {hint}").format(hint=_(hint)))

    def _skip(self, path: Path, why: str) -> None:
        self.skipped.append({"path": _text_of(path), "why": why})
        _terminal.say(_("left out: {path} ({why})").format(path=visible(str(path)), why=why))

    def report(self) -> int:
        """Sum up; returns the exit status."""
        if self.output.json:
            self.output.answer({"stored": self.stored, "failed": self.failed, "skipped": self.skipped})
        if len(self.stored) + len(self.failed) + len(self.skipped) > 1:
            new = [each for each in self.stored if not each["again"]]
            again = len(self.stored) - len(new)
            size = human_size(sum(each["size_bytes"] for each in new))
            _terminal.say(
                _("Stored {stored} ({size}), failed {failed}, left out {skipped}.").format(
                    stored=len(new), size=size, failed=len(self.failed), skipped=len(self.skipped)
                )
            )
            if again:
                _terminal.say(
                    ngettext(
                        "{number} file was here before and was not stored again.",
                        "{number} files were here before and were not stored again.",
                        again,
                    ).format(number=again)
                )
        if self.originals:
            _say_originals(self.originals)
        if not self.stored and not self.failed:
            _terminal.say(_("There was nothing to store."))
        statuses = {each["status"] for each in self.failed}
        return statuses.pop() if len(statuses) == 1 else OTHER if statuses else 0


def _say_originals(originals: list[Path]) -> None:
    if len(originals) == 1:
        _terminal.say(
            _("The original is still at {path}, unencrypted; we never delete it.").format(
                path=visible(str(originals[0]))
            )
        )
        return
    _terminal.say(
        ngettext(
            "The original is still where it was, unencrypted; we never delete it.",
            "The {number} originals are still where they were, unencrypted; we never delete them.",
            len(originals),
        ).format(number=len(originals))
    )


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False  # reading it will say why


def _text_of(path: Path | None) -> str | None:
    # A name that is no valid text on this disk can't stand in JSON as it is.
    return None if path is None else str(path).encode(errors="backslashreplace").decode()


@command("revise", example="casevault revise HARBOUR/3 FILE", fields=REVISED)
@click.argument("reference", metavar="ITEM")
@click.argument("file", type=PathName())
@describing
@pass_settings
def revise(settings: Settings, reference: str, file: Path, **described: Any) -> None:
    """Store a later version of an item: a translation, a transcript, a redaction.

    It gets a number of its own and names the item; the original stays as it is.
    """
    code, number = references.parse_item(reference)
    if lies_in(file, vault_path(settings)):
        raise Stop(REFUSED, _("The vault's own files are not stored in it"))
    size = file.stat().st_size if file.is_file() else None
    with opened(settings) as session, progress(settings, file.name, size) as further:
        item = session.vault.cases.get(code).items.get(number)
        stored = item.revise_file(file, description=description(**described), progress=further)
    output = Output(settings)
    if output.json:
        output.answer(values(stored.item) | {"again": stored.again})
    else:
        show_stored(output, stored.item.summary)
    _say_originals([file])
