"""`log` of one item, person, partner or time: everything that belongs to it, and nothing else."""

from dataclasses import replace
from typing import Any

import pytest

from commands import _log_choice, log
from vault import references
from vault.log_requests import LogEntry


def entry(
    number: int, when: str, item: str | None = None, *, answers: int | None = None, partner: str | None = None
) -> LogEntry:
    return LogEntry(number, when, "share", "done", "key", "HARBOUR", item, None, None, None, answers, None, partner)


ENTRIES = (
    entry(1, "2026-11-20T08:00:00.000Z", "HARBOUR/1"),
    entry(2, "2026-11-20T08:00:01.000Z", answers=1),
    entry(3, "2026-11-21T23:59:59.999Z", "HARBOUR/1-3,7,p2"),
    entry(4, "2026-11-22T00:00:00.000Z", "HARBOUR/1-3,7,p2", answers=3, partner="Lena"),
    entry(5, "2026-11-22T08:15:30.000Z", "HARBOUR/p1"),
)


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        ({}, [1, 2, 3, 4, 5]),
        ({"reference": "HARBOUR/1"}, [1, 2, 3, 4]),
        ({"reference": "HARBOUR/2"}, [3, 4]),
        ({"reference": "HARBOUR/7"}, [3, 4]),
        ({"reference": "HARBOUR/4"}, []),
        ({"reference": "HARBOUR/p1"}, [5]),
        ({"reference": "HARBOUR/p2"}, [3, 4]),
        ({"reference": "OTHER/1"}, []),
        ({"partner": "lena"}, [3, 4]),
        ({"partner": "Marta"}, []),
        ({"since": "2026-11-22"}, [4, 5]),
        ({"until": "2026-11-21"}, [1, 2, 3]),
        ({"since": "2026-11-21", "until": "2026-11-22T08:14"}, [3, 4]),
        ({"until": "2026-11-22T08:15"}, [1, 2, 3, 4, 5]),
        ({"partner": "Lena", "since": "2026-11-22"}, [4]),
    ],
    ids=str,
)
def test_an_act_is_chosen_whole_and_within_its_time(wanted: dict[str, str], numbers: list[int]) -> None:
    assert [each.number for each in _log_choice.chosen(ENTRIES, **wanted)] == numbers


def test_what_the_log_lists_is_found_by_each_of_its_references() -> None:
    listed = f"HARBOUR/{references.listed([1, 2, 3, 9, 11, 12], [2])}"
    found = [number for number in range(15) if references.is_among(f"HARBOUR/{number}", listed)]
    assert found == [1, 2, 3, 9, 11, 12]
    assert [number for number in range(5) if references.is_among(f"HARBOUR/p{number}", listed)] == [2]


def test_the_log_of_an_item_leaves_everything_else_out(harbour: Any) -> None:
    harbour("add", "HARBOUR", harbour.file("a.txt", b"one"))
    harbour("add", "HARBOUR", harbour.file("b.txt", b"two"))
    harbour("show", "HARBOUR/2")
    acts = [(each["act"], each["phase"], each["item"]) for each in harbour("log", "--item", "HARBOUR/2", "--json").json]
    assert ("item-show", "intent", "HARBOUR/2") in acts
    assert ("item-add", "intent", None) in acts  # before it had its number
    assert {item for *_, item in acts} == {"HARBOUR/2", None}
    assert harbour("log", "--item", "harbour/p1", "--json").json == []
    assert harbour("log", "--until", "2001-01-01", "--json").json == []
    assert harbour("log", "--partner", "-", "--json", typed="Lena").json == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("--since", "yesterday"),
        ("--until", "2026-13-01"),
        ("--since", "2026-11-22T8"),
        ("--item", "HARBOUR/1", "--case", "OTHER"),
    ],
)
def test_what_is_no_time_or_of_another_case_is_a_usage_error(harbour: Any, arguments: tuple[str, ...]) -> None:
    assert harbour("log", *arguments, status=2).stdout == ""


@pytest.mark.parametrize(
    ("purpose", "reason", "shown"),
    [
        (None, None, ""),
        ("hearing", None, "hearing"),
        (None, "clock-set-back", "clock-set-back"),
        ("hearing", "clock-set-back", "hearing (clock-set-back)"),
    ],
)
def test_a_purpose_hides_nothing_that_the_vault_says(purpose: str | None, reason: str | None, shown: str) -> None:
    """A purpose comes from whoever asks, of a sealed file from its sender."""
    assert log._why(replace(ENTRIES[0], purpose=purpose, reason=reason)) == shown
