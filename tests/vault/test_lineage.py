"""Copies of one vault that were declared are told of and accuse nobody; what no declared copy can show is kept as a fork."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pairs import Pair
from shown_logs import Shown, next_generation, recertified
from their_logs import TheirLog
from vaults import copied, key_file, make_vault, open_vault

from vault import Vault, errors, schema
from vault.errors import SealedFileRefused

# Two vaults, and copies of one


class Copies(Pair):
    """Ours exists in several copies, each of which can seal."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.case.items.add_text("She came by the night train.")

    def backup(self) -> None:
        self.ours.backup(self.folder / "backup")

    def restore(self, name: str) -> Path:
        path = self.folder / name
        Vault.restore(self.folder / "backup", path, key_file())
        return path

    def seal_in(self, path: Path) -> Path:
        self.ours.close()
        self.ours = open_vault(path)
        return self.seal().path

    def told(self, path: Path) -> tuple[int | None, int | None]:
        verdict = self.open(path).verdict
        assert verdict.unconnected is None
        return verdict.new_generation, verdict.beside

    def accused(self) -> bool:
        return bool(self.theirs.log_status().forks or self.ours.log_status().forks)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Copies]:
    pair = Copies(tmp_path)
    yield pair
    pair.close()


def test_a_backup_restored_in_two_places_accuses_nobody_and_is_told_at_each_change(pair: Copies) -> None:
    pair.open(pair.seal().path)
    pair.backup()
    pair.open(pair.seal().path)
    first, second = pair.restore("first"), pair.restore("second")
    assert pair.told(pair.seal_in(first)) == (2, None)
    assert pair.told(pair.seal_in(first)) == (None, None)
    assert pair.told(pair.seal_in(second)) == (None, 2)
    assert pair.told(pair.seal_in(second)) == (None, None)
    assert pair.told(pair.seal_in(first)) == (None, 2)
    assert not pair.accused()


def test_an_original_that_goes_on_beside_a_restored_vault_is_told_and_accuses_nobody(pair: Copies) -> None:
    pair.open(pair.seal().path)
    pair.backup()
    again = pair.restore("again")
    told = [pair.told(pair.seal_in(path)) for path in (again, pair.path, again, pair.path, pair.path, again, again)]
    assert told == [(None, None), (None, 2), (None, 1), (None, 2), (None, None), (None, 1), (None, None)]
    assert not pair.accused()


def test_what_was_sealed_before_a_restore_and_comes_after_it_is_stored_and_told(pair: Copies) -> None:
    pair.open(pair.seal().path)
    within = pair.seal().path
    pair.backup()
    beyond = [pair.seal().path for _ in range(2)]
    again = pair.restore("again")
    assert pair.told(pair.seal_in(again)) == (None, None), "all that was seen is in it"
    assert pair.told(within) == (None, None), "the restored log proved that it holds it"
    assert pair.told(within) == (None, None)
    assert pair.told(pair.seal_in(again)) == (None, None)
    assert [pair.told(path) for path in beyond] == [(None, 2), (None, None)]
    assert pair.told(pair.seal_in(again)) == (None, 1)
    assert pair.told(pair.seal_in(again)) == (None, None)
    assert not pair.accused()


def test_a_gap_is_told_whenever_its_file_is_looked_at_and_not_with_the_next_one(pair: Copies) -> None:
    pair.open(pair.seal().path)
    pair.backup()
    pair.open(pair.seal().path)
    again = pair.seal_in(pair.restore("again"))
    assert pair.theirs.inspect_file(again).verdict.new_generation == 2
    assert [pair.told(again) for _ in range(2)] == [(2, None), (2, None)]
    assert pair.told(pair.seal().path) == (None, None)


def test_an_older_copy_accepted_on_two_machines_accuses_nobody(pair: Copies) -> None:
    pair.open(pair.seal().path)
    pair.ours.close()
    older = [copied(pair.path, pair.folder / name) for name in ("one", "two")]
    pair.ours = open_vault(pair.path)
    pair.open(pair.seal().path)
    for path in older:
        (path / "logkey").unlink()
        Vault.open(path, key_file(), accept_older=True).close()
    told = [pair.told(pair.seal_in(path)) for path in (*older, *older)]
    assert told == [(2, None), (None, 2), (None, 2), (None, 2)]
    assert not pair.accused()


def test_a_copy_that_goes_on_undeclared_is_a_fork_still(pair: Copies) -> None:
    pair.open(pair.seal().path)
    pair.ours.close()
    older = copied(pair.path, pair.folder / "older")
    pair.ours = open_vault(pair.path)
    pair.open(pair.seal().path)
    pair.ours.close()
    shutil.rmtree(pair.path)
    copied(older, pair.path)
    with pytest.raises(SealedFileRefused):
        pair.open(pair.seal_in(pair.path))
    assert len(pair.theirs.log_status().forks) == 1


def test_a_recipient_restored_twice_still_takes_what_an_honest_sender_sends(pair: Copies) -> None:
    pair.open(pair.seal().path)
    pair.theirs.backup(pair.folder / "theirs-backup")
    sent = [pair.seal().path for _ in range(3)]
    for path in sent:
        pair.open(path)
    for name in ("one", "two"):
        pair.theirs.close()
        Vault.restore(pair.folder / "theirs-backup", pair.folder / name, key_file())
        pair.theirs = open_vault(pair.folder / name)
        assert [pair.told(path) for path in (pair.seal().path, *sent)] == [(None, None)] * 4
    assert not pair.accused()


def test_a_receipt_names_a_state_of_the_copy_that_sealed_its_file(pair: Copies) -> None:
    pair.open(pair.seal().path)
    pair.backup()
    first, second = pair.restore("first"), pair.restore("second")
    sent = pair.seal_in(first)
    pair.open(sent)
    pair.open(pair.seal_in(second))
    receipt = pair.theirs.write_receipt(pair.open(sent), pair.out).path
    pair.ours.close()
    pair.ours = open_vault(first)
    assert pair.ours.take_receipt(receipt).log == "confirmed"


def test_a_receipt_from_another_declared_copy_accuses_nobody_and_says_where_to_take_it(pair: Copies) -> None:
    pair.open(pair.seal().path)
    pair.backup()
    first, second = pair.restore("first"), pair.restore("second")
    receipt = pair.confirm(pair.seal_in(first)).path
    for path in (second, pair.path):
        pair.ours.close()
        pair.ours = open_vault(path)
        with pytest.raises(errors.BadReceipt, match="another copy of this vault"):
            pair.ours.take_receipt(receipt)
        assert not pair.accused()
        assert "own-log-forked" not in pair.ours.warnings
        (entry,) = [each for each in pair.ours.log() if each.reason == "elsewhere"]
        assert entry.act == "receipt-take"
    pair.ours.close()
    pair.ours = open_vault(first)
    assert pair.ours.take_receipt(receipt).log == "confirmed"


def test_a_declared_generation_that_is_rewritten_is_proven_to_ourselves_still(pair: Copies) -> None:
    pair.open(pair.seal().path)
    pair.backup()
    again = pair.restore("again")
    pair.open(pair.seal_in(again))
    pair.ours.close()
    older = copied(again, pair.folder / "older")
    receipt = pair.confirm(pair.seal_in(again)).path
    pair.ours.close()
    shutil.rmtree(again)
    copied(older, again)
    pair.ours = open_vault(again)
    pair.ours.cases.get("HARBOUR").note("another history")
    pair.seal()
    with pytest.raises(errors.OtherHistory):
        pair.ours.take_receipt(receipt)
    (fork,) = pair.ours.log_status().forks
    assert (fork.kind, fork.sender) == ("not-ours", None)


# Somebody without a vault, whose log can show anything


@pytest.fixture
def shown(tmp_path: Path) -> Iterator[Shown]:
    with make_vault(tmp_path / "v") as vault:
        yield Shown(tmp_path, vault)


def test_after_a_second_generation_the_first_does_not_go_on_unheard(shown: Shown) -> None:
    first = TheirLog(shown.anna)
    shown.open(first)
    second = next_generation(first, "second")
    told = [(each.new_generation, each.beside) for each in map(shown.open, (second, first, second, first, first))]
    assert told == [(None, None), (None, 2), (None, 1), (None, 2), (None, None)]


def test_a_log_that_is_rewritten_as_one_generation_after_the_other_is_told_each_time(shown: Shown) -> None:
    first = TheirLog(shown.anna)
    shown.open(first.copy(""))
    told = []
    for history in ("one", "two", "three"):
        verdict = shown.open(next_generation(first, history))
        told.append((verdict.new_generation, verdict.beside))
    assert told == [(2, None), (None, 2), (None, 2)]


def test_numbers_of_generations_may_skip(shown: Shown) -> None:
    log = TheirLog(shown.anna)
    shown.open(log)
    log.begin_generation(5)
    assert shown.open(log).new_generation is None
    assert {row["generation"] for row in shown.vault.keeper.registry.rows(schema.SEEN_GENERATIONS)} == {1, 5}


def without_the_second(log: TheirLog) -> TheirLog:
    del log.certificates[1]
    log.sent.clear()
    return log


def another_first(log: TheirLog) -> TheirLog:
    return TheirLog(log.by, history="another")


FORKED: dict[str, Callable[[TheirLog], TheirLog]] = {
    "a generation that begins elsewhere": recertified(size=5),
    "a generation that begins with another root": recertified(root=bytes(32)),
    "a generation that begins with another step": recertified(first_step=6),
    "a generation that follows another one": without_the_second,
    "another first generation": another_first,
}


@pytest.mark.parametrize("what", FORKED)
def test_what_the_identity_certified_once_it_does_not_certify_otherwise(shown: Shown, what: str) -> None:
    log = TheirLog(shown.anna)
    log.append({})
    log.begin_generation()
    log.append({})
    log.append({})
    log.begin_generation()
    log.append({})
    shown.open(log)
    assert shown.open(log).beside is None
    with pytest.raises(SealedFileRefused, match="two histories"):
        shown.open(FORKED[what](log))
    (fork,) = shown.vault.log_status().forks
    assert fork.kind == "forked"
    (row,) = shown.vault.keeper.registry.rows(schema.FORKS)
    assert row["first"]
    assert row["second"]


def test_a_generation_that_begins_with_another_root_than_was_shown_is_a_fork(shown: Shown) -> None:
    log = TheirLog(shown.anna)
    shown.open(log)
    lying = next_generation(log, "lying")
    now = lying.certificates[-1]
    values = {name: getattr(now, name) for name in ("generation", "first_step", "size", "first_key")}
    lying.certificates[-1] = lying.certified(**values, root=bytes(32))
    lying.sent.clear()
    with pytest.raises(SealedFileRefused, match="two histories"):
        shown.open(lying)


def test_a_state_with_another_root_than_that_with_which_a_later_generation_began_is_a_fork(shown: Shown) -> None:
    log = TheirLog(shown.anna)
    other = log.copy("other")
    log.append({})
    shown.open(next_generation(log, "second"))
    with pytest.raises(SealedFileRefused, match="two histories"):
        shown.open(other)


def test_two_roots_for_one_size_of_one_first_key_are_a_fork_in_every_generation(shown: Shown) -> None:
    second = next_generation(TheirLog(shown.anna), "second")
    second.append({})
    other = second.copy("other")
    other.certificates = [*second.certificates]
    shown.open(second)
    with pytest.raises(SealedFileRefused, match="two histories"):
        shown.open(other)


def test_two_generations_that_begin_with_two_roots_after_as_much_of_one_log_are_a_fork(shown: Shown) -> None:
    log = TheirLog(shown.anna)
    shown.open(next_generation(log, "second"))
    lying = next_generation(log, "other")
    values = {name: getattr(lying.certificates[-1], name) for name in ("generation", "first_step", "size", "first_key")}
    lying.certificates[-1] = lying.certified(**values, root=bytes(32))
    with pytest.raises(SealedFileRefused, match="two histories"):
        shown.open(lying)


def test_what_a_generation_is_known_by_survives_a_restart(shown: Shown, tmp_path: Path) -> None:
    log = TheirLog(shown.anna)
    shown.open(log)
    second = next_generation(log, "second")
    shown.open(second)
    shown.vault.close()
    shown.vault = open_vault(tmp_path / "v")
    try:
        assert shown.open(log).beside == 2
        assert shown.vault.check().findings == ()
        rows = shown.vault.keeper.registry.rows(schema.SEEN_GENERATIONS)
        keys = {each.generation: each.first_key for each in second.certificates}
        assert {(row["generation"], row["follows"]) for row in rows} == {(1, None), (2, keys[1])}
    finally:
        shown.vault.close()
