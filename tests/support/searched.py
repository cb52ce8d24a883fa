"""Search in one text after the other, in a case without a vault."""

from __future__ import annotations

import secrets
from pathlib import Path

from crypto.keys import CaseKey
from vault import search
from vault.compartment import Compartment


def lone_case(path: Path) -> Compartment:
    return Compartment.create(path, CaseKey.random(), code="CASE", case_id=secrets.token_bytes(16), clock=lambda: "now")


def in_one_text(compartment: Compartment, text: str, words: str) -> list[list[str]]:
    """The marked words of each hit, where the case holds this text alone."""
    with compartment.changing():
        search.forget(compartment, "1")
        search.index(compartment, "1", "note", text)
    hits = search.find(compartment, search.query(words), "CASE")
    return [[hit.excerpt[start:end] for start, end in hit.spans] for hit in hits]
