"""The case vault as a library: cases, items, persons and the log, with no terminal in it.

    with Vault.open(path, PassphraseUnlocker(passphrase)) as vault:
        case = vault.cases.get("HARBOUR")
        item = case.items.add_file(Path("statement.mp4"))

What is named here is loaded when it is first used: most of it needs the cryptography, and a command that only prints
its version should not wait for that.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vault._vault import Vault, check_backup, inspect_folder
    from vault.backing_up import BackedUp
    from vault.folder import FolderFacts
    from vault.handles import Case, Exported, Item, Person
    from vault.reading import Reading
    from vault.requests import Description, PersonFields
    from vault.restoring import Restored
    from vault.sealing import Sealed, Sealing
    from vault.unlock import AnyOf, KeyFileUnlocker, PassphraseUnlocker, RecoveryUnlocker, Unlocker
    from vault.writing import Writing

_HOMES = {
    "Vault": "vault._vault",
    "check_backup": "vault._vault",
    "inspect_folder": "vault._vault",
    "BackedUp": "vault.backing_up",
    "FolderFacts": "vault.folder",
    "Case": "vault.handles",
    "Exported": "vault.handles",
    "Item": "vault.handles",
    "Person": "vault.handles",
    "Reading": "vault.reading",
    "Description": "vault.requests",
    "PersonFields": "vault.requests",
    "Restored": "vault.restoring",
    "Sealed": "vault.sealing",
    "Sealing": "vault.sealing",
    "AnyOf": "vault.unlock",
    "KeyFileUnlocker": "vault.unlock",
    "PassphraseUnlocker": "vault.unlock",
    "RecoveryUnlocker": "vault.unlock",
    "Unlocker": "vault.unlock",
    "Writing": "vault.writing",
}

__all__ = [
    "AnyOf",
    "BackedUp",
    "Case",
    "Description",
    "Exported",
    "FolderFacts",
    "Item",
    "KeyFileUnlocker",
    "PassphraseUnlocker",
    "Person",
    "PersonFields",
    "Reading",
    "RecoveryUnlocker",
    "Restored",
    "Sealed",
    "Sealing",
    "Unlocker",
    "Vault",
    "Writing",
    "check_backup",
    "inspect_folder",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
