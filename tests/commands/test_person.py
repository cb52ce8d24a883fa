"""Persons: contacts asked for one by one, listed without them, removed with nothing left of the name."""

from collections.abc import Callable
from typing import Any

CONTACTS = {
    "aliases": ["Madina", "М."],
    "phones": ["+995 555 010 203"],
    "mails": ["a@b.example"],
    "messengers": ["Signal: madina.01"],
    "addresses": ["Quay 3"],
    "role": "witness",
    "safe_times": "mornings",
}
OPTIONS = [
    *("--alias", "Madina", "--alias", "М.", "--phone", "+995 555 010 203", "--mail", "a@b.example"),
    *("--messenger", "Signal: madina.01", "--address", "Quay 3", "--role", "witness", "--safe-times", "mornings"),
]


def test_a_person_is_kept_with_every_contact_and_listed_without_them(harbour: Any) -> None:
    assert harbour("person", "add", "HARBOUR", "-", *OPTIONS, typed="Мадина").stdout == "HARBOUR/p1\n"
    details = harbour("person", "show", "harbour/P1", "--json").json
    assert {field: details[field] for field in CONTACTS} == CONTACTS
    assert details["name"] == "Мадина"
    for done in (
        harbour("person", "list", "HARBOUR"),
        harbour("person", "list", "--json"),
        harbour("person", "list", "--plain"),
    ):
        assert "Мадина" in done.stdout
        assert "995" not in done.stdout
        assert "Quay" not in done.stdout


def test_on_a_terminal_name_and_contacts_are_asked_for(harbour: Any, terminal: Callable[..., Any]) -> None:
    screen = terminal(*harbour.options, "person", "add", "HARBOUR")
    screen.answer("Name:", "Мадина")
    for question, answers in (
        ("Another name or spelling:", ["Madina", "М."]),
        ("Phone:", ["+995 555 010 203"]),
        ("Mail:", ["a@b.example"]),
        ("Messenger:", ["Signal: madina.01"]),
        ("Address:", ["Quay 3"]),
    ):
        for answer in [*answers, ""]:
            screen.answer(question, answer)
    screen.answer("Role:", "witness")
    screen.answer("safe to reach the person:", "mornings")
    screen.succeed(unseen=(b"history",))
    details = harbour("person", "show", "HARBOUR/p1", "--json").json
    assert {field: details[field] for field in CONTACTS} == CONTACTS


def test_edit_changes_one_field_clears_another_and_remembers(harbour: Any) -> None:
    harbour("person", "add", "HARBOUR", "-", *OPTIONS, typed="Мадина")
    done = harbour("person", "edit", "HARBOUR/p1", "--phone", "1", "--phone", "2", "--role", "", "--json")
    assert (done.json["phones"], done.json["role"], done.json["mails"]) == (["1", "2"], None, ["a@b.example"])
    assert {each["field"] for each in done.json["history"]} == {"phones", "role"}
    assert harbour("person", "edit", "HARBOUR/p1", "--name", "-", "--json", typed="Новое").json["name"] == "Новое"
    harbour("person", "edit", "HARBOUR/p1", status=2)
    harbour("person", "edit", "HARBOUR/p2", "--role", "x", status=14)


def test_a_removed_person_leaves_a_record_without_a_name(harbour: Any) -> None:
    harbour("person", "add", "HARBOUR", "-", typed="Мадина")
    done = harbour("person", "remove", "HARBOUR/p1", status=15)
    assert "Мадина" in done.stderr
    done = harbour("person", "remove", "HARBOUR/p1", "--confirm", "HARBOUR/p1", "--reason", "her wish", "--json")
    assert (done.json["reference"], done.json["reason"]) == ("HARBOUR/p1", "her wish")
    harbour("person", "show", "HARBOUR/p1", status=14)
    everything = (
        harbour("case", "show", "HARBOUR").stdout
        + harbour("log").stdout
        + harbour("search", "-", typed="Мадина").stdout
    )
    assert "Мадина" not in everything
    assert "her wish" in everything


def test_persons_of_all_cases_are_listed_when_none_is_named(harbour: Any) -> None:
    harbour("case", "new", "-", "--code", "SECOND", typed="x")
    harbour("person", "add", "SECOND", "-", typed="B")
    harbour("person", "add", "HARBOUR", "-", typed="A")
    assert [line[:2] for line in harbour("person", "list").lines] == [["HARBOUR/p1", "A"], ["SECOND/p1", "B"]]
    assert harbour("person", "list", "SECOND").lines[0][0] == "SECOND/p1"
    harbour("person", "list", "NOWHERE", status=14)


def test_a_reference_that_names_no_person_is_a_usage_error(harbour: Any) -> None:
    for reference in ("HARBOUR", "HARBOUR/1", "p1", "HARBOUR/p0", "HARBOUR/p1x"):
        harbour("person", "show", reference, status=2)


def test_a_session_that_ends_between_two_questions_costs_no_answer(harbour: Any, terminal: Callable[..., Any]) -> None:
    harbour("unlock")
    screen = terminal(*harbour.options, "person", "add", "HARBOUR")
    screen.answer("Name:", "Мадина")
    screen.expect("Another name")
    harbour("lock")
    for _ in range(5):
        screen.send("")
    screen.answer("Role:", "witness")
    screen.answer("safe to reach the person:", "mornings")
    status, rest = screen.finish()
    assert status == 0, rest
    assert "What you typed is still here" in rest
    details = harbour("person", "show", "HARBOUR/p1", "--json").json
    assert (details["name"], details["role"], details["safe_times"]) == ("Мадина", "witness", "mornings")


def test_nobody_answers_questions_for_a_case_that_is_not_there(harbour: Any, terminal: Callable[..., Any]) -> None:
    status, shown = terminal(*harbour.options, "person", "add", "HARBUOR").finish()
    assert status == 14
    assert "Name:" not in shown
