"""What of the log can be shown to anybody: leaves, and the names of logs. Bytes to values and back, without keys."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from crypto.encoding import canonical_json
from crypto.errors import NotCanonical

VERSION = 1
FIRST_GENERATION = 1  # which nobody declares

# The canonical JSON of a leaf, which leaves no freedom; numbers stay below 2**53.
_LEAF = re.compile(
    rb'\{"c":"([0-9a-f]{64})",(?:"k":"([0-9a-f]{64})",)?"n":(0|[1-9][0-9]{0,14}),"s":([1-9][0-9]{0,14}),"v":1\}'
)


@dataclass(frozen=True, slots=True)
class Leaf:
    """One entry: the commitment to its body, its number, its step, and of a step's last entry the next public key."""

    commitment: bytes
    number: int
    step: int
    next_key: bytes | None = None

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        value: dict[str, object] = {"c": self.commitment, "n": self.number, "s": self.step, "v": VERSION}
        if self.next_key is not None:
            value["k"] = self.next_key
        return canonical_json(value)

    @classmethod
    def from_bytes(cls, data: object) -> Leaf:
        """The leaf of exactly these bytes, as a database gave them. Raises ``NotCanonical`` for all others."""
        found = _LEAF.fullmatch(data) if isinstance(data, bytes) else None
        if found is None:
            raise NotCanonical("not a leaf")
        commitment, next_key, number, step = found.groups()
        return cls(
            bytes.fromhex(commitment.decode()),
            int(number),
            int(step),
            bytes.fromhex(next_key.decode()) if next_key else None,
        )


def origin(vault_id: bytes, generation: int) -> str:
    """Who a log is, in one of its generations."""
    return f"casevault/{vault_id.hex()}/g{generation}"


def generation_statement(vault_id: bytes, generation: Mapping[str, object]) -> bytes:
    """What the identity signs of a generation: its name, its first key, and the log that it goes on from."""
    return canonical_json(
        {name: generation[name] for name in ("first_key", "first_step", "root", "size")}
        | {"origin": origin(vault_id, int(str(generation["generation"]))), "v": 1}
    )
