"""The rows of the editor break after words, and what is written stays as it was typed."""

from __future__ import annotations

import pytest

from commands._word_wrap import broken_at_words

SENTENCE = "Двенадцатого марта, около шести часов утра, в дом вошли люди в масках. Они не представились."


def rows(text: str, columns: int) -> list[str]:
    """What a screen shows that breaks full rows wherever they are full."""
    shown = "".join(broken_at_words(text, [1] * len(text), columns))
    return [shown[at : at + columns] for at in range(0, len(shown), columns)]


@pytest.mark.parametrize("columns", range(16, 60))
def test_no_word_is_broken_that_fits_a_row(columns: int) -> None:
    assert [word for row in rows(SENTENCE, columns) for word in row.split()] == SENTENCE.split()


@pytest.mark.parametrize("columns", range(16, 60))
def test_no_row_of_single_spaced_words_begins_with_a_space(columns: int) -> None:
    assert not any(row.startswith(" ") for row in rows(SENTENCE, columns))


def test_a_word_that_is_longer_than_a_row_is_broken_and_nothing_of_it_is_lost() -> None:
    assert "".join(rows("да " + "щ" * 25 + " нет", 10)).replace(" ", "") == "да" + "щ" * 25 + "нет"
    assert rows("щ" * 25 + " нет да", 10) == ["щ" * 10, "щ" * 10, "щщщщщ нет ", "да"]


def test_each_character_keeps_its_place() -> None:
    text = "один два три"
    shown = broken_at_words(text, [1] * len(text), 8)
    assert [look.strip() for look in shown] == [char.strip() for char in text]
    assert shown == ["о", "д", "и", "н", " ", "д", "в", "а", "", "т", "р", "и"]


def test_what_fits_is_left_alone() -> None:
    assert broken_at_words("два слова", [1] * 9, 9) == list("два слова")
