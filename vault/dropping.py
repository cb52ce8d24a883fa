"""Sealing files for somebody's card without a vault: the same container as a sealed file, signed by nobody.

It adds and cannot read back: whoever made the file cannot open it, and keeps no key that could be demanded.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from crypto import age, fingerprints
from vault import bag, cards, errors, files, guide, intake, items, platform
from vault.archive import ArchiveWriter
from vault.cards import Card
from vault.objects import Progress
from vault.pipeline import Pipeline
from vault.sealed import DROP_CASE, NAMES, SealedItem, SealedManifest
from vault.sealing import new_file, new_place, remove_leftovers

_ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class Dropped:
    """A dropped file: where it is, and whose card it is sealed for. ``claimed`` is the name in the card."""

    path: Path
    size_bytes: int
    files: int
    fingerprint: str
    words: tuple[str, ...]
    claimed: str | None


@dataclass(frozen=True, slots=True)
class _Measured:
    """A file as it was when it was read the first time."""

    path: Path
    size_bytes: int
    sha256: str
    sha512: str


def drop(
    sources: Sequence[Path],
    card: bytes,
    target: Path | None,
    *,
    clock: Callable[[], str],
    progress: Progress | None = None,
    expect: Callable[[int], None] | None = None,
) -> Dropped:
    """Seal files for a card, into a new file: ``target``, or a random name in the folder ``target``, else in this one.

    1. The card's own signatures must hold.
    2. Every file is read for its size and digests, which stand in front of it in the archive.
    3. The archive is laid out; where its size finds no room nothing is written.
    4. Everything is written as one stream, under a name of its own; what a crash leaves of it the next one there removes. A
       file that is another one by now ends it.
    5. The file is made durable and gets its name, never over anything.

    ``expect`` is told how many bytes are read in all. Raises ``BadCard``, ``SourceMissing``, ``SourceUnreadable``,
    ``SourceChanged``, ``NotAFile``, ``BadValue``, ``AlreadyThere``, ``NoSuchFolder``, ``NoSpace``, ``ReadOnly``. After
    an error nothing is left.
    """
    platform.harden_process()
    found = Card.from_bytes(cards.tidied(card))
    path = new_place(target or Path())
    remove_leftovers(path.parent)
    files.verify_writable(path.parent)
    if len(sources) > bag.MAX_ITEMS:
        raise errors.BadValue(field="file", reason="there are too many")
    if expect:
        expect(2 * sum(_size(each) for each in sources))
    measured = [_measure(each, progress) for each in sources]
    manifest = _manifest(measured, found, now=clock()[:19] + "Z")
    try:
        tags = _tags(manifest)
        layout = bag.layout(manifest.top, tags, manifest.items)
    except ValueError:
        raise errors.BadValue(field="file", reason="there are too many") from None
    files.verify_writable(path.parent, age.file_size(layout.size_bytes, LARGEST_HEADER_BYTES))
    with new_file(path) as file:
        payload = age.open_writer(_Sink(file), [age.parse_recipient(found.age_recipient)])
        archive = ArchiveWriter(payload)
        for name, data in tags.items():
            archive.write_member(f"{manifest.top}/{name}", data)
        for item, each in zip(manifest.items, measured, strict=True):
            archive.member(f"{manifest.top}/{item.path}", item.size_bytes)
            _pour(each, archive, progress)
        archive.member(*layout.members[-1])
        archive.zeros()
        archive.finish()
        payload.finish()
        size = file.size_bytes
    fingerprint = found.fingerprint
    return Dropped(path, size, len(sources), fingerprint.hex(), fingerprints.words(fingerprint), found.name)


def _size(path: Path) -> int:
    with intake.SourceFile(path) as source:
        return source.size_bytes


def _measure(path: Path, progress: Progress | None) -> _Measured:
    sha256, sha512, size = hashlib.sha256(), hashlib.sha512(), 0
    with (
        intake.SourceFile(path) as source,
        Pipeline([sha512.update, sha256.update], size_hint=source.size_bytes) as pipeline,
    ):
        for count in _fed(source, pipeline, progress):
            size += count
    return _Measured(path, size, sha256.hexdigest(), sha512.hexdigest())


def _pour(measured: _Measured, archive: ArchiveWriter, progress: Progress | None) -> None:
    sha256, left = hashlib.sha256(), measured.size_bytes
    try:
        with (
            intake.SourceFile(measured.path) as source,
            Pipeline([sha256.update, archive.write], size_hint=measured.size_bytes) as pipeline,
        ):
            for count in _fed(source, pipeline, progress):
                left -= count
                if left < 0:
                    break
    except ValueError:  # the archive takes no more than was announced
        left = -1
    if left or sha256.hexdigest() != measured.sha256:
        raise errors.SourceChanged(path=str(measured.path))


def _fed(source: intake.SourceFile, pipeline: Pipeline, progress: Progress | None) -> Iterator[int]:
    while True:
        buffer = pipeline.free()
        with memoryview(buffer) as view:
            count = source.readinto(view)
        if not count:
            return
        pipeline.feed(buffer, count)
        if progress:
            progress(count)
        yield count


def _manifest(measured: Sequence[_Measured], card: Card, *, now: str) -> SealedManifest:
    def item(number: int, each: _Measured) -> SealedItem:
        # A name that is not valid Unicode on this disk is kept readable, with what could not be decoded marked.
        name = each.path.name.encode(errors="replace").decode()
        media = items.media_type(name)
        return SealedItem(
            path=bag.data_path(number, len(measured), media),
            number=number,
            kind=items.guessed_kind(name),
            media_type=media,
            size_bytes=each.size_bytes,
            sha256=each.sha256,
            sha512=each.sha512,
            added=now,
            recorded=None,
            received=None,
            revises=None,
            title=name,
            file_name=name,
        )

    return SealedManifest(
        kind="drop",
        vault_id="",
        share_id=secrets.token_hex(_ID_BYTES),
        case=DROP_CASE,
        sequence=1,
        previous=None,
        to=card.fingerprint.hex(),
        to_kind="card",
        sealed_for=age.HYBRID,
        made=now,
        purpose=None,
        terms=None,
        includes=(NAMES,),
        items=tuple(item(number, each) for number, each in enumerate(measured, 1)),
    )


def _tags(manifest: SealedManifest) -> dict[str, bytes]:
    tags = {
        **manifest.derived_tags,
        bag.SEALED: manifest.to_bytes(),
        bag.GUIDE: guide.read_me(manifest.top),
    }
    tags[bag.TAGMANIFEST] = bag.tagmanifest(tags)
    return {name: tags[name] for name in bag.TAGS["drop"]}


LARGEST_HEADER_BYTES = 4096


class _Sink:
    """The new file, as ``crypto.age`` writes to it."""

    def __init__(self, file: files.NewFile) -> None:
        self._file = file

    def write(self, data: memoryview, /) -> int:
        self._file.write(data)
        return len(data)
