"""`casevault status`: what can be said without a key, and a little more with one."""

from __future__ import annotations

from commands import _terminal
from commands._documents import STATUS
from commands._options import Settings, command, pass_settings
from commands._output import Fact, Output, exact_size, moment
from commands._session import opened, passphrase_file, vault_path
from commands._text import _
from vault.requests import VaultInfo


@command("status", example="casevault status", fields=STATUS)
@pass_settings
def status(settings: Settings) -> None:
    """Say what can be said of the vault.

    Without a key that is what anybody sees who has the folder. With --passphrase-file or --key-file the vault is opened
    and says more; nothing of a case is shown either way.
    """
    from vault import inspect_folder

    facts = inspect_folder(vault_path(settings))
    info: VaultInfo | None = None
    if not facts.in_use and (passphrase_file(settings) or settings.key_file):
        with opened(settings) as session:
            info = session.vault.info()
    state = "in use" if facts.in_use else "open" if info else "locked"
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
                "vault": info,
            }
        )
        return
    said = {
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
    output.facts(shown + (_inside(info) if info else []))
    if not info:
        _terminal.say(_("Commands ask for the passphrase each time."))


def _inside(info: VaultInfo) -> list[Fact]:
    cost = _("{memory} MiB of memory, {passes} passes").format(memory=info.memory_kib // 1024, passes=info.passes)
    return [
        (_("Made"), moment(info.created)),
        (_("Cases"), str(info.cases)),
        (_("Entries of the log"), str(info.log_entries)),
        *((_("Way in"), f"{key.label} ({key.kind}, {moment(key.added)})") for key in info.keys),
        (_("Cost of a guess"), cost),
        (_("Last full check"), moment(info.last_check) or _("never")),
        (_("Last backup"), moment(info.last_backup) or _("never")),
        *((_("Backup"), f"{known.place} ({moment(known.made)})") for known in info.backups),
    ]
