"""Errors and exit statuses: one table. A test walks all public errors of the library and demands an entry here and a
line in docs/exit-codes.md.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

from commands import _terminal
from commands._terminal import visible
from commands._text import _
from vault import errors

DONE = 0
OTHER = 1
USAGE = 2
NO_VAULT = 10
IN_USE = 11
WRONG_SECRET = 12
LOCKED = 13
NOT_FOUND = 14
REFUSED = 15
DAMAGE = 20
UNKNOWN = 21
PROOF = 22
NO_SPACE = 28
INTERRUPTED = 130

_NO_HINT = ""

# What went wrong, the status, and what to do about it.
TABLE: dict[type[errors.VaultError], tuple[int, str]] = {
    errors.VaultError: (OTHER, _NO_HINT),
    errors.NoSuchVault: (
        NO_VAULT,
        "`casevault init` makes one; `--vault PATH` or the variable CASEVAULT_VAULT says where it is",
    ),
    errors.IsABackup: (
        NO_SPACE,
        "`casevault restore BACKUP` makes a vault from it, in the place that `--vault` names; `casevault check` looks for damage",
    ),
    errors.NotAVault: (UNKNOWN, "look at the path; nothing in that folder was changed"),
    errors.AlreadyThere: (REFUSED, "choose another place; what is there was left as it is"),
    errors.UnknownFormat: (UNKNOWN, "a newer version of casevault opens it; nothing was changed"),
    errors.VaultInUse: (IN_USE, "wait until the other command has ended, or end it, then try again"),
    errors.VaultClosed: (LOCKED, "start the command again"),
    errors.NoSession: (LOCKED, "`casevault unlock` begins one"),
    errors.SessionOver: (
        LOCKED,
        "what was stored is whole; look whether the command was done before you repeat it. `casevault unlock` begins "
        "another session",
    ),
    errors.SessionRefused: (
        REFUSED,
        "nothing was asked there; `casevault lock` ends a session of another version, and what lies in a socket's place "
        "can be removed by hand",
    ),
    errors.SessionStuck: (REFUSED, "`casevault lock` ends it"),
    errors.SessionUnavailable: (OTHER, "every other command works without a session and asks for the passphrase"),
    errors.SessionFailed: (OTHER, "start the command again; if it stays so, `casevault lock`, and please report it"),
    errors.WrongPassphrase: (
        WRONG_SECRET,
        "look at the keyboard layout (Russian or Latin letters) and at Caps Lock; the 24 recovery words can be typed "
        "instead of the passphrase, and a vault with a key file needs `--key-file FILE`",
    ),
    errors.WeakPassphrase: (REFUSED, "several random words are strong and easy to keep; `--insist` takes it as it is"),
    errors.UnusablePassphrase: (USAGE, "nothing was changed; take another one"),
    errors.BadRecoveryWords: (WRONG_SECRET, "compare each of the 24 words with the sheet; their order matters"),
    errors.CostRefused: (
        DAMAGE,
        "close other programs or use a machine with more memory; if there is enough, somebody may have changed the header: "
        "take it from a backup",
    ),
    errors.TooManyKeys: (REFUSED, "`casevault key remove` removes one that is not used any more"),
    errors.NoSuchKey: (NOT_FOUND, "`casevault key list` shows the ways into the vault"),
    errors.Damage: (DAMAGE, "`casevault check` lists all that is damaged; the rest of the vault still opens"),
    errors.HeaderDamaged: (DAMAGE, "copy header.a and header.b from a backup of the same vault; change nothing else"),
    errors.DatabaseDamaged: (
        DAMAGE,
        "keep the folder as it is and take this database from a backup; other cases still open",
    ),
    errors.ObjectDamaged: (DAMAGE, "take this item from a backup; the others still open. `casevault check` lists all"),
    errors.ObjectMissing: (DAMAGE, "take this item from a backup; the others still open. `casevault check` lists all"),
    errors.DraftDamaged: (DAMAGE, "take the folder `drafts` from a backup of the same vault, or throw the draft away"),
    errors.OlderThanRemembered: (
        DAMAGE,
        "if you put a backup back, or opened a copy of this vault here, `--accept-older-copy` opens this one, and its "
        "log says so; if you did neither, somebody may have exchanged it: take the newest backup",
    ),
    errors.LogKeyLost: (
        DAMAGE,
        "nothing was changed. If the file `logkey` was deleted or not copied with the folder, `--accept-older-copy` opens "
        "this one: its log says so and goes on as a new generation; if not, a part of the vault was put back to an "
        "earlier time: take the newest backup",
    ),
    errors.OlderCopy: (
        DAMAGE,
        "a part of the vault was put back to an earlier time: a withdrawn consent may look as if it were given. Do not "
        "rely on it; take the newest backup",
    ),
    errors.BackupIncomplete: (
        DAMAGE,
        "`casevault backup` finishes it, with the vault that it is of; until then nothing can be restored from it",
    ),
    errors.BackupDamaged: (
        DAMAGE,
        "use another backup. If the vault is whole, make a new backup in another folder, on another stick",
    ),
    errors.BackupGone: (
        REFUSED,
        "look whether the stick or disk is plugged in; `--yes` begins a new backup in this place",
    ),
    errors.NotABackup: (REFUSED, "name a new folder inside it; what is there was left as it is"),
    errors.NoSuchFolder: (
        NOT_FOUND,
        "look whether the stick or disk is plugged in: the folder of a backup is made, the one around it never",
    ),
    errors.CopyDiffers: (
        NO_SPACE,
        "the stick or disk is failing: take another one. The vault itself was not touched",
    ),
    errors.VaultChanging: (OTHER, "wait until the other commands have ended, then try again"),
    errors.RestoreRefused: (
        DAMAGE,
        "take another backup. `casevault check --read-data --vault BACKUP` names what is damaged; `--despite-damage` "
        "restores all the rest",
    ),
    errors.NoSuchCase: (NOT_FOUND, "`casevault case list` shows all cases"),
    errors.NoSuchEntry: (NOT_FOUND, "`casevault log` lists the entries with their numbers"),
    errors.NoSuchItem: (NOT_FOUND, "`casevault items CASE` shows the items of a case"),
    errors.NoSuchPerson: (NOT_FOUND, "`casevault person list CASE` shows the persons of a case"),
    errors.NoSuchDraft: (NOT_FOUND, "it was stored as an item or thrown away: `casevault items CASE` shows the items"),
    errors.CodeTaken: (REFUSED, "choose another code, or leave it out and one is made"),
    errors.BadCode: (
        USAGE,
        "a code is 3 to 12 of the letters A to Z and digits, begins with a letter and is no name of a device",
    ),
    errors.BadReference: (
        USAGE,
        "a case is named like HARBOUR, an item like HARBOUR/3, a person like HARBOUR/p2; `case show` shows a case, `items` "
        "its items, `show` an item, `person show` a person",
    ),
    errors.BadValue: (USAGE, "nothing was changed"),
    errors.Refused: (REFUSED, _NO_HINT),
    errors.NoSuchPartner: (NOT_FOUND, "`casevault partner list` shows all partners"),
    errors.PartnerTaken: (REFUSED, "nothing was changed; one partner has one name here"),
    errors.PartnerChanged: (
        REFUSED,
        "somebody may be in between. Ask them by a way that you trust, best in person, then `casevault partner verify`; "
        "until it agrees nothing is sealed for them",
    ),
    errors.OnlyClassical: (
        REFUSED,
        "nothing was sealed. Ask for a card, or for a recipient that begins with age1pq; `--classical` seals for this one all "
        "the same, and whoever keeps a copy may read it when they have such a computer",
    ),
    errors.BadCard: (PROOF, "nothing was stored; ask for the card again, as a file, by another way"),
    errors.FingerprintDiffers: (
        PROOF,
        "nothing was changed. Read it to each other once more; if it still differs, the card is not theirs, and "
        "whoever made it could read what you seal for them: do not use it, and ask for the card by another way",
    ),
    errors.LogUnavailable: (NO_SPACE, "free some space, or look whether the disk can be written to"),
    errors.OutcomeUnrecorded: (NO_SPACE, "free some space, then run any command: do not repeat this one"),
    errors.LogProofFailed: (
        PROOF,
        "keep the folder as it is: it is what shows that somebody changed it. What the log tells from this step on cannot be "
        "relied on; compare with a backup, and with what partners have seen",
    ),
    errors.ReceiptRefused: (REFUSED, "start the command again; if it stays so, run `casevault check`"),
    errors.SourceMissing: (NOT_FOUND, "look at the path"),
    errors.SourceUnreadable: (OTHER, "look whether you may read it, and whether the stick or disk is whole"),
    errors.SourceChanged: (OTHER, "wait until whatever writes it has ended, then add it again"),
    errors.NotAFile: (USAGE, "name a file; a folder is added with `-r`, devices never"),
    errors.NoSpace: (NO_SPACE, "free some space and try again; what was stored before is whole"),
    errors.FileTooLarge: (
        NO_SPACE,
        "most sticks come with FAT32, which takes no file of 4 GiB or more: use one that is formatted with exFAT, or seal fewer "
        "items in each file. What was stored before is whole",
    ),
    errors.ReadOnly: (NO_SPACE, "look whether the disk or folder can be written to; nothing was changed"),
    errors.VaultReadOnly: (
        NO_SPACE,
        "nothing can be opened where the log cannot be written: `casevault restore` makes a vault from it, in another place",
    ),
    errors.DiskFailed: (NO_SPACE, "copy the vault's folder to another disk before anything else"),
    errors.SealedFileRefused: (
        PROOF,
        "nothing of it was stored; ask the sender to send it again by another way, and tell them that this one was refused",
    ),
    errors.DamagedCopy: (
        PROOF,
        "nothing was changed. Throw this copy away; if the file itself is still needed, ask the sender to send it again",
    ),
    errors.NotAnAgeFile: (
        UNKNOWN,
        "look at the path; a mail program may have changed the file: let it be sent as an attachment, or on a stick. A card is "
        "taken with `casevault partner add`",
    ),
    errors.NotForUs: (
        PROOF,
        "nothing of it was stored; what you sealed yourself for others is for them alone. Is it meant for you, tell the sender: "
        "`casevault identity card` makes the card for which they can seal",
    ),
    errors.SenderUnproven: (
        REFUSED,
        "compare these words with the sender by a way that you trust, add their card with `casevault partner add` and "
        "verify it; `--accept-unverified` stores it as it is",
    ),
    errors.BadReceipt: (
        PROOF,
        "nothing was changed; ask the partner to make it again with `open FILE --receipt`. What was sealed for you is taken in "
        "with `casevault open`",
    ),
    errors.OtherHistory: (
        PROOF,
        "an older copy of this vault was put back and gone on from, its log was rewritten, or somebody else has its keys. The "
        "proof is kept, and `casevault log status` tells of it; ask who has, or had, a copy of this vault",
    ),
    errors.UnprovenHistory: (
        PROOF,
        "nothing was changed but the log, which says that it came. If it is true, the partner can prove it: ask them by a way "
        "that you trust to open the file again with `open FILE --receipt`, which sends your own signature back",
    ),
    errors.LogNotConnected: (
        REFUSED,
        "open the files first that they sent in between, if you have them, the oldest first. If there are none, "
        "`--accept-unconnected` stores it; a receipt then lets their next file prove it",
    ),
    errors.NoReceipt: (
        REFUSED,
        "a receipt goes to a partner whose card you have, for a file that they signed and sealed for your card; what was stored "
        "is stored. With their card here, the same command writes it",
    ),
    errors.WrongFilePassphrase: (
        WRONG_SECRET,
        "this is the passphrase that the sender told you, not that of your vault; let it be said again, word by word",
    ),
    errors.UnsafeLibrary: (OTHER, "install casevault again, in an environment of its own"),
}

# The library gives these reasons as single words.
_REASONS = {
    (errors.UnusablePassphrase, "empty"): "it is empty",
    (errors.UnusablePassphrase, "long"): "it is too long",
    (errors.UnusablePassphrase, "characters"): "it is not valid Unicode text",
    (errors.BadRecoveryWords, "count"): "there must be 24",
    (errors.BadRecoveryWords, "word"): "one is not in the list of words",
    (errors.BadRecoveryWords, "checksum"): "a word is wrong, or two are exchanged",
}


class Stop(Exception):
    """The command ends here: a sentence, what to do, and the status. Names in it went through ``visible``."""

    def __init__(self, status: int, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.status, self.message, self.hint = status, message, hint


class Declined(Stop):
    """The person was asked, and said no: that is no error, and is told calmly. The status is that of what was not confirmed."""

    def __init__(self, message: str) -> None:
        super().__init__(REFUSED, message)


class PipeClosed(Exception):
    """Whoever read our output went away."""


def entry(kind: type[errors.VaultError]) -> tuple[int, str]:
    """Status and hint of an error class: its own, or that of the nearest class above it."""
    return next(TABLE[each] for each in kind.__mro__ if each in TABLE)


def status_of(error: errors.VaultError) -> int:
    """The exit status that stands for an error."""
    return entry(type(error))[0]


def message_of(error: errors.VaultError) -> str:
    """The error's sentence in the language of the user, with nothing in it that a terminal would obey."""
    fields = {}
    for name, value in error.fields.items():
        text = _REASONS.get((type(error), str(value)), str(value)) if name == "reason" else str(value)
        fields[name] = visible(_(text) if name in ("reason", "field") else text)
    return _(type(error).template).format(**fields)


def described(error: BaseException) -> tuple[int, str, str]:
    """Status, message and hint for whatever ended a command."""
    if isinstance(error, Stop):
        return error.status, error.message, error.hint
    if isinstance(error, errors.VaultError):
        status, hint = entry(type(error))
        return status, message_of(error), _(hint) if hint else ""
    if isinstance(error, OSError):
        return _described_os_error(error)
    # The message of an unexpected exception may hold anything; its class and place do not.
    message = _("something unexpected went wrong ({kind} at {place}); what was stored before is whole")
    hint = _("`--debug` shows where, without any content; please report it")
    return OTHER, message.format(kind=type(error).__name__, place=_place(error)), hint


def _described_os_error(error: OSError) -> tuple[int, str, str]:
    if error.errno == errno.EIO and _terminal.is_gone():
        return INTERRUPTED, _("the terminal was closed"), ""
    reason = os.strerror(error.errno) if error.errno else type(error).__name__
    path = os.fsdecode(error.filename) if isinstance(error.filename, (str, bytes)) else ""
    status = {
        errno.ENOENT: NOT_FOUND,
        errno.ENOSPC: NO_SPACE,
        errno.EDQUOT: NO_SPACE,
        errno.EROFS: NO_SPACE,
        errno.EIO: NO_SPACE,
    }.get(error.errno or 0, OTHER)
    if not path:
        return status, _("the operating system reported: {reason}").format(reason=reason), ""
    return status, _("{path}: {reason}").format(path=visible(path), reason=reason), ""


def _place(error: BaseException) -> str:
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    return f"{os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else "?"  # noqa: PTH119 -- text only


def trace(error: BaseException) -> Iterator[str]:
    """For ``--debug``: where it happened, line by line; no locals, and no message but our own."""
    import traceback

    cause: BaseException | None = error
    while cause is not None:
        yield type(cause).__name__
        for frame in traceback.extract_tb(cause.__traceback__):
            yield f"  {frame.filename}:{frame.lineno} in {frame.name}"
        following = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
        cause = following
