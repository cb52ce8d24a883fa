"""`casevault passphrase`: another passphrase, and new keys below it."""

from __future__ import annotations

import click

from commands import _terminal
from commands._documents import PASSPHRASE_CHANGED
from commands._new_passphrase import INSIST_OPTION, NEW_PASSPHRASE_FILE_OPTION, new_passphrase
from commands._options import Settings, command, group, pass_settings
from commands._output import Output, counted
from commands._session import opened
from commands._terminal import visible
from commands._text import _
from commands._words import kind_of_key

passphrase = group("passphrase", _("Change the passphrase."))


@command("change", example="casevault passphrase change", fields=PASSPHRASE_CHANGED)
@NEW_PASSPHRASE_FILE_OPTION
@click.option("--recalibrate", is_flag=True, help="Measure this computer's speed anew; other passphrases are dropped.")
@INSIST_OPTION
@pass_settings
def change(settings: Settings, new_passphrase_file: str | None, recalibrate: bool, insist: bool) -> None:
    """Change the passphrase, and renew every key below it.

    The recovery words may be typed in place of the old passphrase. They and other ways in stay as they are.
    """
    from vault import PassphraseUnlocker

    with opened(settings) as session:
        current = session.unlocker  # asked for again where a session has the vault open
        kinds = {key.kind for key in session.vault.info().keys}
        with_key_file = session.key_file if "passphrase+keyfile" in kinds else None
        new = PassphraseUnlocker(new_passphrase(new_passphrase_file, insist=insist), with_key_file)
        _terminal.say(_("Renewing every key; this takes a moment, and can be interrupted without harm."))
        with counted(settings, _("renewing keys"), session.vault.info().cases) as further:
            dropped = session.vault.change_passphrase(current, new, recalibrate=recalibrate, progress=further)
        info = session.vault.info()
    Output(settings).done({"epoch": info.epoch, "dropped": dropped}, _("The passphrase is changed."))
    for key in dropped:
        _terminal.warn(
            _("this way in is gone: {label} ({kind})").format(label=visible(key.label), kind=kind_of_key(key.kind))
        )
    _terminal.say(
        _(
            "Whoever has an older copy of this folder and the old passphrase can still read what was in it then. What is "
            "added from now on they cannot."
        )
    )
    if info.has_identity:
        _terminal.say(
            _(
                "Our identity stays the same: with that copy they can also read what partners seal for us, and sign as us. If "
                "somebody may have both, make a new vault with an identity of its own, and tell the partners."
            )
        )


passphrase.add_command(change)
