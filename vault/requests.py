"""What a command may ask of the service that holds the keys, and what it answers: plain values only.

The service (``vault.keeper``) runs inside the command, or behind a socket; a command cannot tell which. So every
request and answer is a frozen dataclass of text, numbers, bytes, None and tuples of these. Times are RFC 3339 text
in UTC (``2026-11-22T08:15:00Z``) where the program took them; where a person gave them they stay as given (a bare
date stays a date). Sizes are bytes. Digests are hexadecimal text.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from vault.arrivals import Origin
from vault.summaries import CaseSummary as CaseSummary  # noqa: PLC0414 -- as every other answer it is found here
from vault.summaries import ItemSummary as ItemSummary  # noqa: PLC0414 -- as above

KINDS = ("statement", "video", "audio", "photo", "document", "other")
WITHIN_REACH = ("yes", "no", "unknown")


# Descriptions that a person gives


@dataclass(frozen=True, slots=True)
class Description:
    """What is said of an item when it is added; all of it can stay empty.

    ``kind`` is guessed from the file name, ``title`` is the file name unless given. ``source`` is a person's
    reference or free text.
    """

    kind: str | None = None
    title: str | None = None
    note: str | None = None
    tags: tuple[str, ...] = ()
    source: str | None = None
    via: str | None = None
    recorded: str | None = None
    received: str | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class PersonFields:
    """What is known of a person; everything but the name can stay empty."""

    name: str
    aliases: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    mails: tuple[str, ...] = ()
    messengers: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    role: str | None = None
    safe_times: str | None = None


# Answers: cases


@dataclass(frozen=True, slots=True)
class Note:
    """A remark on a case or one of its items."""

    text: str
    written: str


@dataclass(frozen=True, slots=True)
class Change:
    """An old description that was replaced: which field, what it was, what it became, and when."""

    when: str
    field: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Disposal:
    """What is left of a deleted item or person: that it was there, and when and why it went."""

    reference: str
    when: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class CaseDetails:
    """Everything about a case besides its items and persons."""

    summary: CaseSummary
    description: str | None
    notes: tuple[Note, ...]
    tags: tuple[str, ...]
    history: tuple[Change, ...]
    disposals: tuple[Disposal, ...]
    size_bytes: int


# Answers: items


@dataclass(frozen=True, slots=True)
class Circumstances:
    """How a statement came about; what was not said is None.

    ``within_reach`` tells whether it was given in custody or within reach of the accused: yes, no or unknown. ``person``
    is a person's reference. Everything else is text as it was given.
    """

    within_reach: str | None = None
    person: str | None = None
    date: str | None = None
    place: str | None = None
    started: str | None = None
    ended: str | None = None
    language: str | None = None
    interpreter: str | None = None
    present: str | None = None
    earlier_accounts: str | None = None
    read_back: str | None = None
    signed: str | None = None
    recorded_by: str | None = None


@dataclass(frozen=True, slots=True)
class Reception:
    """One time that these bytes came in: the same bytes may come again from somebody else."""

    when: str
    file_name: str | None
    source: str | None
    via: str | None
    recorded: str | None
    received: str | None
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class ItemDetails:
    """Everything about an item besides its bytes."""

    summary: ItemSummary
    file_name: str | None
    media_type: str | None
    sha256: str
    sha512: str | None
    source: str | None
    via: str | None
    received: str | None
    language: str | None
    receptions: tuple[Reception, ...]
    revisions: tuple[str, ...]
    notes: tuple[Note, ...]
    history: tuple[Change, ...]
    statement: Circumstances | None = None


@dataclass(frozen=True, slots=True)
class AddGrant:
    """What binds a new object to its place, before it is staged."""

    case_id: bytes
    folder_id: bytes


@dataclass(frozen=True, slots=True)
class ObjectGrant:
    """The key of one stored object, given for one logged intent, and all that is needed to read it."""

    intent: int
    reference: str
    object_id: bytes
    case_id: bytes
    folder_id: bytes
    key: bytes = field(repr=False)
    size_bytes: int
    padded_bytes: int
    sha256: str
    sha512: str | None
    file_name: str | None
    media_type: str | None
    kind: str
    title: str


@dataclass(frozen=True, slots=True)
class DraftSummary:
    """A text that was begun and neither stored nor thrown away.

    ``kept`` is when writing last ended in order, ``writing`` whether somebody writes it now.
    """

    draft_id: bytes
    begun: str
    kept: str | None
    writing: bool


@dataclass(frozen=True, slots=True)
class DraftGrant:
    """The key of one draft, given for one logged intent.

    ``version`` and ``digest`` are those of the last save that the index knows: an older one was put back.
    """

    intent: int
    draft_id: bytes
    case_id: bytes
    folder_id: bytes
    key: bytes = field(repr=False)
    version: int
    digest: bytes | None


@dataclass(frozen=True, slots=True)
class Stored:
    """What came of adding: the item, and whether these bytes were in the case already."""

    item: ItemDetails
    again: bool


# Answers: persons, search, backups, state


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonDetails(PersonFields):
    """A person of a case, with what was said of them before."""

    reference: str
    added: str
    history: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class Hit:
    """One thing that a search found: ``field`` is title, description, file name, text, note, tag, circumstances, person
    or contact.
    """

    reference: str
    title: str
    field: str
    excerpt: str
    spans: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class KeyLabel:
    """A way into the vault: ``kind`` is passphrase, passphrase+keyfile, keyfile or recovery."""

    slot: int
    kind: str
    label: str
    added: str


@dataclass(frozen=True, slots=True)
class KnownBackup:
    """A backup that was made of this vault: where, and when last."""

    place: str
    made: str


@dataclass(frozen=True, slots=True)
class BackupFile:
    """A database in a backup: its name there, its size and SHA-256."""

    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class BackupBegun:
    """What a backup begins with: the marker to write where there is none (else empty), the databases of its last
    complete state, and the names of all that the markers found there speak of.
    """

    intent: int
    marker: bytes
    kept: tuple[BackupFile, ...]
    named: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KnownObject:
    """An object that belongs to an item; its padded length is 0 where no case that opens can tell it."""

    object_id: bytes
    padded_bytes: int


@dataclass(frozen=True, slots=True)
class BackupSnapshot:
    """All databases at one moment: the marker that names them, those that lie in the staging folder to be copied, and
    the codes of cases whose database is damaged. ``missing`` are the objects of a case to be copied that the vault has
    not whole.
    """

    marker: bytes
    made: str
    databases: tuple[BackupFile, ...]
    staged: tuple[str, ...]
    damaged: tuple[str, ...]
    missing: tuple[KnownObject, ...]


@dataclass(frozen=True, slots=True)
class VaultInfo:
    """What an open vault says of itself.

    ``last_unlock`` is when it had been used before it was opened this time, ``failed_unlocks`` how many attempts to open
    it this machine counted between the two. ``log_verified_step`` is where ``log verify`` last came to (0: nowhere).
    ``unknown_slot`` is the one that opened it, if the vault does not know it. ``has_identity``: partners may have a card of
    ours. ``drafts``: how many texts were begun and neither stored nor thrown away.
    """

    vault_id: str
    created: str
    epoch: int
    cases: int
    log_entries: int
    log_steps: int
    log_verified_step: int
    keys: tuple[KeyLabel, ...]
    memory_kib: int
    passes: int
    last_check: str | None
    last_backup: str | None
    backups: tuple[KnownBackup, ...]
    last_unlock: str | None
    failed_unlocks: int
    warnings: tuple[str, ...]
    unknown_slot: int | None = None
    has_identity: bool = False
    drafts: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that ``check`` found wrong: ``subject`` is a reference, a code or a file of the vault."""

    kind: str
    subject: str
    detail: str


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What ``check`` read and found; nothing was changed."""

    findings: tuple[Finding, ...]
    cases: int
    items: int
    objects: int
    objects_read: int
    objects_not_read: int
    bytes_read: int
    log_entries: int


@dataclass(frozen=True, slots=True)
class CheckBegun:
    """What a check found in the structure, and the items whose bytes can be read, each with a key of its own."""

    intent: int
    report: CheckReport
    unread: tuple[str, ...]
