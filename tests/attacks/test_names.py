"""Names, notes and searches from hostile hands: shown whole on one line, written under a harmless name, found in any form."""

import sys
import unicodedata
from pathlib import Path

import pytest
from program import Program

from commands._output import _console, moment
from commands._terminal import visible
from vault import exporting, search
from vault.errors import BadValue

CONTROL = [chr(number) for number in (*range(0x20), *range(0x7F, 0xA0))]


@pytest.mark.parametrize("char", CONTROL)
def test_no_control_character_stands_in_the_name_of_an_exported_file(char: str) -> None:
    assert char not in exporting.safe_name(f"a{char}b.t{char}t", 1)


@pytest.mark.parametrize("selector", ["\ufe0f", "\ufe00", "\U000e0100", "\U000e01ef", "\u180f"])
def test_a_selector_that_nobody_sees_is_made_visible(selector: str) -> None:
    assert visible(f"a{selector}b") == f"a<U+{ord(selector):04X}>b"


@pytest.mark.parametrize("mark", ["\u0301", "\u0489", "\u20dd", "\u0f71", "\u0e31"])
def test_marks_of_every_kind_are_not_piled_up(mark: str) -> None:
    assert visible("a" + mark * 50).count(mark) == 4


def test_marks_that_take_turns_are_not_piled_up() -> None:
    assert visible("a" + "\u0301\u0489" * 50).count("\u0489") == 2


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("2026-11-22T08:15:00Z", "2026-11-22 08:15:00 UTC"),
        ("2026-11-22T08:15:00.123Z", "2026-11-22 08:15:00 UTC"),
        ("2026-11-22", "2026-11-22"),
        ("Tbilisi, the day of XYZ", "Tbilisi, the day of XYZ"),
        ("2026-11-22T10:00:00+06:00 or 04:00Z", "2026-11-22T10:00:00+06:00 or 04:00Z"),
        ("2026-11-22T10:00:00\x1b[2JZ", "2026-11-22T10:00:00<U+001B>[2JZ"),
        ("", ""),
    ],
)
def test_a_time_that_a_person_gave_is_shown_as_it_was_given(given: str, shown: str) -> None:
    assert moment(given) == shown


@pytest.mark.parametrize("stored", ["NFC", "NFD"])
@pytest.mark.parametrize("typed", ["NFC", "NFD"])
@pytest.mark.parametrize("word", ["Айшат", "їжак", "ёлка", "Noël", "Қасым"])
def test_a_word_is_found_in_whatever_form_its_letters_were_typed(
    tmp_path: Path, stored: str, typed: str, word: str
) -> None:
    from vaults import make_vault

    with make_vault(tmp_path / "vault") as vault:
        case = vault.cases.new("Road")
        vault.cases.get(case.code).note(unicodedata.normalize(stored, f"says {word} there"))
        (hit,) = vault.search(unicodedata.normalize(typed, word))
        assert unicodedata.normalize("NFC", hit.excerpt[slice(*hit.spans[0])]) == word


@pytest.mark.parametrize("width", ["\u00b2", "9" * 5000, "-3", "0", "1", "x", ""])
def test_a_width_that_is_no_number_does_not_stop_a_table(monkeypatch: pytest.MonkeyPatch, width: str) -> None:
    monkeypatch.setenv("COLUMNS", width)
    monkeypatch.setenv("LINES", width)
    assert _console().width


def test_a_search_for_very_many_words_is_refused_at_once() -> None:
    with pytest.raises(BadValue):
        search.query("word " * 200_000)
    assert search.query("word " * 100)


@pytest.mark.parametrize(
    "words",
    ['" OR *', "NEAR(a b)", "content: a", "-a", "a AND NOT b", "^a + {b}", "a'); DROP TABLE items; --", "w" * 1000],
)
def test_a_search_is_words_and_never_an_expression(casevault: Program, words: str) -> None:
    done = casevault("search", "-", "--json", stdin=words)
    assert (done.status, done.json()) == (0, []), done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="left out: file names of bytes")
def test_hostile_names_are_one_visible_line_in_every_form(casevault: Program, tmp_path: Path) -> None:
    folder = tmp_path / "stick"
    folder.mkdir()
    names = [
        b"-rf",
        b"--help",
        b"esc\x1b[31m\x1b]52;c;eA==\x07",
        b"line\nHARBOUR\tforged",
        b"\xe2\x80\xaeexe.txt",
        b"c1\xc2\x9b31m",
        b"bytes\xff\xfe",
        b"[red]markup[-red]:smile:",
        b"CON",
        b"aux.txt",
        b"a:b\\c|d",
        "я".encode() * 127,
        "e\u0301".encode(),
        "é".encode(),
        b"\xef\xbb\xbf",
        b" . ",
        b"...",
    ]
    for number, name in enumerate(names):
        (folder / name.decode(errors="surrogateescape")).write_text(str(number))
    done = casevault("add", "HARBOUR", "-r", "stick")
    (tmp_path / "out").mkdir()
    assert done.status == 0, done.stderr
    shown = [casevault("items", "HARBOUR", *form) for form in ((), ("--plain",), ("--json",))]
    shown += [casevault("log"), casevault("search", "forged"), casevault("export", "HARBOUR", "--to", "out"), done]
    for each in shown:
        for text in (each.stdout, each.stderr):
            assert not any(char in text for char in CONTROL if char not in "\n\t"), text
            assert "\u202e" not in text
    assert len(shown[0].stdout.splitlines()) == len(names)
    exported = sorted(path.name for path in (tmp_path / "out" / "HARBOUR").iterdir())
    assert len(exported) == 3 * len(names)
    assert all(name[0].isdigit() and name.isprintable() and len(name.encode()) < 200 for name in exported)
