"""Restoring: whole or refused, in a new place only, declared, and the backup untouched."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults import FaultyDisk, replaced
from vaults import Clock, all_files, body_of, flip, key_file, make_vault, object_files, open_vault

from vault import RecoveryUnlocker, Vault, check_backup, errors, mark
from vault.restoring import Restored


@pytest.fixture
def original(tmp_path: Path, state: Path) -> Path:
    with make_vault(tmp_path / "v", state_dir=state) as vault:
        for code in ("HARBOUR", "MEADOW"):
            vault.cases.new(f"Title {code}", code=code)
            vault.cases.get(code).items.add_text(f"Statement {code}")
        (tmp_path / "stick").mkdir()
        vault.backup(tmp_path / "stick" / "backup")
    return tmp_path / "v"


@pytest.fixture
def place(original: Path) -> Path:
    return original.parent / "stick" / "backup"


@pytest.fixture
def new(tmp_path: Path) -> Path:
    return tmp_path / "new"


def restore(place: Path, new: Path, *, state_dir: Path | None = None, despite_damage: bool = False) -> Restored:
    return Vault.restore(place, new, key_file(), state_dir=state_dir, despite_damage=despite_damage, clock=Clock())


def tree(path: Path) -> dict[str, tuple[bytes, int]]:
    return {str(each): (each.read_bytes(), each.stat().st_mtime_ns) for each in path.rglob("*") if each.is_file()}


def test_everything_is_there_again_and_the_backup_is_as_it_was(place: Path, new: Path, original: Path) -> None:
    before = tree(place)
    done = restore(place, new)
    assert (done.cases, done.items, done.generation, done.findings) == (2, 2, 2, ())
    assert tree(place) == before
    with open_vault(new) as vault:
        assert vault.warnings == ()
        assert vault.check(read_data=True).findings == ()
        with vault.cases.get("MEADOW").items.get(1).open() as reading:
            assert b"".join(reading) == b"Statement MEADOW"
        vault.cases.get("MEADOW").note("work goes on")
    assert {path.name for path in object_files(new)} == {path.name for path in object_files(original)}


def test_a_text_that_was_being_written_is_durable_when_the_restore_is(tmp_path: Path, new: Path) -> None:
    with make_vault(tmp_path / "v") as vault:
        vault.cases.new("Harbour Street", code="HARBOUR")
        vault.cases.get("HARBOUR").drafts.begin(text="She came").keep()
        vault.backup(tmp_path / "backup")
    with replaced(disk := FaultyDisk()):
        restore(tmp_path / "backup", new)
    names = {path.name for path in (new / "drafts").iterdir()}
    written = max(at for at, (_, name) in enumerate(disk.operations) if name in names)
    assert ("fsync_folder", "drafts") in disk.operations[written:]


def test_recovery_words_restore_too(tmp_path: Path, new: Path) -> None:
    recovery, _ = RecoveryUnlocker.generate()
    (tmp_path / "stick").mkdir()
    with Vault.create(tmp_path / "words", key_file(), recovery=recovery) as vault:
        vault.backup(tmp_path / "stick" / "b")
    Vault.restore(tmp_path / "stick" / "b", new, recovery)
    open_vault(new).close()


def test_a_wrong_secret_makes_nothing(place: Path, new: Path) -> None:
    with pytest.raises(errors.WrongPassphrase):
        Vault.restore(place, new, key_file(7))
    assert not [path for path in new.parent.iterdir() if "new" in path.name]


# Declared


def test_the_log_says_that_it_was_restored_and_from_which_state(place: Path, new: Path, original: Path) -> None:
    restore(place, new)
    with open_vault(new) as vault:
        acts = [(entry.act, entry.phase) for entry in vault.log()]
        assert acts[-7:-1] == [
            ("backup", "intent"),
            ("backup", "recovered"),
            ("restore", "intent"),
            ("restore", "done"),
            ("check", "intent"),
            ("check", "done"),
        ]
        number = next(entry.number for entry in vault.log() if entry.act == "restore")
        registry = vault.keeper.registry
        heads = body_of(registry, number).fields["heads"]
        assert isinstance(heads, list)
        assert [set(head) for head in heads] == [{"generation", "root", "size", "step"}]
        assert heads[0]["generation"] == 1
        assert bytes.fromhex(heads[0]["root"]) == registry.root_at(heads[0]["step"])
        assert mark.generation(registry) == 2
    with open_vault(original) as vault:  # the old head is one of the original's own
        assert bytes.fromhex(heads[0]["root"]) == vault.keeper.registry.root_at(heads[0]["step"])
        assert mark.generation(vault.keeper.registry) == 1


def test_the_original_and_the_restored_vault_are_both_remembered(
    place: Path, new: Path, original: Path, state: Path
) -> None:
    with open_vault(original, state_dir=state) as vault:
        vault.cases.get("HARBOUR").note("after the backup")
    done = restore(place, new, state_dir=state)
    assert done.older, "this machine has seen a later state, and says so"
    for path in (original, new, original, new):
        with open_vault(path, state_dir=state) as vault:
            vault.cases.get("HARBOUR").note("goes on")
            assert vault.warnings == ()


def test_the_later_head_that_this_machine_remembers_is_named_in_the_log(
    place: Path, new: Path, original: Path, state: Path
) -> None:
    with open_vault(original, state_dir=state) as vault:
        vault.cases.get("HARBOUR").note("after the backup")
        step = vault.keeper.registry.steps
    restore(place, new, state_dir=state)
    with open_vault(new) as vault:
        number = next(entry.number for entry in vault.log() if entry.act == "restore")
        heads = body_of(vault.keeper.registry, number).fields["heads"]
        assert isinstance(heads, list)
        assert [head["step"] > vault.keeper.head_at_open["step"] for head in heads] == [False, False]
        assert heads[1]["step"] == step


def test_a_restored_vault_that_is_put_back_to_an_earlier_time_is_noticed(
    place: Path, new: Path, state: Path, tmp_path: Path
) -> None:
    restore(place, new, state_dir=state)
    shutil.copytree(new, tmp_path / "earlier")
    with open_vault(new, state_dir=state) as vault:
        vault.cases.get("HARBOUR").note("withdrawn")
    shutil.rmtree(new)
    shutil.copytree(tmp_path / "earlier", new)
    with pytest.raises(errors.OlderThanRemembered):
        open_vault(new, state_dir=state)


def test_the_original_that_is_put_back_to_the_time_of_the_backup_is_noticed_still(
    place: Path, new: Path, original: Path, state: Path, tmp_path: Path
) -> None:
    shutil.copytree(original, tmp_path / "earlier")
    with open_vault(original, state_dir=state) as vault:
        vault.cases.get("HARBOUR").note("withdrawn")
    restore(place, new, state_dir=state)
    shutil.rmtree(original)
    shutil.copytree(tmp_path / "earlier", original)
    with pytest.raises(errors.OlderThanRemembered):
        open_vault(original, state_dir=state)


def test_a_restored_vault_is_restored_once_more_and_backed_up_into_the_same_place(
    place: Path, new: Path, original: Path, tmp_path: Path
) -> None:
    restore(place, new)
    with open_vault(new) as vault:
        assert [known.place for known in vault.info().backups] == [str(place)]
        vault.cases.get("HARBOUR").note("later")
        vault.backup(place)
    assert restore(place, tmp_path / "third").generation == 3
    with open_vault(original) as vault, pytest.raises(errors.Refused):
        vault.backup(place)  # another history by now


# Where


@pytest.mark.parametrize("what", ["file", "folder", "vault"])
def test_nothing_is_overwritten(place: Path, new: Path, what: str) -> None:
    if what == "file":
        new.write_bytes(b"mine")
    elif what == "folder":
        new.mkdir()
        (new / "mine").write_bytes(b"mine")
    else:
        make_vault(new).close()
    before = new.read_bytes() if what == "file" else all_files(new)
    with pytest.raises(errors.AlreadyThere):
        restore(place, new)
    assert (new.read_bytes() if what == "file" else all_files(new)) == before


def test_an_empty_folder_is_in_nobodys_way(place: Path, new: Path) -> None:
    new.mkdir()
    restore(place, new)
    open_vault(new).close()


def test_what_a_killed_restore_left_is_removed_and_what_is_not_ours_is_not(place: Path, new: Path) -> None:
    left = new.with_name(f".{new.name}.unfinished")
    (left / "objects").mkdir(parents=True)
    (left / "lock").touch()
    restore(place, new)
    assert not left.exists()
    shutil.rmtree(new)
    left.mkdir()
    (left / "diary.txt").write_text("mine")
    with pytest.raises(errors.AlreadyThere):
        restore(place, new)
    assert (left / "diary.txt").read_text() == "mine"


def test_neither_a_stranger_nor_an_unfinished_backup_is_restored(place: Path, new: Path, tmp_path: Path) -> None:
    with pytest.raises(errors.NoSuchVault):
        restore(tmp_path / "nothing", new)
    (tmp_path / "photos").mkdir()
    with pytest.raises(errors.NotAVault):
        restore(tmp_path / "photos", new)


# A copy of a vault's folder is a backup too


def test_a_copied_folder_is_restored_with_what_its_write_ahead_logs_hold(
    original: Path, new: Path, tmp_path: Path
) -> None:
    with open_vault(original) as vault:
        vault.cases.get("HARBOUR").note("in the write-ahead log")
        shutil.copytree(original, tmp_path / "copy")
    done = restore(tmp_path / "copy", new)
    assert (done.made, done.generation, done.items) == (None, 2, 2)
    with open_vault(new) as vault:
        assert [note.text for note in vault.cases.get("HARBOUR").show().notes] == ["in the write-ahead log"]


def test_a_vault_in_use_is_not_copied(original: Path, new: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from vault import KeyFileUnlocker, Vault;"
        "vault = Vault.open(Path(sys.argv[1]), KeyFileUnlocker(bytes(32))); print('open', flush=True); sys.stdin.read()"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(original)], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"open\n"
    with pytest.raises(errors.VaultInUse):
        restore(original, new)
    holder.communicate(b"")


# Damage


def test_every_flipped_byte_that_matters_refuses_a_restore_and_is_found_by_check(place: Path, new: Path) -> None:
    paths = [path for path in sorted(place.rglob("*")) if path.is_file() and path.name != "lock"]
    assert len(paths) == 7
    for path in paths:
        size = path.stat().st_size
        for offset in (0, 40, size // 2, size - 1):
            flip(path, offset)
            try:
                found = check_backup(place, key_file(), read_data=True, clock=Clock()).findings
            except (errors.Damage, errors.UnknownFormat):
                found = ("refused",)
            assert found, (path.name, offset)
            if path.name.startswith("backup."):
                restore(place, new)  # the other copy is whole
                shutil.rmtree(new)
            else:
                with pytest.raises(errors.Damage):
                    restore(place, new)
                assert not [each for each in new.parent.iterdir() if "new" in each.name]
            flip(path, offset)
    assert check_backup(place, key_file(), read_data=True, clock=Clock()).findings == ()


def test_all_the_rest_of_a_damaged_backup_is_restored_when_that_is_wanted(place: Path, new: Path) -> None:
    flip(object_files(place)[0], 100)
    done = restore(place, new, despite_damage=True)
    assert [each.kind for each in done.findings] == ["damaged"]
    with open_vault(new) as vault:
        assert len(vault.check(read_data=True).findings) == 1
        assert {case.code for case in vault.cases.list()} == {"HARBOUR", "MEADOW"}


def test_a_missing_object_or_database_refuses_a_restore(place: Path, new: Path) -> None:
    for path in (object_files(place)[0], next((place / "cases").iterdir()), next(place.glob("vault-*"))):
        aside = path.with_name("aside")
        path.rename(aside)
        with pytest.raises(errors.Damage):
            restore(place, new)
        assert not new.exists()
        aside.rename(path)
    restore(place, new)


@pytest.mark.skipif(sys.platform == "win32", reason="left out: devices with names")
@pytest.mark.parametrize("what", ["object", "database"])
def test_a_backup_that_leads_to_a_device_takes_no_time_without_end(place: Path, new: Path, what: str) -> None:
    path = object_files(place)[0] if what == "object" else next((place / "cases").iterdir())
    path.unlink()
    path.symlink_to("/dev/zero")
    with pytest.raises((errors.Damage, errors.SourceUnreadable)):
        restore(place, new)
    assert not [each for each in new.parent.iterdir() if "new" in each.name]


# Mixed and planted


@pytest.fixture
def earlier(place: Path, original: Path, tmp_path: Path) -> Path:
    """The backup as it was, before another one was made into its place."""
    shutil.copytree(place, tmp_path / "earlier backup")
    with open_vault(original) as vault:
        vault.cases.get("HARBOUR").note("withdrawn")
        vault.cases.get("HARBOUR").items.add_text("later")
        vault.backup(place)
    return tmp_path / "earlier backup"


def renamed(path: Path, place: Path) -> Path:
    """Where a database of an earlier backup would have to lie to be taken for the current one."""
    pattern = path.name.rpartition("-")[0] + "-*"
    return next((place / "cases" if path.parent.name == "cases" else place).glob(pattern))


def test_an_older_database_under_the_newer_name_is_found(earlier: Path, place: Path, new: Path) -> None:
    for old in (*earlier.glob("vault-*.db"), *(earlier / "cases").iterdir()):
        current = renamed(old, place)
        if current.read_bytes() == old.read_bytes():
            continue
        whole = current.read_bytes()
        current.write_bytes(old.read_bytes())
        with pytest.raises(errors.Damage):
            restore(place, new)
        current.write_bytes(whole)
    restore(place, new)


def test_an_older_pool_of_objects_lacks_what_the_newer_databases_name(earlier: Path, place: Path, new: Path) -> None:
    shutil.rmtree(place / "objects")
    shutil.copytree(earlier / "objects", place / "objects")
    report = check_backup(place, key_file(), clock=Clock())
    assert [(each.kind, each.subject) for each in report.findings] == [("missing", "HARBOUR/2")]
    with pytest.raises(errors.RestoreRefused):
        restore(place, new)


def test_a_marker_of_one_backup_does_not_fit_the_files_of_another(earlier: Path, place: Path, new: Path) -> None:
    for name in ("backup.a", "backup.b"):
        shutil.copy(earlier / name, place / name)
    with pytest.raises(errors.Damage):
        restore(place, new)


def test_exchanged_objects_are_found(place: Path, new: Path) -> None:
    first, second = object_files(place)
    one, other = first.read_bytes(), second.read_bytes()
    assert len(one) == len(other)
    first.write_bytes(other)
    second.write_bytes(one)
    with pytest.raises(errors.RestoreRefused):
        restore(place, new)


def test_the_databases_of_two_vaults_do_not_mix(place: Path, new: Path, tmp_path: Path) -> None:
    with make_vault(tmp_path / "other") as other:
        other.cases.new("Other", code="HARBOUR")
        other.backup(tmp_path / "stick" / "other")
    shutil.copy(next((tmp_path / "stick" / "other").glob("vault-*")), next(place.glob("vault-*")))
    with pytest.raises(errors.Damage):
        restore(place, new)


def test_without_its_markers_a_backup_is_no_vault(place: Path) -> None:
    for name in ("backup.a", "backup.b"):
        (place / name).unlink()
    with pytest.raises((errors.NotAVault, errors.HeaderDamaged)):
        open_vault(place)
    assert not list(place.rglob("*-wal"))


def test_a_marker_in_a_vault_changes_nothing_and_is_named_by_check(place: Path, original: Path) -> None:
    for name in ("backup.a", "backup.b"):
        shutil.copy(place / name, original / name)
    with open_vault(original) as vault:
        vault.cases.get("HARBOUR").note("the vault works as before")
        assert [(each.kind, each.subject) for each in vault.check().findings] == [
            ("stray", "backup.a"),
            ("stray", "backup.b"),
        ]


def test_headers_in_a_backup_make_no_vault_of_it(place: Path, original: Path) -> None:
    before = tree(place)
    for name in ("header.a", "header.b"):
        shutil.copy(original / name, place / name)
    with pytest.raises(errors.Damage):
        open_vault(place)
    for name in ("header.a", "header.b"):
        (place / name).unlink()
    assert tree(place).keys() == before.keys()
    assert all(each == before[name] for name, each in tree(place).items() if not name.endswith("lock"))


def test_a_backup_does_not_open_as_a_vault_and_stays_as_it_is(place: Path) -> None:
    before = tree(place)
    with pytest.raises(errors.IsABackup):
        open_vault(place)
    assert tree(place) == before


# Where nothing can be written


@pytest.fixture
def read_only(tmp_path: Path, original: Path) -> Iterator[Path]:
    """The folder of vault and backup once more, through a mount that takes no writes."""
    mounted = tmp_path / "read-only"
    mounted.mkdir()
    try:
        subprocess.run(["mount", "--bind", str(tmp_path), str(mounted)], check=True, capture_output=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", str(mounted)], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        subprocess.run(["umount", str(mounted)], capture_output=True, check=False)
        pytest.skip("left out: a read-only mount needs root on Linux")
    yield mounted
    subprocess.run(["umount", str(mounted)], check=True, capture_output=True)


def test_a_backup_on_a_disk_that_takes_no_writes_is_checked_and_restored(read_only: Path, new: Path) -> None:
    place = read_only / "stick" / "backup"
    assert check_backup(place, key_file(), read_data=True, clock=Clock()).findings == ()
    assert restore(place, new).items == 2


def test_a_vault_on_a_disk_that_takes_no_writes_is_refused_and_can_be_restored_elsewhere(
    read_only: Path, new: Path
) -> None:
    with pytest.raises(errors.VaultReadOnly):
        open_vault(read_only / "v")
    assert restore(read_only / "v", new).items == 2
    open_vault(new).close()
