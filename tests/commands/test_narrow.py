"""On a narrow terminal what is shown is broken between words; what a program reads is not broken at all."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

COLUMNS = 46
TITLE = "Taken from the market on Monday by four unidentified men with Kalashnikovs"


@pytest.fixture
def filled(harbour: Any) -> Any:
    harbour("add", "HARBOUR", harbour.file("Screenshot_20200827-231612.jpg"), "--title", TITLE)
    harbour("case", "edit", "HARBOUR", "--title", TITLE)
    return harbour


@pytest.mark.parametrize("plain", [(), ("--plain",)], ids=["", "plain"])
@pytest.mark.parametrize(
    "line",
    [("items", "HARBOUR"), ("show", "HARBOUR/1"), ("case", "list"), ("case", "show", "HARBOUR"), ("search", "Monday")],
    ids=" ".join,
)
def test_no_word_is_broken_on_a_narrow_terminal_and_no_line_for_a_program(
    filled: Any, terminal: Callable[..., Any], line: tuple[str, ...], plain: tuple[str, ...]
) -> None:
    status, shown = terminal(*filled.options, *plain, *line, term="xterm", columns=COLUMNS).finish()
    assert status == 0, shown
    text = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    words = text.split()
    assert set(TITLE.split()) <= set(words)
    too_long = [row for row in text.splitlines() if len(row.rstrip()) > COLUMNS]
    assert all(len(row.split()) == 1 for row in too_long), too_long
    assert TITLE in filled(*plain, *line).stdout


def test_what_came_in_is_told_without_a_broken_word(filled: Any, terminal: Callable[..., Any]) -> None:
    other = filled.file("b.txt", b"b")
    _status, shown = terminal(*filled.options, "add", "HARBOUR", other, "--title", TITLE, columns=COLUMNS).finish()
    assert set(TITLE.split()) <= set(shown.split())
    assert [row for row in shown.splitlines() if len(row) > COLUMNS and " " in row] == []


def test_a_long_question_is_broken_between_words(filled: Any, terminal: Callable[..., Any]) -> None:
    screen = terminal(*filled.options, "delete", "HARBOUR/1", columns=COLUMNS)
    shown = screen.answer("leaves it: ", "")
    assert set(TITLE.split()) <= set(shown.replace("“", " ").replace("”", " ").split())
    assert all(len(row) <= COLUMNS for row in shown.splitlines())
    assert screen.finish()[0] == 15


def test_a_column_in_which_nothing_stands_takes_no_room_from_the_others_and_keeps_its_place_for_a_program(
    filled: Any, terminal: Callable[..., Any]
) -> None:
    def headings() -> str:
        status, shown = terminal(*filled.options, "items", "HARBOUR", term="xterm", columns=120).finish()
        assert status == 0, shown
        return shown.splitlines()[0]

    assert "Recorded" not in headings()
    columns = len(filled("items", "HARBOUR").lines[0])
    filled("edit", "HARBOUR/1", "--recorded", "2026-11-22")
    assert "Recorded" in headings()
    assert len(filled("items", "HARBOUR").lines[0]) == columns
