"""What the databases hold: the tables of a case, those of the vault, and their numbers.

The tables of a case have room for everything that custody, consent and courts ask for, also where no command fills
it yet. Lists (aliases, phone numbers) are canonical JSON arrays in one column. Times are text.
"""

from __future__ import annotations

from collections.abc import Sequence

from vault.tables import Table

CASE_VERSION = 1
VAULT_VERSION = 1

TEXT, INTEGER, BLOB = "TEXT", "INTEGER", "BLOB"
NEEDED_TEXT, NEEDED_INTEGER, NEEDED_BLOB = "TEXT NOT NULL", "INTEGER NOT NULL", "BLOB NOT NULL"


def _case(table: str, key_columns: int = 1, /, **columns: str) -> Table:
    return Table(table, columns, key_columns, tracked=True)


CASE = _case("case_info", id=NEEDED_INTEGER, code=NEEDED_TEXT, title=NEEDED_TEXT, description=TEXT, created=NEEDED_TEXT)
ITEMS = _case(
    "items",
    number=NEEDED_INTEGER,
    kind=NEEDED_TEXT,
    title=NEEDED_TEXT,
    file_name=TEXT,
    media_type=TEXT,
    object_id=NEEDED_BLOB,
    size_bytes=NEEDED_INTEGER,
    padded_bytes=NEEDED_INTEGER,
    segments=NEEDED_INTEGER,
    sha256=NEEDED_TEXT,
    sha512=TEXT,
    added=NEEDED_TEXT,
    source=TEXT,
    via=TEXT,
    recorded=TEXT,
    received=TEXT,
    language=TEXT,
    revises=INTEGER,
    derived_from=INTEGER,
    derivation=TEXT,
    access_level=TEXT,
    metadata_as_found=TEXT,
    earlier_publication=TEXT,
    existence_known_to=TEXT,
)
# What belongs to an item has the item first in its key; 0 stands for the case itself.
RECEPTIONS = _case(
    "receptions",
    2,
    item=NEEDED_INTEGER,
    number=NEEDED_INTEGER,
    happened=NEEDED_TEXT,
    file_name=TEXT,
    source=TEXT,
    via=TEXT,
    recorded=TEXT,
    received=TEXT,
    condition=TEXT,
)
NOTES = _case("notes", 2, item=NEEDED_INTEGER, number=NEEDED_INTEGER, text=NEEDED_TEXT, written=NEEDED_TEXT)
REVISIONS = _case("revisions", 2, item=NEEDED_INTEGER, number=NEEDED_INTEGER)
TAGS = _case("tags", 2, item=NEEDED_INTEGER, tag=NEEDED_TEXT)
PERSONS = _case(
    "persons",
    number=NEEDED_INTEGER,
    name=NEEDED_TEXT,
    aliases=NEEDED_TEXT,
    phones=NEEDED_TEXT,
    mails=NEEDED_TEXT,
    messengers=NEEDED_TEXT,
    addresses=NEEDED_TEXT,
    role=TEXT,
    safe_times=TEXT,
    instruction_if_taken=TEXT,
    added=NEEDED_TEXT,
)
STATEMENTS = _case(
    "statements",
    item=NEEDED_INTEGER,
    person=INTEGER,
    within_reach=TEXT,
    date=TEXT,
    place=TEXT,
    started=TEXT,
    ended=TEXT,
    language=TEXT,
    interpreter=TEXT,
    present=TEXT,
    earlier_accounts=TEXT,
    read_back=TEXT,
    signed=TEXT,
    recorded_by=TEXT,
)
CONSENTS = _case(
    "consents",
    number=NEEDED_INTEGER,
    person=NEEDED_INTEGER,
    event=NEEDED_TEXT,
    answers=INTEGER,
    capacity=TEXT,
    guardian=TEXT,
    language=TEXT,
    wording=TEXT,
    wording_sha256=TEXT,
    explained_by=TEXT,
    items=TEXT,
    purpose=TEXT,
    audience=TEXT,
    named=TEXT,
    expires=TEXT,
    safe_contact=TEXT,
    cannot_be_undone=TEXT,
    given_how=TEXT,
    circumstances=TEXT,
    happened=NEEDED_TEXT,
)
RETENTION = _case(
    "retention",
    item=NEEDED_INTEGER,
    until=TEXT,
    trigger_event=TEXT,
    reviewer=TEXT,
    legal_hold=TEXT,
    decided=NEEDED_TEXT,
)
DISPOSALS = _case(
    "disposals",
    reference=NEEDED_TEXT,
    happened=NEEDED_TEXT,
    reason=TEXT,
    commitment=TEXT,
    copies_elsewhere=TEXT,
)

# Where the bytes of a reception came from when they came in a file that somebody sealed: what the sender said of them.
# `number` is that of the reception. Cases of before have no such table until their first such file.
ORIGINS = _case(
    "origins",
    2,
    item=NEEDED_INTEGER,
    number=NEEDED_INTEGER,
    kind=NEEDED_TEXT,
    sender=TEXT,
    sender_name=TEXT,
    grade=TEXT,
    file_digest=NEEDED_TEXT,
    share_id=TEXT,
    sequence=INTEGER,
    path=TEXT,
    reference=TEXT,
    added=TEXT,
    recorded=TEXT,
    received=TEXT,
    revises=TEXT,
    purpose=TEXT,
    terms=TEXT,
)

CASE_TABLES = (
    CASE,
    ITEMS,
    RECEPTIONS,
    REVISIONS,
    NOTES,
    TAGS,
    PERSONS,
    STATEMENTS,
    CONSENTS,
    RETENTION,
    DISPOSALS,
    ORIGINS,
)
LATER_CASE_TABLES = (ORIGINS,)

# Numbers are never used again, so the highest one ever given is known even when its row is gone.
COUNTERS = _case("counters", name=NEEDED_TEXT, last=NEEDED_INTEGER)

CASE_SCHEMA = (
    *(table.ddl() for table in (*CASE_TABLES, COUNTERS)),
    "CREATE INDEX items_by_digest ON items (sha256)",
    "CREATE TABLE object_keys (object_id BLOB PRIMARY KEY, key BLOB NOT NULL)",
    """CREATE TABLE changes (number INTEGER PRIMARY KEY, happened TEXT NOT NULL, place TEXT NOT NULL, key TEXT NOT NULL,
       kept INTEGER NOT NULL, salt BLOB, digest BLOB NOT NULL, change BLOB, state BLOB NOT NULL)""",
    "CREATE TABLE indexed (id INTEGER PRIMARY KEY, reference TEXT NOT NULL, field TEXT NOT NULL)",
    "CREATE INDEX indexed_by_reference ON indexed (reference)",
    "CREATE TABLE index_rules (rules INTEGER PRIMARY KEY)",
    "CREATE VIRTUAL TABLE words USING fts5 (content UNINDEXED, terms, detail = none, tokenize = ascii)",
    "INSERT INTO words (words, rank) VALUES ('secure-delete', 1)",
    # A term is looked for in each segment of the index, so there should be few.
    "INSERT INTO words (words, rank) VALUES ('crisismerge', 4)",
)

SETTINGS = Table("settings", {"name": NEEDED_TEXT, "value": BLOB})
SLOTS = Table(
    "slots",
    {
        "slot": NEEDED_INTEGER,
        "public_key": NEEDED_BLOB,
        "kind": NEEDED_TEXT,
        "label": NEEDED_TEXT,
        "added": NEEDED_TEXT,
    },
)
CASES = Table(
    "cases",
    {
        "case_id": NEEDED_BLOB,
        "code": NEEDED_TEXT,
        "key": NEEDED_BLOB,
        "epoch": NEEDED_INTEGER,
        "title": NEEDED_BLOB,
        "created": NEEDED_TEXT,
        "changed": NEEDED_TEXT,
        "state": NEEDED_BLOB,
        "entries": NEEDED_INTEGER,
        "items": NEEDED_INTEGER,
        "persons": NEEDED_INTEGER,
    },
)
LOG_KEYS = Table("log_keys", {"case_id": NEEDED_BLOB, "epoch": NEEDED_INTEGER, "wrapped": NEEDED_BLOB}, 2)
DELETED_CASES = Table(
    "deleted_cases",
    {"case_id": NEEDED_BLOB, "code": NEEDED_TEXT, "happened": NEEDED_TEXT, "entries": NEEDED_INTEGER},
)
UNANSWERED = Table(
    "unanswered",
    {
        "number": NEEDED_INTEGER,
        "act": NEEDED_TEXT,
        "case_id": BLOB,
        "item": TEXT,
        "objects": NEEDED_TEXT,
        "state_after": BLOB,
    },
)

# The id of a draft is the names of its two files.
DRAFTS = Table(
    "drafts",
    {
        "draft_id": NEEDED_BLOB,
        "case_id": NEEDED_BLOB,
        "key": NEEDED_BLOB,
        "begun": NEEDED_TEXT,
        "kept": TEXT,
        "version": NEEDED_INTEGER,
        "digest": BLOB,
    },
)

# One row, made when it is first needed. The seeds are secret; what they yield stands beside them, and must agree.
IDENTITY = Table(
    "identity",
    {
        "id": NEEDED_INTEGER,
        "name": TEXT,
        "created": NEEDED_TEXT,
        "hybrid_seed": NEEDED_BLOB,
        "x25519_seed": NEEDED_BLOB,
        "ed25519_seed": NEEDED_BLOB,
        "mldsa65_seed": NEEDED_BLOB,
        "age_recipient": NEEDED_TEXT,
        "age_classical": NEEDED_TEXT,
        "ed25519": NEEDED_BLOB,
        "mldsa65": NEEDED_BLOB,
    },
)
# A removed partner keeps the row, because what they were sent is told of it. A card or recipient that came later under
# the same name waits in `pending`.
PARTNERS = Table(
    "partners",
    {
        "number": NEEDED_INTEGER,
        "name": NEEDED_TEXT,
        "kind": NEEDED_TEXT,
        "card": BLOB,
        "age_recipient": NEEDED_TEXT,
        "age_classical": TEXT,
        "fingerprint": NEEDED_BLOB,
        "grade": NEEDED_TEXT,
        "added": NEEDED_TEXT,
        "verified": TEXT,
        "removed": TEXT,
        "pending": BLOB,
        "pending_since": TEXT,
    },
)
# A file that was sealed for somebody. What it holds and why it was made is sealed under the case's key in `told`, which is
# empty when the case is deleted.
SHARES = Table(
    "shares",
    {
        "share_id": NEEDED_BLOB,
        "case_id": NEEDED_BLOB,
        "code": NEEDED_TEXT,
        "partner": INTEGER,
        "recipient": NEEDED_TEXT,
        "recipient_kind": NEEDED_TEXT,
        "protection": NEEDED_TEXT,
        "grade": TEXT,
        "sequence": NEEDED_INTEGER,
        "made": NEEDED_TEXT,
        "told": NEEDED_BLOB,
        "digest": NEEDED_BLOB,
        "manifest": NEEDED_BLOB,
        "state": NEEDED_TEXT,
        "size_bytes": INTEGER,
        "sha256": TEXT,
        "confirmed": TEXT,
        "receipt": BLOB,
    },
)

# Files that were opened: by the digest of what they are and the fingerprint that signed them, empty where none did. A row is
# announced with the intent to store and confirmed with its outcome.
RECEIVED = Table(
    "received",
    {
        "digest": NEEDED_BLOB,
        "sender": NEEDED_TEXT,
        "kind": NEEDED_TEXT,
        "share_id": TEXT,
        "recipient": TEXT,
        "sequence": INTEGER,
        "case_id": NEEDED_BLOB,
        "items": NEEDED_TEXT,
        "happened": NEEDED_TEXT,
        "intent": NEEDED_INTEGER,
        "stored": NEEDED_INTEGER,
    },
    2,
)

# Where the log's chain of keys begins: at its creation, after a restore, and after its key was lost. `size` and `root` are
# those of the log before; the certificate, both signatures of the identity over the first key, comes with the identity.
GENERATIONS = Table(
    "generations",
    {
        "generation": NEEDED_INTEGER,
        "first_step": NEEDED_INTEGER,
        "size": NEEDED_INTEGER,
        "root": NEEDED_BLOB,
        "first_key": NEEDED_BLOB,
        "sshsig": BLOB,
        "mldsa65": BLOB,
        "certified": TEXT,
    },
)

# Where our log stood when a file was announced that went to somebody: the end of this step.
SENT_HEADS = Table("sent_heads", {"share_id": NEEDED_BLOB, "step": NEEDED_INTEGER})
# The newest state of our log that a partner's receipt has named and that was found in it.
WITNESSES = Table(
    "witnesses",
    {
        "fingerprint": NEEDED_TEXT,
        "generation": NEEDED_INTEGER,
        "size": NEEDED_INTEGER,
        "root": NEEDED_BLOB,
        "confirmed": NEEDED_TEXT,
    },
)
# The state of our log that the last receipt of a partner has named, if it was found in it.
NAMED_HEADS = Table(
    "named_heads",
    {"fingerprint": NEEDED_TEXT, "generation": NEEDED_INTEGER, "size": NEEDED_INTEGER, "root": NEEDED_BLOB},
)
# States of the logs of others, as their files showed them to one of our fingerprints (`audience`; empty for a passphrase).
# `shown` is the step of our log at which a file had this for its own state, unless another had proved it before.
# `evidence` is what their identity signed, kept with the newest one of each chain, and with one from which none leads on.
SEEN_HEADS = Table(
    "seen_heads",
    {
        "sender": NEEDED_TEXT,
        "audience": NEEDED_TEXT,
        "first_key": NEEDED_BLOB,
        "size": NEEDED_INTEGER,
        "generation": NEEDED_INTEGER,
        "root": NEEDED_BLOB,
        "digest": NEEDED_BLOB,
        "seen": NEEDED_TEXT,
        "shown": INTEGER,
        "evidence": BLOB,
    },
    4,
)
# Where the generations of others' logs begin, as any of their files listed them, and which one each follows.
SEEN_GENERATIONS = Table(
    "seen_generations",
    {
        "sender": NEEDED_TEXT,
        "first_key": NEEDED_BLOB,
        "generation": NEEDED_INTEGER,
        "first_step": NEEDED_INTEGER,
        "size": NEEDED_INTEGER,
        "root": NEEDED_BLOB,
        "follows": BLOB,
    },
    2,
)
# Two states of one log that do not go together, with what proves that both were shown; `sender` is empty for our own log.
FORKS = Table(
    "forks",
    {
        "number": NEEDED_INTEGER,
        "sender": NEEDED_TEXT,
        "name": TEXT,
        "kind": NEEDED_TEXT,
        "generation": NEEDED_INTEGER,
        "found": NEEDED_TEXT,
        "first_size": NEEDED_INTEGER,
        "first_root": BLOB,
        "first": BLOB,
        "second_size": NEEDED_INTEGER,
        "second_root": NEEDED_BLOB,
        "second": NEEDED_BLOB,
    },
)

# Vaults of before have none of these tables until the first row of each.
LATER_TABLES = (
    DRAFTS,
    IDENTITY,
    PARTNERS,
    SHARES,
    RECEIVED,
    GENERATIONS,
    SENT_HEADS,
    WITNESSES,
    NAMED_HEADS,
    SEEN_HEADS,
    SEEN_GENERATIONS,
    FORKS,
)
VAULT_TABLES = (SETTINGS, SLOTS, CASES, LOG_KEYS, DELETED_CASES, UNANSWERED, *LATER_TABLES)

VAULT_SCHEMA = (
    *(table.ddl() for table in VAULT_TABLES),
    "CREATE UNIQUE INDEX cases_by_code ON cases (code)",
    """CREATE TABLE log_entries (number INTEGER PRIMARY KEY, leaf BLOB NOT NULL, body BLOB NOT NULL, case_id BLOB,
       epoch INTEGER)""",
    "CREATE INDEX log_entries_by_case ON log_entries (case_id) WHERE case_id IS NOT NULL",
    "CREATE TABLE log_steps (step INTEGER PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL, signature BLOB)",
    """CREATE TABLE head (id INTEGER PRIMARY KEY CHECK (id = 0), step INTEGER NOT NULL, frontier BLOB NOT NULL,
       index_digest BLOB NOT NULL)""",
)

# Steps of before are not signed; a vault of before gets the column with its first signed step.
ADD_SIGNATURES = "ALTER TABLE log_steps ADD COLUMN signature BLOB"


def has_signatures(columns: Sequence[Sequence[object]]) -> bool:
    """Whether these rows of ``PRAGMA table_info (log_steps)`` have the column."""
    return "signature" in (row[1] for row in columns)
