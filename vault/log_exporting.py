"""What of the log is given to others: leaves and signatures for anybody, or chosen entries with proofs, field by field.

Both are lines of canonical JSON, which ``verify_log.py`` reads with Python's standard library alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from crypto.encoding import canonical_json
from vault import errors, files, log_rows, schema
from vault.leaves import origin
from vault.log_bodies import Body
from vault.log_rows import EntryRow
from vault.registry import Registry
from vault.tables import optional_blob

if TYPE_CHECKING:
    from vault.keeper import Keeper
    from vault.log_requests import LogExportBegun

FORM = 1
_MOST_DISCLOSED = 10_000
_LARGEST_NUMBER = 2**53 - 1
PAGE_STEPS = 2000
PAGE_ENTRIES = 200  # of the longest that there can be, as much as one answer of a session holds

Progress = Callable[[int], None]

# What lies visible on a disk, or names a machine, leaves no vault: an entry that is shown would tell whose laptop was seized.
# Two clocks give the moment at which it was started, and that stands in its own records.
_NEVER_SHOWN = frozenset({"boot_id", "monotonic_ms", "objects"})
_DIGESTS_OF_THIS_DISK = frozenset({"backup", "case-delete"})  # of a backup's marker, of the name of a case's database
_DIGEST = frozenset({"digest"})
# Each of them tells the others.
_TOGETHER = (frozenset({"counterparty", "recipients"}),)


def public_header(registry: Registry) -> str:
    """The first line: whose log it is, and where its chains of keys begin."""
    generations = [
        {name: row[name] for name in ("first_key", "first_step", "generation", "mldsa65", "root", "size")}
        | {"sshsig": (optional_blob(row, "sshsig") or b"").decode() or None}
        for row in log_rows.generations(registry)
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
    found = registry.store.execute(
        f"{log_rows.steps_query(registry)} WHERE step > ? AND step <= ? ORDER BY step LIMIT ?",
        (after, last, PAGE_STEPS),
    )
    steps = [log_rows.step_row(record) for record in found]
    begin = log_rows.step_at(registry, after).size if after else 0
    leaves = [leaf.decode() for leaf in log_rows.leaves(registry, begin, steps[-1].size)] if steps else []
    at = 0
    for row in steps:
        yield _line({"leaves": leaves[at : row.size - begin], "signature": row.signature, "step": row.step})
        at = row.size - begin


def export(
    keeper: Keeper, path: Path, *, progress: Progress | None = None, expect: Callable[[int], None] | None = None
) -> None:
    """Write the public form as a new file. See ``Vault.export_log``."""
    file = _placed(path)
    _write(keeper, keeper.log_export_begin(), file, progress, expect)


def disclose(
    keeper: Keeper,
    path: Path,
    *,
    case: str | None,
    entries: tuple[int, ...],
    hidden: tuple[str, ...],
    purpose: str | None,
) -> None:
    """Write the entries of a case, or those with these numbers, as a new file. See ``Vault.disclose_log``."""
    file = _placed(path)
    for number in entries:
        if not 0 <= number <= _LARGEST_NUMBER:  # no session is told of it
            raise errors.NoSuchEntry(number=number)
    _write(keeper, keeper.log_disclose_begin(case, entries, hidden, purpose=purpose), file)


def _placed(path: Path) -> files.Unfinished:
    """A file that is not there yet, in a folder that is. Raises ``AlreadyThere``, ``NoSuchFolder``."""
    file = files.Unfinished(path, path.with_name(f"{path.name}.partial"))
    for each in (file.path, file.partial):
        if os.path.lexists(each):
            raise errors.AlreadyThere(path=str(each))
    if not path.parent.is_dir():
        raise errors.NoSuchFolder(path=str(path.parent))
    return file


def _write(
    keeper: Keeper,
    begun: LogExportBegun,
    file: files.Unfinished,
    progress: Progress | None = None,
    expect: Callable[[int], None] | None = None,
) -> None:
    """Page by page; the outcome, with size and digest, when the file is durable."""
    digest, size = hashlib.sha256(), 0
    try:
        if expect:
            expect(begun.lines)
        with file.writing() as new:
            lines: tuple[str, ...] = (begun.header,)
            after = 0
            while lines:
                piece = "".join(lines).encode()
                new.write(piece)
                digest.update(piece)
                size += len(piece)
                lines = keeper.log_export_lines(begun.intent, after)
                after += len(lines)
                if progress:
                    progress(len(lines))
    except BaseException as error:
        with contextlib.suppress(errors.VaultError):
            keeper.log_export_end(begun.intent, "failed", reason=type(error).__name__)
        raise
    keeper.log_export_end(begun.intent, "done", size=size, digest=digest.hexdigest())


def disclosure(
    registry: Registry, entries: Iterable[tuple[EntryRow, Body]], *, hidden: Iterable[str]
) -> tuple[str, tuple[str, ...]]:
    """Entries, each with its body, with proofs that the log of now holds them: the first line, and one for each.

    Of fields that are ``hidden`` only the hash is given, which says nothing: it is salted. With a field go those that tell
    it; names of files, and what tells when the machine was started, are never given. Raises ``Refused`` for too many, and ``OlderCopy`` where
    the entries are not those of the log's head.
    """
    tree, away, lines = log_rows.tree(registry), _with_what_tells_it(hidden), []
    for row, body in entries:
        shown = (
            frozenset(body.fields) - away - (_DIGEST if body.fields["act"] in _DIGESTS_OF_THIS_DISK else frozenset())
        )
        lines.append(
            _line(
                {
                    "fields": body.disclosed(shown),
                    "leaf": row.leaf.decode(),
                    "proof": tree.inclusion_proof(row.number),
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
    return _line(header), tuple(lines)


def _with_what_tells_it(hidden: Iterable[str]) -> frozenset[str]:
    away = frozenset(hidden)
    return away.union(_NEVER_SHOWN, *(group for group in _TOGETHER if group & away))


def _line(value: dict[str, object]) -> str:
    return canonical_json(value).decode() + "\n"
