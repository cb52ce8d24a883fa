"""The circumstances of a statement: asked one by one, all skippable, shown with the item."""

from collections.abc import Callable
from typing import Any

import pytest

from vault import KeyFileUnlocker, PersonFields, Vault

KEY = b"a key file of the tests, 32 byte"


@pytest.fixture
def cv(harbour: Any) -> Any:
    with Vault.open(harbour.vault, KeyFileUnlocker(KEY)) as vault:
        vault.cases.get("HARBOUR").persons.add(PersonFields("Anna"))
        vault.cases.get("HARBOUR").items.add_text("I left of my own will.")
    return harbour


def test_options_set_circumstances_and_show_and_json_tell_them(cv: Any) -> None:
    done = cv(
        "statement",
        "HARBOUR/1",
        "--within-reach",
        "no",
        "--person",
        "p1",
        "--present",
        "-",
        "--json",
        typed="Anna, Ivan\n",
    )
    told = done.json["statement"]
    assert (told["within_reach"], told["person"], told["present"]) == ("no", "HARBOUR/p1", "Anna, Ivan")
    assert told["place"] is None
    assert cv("show", "HARBOUR/1", "--json").json["statement"] == told
    shown = cv("show", "HARBOUR/1").stdout
    assert "In custody or within reach of the accused: no\n" in shown
    assert "In the room: Anna, Ivan\n" in shown
    assert "Place" not in shown


def test_within_reach_of_the_accused_is_said_calmly(cv: Any) -> None:
    done = cv("statement", "HARBOUR/1", "--within-reach", "yes")
    assert "This account was given within reach of the accused. It stands beside the others" in done.stderr
    done = cv("statement", "HARBOUR/1", "--place", "the office")
    assert "beside the others" not in done.stderr


def test_an_empty_option_clears_and_the_old_value_stays_in_the_history(cv: Any) -> None:
    cv("statement", "HARBOUR/1", "--place", "the flat", "--person", "HARBOUR/p1")
    details = cv("statement", "HARBOUR/1", "--place", "", "--person", "", "--json").json
    assert (details["statement"]["place"], details["statement"]["person"]) == (None, None)
    assert {(each["field"], each["before"]) for each in details["history"]} == {
        ("place", "the flat"),
        ("person", "HARBOUR/p1"),
    }


def test_without_options_and_terminal_it_says_how(cv: Any) -> None:
    assert "Say what to change, as with --within-reach" in cv("statement", "HARBOUR/1", status=2).stderr
    cv("statement", "HARBOUR/1", "--within-reach", "perhaps", status=2)
    cv("statement", "HARBOUR/1", "--person", "Anna", status=2)
    cv("statement", "HARBOUR/1", "--person", "p9", status=14)
    cv("statement", "HARBOUR/9", "--place", "x", status=14)


def test_on_a_terminal_each_is_asked_for_and_enter_skips(cv: Any, terminal: Callable[..., Any]) -> None:
    cv("statement", "HARBOUR/1", "--place", "the flat", "--language", "Chechen")
    screen = terminal(*cv.options, "statement", "HARBOUR/1")
    first = screen.expect("In custody, or within reach of the accused? (yes, no, unknown):")
    assert "Where" not in first, "it is asked first"
    screen.send("perhaps")
    screen.answer("Please answer with yes, no or unknown", "y")
    screen.answer("Who gave it", "Anna")
    screen.answer("A person is named like p2", "p1")
    screen.answer("On which day", "")
    screen.answer("Where [the flat]:", "")
    for question in ("began", "ended", "language [Chechen]:", "interpreted", "Everyone in the room"):
        screen.answer(question, "")
    for question in ("Earlier accounts", "Read back", "Signed", "Who recorded it"):
        screen.answer(question, "")
    status, shown = screen.finish()
    assert status == 0
    assert "It stands beside the others" in shown
    told = cv("show", "HARBOUR/1", "--json").json["statement"]
    assert {name: value for name, value in told.items() if value} == {
        "within_reach": "yes",
        "person": "HARBOUR/p1",
        "place": "the flat",
        "language": "Chechen",
    }


def test_skipping_everything_changes_nothing(cv: Any, terminal: Callable[..., Any]) -> None:
    screen = terminal(*cv.options, "statement", "HARBOUR/1")
    screen.expect("within reach")
    for _ in range(13):
        screen.send("")
    assert screen.finish()[0] == 0
    assert cv("show", "HARBOUR/1", "--json").json["statement"] is None
    assert all(each["act"] != "item-statement" for each in cv("log", "--json").json)


def test_a_person_who_is_not_there_and_a_session_that_ends_cost_no_answer(
    cv: Any, terminal: Callable[..., Any]
) -> None:
    cv("unlock")
    screen = terminal(*cv.options, "statement", "HARBOUR/1")
    screen.answer("within reach of the accused?", "n")
    screen.answer("Who gave it", "p9")
    screen.answer("There is no person HARBOUR/p9. Enter alone leaves it for later", "")
    screen.answer("On which day", "2026-03-04")
    screen.expect("Where:")
    cv("lock")
    for _ in range(9):
        screen.send("")
    screen.answer("Who recorded it", "Madina")
    status, shown = screen.finish()
    assert status == 0, shown
    told = cv("show", "HARBOUR/1", "--json").json["statement"]
    assert {name: value for name, value in told.items() if value} == {
        "within_reach": "no",
        "date": "2026-03-04",
        "recorded_by": "Madina",
    }
