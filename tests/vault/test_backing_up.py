"""Backups: what is written, what is kept, what is refused, and what a backup tells."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from vaults import Clock, all_files, case_path, flip, key_file, make_vault, object_files, open_vault

from vault import RecoveryUnlocker, Vault, backing_up, backup_marker, check_backup, errors, snapshot
from vault.keeper import Keeper


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    with make_vault(tmp_path / "v") as found:
        for code in ("HARBOUR", "MEADOW"):
            found.cases.new(f"CanaryTitle {code}", code=code)
            found.cases.get(code).items.add_text(f"CanaryStatement {code}", file_name="CanaryName.txt")
        yield found


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "stick").mkdir()
    return tmp_path / "stick" / "backup"


def check(place: Path, *, read_data: bool = True) -> tuple[tuple[str, str], ...]:
    report = check_backup(place, key_file(), read_data=read_data, clock=Clock())
    return tuple((each.kind, each.subject) for each in report.findings)


def files_of(place: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(place)): (path.read_bytes(), path.stat().st_ino)
        for path in place.rglob("*")
        if path.is_file()
    }


# What is written


def test_a_backup_has_every_object_and_every_database_and_checks_clean(vault: Vault, place: Path) -> None:
    done = vault.backup(place)
    assert (done.objects, done.objects_written, done.databases_written, done.objects_removed) == (2, 2, 3, 0)
    assert done.is_sound
    assert check(place) == ()
    assert {path.name: path.read_bytes() for path in object_files(place)} == {
        path.name: path.read_bytes() for path in object_files(vault.path)
    }


def test_only_what_changed_is_written_again(vault: Vault, place: Path) -> None:
    vault.backup(place)
    before = files_of(place)
    vault.cases.get("HARBOUR").items.add_text("more")
    done = vault.backup(place)
    after = files_of(place)
    assert (done.objects_written, done.databases_written) == (1, 2)
    new = {name for name in after if before.get(name) != after[name]}
    assert sorted(name.split("/")[0].split("-")[0] for name in new) == [
        "backup.a",
        "backup.b",
        "cases",
        "objects",
        "vault",
    ]
    again = vault.backup(place)
    assert (again.objects_written, again.databases_written) == (0, 1)
    assert check(place) == ()


def test_what_was_deleted_is_gone_from_the_next_backup_and_not_before(vault: Vault, place: Path) -> None:
    vault.backup(place)
    vault.cases.get("HARBOUR").items.get(1).delete()
    vault.cases.get("MEADOW").delete(key_file())
    assert len(object_files(place)) == 2
    assert check(place) == ()
    done = vault.backup(place)
    assert (done.objects, done.objects_removed) == (0, 2)
    assert object_files(place) == []
    assert len(list((place / "cases").iterdir())) == 1
    assert check(place) == ()


def test_a_new_passphrase_is_that_of_the_next_backup_and_the_old_one_of_the_last(vault: Vault, place: Path) -> None:
    vault.backup(place)
    vault.change_passphrase(key_file(), key_file(1))
    assert check(place) == ()
    vault.backup(place)
    with pytest.raises(errors.WrongPassphrase):
        check_backup(place, key_file(), clock=Clock())
    assert check_backup(place, key_file(1), read_data=True, clock=Clock()).findings == ()


def test_recovery_words_open_a_backup(tmp_path: Path, place: Path) -> None:
    recovery, _ = RecoveryUnlocker.generate()
    with Vault.create(tmp_path / "words", key_file(), recovery=recovery) as vault:
        vault.backup(place)
    assert check_backup(place, recovery).findings == ()


def test_the_vault_goes_on_in_the_same_session(vault: Vault, place: Path) -> None:
    with vault.cases.get("HARBOUR").items.get(1).open() as reading:
        vault.backup(place)
        assert b"".join(reading) == b"CanaryStatement HARBOUR"
    vault.cases.get("HARBOUR").note("after it")
    assert vault.check(read_data=True).findings == ()
    assert check(place) == ()


def test_a_backup_is_logged_before_and_after_and_remembered(vault: Vault, place: Path) -> None:
    assert (vault.info().last_backup, vault.info().backups) == (None, ())
    done = vault.backup(place)
    intent, outcome = [entry for entry in vault.log() if entry.act == "backup"]
    assert (intent.phase, outcome.phase, outcome.answers) == ("intent", "done", intent.number)
    assert outcome.size_bytes == done.bytes_written
    assert vault.info().last_backup == done.made
    assert [(known.place, known.made) for known in vault.info().backups] == [(str(place), done.made)]
    assert str(place) not in repr(vault.log()), "places stay out of the log, which may be shown"


def test_without_a_log_there_is_no_backup(vault: Vault, place: Path) -> None:
    vault.keeper.registry.store.execute("PRAGMA query_only = ON")
    with pytest.raises(errors.LogUnavailable):
        vault.backup(place)
    vault.keeper.registry.store.execute("PRAGMA query_only = OFF")
    assert list(place.rglob("*.db")) + object_files(place) == []


def test_what_a_crash_left_open_in_the_vault_is_in_the_backup(vault: Vault, place: Path, tmp_path: Path) -> None:
    # A case whose last change lies in the write-ahead log alone.
    vault.cases.get("HARBOUR").note("in the write-ahead log")
    shutil.copytree(vault.path, tmp_path / "crashed")
    with open_vault(tmp_path / "crashed") as crashed:
        assert case_path(crashed, "HARBOUR").with_name(case_path(crashed, "HARBOUR").name + "-wal").stat().st_size
        crashed.backup(place)
    assert check(place) == ()


def test_a_text_that_is_being_written_is_in_the_backup_as_it_was_last_saved(
    vault: Vault, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (vault.path / "drafts" / (digit * 30) for digit in "01")
    first.write_bytes(b"a sealed sentence")
    vault.backup(place)
    assert [path.name for path in (place / "drafts").iterdir()] == [f"{'0' * 30}-1"]
    vault.backup(place)
    assert [path.name for path in (place / "drafts").iterdir()] == [f"{'0' * 30}-1"], "not written again"
    copy = snapshot.copying.copy

    def saved_meanwhile(source: Path, target: Path, **more: object) -> object:
        if source == first and first.exists():
            second.write_bytes(b"two sealed sentences")
            first.unlink()
        return copy(source, target, **more)

    monkeypatch.setattr(snapshot.copying, "copy", saved_meanwhile)
    vault.backup(place)
    assert [path.name for path in (place / "drafts").iterdir()] == [f"{'1' * 30}-3"]
    monkeypatch.undo()
    flip(place / "drafts" / f"{'1' * 30}-3", 3)
    assert ("database", "vault") in check(place)
    vault.backup(place)
    assert check(place) == ()


def test_a_text_that_is_saved_while_the_drafts_are_listed_is_in_the_backup(
    vault: Vault, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with vault.cases.get("HARBOUR").drafts.begin(text="She came") as writing:
        saves = iter(["She came by the night train"])
        known = snapshot.is_draft_name

        def is_draft_name(name: str) -> bool:
            for text in saves:  # from one of its two places to the other
                writing.save(text)
            return known(name)

        monkeypatch.setattr(snapshot, "is_draft_name", is_draft_name)
        vault.backup(place)
        assert [path.name.partition("-")[0] for path in (place / "drafts").iterdir()] == [
            path.name for path in (vault.path / "drafts").iterdir()
        ]


# The vault changes meanwhile


class Meanwhile:
    """Something that another command does while objects are copied: once, after the first of them or at the moment itself."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, act: Callable[[], object], *, after: bool, times: int = 1
    ) -> None:
        self.left = times
        self._act = act
        copy, take = backing_up._Target._copy, snapshot.take

        def copied(*arguments: object) -> object:
            size = copy(*arguments)
            self._once(not after)
            return size

        def taken(*arguments: object) -> object:
            found = take(*arguments)
            self._once(after)
            return found

        monkeypatch.setattr(backing_up._Target, "_copy", copied)
        monkeypatch.setattr(snapshot, "take", taken)

    def _once(self, now: bool) -> None:
        if now and self.left:
            self.left -= 1
            self._act()


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("act", ["add", "delete", "passphrase"])
def test_a_vault_that_is_changed_while_it_is_copied_is_whole_in_the_backup(
    vault: Vault, place: Path, monkeypatch: pytest.MonkeyPatch, act: str, after: bool
) -> None:
    items = vault.cases.get("HARBOUR").items
    items.add_text("a second")
    acts: dict[str, Callable[[], object]] = {
        "add": lambda: items.add_text("meanwhile"),
        "delete": lambda: items.get(2).delete(),
        "passphrase": lambda: vault.change_passphrase(key_file(), key_file(1)),
    }
    meanwhile = Meanwhile(monkeypatch, acts[act], after=after)
    vault.backup(place)
    assert not meanwhile.left
    unlocker = key_file(1) if act == "passphrase" and not after else key_file()
    report = check_backup(place, unlocker, read_data=True, clock=Clock())
    assert report.findings == ()
    # What came after the moment is not in it.
    assert report.items == {"add": 3 if after else 4, "delete": 3 if after else 2, "passphrase": 3}[act]


def test_an_object_that_is_deleted_right_after_the_moment_leads_to_another_moment(
    vault: Vault, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = vault.cases.get("HARBOUR").items
    moments: list[int] = []
    take = snapshot.take

    def taken(*arguments: object) -> object:
        if not moments:
            items.add_text("comes and goes")
        found = take(*arguments)
        if not moments:
            items.get(2).delete()
        moments.append(1)
        return found

    monkeypatch.setattr(snapshot, "take", taken)
    vault.backup(place)
    assert len(moments) == 2
    assert check(place) == ()
    assert list((vault.path / "staging").iterdir()) == []


def test_a_vault_that_never_holds_still_is_said_so(vault: Vault, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    items = vault.cases.get("HARBOUR").items
    take = snapshot.take

    def taken(*arguments: object) -> object:
        number = items.add_text(os.urandom(8).hex()).item.summary.reference.partition("/")[2]
        found = take(*arguments)
        items.get(int(number)).delete()
        return found

    monkeypatch.setattr(snapshot, "take", taken)
    with pytest.raises(errors.VaultChanging):
        vault.backup(place)
    with pytest.raises(errors.BackupIncomplete):
        check(place)
    assert [entry.reason for entry in vault.log() if (entry.act, entry.phase) == ("backup", "failed")] == [
        "VaultChanging"
    ]


# Where


def test_a_folder_that_is_not_there_is_not_made_above_the_backup(vault: Vault, tmp_path: Path) -> None:
    with pytest.raises(errors.NoSuchFolder):
        vault.backup(tmp_path / "stick that is not plugged in" / "backup")
    assert not (tmp_path / "stick that is not plugged in").exists()


def test_a_backup_that_was_there_before_is_not_begun_anew_in_silence(vault: Vault, place: Path) -> None:
    vault.backup(place)
    place.rename(place.with_name("on the stick"))  # the folder where a stick is mounted, without the stick
    with pytest.raises(errors.BackupGone):
        vault.backup(place)
    assert not (place / "objects").exists()
    vault.backup(place, anew=True)
    assert check(place) == ()


@pytest.mark.parametrize("where", ["itself", "inside", "around", "through a link"])
def test_the_vault_itself_is_no_place(vault: Vault, tmp_path: Path, where: str) -> None:
    link = tmp_path / "link"
    link.symlink_to(vault.path)
    places = {
        "itself": vault.path,
        "inside": vault.path / "backup",
        "around": tmp_path,
        "through a link": link / "backup",
    }
    before = all_files(vault.path)
    with pytest.raises(errors.Refused):
        vault.backup(places[where])
    assert all_files(vault.path).keys() == before.keys()


@pytest.mark.parametrize("what", ["file", "folder with a file", "another vault"])
def test_what_somebody_else_put_there_is_left_alone(vault: Vault, place: Path, what: str) -> None:
    if what == "file":
        place.write_bytes(b"mine")
    elif what == "another vault":
        make_vault(place).close()
    else:
        place.mkdir()
        (place / "holiday.jpg").write_bytes(b"mine")
    before = place.read_bytes() if what == "file" else all_files(place)
    with pytest.raises(errors.NotABackup):
        vault.backup(place)
    assert (place.read_bytes() if what == "file" else all_files(place)) == before


def test_files_that_somebody_puts_into_a_backup_are_left_alone(vault: Vault, place: Path) -> None:
    vault.backup(place)
    strangers = [place / "note.txt", place / "objects" / "note.txt", place / "cases" / ".DS_Store"]
    for path in strangers:
        path.write_bytes(b"mine")
    vault.backup(place)
    assert all(path.read_bytes() == b"mine" for path in strangers)
    assert check(place) == ()


def test_another_vaults_backup_is_refused(vault: Vault, place: Path, tmp_path: Path) -> None:
    with make_vault(tmp_path / "other") as other:
        other.backup(place)
    before = all_files(place)
    with pytest.raises(errors.Refused, match="another vault"):
        vault.backup(place)
    assert all_files(place) == before


def test_an_older_copy_of_the_vault_does_not_replace_a_newer_backup(vault: Vault, place: Path, tmp_path: Path) -> None:
    vault.close()
    shutil.copytree(vault.path, tmp_path / "older")
    with open_vault(vault.path) as newer:
        newer.cases.get("HARBOUR").note("withdrawn")
        newer.backup(place)
    before = all_files(place)
    with open_vault(tmp_path / "older") as older:
        with pytest.raises(errors.Refused, match="later state"):
            older.backup(place)
        for _ in range(9):  # another history of the same length is another one all the same
            older.cases.get("MEADOW").note("something else")
        with pytest.raises(errors.Refused, match="later state"):
            older.backup(place)
    assert all_files(place) == before


def test_two_backups_into_one_place_at_once(vault: Vault, place: Path, tmp_path: Path) -> None:
    vault.backup(place)
    code = (
        "import sys; from pathlib import Path; from vault.folder import take_lock;"
        "lock = take_lock(Path(sys.argv[1]), Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(place / "lock")],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(errors.VaultInUse):
        vault.backup(place)
    holder.communicate(b"")
    vault.backup(place)


@pytest.mark.parametrize("name", ["objects", "cases", "ab"])
def test_a_link_in_a_backup_leads_nothing_elsewhere(vault: Vault, place: Path, tmp_path: Path, name: str) -> None:
    vault.backup(place)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    target = place / name if name != "ab" else object_files(place)[0].parent
    shutil.rmtree(target)
    target.symlink_to(elsewhere)
    with pytest.raises(errors.BackupDamaged):
        vault.backup(place)
    assert list(elsewhere.iterdir()) == []


# A damaged vault spoils no backup


def test_a_file_that_the_vault_lost_stays_in_the_backup(vault: Vault, place: Path) -> None:
    vault.backup(place)
    lost = object_files(vault.path)[0]
    lost.unlink()
    done = vault.backup(place)
    assert (done.lost, done.objects_removed, done.is_sound) == (1, 0, False)
    assert check(place) == ()


def test_a_file_that_is_cut_off_in_the_vault_does_not_replace_the_whole_one(vault: Vault, place: Path) -> None:
    vault.backup(place)
    cut = object_files(vault.path)[0]
    os.truncate(cut, 1000)
    done = vault.backup(place)
    assert (done.shorter, done.objects_written, done.is_sound) == (1, 0, False)
    assert check(place) == ()


def test_a_case_that_is_damaged_does_not_replace_its_copy_and_the_others_are_copied(vault: Vault, place: Path) -> None:
    vault.backup(place)
    for code in ("HARBOUR", "MEADOW"):
        vault.cases.get(code).note("later")
    damaged = case_path(vault, "HARBOUR")
    vault.close()
    flip(damaged, 5000)
    with open_vault(vault.path) as again:
        done = again.backup(place)
    assert (done.damaged, done.is_sound) == (("HARBOUR",), False)
    assert check(place) == (("older copy", "HARBOUR"),)


def test_a_damaged_copy_in_the_backup_is_replaced(vault: Vault, place: Path) -> None:
    vault.backup(place)
    flip(next((place / "cases").iterdir()), 5000)
    assert [kind for kind, _ in check(place)] == ["database", "database"]
    vault.backup(place)
    assert check(place) == ()
    os.truncate(object_files(place)[0], 10)
    assert ("damaged", "HARBOUR/1") in check(place) or ("damaged", "MEADOW/1") in check(place)
    assert vault.backup(place).objects_written == 1
    assert check(place) == ()


def test_both_markers_damaged_is_refused_and_one_is_written_anew(vault: Vault, place: Path) -> None:
    vault.backup(place)
    flip(place / "backup.a", 12_000 if (place / "backup.a").stat().st_size > 12_000 else 500)
    assert ("header", "backup.a") in check(place)
    vault.backup(place)
    assert check(place) == ()
    for name in backup_marker.FILE_NAMES:
        flip(place / name, 500)
    with pytest.raises(errors.BackupDamaged):
        vault.backup(place)
    with pytest.raises(errors.BackupDamaged):
        check(place)


# What it tells


def test_a_backup_tells_no_name_no_place_and_no_time(vault: Vault, place: Path) -> None:
    vault.backup(place)
    for path in place.rglob("*"):
        if path.is_file() and path.name != "lock":
            assert path.stat().st_mtime == 0, path
            content = path.read_bytes()
            assert b"Canary" not in content
            assert b"HARBOUR" not in content
            assert b"2026" not in content, "the date of the backup is sealed"
            assert os.fsencode(place.name) not in content.replace(backup_marker.MAGIC, b"")
            assert path.stat().st_mode & 0o777 == 0o600
    vault_id = bytes.fromhex(vault.info().vault_id)
    assert all(vault_id not in content for content in all_files(place).values())


def test_no_key_of_the_log_is_copied(vault: Vault, place: Path) -> None:
    (vault.path / "logkey").write_bytes(b"the key of the next step" * 400)
    vault.backup(place)
    assert {path.name for path in place.iterdir()} == {
        "backup.a", "backup.b", "cases", "drafts", "lock", "objects", "vault-1-1.db",
    }  # fmt: skip


def test_requests_of_a_backup_need_its_intent(vault: Vault, tmp_path: Path) -> None:
    keeper: Keeper = vault.keeper
    for ask in (
        lambda: keeper.backup_snapshot(0, str(tmp_path), ()),
        lambda: keeper.backup_known(0, (b"x" * 16,)),
        lambda: keeper.backup_end(0, "done"),
    ):
        with pytest.raises(errors.ReceiptRefused):
            ask()
    begun = keeper.backup_begin(str(tmp_path), ())
    keeper.end_readings()
    with pytest.raises(errors.ReceiptRefused):
        keeper.backup_snapshot(begun.intent, str(tmp_path), ())
    assert [entry.reason for entry in vault.log() if entry.phase == "failed"] == ["closed"]
