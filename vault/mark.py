"""The high-water mark: how far the log had come, remembered outside the vault by this machine.

An older copy of the whole folder agrees with itself, so only what lies elsewhere can show it. The mark is sealed under a
key that lives in vault.db, and its name says nothing. Whoever rolls back both is noticed by partners only.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from crypto import labels
from crypto.encoding import canonical_json, parse_canonical_json
from crypto.errors import CryptoError
from crypto.keys import RecordKey
from crypto.records import decrypt_record, encrypt_record
from vault import errors, files
from vault.registry import Registry

KEY_SETTING, NAME_SETTING = "mark_key", "mark_name"


def _path(registry: Registry, state_dir: Path) -> Path:
    return state_dir / registry.setting(NAME_SETTING).hex()


def verify(registry: Registry, state_dir: Path) -> None:
    """Compare the vault with what this machine remembers of it. Raises ``OlderThanRemembered``; no mark is no finding."""
    try:
        sealed = _path(registry, state_dir).read_bytes()
    except OSError:
        return
    try:
        value = parse_canonical_json(
            decrypt_record(RecordKey(registry.setting(KEY_SETTING)), sealed, context=labels.MARK)
        )
    except CryptoError:
        return  # not ours, or damaged: then this machine remembers nothing
    if not isinstance(value, dict):
        return
    step, root = value.get("step"), value.get("root")
    found = registry.store.execute("SELECT root FROM log_steps WHERE step = ?", (step,))
    if found != [(bytes.fromhex(str(root)),)]:
        raise errors.OlderThanRemembered


def remember(registry: Registry, state_dir: Path) -> bool:
    """Write the mark. False where the machine does not let us, and where it is not known how far the log came.

    The vault itself is not affected.
    """
    if not registry.is_certain:
        return False  # a step that may never have become durable would make the vault an older copy for ever
    body = canonical_json({"generation": 1, "root": registry.frontier.root(), "step": registry.steps})
    sealed = encrypt_record(RecordKey(registry.setting(KEY_SETTING)), body, context=labels.MARK)
    with contextlib.suppress(OSError, errors.VaultError):
        state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        files.write_file(_path(registry, state_dir), sealed)
        return True
    return False
