"""The generations of a sender's log, as their files list them: which go before which, and which states lie on one line.

A generation is known by its first key, which its sender's identity certifies: two copies of a vault that were restored in two
places may both call theirs the second. Copies that were declared so are told of, and nobody is accused; they are not refused,
because a file that was sealed before a restore may come after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vault import schema
from vault.leaves import FIRST_GENERATION
from vault.tables import Row, blob, integer, optional_blob

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from vault.arrivals import ShownHead
    from vault.registry import Registry


@dataclass(frozen=True, slots=True)
class Beginning:
    """Where a generation begins, and the first key of the one that it follows."""

    first_key: bytes
    generation: int
    first_step: int
    size: int
    root: bytes
    follows: bytes | None


@dataclass(frozen=True, slots=True)
class State:
    """A state of a log, in the generation with this first key."""

    first_key: bytes
    size: int
    root: bytes


def states(head: ShownHead) -> list[State]:
    """The state that a file shows, and all that it goes on from."""
    keys = {each.generation: each.first_key for each in _listed(head)}
    every = (*head.earlier, (head.generation, head.size, head.root))
    return [State(keys[generation], size, bytes.fromhex(root)) for generation, size, root in every]


def state(row: Row) -> State:
    """The state that is kept in a row."""
    return State(blob(row, "first_key"), integer(row, "size"), blob(row, "root"))


def forked(registry: Registry, sender: str, head: ShownHead, seen: Sequence[Row]) -> Row | None:
    """A state among those that were ``seen`` of this sender with which this one cannot be of one log; None where all can.

    1. Of one first key each size has one root, also where the next generation begins.
    2. Of one first key there is one certificate, and one generation before it.
    3. The first generation, which nobody declares, has one first key.
    """
    listed, shown = _listed(head), states(head)
    kept = _kept(registry, sender)
    roots = {(each.first_key, each.size): each.root for each in (*shown, *_ends(listed))}
    for row in seen:  # 1
        found = state(row)
        if roots.get((found.first_key, found.size), found.root) != found.root:
            return row
    wrong = {each for each in kept.values() if roots.get((each.follows or b"", each.size), each.root) != each.root}
    for each in listed:
        known = kept.get(each.first_key)
        if known is not None and known != each:  # 2
            wrong.add(known)
        if each.generation == FIRST_GENERATION:  # 3
            wrong |= {other for other in kept.values() if other.generation == FIRST_GENERATION and other != each}
    return next((row for row in seen if any(each.first_key in _line(kept, row) for each in wrong)), None)


def told(audience: str, head: ShownHead, seen: Sequence[Row], *, digest: bytes) -> tuple[int | None, int | None]:
    """What must be said of a state that is no fork: the number of a new generation, or of that of a copy beside this one.

    The states that files have shown to one ``audience`` count, each generation's newest. If none was shown since of another
    generation that this one does not hold, nothing is said. What the file with this ``digest`` has shown itself does not
    count: when it was not stored, nobody may have read what was said.
    """
    chain = [row for row in seen if audience and row["audience"] == audience]
    own, listed, held = bytes.fromhex(head.first_key), _listed(head), states(head)
    if any(row["shown"] is None and state(row) == held[-1] for row in chain):
        return None, None  # another file has proved that its own goes on from here
    shown = [row for row in chain if row["shown"] is not None and row["digest"] != digest]
    last = max((integer(row, "shown") for row in shown if row["first_key"] == own), default=0)
    others = [row for row in _newest(shown) if row["first_key"] != own]
    beside = [row for row in others if state(row) not in held and integer(row, "shown") > last]
    if not beside:
        return None, None
    if not last and {row["first_key"] for row in beside} <= {each.first_key for each in listed}:
        return head.generation, None
    return None, integer(max(beside, key=lambda row: integer(row, "shown")), "generation")


def remember(registry: Registry, sender: str, head: ShownHead) -> None:
    """Keep where the generations begin that a file lists; inside a step."""
    for each in _listed(head):
        registry.put(
            schema.SEEN_GENERATIONS,
            {
                "sender": sender,
                "first_key": each.first_key,
                "generation": each.generation,
                "first_step": each.first_step,
                "size": each.size,
                "root": each.root,
                "follows": each.follows,
            },
        )


def _listed(head: ShownHead) -> list[Beginning]:
    follows: bytes | None = None
    found = []
    for generation, first_key, first_step, size, root in head.generations:
        key = bytes.fromhex(first_key)
        found.append(Beginning(key, generation, first_step, size, bytes.fromhex(root), follows))
        follows = key
    return found


def _ends(listed: Iterable[Beginning]) -> list[State]:
    return [State(each.follows, each.size, each.root) for each in listed if each.follows is not None]


def _kept(registry: Registry, sender: str) -> dict[bytes, Beginning]:
    return {
        blob(row, "first_key"): Beginning(
            blob(row, "first_key"),
            integer(row, "generation"),
            integer(row, "first_step"),
            integer(row, "size"),
            blob(row, "root"),
            optional_blob(row, "follows"),
        )
        for row in registry.rows(schema.SEEN_GENERATIONS)
        if row["sender"] == sender
    }


def _line(kept: dict[bytes, Beginning], row: Row) -> set[bytes]:
    """The first keys of a state's generation and of all before it."""
    found: set[bytes] = set()
    key: bytes | None = blob(row, "first_key")
    while key is not None and key not in found:
        found.add(key)
        key = kept[key].follows if key in kept else None
    return found


def _newest(rows: Iterable[Row]) -> list[Row]:
    """Of each generation the state with the most entries."""
    found: dict[bytes, Row] = {}
    for row in sorted(rows, key=lambda row: integer(row, "size")):
        found[blob(row, "first_key")] = row
    return list(found.values())
