"""Making a vault, and opening one: the steps that stand between a folder and a keeper."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path

from filelock import FileLock

from crypto import kdf
from crypto.errors import CryptoError
from crypto.keys import RecordKey, VaultKey
from vault import copying, drafts, epochs, errors, failures, files, header, mark, schema, witnessing
from vault.compartment import Clock
from vault.folder import Folder, filled, sweep_staging
from vault.keeper import Keeper
from vault.log import FAILED_UNLOCKS, Log
from vault.registry import WHAT, Registry
from vault.tables import Row, integer, text
from vault.unlock import Place, SecretUnlocker, Unlocked, Unlocker

Cost = kdf.Cost

# A file that cannot be removed is no reason to keep the others from their owner.
_CANNOT_REMOVE = (errors.ReadOnly, errors.DiskFailed, errors.VaultInUse)


def create(
    path: Path,
    ways: Sequence[tuple[SecretUnlocker, str]],
    *,
    cost: Cost | None,
    clock: Clock,
) -> None:
    """Make a vault at ``path`` with one slot for each way in and its label; whole, or not at all.

    Without a ``cost`` it is measured, if the first way in is a passphrase. Raises ``AlreadyThere``, ``NoSpace``,
    ``ReadOnly``, ``TooManyKeys``.
    """
    if cost is None:
        cost = kdf.calibrate() if ways[0][0].kind.startswith("passphrase") else kdf.FLOOR
    if len(ways) > header.SLOTS:
        raise errors.TooManyKeys
    if copying.occupied(path):
        raise errors.AlreadyThere(path=str(path))
    unfinished = path.with_name(f".{secrets.token_hex(16)}")
    with filled(unfinished, path):
        _fill(Folder(unfinished), ways, cost=cost, clock=clock)


def _fill(folder: Folder, ways: Sequence[tuple[SecretUnlocker, str]], *, cost: kdf.Cost, clock: Clock) -> None:
    folder.make_subfolders()
    vault_key, folder_id, salt = VaultKey.random(), secrets.token_bytes(32), secrets.token_bytes(kdf.SALT_SIZE)
    public_keys: list[bytes | None] = [None] * header.SLOTS
    for slot, (way, _) in enumerate(ways):
        public_keys[slot] = way.slot_key(Place(folder_id, salt, cost)).public_bytes()
    sealed = header.seal(vault_key, folder_id=folder_id, epoch=1, cost=cost, salt=salt, public_keys=public_keys)
    registry = Registry.create(folder.vault_database(1), vault_key)
    now = clock()[:19] + "Z"
    log = Log(registry, wall_time=clock, actor=ways[0][1])
    rows: list[Row] = [
        {"slot": slot, "public_key": public_keys[slot], "kind": way.kind, "label": label, "added": now}
        for slot, (way, label) in enumerate(ways)
    ]
    settings = {
        "vault_id": secrets.token_bytes(32),
        "created": now.encode(),
        "log_key": RecordKey.random().raw,
        mark.KEY_SETTING: RecordKey.random().raw,
        mark.NAME_SETTING: secrets.token_bytes(mark.NAME_BYTES),
        "header": sealed.digest(),
    }

    def write() -> None:
        for row in rows:
            registry.put(schema.SLOTS, row)
        for name, value in settings.items():
            registry.set(name, value)

    try:
        log.conclude(log.begin("vault-create", write).number, "done")
    except errors.LogUnavailable as error:
        # There is no log yet whose failure would say more than what failed.
        raise error.__cause__ or error from None
    finally:
        registry.close()
    files.sync_file(folder.vault_database(1))
    folder.write_headers(sealed)


def open_vault(
    path: Path, unlocker: Unlocker, *, clock: Clock, state_dir: Path | None, accept_older: bool = False
) -> tuple[Keeper, FileLock]:
    """Open a vault.

    1. Read both copies of the header, before anything is locked or written.
    2. Take the lock.
    3. Try the secret on each copy, newest epoch first; check the header's MAC.
    4. Open that epoch's vault.db, and compare the header with the digest that it keeps.
    5. Compare the log with what this machine remembers, and its last step with the key that signs the next; where they
       differ, ``accept_older`` begins a new generation of the log, whose first entry says so, and goes on.
    6. See that the subfolders are the vault's own; make both copies of the header agree; remove what other epochs and
       dead processes left.
    7. Give every intent without an outcome its outcome.

    Raises ``NoSuchVault``, ``NotAVault``, ``IsABackup``, ``UnknownFormat``, ``HeaderDamaged``, ``VaultInUse``,
    ``VaultReadOnly``, ``WrongPassphrase``, ``CostRefused``, ``Damage``, ``DatabaseDamaged``, ``OlderCopy``,
    ``OlderThanRemembered``, ``LogKeyLost``, ``ReadOnly``, ``NoSpace``.
    """
    folder = Folder(path)
    folder.read_headers()
    lock = folder.lock()
    try:
        keeper = open_locked(folder, unlocker, clock=clock, state_dir=state_dir, accept_older=accept_older)
    except BaseException:
        lock.release()
        raise
    return keeper, lock


def open_locked(
    folder: Folder,
    unlocker: Unlocker,
    *,
    clock: Clock,
    state_dir: Path | None,
    accept_older: bool = False,
    restored: Callable[[Registry], int] | None = None,
) -> Keeper:
    """Steps 3 to 7 of ``open_vault``, for who holds the lock.

    A copy that is being ``restored`` has no key of the log: its next step begins a new generation, whatever it records, with
    the number that this gives.
    """
    copies = folder.read_headers()
    try:
        found, unlocked, registry = _open_any(folder, copies, unlocker)
    except errors.WrongPassphrase:
        if state_dir:
            failures.add(state_dir, copies[0].folder_id)
        raise
    let_go = registry.close
    try:
        older = _is_older(registry, state_dir, accepted=accept_older)
        if restored:
            registry.signing.begin_generation(restored(registry))
        lost = not registry.signing.can_sign
        if lost and not accept_older:
            raise errors.LogKeyLost
        label = _label(registry, unlocked)
        keeper = Keeper(folder, found, registry, actor=label or unlocked.kind, clock=clock)
        let_go = keeper.let_go
        if label is None:
            keeper.warn("unknown-slot")
            keeper.unknown_slot = unlocked.slot
        if found.epoch < copies[0].epoch and not epochs.is_interrupted(keeper):
            raise errors.OlderCopy(what=WHAT)
        # Only now may a key be erased: what was refused above may be the older one of two, and the key the newer one's.
        heads = [keeper.head_at_open]
        later = mark.later_head(registry, state_dir, keeper.head_at_open) if older and state_dir else None
        if later is not None:
            heads.append(later)
        folder.make_subfolders()
        if older or lost:
            # Before anything else is written: the generation begins with the entry that says why.
            registry.signing.begin_generation(mark.next_generation(registry, state_dir, later))
            keeper.record_older_copy(*heads)
            keeper.warn("older-than-last-time" if older else "log-key-lost")
        if folder.repair_headers(found):
            keeper.warn("header-repaired")
        _sweep(keeper)
        _settle(keeper)
        if not (older or lost) and "newer-files" not in keeper.warnings:
            _sweep_drafts(keeper)
        if not restored:
            with contextlib.suppress(errors.VaultError):  # the next open does it
                keeper.certify_generations()
        for code in witnessing.warning(registry):
            keeper.warn(code)
        if state_dir:
            _absorb_failures(keeper, state_dir)
    except BaseException:
        let_go()
        raise
    return keeper


def _absorb_failures(keeper: Keeper, state_dir: Path) -> None:
    """Take the attempts to unlock that failed into the log; if it cannot be written, they are counted on."""
    keeper.failed_unlocks = failures.count(state_dir, keeper.header.folder_id)
    if keeper.failed_unlocks:
        with contextlib.suppress(errors.LogUnavailable):
            receipt = keeper.log.intend(FAILED_UNLOCKS, reason=str(keeper.failed_unlocks))
            failures.forget(state_dir, keeper.header.folder_id)
            keeper.log.conclude(receipt.number, "done")


def _is_older(registry: Registry, state_dir: Path | None, *, accepted: bool) -> bool:
    try:
        if state_dir:
            mark.verify(registry, state_dir)
    except errors.OlderThanRemembered:
        if not accepted:
            raise
        return True
    return False


def _open_any(
    folder: Folder, copies: Sequence[header.Header], unlocker: Unlocker
) -> tuple[header.Header, Unlocked, Registry]:
    # During a change of epoch the two copies differ: the old secret leads back, the new one forward.
    first_error: errors.VaultError | None = None
    for found in copies:
        try:
            unlocked = unlocker.unlock(found)
            return found, unlocked, _open_registry(folder, found, unlocked.vault_key)
        except (errors.WrongPassphrase, errors.CostRefused, errors.Damage) as error:
            if first_error is None or isinstance(first_error, errors.WrongPassphrase):
                first_error = error
    raise first_error or errors.HeaderDamaged(path=str(folder.path))


def _open_registry(folder: Folder, found: header.Header, vault_key: VaultKey) -> Registry:
    try:
        found.verify(vault_key)
    except CryptoError as error:
        raise errors.HeaderDamaged(path=str(folder.path)) from error
    registry = Registry.open(folder.vault_database(found.epoch), vault_key)
    try:
        if registry.setting("header") != found.digest():
            raise errors.OlderCopy(what=WHAT)
    except BaseException:
        registry.close()
        raise
    return registry


def _label(registry: Registry, unlocked: Unlocked) -> str | None:
    for row in registry.rows(schema.SLOTS):
        if integer(row, "slot") == unlocked.slot and row["public_key"] == unlocked.public_key:
            return text(row, "label")
    return None


def _sweep(keeper: Keeper) -> None:
    """Remove what a change of epoch left when it was interrupted, and what dead processes staged."""
    try:
        epochs.sweep(keeper)
        if not epochs.is_swept(keeper):
            keeper.warn("newer-files")
        files.remove(*files.leftovers(keeper.folder.path))
        sweep_staging(keeper.folder)
    except _CANNOT_REMOVE:
        keeper.warn("unsettled")
    # The next step overwrites it, too.
    with contextlib.suppress(errors.VaultError, OSError):
        keeper.registry.signing.erase_old_key()


def _sweep_drafts(keeper: Keeper) -> None:
    """Remove the files of drafts whose key is gone, or never came here; not where a newer vault.db may know them."""
    try:
        files.remove(*drafts.strays(keeper.folder.drafts, keeper.known_drafts()))
    except _CANNOT_REMOVE:
        keeper.warn("unsettled")


def _settle(keeper: Keeper) -> None:
    for intent in keeper.log.unanswered():
        try:
            keeper.settle(intent, phase="recovered")
        except (errors.Damage, *_CANNOT_REMOVE):
            # The case it speaks of does not open, or a file does not go; everything else opens, and the intent waits.
            keeper.warn("unsettled")
            continue
        keeper.warn("recovered")
