"""custody.json in a sealed file: in whose hands its items were, as far as this vault knows.

It says nothing that sealed.json does not say, as events in order, so that whoever receives the file can go on with the
list. Names of persons, and from whom an item came, are not in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crypto.encoding import canonical_json
from vault._version import __version__

if TYPE_CHECKING:
    from vault.sealed import SealedManifest

_RECEIVE, _TRANSFER = "receive", "transfer"


def to_bytes(manifest: SealedManifest) -> bytes:
    """Canonical JSON: for each item when this vault took it in, and its transfer by this file."""
    return canonical_json([*_received(manifest), *_transferred(manifest)])


def _received(manifest: SealedManifest) -> list[dict[str, object]]:
    return [
        _event(_RECEIVE, item.number, item.sha256, item.added, by=manifest.vault_id, to=None, purpose=None)
        for item in manifest.items
    ]


def _transferred(manifest: SealedManifest) -> list[dict[str, object]]:
    return [
        _event(
            _TRANSFER,
            item.number,
            item.sha256,
            manifest.made,
            by=manifest.vault_id,
            to=manifest.to or None,
            purpose=manifest.purpose,
        )
        for item in manifest.items
    ]


def _event(
    act: str, item: int, sha256: str, when: str, *, by: str, to: str | None, purpose: str | None
) -> dict[str, object]:
    return {
        "act": act,
        "by": by,
        "item": item,
        "purpose": purpose,
        "sha256": sha256,
        "software": f"casevault/{__version__}",
        "to": to,
        "when": when,
    }
