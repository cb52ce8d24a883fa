"""The high-water mark: how far the log had come, remembered outside the vault by this machine.

An older copy of the whole folder agrees with itself, so only what lies elsewhere can show it. The mark is sealed under a
key that lives in vault.db, and its name says nothing. Whoever rolls back both is noticed by partners only.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

from crypto import labels
from crypto.encoding import canonical_json, parse_canonical_json
from crypto.errors import CryptoError
from crypto.keys import RecordKey
from crypto.records import decrypt_record, encrypt_record
from vault import errors, files
from vault.registry import Registry

KEY_SETTING, NAME_SETTING = "mark_key", "mark_name"
NAME_BYTES = 16


def _path(registry: Registry, state_dir: Path) -> Path:
    return state_dir / registry.setting(NAME_SETTING).hex()


def generation(registry: Registry) -> int:
    """How often this vault was restored, or went on from an older state on purpose, and one."""
    return registry.signing.generation


def verify(registry: Registry, state_dir: Path) -> None:
    """Compare the vault with what this machine remembers of it. Raises ``OlderThanRemembered``; no mark is no finding."""
    value = remembered(registry, state_dir)
    if value is not None and not _holds(registry, value, generation(registry)):
        raise errors.OlderThanRemembered


def later_head(registry: Registry, state_dir: Path, head: Mapping[str, object]) -> dict[str, object] | None:
    """The generation, step and root that this machine remembers and that a vault with this head has not; else None."""
    value = remembered(registry, state_dir)
    return None if value is None or _holds(registry, value, head["generation"]) else value


def remembered(registry: Registry, state_dir: Path) -> dict[str, object] | None:
    """What this machine remembers of a vault: generation, step and root; None for nothing."""
    try:
        sealed = _path(registry, state_dir).read_bytes()
    except OSError:
        return None
    try:
        value = parse_canonical_json(
            decrypt_record(RecordKey(registry.setting(KEY_SETTING)), sealed, context=labels.MARK)
        )
    except CryptoError:
        return None  # not ours, or damaged: then this machine remembers nothing
    return value if isinstance(value, dict) else None


def _holds(registry: Registry, value: dict[str, object], now: object) -> bool:
    found = registry.root_at(int(str(value.get("step"))))
    return found == bytes.fromhex(str(value.get("root"))) and value.get("generation") == now


def remember(registry: Registry, state_dir: Path) -> bool:
    """Write the mark. False where the machine does not let us, and where it is not known how far the log came.

    The vault itself is not affected.
    """
    if not registry.is_certain:
        return False  # a step that may never have become durable would make the vault an older copy for ever
    body = canonical_json(
        {"generation": generation(registry), "root": registry.frontier.root(), "step": registry.steps}
    )
    sealed = encrypt_record(RecordKey(registry.setting(KEY_SETTING)), body, context=labels.MARK)
    with contextlib.suppress(OSError, errors.VaultError):
        state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        files.write_file(_path(registry, state_dir), sealed)
        return True
    return False
