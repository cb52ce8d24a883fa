"""Texts that hide a name or a number from a search, or hold it up."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from searched import in_one_text, lone_case

from vault import search
from vault.compartment import Compartment


@pytest.fixture(scope="module")
def compartment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compartment]:
    made = lone_case(tmp_path_factory.mktemp("case") / "case")
    yield made
    made.close()


def marked(compartment: Compartment, text: str, words: str) -> list[str]:
    """The marked words where a case holds this text alone."""
    return [word for hit in in_one_text(compartment, text, words) for word in hit]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("89281234567", "+7 928 123-45-67"),
        ("89281234567", "9281234567"),
        ("89281234567", "+7\u00a0928\u00a0123\u00a045\u00a067"),
        ("+7 928 123\u201445\u201467", "89281234567"),
        ("+7 928 123\u221245\u221267", "89281234567"),
        ("\u202a+7 928\u200b 123-45-67\u202c", "89281234567"),
        ("٠٥٥٥١٢٣٤٥٦", "0555123456"),
    ],
)
def test_a_number_is_found_however_it_was_pasted(compartment: Compartment, text: str, words: str) -> None:
    assert marked(compartment, text, words)


@pytest.mark.parametrize("form", ["{0}", "{0[0]}-{0[1]}{0[2]}{0[3]}-{0[4]}{0[5]}{0[6]}-{0[7]}{0[8]}-{0[9]}{0[10]}"])
def test_each_number_of_a_long_list_is_found(compartment: Compartment, form: str) -> None:
    numbers = [f"8928{number:07}" for number in range(1_111_111, 1_111_111 + 60 * 97, 97)]
    text = "\n".join(form.format(number) for number in numbers)
    with compartment.changing():
        search.forget(compartment, "1")
        search.index(compartment, "1", "note", text)
    assert [n for n in numbers if not search.find(compartment, search.query("+7" + n[1:]), "CASE")] == []


@pytest.mark.parametrize("sign", ["\u202e", "\u200f", "\u2062", "\u2069", "\u180e", "\u061c", "\u0301" * 300])
def test_signs_that_nobody_sees_hide_no_name(compartment: Compartment, sign: str) -> None:
    assert marked(compartment, f"И{sign}брагим ушёл", "Ибрагим")


def test_marks_without_end_take_no_time_without_end(compartment: Compartment) -> None:
    """The run ends with its limit of time where it grows as the square of the text."""
    assert marked(compartment, "needle а" + "\u0301" * 500_000 + "\u0316" * 500_000, "needle") == ["needle"]
    assert marked(compartment, "needle а" + "\u3099\u0316" * 500_000, "needle") == ["needle"]


@pytest.mark.skipif(sys.platform != "linux", reason="left out: the most memory that a process had")
@pytest.mark.parametrize(
    ("text", "most_mib"),
    [('"1234 5 " * 200_000', 120), ('"a\'" * 500_000', 20), ('"a\\u0301" * 400_000', 20)],
)
def test_a_text_takes_no_memory_by_the_way_it_is_cut_into_words(text: str, most_mib: int) -> None:
    """Numbers in groups, and letters that something joins, without end: each step of an expression is remembered."""
    script = (
        "import resource\nfrom vault.wordforms import Terms\n"
        "def most(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10\n"
        f"text, terms = {text}, Terms()\nbefore = most()\nterms.of_text(text)\nprint(most() - before)"
    )
    root = Path(search.__file__).resolve().parents[1]
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, timeout=120)
    assert int(done.stdout) < most_mib, done.stderr
