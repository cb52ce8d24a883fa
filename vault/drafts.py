"""Sealed drafts of texts that are being written.

A draft has one key and two files, whose random names are the halves of its id. Each save makes the other file, durable
and whole, before the one of the save before is removed; so no save needs the index, and the newest one is found by the
version inside. A session that ends while somebody writes takes away nothing that the next save needs.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from crypto.encoding import canonical_json, parse_canonical_json
from crypto.errors import CryptoError
from crypto.keys import ObjectKey
from crypto.objects import (
    DRAFT_ID_SIZE,
    StreamDecryptor,
    StreamEncryptor,
    ciphertext_size,
    draft_context,
)
from crypto.padding import padded_size
from vault import errors, files
from vault.folder import is_draft_name
from vault.requests import Description

LARGEST_BYTES = 16 << 20
_LARGEST_FILE = ciphertext_size(padded_size(LARGEST_BYTES))
_PLACES = (0, 1)
# A reader may look at both files just while a save goes from one to the other.
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Draft:
    """A text being written and what is said of it; ``version`` counts the saves, ``revises`` is an item's number."""

    text: str
    description: Description
    saved: str
    version: int
    revises: int | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """The newest save that opens, the SHA-256 of its file, and whether another file of the draft does not open."""

    draft: Draft
    digest: bytes
    damaged: bool

    def is_older_than(self, version: int, digest: bytes | None) -> bool:
        """Whether the index knows of a later save, or of another one in its place."""
        return self.draft.version < version or (self.draft.version == version and self.digest != digest)


def new_id() -> bytes:
    """The id of a new draft."""
    return secrets.token_bytes(DRAFT_ID_SIZE)


def file_names(draft_id: bytes) -> tuple[str, str]:
    """The names of a draft's two files."""
    half = DRAFT_ID_SIZE // 2
    return draft_id[:half].hex(), draft_id[half:].hex()


class DraftFiles:
    """The two files of one draft, in the folder ``drafts``."""

    def __init__(self, folder: Path, key: ObjectKey, *, folder_id: bytes, case_id: bytes, draft_id: bytes) -> None:
        self._key = key
        self._paths = tuple(folder / name for name in file_names(draft_id))
        self._contexts = tuple(
            draft_context(folder_id=folder_id, case_id=case_id, draft_id=draft_id, place=place) for place in _PLACES
        )

    def write(self, draft: Draft) -> bytes:
        """Save a version, durably, and then remove the one before; returns the SHA-256 of the file.

        Raises ``BadValue`` for a text that is too long, ``NoSpace``, ``ReadOnly``, ``DiskFailed``; the version before is
        then still there.
        """
        place = draft.version % 2
        sealed = self._sealed(_to_bytes(draft), place)
        files.write_file(self._paths[place], sealed, timeless=True)
        with contextlib.suppress(errors.VaultError, OSError):  # the next save writes over it
            files.remove(self._paths[1 - place])
        return hashlib.sha256(sealed).digest()

    def _sealed(self, content: bytes, place: int) -> bytearray:
        if len(content) > LARGEST_BYTES:
            raise errors.BadValue(field="text", reason="it is too long")
        padded = content.ljust(padded_size(len(content)), b"\0")
        encryptor = StreamEncryptor(self._key, self._contexts[place])
        sealed = bytearray(StreamEncryptor.output_size(len(padded)))
        size = encryptor.update_into(padded, sealed)
        return sealed[:size] + encryptor.finalize()

    @property
    def exist(self) -> bool:
        """Whether there is any file of the draft."""
        return any(path.exists() for path in self._paths)

    def read(self) -> Found:
        """The newest version that opens. Raises ``DraftDamaged`` if none does, or none is there."""
        contents = [_content(path) for path in self._paths]
        for _ in range(_TRIES):
            if not any(contents):
                contents = [_content(path) for path in self._paths]
        found: list[tuple[Draft, bytes]] = []
        for place, content in enumerate(contents):
            if content is None:
                continue
            with contextlib.suppress(CryptoError, ValueError, KeyError, TypeError):
                draft = _parsed(self._opened(content, place))
                if draft.version % 2 == place:
                    found.append((draft, hashlib.sha256(content).digest()))
        if not found:
            raise errors.DraftDamaged
        newest, digest = max(found, key=lambda each: each[0].version)
        return Found(newest, digest, len(found) < len(contents) - contents.count(None))

    def _opened(self, content: bytes, place: int) -> bytes:
        decryptor = StreamDecryptor(self._key, self._contexts[place])
        opened = bytearray(StreamDecryptor.output_size(len(content)))
        size = decryptor.update_into(content, opened)
        return bytes(opened[:size]) + decryptor.finalize()


def _to_bytes(draft: Draft) -> bytes:
    try:
        return canonical_json(
            {
                "description": asdict(draft.description) | {"tags": list(draft.description.tags)},
                "revises": draft.revises,
                "saved": draft.saved,
                "text": draft.text,
                "version": draft.version,
            }
        )
    except CryptoError:
        raise errors.BadValue(field="text", reason="it is not valid Unicode") from None


def _parsed(content: bytes) -> Draft:
    value = parse_canonical_json(content.rstrip(b"\0"))
    if not isinstance(value, dict) or not isinstance(value["version"], int) or not isinstance(value["text"], str):
        raise ValueError("not a draft")  # noqa: TRY004 -- what somebody wrote, not what a caller passed
    said = value["description"]
    names = {field.name for field in fields(Description)}
    if not isinstance(said, dict) or set(said) != names:
        raise ValueError("not a draft")
    description = Description(**{**said, "tags": tuple(said["tags"])})
    return Draft(value["text"], description, str(value["saved"]), value["version"], value["revises"])


def _content(path: Path) -> bytes | None:
    """The bytes of a file; none if it is not there, and nothing in particular if it cannot be a draft's."""
    try:
        with open(path, "rb", opener=files.open_at_once) as file:
            content = file.read(_LARGEST_FILE + 1)
    except FileNotFoundError:
        return None
    except OSError:
        return b"\0"
    return content if len(content) <= _LARGEST_FILE else b"\0"


def remove(folder: Path, draft_id: bytes) -> None:
    """Remove both files of a draft; missing ones are fine. Raises ``ReadOnly``, ``DiskFailed``."""
    files.remove(*(folder / name for name in file_names(draft_id)))


def strays(folder: Path, known: Iterable[bytes]) -> list[Path]:
    """The files of drafts that nobody knows, and what interrupted saves left."""
    names = {name for draft_id in known for name in file_names(draft_id)}
    found = [path for path in folder.glob("*") if is_draft_name(path.name) and path.name not in names]
    return sorted([*found, *files.leftovers(folder)])
