"""What comes in a file that somebody sealed, as the command's process and the service speak of it: plain values only.

Digests and fingerprints are hexadecimal text; times are as the sender gave them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from vault.summaries import ItemSummary

# What a file is: signed by its sender, made by somebody who only had our card, or any age file that opens with our key.
SHARE, DROP, PLAIN = "share", "drop", "age"

# How far its sender is known. `changed`: under the name of a partner comes another key.
KNOWN, UNVERIFIED, UNKNOWN, CHANGED, UNPROVEN = "known", "unverified", "unknown", "changed", "unproven"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where one reception of an item came from, as the sender said; ``kind`` is share, drop or age.

    ``sender`` is the fingerprint that both signatures prove, None where nothing is proven; ``sender_name`` is what the
    partner was called here then, and ``grade`` how well their card was compared. ``reference`` is the item's there.
    """

    kind: str
    sender: str | None
    sender_name: str | None
    grade: str | None
    file_digest: str
    share_id: str | None
    sequence: int | None
    path: str | None
    reference: str | None
    added: str | None
    recorded: str | None
    received: str | None
    revises: str | None
    purpose: str | None
    terms: str | None


@dataclass(frozen=True, slots=True)
class OpenGrant:
    """What the intent to read a file gives: its key, and where what it holds will belong.

    ``recipients`` are the fingerprints under which somebody may know this vault.
    """

    intent: int
    file_key: bytes | None = field(repr=False)
    recipients: tuple[str, ...]
    code: str | None
    case_id: bytes | None
    folder_id: bytes


@dataclass(frozen=True, slots=True)
class ShownHead:
    """A state of the sender's log, as a file shows it after its proofs hold; roots and keys in hexadecimal.

    ``generations`` are number, first key, first step, size and root of every one that is certified; the last is its own.
    ``earlier`` are generation, size and root of states that are proven to be beginnings of it. ``evidence`` is what proves to
    others that the sender showed it.
    """

    generation: int
    size: int
    root: str
    first_key: str
    generations: tuple[tuple[int, str, int, int, str], ...]
    earlier: tuple[tuple[int, int, str], ...]
    evidence: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Claim:
    """What a file says of itself, after all of its own proofs hold: ``digest`` is that of its sealed.json, or of all of
    it where it has none. ``card`` is the sender's, None where nothing is signed. ``recipient`` is the fingerprint for
    which it was sealed: files to one fingerprint are numbered; None where it was a passphrase. ``head`` is where the
    sender's log stood.
    """

    kind: str
    digest: str
    card: bytes | None = None
    share_id: str | None = None
    recipient: str | None = None
    case: str | None = None
    sequence: int | None = None
    previous: str | None = None
    purpose: str | None = None
    terms: str | None = None
    head: ShownHead | None = None


@dataclass(frozen=True, slots=True)
class Sender:
    """Who a file is from: ``trust`` is known, unverified, unknown, changed or unproven.

    ``name`` is ours for them; with ``changed`` that of the partner who has another key. ``claimed`` is what the card says.
    """

    trust: str
    fingerprint: str | None = None
    words: tuple[str, ...] = ()
    digits: tuple[str, ...] = ()
    name: str | None = None
    claimed: str | None = None
    grade: str | None = None

    @property
    def own_name(self) -> str | None:
        """Our name for whoever has this very key; under no name that another one has is anything kept of them."""
        return None if self.trust == CHANGED else self.name


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the vault makes of a file before anything of it is stored.

    ``again`` are the items that came with the same file before and are still there. ``gap``: the file that it says came
    before it is not here. ``late``: a later one came already. ``rival``: another file has its number.
    ``new_generation``: the sender's log has declared a gap since it was last seen here, as after a restore. ``beside``:
    the generation of a copy of the sender's log that was seen here, where neither holds what the other logged.
    ``unconnected``: how many entries the state had that was seen of it here, and that lies too far from this one for a
    proof.
    """

    sender: Sender
    again: tuple[str, ...] = ()
    gap: bool = False
    late: bool = False
    rival: bool = False
    last_sequence: int | None = None
    new_generation: int | None = None
    beside: int | None = None
    unconnected: int | None = None

    @property
    def asks(self) -> bool:
        """Whether a person must agree before anything of the file is stored."""
        return self.sender.trust in (UNKNOWN, UNVERIFIED) or self.unconnected is not None


@dataclass(frozen=True, slots=True)
class Arrival:
    """One thing that came, described by the sender; what was not sent along is empty. ``number`` is the item's there.

    ``circumstances`` are pairs of a field of ``Circumstances`` and its text.
    """

    number: int | None
    path: str | None
    kind: str | None
    title: str | None = None
    file_name: str | None = None
    media_type: str | None = None
    added: str | None = None
    recorded: str | None = None
    received: str | None = None
    revises: int | None = None
    notes: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    circumstances: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Arrived:
    """What became of a file: the case, the items that are new, those whose bytes were there, and the persons.

    ``proofs`` is the item that keeps signatures and manifests as they came. With ``known`` nothing was stored: the same
    file came before, and ``items`` are what came of it then. ``verdict`` is what the vault made of it when it was stored.
    """

    code: str
    new_case: bool
    items: tuple[ItemSummary, ...]
    again: tuple[str, ...]
    persons: tuple[str, ...]
    proofs: str | None
    size_bytes: int
    known: bool = False
    verdict: Verdict | None = None
