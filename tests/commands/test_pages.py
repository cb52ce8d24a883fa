"""Rows of a text of any size: nothing is lost between them, nothing in them is obeyed, and little of the text is held."""

import tracemalloc
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands._encodings import Encoding
from commands._pages import Pages, Row
from commands._terminal import hidden

ENCODINGS = ("utf-8", "cp1251", "koi8-u", "cp866", "cp1252", "utf-16-le", "utf-16-be")


def pages(data: bytes, encoding: str = "utf-8", width: int = 20, mark: int = 0) -> Pages:
    return Pages(lambda offset, length: data[offset : offset + length], len(data), Encoding(encoding, mark), width)


def shown(rows: list[Row]) -> list[str]:
    return [row.shown for row in rows]


def columns(text: str) -> int:
    wide = sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)
    return wide - sum(unicodedata.category(char) in ("Mn", "Me") for char in text)


def test_rows_end_at_line_ends_and_after_the_last_word_that_fits() -> None:
    text = "one two three four five\r\nsix\n\n  seven\t.\nabcdefghijklmnopqrstuvwxyz"
    assert shown(pages(text.encode()).rows_from(0, 100)) == [
        "one two three four",
        "five",
        "six",
        "",
        "  seven .",
        "abcdefghijklmnopqrst",
        "uvwxyz",
    ]


def test_wide_letters_and_marks_take_the_room_that_they_take() -> None:
    assert shown(pages("日本語日本語".encode(), width=6).rows_from(0, 9)) == ["日本語", "日本語"]
    assert shown(pages(("и\u0306" * 6).encode(), width=6).rows_from(0, 9)) == ["и\u0306" * 6]


def test_what_a_terminal_would_obey_is_shown_and_counted() -> None:
    (first, second) = shown(pages("ab\x1b[31mx\u202ey".encode(), width=16).rows_from(0, 9))
    assert (first, second) == ("ab<U+001B>[31mx", "<U+202E>y")


def test_bytes_that_are_no_text_are_seen_and_keep_their_place() -> None:
    rows = pages(b"a\xffb\n\xd0").rows_from(0, 9)
    assert shown(rows) == ["a\ufffdb", "\ufffd"]
    assert rows[-1].end == 5


def test_a_mark_before_the_text_is_not_shown() -> None:
    found = pages("\ufeffabc".encode("utf-16-le"), "utf-16-le", mark=2)
    assert shown(found.rows_from(found.begin, 9)) == ["abc"]
    assert shown(found.rows_before(found.end, 9)) == ["abc"]


@given(
    st.lists(st.one_of(st.text(max_size=60), st.binary(max_size=60)), max_size=8),
    st.sampled_from(ENCODINGS),
    st.integers(1, 50),
)
def test_rows_follow_each_other_without_a_gap_and_fit(parts: list[str | bytes], encoding: str, width: int) -> None:
    data = b"\n".join(part if isinstance(part, bytes) else part.encode(encoding, "replace") for part in parts)
    found = pages(data, encoding, width)
    rows = found.rows_from(0, 10_000)
    assert [row.start for row in rows] == [0, *(row.end for row in rows)][: len(rows)]
    assert (rows[-1].end if rows else 0) == len(data)
    for row in rows:
        assert not any(hidden(char) for char in row.shown)
        assert "\n" not in row.shown
        assert "\r" not in row.shown
        assert columns(row.shown) <= max(width, 8 + 1)
    # Where every line fits into a block, going back finds the same rows.
    assert found.rows_before(len(data), 10_000) == rows
    for row in rows[:20]:
        assert found.rows_before(row.start, 3) == [each for each in rows if each.end <= row.start][-3:]


def test_a_line_without_end_can_be_gone_through_both_ways() -> None:
    data = "абвг ".encode() * 30_000
    found = pages(data, width=78)
    forwards = found.rows_from(0, 20_000)
    assert forwards[-1].end == len(data)
    place, steps = len(data), 0
    while place > 0 and steps < 20_000:
        above = found.rows_before(place, 40)
        assert above[0].start < place
        place, steps = above[0].start, steps + 1
    assert place == 0


@pytest.mark.parametrize("line", ["x" * 79 + "\n", "word "])
def test_of_a_text_of_a_gigabyte_only_what_is_shown_is_held(line: str) -> None:
    size = 1 << 30
    pattern = line.encode() * 4096

    def read(offset: int, length: int) -> bytes:
        start = offset % len(line)
        return (pattern[start:] + pattern * (length // len(pattern) + 1))[:length]

    found = Pages(read, size, Encoding("utf-8"), 100)
    tracemalloc.start()
    try:
        end = found.rows_before(size, 60)
        middle = found.rows_from(size // 2, 60)
        assert len(found.rows_before(middle[0].start, 60)) == len(middle) == 60
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert end[-1].end == size
    assert peak < 8 << 20
