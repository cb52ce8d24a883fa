"""A backup while an agent has the vault open: other commands go on, and who goes away in the middle leaves nothing open."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sessions import Served, session, until
from vaults import Clock, key_file, make_vault, open_vault

from vault import Vault, backing_up, check_backup, errors, snapshot

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="left out: Unix sockets")


@pytest.fixture
def served(tmp_path: Path, home: Path) -> Iterator[Served]:
    with make_vault(tmp_path / "v") as vault:
        for code in ("HARBOUR", "MEADOW"):
            vault.cases.new(code.title(), code=code)
            vault.cases.get(code).items.add_text(f"Statement {code}")
    with session(open_vault(tmp_path / "v"), home.parent / "run" / "casevault") as found:
        yield found


def checked(place: Path) -> int:
    report = check_backup(place, key_file(), read_data=True, clock=Clock())
    assert report.findings == ()
    return report.items


def test_a_backup_through_a_session_is_as_one_without(served: Served, tmp_path: Path) -> None:
    place = tmp_path / "backup"
    with served.attach() as vault:
        assert vault.backup(place).objects_written == 2
        vault.cases.get("HARBOUR").items.get(1).delete()
        assert vault.backup(place).objects_removed == 1
        assert vault.info().last_backup is not None
        assert [known.place for known in vault.info().backups] == [str(place)]
    assert checked(place) == 1


def test_another_command_adds_and_deletes_while_objects_are_copied(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "backup"
    copy, done = backing_up._Target._copy, []

    def copied(*arguments: object) -> object:
        if not done:
            done.append(1)
            with served.attach() as other:
                other.cases.get("MEADOW").items.add_text("meanwhile")
                other.cases.get("MEADOW").items.get(1).delete()
                with other.cases.get("HARBOUR").items.get(1).open() as reading:
                    assert b"".join(reading) == b"Statement HARBOUR"
        return copy(*arguments)

    monkeypatch.setattr(backing_up._Target, "_copy", copied)
    with served.attach() as vault:
        vault.backup(place)
    assert checked(place) == 2


def test_nothing_of_a_slow_stick_holds_up_the_session(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The agent writes into the vault's own staging folder only, never to the place of the backup.
    place = tmp_path / "backup"
    written: list[Path] = []
    take = snapshot.take

    def taken(door: object, running: object, staging: Path, sound: object) -> object:
        before = set(place.rglob("*"))
        found = take(door, running, staging, sound)
        written.extend(set(place.rglob("*")) - before)
        assert staging.is_relative_to(served.path / "staging")
        return found

    monkeypatch.setattr(snapshot, "take", taken)
    with served.attach() as vault:
        vault.backup(place)
    assert written == []


def test_who_goes_away_in_the_middle_leaves_an_outcome(served: Served, tmp_path: Path) -> None:
    leaving = served.attach()
    begun = leaving.keeper.backup_begin(str(tmp_path / "backup"), ())
    with served.attach() as other:
        for ask in (
            lambda: other.keeper.backup_snapshot(begun.intent, str(tmp_path), ()),
            lambda: other.keeper.backup_end(begun.intent, "done"),
        ):
            with pytest.raises(errors.ReceiptRefused):
                ask()
        leaving.close()

        def outcomes() -> list[tuple[str, str | None]]:
            return [(entry.phase, entry.reason) for entry in other.log() if entry.act == "backup"]

        until(lambda: len(outcomes()) == 2)
        assert [phase for phase, _reason in outcomes()] == ["intent", "failed"]
        assert outcomes()[-1][1] == "connection ended"


def test_a_session_that_ends_in_the_middle_leaves_the_last_backup(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "backup"
    with served.attach() as vault:
        vault.backup(place)
        vault.cases.get("HARBOUR").items.add_text("later")
        copy = backing_up._Target._copy

        def copied(*arguments: object) -> object:
            served.stop()
            return copy(*arguments)

        monkeypatch.setattr(backing_up._Target, "_copy", copied)
        with pytest.raises(errors.SessionOver):
            vault.backup(place)
    assert checked(place) == 2
    monkeypatch.undo()
    with Vault.open(served.path, key_file()) as again:
        assert [entry.phase for entry in again.log() if entry.act == "backup"][-1] in ("failed", "recovered")
        again.backup(place)
    assert checked(place) == 3
