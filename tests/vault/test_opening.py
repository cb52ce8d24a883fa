from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest
from faults import FatDisk, FaultyDisk, replaced
from vaults import (
    Clock,
    all_files,
    case_path,
    changed_pages,
    copied,
    exchange,
    key_file,
    make_vault,
    open_vault,
    put_page,
)

from crypto import kdf
from vault import PersonFields, RecoveryUnlocker, Vault, errors, header, inspect_folder, opening
from vault.errors import (
    AlreadyThere,
    DatabaseDamaged,
    LogKeyLost,
    LogUnavailable,
    NoSpace,
    NoSuchVault,
    OlderCopy,
    ReadOnly,
    TooManyKeys,
    VaultInUse,
)
from vault.folder import SUBFOLDERS, Folder, Staging
from vault.log import Log

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="left out: modes of POSIX")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with make_vault(tmp_path / "v") as vault:
        for code in ("HARBOUR", "BRIDGE"):
            vault.cases.new(code.title(), code=code)
            vault.cases.get(code).items.add_text(f"text of {code}")
            vault.cases.get(code).persons.add(PersonFields(name="Zaynab"))
    return tmp_path / "v"


# Making one


def test_a_new_vault_has_the_documented_form_and_nothing_else(tmp_path: Path) -> None:
    make_vault(tmp_path / "deep" / "v").close()
    names = {each.name for each in (tmp_path / "deep" / "v").iterdir()}
    assert names == {"header.a", "header.b", "vault-1.db", "logkey", "lock", *SUBFOLDERS}
    assert [each.name for each in (tmp_path / "deep").iterdir()] == ["v"]
    with open_vault(tmp_path / "deep" / "v") as vault:
        assert vault.cases.list() == ()
        assert vault.check(read_data=True).findings == ()
        assert [(entry.act, entry.phase) for entry in vault.log()][:2] == [
            ("vault-create", "intent"),
            ("vault-create", "done"),
        ]


def test_an_empty_folder_may_become_a_vault(tmp_path: Path) -> None:
    (tmp_path / "v").mkdir()
    make_vault(tmp_path / "v").close()
    open_vault(tmp_path / "v").close()


@pytest.mark.parametrize("kind", ["file", "folder", "vault", "link", "broken link"])
def test_a_vault_is_never_made_over_anything(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "v"
    if kind == "file":
        path.write_bytes(b"x")
    elif kind == "folder":
        path.mkdir()
        (path / "a").write_bytes(b"x")
    elif kind == "vault":
        make_vault(path).close()
    else:
        (tmp_path / "target").mkdir()
        path.symlink_to(tmp_path / ("target" if kind == "link" else "absent"))
    before = all_files(tmp_path)
    with pytest.raises(AlreadyThere):
        make_vault(path)
    assert all_files(tmp_path) == before
    assert not (tmp_path / "absent").exists()


@posix_only
def test_everything_in_it_is_for_its_owner_alone(path: Path) -> None:
    for each in [path, *path.rglob("*")]:
        assert each.stat().st_mode & 0o077 == 0, each
    with open_vault(path) as vault:
        assert vault.owner_only


def test_on_a_fat_stick_it_works_and_says_that_others_may_read(tmp_path: Path) -> None:
    with replaced(FatDisk()):
        vault = make_vault(tmp_path / "v")
        vault.cases.new("Harbour", code="HARBOUR")
        vault.cases.get("HARBOUR").items.add_text("text")
        vault.change_passphrase(key_file(), key_file(1))
        vault.close()
    with open_vault(tmp_path / "v", key_file(1)) as vault:
        assert vault.check(read_data=True).findings == ()


def test_on_a_full_disk_nothing_is_left_of_a_vault_that_could_not_be_made(tmp_path: Path) -> None:
    failures = 0
    for nth in range(1, 100):
        disk = FaultyDisk().fail_nth(nth)
        try:
            with replaced(disk):
                vault = make_vault(tmp_path / "v")
        except NoSpace:
            failures += 1
            if (tmp_path / "v").exists():
                open_vault(tmp_path / "v").close()  # it was the very last step, making the name durable
            else:
                assert list(tmp_path.iterdir()) == [], nth
                continue
            break
        vault.close()
        if not disk.fired:
            break
        shutil.rmtree(tmp_path / "v")  # a key that had signed could not be overwritten; the next open does it
    assert failures > 10


def test_there_are_eight_ways_in_and_not_nine(tmp_path: Path) -> None:
    ways = [(key_file(number), f"key {number}") for number in range(9)]
    with pytest.raises(TooManyKeys):
        opening.create(tmp_path / "v", ways, cost=kdf.FLOOR, clock=Clock())
    assert not (tmp_path / "v").exists()
    opening.create(tmp_path / "v", ways[:8], cost=kdf.FLOOR, clock=Clock())
    for number in range(8):
        open_vault(tmp_path / "v", key_file(number)).close()


# Opening one


def test_nothing_there_is_no_vault(tmp_path: Path) -> None:
    with pytest.raises(NoSuchVault):
        open_vault(tmp_path / "v")
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_secret_changes_nothing(path: Path) -> None:
    before = all_files(path)
    with pytest.raises(errors.WrongPassphrase):
        open_vault(path, key_file(9))
    assert all_files(path) == before


def test_a_second_process_is_told_and_the_first_goes_on(path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from vault import Vault, KeyFileUnlocker; from vault.errors import VaultInUse\n"
        "try: Vault.open(Path(sys.argv[1]), KeyFileUnlocker(bytes(32)))\n"
        "except VaultInUse: sys.exit(11)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", script, str(path)]
    with open_vault(path) as vault:
        assert subprocess.run(command, env=environment).returncode == 11
        with pytest.raises(VaultInUse):
            open_vault(path)
        vault.cases.get("HARBOUR").note("still working")
    assert subprocess.run(command, env=environment).returncode == 0


def test_a_wrong_secret_does_not_keep_the_lock(path: Path) -> None:
    with pytest.raises(errors.WrongPassphrase):
        open_vault(path, key_file(9))
    open_vault(path).close()


@posix_only
@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="left out: what root may not write to")
def test_a_folder_that_may_not_be_written_is_read_only(path: Path) -> None:
    path.chmod(0o500)
    for each in path.iterdir():
        each.chmod(0o500)
    try:
        with pytest.raises(ReadOnly):
            open_vault(path)
    finally:
        path.chmod(0o700)
        for each in path.iterdir():
            each.chmod(0o700)


def test_leftovers_of_earlier_epochs_and_dead_processes_are_swept(path: Path) -> None:
    with open_vault(path) as vault:
        vault.change_passphrase(key_file(), key_file(1))
        case = case_path(vault, "HARBOUR")
        living = Staging(vault.keeper.folder)
        (living.path / "object").write_bytes(b"x")
    rubbish = [
        path / "vault-1.db",
        path / "vault-1.db-wal",
        case.with_name(case.name.replace("-2.db", "-1.db")),
        case.with_name(case.name.replace("-2.db", "-1.db-wal")),
        path / secrets.token_hex(16),
        path / "staging" / secrets.token_hex(16) / "object",
    ]
    for each in rubbish:
        each.parent.mkdir(exist_ok=True)
        each.write_bytes(b"rubbish")
    open_vault(path, key_file(1)).close()
    assert [each for each in rubbish if each.exists()] == []
    assert (living.path / "object").exists()
    living.close()


def test_files_of_a_later_epoch_are_kept_and_said_because_this_may_be_an_older_copy(path: Path) -> None:
    with open_vault(path) as vault:
        case = case_path(vault, "HARBOUR")
    later = [path / "vault-2.db", case.with_name(case.name.replace("-1.db", "-2.db"))]
    for each in later:
        each.write_bytes(b"later")
    with open_vault(path) as vault:
        assert vault.warnings == ("newer-files",)
    assert [each.read_bytes() for each in later] == [b"later"] * 2


def test_folders_that_a_copying_program_left_out_because_they_were_empty_are_made_again(tmp_path: Path) -> None:
    make_vault(tmp_path / "v").close()
    for name in SUBFOLDERS:
        (tmp_path / "v" / name).rmdir()
    assert inspect_folder(tmp_path / "v").compartments == 0
    with open_vault(tmp_path / "v") as vault:
        vault.cases.new("Harbour", code="HARBOUR")
        vault.cases.get("HARBOUR").items.add_text("text")
        assert vault.check(read_data=True).findings == ()


def test_what_is_not_ours_is_left_alone(path: Path) -> None:
    foreign = {
        path / "cases" / f"{'ab' * 16}-1.db": b"a case of an older copy",
        path / "notes.txt": b"of the user",
        path / "header (conflicted copy).a": b"of a sync program",
        path / "objects" / "zz" / "x": b"x",
        path / "cases" / "readme": b"x",
        path / "staging" / ".DS_Store": b"x",
        path / "objects" / ".DS_Store": b"x",
    }
    for each, data in foreign.items():
        each.parent.mkdir(exist_ok=True)
        each.write_bytes(data)
    with open_vault(path) as vault:
        vault.change_passphrase(key_file(), key_file(1))
        vault.cases.get("HARBOUR").delete(key_file(1))
    open_vault(path, key_file(1)).close()
    assert {each: each.read_bytes() for each in foreign} == foreign


# Mixed copies


def test_exchanged_databases_of_two_cases_open_neither_and_the_rest_goes_on(path: Path) -> None:
    with open_vault(path) as vault:
        one, other = case_path(vault, "HARBOUR"), case_path(vault, "BRIDGE")
    exchange(one, other)
    with open_vault(path) as vault:
        for code in ("HARBOUR", "BRIDGE"):
            with pytest.raises(DatabaseDamaged):
                vault.cases.get(code).show()
        assert len(vault.cases.list()) == 2
        assert {(each.kind, each.subject) for each in vault.check().findings} == {
            ("database", "HARBOUR"),
            ("database", "BRIDGE"),
        }
    exchange(one, other)
    with open_vault(path) as vault:
        assert vault.check().findings == ()


def older(path: Path, tmp_path: Path) -> Path:
    """A copy from before the person said: do not call this number any more."""
    copy = copied(path, tmp_path / "older")
    with open_vault(path) as vault:
        vault.cases.get("HARBOUR").persons.get(1).edit(safe_times="never call")
    return copy


def test_an_older_case_database_is_an_older_copy_and_other_cases_open(path: Path, tmp_path: Path) -> None:
    copy = older(path, tmp_path)
    with open_vault(path) as vault:
        case = case_path(vault, "HARBOUR")
    case.write_bytes((copy / "cases" / case.name).read_bytes())
    with open_vault(path) as vault:
        for ask in (vault.cases.get("HARBOUR").show, vault.cases.get("HARBOUR").persons.list):
            with pytest.raises(OlderCopy, match="HARBOUR"):
                ask()
        assert vault.cases.get("BRIDGE").show().summary.title == "Bridge"
        assert [(each.kind, each.subject) for each in vault.check().findings] == [("older copy", "HARBOUR")]


def test_an_older_vault_database_with_a_newer_case_is_an_older_copy(path: Path, tmp_path: Path) -> None:
    copy = older(path, tmp_path)
    (path / "vault-1.db").write_bytes((copy / "vault-1.db").read_bytes())
    with pytest.raises(LogKeyLost):
        open_vault(path)
    (path / "logkey").write_bytes((copy / "logkey").read_bytes())
    with open_vault(path) as vault:
        with pytest.raises(OlderCopy, match="HARBOUR"):
            vault.cases.get("HARBOUR").persons.list()
        assert ("older copy", "HARBOUR") in {(each.kind, each.subject) for each in vault.check().findings}


def test_every_case_of_a_mixed_folder_is_at_its_state_or_refused(path: Path, tmp_path: Path) -> None:
    """Each file of the older copy alone, and each but one: the newest words, or an error."""
    copy = older(path, tmp_path)
    names = [name for name, data in all_files(copy).items() if data != (path / name).read_bytes()]
    assert len(names) == 3, "index, case, and the log's key"
    for number, name in enumerate(names):
        mixed = copied(path, tmp_path / f"mixed {number}")
        (mixed / name).write_bytes((copy / name).read_bytes())
        with pytest.raises(OlderCopy), open_vault(mixed) as vault:
            vault.cases.get("HARBOUR").persons.get(1).show()


def test_an_old_page_in_the_vault_s_database_is_never_an_older_index(path: Path, tmp_path: Path) -> None:
    copy = copied(path, tmp_path / "older")
    with open_vault(path) as vault:
        vault.cases.new("Third", code="THIRD")
        vault.cases.get("HARBOUR").edit(title="Renamed")
        vault.change_passphrase(key_file(), key_file(1))
        vault.cases.get("HARBOUR").note("remark")
        before = copied(path, tmp_path / "before")
        vault.cases.get("HARBOUR").edit(title="Renamed again")
        vault.cases.get("BRIDGE").delete(key_file(1))
    assert copy.exists()
    with open_vault(before, key_file(1)) as vault:
        vault.keeper.registry.store.overwrite_deleted()
    middle = copied(before, tmp_path / "middle")
    with open_vault(before, key_file(1)) as vault:
        vault.cases.get("HARBOUR").edit(title="Renamed once more")
        vault.cases.new("Fourth", code="FOURTH")
        for _ in range(5):
            vault.cases.get("THIRD").note("x" * 500)
        expected = vault.cases.list()
        log = vault.log()
    (database,) = before.glob("vault-*.db")
    old, new = middle / database.name, database
    pages = changed_pages(old, new)
    assert len(pages) > 3
    for number in pages:
        mixed = tmp_path / f"page {number}"
        shutil.copytree(before, mixed)
        put_page(old, mixed / database.name, number)
        try:
            vault = open_vault(mixed, key_file(1))
        except (OlderCopy, DatabaseDamaged):
            continue
        with vault:
            found = vault.check().findings
            try:
                assert vault.cases.list() == expected, number
                assert vault.log()[: len(log)] == log, number
            except (OlderCopy, DatabaseDamaged):
                assert found, number


# After a crash


def test_what_a_crash_left_open_is_settled_and_said_once(path: Path, tmp_path: Path) -> None:
    with open_vault(path) as vault:
        vault.keeper.item_open("HARBOUR", 1, act_name="cat")
        crashed = copied(path, tmp_path / "crashed")
    with open_vault(crashed) as vault:
        assert vault.warnings == ("recovered",)
    with open_vault(crashed) as vault:
        assert vault.warnings == ()


def test_a_case_that_does_not_open_keeps_its_intent_waiting_and_the_vault_opens(path: Path, tmp_path: Path) -> None:
    vault = open_vault(path)
    name = case_path(vault, "HARBOUR").name
    act = vault.keeper._begin("case-note", "HARBOUR", item=None, purpose=None, grants=())
    compartment = vault.keeper._compartment(act)
    vault.keeper.log.refine(act.receipt, before=compartment.state, after=b"\x01" * 32, objects=(b"o" * 16,))
    crashed = copied(path, tmp_path / "crashed")
    vault.close()
    database = (crashed / "cases" / name).read_bytes()
    (crashed / "cases" / name).write_bytes(b"\xff" * len(database))
    with open_vault(crashed) as vault:
        assert vault.warnings == ("unsettled",)
        assert vault.cases.get("BRIDGE").show().summary.title == "Bridge"
    (crashed / "cases" / name).write_bytes(database)
    with open_vault(crashed) as vault:
        assert vault.warnings == ("recovered",)
        assert vault.check().findings == ()


def test_an_opening_that_fails_holds_nothing_that_the_next_one_needs(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = open_vault(path)
    act = vault.keeper._begin("case-note", "HARBOUR", item=None, purpose=None, grants=())
    compartment = vault.keeper._compartment(act)
    vault.keeper.log.refine(act.receipt, before=compartment.state, after=b"\x01" * 32, objects=())
    crashed = copied(path, tmp_path / "crashed")
    vault.close()
    with monkeypatch.context() as full:
        full.setattr(Log, "conclude", mock.Mock(side_effect=LogUnavailable))
        with pytest.raises(LogUnavailable) as failed:
            open_vault(crashed)
    with open_vault(crashed) as again:
        assert again.warnings == ("recovered",)
    assert failed.value  # whoever keeps the error keeps nothing open with it


def test_both_headers_are_written_and_a_half_written_one_is_healed(path: Path) -> None:
    (path / header.FILE_NAMES[1]).write_bytes((path / header.FILE_NAMES[1]).read_bytes()[:5000])
    with open_vault(path) as vault:
        assert vault.warnings == ("header-repaired",)
    assert len(Folder(path).read_headers()) == 1


def test_recovery_words_from_creation_open_it(tmp_path: Path) -> None:
    recovery, words = RecoveryUnlocker.generate()
    Vault.create(tmp_path / "v", key_file(), recovery=recovery).close()
    with Vault.open(tmp_path / "v", RecoveryUnlocker(" ".join(words))) as vault:
        assert [key.kind for key in vault.info().keys] == ["keyfile", "recovery"]


def test_folders_that_are_made_for_a_vault_are_durable_with_it(tmp_path: Path) -> None:
    with replaced(disk := FaultyDisk()):
        make_vault(tmp_path / "lawyers" / "archive" / "v").close()
    for name in (tmp_path.name, "lawyers", "archive"):
        assert ("fsync_folder", name) in disk.operations
