"""One name is found in whatever script, alphabet and system of transliteration it is written."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path

import pytest

from crypto.keys import CaseKey
from vault import search
from vault.compartment import Compartment
from vault.wordforms import RULES, Terms


@pytest.fixture(scope="module")
def lines(source: Path) -> list[list[str]]:
    text = (source / "tests/vectors/spellings.txt").read_text(encoding="utf-8")
    return [line.split() for line in text.splitlines() if line and not line.startswith("#")]


@pytest.fixture(scope="module")
def compartment(tmp_path_factory: pytest.TempPathFactory, lines: list[list[str]]) -> Iterator[Compartment]:
    """A case in which each word of the corpus is a text of its own."""
    path = tmp_path_factory.mktemp("spelling") / "case"
    made = Compartment.create(path, CaseKey.random(), code="CASE", case_id=secrets.token_bytes(16), clock=lambda: "now")
    with made.changing():
        for number, word in enumerate(sorted({word for _, *words in lines for word in words})):
            search.index(made, str(number), "note", word)
    yield made
    made.close()


def found(compartment: Compartment, words: str) -> set[str]:
    return {hit.excerpt for hit in search.find(compartment, search.query(words), "CASE")}


def test_spellings_of_one_name_find_each_other(compartment: Compartment, lines: list[list[str]]) -> None:
    groups = [words for sign, *words in lines if sign == "="]
    assert sum(map(len, groups)) > 400
    missed = [(asked, set(group) - found(compartment, asked)) for group in groups for asked in group]
    assert {asked: others for asked, others in missed if others} == {}


def test_a_word_finds_its_inflections(compartment: Compartment, lines: list[list[str]]) -> None:
    missed = [(asked, set(words) - found(compartment, asked)) for sign, asked, *words in lines if sign == ">"]
    assert {asked: others for asked, others in missed if others} == {}


def test_other_words_are_not_found(compartment: Compartment, lines: list[list[str]]) -> None:
    pairs = [pair for sign, *words in lines if sign == "!" for pair in permutations(words, 2)]
    assert [(asked, other) for asked, other in pairs if other in found(compartment, asked)] == []


def test_few_words_of_the_corpus_are_found_by_mistake(compartment: Compartment, lines: list[list[str]]) -> None:
    """Whoever reads the hits reads some that were not meant; these may not be many."""
    meant: dict[str, set[str]] = {}
    for sign, *words in lines:
        if sign != "!":
            for word in words:
                meant.setdefault(word, set()).update(words)
    mistaken = {asked: found(compartment, asked) - words for asked, words in meant.items()}

    assert sum(map(len, mistaken.values())) < len(meant)


def test_the_terms_of_texts_are_those_of_the_number_of_the_rules(source: Path) -> None:
    """When they change on purpose, or with a library, count up ``RULES``: then older indexes are made anew."""
    text = (source / "tests/vectors/spellings.txt").read_text(encoding="utf-8")
    found = hashlib.sha256(Terms().of_text(f"{text} +7 (701) 123-45-67").encode()).hexdigest()
    assert (RULES, found[:16]) == (2, "9db9156109d9c337")
