"""What is said of an item: changed with the old value kept, noted, tagged, and deleted with a record."""

from collections.abc import Callable
from typing import Any

import pytest

from commands import _show
from vault import items, persons, statements


@pytest.fixture
def item(harbour: Any) -> Any:
    harbour("add", "HARBOUR", harbour.file("film.mp4"))
    return harbour


def test_edit_changes_what_is_given_keeps_the_rest_and_remembers(item: Any) -> None:
    item("edit", "HARBOUR/1", "--via", "stick", "--recorded", "2026-11-20")
    done = item("edit", "harbour/1", "--title", "-", "--json", typed="The film")
    assert (done.json["title"], done.json["via"], done.json["kind"]) == ("The film", "stick", "video")
    assert [(each["field"], each["before"], each["after"]) for each in done.json["history"]] == [
        ("via", None, "stick"),
        ("recorded", None, "2026-11-20"),
        ("title", "film.mp4", "The film"),
    ]
    assert "Came by was empty" in item("show", "HARBOUR/1").stdout
    assert item("edit", "HARBOUR/1", "--via", "", "--json").json["via"] is None
    item("edit", "HARBOUR/1", status=2)
    item("edit", "HARBOUR/1", "--title", " ", status=2)
    item("edit", "HARBOUR/2", "--title", "x", status=14)


def test_what_was_before_is_told_in_the_words_of_what_is_now(item: Any) -> None:
    item("person", "add", "HARBOUR", "-", "--phone", "+995 32 1", typed="A Name")
    item("person", "edit", "HARBOUR/p1", "--phone", "+995 32 2")
    assert "Phone was “+995 32 1”" in item("person", "show", "HARBOUR/p1").stdout
    item("edit", "HARBOUR/1", "--kind", "statement")
    for given in ("yes", "no"):
        item("statement", "HARBOUR/1", "--within-reach", given)
    shown = item("show", "HARBOUR/1").stdout
    assert "Kind was “video”" in shown
    assert "In custody or within reach of the accused was “yes”" in shown
    for field in {*items._EDITABLE, *persons._FIELDS, *statements.FIELDS, "title", "description"}:
        assert _show._label(field) != field


def test_on_a_terminal_edit_asks_for_each_field(item: Any, terminal: Callable[..., Any]) -> None:
    item("person", "add", "HARBOUR", "-", typed="A Name")
    screen = terminal(*item.options, "edit", "HARBOUR/1")
    screen.answer("Title [film.mp4]:", "")
    screen.answer("Kind [video]:", "")
    screen.answer("From whom:", "harbour/P1")
    screen.answer("How it came:", "a stick")
    for question in ("When recorded:", "When received:", "Language:"):
        screen.answer(question, "")
    assert screen.finish()[0] == 0
    details = item("show", "HARBOUR/1", "--json").json
    assert (details["title"], details["source"], details["via"]) == ("film.mp4", "HARBOUR/p1", "a stick")


def test_notes_are_added_to_items_and_cases(item: Any) -> None:
    assert item("note", "HARBOUR/1", "-", "--json", typed="first\nsecond").json["reference"] == "HARBOUR/1"
    item("note", "HARBOUR", "of the case")
    assert item("show", "HARBOUR/1", "--json").json["notes"][0]["text"] == "first\nsecond"
    assert item("case", "show", "HARBOUR", "--json").json["notes"][0]["text"] == "of the case"
    shown = item("show", "HARBOUR/1").stdout
    assert ": first\n" in shown
    assert ": second\n" in shown
    item("note", "HARBOUR/1", status=2)
    item("note", "HARBOUR/1", "-", typed="  ", status=2)


def test_tags_come_and_go(item: Any) -> None:
    assert item("tag", "HARBOUR/1", "b", "a", "a", "--json").json == {"reference": "HARBOUR/1", "tags": ["a", "b"]}
    assert item("tag", "HARBOUR/1", "c", "--remove", "a", "--remove", "nothing").stdout == "b\nc\n"
    assert item("tag", "HARBOUR", "urgent", "--json").json == {"reference": "HARBOUR", "tags": ["urgent"]}
    assert item("tag", "HARBOUR/1", "-", typed="from stdin").stdout == "b\nc\nfrom stdin\n"
    item("tag", "HARBOUR/1", status=2)


def test_an_item_is_deleted_only_when_it_was_confirmed_and_a_record_stays(item: Any) -> None:
    for how in ([], ["--confirm", "HARBOUR/2"], ["--confirm", "1"]):
        done = item("delete", "HARBOUR/1", *how, status=15)
        assert "film.mp4" in done.stderr
        assert done.stdout == ""
    assert item("cat", "HARBOUR/1").stdout == "bytes of an original"
    done = item("delete", "HARBOUR/1", "--confirm", "harbour/1", "--reason", "asked for by her", "--json")
    assert (done.json["reference"], done.json["reason"]) == ("HARBOUR/1", "asked for by her")
    item("cat", "HARBOUR/1", status=14)
    assert list((item.vault / "objects").rglob("*.*")) == []
    assert item("case", "show", "HARBOUR", "--json").json["disposals"][0]["reason"] == "asked for by her"
    assert "asked for by her" in item("case", "show", "HARBOUR").stdout
    # The number is never given again.
    assert item("add", "HARBOUR", item.file("b.txt", b"b")).stdout == "HARBOUR/2\tb.txt\n"
    item("delete", "HARBOUR/2", "--yes")


def test_on_a_terminal_the_reference_must_be_typed(item: Any, terminal: Callable[..., Any]) -> None:
    for typed, status in (("", 15), ("no", 15), ("harbour/1", 0)):
        screen = terminal(*item.options, "delete", "HARBOUR/1")
        assert "film.mp4" in screen.answer("Type HARBOUR/1 to delete it; Enter alone leaves it:", typed)
        assert screen.finish()[0] == status
