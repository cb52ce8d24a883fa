"""What is answered about the access log and its proofs: plain values, as all in ``vault.requests``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One entry of the access log, readable because its body could be unsealed.

    ``item`` is the whole reference of an item or person; of ``key-add`` and ``key-remove`` it is the label.
    ``counterparty`` is a partner's name, ``recipients`` are fingerprints.
    """

    number: int
    when: str
    act: str
    phase: str
    actor: str
    case: str | None
    item: str | None
    size_bytes: int | None
    digest: str | None
    purpose: str | None
    answers: int | None
    reason: str | None
    counterparty: str | None = None
    recipients: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LogGeneration:
    """A part of the log with a chain of keys of its own. ``root`` is that of the ``first_entry`` entries before it.

    A generation after the first is a declared gap: the vault was restored, or its log's key was lost.
    """

    number: int
    origin: str
    first_step: int
    first_entry: int
    root: str
    first_key: str
    certified: bool


@dataclass(frozen=True, slots=True)
class LogHead:
    """How far the log has come: as a checkpoint says it, with the words for its root, and the signed note itself."""

    origin: str
    size: int
    root: str
    step: int
    words: tuple[str, ...]
    note: str


@dataclass(frozen=True, slots=True)
class LogVerified:
    """What a verification of the log looked at; it found nothing that does not hold, or would have raised.

    ``since`` is the step after which it began (0: the beginning), ``unsigned`` how many entries are older than the first
    signature and so prove nothing.
    """

    since: int
    steps: int
    entries: int
    unsigned: int
    head: LogHead
    generations: tuple[LogGeneration, ...]


@dataclass(frozen=True, slots=True)
class LogExportBegun:
    """An export for one intent: its first line, and how many follow, one for each step or disclosed entry."""

    intent: int
    header: str
    lines: int


@dataclass(frozen=True, slots=True)
class LogWitness:
    """A partner whose receipt has confirmed our log up to an entry. ``partner`` is None if they are forgotten."""

    partner: str | None
    fingerprint: str
    generation: int
    entries: int
    when: str


@dataclass(frozen=True, slots=True)
class LogFork:
    """Two states of one log that do not go together, kept with what proves both.

    ``sender`` is the fingerprint of whose log it is, None of ours, of which ``partner`` has a state of another history that
    our own keys have signed. ``kind``: forked (two roots for one state), unconnected (no proof leads from one to the other,
    and one should), not-ours.
    """

    kind: str
    sender: str | None
    partner: str | None
    generation: int
    found: str
    entries_before: int
    entries: int


@dataclass(frozen=True, slots=True)
class LogStatus:
    """What is known of the log's proofs, without looking at them: ``verified_step`` is where ``log verify`` last came to.

    ``confirmed`` is up to where partners have confirmed it; ``forks`` are states, of this log and of others', that do not go
    together.
    """

    head: LogHead
    generations: tuple[LogGeneration, ...]
    unsigned: int
    verified_step: int
    verified_entries: int
    verified_when: str | None
    confirmed: tuple[LogWitness, ...]
    forks: tuple[LogFork, ...]
