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
from crypto.keys import RecordKey, derive
from crypto.records import decrypt_record, encrypt_record
from vault import errors, files
from vault.registry import Registry

KEY_SETTING, NAME_SETTING = "mark_key", "mark_name"
NAME_BYTES = 16


def _path(registry: Registry, state_dir: Path) -> Path:
    return state_dir / registry.setting(NAME_SETTING).hex()


def _numbers_path(registry: Registry, state_dir: Path) -> Path:
    # Not NAME_SETTING: a restored vault has another one, and its number would be given again to the next.
    key = RecordKey(registry.setting(KEY_SETTING))
    return state_dir / derive(key, labels.GENERATIONS, RecordKey).raw[:NAME_BYTES].hex()


def generation(registry: Registry) -> int:
    """The number of the part of the log that is written now; each declared gap begins one with a higher number."""
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


def next_generation(registry: Registry, state_dir: Path | None, later: Mapping[str, object] | None = None) -> int:
    """The number of a generation that is to begin: higher than the vault's own, than that of a ``later`` head that is
    known, and than any that this machine has given to a copy of this vault. It is kept before it is used, so none is
    given twice here.
    """
    path = _numbers_path(registry, state_dir) if state_dir else None
    known = [generation(registry), _number(later)]
    known.append(_number(_read(registry, path, labels.GENERATIONS)) if path else 0)
    number = max(known) + 1
    if path:
        _write(registry, path, {"generation": number}, labels.GENERATIONS)
    return number


def _number(value: Mapping[str, object] | None) -> int:
    found = value.get("generation") if value else None
    return found if isinstance(found, int) else 0


def remembered(registry: Registry, state_dir: Path) -> dict[str, object] | None:
    """What this machine remembers of a vault: generation, step and root; None for nothing."""
    return _read(registry, _path(registry, state_dir), labels.MARK)


def _read(registry: Registry, path: Path, context: bytes) -> dict[str, object] | None:
    try:
        sealed = path.read_bytes()
    except OSError:
        return None
    try:
        value = parse_canonical_json(decrypt_record(RecordKey(registry.setting(KEY_SETTING)), sealed, context=context))
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
    value = {"generation": generation(registry), "root": registry.frontier.root(), "step": registry.steps}
    return _write(registry, _path(registry, state_dir), value, labels.MARK)


def _write(registry: Registry, path: Path, value: Mapping[str, object], context: bytes) -> bool:
    sealed = encrypt_record(RecordKey(registry.setting(KEY_SETTING)), canonical_json(value), context=context)
    with contextlib.suppress(OSError, errors.VaultError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        files.write_file(path, sealed)
        return True
    return False
