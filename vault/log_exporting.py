"""What of the log is given to others: leaves and signatures for anybody, or chosen entries with proofs, field by field.

Both are lines of canonical JSON, which ``verify_log.py`` reads with Python's standard library alone.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from crypto import commitments
from crypto.encoding import canonical_json
from crypto.tree import Tree, leaf_hash
from vault import errors, schema
from vault.leaves import origin
from vault.registry import Registry
from vault.tables import integer, optional_blob

if TYPE_CHECKING:
    from vault.keeper import Keeper

FORM = 1
_MOST_DISCLOSED = 10_000
PAGE_STEPS = 2000

Progress = Callable[[int], None]


def public_header(registry: Registry) -> str:
    """The first line: whose log it is, and where its chains of keys begin."""
    rows = sorted(registry.rows(schema.GENERATIONS), key=lambda row: integer(row, "generation"))
    generations = [
        {name: row[name] for name in ("first_key", "first_step", "generation", "mldsa65", "root", "size")}
        | {"sshsig": (optional_blob(row, "sshsig") or b"").decode() or None}
        for row in rows
    ]
    identity = next(
        ({name: row[name] for name in ("ed25519", "mldsa65")} for row in registry.rows(schema.IDENTITY)), None
    )
    return _line(
        {
            "casevault": "log-public",
            "generations": generations,
            "identity": identity,
            "v": FORM,
            "vault_id": registry.setting("vault_id"),
        }
    )


def public_steps(registry: Registry, *, after: int, last: int) -> Iterator[str]:
    """A line for each step after one, up to a page of them: its leaves as they were hashed, and its signature."""
    signature = "signature" if registry.signing.has_signatures else "NULL"
    steps = registry.store.execute(
        f"SELECT step, size, {signature} FROM log_steps WHERE step > ? AND step <= ? ORDER BY step LIMIT ?",  # noqa: S608 (one of two constants)
        (after, last, PAGE_STEPS),
    )
    before = registry.store.execute("SELECT size FROM log_steps WHERE step = ?", (after,))
    begin, end = before[0][0] if before else 0, steps[-1][1] if steps else 0
    leaves = [
        bytes(leaf).decode()
        for (leaf,) in registry.store.execute(
            "SELECT leaf FROM log_entries WHERE number >= ? AND number < ? ORDER BY number", (begin, end)
        )
    ]
    at = 0
    for step, size, found in steps:
        yield _line({"leaves": leaves[at : size - begin], "signature": found, "step": step})
        at = size - begin


def export(
    keeper: Keeper,
    write: Callable[[bytes], object],
    *,
    progress: Progress | None = None,
    expect: Callable[[int], None] | None = None,
) -> None:
    """The public form, page by page, for one logged intent; its outcome has size and digest.

    ``expect`` is told the number of steps before the first is written, ``progress`` how many were.
    """
    begun, digest, size = keeper.log_export_begin(), hashlib.sha256(), 0
    try:
        if expect:
            expect(begun.steps)
        lines: tuple[str, ...] = (begun.header,)
        after = 0
        while lines:
            piece = "".join(lines).encode()
            write(piece)
            digest.update(piece)
            size += len(piece)
            lines = keeper.log_export_steps(begun.intent, after)
            after += len(lines)
            if progress:
                progress(len(lines))
    except BaseException as error:
        with contextlib.suppress(errors.VaultError):
            keeper.log_export_end(begun.intent, "failed", reason=type(error).__name__)
        raise
    keeper.log_export_end(begun.intent, "done", size=size, digest=digest.hexdigest())


def disclosure(
    registry: Registry, entries: Iterable[tuple[int, bytes, bytes, dict[str, object]]], *, hidden: Iterable[str]
) -> str:
    """Entries (number, leaf, secret and fields of the body) with proofs that the log of now holds them.

    Of fields that are ``hidden`` only the hash is given, which says nothing: it is salted. Raises ``Refused`` for too many.
    """
    hashes = [leaf_hash(leaf) for (leaf,) in registry.store.stream("SELECT leaf FROM log_entries ORDER BY number")]
    tree, away, lines = Tree(hashes), frozenset(hidden), []
    for number, leaf, secret, fields in entries:
        shown = frozenset(fields) - away
        lines.append(
            _line(
                {
                    "fields": commitments.disclosed(secret, fields, shown),
                    "leaf": leaf.decode(),
                    "proof": tree.inclusion_proof(number),
                }
            )
        )
        if len(lines) > _MOST_DISCLOSED:
            raise errors.Refused(reason="that is too much of the log at once: choose a case, or fewer entries")
    header = {
        "casevault": "log-disclosure",
        "entries": len(lines),
        "origin": origin(registry.setting("vault_id"), registry.signing.generation),
        "root": tree.root(),
        "size": len(tree),
        "v": FORM,
    }
    return "".join((_line(header), *lines))


def _line(value: dict[str, object]) -> str:
    return canonical_json(value).decode() + "\n"
