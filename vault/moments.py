"""When an entry of the log was written, by both clocks: the one that people read and set, and the one that nobody sets."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta

from crypto.encoding import canonical_json, parse_canonical_json
from crypto.errors import CryptoError

_TOLERANCE = timedelta(minutes=1)  # clocks are corrected by that much without anybody's doing


@dataclass(frozen=True, slots=True)
class Moment:
    """What the clocks said when an entry was written."""

    wall_time: str
    monotonic_ms: int
    boot_id: str | None

    @classmethod
    def of(cls, entry: dict[str, object]) -> Moment:
        """From the fields of the entry."""
        monotonic, boot_id = entry["monotonic_ms"], entry["boot_id"]
        return cls(
            str(entry["wall_time"]),
            monotonic if isinstance(monotonic, int) else 0,
            boot_id if isinstance(boot_id, str) else None,
        )

    def to_bytes(self) -> bytes:
        """As vault.db keeps it: entries of cases cannot be read before their case is open."""
        return canonical_json(asdict(self))

    @classmethod
    def from_bytes(cls, data: bytes) -> Moment | None:
        """What ``to_bytes`` gave; None for anything else."""
        try:
            found = parse_canonical_json(data)
        except CryptoError:
            return None
        names = {each.name for each in fields(cls)}
        return cls.of(found) if isinstance(found, dict) and found.keys() == names else None

    def is_set_back_from(self, earlier: Moment) -> bool:
        """Whether the clock stands before then, or went slower since than one that nobody can set, by more than a minute."""
        return self._lost_since(earlier) > _TOLERANCE

    def or_later(self, earlier: Moment | None) -> Moment:
        """The one to which the next is compared: else many small steps back would never make a large one."""
        if earlier is not None and timedelta() < self._lost_since(earlier) <= _TOLERANCE:
            return earlier
        return self

    def _lost_since(self, earlier: Moment) -> timedelta:
        """How much less the clock says than it did, or than has really passed."""
        try:
            passed = datetime.fromisoformat(_plain(self.wall_time)) - datetime.fromisoformat(_plain(earlier.wall_time))
        except (TypeError, ValueError):
            return timedelta()
        if self.boot_id is None or self.boot_id != earlier.boot_id or self.monotonic_ms < earlier.monotonic_ms:
            return -passed
        return max(-passed, timedelta(milliseconds=self.monotonic_ms - earlier.monotonic_ms) - passed)


def _plain(wall_time: str) -> str:
    # Python 3.10 reads no Z.
    return wall_time.removesuffix("Z") + "+00:00" if wall_time.endswith("Z") else wall_time
