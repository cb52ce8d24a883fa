"""Logs of senders who have an identity and no vault: right ones, and any part of them put wrong."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from somebody import Somebody

from crypto import ed25519, mldsa, sshsig
from crypto.commitments import commit, disclosed
from crypto.labels import SignedKind
from crypto.signing import Checkpoint, sign_note
from crypto.tree import Tree, leaf_hash
from vault import bag
from vault.leaves import Leaf, generation_statement, origin
from vault.log_proofs import Certificate, Earlier, Included, LogProofs


class TheirLog:
    """A log that grows by one step with one entry at a time, always the same for the same ``history``."""

    def __init__(self, by: Somebody, vault_id: bytes | None = None, *, history: str = "") -> None:
        self.by, self.vault_id, self.history = by, vault_id or by.vault_id, history
        self.leaves: list[bytes] = []
        self.announced: dict[int, bytes] = {}  # seeds of steps whose keys an earlier history named
        self.certificates: list[Certificate] = []
        self.sent: dict[str, list[tuple[int, int, bytes]]] = {}
        self.misstated: Mapping[str, Any] = {}  # of every earlier state, beside its right proof
        self.begin_generation()
        for number in range(3):
            self.append({"act": f"something {number}"})

    def copy(self, history: str) -> TheirLog:
        """Another history from here on."""
        other = TheirLog(self.by, self.vault_id, history=history)
        other.leaves, other.certificates = list(self.leaves), list(self.certificates)
        step = len(self.leaves) + 1
        other.announced = {step: self.seed(step)}
        other.sent = {to: list(heads) for to, heads in self.sent.items()}
        return other

    @property
    def generation(self) -> int:
        return self.certificates[-1].generation

    def seed(self, step: int) -> bytes:
        return self.announced.get(step) or hashlib.sha256(f"{self.history} {self.generation} {step}".encode()).digest()

    @property
    def tree(self) -> Tree:
        return Tree(map(leaf_hash, self.leaves))

    def begin_generation(self, number: int | None = None) -> None:
        number, step = number or len(self.certificates) + 1, len(self.leaves) + 1
        first_key = hashlib.sha256(f"{self.history} {number} {step}".encode()).digest()
        self.certificates.append(
            self.certified(
                generation=number,
                first_step=step,
                size=len(self.leaves),
                root=self.tree.root(),
                first_key=ed25519.public_key(first_key),
            )
        )

    def certified(self, by: Somebody | None = None, **values: Any) -> Certificate:
        statement, by = generation_statement(self.vault_id, values), by or self.by
        return Certificate(
            **values,
            sshsig=sshsig.sign(by.ed25519, statement, kind=SignedKind.GENERATION),
            mldsa65=mldsa.sign(by.mldsa65, statement, kind=SignedKind.GENERATION),
        )

    def append(self, fields: Mapping[str, object]) -> bytes:
        """One step with one entry; its secret."""
        number = len(self.leaves)
        secret = hashlib.sha256(f"{self.history} secret {number}".encode()).digest()
        key = ed25519.public_key(self.seed(number + 2))
        self.leaves.append(Leaf(commit(secret, fields), number, number + 1, key).to_bytes())
        return secret

    def share(self, sealed: bytes, to: str, **wrong: Any) -> dict[str, bytes]:
        """Announce a file, and the tag files that prove it; ``wrong`` replaces parts: see ``files``."""
        fields = {
            "act": "share",
            "counterparty": "Bear",
            "digest": hashlib.sha256(sealed).hexdigest(),
            "recipients": [to] if to else None,
        } | wrong.pop("fields", {})
        secret = self.append(fields)
        files = self.files(disclosed(secret, fields, wrong.pop("shown", ("act", "digest", "recipients"))), to, **wrong)
        if to:
            self.sent.setdefault(to, []).append((self.generation, len(self.leaves), self.tree.root()))
        return files

    def files(
        self, fields: object, to: str, *, seed: bytes | None = None, note: bytes | None = None, **wrong: Any
    ) -> dict[str, bytes]:
        tree, size = self.tree, len(self.leaves)
        begins = size == self.certificates[-1].first_step
        proofs = LogProofs(
            generations=tuple(self.certificates),
            share=Included(self.leaves[-1], tuple(tree.inclusion_proof(size - 1))),
            fields=fields,
            key=None if begins else Included(self.leaves[-2], tuple(tree.inclusion_proof(size - 2))),
            earlier=self.earlier(self.sent.get(to, [])[-64:]),
        )
        name = origin(self.vault_id, self.generation)
        checkpoint = Checkpoint(name, size, tree.root()).to_bytes()
        return {
            bag.LOG_CHECKPOINT: note or sign_note(checkpoint, name, seed or self.seed(size)),
            bag.LOG_PROOFS: dataclasses.replace(proofs, **wrong).to_bytes(),
        }

    def earlier(self, heads: Sequence[tuple[int, int, bytes]]) -> tuple[Earlier, ...]:
        right = (Earlier(*head, tuple(self.tree.consistency_proof(head[1]))) for head in heads)
        return tuple(dataclasses.replace(each, **self.misstated) for each in right)


_LOGS: dict[tuple[bytes, bytes], TheirLog] = {}
_SHARED: dict[tuple[bytes, bytes, bytes], dict[str, bytes]] = {}


class _Kept:
    """The one log that a sender has in all tests; the same file is logged once."""

    def __init__(self, by: Somebody, vault_id: bytes) -> None:
        self._key = by.fingerprint, vault_id
        if self._key not in _LOGS:
            _LOGS[self._key] = TheirLog(by, vault_id)
        self._log = _LOGS[self._key]

    def share(self, sealed: bytes, to: str) -> dict[str, bytes]:
        place = (*self._key, sealed)
        if place not in _SHARED:
            _SHARED[place] = self._log.share(sealed, to)
        return _SHARED[place]


def log_of(by: Somebody, vault_id: bytes) -> _Kept:
    return _Kept(by, vault_id)
