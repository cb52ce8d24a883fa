"""What a terminal would obey is shown and not obeyed; what is asked for is asked on the terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands._output import column_widths, document, exact_size, human_size, moment, placed_facts
from commands._terminal import fitted, hidden, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("statement.mp4", "statement.mp4"),
        ("Мадина Эскиева ქართული", "Мадина Эскиева ქართული"),
        ("Ёлка и\u0306", "Ёлка и\u0306"),
        ("a\x1b[31mb", "a<U+001B>[31mb"),
        ("a\nb\r\tc", "a<U+000A>b<U+000D><U+0009>c"),
        ("x\u202egpj.exe", "x<U+202E>gpj.exe"),
        ("\u2066a\u2069", "<U+2066>a<U+2069>"),
        ("a\u200bb\u200d\ufeff", "a<U+200B>b<U+200D><U+FEFF>"),
        ("a\u0085\u009bb", "a<U+0085><U+009B>b"),
        ("\u2028\u2029", "<U+2028><U+2029>"),
        ("\ue000", "<U+E000>"),
        ("\udcff", "<U+DCFF>"),
        ("\u3164\u115f", "<U+3164><U+115F>"),
        ("\U000e0041", "<U+E0041>"),
        ("<U+202E>", "<U+003C>U+202E>"),
        ("a" + "\u0301" * 6, "a" + "\u0301" * 4 + "<U+0301><U+0301>"),
        ("", ""),
    ],
)
def test_every_kind_of_trick_is_made_visible_and_ordinary_text_is_not(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.text(st.characters()))
def test_nothing_that_is_shown_can_be_obeyed_and_no_two_texts_look_the_same(text: str) -> None:
    shown = visible(text)
    assert not any(hidden(char) for char in shown)
    assert "\n" not in shown
    back = ""
    rest = shown
    while rest:
        if rest.startswith("<U+"):
            number, rest = rest[3:].split(">", 1)
            back += chr(int(number, 16))
        else:
            back, rest = back + rest[0], rest[1:]
    assert back == text


@given(st.recursive(st.text(st.characters()), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_json_holds_everything_and_nothing_in_it_can_be_obeyed(value: object) -> None:
    import json

    text = document({"value": value})
    assert json.loads(text) == {"value": value}
    assert not any(hidden(char) for char in text if char != "\n")


@pytest.mark.parametrize(
    ("size_bytes", "shown"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (1_532_123, "1.5 MB"),
        (5 * 10**15, "5000.0 TB"),
    ],
)
def test_sizes_are_short(size_bytes: int, shown: str) -> None:
    assert human_size(size_bytes) == shown


def test_a_long_size_also_says_the_bytes() -> None:
    assert exact_size(1_532_123) == "1.5 MB (1,532,123 bytes)"
    assert exact_size(12) == "12 bytes"


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("2026-11-22T08:15:00Z", "2026-11-22 08:15:00 UTC"),
        ("2026-11-22T08:15:00.123Z", "2026-11-22 08:15:00 UTC"),
        ("2026-11-22", "2026-11-22"),
        ("in the morning\x1b", "in the morning<U+001B>"),
        ("\x1bT00:00:00Z", "<U+001B>T00:00:00Z"),
        (None, ""),
    ],
)
def test_a_time_stays_as_it_was_given_and_ours_are_readable(given: str | None, shown: str) -> None:
    assert moment(given) == shown


def test_messages_break_between_words_and_never_within_a_command() -> None:
    line = "Meet or call them, then `casevault partner verify`."
    assert fitted(line + "\n", 80) == line + "\n"
    assert fitted(line, 0) == line
    assert fitted(line, 40) == "Meet or call them, then\n`casevault partner verify`."
    assert fitted("  it opens with age; not with older ones", 24) == "  it opens with age; not\n  with older ones"
    assert fitted("a" * 50, 24) == "a" * 50


@given(st.text(), st.integers(20, 120))
def test_what_is_broken_into_lines_loses_no_word(text: str, columns: int) -> None:
    assert [word for word in fitted(text, columns).replace("\n", " ").split(" ") if word] == [
        word for word in text.replace("\n", " ").split(" ") if word
    ]


def test_columns_of_a_table_are_narrowed_where_no_word_is_broken() -> None:
    rows = [["No.", "When", "Purpose"], ["60", "2026-11-22 11:12:51 UTC", "for the file of the lawyers"]]
    assert column_widths(rows, 80) == ([3, 23, 27], 3)
    narrow = column_widths(rows, 40)
    assert narrow is not None
    assert sum(narrow[0]) + 2 * narrow[1] == 40
    assert narrow[0][1] >= len("2026-11-22")
    assert column_widths(rows, 18) is None


def test_a_long_name_of_a_file_stays_whole_in_a_table() -> None:
    name = "Screenshot_20200827-231612.jpg"
    rows = [["Item", "Title", "Stored"], ["HARBOUR/1", name, "2026-11-22 11:12:51 UTC"]]
    found = column_widths(rows, 60)
    assert found is not None
    assert found[0][1] == len(name)
    assert column_widths(rows, 45) is None


def test_a_value_lies_beside_its_name_or_below_where_it_stays_whole() -> None:
    digest = "9b0710a4" * 8
    facts = [
        ("Title", "a film of the road"),
        ("SHA-256", digest),
        ("Sender in words", "tiger velvet north corn behind"),
    ]
    assert list(placed_facts(facts, 100)) == [
        ("Title            ", "a film of the road"),
        ("SHA-256          ", digest),
        ("Sender in words  ", "tiger velvet north corn behind"),
    ]
    assert list(placed_facts(facts, 40)) == [
        ("Title            ", "a film of the road"),
        ("SHA-256", ""),
        ("  ", digest),
        ("Sender in words  ", "tiger velvet north corn"),
        ("                 ", "behind"),
    ]
    assert list(placed_facts([], 40)) == []
