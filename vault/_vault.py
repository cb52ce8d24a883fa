"""The vault as a caller sees it: make or open one, then ask its cases, items and persons.

Control and bulk are apart: a handle asks the keeper with plain values, and what is large is encrypted, hashed and read
here, with one object's key for one logged intent. What only an open vault needs is loaded when one is opened: a client
of a session starts without it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, cast

from vault import errors, platform
from vault.handles import Cases

if TYPE_CHECKING:
    import socket

    from filelock import FileLock

    from vault.acquaintances import Identity, Partners
    from vault.arrivals import Arrived
    from vault.backing_up import BackedUp
    from vault.client import Client, SessionState
    from vault.folder import FolderFacts
    from vault.keeper import Keeper
    from vault.log_requests import LogEntry, LogHead, LogStatus, LogVerified
    from vault.opening import Cost
    from vault.receipt_files import Written
    from vault.receipt_requests import ReceiptTaken
    from vault.requests import CheckReport, Hit, KeyLabel, VaultInfo
    from vault.restoring import Restored
    from vault.sealing_requests import ShareSummary
    from vault.unlock import RecoveryUnlocker, SecretUnlocker, Unlocker
    from vault.unsealing import Accept, Found, Incomplete, Spoken


def utc_now() -> str:
    """The time in UTC to the millisecond, RFC 3339."""
    from datetime import datetime, timezone

    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def inspect_folder(path: Path) -> FolderFacts:
    """What can be told of a vault without a key. Raises ``NoSuchVault``, ``NotAVault``, ``HeaderDamaged``."""
    from vault.folder import Folder

    return Folder(path).facts()


def check_backup(
    path: Path,
    unlocker: Unlocker,
    *,
    read_data: bool = False,
    progress: Callable[[int], None] | None = None,
    clock: Callable[[], str] = utc_now,
) -> CheckReport:
    """``Vault.check`` for a backup, which is not changed. See ``backups.opened`` for what it raises."""
    from vault import backups

    platform.harden_process()
    return backups.check(path, unlocker, clock=clock, read_data=read_data, progress=progress)


class Vault:
    """An open vault; a context manager. Made by ``create`` and ``open``, or by ``attach`` from a session.

    A session can end at any moment: by ``lock``, by a time limit, or with its process. From then on every request raises
    ``SessionOver``, and a reading gives no further piece. Who works for longer, as a viewer or an editor does, asks
    ``has_ended``, or watches: ``watch`` gives a socket that becomes readable when the session ends, and never before.
    """

    def __init__(self, keeper: Keeper, lock: FileLock | None = None, state_dir: Path | None = None) -> None:
        self._keeper: Keeper | None = keeper
        self._client: Client | None = None
        self._lock = lock
        self._state_dir = state_dir
        self.path = keeper.folder.path if lock else cast("Client", keeper).path
        self.cases = Cases(lambda: self.keeper)

    @classmethod
    def create(
        cls,
        path: Path,
        unlocker: SecretUnlocker,
        *,
        label: str | None = None,
        recovery: RecoveryUnlocker | None = None,
        cost: Cost | None = None,
        state_dir: Path | None = None,
        clock: Callable[[], str] = utc_now,
    ) -> Vault:
        """Make a vault and open it from what was written.

        ``cost`` is that of the passphrase, calibrated to about a second unless given. Raises ``AlreadyThere``,
        ``NoSpace``, ``ReadOnly``, ``BadValue``.
        """
        from vault import cases, opening

        platform.harden_process()
        label = cases.optional_checked_text("label", label)
        ways: list[tuple[SecretUnlocker, str]] = [(unlocker, label or unlocker.kind)]
        if recovery is not None:
            ways.append((recovery, "recovery"))
        opening.create(path, ways, cost=cost, clock=clock)
        return cls.open(path, unlocker, state_dir=state_dir, clock=clock)

    @classmethod
    def open(
        cls,
        path: Path,
        unlocker: Unlocker,
        *,
        state_dir: Path | None = None,
        accept_older: bool = False,
        clock: Callable[[], str] = utc_now,
    ) -> Vault:
        """Open a vault; see ``opening.open_vault`` for the steps and the errors.

        ``state_dir`` is where this machine remembers how far the log had come; None remembers nothing. With
        ``accept_older`` a vault that is older than remembered opens all the same, and its log says so.
        """
        from vault import opening

        platform.harden_process()
        keeper, lock = opening.open_vault(path, unlocker, clock=clock, state_dir=state_dir, accept_older=accept_older)
        return cls(keeper, lock, state_dir)

    @classmethod
    def attach(cls, path: Path, *, runtime_dir: Path, only_look: bool = False) -> Vault:
        """A vault that a session's agent keeps open, whose socket lies in ``runtime_dir``.

        With ``only_look`` nothing can be asked but ``session``, and the idle time-out goes on. Raises ``NoSession``;
        ``SessionOver`` if an agent died without closing; ``SessionRefused`` for what is not trusted; ``NoSuchVault``.
        """
        from vault.client import LOOK, USE, Client

        platform.harden_process()
        client = Client(runtime_dir, path, purpose=LOOK if only_look else USE)
        vault = cls(cast("Keeper", client))
        vault._client = client
        return vault

    @staticmethod
    def restore(
        source: Path,
        path: Path,
        unlocker: Unlocker,
        *,
        state_dir: Path | None = None,
        despite_damage: bool = False,
        progress: Callable[[int], None] | None = None,
        clock: Callable[[], str] = utc_now,
    ) -> Restored:
        """Make a vault at ``path`` from a backup; see ``restoring.restore`` for the steps and the errors."""
        from vault import restoring

        platform.harden_process()
        return restoring.restore(
            source,
            path,
            unlocker,
            clock=clock,
            state_dir=state_dir,
            despite_damage=despite_damage,
            progress=progress,
        )

    @property
    def identity(self) -> Identity:
        """Who this vault is to partners."""
        from vault.acquaintances import Identity

        return Identity(lambda: self.keeper)

    @property
    def partners(self) -> Partners:
        """Whom this vault shares with."""
        from vault.acquaintances import Partners

        return Partners(lambda: self.keeper)

    @property
    def keeper(self) -> Keeper:
        """The service behind this vault. Raises ``VaultClosed``."""
        if self._keeper is None:
            raise errors.VaultClosed
        return self._keeper

    @property
    def client(self) -> Client | None:
        """The connection to the session's agent; None where the vault was opened here."""
        return self._client

    @property
    def has_ended(self) -> bool:
        """Whether the session is over; a vault that was opened here ends with ``close`` alone."""
        return self._keeper is None or (self._client is not None and self._client.has_ended)

    def watch(self) -> socket.socket | None:
        """A socket that becomes readable when the session ends, for poll and select; the caller closes it.

        None where the vault was opened here. Raises ``SessionOver``.
        """
        return None if self._client is None else self._client.watch()

    def session(self) -> SessionState | None:
        """How long the session lasts; None where the vault was opened here. Raises ``SessionOver``."""
        return None if self._client is None else self._client.session()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What opening found that a person must hear: unknown-slot, older-than-last-time, log-key-lost, header-repaired,
        newer-files, recovered, unsettled; and, as soon as it is known, own-log-forked and partner-log-forked.
        """
        return tuple(self.keeper.warnings)

    @property
    def owner_only(self) -> bool:
        """Whether the disk keeps the vault's files from other users."""
        return platform.owner_only(self.path)

    def info(self) -> VaultInfo:
        """What the vault says of itself."""
        return self.keeper.info()

    def key_of(self, current: Unlocker) -> KeyLabel | None:
        """Which way in a secret is; None for one that the vault does not know. Raises ``WrongPassphrase``."""
        return self.keeper.key_of(current)

    def add_key(self, current: Unlocker, new: SecretUnlocker, *, label: str) -> KeyLabel:
        """A further way into the vault, at most eight in all; ``current`` is one that opens it now.

        Raises ``WrongPassphrase``, ``TooManyKeys``, ``BadValue``, and ``Refused`` for a secret or label that is there.
        """
        return self.keeper.add_key(current, new, label)

    def remove_key(self, current: Unlocker, slot: int, *, progress: Callable[[int], None] | None = None) -> KeyLabel:
        """Remove a way in and renew every key below it; the last one stays. ``progress`` is told of each case.

        Raises ``WrongPassphrase``, ``NoSuchKey``, ``Refused``. Objects stay as they are.
        """
        return self.keeper.remove_key(current, slot, progress=progress)

    def verify_secret(self, current: Unlocker) -> None:
        """See that a secret opens this vault. Raises ``WrongPassphrase``."""
        self.keeper.verify_secret(current)

    def change_passphrase(
        self,
        current: Unlocker,
        new: SecretUnlocker,
        *,
        recalibrate: bool = False,
        progress: Callable[[int], None] | None = None,
    ) -> tuple[KeyLabel, ...]:
        """Replace a way in, and every key below it; returns the ways in that were dropped.

        Raises ``WrongPassphrase``, ``Refused``. Objects stay as they are.
        """
        return self.keeper.change_passphrase(current, new, recalibrate=recalibrate, progress=progress)

    def search(self, words: str, *, case: str | None = None) -> tuple[Hit, ...]:
        """What the cases have for some words."""
        return self.keeper.search(words, case)

    def check(self, *, read_data: bool = False, progress: Callable[[int], None] | None = None) -> CheckReport:
        """Look for damage in the structure, or in every byte."""
        if not read_data:
            return self.keeper.check()
        from vault import checking

        return checking.read_all(self.keeper, progress=progress)

    def backup(self, path: Path, *, anew: bool = False, progress: Callable[[int], None] | None = None) -> BackedUp:
        """Make a backup in the folder ``path``, or bring one up to date; see ``backing_up.back_up`` for steps and errors.

        ``anew`` begins one where a backup was made before and is not any more.
        """
        from vault import backing_up

        return backing_up.back_up(self.keeper, path, anew=anew, progress=progress)

    def inspect_file(
        self, path: Path, *, spoken: Spoken | None = None, progress: Callable[[int], None] | None = None
    ) -> Found:
        """What is in a file that somebody sealed, and who they are; it is read to its end and nothing is stored.

        ``spoken`` is asked for the passphrase of a file that has one. Raises as ``open_file`` does.
        """
        from vault import unsealing

        return unsealing.inspect(self.keeper, path, spoken=spoken, progress=progress)

    def open_file(
        self,
        path: Path,
        *,
        spoken: Spoken | None = None,
        into: str | None = None,
        code: str | None = None,
        accept: Accept | None = None,
        incomplete: Incomplete | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> tuple[Found, Arrived]:
        """Store a file that somebody sealed, in the case ``into`` or a new one; see ``unsealing.unseal`` for the steps
        and the errors.
        """
        from vault import unsealing

        return unsealing.unseal(
            self.keeper,
            path,
            spoken=spoken,
            into=into,
            code=code,
            accept=accept,
            incomplete=incomplete,
            progress=progress,
        )

    def verify_place(self, target: Path, size_bytes: int = 0) -> Path:
        """See that a sealed file of so many bytes, or a receipt, can be written there, before anything is asked or opened.

        Returns where: ``target``, or under a random name in the folder ``target``. Raises ``AlreadyThere``,
        ``NoSuchFolder``, ``Refused``, ``ReadOnly``, ``NoSpace``.
        """
        from vault import files
        from vault.sealing import placed

        place = placed(self.keeper, target)
        files.verify_writable(place.parent, size_bytes)
        return place

    def write_receipt(self, found: Found, target: Path, *, came: int | None = None) -> Written:
        """Confirm to its sender that a file came which ``open_file`` stored, by a new file that only they can read.

        ``target`` is that file, or a folder in which it gets a random name. ``came`` is how many items came whole of a file
        that was refused. Raises ``NoReceipt`` where nothing proves who sent the file, or they could not verify who
        confirms it.
        """
        from vault import receipt_files

        return receipt_files.write(self.keeper, found, target, came=came)

    def take_receipt(self, path: Path) -> ReceiptTaken:
        """Take in a partner's receipt for a file that we sent; whatever is not one changes nothing.

        Raises ``BadReceipt``, ``NotForUs``, ``PartnerChanged``, ``NotAnAgeFile``.
        """
        from vault import receipt_files

        return receipt_files.take(self.keeper, path)

    def shares(self, *, case: str | None = None, partner: str | None = None) -> tuple[ShareSummary, ...]:
        """Who has what: the files that were sealed, oldest first, of one case and for one partner if these are named."""
        return self.keeper.share_list(case, partner)

    def log(self, case: str | None = None) -> tuple[LogEntry, ...]:
        """The access log, oldest first, of everything or of one case."""
        return self.keeper.log_entries(case)

    def verify_log(self, *, full: bool = False, progress: Callable[[int], None] | None = None) -> LogVerified:
        """Verify that the log proves itself, from the beginning if ``full``, else from where it was verified before.

        ``progress`` is told of steps. Raises ``LogProofFailed``, which names the first step that does not hold.
        """
        return self.keeper.log_verify(full=full, progress=progress)

    def disclose_log(
        self,
        path: Path,
        *,
        case: str | None = None,
        entries: tuple[int, ...] = (),
        hidden: tuple[str, ...] = (),
        purpose: str | None = None,
    ) -> None:
        """Write one case's entries of the log, or chosen ones, as a new file, with proofs for who trusts nobody.

        ``hidden`` names fields of which only a hash is given. Raises ``NoSuchCase``, ``NoSuchEntry``, ``BadValue``,
        ``Refused``, and as ``export_log``.
        """
        from vault import log_exporting

        log_exporting.disclose(self.keeper, path, case=case, entries=entries, hidden=hidden, purpose=purpose)

    def export_log(
        self,
        path: Path,
        *,
        progress: Callable[[int], None] | None = None,
        expect: Callable[[int], None] | None = None,
    ) -> None:
        """Write the public form of the whole log as a new file: leaves and signatures, of which anybody learns counts.

        ``expect`` is told the number of steps before the first is written, ``progress`` how many were. Until the file
        is whole its name ends in ``.partial``; the log says that it was done when it is durable. Raises
        ``AlreadyThere``, ``NoSuchFolder``, ``NoSpace``, ``ReadOnly``, ``LogUnavailable``, after which nothing of it is
        left; after ``OutcomeUnrecorded`` it is there.
        """
        from vault import log_exporting

        log_exporting.export(self.keeper, path, progress=progress, expect=expect)

    def log_head(self) -> LogHead:
        """The newest checkpoint of the log."""
        return self.keeper.log_head()

    def log_status(self) -> LogStatus:
        """How far the log has come, and how far it was verified."""
        return self.keeper.log_status()

    def close(self) -> None:
        """Close everything, remember how far the log came, give the vault free; of a session, end the connection.

        Closing twice is fine.
        """
        if self._keeper is None:
            return
        keeper, self._keeper = self._keeper, None
        if self._lock is None:
            keeper.close()
            return
        try:
            keeper.end_readings()
            self._remember(keeper)
        finally:
            try:
                keeper.close()
            finally:
                self._lock.release()

    def remember(self) -> None:
        """Tell this machine how far the log has come; ``close`` does it too."""
        self._remember(self.keeper)

    def _remember(self, keeper: Keeper) -> None:
        if self._state_dir:
            from vault import mark

            mark.remember(keeper.registry, self._state_dir)

    def __enter__(self) -> Vault:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
