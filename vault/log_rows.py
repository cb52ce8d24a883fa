"""The rows of the log in vault.db, read as what they must be: whatever else stands there is damage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crypto.tree import HASH_SIZE, Tree, leaf_hash
from vault import errors, schema
from vault.tables import Row, integer

if TYPE_CHECKING:
    from vault.registry import Registry
    from vault.store import Record

ENTRY_COLUMNS = "number, leaf, body, case_id, epoch"


@dataclass(frozen=True, slots=True)
class EntryRow:
    """An entry: its leaf, and its body as it is sealed, under a case's key of one of its epochs or under the vault's."""

    number: int
    leaf: bytes
    body: bytes
    case_id: bytes | None
    epoch: int | None


@dataclass(frozen=True, slots=True)
class StepRow:
    """A step: how many entries there are after it, their root, and the signature; None of before there were any."""

    step: int
    size: int
    root: bytes
    signature: bytes | None


def entry_row(record: Record) -> EntryRow:
    """An entry from its ``ENTRY_COLUMNS``. Raises ``DatabaseDamaged``."""
    number, leaf, body, case_id, epoch = record
    is_sound = (
        isinstance(leaf, bytes)
        and isinstance(body, bytes)
        and (isinstance(case_id, bytes) if isinstance(epoch, int) else case_id is None and epoch is None)
    )
    if not is_sound:
        raise errors.DatabaseDamaged(what=f"log entry {number}")
    return EntryRow(number, leaf, body, case_id, epoch)


def step_row(record: Record) -> StepRow:
    """A step from number, size, root and signature. Raises ``DatabaseDamaged``."""
    step, size, root, signature = record
    is_sound = (
        isinstance(size, int)
        and isinstance(root, bytes)
        and len(root) == HASH_SIZE
        and (signature is None or isinstance(signature, bytes))
    )
    if not is_sound:
        raise errors.DatabaseDamaged(what=f"log step {step}")
    return StepRow(step, size, root, signature)


def generations(registry: Registry) -> list[Row]:
    """The rows of the generations, oldest first."""
    return sorted(registry.rows(schema.GENERATIONS), key=lambda row: integer(row, "generation"))


def steps_query(registry: Registry) -> str:
    """What ``step_row`` takes, to be followed by conditions."""
    signature = "signature" if registry.signing.has_signatures else "NULL"
    return f"SELECT step, size, root, {signature} FROM log_steps"  # noqa: S608 (one of two constants)


def step_at(registry: Registry, step: int) -> StepRow:
    """A step that the log has. Raises ``DatabaseDamaged``."""
    for record in registry.store.execute(f"{steps_query(registry)} WHERE step = ?", (step,)):
        return step_row(record)
    raise errors.DatabaseDamaged(what=f"log step {step}")


def leaves(registry: Registry, first: int, end: int) -> list[bytes]:
    """The leaves of the entries from ``first`` to before ``end``. Raises ``DatabaseDamaged``, also where one is missing."""
    found = registry.store.execute(
        "SELECT leaf FROM log_entries WHERE number >= ? AND number < ? ORDER BY number", (first, end)
    )
    if len(found) != end - first:
        raise errors.DatabaseDamaged(what=f"log entry {first}")
    return [_leaf(leaf, number) for number, (leaf,) in enumerate(found, first)]


def tree(registry: Registry) -> Tree:
    """The tree over all leaves, to prove by. Raises ``DatabaseDamaged``; ``OlderCopy`` where it is not the one of the log's
    head: then nothing may be proved by it.
    """
    found = registry.store.stream("SELECT leaf, number FROM log_entries ORDER BY number")
    whole = Tree(leaf_hash(_leaf(leaf, number)) for leaf, number in found)
    if (len(whole), whole.root()) != (registry.frontier.size, registry.frontier.root()):
        raise errors.OlderCopy(what=registry.store.what)
    return whole


def _leaf(found: object, number: int) -> bytes:
    if not isinstance(found, bytes) or not found.isascii():
        raise errors.DatabaseDamaged(what=f"log entry {number}")
    return found
