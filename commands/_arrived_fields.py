"""What others sealed for us, as a program is told of it: the fields of `inspect` and `open`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from commands._output import values

if TYPE_CHECKING:
    from vault.arrivals import Arrived
    from vault.received_file import Outside
    from vault.unsealing import Found


_FOUND = (
    "kind",
    "content_bytes",
    "whole",
    "case",
    "sequence",
    "made",
    "purpose",
    "terms",
    "items",
    "persons",
    "sender",
    "stored_as",
    "gap",
    "late",
    "rival",
    "new_generation",
    "beside",
    "unconnected",
)
_ALSO_OPENED = ("kind", "sender", "gap", "late", "rival", "new_generation", "beside", "unconnected")


def inspected(outside: Outside, found: Found | None) -> dict[str, Any]:
    """What `inspect` says; every field of the content is None where nobody opened it."""
    document: dict[str, Any] = values(outside) | {"path": _text_of(outside.path), "opened": found is not None}
    return document | (_found_values(found) if found is not None else dict.fromkeys(_FOUND))


def _found_values(found: Found) -> dict[str, Any]:
    manifest, verdict = found.manifest, found.verdict
    signed = manifest if manifest is not None and manifest.kind == "share" else None
    told = (
        found.kind,
        found.size_bytes,
        found.whole,
        signed.case if signed else None,
        signed.sequence if signed else None,
        manifest.made if manifest else None,
        manifest.purpose if manifest else None,
        manifest.terms if manifest else None,
        [
            {
                "number": each.number,
                "kind": each.kind,
                "title": each.title,
                "file_name": each.file_name,
                "size_bytes": each.size_bytes,
                "sha256": each.sha256,
            }
            for each in (manifest.items if manifest else ())
        ],
        len(manifest.persons) if manifest else 0,
        values(verdict.sender),
        list(verdict.again),
        verdict.gap,
        verdict.late,
        verdict.rival,
        verdict.new_generation,
        verdict.beside,
        verdict.unconnected,
    )
    return dict(zip(_FOUND, told, strict=True))


def opened(found: Found, arrived: Arrived) -> dict[str, Any]:
    """What `open` says of a file that it took in."""
    said = _found_values(found)
    document: dict[str, Any] = {name: value for name, value in values(arrived).items() if name != "verdict"}
    return document | {name: said[name] for name in _ALSO_OPENED}


def _text_of(path: Path) -> str:
    return str(path).encode(errors="backslashreplace").decode()
