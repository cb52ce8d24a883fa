"""The ways into a vault: which there are, and what adding, replacing or removing one makes of them.

Every plan here becomes a new epoch, and every new header seals all eight slots anew from the public keys that vault.db
keeps. So a slot that somebody planted, and that vault.db does not know, does not outlive the next plan.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from crypto import kdf
from vault import cases, errors, header, schema
from vault.epochs import Plan
from vault.requests import KeyLabel
from vault.tables import Row, blob, integer, text
from vault.unlock import Place, SecretUnlocker, Unlocked, Unlocker

if TYPE_CHECKING:
    from vault.door import Door


def listed(door: Door) -> tuple[KeyLabel, ...]:
    """The ways in that vault.db knows, by slot."""
    return tuple(_label(row) for row in _rows(door))


def known(door: Door, opened: Unlocked) -> KeyLabel | None:
    """The way in that opened a slot, if vault.db knows it."""
    rows = _rows(door)
    return next((_label(r) for r in rows if (r["slot"], r["public_key"]) == (opened.slot, opened.public_key)), None)


def plan_add(door: Door, current: Unlocker, new: SecretUnlocker, label: str) -> Plan:
    """A further secret beside all others. Raises ``WrongPassphrase``, ``TooManyKeys``, ``Refused``, ``BadValue``."""
    rows = _rows(door)
    free = sorted(set(range(header.SLOTS)) - {integer(row, "slot") for row in rows})
    if not free:
        raise errors.TooManyKeys
    label = cases.checked_text("label", label)
    if label in (text(row, "label") for row in rows):
        raise errors.Refused(reason="another way in has this label already")
    current.unlock(door.header)
    cost, salt = door.header.cost, door.header.salt
    public = _public_key(door, new, salt, cost, rows)
    added: Row = {"slot": free[0], "public_key": public, "kind": new.kind, "label": label, "added": door.now}
    return Plan(slots=(*rows, added), cost=cost, salt=salt, renew_cases=False, tried=new)


def plan_change(door: Door, current: Unlocker, new: SecretUnlocker, *, recalibrate: bool) -> Plan:
    """A new secret in place of the current one. Raises ``WrongPassphrase`` and ``Refused``."""
    rows = _rows(door)
    opened = current.unlock(door.header)
    slot = opened.slot if opened.kind != "recovery" else _only_passphrase(rows)
    cost, salt = door.header.cost, door.header.salt
    dropped: list[Row] = []
    if recalibrate:
        cost, salt = kdf.calibrate(), os.urandom(kdf.SALT_SIZE)
        dropped = [row for row in rows if text(row, "kind").startswith("passphrase") and integer(row, "slot") != slot]
    kept = [row for row in rows if row["slot"] != slot and row not in dropped]
    public = _public_key(door, new, salt, cost, kept)
    label = next((text(row, "label") for row in rows if row["slot"] == slot), new.kind)
    changed: Row = {"slot": slot, "public_key": public, "kind": new.kind, "label": label, "added": door.now}
    return Plan(
        slots=(*kept, changed),
        cost=cost,
        salt=salt,
        renew_cases=True,
        tried=new,
        dropped=tuple(_label(row) for row in dropped),
    )


def plan_remove(door: Door, current: Unlocker, slot: int) -> Plan:
    """One secret less, and every key renewed that it led to.

    The current one may be removed, too, unless it is the last. Raises ``WrongPassphrase``, ``NoSuchKey``, ``Refused``.
    """
    rows = _rows(door)
    removed = [row for row in rows if row["slot"] == slot]
    kept = [row for row in rows if row["slot"] != slot]
    if not removed:
        raise errors.NoSuchKey(name=slot)
    if not kept:
        raise errors.Refused(reason="it is the last way into the vault")
    opened = current.unlock(door.header)
    return Plan(
        slots=tuple(kept),
        cost=door.header.cost,
        salt=door.header.salt,
        renew_cases=True,
        tried=None if opened.slot == slot else current,
        dropped=(_label(removed[0]),),
    )


def _rows(door: Door) -> list[Row]:
    return sorted(door.registry.rows(schema.SLOTS), key=lambda row: integer(row, "slot"))


def _label(row: Row) -> KeyLabel:
    return KeyLabel(integer(row, "slot"), text(row, "kind"), text(row, "label"), text(row, "added"))


def _public_key(door: Door, new: SecretUnlocker, salt: bytes, cost: kdf.Cost, others: Iterable[Row]) -> bytes:
    public = new.slot_key(Place(door.header.folder_id, salt, cost)).public_bytes()
    if any(blob(row, "public_key") == public for row in others):
        raise errors.Refused(reason="this secret is a way into the vault already")
    return public


def _only_passphrase(rows: list[Row]) -> int:
    slots = [integer(row, "slot") for row in rows if text(row, "kind").startswith("passphrase")]
    if len(slots) != 1:
        raise errors.Refused(reason="recovery words can replace the passphrase only where there is exactly one")
    return slots[0]
