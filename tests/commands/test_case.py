"""Cases: made, named, changed, and deleted only by who means it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def test_the_title_comes_from_standard_input_or_is_asked_for_and_the_code_is_the_result(
    cv: Any, terminal: Callable[..., Any]
) -> None:
    assert cv("case", "new", "-", "--code", "harbour", typed="Гавань\n").stdout == "HARBOUR\n"
    made = cv("case", "new", "-", "--json", typed="Second").json
    assert (made["title"], made["items"]) == ("Second", 0)
    screen = terminal(*cv.options, "case", "new", "--code", "THIRD")
    screen.answer("Title of the case:", "Третье дело")
    assert screen.finish()[0] == 0
    assert b"history" not in screen.shown
    titles = {case["code"]: case["title"] for case in cv("case", "list", "--json").json}
    assert titles == {"HARBOUR": "Гавань", made["code"]: "Second", "THIRD": "Третье дело"}


def test_a_title_given_as_an_argument_on_a_terminal_is_taken_with_one_line_of_warning(
    cv: Any, terminal: Callable[..., Any]
) -> None:
    screen = terminal(*cv.options, "case", "new", "Given aloud", "--code", "HARBOUR")
    status, shown = screen.finish()
    assert status == 0
    assert shown.count("shell's history") == 1
    assert "history" not in cv("case", "edit", "HARBOUR", "--title", "Again").stderr  # no terminal, no shell


def test_without_a_terminal_a_missing_title_is_a_usage_error(cv: Any) -> None:
    assert "`-` reads it" in cv("case", "new", status=2).stderr
    cv("case", "new", "-", typed="", status=2)
    cv("case", "new", "-", typed=b"\xff", status=2)
    cv("case", "edit", "HARBOUR", "--title", "-", "--description", "-", typed="one text", status=2)
    assert cv("case", "list", "--json").json == []


@pytest.mark.parametrize("code", ["AB", "1AB", "TOOLONGFORACODE", "CON", "LPT1", "A B", "../X", "", "HARBOUR/3"])
def test_what_cannot_be_a_code_is_refused(cv: Any, code: str) -> None:
    cv("case", "new", "-", "--code", code or " ", typed="x", status=2)
    assert cv("case", "list", "--json").json == []


def test_a_code_is_taken_once_and_look_alikes_are_understood(harbour: Any) -> None:
    harbour("case", "new", "-", "--code", "HARBOUR", typed="x", status=15)
    assert harbour("case", "show", "hаrbоur", "--json").json["code"] == "HARBOUR"  # Cyrillic а and о
    harbour("case", "show", "NOWHERE", status=14)


def test_a_changed_title_keeps_the_old_one(harbour: Any) -> None:
    harbour("case", "edit", "HARBOUR", "--description", "two\nlines", "--title", "New")
    shown = harbour("case", "show", "HARBOUR")
    assert "Title: New\n" in shown.stdout
    assert "Description: two\nDescription: lines\n" in shown.stdout
    assert "“Harbour Street”" in shown.stdout
    assert harbour("case", "edit", "HARBOUR", "--description", "", "--json").json["description"] is None
    harbour("case", "edit", "HARBOUR", status=2)


def test_on_a_terminal_edit_asks_and_enter_keeps(harbour: Any, terminal: Callable[..., Any]) -> None:
    screen = terminal(*harbour.options, "case", "edit", "HARBOUR")
    screen.expect("Enter alone leaves what is in brackets")
    screen.answer("Title [Harbour Street]:", "")
    screen.answer("Description", "at the sea")
    assert screen.finish()[0] == 0
    details = harbour("case", "show", "HARBOUR", "--json").json
    assert (details["title"], details["description"]) == ("Harbour Street", "at the sea")


def test_a_case_is_deleted_only_by_its_code(harbour: Any) -> None:
    harbour("add", "HARBOUR", harbour.file("a.txt"))
    for how in ([], ["--yes"], ["--confirm", "OTHER"], ["--confirm", "yes"]):
        done = harbour("case", "delete", "HARBOUR", *how, status=15)
        assert done.stdout == ""
        assert "Harbour Street" in done.stderr  # what would go is shown before
        assert "1 item, 20 bytes" in done.stderr
    assert len(harbour("items", "HARBOUR", "--json").json) == 1
    done = harbour("case", "delete", "HARBOUR", "--confirm", "harbour", "--json")
    assert done.json == {"code": "HARBOUR"}
    assert "Backups" in done.stderr
    assert harbour("case", "list", "--json").json == []
    harbour("items", "HARBOUR", status=14)
    assert harbour("check", "--json").json["findings"] == []


def test_on_a_terminal_the_code_must_be_typed(harbour: Any, terminal: Callable[..., Any], folder: Path) -> None:
    for typed, status in ((("yes", "QUAY", "y"), 15), (("no",), 15), (("",), 15), (("Harbor", "harbour"), 0)):
        screen = terminal(*harbour.options, "--yes", "case", "delete", "HARBOUR")
        screen.answer("Type HARBOUR to delete it; Enter alone leaves it:", typed[0])
        for again in typed[1:]:
            screen.answer("That is not HARBOUR. Type it to delete it; Enter alone leaves it:", again)
        ended, rest = screen.finish()
        assert ended == status
        assert ("Nothing was deleted." in rest) == (status == 15)
        assert "error" not in rest
    assert harbour("case", "list", "--json").json == []


def test_nobody_types_a_title_to_hear_that_the_code_is_taken(harbour: Any, terminal: Callable[..., Any]) -> None:
    status, shown = terminal(*harbour.options, "case", "new", "--code", "harbour").finish()
    assert status == 15
    assert "There is already a case HARBOUR" in shown
    assert "Title of the case" not in shown
    assert "case-list" not in {each["act"] for each in harbour("log", "list", "--json").json}, "no title was looked at"
