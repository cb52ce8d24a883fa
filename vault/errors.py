"""The one tree of errors that callers of the library know.

Each class is one sentence in ``template`` and the fields that fill it. No error holds a secret or anything that
a case contains; codes of cases and paths of the vault may be named. A message ends without a full stop and needs
no traceback. ``commands`` translates ``template`` and gives each class its exit status.
"""

from __future__ import annotations

from typing import ClassVar


class VaultError(Exception):
    """Something that the vault refuses or cannot do; ``fields`` fill ``template``."""

    template: ClassVar[str] = "The vault cannot do this"

    def __init__(self, **fields: object) -> None:
        self.fields = fields
        super().__init__(self.template.format(**fields))


# Where the vault is, and who has it


class NoSuchVault(VaultError):
    """``path`` holds nothing."""

    template = "There is no vault at {path}"


class NotAVault(VaultError):
    """``path`` holds something that is not a vault."""

    template = "{path} is not a case vault"


class AlreadyThere(VaultError):
    """``path`` exists, and nothing is ever overwritten."""

    template = "{path} already exists; nothing was changed"


class UnknownFormat(VaultError):
    """The vault at ``path`` was written in ``format``, which this version does not know."""

    template = "The vault at {path} has format {format}, which this version does not know"


class VaultInUse(VaultError):
    """Another process holds the vault at ``path``."""

    template = "The vault at {path} is in use by another process"


class VaultClosed(VaultError):
    """The vault was closed before this request."""

    template = "The vault is closed"


# Sessions


class NoSession(VaultError):
    """No agent keeps this vault open."""

    template = "No session is open"


class SessionOver(VaultError):
    """The agent that kept the vault open has ended: by ``lock``, a time limit, or because its process died."""

    template = "The session is over and the vault is locked"


class SessionRefused(VaultError):
    """What lies where an agent's socket should be is not trusted: ``reason`` says why."""

    template = "The session at {path} is not used: {reason}"


class SessionStuck(SessionRefused):
    """A process of this user is behind the socket, and says nothing."""

    template = "The session at {path} does not answer"


class SessionUnavailable(VaultError):
    """No agent can run here: ``reason`` says why."""

    template = "No session can be kept open here: {reason}"


class SessionFailed(VaultError):
    """The agent met an error that it does not know: class ``kind`` at ``place``."""

    template = "Something unexpected went wrong in the session ({kind} at {place}); what was stored before is whole"


# Secrets


class WrongPassphrase(VaultError):
    """No slot of the header is for the secret that was given."""

    template = "This passphrase, key file or recovery words do not open the vault"


class WeakPassphrase(VaultError):
    """The passphrase would be guessed in ``guesses`` tries or fewer."""

    template = "This passphrase is too weak: about {guesses} guesses would find it"


class UnusablePassphrase(VaultError):
    """The passphrase cannot be taken as it is: ``reason`` is empty, long or characters."""

    template = "This passphrase cannot be used: {reason}"


class BadRecoveryWords(VaultError):
    """The recovery words are not valid: ``reason`` is count, word or checksum."""

    template = "These recovery words are not valid: {reason}"


class CostRefused(VaultError):
    """The header asks for a cost of key derivation outside what is safe, or for more memory than there is."""

    template = (
        "The vault asks for {memory_kib} KiB of memory and {passes} passes to unlock:"
        " more than is safe or than this machine has, or too little to be safe"
    )


class TooManyKeys(VaultError):
    """All eight slots of the header are taken."""

    template = "All eight ways into the vault are taken"


class NoSuchKey(VaultError):
    """No way in has this slot or label."""

    template = "There is no way into the vault called {name}"


# Damage


class Damage(VaultError):
    """Something stored is not as it was written: ``what`` names it."""

    template = "Damaged: {what}"


class HeaderDamaged(Damage):
    """Neither copy of the header can be read."""

    template = "Both copies of the header at {path} are damaged"


class DatabaseDamaged(Damage):
    """The database ``what`` cannot be read."""

    template = "The database of {what} is damaged"


class ObjectDamaged(Damage):
    """The stored bytes of ``what`` are not those that were stored."""

    template = "The stored bytes of {what} are damaged"


class ObjectMissing(Damage):
    """The stored bytes of ``what`` are not there."""

    template = "The stored bytes of {what} are missing"


class DraftDamaged(Damage):
    """No saved version of a draft opens."""

    template = "The draft is damaged or missing"


class OlderCopy(Damage):
    """``what`` is an older copy, or was put together from several."""

    template = "{what} is an older copy, or mixed from several copies"


class OlderThanRemembered(OlderCopy):
    """The whole vault agrees with itself, but this machine has seen a later state of it, or another one."""

    template = "This vault is older than, or another copy than, the one that was last open on this computer"


class LogKeyLost(OlderCopy):
    """The key that signs the log's next step is not there, or belongs to another state of the vault."""

    template = (
        "The log of this vault cannot go on: the file logkey is missing, or belongs to another state of the vault"
    )


# What was asked for


class NoSuchCase(VaultError):
    """No case has ``code``."""

    template = "There is no case {code}"


class NoSuchItem(VaultError):
    """No item has this reference."""

    template = "There is no item {reference}"


class NoSuchPerson(VaultError):
    """No person has this reference."""

    template = "There is no person {reference}"


class NoSuchDraft(VaultError):
    """The text that was being written in ``code`` was saved as an item or thrown away."""

    template = "There is no such draft in {code} any more"


class NoSuchEntry(VaultError):
    """The log has no entry with ``number``, or it was of a case that is deleted."""

    template = "The log has no entry {number} that can be read"


class CodeTaken(VaultError):
    """A case with ``code`` exists."""

    template = "There is already a case {code}"


class BadCode(VaultError):
    """A code is 3 to 12 of A to Z and 0 to 9, begins with a letter and is no name of a device."""

    template = "{code} cannot be the code of a case"


class BadReference(VaultError):
    """What was given does not look like the name of the kind that is wanted: a case, an item or a person."""

    template = "{reference} is not a name of the kind that is needed here"


class BadValue(VaultError):
    """``field`` cannot hold the value that was given: ``reason`` says why."""

    template = "{field} cannot be stored: {reason}"


class Refused(VaultError):
    """A rule forbids it: ``reason`` says which."""

    template = "Refused: {reason}"


# Partners and cards


class NoSuchPartner(VaultError):
    """No partner has ``name``."""

    template = "There is no partner {name}"


class PartnerTaken(VaultError):
    """The partner ``name`` has this very card or recipient."""

    template = "This is known already, as {name}"


class PartnerChanged(VaultError):
    """Another card than before was given for ``name``, and nobody compared it yet."""

    template = "The card of {name} is another one than before, and it was not compared yet"


class OnlyClassical(Refused):
    """Of ``name`` no recipient is known that is safe against quantum computers."""

    template = "Of {name} only a recipient is known that quantum computers to come may break"


class BadCard(VaultError):
    """A card that cannot be read, or whose signatures do not hold: ``reason`` says which."""

    template = "This card is not taken: {reason}"


class FingerprintDiffers(VaultError):
    """What was read out is not the fingerprint of the card that ``name`` has here."""

    template = "What you heard is not the fingerprint of the card of {name}"


# The log


class LogUnavailable(VaultError):
    """The log could not record what was about to happen, so it did not happen."""

    template = "The log cannot be written, so nothing was shown or changed"


class LogProofFailed(VaultError):
    """The log does not prove itself: ``step`` is the first that does not hold, ``reason`` says which rule it breaks."""

    template = "The log does not prove itself: step {step} does not hold ({reason})"


class OutcomeUnrecorded(VaultError):
    """It was done, and the log has the intent, but not yet the outcome."""

    template = "It was done, but the log could not record how it ended; it will at the next start"


class ReceiptRefused(VaultError):
    """The receipt is used, or stands for something else."""

    template = "This was not recorded in the log, so it is refused"


# Backups


class IsABackup(VaultError):
    """``path`` holds a backup, which only ``check`` and ``restore`` read."""

    template = "{path} is a backup; it is only read"


class BackupIncomplete(VaultError):
    """The backup at ``path`` was begun and never finished."""

    template = "The backup at {path} was never finished"


class BackupDamaged(Damage):
    """Neither copy of the list of the backup at ``path`` can be used."""

    template = "The backup at {path} is damaged"


class BackupGone(VaultError):
    """There was a backup at ``path`` once, and now there is none: perhaps a stick is not plugged in."""

    template = "There was a backup at {path}, and now there is none"


class NotABackup(VaultError):
    """``path`` holds something that is not a backup, so none is made there."""

    template = "{path} is not empty and not a backup"


class NoSuchFolder(VaultError):
    """The folder around the one to be made is not there."""

    template = "There is no folder {path}"


class CopyDiffers(VaultError):
    """What was written to ``path`` reads back as something else."""

    template = "What was written to {path} does not read back as it was written"


class VaultChanging(VaultError):
    """Objects kept vanishing while they were copied."""

    template = "The vault was changed again and again while it was copied"


class RestoreRefused(Damage):
    """The backup at ``path`` has ``count`` damages, so nothing was restored."""

    template = "The backup at {path} is damaged in {count} places, so nothing was restored"


# Sources and targets outside the vault


class SourceMissing(VaultError):
    """The file to be stored is not there, or vanished while it was read."""

    template = "There is no file {path}"


class SourceUnreadable(VaultError):
    """The file to be stored cannot be read."""

    template = "The file {path} cannot be read"


class SourceChanged(VaultError):
    """The file changed while it was read, so it was not stored."""

    template = "The file {path} changed while it was read; it was not stored"


class NotAFile(VaultError):
    """What was named is a folder, a device or something else than a file."""

    template = "{path} is not a file"


class NoSpace(VaultError):
    """The disk of ``path`` is full, or does not take a file of this size."""

    template = "There is no space left for {path}"


class FileTooLarge(NoSpace):
    """The file system of ``path`` takes no file of this size: FAT32 none of 4 GiB or more."""

    template = "The disk of {path} takes no files as large as this one"


class ReadOnly(VaultError):
    """``path`` cannot be written to."""

    template = "{path} cannot be written to"


class VaultReadOnly(ReadOnly):
    """The vault at ``path`` lies where nothing can be written, so its log cannot be either."""

    template = "The vault at {path} cannot be written to"


class DiskFailed(VaultError):
    """The operating system reported an error for ``path``."""

    template = "The disk failed at {path}: {reason}"


# Sealed files


class SealedFileRefused(VaultError):
    """A sealed file is not as one is written, or its digests or signatures do not hold: ``reason`` says what."""

    template = "This sealed file is refused: {reason}"


class DamagedCopy(SealedFileRefused):
    """A file that came before comes again, and this copy is not whole: ``reason`` says why, ``items`` what came then."""

    template = "This copy of a file that came before is damaged: {reason}. What came then is still here: {items}"


class NotAnAgeFile(VaultError):
    """``path`` holds something that is not an age file, and so nothing that anybody sealed."""

    template = "{path} is not a sealed file"


class NotForUs(VaultError):
    """A file that is sealed for somebody else: ``reason`` says how that shows."""

    template = "This file is not for this vault: {reason}"


class SenderUnproven(VaultError):
    """The signatures hold, but nobody here has compared the key behind them; ``words`` are its fingerprint."""

    template = "Nobody has compared the key of whoever sent this file ({words}), so it was not stored"


class BadReceipt(VaultError):
    """What came as a receipt is none, or is not about a file that we sent to whoever signed it: ``reason`` says which."""

    template = "This receipt is not taken: {reason}"


class OtherHistory(VaultError):
    """A receipt proves that our log was shown with another history: ``name`` has what our own keys have signed there."""

    template = (
        "This receipt is about a file that this vault does not know, and proves that its own keys have signed a state of its log "
        "for {name} that its log never had"
    )


class UnprovenHistory(VaultError):
    """A receipt is about a file that we do not know; ``name`` says that our log was once another, and nothing proves it."""

    template = (
        "This receipt is not taken: it is about a file that this vault does not know, and that its log was ever at the state that "
        "it names is the word of {name} alone"
    )


class LogNotConnected(VaultError):
    """Nothing proves that a sender's log goes on from what an earlier file showed, and nothing speaks against it."""

    template = (
        "What this file shows of its sender's log lies too far from what their other files have shown here for a proof, so it was "
        "not stored"
    )


class NoReceipt(VaultError):
    """No receipt can be written for a file; ``reason`` says why."""

    template = "No receipt was written: {reason}"


class WrongFilePassphrase(VaultError):
    """The file was sealed with another passphrase."""

    template = "This passphrase does not open the file"


# What the log keeps

# Their reasons are sentences of this program, none of them made of what a file or a person said.
_TOLD_WHY = (SealedFileRefused, NotForUs, BadReceipt, BadCard)


def recorded(error: BaseException) -> str:
    """What the log keeps of an error: its name, and of a refused file which rule it broke."""
    name = type(error).__name__
    return f"{name}: {error.fields['reason']}" if isinstance(error, _TOLD_WHY) else name


# The installation


class UnsafeLibrary(VaultError):
    """The database library would write temporary files in the clear."""

    template = "This build of SQLCipher keeps temporary files on the disk in the clear, so it is not used"
