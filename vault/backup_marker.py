"""The marker of a backup: bytes to typed value and back, with no keys in hand, and the sealed list inside it.

Layout (big-endian)::

    magic 16 | format 4 | number 8 | header 9,492 | length 4 | sealed list | SHA-256 32

The header is that of the vault at the time, so a backup needs no header of its own, and a folder with one is none. The
list names every database of the backup with size and digest. Its key is derived from one that lies in vault.db, and all
bytes before it are authenticated with it.
"""

from __future__ import annotations

import hashlib
import os
import re
import struct
from dataclasses import dataclass
from pathlib import Path

from crypto import labels
from crypto.encoding import canonical_json, length_prefixed, parse_canonical_json
from crypto.errors import CryptoError
from crypto.keys import RecordKey, derive
from crypto.records import RECORD_OVERHEAD, decrypt_record, encrypt_record
from vault import files, header
from vault.header import Header, Unreadable

MAGIC = b"casevault backup"
FORMAT = 1
FILE_NAMES = ("backup.a", "backup.b")
BEGUN = 0  # the number of a backup that was never finished

_FIXED = struct.Struct(">16sIQ")
_LENGTH = struct.Struct(">I")
_SEALED_AT = _FIXED.size + header.SIZE + _LENGTH.size
_LARGEST = 256 << 20
_DAMAGED = b"\0"  # of a file that is there, and that is not one that was never written
_NAME = re.compile(
    r"vault-[1-9][0-9]*-[1-9][0-9]*\.db|cases/[0-9a-f]{32}-[1-9][0-9]*-[1-9][0-9]*\.db|drafts/[0-9a-f]{30}-[1-9][0-9]*"
)


@dataclass(frozen=True, slots=True)
class DatabaseCopy:
    """A database in a backup, or a draft; that of a case has its id, epoch and state, the others have none."""

    name: str
    size_bytes: int
    sha256: str
    case_id: bytes | None = None
    epoch: int = 0
    state: bytes = b""


@dataclass(frozen=True, slots=True)
class Contents:
    """The sealed list: which backup this is, when it was made, how far the log had come, and its databases."""

    backup_id: bytes
    made: str
    generation: int
    step: int
    root: bytes
    databases: tuple[DatabaseCopy, ...]


@dataclass(frozen=True, slots=True)
class Marker:
    """A parsed marker. Nothing in it is trusted until ``unseal`` has opened its list."""

    number: int
    header: Header
    sealed: bytes

    def to_bytes(self) -> bytes:
        """The file."""
        covered = self.before() + self.sealed
        return covered + hashlib.sha256(covered).digest()

    def before(self) -> bytes:
        """All that stands before the sealed list and is bound to it."""
        return _FIXED.pack(MAGIC, FORMAT, self.number) + self.header.to_bytes() + _LENGTH.pack(len(self.sealed))

    @property
    def vault_database(self) -> str:
        """The name of this backup's vault.db, whose key opens the list."""
        return vault_database_name(self.header.epoch, self.number)


def vault_database_name(epoch: int, number: int) -> str:
    """What the copy of vault.db is called that a backup with this number wrote."""
    return f"vault-{epoch}-{number}.db"


def case_database_name(case_id: bytes, epoch: int, number: int) -> str:
    """What the copy of a case is called that a backup with this number wrote."""
    return f"cases/{case_id.hex()}-{epoch}-{number}.db"


def draft_name(name: str, number: int) -> str:
    """What the copy of a draft's file is called that a backup with this number wrote."""
    return f"drafts/{name}-{number}"


def drafts_own_name(name: str) -> str | None:
    """What the copy of a draft's file is called in a vault, with its folder; None for a database."""
    return name.rpartition("-")[0] if name.startswith("drafts/") else None


def is_file_name(name: str) -> bool:
    """Whether a database or a draft of a backup may be called so."""
    return _NAME.fullmatch(name) is not None


def parse(data: bytes) -> Marker:
    """A marker from the bytes of its file. Raises ``header.Unreadable``."""
    if not data:
        raise Unreadable("absent")
    if len(data) >= 20 and data.startswith(MAGIC):
        found = int.from_bytes(data[16:20], "big")
        if found != FORMAT and header.digest_holds(data):
            raise Unreadable("format", found)
    if len(data) < _SEALED_AT + 32 or not data.startswith(MAGIC) or not header.digest_holds(data):
        raise Unreadable("damaged")
    _, _, number = _FIXED.unpack_from(data)
    (length,) = _LENGTH.unpack_from(data, _SEALED_AT - _LENGTH.size)
    if len(data) != _SEALED_AT + length + 32:
        raise Unreadable("damaged")
    found_header = header.parse(data[_FIXED.size : _FIXED.size + header.SIZE])
    return Marker(number, found_header, data[_SEALED_AT:-32])


def marker_key(mark_key: bytes) -> RecordKey:
    """What seals the lists of all backups of a vault: derived from a key that vault.db keeps for the vault's life."""
    return derive(RecordKey(mark_key), labels.BACKUP, RecordKey)


def seal(key: RecordKey, number: int, found: Header, contents: Contents) -> Marker:
    """A marker with this list."""
    body = canonical_json(
        {
            "backup_id": contents.backup_id,
            "databases": [
                {
                    "case": each.case_id,
                    "epoch": each.epoch,
                    "name": each.name,
                    "sha256": each.sha256,
                    "size": each.size_bytes,
                    "state": each.state,
                }
                for each in contents.databases
            ],
            "generation": contents.generation,
            "made": contents.made,
            "root": contents.root,
            "step": contents.step,
        }
    )
    unsealed = Marker(number, found, bytes(len(body) + RECORD_OVERHEAD))
    return Marker(number, found, encrypt_record(key, body, context=_context(unsealed)))


def unseal(key: RecordKey, marker: Marker) -> Contents:
    """The list of a marker. Raises ``crypto.errors.CryptoError`` if it is altered or another vault's."""
    value = parse_canonical_json(decrypt_record(key, marker.sealed, context=_context(marker)))
    try:
        return _contents(value)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CryptoError("not the list of a backup") from error


def _contents(value: object) -> Contents:
    if not isinstance(value, dict):
        raise TypeError
    databases = tuple(
        DatabaseCopy(
            each["name"],
            int(each["size"]),
            each["sha256"],
            None if each["case"] is None else bytes.fromhex(each["case"]),
            int(each["epoch"]),
            bytes.fromhex(each["state"]),
        )
        for each in value["databases"]
    )
    if not all(is_file_name(each.name) for each in databases):
        raise ValueError
    return Contents(
        bytes.fromhex(value["backup_id"]),
        str(value["made"]),
        int(value["generation"]),
        int(value["step"]),
        bytes.fromhex(value["root"]),
        databases,
    )


def _context(marker: Marker) -> bytes:
    return length_prefixed(labels.BACKUP, marker.before())


# In the folder


def is_backup(path: Path) -> bool:
    """Whether a folder is a backup: it has a marker, and no header as a vault has."""
    there = {name for name in (*FILE_NAMES, *header.FILE_NAMES) if os.path.lexists(path / name)}
    return bool(there) and there.isdisjoint(header.FILE_NAMES)


def is_begun(path: Path) -> bool:
    """Whether a file with a temporary name is a marker that was being written, as far as it came. Raises ``OSError``."""
    with open(path, "rb", opener=files.open_at_once) as file:
        content = file.read(len(MAGIC))
    return MAGIC.startswith(content)


def read(path: Path) -> tuple[bytes, ...]:
    """The content of both copies, empty for one that is not there or cannot be read."""
    return tuple(_content(path / name) for name in FILE_NAMES)


def _content(path: Path) -> bytes:
    try:
        with open(path, "rb", opener=files.open_at_once) as file:
            return file.read(_LARGEST) or _DAMAGED
    except FileNotFoundError:
        return b""
    except OSError:
        return _DAMAGED
