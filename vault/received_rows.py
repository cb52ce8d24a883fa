"""What the index knows of files that were opened: a row is announced before the file is stored, and confirmed after."""

from __future__ import annotations

import json

from vault import schema
from vault.compartment import Compartment
from vault.registry import Registry
from vault.tables import Row, blob, integer


def announce(registry: Registry, row: Row) -> None:
    """Inside a step: a file is about to be stored. One that was stored before stays so, whatever becomes of this."""
    before = registry.row(schema.RECEIVED, row["digest"], row["sender"])
    if before is not None and before["stored"]:
        row = {**before, "intent": row["intent"]}
    registry.put(schema.RECEIVED, row)


def settle(registry: Registry, intent: int, kept_in: Compartment | None) -> None:
    """Inside a step: what an intent announced is stored in this case, or nothing of it is."""
    for row in registry.rows(schema.RECEIVED):
        if row["intent"] != intent:
            continue
        if kept_in is not None:
            registry.put(schema.RECEIVED, {**row, "stored": 1, **(_place(row, kept_in) if row["stored"] else {})})
        elif not row["stored"]:
            registry.erase(schema.RECEIVED, row["digest"], row["sender"])


def _place(row: Row, compartment: Compartment) -> Row:
    """Where a file is that was stored before, lost some of its items, and was stored again."""
    digest = blob(row, "digest").hex()
    numbers = {integer(each, "item") for each in compartment.rows(schema.ORIGINS) if each["file_digest"] == digest}
    return {"case_id": compartment.case_id, "items": json.dumps(sorted(numbers))}
