"""Readers of what somebody sends, as a fuzzer calls them: each takes any bytes, and refuses them by name or reads them
so that writing gives the same bytes back.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import bags
import receipts
from somebody import Somebody
from their_logs import TheirLog

from crypto import age
from crypto.age_header import covered_bytes, end_of_header
from crypto.encoding import canonical_json
from crypto.errors import HeaderFailure
from vault import archive, bag, errors, log_proofs
from vault.cards import Card
from vault.confirmations import Confirmation
from vault.log_proofs import LogProofs
from vault.sealed import SealedManifest
from vault.tables import Row
from vault.verifying import verify_tags

CORPUS = Path(__file__).resolve().parents[1] / "vectors" / "fuzz"
LIMITS = age.HeaderLimits(size_bytes=64 << 10, stanzas=32)


class ReadDifferently(Exception):
    """What was read is not what stands there."""


def _same(written: bytes, data: bytes) -> None:
    if written != data:
        raise ReadDifferently


def age_header(data: bytes) -> None:
    header = age.read_header(io.BytesIO(data), limits=LIMITS)
    _same(covered_bytes(header.stanzas) + end_of_header(header.mac), data[: len(header.text)])


def archive_(data: bytes) -> None:
    members = [(each.name, b"".join(map(bytes, each.pieces()))) for each in archive.ArchiveReader(io.BytesIO(data))]
    _same(bags.packed(members), data)


def bag_(data: bytes) -> None:
    reader = bag.BagReader(io.BytesIO(data))
    tags = reader.read_tags()
    manifest = SealedManifest.from_bytes(tags.files[bag.SEALED])
    found = reader.items(tags, manifest.items)
    contents = [member.read(1 << 20) for _place, member in found]
    if [hashlib.sha256(content).hexdigest() for content in contents] != [item.sha256 for item in manifest.items]:
        raise archive.refused(reason="an item is another one than was signed")
    reader.finish(tags, manifest.items)
    layout = bag.layout(tags.top, tags.files, manifest.items)
    parts = [*tags.files.values(), *contents, bytes(layout.padding_bytes)]
    _same(bags.packed([(name, part) for (name, _size), part in zip(layout.members, parts, strict=True)]), data)
    verify_tags(tags, parse_card=Card.from_bytes, stanza=manifest.sealed_for, ours=[bags.TO])


def sealed(data: bytes) -> None:
    _same(SealedManifest.from_bytes(data).to_bytes(), data)


def card(data: bytes) -> None:
    found = Card.from_bytes(data)
    if not data.startswith(found.unsigned_bytes()):
        raise ReadDifferently


def receipt(data: bytes) -> None:
    _same(Confirmation.from_bytes(data).to_bytes(), data)


@cache
def _shown() -> tuple[dict[str, bytes], ...]:
    """The tag files of two shares: one with what it goes on from, and the first of a generation."""
    manifest = bags.share()
    log = TheirLog(bags.Sender())
    log.share(b"a file before", manifest.to)
    begun = TheirLog(bags.Sender())
    begun.begin_generation()
    return tuple(bags.tags_of(manifest, replaced=each.share(manifest.to_bytes(), manifest.to)) for each in (log, begun))


def _verify_shown(name: str, data: bytes) -> None:
    """In the place of what one of the two has shown."""
    refused: Exception | None = None
    for files in _shown():
        digest = hashlib.sha256(files[bag.SEALED]).hexdigest()
        try:
            log_proofs.verify(
                {**files, name: data}, card=Card.from_bytes(files[bag.CARD]), to=bags.TO.hex(), digest=digest
            )
        except errors.SealedFileRefused as error:
            refused = error
        else:
            return
    raise refused or ReadDifferently


def log_proofs_(data: bytes) -> None:
    _same(LogProofs.from_bytes(data).to_bytes(), data)
    _verify_shown(bag.LOG_PROOFS, data)


def log_checkpoint(data: bytes) -> None:
    _verify_shown(bag.LOG_CHECKPOINT, data)


@dataclass(frozen=True)
class Target:
    """A reader, the errors by which it may refuse, and bytes that it takes."""

    read: Callable[[bytes], None]
    refusals: tuple[type[Exception], ...]
    seeds: Callable[[], list[bytes]]

    def __call__(self, data: bytes) -> bool:
        """Whether the bytes were taken. Anything but a refusal by name comes through."""
        try:
            self.read(data)
        except self.refusals:
            return False
        return True


def _header_seeds() -> list[bytes]:
    sink = io.BytesIO()
    age.encrypt(io.BytesIO(), sink, [Somebody(1).classical.recipient()])
    stanza = age.Stanza(("kind", "argument"), bytes(48))
    return [sink.getvalue(), covered_bytes((stanza, stanza)) + end_of_header(bytes(32))]


def _archive_seeds() -> list[bytes]:
    small = bags.packed([("TOP-1/a", b"x"), ("TOP-1/data/1", b""), ("TOP-1/padding", bytes(600))])
    large = archive.header("TOP-1/a", 8**11)
    return [bags.packed([]), small, large]


def _receipt_seeds() -> list[bytes]:
    row: Row = {"share_id": bytes(16), "digest": bytes(32), "manifest": bytes(range(32))}
    whole = receipts.said(Somebody(1), "ab" * 32, row)
    return [canonical_json(whole), canonical_json(whole | {"complete": False, "items": 0})]


TARGETS = {
    "age-header": Target(age_header, (HeaderFailure,), _header_seeds),
    "archive": Target(archive_, (errors.SealedFileRefused,), _archive_seeds),
    "bag": Target(bag_, (errors.SealedFileRefused, errors.NotForUs), lambda: [bags.share_bytes(), bags.drop_bytes()]),
    "sealed": Target(sealed, (errors.SealedFileRefused,), lambda: [bags.share().to_bytes(), bags.drop().to_bytes()]),
    "receipt": Target(receipt, (errors.BadReceipt,), _receipt_seeds),
    "log-proofs": Target(
        log_proofs_, (errors.SealedFileRefused,), lambda: [files[bag.LOG_PROOFS] for files in _shown()]
    ),
    "log-checkpoint": Target(
        log_checkpoint, (errors.SealedFileRefused,), lambda: [files[bag.LOG_CHECKPOINT] for files in _shown()]
    ),
    "card": Target(card, (errors.BadCard,), lambda: [bags.Sender().card(name="Anna", classical=True)]),
}


def kept(name: str) -> list[bytes]:
    """The corpus of a target: what reached another place in its reader once."""
    return [path.read_bytes() for path in sorted((CORPUS / name).iterdir())]
