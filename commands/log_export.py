"""`casevault log export`: what of the log is given to others, and the program that verifies it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from commands import _terminal
from commands._documents import LOG_EXPORTED
from commands._errors import REFUSED, Stop
from commands._options import PathName, Settings, command, optional, pass_settings
from commands._output import Output, counted
from commands._places import lies_in, make_inside
from commands._session import Session, opened, vault_path
from commands._terminal import visible
from commands._text import _
from commands.read import must_take_files
from vault import references
from vault.files import NewFile, sync_folder

LOG_FILE, VERIFIER = "log.jsonl", "verify_log.py"


@command("export", example="casevault log export --to FOLDER", fields=LOG_EXPORTED)
@click.option(
    "--to", "folder", required=True, type=PathName(), metavar="DIR", help="The folder to write to; it must be there."
)
@click.option("--case", "code", metavar="CASE", help="Disclose the entries of this case.")
@click.option(
    "--entry", "entries", type=int, multiple=True, metavar="NUMBER", help="Disclose this entry; may be repeated."
)
@click.option(
    "--hide", "hidden", multiple=True, metavar="FIELD", help="A field that is not disclosed; may be repeated."
)
@click.option("--purpose", metavar="TEXT", help="What for; the log keeps it.")
@pass_settings
def export(
    settings: Settings,
    folder: Path,
    code: str | None,
    entries: tuple[int, ...],
    hidden: tuple[str, ...],
    purpose: str | None,
) -> None:
    """Write the log for others to verify, with a program that needs nothing but Python.

    Without --case and --entry all leaves and signatures are written: anybody can verify order, completeness and signatures,
    and learns how many entries there are, and nothing else. With them, what these entries say is disclosed, in the clear,
    each field with its proof; nothing of any other entry.
    """
    if code and entries:
        raise click.UsageError(_("Either a case is disclosed or entries are"))
    if lies_in(folder, vault_path(settings)):
        raise Stop(
            REFUSED, _("What is exported must not lie in the vault's own folder"), _("name a folder outside the vault")
        )
    must_take_files(folder)
    wanted = references.parse_case(code) if code else None
    discloses = bool(wanted or entries)
    if discloses:
        _terminal.warn(
            _("what the log says of these entries leaves the vault: it lies in {folder} unencrypted").format(
                folder=visible(str(folder))
            )
        )
    with opened(settings) as session:
        purpose = optional(purpose, _("Purpose:")) if discloses else None
        must_take_files(folder)
        target = make_inside(folder, "log-disclosed" if discloses else "log-public")
        if discloses:
            text = session.vault.disclose_log(case=wanted, entries=entries, hidden=hidden, purpose=purpose)
            _write(target / LOG_FILE, text.encode())
        else:
            _write_public(settings, session, target / LOG_FILE)
    _write(target / VERIFIER, Path(__file__).with_name("_verify_log.py").read_bytes())
    sync_folder(target)
    output = Output(settings)
    if output.json:
        output.answer({"path": target / LOG_FILE, "verifier": target / VERIFIER, "disclosed": discloses})
    else:
        output.line(visible(str(target / LOG_FILE)))
        output.line(visible(str(target / VERIFIER)))
    _terminal.say(
        _("Whoever has Python verifies it with `python3 {program} {file}`. It checks Ed25519 signatures only.").format(
            program=VERIFIER, file=LOG_FILE
        )
    )


def _write_public(settings: Settings, session: Session, path: Path) -> None:
    with NewFile(path) as file, counted(settings, _("exporting the log"), None) as further:
        session.vault.export_log(partial(NewFile.write, file), progress=further, expect=further and further.expect)


def _write(path: Path, content: bytes) -> None:
    with NewFile(path) as file:
        file.write(content)
