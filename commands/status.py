"""`casevault status`: what can be said without a key, and a little more with one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from commands import _terminal
from commands._documents import STATUS
from commands._options import Settings, command, pass_settings
from commands._output import Fact, Output, exact_size, length, moment
from commands._session import attached, opened, passphrase_file, say_session_died, vault_path, warning
from commands._text import _
from commands._words import kind_of_key
from vault import errors

if TYPE_CHECKING:
    from vault.client import SessionState
    from vault.requests import KeyLabel, VaultInfo


@command("status", example="casevault status", fields=STATUS)
@pass_settings
def status(settings: Settings) -> None:
    """Say what can be said of the vault.

    Without a key that is what anybody sees who has the folder, and how long a session still lasts. With --passphrase-file
    or --key-file the vault is opened and says more; nothing of a case is shown either way.
    """
    from vault import inspect_folder

    path = vault_path(settings)
    facts = inspect_folder(path)
    session = _session(path)
    info: VaultInfo | None = None
    if not facts.in_use and (passphrase_file(settings) or settings.key_file):
        with opened(settings) as opened_here:
            info = opened_here.vault.info()
    state = "unlocked" if session else "in use" if facts.in_use else "open" if info else "locked"
    for code in session.warnings if session else ():
        _terminal.warn(warning(code))
    output = Output(settings)
    if output.json:
        output.answer(
            {
                "path": facts.path,
                "state": state,
                "format": facts.format,
                "compartments": facts.compartments,
                "object_files": facts.object_files,
                "size_bytes": facts.size_bytes,
                "session": session,
                "vault": info,
            }
        )
        return
    said = {
        "unlocked": _("unlocked"),
        "in use": _("in use by another process"),
        "open": _("opened for this command, locked again now"),
        "locked": _("locked"),
    }
    shown: list[Fact] = [
        (_("Vault"), str(facts.path)),
        (_("State"), said[state]),
        (_("Format"), str(facts.format)),
        (_("Cases, as anybody can see"), str(facts.compartments)),
        (_("Files of items"), str(facts.object_files)),
        (_("Size"), exact_size(facts.size_bytes)),
    ]
    output.facts(shown + (_lasting(session) if session else []) + (_inside(info) if info else []))
    if not info and not session:
        _terminal.say(_("Commands ask for the passphrase each time; `casevault unlock` begins a session."))


def _session(path: Path) -> SessionState | None:
    try:
        vault = attached(path, only_look=True)
        if vault is None:
            return None
        with vault:
            return vault.session()
    except errors.SessionOver:
        say_session_died()
        return None


def _lasting(session: SessionState) -> list[Fact]:
    return [
        (_("Unlocked since"), moment(session.begun)),
        (_("Locks without use in"), length(session.idle_left_seconds)),
        (_("Locks in any case in"), length(session.absolute_left_seconds)),
        (_("Commands at work"), str(session.clients)),
    ]


def _way_in(key: KeyLabel) -> str:
    return _("{label} ({kind}, {added})").format(label=key.label, kind=kind_of_key(key.kind), added=moment(key.added))


def _inside(info: VaultInfo) -> list[Fact]:
    cost = _("{memory} MiB of memory, {passes} passes").format(memory=info.memory_kib // 1024, passes=info.passes)
    return [
        (_("Made"), moment(info.created)),
        (_("Cases"), str(info.cases)),
        (_("Entries of the log"), str(info.log_entries)),
        *((_("Way in"), _way_in(key)) for key in info.keys),
        (_("Cost of a guess"), cost),
        (_("Last full check"), moment(info.last_check) or _("never")),
        (_("Last backup"), moment(info.last_backup) or _("never")),
        *((_("Backup"), f"{known.place} ({moment(known.made)})") for known in info.backups),
    ]
