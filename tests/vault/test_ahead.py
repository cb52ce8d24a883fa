"""A session opens its cases before anybody asks: under its own intent, in nobody's way, and without checking less."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sessions import Served, session, until
from vaults import Clock, case_path, case_row, flip, key_file, make_vault, open_vault

from vault import Vault, door, errors, schema
from vault.ahead import Ahead

CODES = ("ALPHA", "BRAVO", "DELTA", "ECHO", "GOLF")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with make_vault(tmp_path / "v") as vault:
        for code in CODES:
            vault.cases.new(f"The case {code}", code=code)
            vault.cases.get(code).items.add_text(f"What was said in {code}.")
    return tmp_path / "v"


@pytest.fixture
def vault(path: Path) -> Iterator[Vault]:
    clock = Clock()
    clock.seconds = 10_000  # later than all that was done before
    with Vault.open(path, key_file(), clock=clock) as found:
        yield found


@pytest.fixture
def runtime(tmp_path: Path, home: Path) -> Path:
    if sys.platform == "win32":
        pytest.skip("left out: Unix sockets")
    return home.parent / "run" / "casevault"


def begun(vault: Vault) -> Ahead:
    return Ahead(vault.keeper, vault.keeper.record_session("unlock"))


def opened(vault: Vault) -> set[str]:
    return {case.code for case in vault.keeper.registry.cases() if vault.keeper.is_open(case.case_id)}


def acts(vault: Vault) -> list[tuple[str, str]]:
    return [(entry.act, entry.phase) for entry in vault.log()]


# What is opened


def test_the_case_that_changed_last_is_opened_first_and_one_at_a_time(vault: Vault) -> None:
    vault.cases.get("BRAVO").note("changed last")
    for case in vault.keeper.registry.cases():
        vault.keeper.drop(case.case_id)
    ahead = begun(vault)
    ahead.open_one()
    assert opened(vault) == {"BRAVO"}
    ahead.open_one()
    assert opened(vault) == {"BRAVO", "GOLF"}
    while ahead.open_one():
        pass
    assert opened(vault) == set(CODES)


def test_the_log_says_that_the_session_began_before_a_case_is_opened_and_nothing_more(vault: Vault) -> None:
    before = acts(vault)
    ahead = begun(vault)
    while ahead.open_one():
        pass
    # The reading of the log before this one has its outcome there, and this one its intent.
    assert acts(vault)[len(before) :] == [("log", "done"), ("unlock", "intent"), ("unlock", "done"), ("log", "intent")]


def test_without_the_receipt_of_a_session_no_case_is_opened(vault: Vault) -> None:
    ahead = Ahead(vault.keeper, vault.keeper.record_session("lock"))
    while ahead.open_one():
        pass
    assert opened(vault) == set()


def test_the_receipt_opens_each_case_once(vault: Vault) -> None:
    receipt = vault.keeper.record_session("unlock")
    case_id = vault.keeper.registry.case("ALPHA").case_id
    vault.keeper.open_ahead(receipt, case_id)
    vault.keeper.drop(case_id)
    with pytest.raises(errors.ReceiptRefused):
        vault.keeper.open_ahead(receipt, case_id)


def test_no_more_cases_are_opened_than_stay_open_and_they_are_the_first_to_give_way(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "_MOST_OPEN", 3)
    ahead = begun(vault)
    while ahead.open_one():
        pass
    assert opened(vault) == {"DELTA", "ECHO", "GOLF"}
    for code in ("ALPHA", "BRAVO"):
        vault.cases.get(code).show()
    assert {"ALPHA", "BRAVO", "GOLF"} <= opened(vault)


@pytest.mark.parametrize("harm", ["damaged", "older", "missing"])
def test_a_case_that_does_not_open_is_left_to_who_asks_for_it(path: Path, runtime: Path, harm: str) -> None:
    with open_vault(path) as vault:
        place = case_path(vault, "DELTA")
    old = place.read_bytes()
    with open_vault(path) as vault:
        vault.cases.get("DELTA").note("a change")
    if harm == "damaged":
        flip(place, 100)
    elif harm == "older":
        place.write_bytes(old)
    else:
        place.unlink()
    with session(open_vault(path), runtime, ahead=begun) as served:
        until(lambda: len(opened(served.vault)) == len(CODES) - 1)
        assert opened(served.vault) == set(CODES) - {"DELTA"}
        with served.attach() as vault:
            with pytest.raises(errors.OlderCopy if harm == "older" else errors.DatabaseDamaged, match="DELTA"):
                vault.cases.get("DELTA").show()
            assert vault.cases.get("ECHO").show().summary.code == "ECHO"


def test_a_deleted_case_and_one_that_is_open_are_passed_over(vault: Vault) -> None:
    ahead = begun(vault)
    vault.cases.get("GOLF").show()
    held = dict(vault.keeper._open)
    ahead.open_one()
    assert vault.keeper._open == held
    vault.keeper.registry._rows.erase(schema.CASES, [case_row(vault, "ECHO").case_id])
    ahead.open_one()
    assert vault.keeper._open == held
    ahead.open_one()
    assert opened(vault) == {"GOLF", "DELTA"}


def test_a_new_epoch_ends_it(vault: Vault) -> None:
    ahead = begun(vault)
    ahead.open_one()
    vault.change_passphrase(key_file(), key_file(1))
    ahead.open_one()
    assert ahead.is_done
    assert opened(vault) == set()


# When


def test_a_session_opens_its_cases_while_nobody_asks(path: Path, runtime: Path) -> None:
    with session(open_vault(path), runtime, ahead=begun) as served:
        until(lambda: opened(served.vault) == set(CODES))
        with served.attach() as vault:
            assert [hit.reference for hit in vault.search("said", case="ALPHA")] == ["ALPHA/1"]


class Held(Ahead):
    """Opening a case takes until the test says so."""

    def __init__(self, vault: Vault) -> None:
        super().__init__(vault.keeper, vault.keeper.record_session("unlock"))
        self.begun, self.go_on, self.count = threading.Event(), threading.Semaphore(0), 0

    def open_one(self) -> bool:
        self.count += 1
        self.begun.set()
        self.go_on.acquire()
        return super().open_one()


@pytest.fixture
def held(path: Path, runtime: Path) -> Iterator[tuple[Served, Held]]:
    vault = open_vault(path)
    ahead = Held(vault)
    with session(vault, runtime, ahead=lambda _: ahead) as served:
        assert ahead.begun.wait(30)
        try:
            yield served, ahead
        finally:
            ahead.go_on.release(len(CODES))


def test_a_request_waits_for_one_case_at_most(held: tuple[Served, Held]) -> None:
    served, ahead = held
    counted: list[int] = []

    def ask() -> None:
        with served.attach() as vault:
            vault.cases.get("ALPHA").show()
            counted.append(ahead.count)

    asking = threading.Thread(target=ask)
    asking.start()
    until(lambda: not served.agent._work.empty())
    ahead.go_on.release()
    asking.join(30)
    assert counted == [1], "the request came before the next case"


def test_the_end_of_a_session_ends_it_at_once(held: tuple[Served, Held]) -> None:
    served, ahead = held
    served.agent.end()
    until(lambda: not served.socket_path.exists())
    ahead.go_on.release()
    served.thread.join(30)
    assert served.orderly
    assert ahead.count == 1
    assert ahead.is_done
