"""Receipts on disk, in the command's process: ours becomes a new file, a partner's is read."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from crypto import age
from vault import confirmations, errors, intake, platform
from vault.receipt_requests import ReceiptRequest
from vault.sealing import new_file, placed, remove_leftovers

if TYPE_CHECKING:
    from vault.keeper import Keeper
    from vault.receipt_requests import ReceiptTaken
    from vault.unsealing import Found


@dataclass(frozen=True, slots=True)
class Written:
    """A receipt that was written. ``owner_only`` says whether the disk keeps it from other users."""

    path: Path
    size_bytes: int
    sha256: str
    owner_only: bool


def write(keeper: Keeper, found: Found, target: Path, *, came: int | None = None) -> Written:
    """Confirm to its sender that a file came, by a new file which only they can read; never over anything.

    ``came`` is how many items came whole of a file that was refused, None of one that was stored.

    Raises ``NoReceipt``, ``PartnerChanged``, ``LogUnavailable``, ``NoSpace``, ``ReadOnly``, and as ``placed`` does. After an
    error nothing of it is left.
    """
    path = placed(keeper, target)
    remove_leftovers(path.parent)
    content = keeper.receipt_make(_request(found, came))
    with new_file(path) as file:
        file.write(content)
    return Written(path, len(content), hashlib.sha256(content).hexdigest(), platform.owner_only(path))


def _request(found: Found, came: int | None) -> ReceiptRequest:
    manifest = found.manifest
    if manifest is None:
        return ReceiptRequest(kind=found.kind, digest="", sender=None)
    return ReceiptRequest(
        kind=manifest.kind,
        digest=hashlib.sha256(manifest.to_bytes()).hexdigest(),
        sender=found.verdict.sender.fingerprint,
        to_kind=manifest.to_kind,
        share_id=manifest.share_id,
        manifest_sha256=manifest.manifest_sha256,
        items=len(manifest.items),
        came=came,
    )


def take(keeper: Keeper, path: Path) -> ReceiptTaken:
    """Take in a partner's receipt. See ``Keeper.receipt_take``; raises also ``NotAnAgeFile`` and what reading raises."""
    with intake.SourceFile(path) as source:
        # All of it, or as much as shows that it is no receipt.
        content = intake.read_up_to(source, min(confirmations.LARGEST_FILE_BYTES, source.size_bytes) + 1)
    if not content.startswith(age.VERSION_LINE):
        raise errors.NotAnAgeFile(path=str(path))
    return keeper.receipt_take(content)
