"""The bag in a sealed file: BagIt 1.0 (RFC 8493), its tag files, their order, and its size.

Everything lies in one top folder, ``<code>-<sequence>``, so that two files never mix when they are unpacked. What is
made of other things, as manifests are, is never parsed when it comes in: it is made again and compared.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from crypto.padding import padded_size
from vault import archive
from vault.archive import ArchiveReader, Member, refused

Kind = Literal["share", "drop"]

TAGMANIFEST = "tagmanifest-sha256.txt"
SIGNATURE = f"{TAGMANIFEST}.sig"
MLDSA_SIGNATURE = f"{TAGMANIFEST}.mldsa65"
CARD = "sender.card"
DECLARATION = "bagit.txt"
INFO = "bag-info.txt"
MANIFEST = "manifest-sha256.txt"
MANIFEST_SHA512 = "manifest-sha512.txt"
SEALED = "sealed.json"
CUSTODY = "custody.json"
LOG_CHECKPOINT = "log-checkpoint.txt"
LOG_PROOFS = "log-proofs.json"
GUIDE = "READ-ME-FIRST.txt"
PADDING = "padding"

ORDER = (
    TAGMANIFEST,
    SIGNATURE,
    MLDSA_SIGNATURE,
    CARD,
    DECLARATION,
    INFO,
    MANIFEST,
    MANIFEST_SHA512,
    SEALED,
    CUSTODY,
    LOG_CHECKPOINT,
    LOG_PROOFS,
    GUIDE,
)
SIGNED_ONLY = frozenset({SIGNATURE, MLDSA_SIGNATURE, CARD, CUSTODY, LOG_CHECKPOINT, LOG_PROOFS})
UNLISTED = frozenset({TAGMANIFEST, SIGNATURE, MLDSA_SIGNATURE})
TAGS: Mapping[Kind, tuple[str, ...]] = {
    "share": ORDER,
    "drop": tuple(name for name in ORDER if name not in SIGNED_ONLY),
}

MAX_ITEMS = archive.MAX_MEMBERS - len(ORDER) - 1
MAX_MANIFEST_BYTES = 64 << 20
_MAX_TAGS_BYTES = 128 << 20
MAX_PROOFS_BYTES = 1 << 20
_MAX_SMALL_BYTES = 256 << 10
_LARGE = frozenset({MANIFEST, MANIFEST_SHA512, SEALED, CUSTODY})

_DECLARATION_BYTES = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"

# Kinds of content that every system opens with a viewer, and none of them runs.
_ENDINGS = {
    "application/pdf": "pdf",
    "application/vnd.oasis.opendocument.text": "odt",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "audio/aac": "aac",
    "audio/amr": "amr",
    "audio/flac": "flac",
    "audio/mp4": "m4a",
    "audio/mpeg": "mp3",
    "audio/ogg": "ogg",
    "audio/opus": "opus",
    "audio/wav": "wav",
    "audio/x-flac": "flac",
    "audio/x-m4a": "m4a",
    "audio/x-wav": "wav",
    "image/gif": "gif",
    "image/heic": "heic",
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/tiff": "tif",
    "image/webp": "webp",
    "text/csv": "csv",
    "text/plain": "txt",
    "video/3gpp": "3gp",
    "video/mp4": "mp4",
    "video/mpeg": "mpg",
    "video/ogg": "ogv",
    "video/quicktime": "mov",
    "video/webm": "webm",
    "video/x-matroska": "mkv",
    "video/x-msvideo": "avi",
}


class Payload(Protocol):
    """A file below ``data/``: its path in the bag, its size, and its digests as hexadecimal text."""

    @property
    def path(self) -> str:
        """``data/items/001.mp4``."""

    @property
    def size_bytes(self) -> int:
        """Its size."""

    @property
    def sha256(self) -> str:
        """Its SHA-256."""

    @property
    def sha512(self) -> str:
        """Its SHA-512."""


def data_path(position: int, count: int, media_type: str | None) -> str:
    """What the file at ``position``, counted from 1, of ``count`` files is called: nothing of its own name."""
    digits = max(3, len(str(count)))
    return f"data/items/{position:0{digits}}.{_ENDINGS.get(media_type or '', 'bin')}"


# Tag files


def manifest(files: Iterable[tuple[str, str]]) -> bytes:
    """The lines of a manifest, as ``sha256sum -c`` reads them, from paths and hexadecimal digests."""
    return b"".join(f"{digest}  {path}\n".encode("ascii") for path, digest in files)


def info(payload: Sequence[Payload], *, date: str, identifier: str) -> bytes:
    """bag-info.txt: how much there is, the day, and the share's id; nothing of the case."""
    lines = (
        "Bag-Software-Agent: casevault",
        f"Bagging-Date: {date}",
        f"External-Identifier: {identifier}",
        f"Payload-Oxum: {sum(each.size_bytes for each in payload)}.{len(payload)}",
    )
    return "".join(f"{line}\n" for line in lines).encode("ascii")


def derived_tags(payload: Sequence[Payload], *, date: str, identifier: str) -> dict[str, bytes]:
    """The tag files that follow from the payload: declaration, bag-info and both manifests."""
    return {
        DECLARATION: _DECLARATION_BYTES,
        INFO: info(payload, date=date, identifier=identifier),
        MANIFEST: manifest((each.path, each.sha256) for each in payload),
        MANIFEST_SHA512: manifest((each.path, each.sha512) for each in payload),
    }


def tagmanifest(files: Mapping[str, bytes]) -> bytes:
    """The manifest of all these tag files but those that cannot stand in it, in the bag's order."""
    listed = (name for name in ORDER if name in files and name not in UNLISTED)
    return manifest((name, hashlib.sha256(files[name]).hexdigest()) for name in listed)


# The whole


@dataclass(frozen=True, slots=True)
class Layout:
    """The members of an archive in their order, the last of them padding, and the size of all of it in bytes."""

    members: tuple[tuple[str, int], ...]
    size_bytes: int

    @property
    def padding_bytes(self) -> int:
        """The size of the padding."""
        return self.members[-1][1]


def layout(top: str, tags: Mapping[str, bytes], payload: Sequence[Payload]) -> Layout:
    """Where everything stands in the archive of a bag.

    ``tags`` has all tag files of a kind. Raises ValueError for other ones, for tag files that are too large, for too many
    files, and for names and sizes that no member has.
    """
    order = next((order for order in TAGS.values() if set(order) == set(tags)), None)
    # What our own reader refuses is not written either.
    if order is None or len(payload) > MAX_ITEMS or sum(map(len, tags.values())) > _MAX_TAGS_BYTES:
        raise ValueError("these are not the files of a bag")
    if any(len(content) > _most_bytes(name) for name, content in tags.items()):
        raise ValueError("these are not the files of a bag")
    members = [(f"{top}/{name}", len(tags[name])) for name in order]
    members += [(f"{top}/{each.path}", each.size_bytes) for each in payload]
    return padded(members, f"{top}/{PADDING}")


def padded(members: Sequence[tuple[str, int]], padding: str) -> Layout:
    """These members and padding, so that the size of the archive tells little: a Padmé size of at least 64 KiB."""
    before = archive.archive_size(members)
    size_bytes = padded_size(before + len(archive.header(padding, 0)))
    while True:
        # Padding of 8 GiB takes a longer header, and may then be a little less than 8 GiB: then the next size is taken.
        for header_bytes in (len(archive.header(padding, 0)), len(archive.header(padding, archive.MAX_SIZE))):
            zeros = size_bytes - before - header_bytes
            if zeros >= 0 and len(archive.header(padding, zeros)) == header_bytes:
                return Layout((*members, (padding, zeros)), size_bytes)
        size_bytes = padded_size(size_bytes + 1)


# Reading


@dataclass(frozen=True, slots=True)
class Tags:
    """The tag files of a bag as they came, by their names without the top folder. Nothing in them is trusted yet."""

    top: str
    kind: Kind
    files: Mapping[str, bytes]


class BagReader:
    """Reads a bag as it streams in: ``read_tags``, then each member of ``items``, then ``finish``.

    Raises ``SealedFileRefused`` for what is not the one form of a bag, and what the source raises.
    """

    def __init__(self, source: archive.Source) -> None:
        self._archive = ArchiveReader(source)

    def read_tags(self) -> Tags:
        """All tag files, in memory: at most 64 MiB of each, and 128 MiB of all."""
        first = self._next()
        top, _, name = first.name.partition("/")
        if name != TAGMANIFEST:
            raise refused(reason="it is not packed as casevault packs")
        files = {name: first.read(_MAX_SMALL_BYTES)}
        second = self._next()
        kind: Kind = "share" if second.name == f"{top}/{SIGNATURE}" else "drop"
        left_bytes = _MAX_TAGS_BYTES
        for name in TAGS[kind][1:]:
            member = second if len(files) == 1 else self._next()
            if member.name != f"{top}/{name}":
                raise refused(reason="it is not packed as casevault packs")
            files[name] = member.read(min(_most_bytes(name), left_bytes))
            left_bytes -= member.size_bytes
        return Tags(top, kind, files)

    def items(
        self, tags: Tags, payload: Sequence[Payload], *, admit: Callable[[int], None] | None = None
    ) -> Iterator[tuple[int, Member]]:
        """The place in ``payload`` and the member of each file, which must be read before the next; its digests are
        the caller's to compare. Before the first one ``admit`` is told how many bytes are announced, and may raise.
        """
        if admit is not None:
            admit(sum(each.size_bytes for each in payload))
        for place, each in enumerate(payload):
            member = self._next()
            if (member.name, member.size_bytes) != (f"{tags.top}/{each.path}", each.size_bytes):
                raise refused(reason="it does not hold what it lists")
            yield place, member

    def finish(self, tags: Tags, payload: Sequence[Payload]) -> None:
        """Read the padding and the end, so that the source has ended too."""
        expected = layout(tags.top, tags.files, payload)
        member = self._next()
        if (member.name, member.size_bytes) != expected.members[-1]:
            raise refused(reason="it does not hold what it lists")
        member.read_zeros()
        if self._archive.next_member() is not None:
            raise refused(reason="it does not hold what it lists")

    def _next(self) -> Member:
        member = self._archive.next_member()
        if member is None:
            raise refused(reason="it ends early")
        return member


def _most_bytes(name: str) -> int:
    if name == LOG_PROOFS:
        return MAX_PROOFS_BYTES
    return MAX_MANIFEST_BYTES if name in _LARGE else _MAX_SMALL_BYTES
