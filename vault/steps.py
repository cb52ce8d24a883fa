"""The steps of an open log: each closes with the next public key in its last leaf, and a checkpoint signed by its own key."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crypto.errors import NotCanonical
from crypto.keys import VaultKey
from crypto.signing import Checkpoint
from crypto.tree import HASH_SIZE, leaf_hash
from vault import errors, schema
from vault.leaves import Leaf, origin
from vault.logkey import LogKey, Place
from vault.tables import Row, blob, integer

if TYPE_CHECKING:
    from vault.registry import Registry

GENERATION_SETTING = "generation"
_NUMBER = re.compile(rb"[1-9][0-9]{0,8}")


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry before its leaf is made: the commitment to its body, and the body sealed."""

    commitment: bytes
    body: bytes
    case_id: bytes | None
    epoch: int | None


class Steps:
    """What signs the steps of a registry. Without a ``log_key`` it is one that is only read."""

    def __init__(self, registry: Registry, log_key: LogKey | None) -> None:
        self._registry = registry
        self.log_key = log_key
        self._entries: list[Entry] = []
        self._generation_begins: int | None = None  # with this step; after it that is past, whoever was interrupted
        self._number = 0  # of the generation that begins then
        self._has_signatures = False

    @property
    def generation(self) -> int:
        """How often the log was declared to go on from an earlier state, and one."""
        stored = self._registry.optional_setting(GENERATION_SETTING) or b"1"
        if not _NUMBER.fullmatch(stored):
            raise errors.DatabaseDamaged(what=self._registry.store.what)
        return int(stored)

    @property
    def is_signed(self) -> bool:
        """Whether steps of this log were ever signed; not so in a vault of before, until its next step."""
        return bool(self._registry.rows(schema.GENERATIONS))

    @property
    def can_sign(self) -> bool:
        """Whether the next step can be signed. If not, an older database or another key lies here, or the key was lost."""
        if self.log_key is None:
            return False
        return self._generation_begins == self._registry.steps + 1 or self.log_key.fits or not self.is_signed

    def find_key(self) -> None:
        """Look for the key that the last durable step announced. Raises ``NotCanonical`` where that announced none, and
        ``DatabaseDamaged`` for generations that no log has.
        """
        registry, self._entries = self._registry, []
        if not all(self._can_be(row) for row in registry.rows(schema.GENERATIONS)):
            raise errors.DatabaseDamaged(what=registry.store.what)
        self._has_signatures = schema.has_signatures(registry.store.execute("PRAGMA table_info(log_steps)"))
        if self.log_key is None or not self.is_signed:
            return
        last = registry.store.execute("SELECT leaf FROM log_entries WHERE number = ?", (registry.frontier.size - 1,))
        announced = Leaf.from_bytes(last[0][0]).next_key if last else None
        if announced is None:
            raise NotCanonical("the last leaf of a step names the next key")
        self.log_key.find(self._place(registry.steps + 1), announced)

    def _can_be(self, row: Row) -> bool:
        """Whether a generation is one that this log can have, so that whoever reads it need not look."""
        registry, certified = self._registry, row["certified"] is not None
        limits = (
            ("generation", 1, self.generation),
            ("first_step", 1, registry.steps),
            ("size", 0, registry.frontier.size),
        )
        sshsig = row["sshsig"]
        return (
            all(isinstance(row[name], int) and least <= integer(row, name) <= most for name, least, most in limits)
            and all(
                isinstance(row[name], bytes) and len(blob(row, name)) == HASH_SIZE for name in ("root", "first_key")
            )
            and (isinstance(sshsig, bytes) and sshsig.isascii() if certified else sshsig is None)
            and isinstance(row["mldsa65"], bytes) is certified
            and (not certified or isinstance(row["certified"], str))
        )

    def begin_generation(self, number: int) -> None:
        """Declare a gap: the next step is the first of a new generation, with this number and a key of its own."""
        self._generation_begins, self._number = self._registry.steps + 1, number

    def inherited(self, vault_key: VaultKey) -> LogKey:
        """The key for the next epoch's first step. Raises ``LogUnavailable``."""
        if self.log_key is None:
            raise errors.LogUnavailable
        return self.log_key.inherited(vault_key)

    def erase_old_key(self) -> None:
        """Erase what an interrupted step left of keys that sign nothing more. Raises as ``LogKey.erase_others``."""
        if self.log_key is not None:
            self.log_key.erase_others()

    @property
    def has_signatures(self) -> bool:
        """Whether the table of steps has room for signatures; not so in a vault of before."""
        return self._has_signatures

    @property
    def next_number(self) -> int:
        """The number of the next entry."""
        return self._registry.frontier.size + len(self._entries)

    def append(self, entry: Entry) -> None:
        """Add an entry to the step at work."""
        self._entries.append(entry)

    def close_step(self) -> None:
        """Inside the step's transaction: the next key durable in its block, then leaves and checkpoint.

        Raises ``LogUnavailable`` for a step without entries or without its own key, and as ``LogKey.announce``.
        """
        registry, log_key = self._registry, self.log_key
        if log_key is None or not self._entries:
            raise errors.LogUnavailable
        if self._begins or not self.is_signed:
            self._put_generation(log_key.begin())
        elif not log_key.signs(self._place(registry.steps)):
            raise errors.LogUnavailable
        next_key = log_key.announce(self._place(registry.steps + 1))
        for entry in self._entries:
            number, is_last = registry.frontier.size, entry is self._entries[-1]
            leaf = Leaf(entry.commitment, number, registry.steps, next_key if is_last else None).to_bytes()
            registry.store.execute(
                "INSERT INTO log_entries (number, leaf, body, case_id, epoch) VALUES (?, ?, ?, ?, ?)",
                (number, leaf, entry.body, entry.case_id, entry.epoch),
            )
            registry.frontier.append(leaf_hash(leaf))
        self._entries = []
        size, root = registry.frontier.size, registry.frontier.root()
        signature = log_key.sign(Checkpoint(origin(registry.setting("vault_id"), self.generation), size, root))
        if not self._has_signatures:
            registry.store.execute(schema.ADD_SIGNATURES)
            self._has_signatures = True
        registry.store.execute(
            "INSERT INTO log_steps (step, size, root, signature) VALUES (?, ?, ?, ?)",
            (registry.steps, size, root, signature),
        )

    def advance(self) -> None:
        """After the transaction: the key that signed the step is erased."""
        if self.log_key is None:
            return
        self.log_key.advance()
        # If it cannot be overwritten now it is by the next step, or at the next open.
        with contextlib.suppress(errors.VaultError, OSError):
            self.log_key.erase_others()

    @property
    def _begins(self) -> bool:
        """Whether the step at work is the first of a new generation that was declared."""
        return self._generation_begins == self._registry.steps

    def _place(self, step: int) -> Place:
        return Place(self._registry.setting("vault_id"), self.generation, step)

    def _put_generation(self, first_key: bytes) -> None:
        registry, number = self._registry, self._number if self._begins else self.generation
        registry.put(
            schema.GENERATIONS,
            {
                "generation": number,
                "first_step": registry.steps,
                "size": registry.frontier.size,
                "root": registry.frontier.root(),
                "first_key": first_key,
                "sshsig": None,
                "mldsa65": None,
                "certified": None,
            },
        )
        registry.set(GENERATION_SETTING, str(number).encode())
