"""Texts being written: sealed, saved again and again, found again; never exchanged, never an older one in silence."""

import contextlib
import os
import shutil
from pathlib import Path

import pytest
from faults import Crash, FaultyDisk, replaced
from vaults import FailingLog, all_files, clear_content, copied, flip, key_file, make_vault, open_vault

from crypto.objects import ciphertext_size
from vault import Case, Description, KeyFileUnlocker, Vault, Writing, check_backup, errors

CANARY = "Солтаева, äöü, საქართველო"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "v"


@pytest.fixture
def vault(path: Path) -> Vault:
    vault = make_vault(path)
    vault.cases.new("Harbour Street", code="HARBOUR")
    vault.cases.new("Meadow Lane", code="MEADOW")
    return vault


def files(path: Path) -> list[Path]:
    return sorted((path / "drafts").iterdir())


def begun(case: Case, *texts: str) -> Writing:
    writing = case.drafts.begin(description=Description(kind="statement", tags=("court",)))
    for text in texts:
        writing.save(text)
    return writing


def only(case: Case) -> bytes:
    (summary,) = case.drafts.list()
    return summary.draft_id


def test_a_text_is_found_again_as_it_was_saved_last(case: Case, vault: Vault, path: Path) -> None:
    with begun(case, "first", CANARY * 1000):
        pass
    vault.close()
    with open_vault(path) as again, again.cases.get("HARBOUR").drafts.resume(only(again.cases.get("HARBOUR"))) as back:
        assert back.draft.text == CANARY * 1000
        assert back.draft.description.tags == ("court",)
        assert not back.doubtful


def test_without_an_end_in_order_the_last_save_is_found(case: Case, path: Path, tmp_path: Path) -> None:
    writing = begun(case)
    for number in range(5):
        writing.save(f"{number}")
    with open_vault(copied(path, tmp_path / "killed")) as after:
        assert after.warnings == ("recovered",)
        assert after.check(read_data=True).findings == ()
        found = after.cases.get("HARBOUR")
        with found.drafts.resume(only(found)) as back:
            assert back.draft.text == "4"
            assert not back.doubtful


def test_a_save_that_says_nothing_new_writes_nothing(case: Case, path: Path) -> None:
    writing = begun(case)
    assert writing.save("a")
    before = all_files(path)
    assert not writing.save("a")
    assert all_files(path) == before


def test_a_save_needs_neither_keeper_nor_log(case: Case, vault: Vault, path: Path) -> None:
    writing = begun(case, "before")
    vault.close()
    writing.save("typed when the session had ended")
    with pytest.raises(errors.VaultError):
        writing.keep()
    with open_vault(path) as again:
        found = again.cases.get("HARBOUR")
        with found.drafts.resume(only(found)) as back:
            assert back.draft.text == "typed when the session had ended"


def test_one_file_of_a_padded_size_without_times_lies_there(case: Case, path: Path) -> None:
    writing = begun(case)
    names = set()
    for text in ("", "a", "a" * 1000, "a" * 60_000):
        writing.save(text)
        (file,) = files(path)
        names.add(file.name)
        assert file.stat().st_size == ciphertext_size(65_536)
        assert file.stat().st_mtime_ns == 0
    assert len(names) == 2
    assert all(len(name) == 30 for name in names)


def test_nothing_of_the_text_is_on_the_disk_and_after_throwing_it_away_its_key_is_gone(
    case: Case, vault: Vault, path: Path
) -> None:
    writing = begun(case, CANARY)
    key = writing._place.files._key.raw
    writing.throw_away()
    assert files(path) == []
    assert case.drafts.list() == ()
    vault.close()
    content = b"".join(all_files(path).values())
    assert CANARY.encode() not in content
    assert key not in content
    assert key not in clear_content(path)


def test_the_key_of_a_draft_is_sealed_under_its_case(case: Case, vault: Vault, path: Path) -> None:
    writing = begun(case, CANARY)
    key = writing._place.files._key.raw
    writing.keep()
    vault.close()
    assert key not in clear_content(path)


def test_storing_makes_an_item_and_the_draft_is_gone_in_the_same_step(case: Case, vault: Vault, path: Path) -> None:
    with begun(case, "a") as writing:
        stored = writing.store(CANARY, Description(kind="statement", title="First account", tags=("court",)))
    assert stored.item.summary.title == "First account"
    with case.items.get(1).open() as reading:
        assert b"".join(reading) == CANARY.encode()
    assert case.drafts.list() == ()
    assert files(path) == []
    assert vault.search("Солтаева")[0].reference == "HARBOUR/1"
    assert vault.check(read_data=True).findings == ()
    assert not writing.save("after the end")
    assert files(path) == []


def test_a_revision_can_be_written(case: Case, vault: Vault) -> None:
    case.items.add_text("first", description=Description(title="Account"))
    with case.drafts.begin(text="first", revises=1) as writing:
        writing.save("second")
    with case.drafts.resume(only(case)) as back:
        stored = back.store("third", Description(title="Account"))
    assert stored.item.summary.revises == "HARBOUR/1"


def test_the_log_tells_that_a_text_was_begun_resumed_kept_stored_or_thrown_away(case: Case, vault: Vault) -> None:
    begun(case, "a").keep()
    with case.drafts.resume(only(case)) as back:
        back.store("b", Description(title="t"))
    begun(case, "c").throw_away()
    entries = vault.log("HARBOUR")
    told = [(each.act, each.phase) for each in entries if each.act.startswith("draft") and each.act != "draft-list"]
    assert told == [
        ("draft-begin", "intent"),
        ("draft-begin", "intent"),
        ("draft-begin", "done"),
        ("draft-resume", "intent"),
        ("draft-resume", "done"),
        ("draft-begin", "intent"),
        ("draft-begin", "intent"),
        ("draft-begin", "done"),
        ("draft-discard", "intent"),
        ("draft-discard", "done"),
    ]
    assert not any(entry.purpose or entry.reason for entry in entries)


def test_a_saving_writes_no_log(case: Case, vault: Vault) -> None:
    writing = begun(case)
    before = vault.info().log_entries
    for number in range(20):
        writing.save(str(number))
    assert vault.info().log_entries == before


def test_a_draft_is_shown_only_after_its_intent_is_durable(case: Case, vault: Vault) -> None:
    begun(case, CANARY).keep()
    draft_id = only(case)
    with FailingLog(vault) as failing:
        with pytest.raises(errors.LogUnavailable):
            case.drafts.resume(draft_id)
        assert failing.fired
    with FailingLog(vault), pytest.raises(errors.LogUnavailable):
        case.drafts.begin()
    with FailingLog(vault), pytest.raises(errors.LogUnavailable):
        case.drafts.discard(draft_id)
    with case.drafts.resume(draft_id) as back:
        assert back.draft.text == CANARY


def test_only_one_writes_a_text(case: Case) -> None:
    writing = begun(case, "a")
    assert case.drafts.list()[0].writing
    with pytest.raises(errors.Refused):
        case.drafts.resume(only(case))
    with pytest.raises(errors.Refused):
        case.drafts.discard(only(case))
    writing.keep()
    assert not case.drafts.list()[0].writing
    case.drafts.resume(only(case)).keep()


def test_a_draft_of_another_case_or_none_is_refused(case: Case, vault: Vault) -> None:
    begun(case, "a").keep()
    other = vault.cases.get("MEADOW")
    for draft_id in (only(case), os.urandom(30)):
        with pytest.raises(errors.NoSuchDraft):
            other.drafts.resume(draft_id)
        with pytest.raises(errors.NoSuchDraft):
            other.drafts.discard(draft_id)
    assert len(case.drafts.list()) == 1
    assert other.drafts.list() == ()


def test_a_text_that_is_too_long_is_refused_and_the_last_save_stays(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vault import drafts

    monkeypatch.setattr(drafts, "LARGEST_BYTES", 1000)
    writing = begun(case, "a")
    with pytest.raises(errors.BadValue):
        writing.save("a" * 1000)
    writing.keep()
    with case.drafts.resume(only(case)) as back:
        assert back.draft.text == "a"


# Epochs and deletion


def test_after_a_new_passphrase_drafts_open_and_the_old_case_key_opens_none(
    case: Case, vault: Vault, path: Path
) -> None:
    begun(case, CANARY).keep()
    before = vault.keeper.registry.drafts(vault.keeper.registry.case("HARBOUR").case_id)[0]["key"]
    new = KeyFileUnlocker(b"another key file")
    vault.change_passphrase(key_file(), new)
    assert vault.keeper.registry.drafts(vault.keeper.registry.case("HARBOUR").case_id)[0]["key"] != before
    vault.close()
    with open_vault(path, new) as again:
        assert again.check(read_data=True).findings == ()
        found = again.cases.get("HARBOUR")
        with found.drafts.resume(only(found)) as back:
            assert back.draft.text == CANARY


def test_an_old_copy_and_its_secret_open_nothing_that_is_written_after_a_new_passphrase(
    case: Case, vault: Vault, path: Path, tmp_path: Path
) -> None:
    begun(case, "of before").keep()
    old_id, (old_file,) = only(case), files(path)
    vault.close()
    with open_vault(copied(path, tmp_path / "older")) as older:
        stolen = older.cases.get("HARBOUR").drafts.resume(old_id)._place.files
    new = KeyFileUnlocker(b"another key file")
    with open_vault(path) as again:
        again.change_passphrase(key_file(), new)
        found = again.cases.get("HARBOUR")
        assert only(found) != old_id
        with found.drafts.resume(only(found)) as writing:
            assert (writing.draft.text, writing.doubtful) == ("of before", False)
            writing.save(CANARY)
        assert again.check(read_data=True).findings == ()
    (file,) = files(path)
    assert file.name != old_file.name
    for place in stolen._paths:
        place.write_bytes(file.read_bytes())
    with pytest.raises(errors.DraftDamaged):
        stolen.read()
    with open_vault(path, new) as again:
        found = again.cases.get("HARBOUR")
        with found.drafts.resume(only(found)) as back:
            assert (back.draft.text, back.doubtful) == (CANARY, False)


def test_a_way_in_that_is_removed_leads_to_no_draft_of_later_either(case: Case, vault: Vault, path: Path) -> None:
    begun(case, "of before").keep()
    before = only(case)
    added = vault.add_key(key_file(), KeyFileUnlocker(b"another key file"), label="stick")
    vault.remove_key(key_file(), added.slot)
    with case.drafts.resume(only(case)) as back:
        assert back.draft.text == "of before"
    assert only(case) != before


def test_no_key_is_renewed_while_a_text_is_written_that_would_go_on_under_its_own(case: Case, vault: Vault) -> None:
    new = KeyFileUnlocker(b"another key file")
    writing = begun(case, "a")
    added = vault.add_key(key_file(), KeyFileUnlocker(b"one more key file"), label="stick")
    for change in (lambda: vault.change_passphrase(key_file(), new), lambda: vault.remove_key(key_file(), added.slot)):
        with pytest.raises(errors.Refused, match="a text is being written"):
            change()
    writing.save("b")
    writing.store("c", Description(title="t"))
    assert case.drafts.list() == ()
    vault.change_passphrase(key_file(), new)


def test_a_draft_that_is_older_or_does_not_open_stays_so_with_new_keys(case: Case, vault: Vault, path: Path) -> None:
    writing = begun(case, "older")
    (file,) = files(path)
    older = file.read_bytes()
    writing.save("newer")
    writing.save("newest")
    writing.keep()
    file.write_bytes(older)
    begun(vault.cases.get("MEADOW"), "whole").keep()
    (other,) = set(files(path)) - {file}
    flip(other, 100)
    vault.change_passphrase(key_file(), KeyFileUnlocker(b"another key file"))
    assert [(each.kind, each.subject) for each in vault.check().findings] == [
        ("older copy", "HARBOUR, draft 1"),
        ("damaged", "MEADOW, draft 1"),
    ]
    with case.drafts.resume(only(case)) as back:
        assert (back.draft.text, back.doubtful) == ("older", True)
    with pytest.raises(errors.DraftDamaged):
        vault.cases.get("MEADOW").drafts.resume(only(vault.cases.get("MEADOW")))


@pytest.mark.slow
def test_wherever_a_change_of_the_passphrase_crashes_the_draft_is_there(
    case: Case, vault: Vault, path: Path, tmp_path: Path
) -> None:
    begun(case, CANARY).keep()
    vault.close()
    new = KeyFileUnlocker(b"another key file")
    opened = 0
    for nth in range(1, 200):
        copy = copied(path, tmp_path / f"{nth}")
        disk = FaultyDisk().fail_nth(nth, Crash("now"))
        changing = open_vault(copy)
        changing.keeper._fail = lambda *_: None  # type: ignore[method-assign]  # a dead process writes no outcome
        with replaced(disk), contextlib.suppress(Crash):
            changing.change_passphrase(key_file(), new)
        crashed = copied(copy, tmp_path / f"crashed {nth}")
        changing._lock.release()
        if not disk.fired:
            break
        for way in (key_file(), new):
            with contextlib.suppress(errors.WrongPassphrase), open_vault(crashed, way) as again:
                assert again.check(read_data=True).findings == (), nth
                found = again.cases.get("HARBOUR")
                with found.drafts.resume(only(found)) as back:
                    assert (back.draft.text, back.doubtful) == (CANARY, False)
                assert len(files(crashed)) == 1
                opened += 1
    assert opened > 10


def test_deleting_a_case_removes_its_drafts_and_keys_and_no_others(case: Case, vault: Vault, path: Path) -> None:
    begun(case, CANARY).keep()
    begun(vault.cases.get("MEADOW"), "stays").keep()
    case.delete(key_file())
    (left,) = files(path)
    assert vault.check(read_data=True).findings == ()
    vault.close()
    with open_vault(path) as again:
        found = again.cases.get("MEADOW")
        with found.drafts.resume(only(found)) as back:
            assert back.draft.text == "stays"
    assert files(path) == [left]


def test_a_case_is_not_deleted_under_somebody_who_writes_in_it(case: Case, vault: Vault, path: Path) -> None:
    with begun(case, CANARY) as writing:
        with pytest.raises(errors.Refused, match="a text is being written"):
            case.delete(key_file())
        vault.cases.get("MEADOW").delete(key_file())
        assert writing.save("and more")
    case.delete(key_file())
    assert files(path) == []


# Backups


def test_a_backup_holds_the_drafts_and_a_restored_vault_offers_them(case: Case, vault: Vault, tmp_path: Path) -> None:
    writing = begun(case, "first")
    begun(case, "thrown away").throw_away()
    place = tmp_path / "backup"
    vault.backup(place)
    writing.save("second")
    vault.backup(place)
    writing.keep()
    begun(case, "stored").store("stored", Description(title="t"))
    vault.backup(place)
    assert len(files(place)) == 1
    assert check_backup(place, key_file(), read_data=True).findings == ()
    Vault.restore(place, tmp_path / "again", key_file())
    with open_vault(tmp_path / "again") as again:
        assert again.check(read_data=True).findings == ()
        found = again.cases.get("HARBOUR")
        with found.drafts.resume(only(found)) as back:
            assert (back.draft.text, back.doubtful) == ("second", False)


# What opening removes


def test_files_that_no_row_names_are_removed_at_open_and_others_stay(case: Case, vault: Vault, path: Path) -> None:
    begun(case, "a").keep()
    (own,) = files(path)
    for name in ("0" * 30, "f" * 32, ".DS_Store", "0" * 29):
        (path / "drafts" / name).write_bytes(b"x")
    assert sorted(each.subject for each in vault.check().findings) == [f"drafts/{'0' * 30}", f"drafts/{'f' * 32}"]
    vault.close()
    with open_vault(path) as again:
        assert again.check().findings == ()
    assert {file.name for file in files(path)} == {own.name, ".DS_Store", "0" * 29}


def test_an_older_copy_removes_no_newer_draft(vault: Vault, case: Case, path: Path, tmp_path: Path) -> None:
    begun(case, "first").keep()
    state = tmp_path / "state"
    vault.close()
    old = copied(path, tmp_path / "old")
    with open_vault(path, state_dir=state) as newer:
        begun(newer.cases.get("HARBOUR"), "second").keep()
    for file in old.glob("vault-*"):
        shutil.copy(file, path)
    with Vault.open(path, key_file(), state_dir=state, accept_older=True) as again:
        assert "older-than-last-time" in again.warnings
    assert len(files(path)) == 2


# Hostile files


def test_every_flipped_byte_of_a_draft_is_noticed(case: Case, path: Path) -> None:
    begun(case, CANARY).keep()
    (file,) = files(path)
    size = file.stat().st_size
    for offset in [*range(80), *range(80, size, 1009), size - 1]:
        flip(file, offset)
        with pytest.raises(errors.DraftDamaged):
            case.drafts.resume(only(case))
        flip(file, offset)
    case.drafts.resume(only(case)).keep()


@pytest.mark.parametrize("size", [0, 1, 55, 56, 16_456, 65_000, 65_656, 65_671])
def test_a_draft_cut_anywhere_is_noticed_and_check_names_it(case: Case, vault: Vault, path: Path, size: int) -> None:
    begun(case, CANARY).keep()
    (file,) = files(path)
    file.write_bytes(file.read_bytes()[:size])
    with pytest.raises(errors.DraftDamaged):
        case.drafts.resume(only(case))
    (finding,) = vault.check().findings
    assert (finding.kind, finding.subject) == ("damaged", "HARBOUR, draft 1")
    assert "draft-resume" in {entry.act for entry in vault.log() if entry.phase == "failed"}
    case.drafts.discard(only(case))
    assert vault.check().findings == ()


def test_what_stands_behind_a_draft_is_noticed(case: Case, path: Path) -> None:
    begun(case, CANARY).keep()
    (file,) = files(path)
    file.write_bytes(file.read_bytes() + b"\0")
    with pytest.raises(errors.DraftDamaged):
        case.drafts.resume(only(case))


def test_a_missing_draft_is_named(case: Case, vault: Vault, path: Path) -> None:
    begun(case, CANARY).keep()
    files(path)[0].unlink()
    with pytest.raises(errors.DraftDamaged):
        case.drafts.resume(only(case))
    assert [(each.kind, each.subject) for each in vault.check().findings] == [("missing", "HARBOUR, draft 1")]


def test_drafts_that_were_exchanged_do_not_open(case: Case, vault: Vault, path: Path) -> None:
    begun(case, "of one case").keep()
    (first,) = files(path)
    begun(vault.cases.get("MEADOW"), "of another").keep()
    (second,) = [file for file in files(path) if file != first]
    one, other = first.read_bytes(), second.read_bytes()
    first.write_bytes(other)
    second.write_bytes(one)
    for each in (case, vault.cases.get("MEADOW")):
        with pytest.raises(errors.DraftDamaged):
            each.drafts.resume(only(each))


def test_the_two_files_of_a_draft_cannot_stand_for_each_other(case: Case, path: Path) -> None:
    writing = begun(case, "a")
    (one,) = files(path)
    writing.save("b")
    writing.keep()
    (other,) = files(path)
    other.rename(one)
    with pytest.raises(errors.DraftDamaged):
        case.drafts.resume(only(case))


def test_an_older_draft_put_back_after_an_end_in_order_is_noticed(case: Case, vault: Vault, path: Path) -> None:
    writing = begun(case, "older")
    (file,) = files(path)
    older = file.read_bytes()
    writing.save("newer")
    writing.save("newest")
    writing.keep()
    (newest,) = files(path)
    assert newest == file, "the two files take turns"
    file.write_bytes(older)
    assert [(each.kind, each.subject) for each in vault.check().findings] == [("older copy", "HARBOUR, draft 1")]
    with case.drafts.resume(only(case)) as back:
        assert back.doubtful
        assert back.draft.text == "older"
        back.save("written on")
    with case.drafts.resume(only(case)) as again:
        assert not again.doubtful
        assert again.draft.text == "written on"


def test_of_two_files_the_newer_one_counts_and_a_damaged_one_is_said(case: Case, path: Path) -> None:
    writing = begun(case, "a")
    (first,) = files(path)
    older = first.read_bytes()
    writing.save("b")
    writing.keep()
    first.write_bytes(older)
    with case.drafts.resume(only(case)) as back:
        assert (back.draft.text, back.doubtful) == ("b", False)
    flip(first, 100)
    with case.drafts.resume(only(case)) as back:
        assert (back.draft.text, back.doubtful) == ("b", True)
        back.save("c")
    assert files(path) == [first]


def test_a_pipe_a_link_or_a_huge_file_in_place_of_a_draft_is_damage(case: Case, path: Path) -> None:
    begun(case, "a").keep()
    (file,) = files(path)
    with file.open("r+b") as huge:
        huge.truncate(1 << 36)
    with pytest.raises(errors.DraftDamaged):
        case.drafts.resume(only(case))
    file.unlink()
    if hasattr(os, "mkfifo"):
        os.mkfifo(file)
        with pytest.raises(errors.DraftDamaged):
            case.drafts.resume(only(case))


def test_secrets_of_a_draft_show_up_in_no_repr(case: Case, vault: Vault) -> None:
    writing = begun(case, CANARY)
    writing.keep()
    grant = vault.keeper.draft_resume("HARBOUR", only(case))
    assert grant.key.hex() not in repr(grant)
    assert repr(grant.key) not in repr(grant)
