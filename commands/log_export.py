"""`casevault log export`: what of the log is given to others, and the program that verifies it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import click

from commands import _terminal
from commands._documents import LOG_EXPORTED
from commands._errors import REFUSED, Stop
from commands._options import PURPOSE_OPTION, PathName, Settings, command, optional, pass_settings
from commands._output import Output, counted
from commands._places import make_inside
from commands._session import opened, vault_path
from commands._terminal import visible
from commands._text import _
from commands.read import must_take_files
from vault import errors, files, references
from vault.files import lies_in

LOG_FILE, VERIFIER = "log.jsonl", "verify_log.py"


@command("export", example="casevault log export --to FOLDER", fields=LOG_EXPORTED)
@click.option(
    "--to", "folder", required=True, type=PathName(), metavar="DIR", help="The folder to write to; it must be there."
)
@click.option("--case", "code", metavar="CASE", help="Disclose the entries that have a number in this case.")
@click.option(
    "--entry", "entries", type=int, multiple=True, metavar="NUMBER", help="Disclose this entry; may be repeated."
)
@click.option(
    "--hide", "hidden", multiple=True, metavar="FIELD", help="A field that is not disclosed; may be repeated."
)
@PURPOSE_OPTION
@pass_settings
def export(
    settings: Settings,
    folder: Path,
    code: str | None,
    entries: tuple[int, ...],
    hidden: tuple[str, ...],
    purpose: str | None,
) -> None:
    """Write the log for others to verify, with a program that needs only Python.

    Without --case and --entry: leaves and signatures. They show the vault's id, its identity's public keys, counts and
    restores, nothing of what was done. Without an identity nothing certifies whose log it is.

    With them, what these entries say is disclosed in the clear, each field with its proof. A case's entries are those
    with a number in it: `case new` has none. The log itself, exported after them, shows them in it.
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
    target = folder / ("log-disclosed" if discloses else "log-public")
    _must_be_free(target)
    if discloses:
        _terminal.warn(
            _("what the log says of these entries leaves the vault: it lies in {folder} unencrypted").format(
                folder=visible(str(folder))
            )
        )
    with opened(settings) as session:
        purpose = optional(purpose, _("Purpose:")) if discloses else None
        must_take_files(folder)
        _must_be_free(make_inside(folder, target.name))
        try:
            _write_verifier(target / VERIFIER)
            if discloses:
                session.vault.disclose_log(
                    target / LOG_FILE, case=wanted, entries=entries, hidden=hidden, purpose=purpose
                )
            else:
                with counted(settings, _("exporting the log"), None) as further:
                    session.vault.export_log(target / LOG_FILE, progress=further, expect=further and further.expect)
        except BaseException as error:
            if isinstance(error, (errors.OutcomeUnrecorded, errors.SessionOver)) and (target / LOG_FILE).exists():
                _report(settings, target, discloses=discloses)
            else:
                _undo(target)
            raise
    _report(settings, target, discloses=discloses)


def _must_be_free(target: Path) -> None:
    """Nothing is logged, and nothing disclosed, that then has no place. Raises ``AlreadyThere``."""
    for name in (LOG_FILE, VERIFIER):
        if os.path.lexists(target / name):
            raise errors.AlreadyThere(path=str(target / name))


def _write_verifier(path: Path) -> None:
    with files.Unfinished(path, path.with_name(f"{VERIFIER}.partial")).writing() as file:
        file.write(Path(__file__).with_name("_verify_log.py").read_bytes())


def _undo(target: Path) -> None:
    """Without a log the program beside it is nothing; others' files stay, and the folder with them."""
    with contextlib.suppress(errors.VaultError, OSError):
        if not os.path.lexists(target / LOG_FILE):
            files.remove(target / VERIFIER)
        target.rmdir()


def _report(settings: Settings, target: Path, *, discloses: bool) -> None:
    output = Output(settings)
    if output.json:
        output.answer({"path": target / LOG_FILE, "verifier": target / VERIFIER, "disclosed": discloses})
    else:
        output.line(visible(str(target / LOG_FILE)))
        output.line(visible(str(target / VERIFIER)))
    _terminal.say(
        _(
            "Whoever has Python verifies it with `python3 -I {program} {file}`; whoever trusts nobody takes that program from "
            "elsewhere. It checks Ed25519 signatures only, and says what to compare."
        ).format(program=VERIFIER, file=LOG_FILE)
    )
