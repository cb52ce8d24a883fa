"""Exports of the log that were never exported: made up whole, or going on from a real one, by somebody without its keys."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from commands import _verify_log
from crypto import ed25519, sshsig
from crypto.commitments import commit, disclosed
from crypto.encoding import canonical_json
from crypto.keys import IdentityEd25519Key
from crypto.labels import SignedKind
from crypto.signing import Checkpoint
from crypto.tree import Frontier, Tree, leaf_hash
from vault.leaves import Leaf, generation_statement, origin
from vault.log_bodies import FIELDS

VERIFIER = Path(_verify_log.__file__)

MLDSA_KEY, MLDSA_SIGNATURE = "00" * 1952, "00" * 3309


def verified(*arguments: Path | str) -> tuple[int, str, str]:
    """By Python alone: nothing of this project can be imported."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(VERIFIER), *map(str, arguments)], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


def assert_refused(*arguments: Path | str) -> str:
    """Nothing is said of what stands before the fault, because it would be read as true. Returns why."""
    status, out, err = verified(*arguments)
    assert (status, out) == (22, ""), err
    assert err.startswith("DOES NOT HOLD: ")
    assert err.count("\n") == 1
    return err


def rewritten(change: Callable[[list[dict[str, Any]]], object]) -> Callable[[str], str]:
    """What changes the parsed lines of an export, or returns others."""

    def apply(content: str) -> str:
        lines = [json.loads(line) for line in content.splitlines()]
        changed = change(lines)
        return "".join(line_of(line) for line in (changed if isinstance(changed, list) else lines))

    return apply


def line_of(value: object) -> str:
    return canonical_json(value).decode() + "\n"


class MadeUp:
    """A public export, step by step; every entry is kept so that it can be disclosed."""

    def __init__(self, identity: IdentityEd25519Key | None = None) -> None:
        self.vault_id, self.identity, self.generation = bytes(range(32)), identity, 0
        self.header: dict[str, Any] = {
            "casevault": "log-public",
            "generations": [],
            "identity": identity and {"ed25519": sshsig.public_key(identity).hex(), "mldsa65": MLDSA_KEY},
            "v": 1,
            "vault_id": self.vault_id.hex(),
        }
        self.steps: list[dict[str, Any]] = []
        self.leaves: list[bytes] = []
        self.said: dict[int, tuple[bytes, dict[str, object]]] = {}
        self.tree = Frontier()
        self._key: bytes | None = None

    @classmethod
    def going_on(cls, content: str, steps: int) -> MadeUp:
        """The first steps of a real export, and its generations that begin in them."""
        header, *lines = map(json.loads, content.splitlines()[: steps + 1])
        made = cls()
        made.header, made.steps, made.vault_id = header, lines, bytes.fromhex(header["vault_id"])
        made.header["generations"] = [each for each in header["generations"] if each["first_step"] <= steps]
        made.generation = max((each["generation"] for each in made.header["generations"]), default=0)
        for leaf in (leaf.encode() for line in lines for leaf in line["leaves"]):
            made.leaves.append(leaf)
            made.tree.append(leaf_hash(leaf))
        return made

    def begin(self, *, number: int | None = None) -> None:
        """A generation begins with the next step, certified by the identity that this was made with, if any."""
        self.generation = self.generation + 1 if number is None else number
        self._key = hashlib.sha256(b"first %d" % self.generation).digest()
        row: dict[str, object] = {
            "first_key": ed25519.public_key(self._key),
            "first_step": len(self.steps) + 1,
            "generation": self.generation,
            "root": self.tree.root(),
            "size": self.tree.size,
        }
        signed = self.identity and sshsig.sign(
            self.identity, generation_statement(self.vault_id, row), kind=SignedKind.GENERATION
        )
        self.header["generations"].append(
            json.loads(canonical_json(row))
            | {"mldsa65": MLDSA_SIGNATURE if signed else None, "sshsig": signed and signed.decode()}
        )

    def step(self, **fields: object) -> None:
        """A step of one entry, signed once a generation has begun."""
        step, key = len(self.steps) + 1, self._key
        next_key = key and hashlib.sha256(key).digest()
        body = dict.fromkeys(FIELDS) | fields
        secret = hashlib.sha256(b"secret %d" % step).digest()
        leaf = Leaf(commit(secret, body), self.tree.size, step, next_key and ed25519.public_key(next_key)).to_bytes()
        self.said[self.tree.size] = secret, body
        self.leaves.append(leaf)
        self.tree.append(leaf_hash(leaf))
        text = Checkpoint.text_of(origin(self.vault_id, self.generation), self.tree.size, self.tree.root())
        self.steps.append({"leaves": [leaf.decode()], "signature": key and ed25519.sign(key, text).hex(), "step": step})
        self._key = next_key

    def public(self) -> str:
        """The public form."""
        return "".join(map(line_of, (self.header, *self.steps)))

    def disclosure(self, *numbers: int) -> str:
        """Entries of those that were made up here, under the head of now."""
        tree = Tree(map(leaf_hash, self.leaves))
        header = {
            "casevault": "log-disclosure",
            "entries": len(numbers),
            "origin": origin(self.vault_id, self.generation),
            "root": tree.root(),
            "size": len(tree),
            "v": 1,
        }
        lines = [
            {
                "fields": disclosed(*self.said[number], FIELDS),
                "leaf": self.leaves[number].decode(),
                "proof": tree.inclusion_proof(number),
            }
            for number in numbers
        ]
        return "".join(map(line_of, (header, *lines)))


def written(path: Path, content: str) -> Path:
    """The file with exactly these bytes."""
    path.write_bytes(content.encode())
    return path
