"""A backup and a restore whose disk fails at every single write: the last complete backup is there, or the new one.

And whatever happened, the next backup completes it, and the vault has lost nothing.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import scenarios
from endings import every_end
from faults import Failure, FatDisk, FaultyDisk, bury, every_failure, replaced
from vaults import Clock, key_file, make_vault, open_vault

from vault import Vault, check_backup, errors
from vault.disk import Buffer


@pytest.fixture
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="cv-", dir=scenarios.scratch()) as name:
        yield Path(name)
    bury()


class Scene:
    """A vault with a backup of an earlier state: since then something was added, and something deleted."""

    def __init__(self, place: Path, *, with_backup: bool) -> None:
        self.place = place
        self.vault, self.backup = place / "vault", place / "stick" / "backup"
        template = place / "template"
        (template / "stick").mkdir(parents=True)
        with make_vault(template / "vault") as vault:
            vault.cases.new("Harbour", code="HARBOUR")
            vault.cases.new("Meadow", code="MEADOW")
            vault.cases.get("MEADOW").items.add_text("never touched again")
            items = vault.cases.get("HARBOUR").items
            items.add_text("the first")
            items.add_text("the second")
            if with_backup:
                vault.backup(template / "stick" / "backup")
                items.get(1).delete()
                items.add_text("the third")
                items.add_text("the fourth")
        self.template = template

    def prepare(self) -> None:
        bury()
        for name in ("vault", "stick"):
            shutil.rmtree(self.place / name, ignore_errors=True)
            shutil.copytree(self.template / name, self.place / name)

    def run(self) -> None:
        with open_vault(self.vault) as vault:
            vault.backup(self.backup)

    def cut_everywhere(self, check: Callable[[Failure], None], disk: type[FaultyDisk] = FaultyDisk) -> int:
        """The power fails at every operation: the harder crash."""
        self.prepare()
        places = self.vault, self.place / "stick"
        return every_end(self.run, check, places=places, kinds=("power cut",), disk=disk)

    def items_in_backup(self) -> int:
        report = check_backup(self.backup, key_file(), read_data=True, clock=Clock())
        assert report.findings == ()
        assert report.objects_not_read == 0
        return report.items

    def verify_next(self, expected: int) -> None:
        with open_vault(self.vault) as vault:
            assert set(vault.warnings) <= {"recovered"}
            done = vault.backup(self.backup, anew=True)
            assert done.is_sound
        assert self.items_in_backup() == expected
        left = [path.name for path in self.backup.rglob("*") if path.is_file()]
        assert len(left) == done.objects + 3 + 2 + 1, f"nothing but objects, databases, markers and lock: {left}"


@pytest.mark.slow
def test_a_backup_that_fails_at_any_write_leaves_the_one_before_or_the_new_one(place: Path) -> None:
    scene = Scene(place, with_backup=True)
    seen = set()

    def check(failure: Failure) -> None:
        items = scene.items_in_backup()
        seen.add(items)
        if failure.raised is None:
            assert items == 4
        assert items in (3, 4)
        scene.verify_next(4)

    # Those that lead to different states: an error that is seen, half written, and the end.
    assert every_failure(scene.run, check, prepare=scene.prepare, kinds=("torn",)) + scene.cut_everywhere(check) > 40
    assert seen == {3, 4}


@pytest.mark.slow
def test_a_first_backup_that_fails_at_any_write_is_incomplete_or_whole(place: Path) -> None:
    scene = Scene(place, with_backup=False)
    seen = set()

    def check(failure: Failure) -> None:
        try:
            seen.add(scene.items_in_backup())
        except (errors.BackupIncomplete, errors.NoSuchVault, errors.NotAVault) as error:
            seen.add(type(error))
            assert failure.raised is not None
            with pytest.raises(type(error)):
                Vault.restore(scene.backup, place / "new", key_file(), clock=Clock())
            assert not (place / "new").exists()
        scene.verify_next(3)

    assert scene.cut_everywhere(check) > 40
    assert {errors.BackupIncomplete, 3} <= seen <= {errors.BackupIncomplete, errors.NoSuchVault, errors.NotAVault, 3}


@pytest.mark.slow
def test_on_a_stick_where_a_rename_is_two_steps_the_backup_survives_too(place: Path) -> None:
    scene = Scene(place, with_backup=True)

    def check(_failure: Failure) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("vault.backups.BackupFolder.damaged_headers", lambda *_: [])  # one copy may be lost
            assert scene.items_in_backup() in (3, 4)
        scene.verify_next(4)

    scene.cut_everywhere(check, FatDisk)


@pytest.mark.slow
def test_a_restore_that_fails_at_any_write_leaves_a_whole_vault_or_none(place: Path) -> None:
    scene = Scene(place, with_backup=True)
    scene.prepare()
    before = _tree(scene.backup)
    target = place / "restored"

    def prepare() -> None:
        bury()
        for path in place.glob("*restored*"):
            shutil.rmtree(path)
        for path in place.glob(".restored*"):
            shutil.rmtree(path)

    def run() -> None:
        Vault.restore(scene.backup, target, key_file(), clock=Clock())

    def check(failure: Failure) -> None:
        bury()
        if failure.raised is None:
            assert target.exists()
        if target.exists():
            _verify_restored(target)
            shutil.rmtree(target)
        elif failure.kind == "torn":
            assert [path.name for path in place.iterdir() if "restored" in path.name] == []
        Vault.restore(scene.backup, target, key_file(), clock=Clock())
        _verify_restored(target)
        assert [path.name for path in place.iterdir() if "restored" in path.name] == ["restored"]
        assert _tree(scene.backup) == before

    assert every_failure(run, check, prepare=prepare, kinds=("torn", "torn crash")) > 40


def _verify_restored(path: Path) -> None:
    with open_vault(path) as vault:
        assert vault.warnings == ()
        assert vault.check(read_data=True).findings == ()
        assert len(vault.cases.get("HARBOUR").items.list()) == 2


def _tree(path: Path) -> dict[str, tuple[bytes, int]]:
    return {str(each): (each.read_bytes(), each.stat().st_mtime_ns) for each in path.rglob("*") if each.is_file()}


class LyingDisk(FaultyDisk):
    """Takes every write, and keeps one of them wrongly."""

    def write(self, descriptor: int, data: Buffer) -> None:
        path = self._paths[descriptor]
        if "stick" in path.parts and "objects" in path.parts:
            data = bytes(data)
            data = data[:-1] + bytes([data[-1] ^ 1])
        super().write(descriptor, data)


def test_a_stick_that_keeps_other_bytes_than_were_written_is_found_by_reading_back(place: Path) -> None:
    scene = Scene(place, with_backup=False)
    scene.prepare()
    with replaced(LyingDisk()), pytest.raises(errors.CopyDiffers):
        scene.run()
    assert [path for path in (scene.backup / "objects").rglob("*") if path.is_file()] == []
    with pytest.raises(errors.BackupIncomplete):
        scene.items_in_backup()
    scene.verify_next(3)


def test_a_full_stick_leaves_the_last_backup_and_says_so(place: Path) -> None:
    scene = Scene(place, with_backup=True)
    scene.prepare()
    with replaced(FaultyDisk().fail_nth(30, forever=True)), pytest.raises((errors.NoSpace, errors.LogUnavailable)):
        scene.run()
    assert scene.items_in_backup() == 3
    scene.verify_next(4)
