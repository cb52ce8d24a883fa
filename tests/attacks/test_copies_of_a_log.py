"""What a partner hears of copies of one vault that go on beside each other, and what not: a table of docs/threat-model.md."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from shown_logs import Shown, next_generation, recertified
from their_logs import TheirLog
from vaults import make_vault

from crypto import fingerprints
from vault.errors import SealedFileRefused


@pytest.fixture
def shown(tmp_path: Path) -> Iterator[Shown]:
    with make_vault(tmp_path / "v") as vault:
        yield Shown(tmp_path, vault)


TOLD, REFUSED, NOBODY = "told", "refused, and kept", "not detected"


def verdict(shown: Shown, log: TheirLog, address: bytes | None = None) -> str:
    try:
        found = shown.open(log, address)
    except SealedFileRefused:
        return REFUSED if shown.vault.log_status().forks else NOBODY
    return NOBODY if (found.new_generation, found.beside) == (None, None) else TOLD


@contextlib.contextmanager
def elsewhere(shown: Shown) -> Iterator[Shown]:
    """Another partner of the same sender."""
    with make_vault(shown.folder / "another partner") as vault:
        yield Shown(shown.folder / "another partner", vault)


def begun_anew(shown: Shown) -> str:
    first = TheirLog(shown.anna)
    before = first.copy("")
    shown.open(first)
    return verdict(shown, next_generation(before, "second"))


def gone_on(shown: Shown) -> str:
    first = TheirLog(shown.anna)
    shown.open(first)
    shown.open(next_generation(first, "second"))
    return verdict(shown, first)


def one_number_twice(shown: Shown) -> str:
    first = TheirLog(shown.anna)
    shown.open(first)
    shown.open(next_generation(first, "second"))
    return verdict(shown, next_generation(first, "another"))


def two_roots(shown: Shown) -> str:
    first = TheirLog(shown.anna)
    other = first.copy("other")
    shown.open(first)
    return verdict(shown, other)


def certified_otherwise(shown: Shown) -> str:
    log = TheirLog(shown.anna)
    log.begin_generation()
    log.append({})
    shown.open(log)
    return verdict(shown, recertified(size=2, root=bytes(32))(log))


def another_first_key(shown: Shown) -> str:
    shown.open(TheirLog(shown.anna))
    return verdict(shown, TheirLog(shown.anna, history="another"))


def passed_off_as_late(shown: Shown) -> str:
    first = TheirLog(shown.anna)
    shown.open(first)
    second, honest = next_generation(first, "second"), first.copy("")
    later = first.copy("")
    later.append({"act": "after the second generation was begun"})
    with elsewhere(shown) as other:
        other.number = 1
        assert [verdict(other, log) for log in (second, later)] == [NOBODY, TOLD]
    found = [verdict(shown, log) for log in (second, honest)]
    return "told, not told apart from an honest one" if found == [NOBODY, TOLD] else NOBODY


def shown_to_others_alone(shown: Shown) -> str:
    first = TheirLog(shown.anna)
    shown.open(first)
    second = next_generation(first, "second")
    with elsewhere(shown) as other:
        assert [verdict(other, second) for _ in range(2)] == [NOBODY, NOBODY]
    return verdict(shown, first)


def shown_to_another_address(shown: Shown) -> str:
    """Our card and the age recipient in it are two addresses, and a sender may say to know us by the second alone."""
    log = TheirLog(shown.anna)
    shown.open(log)
    rewritten = log.copy("rewritten")
    rewritten.append({})
    rewritten.sent.clear()
    address = fingerprints.recipient_fingerprint(shown.vault.identity.show().age_recipient)
    return verdict(shown, rewritten, address)


VERDICTS: dict[str, Callable[[Shown], str]] = {
    "a generation that was begun anew, and does not hold what was shown": begun_anew,
    "generation 1 that goes on after generation 2 was shown": gone_on,
    "the same number given to two generations": one_number_twice,
    "two roots for one size of one generation": two_roots,
    "a generation certified as beginning elsewhere than before": certified_otherwise,
    "another first key of generation 1": another_first_key,
    "a file of an older generation that was made after the new one, and passed off as late": passed_off_as_late,
    "another copy that goes on, and is shown to other partners alone": shown_to_others_alone,
    "another history, in files for a passphrase or for an age recipient alone": shown_to_another_address,
}


def documented(source: Path) -> dict[str, str]:
    page = (source / "docs" / "threat-model.md").read_text(encoding="utf-8")
    table = page.partition("<!-- told of copies: compared with tests/attacks/test_copies_of_a_log.py -->")[2].partition(
        "\n\n"
    )[0]
    return dict(re.findall(r"^\| (.+?) \| ([a-z, ]+) \|$", table, re.MULTILINE)[1:])


@pytest.mark.parametrize("what", VERDICTS)
def test_what_a_partner_is_told_of_copies_is_the_documented_verdict(shown: Shown, source: Path, what: str) -> None:
    assert VERDICTS[what](shown) == documented(source)[what]


def test_the_table_of_copies_has_every_verdict(source: Path) -> None:
    assert documented(source).keys() == VERDICTS.keys()


# Proofs beside suspicions


def test_a_state_that_was_suspected_first_is_kept_as_a_proof_once_it_is_one(shown: Shown) -> None:
    log = TheirLog(shown.anna)
    other = log.copy("other")
    shown.open(log)
    other.append({})
    assert verdict(shown, other) == REFUSED
    assert [each.kind for each in shown.vault.log_status().forks] == ["unconnected"]
    suspected = shown.folder / f"{shown.number}.age"
    shown.open(log)
    with pytest.raises(SealedFileRefused, match="two histories"):
        shown.vault.inspect_file(suspected)
    assert [each.kind for each in shown.vault.log_status().forks] == ["unconnected", "forked"]


def test_however_many_suspicions_there_are_a_proof_has_room(shown: Shown) -> None:
    log = TheirLog(shown.anna)
    other = log.copy("other")
    shown.open(log)
    other.append({})
    for _ in range(12):
        other.sent.clear()
        assert verdict(shown, other) == REFUSED
    assert [each.kind for each in shown.vault.log_status().forks] == ["unconnected"] * 8
    for _ in range(14):
        shown.open(log)
    third = log.copy("third")
    shown.open(log)
    assert verdict(shown, third) == REFUSED
    assert [each.kind for each in shown.vault.log_status().forks] == ["unconnected"] * 8 + ["forked"]
