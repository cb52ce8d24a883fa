"""Finding words, finding damage, reading the log, and what can be told without a key."""

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def full(harbour: Any) -> Any:
    harbour("add", "HARBOUR", "--text", "-", "--title", "Показания", typed="Я уехала по своей воле\nI left")
    harbour("add", "HARBOUR", harbour.file("film.mp4", b"f" * 200_000))
    harbour("person", "add", "HARBOUR", "-", "--alias", "Madina", typed="Мадина")
    return harbour


def test_words_are_found_in_statements_titles_and_persons(full: Any) -> None:
    for words, reference in (
        ("воле", "HARBOUR/1"),
        ("УЕХАЛ", "HARBOUR/1"),
        ("показания", "HARBOUR/1"),
        ("film", "HARBOUR/2"),
        ("madina", "HARBOUR/p1"),
        ("street", "HARBOUR"),
    ):
        assert [hit["reference"] for hit in full("search", "-", "--json", typed=words).json] == [reference], words
    hit = full("search", "-", "--json", typed="воле").json[0]
    assert [hit["excerpt"][begin:end] for begin, end in hit["spans"]] == ["воле"]


def test_what_is_not_there_is_not_found_and_no_words_are_a_usage_error(full: Any) -> None:
    done = full("search", "-", typed="nothing")
    assert done.stdout == ""
    assert "Nothing was found." in done.stderr
    assert full("search", "-", "--json", typed="nothing").json == []
    full("search", status=2)
    full("search", "-", typed="...", status=2)
    full("search", "x", "--case", "NOWHERE", status=14)


def test_a_search_can_be_kept_to_one_case_and_several_words_must_all_be_there(full: Any) -> None:
    full("case", "new", "-", "--code", "SECOND", typed="Another film")
    assert len(full("search", "-", "--json", typed="film").json) == 2
    assert [hit["reference"] for hit in full("search", "film", "--case", "second", "--json").json] == ["SECOND"]
    assert len(full("search", "another", "film", "--json").json) == 1


def test_what_is_found_stands_out_on_a_terminal(full: Any, terminal: Callable[..., Any]) -> None:
    screen = terminal(*full.options, "search", "-", term="xterm")
    screen.answer("Words:", "film")
    status, shown = screen.finish()
    assert status == 0
    assert "\x1b[1mfilm\x1b[0m" in shown
    screen = terminal(*full.options, "search", "film", "--plain", term="xterm")
    status, shown = screen.finish()
    assert "\x1b" not in shown
    assert "Found in: HARBOUR/2" in shown
    assert "Match: воле\n" in full("search", "-", "--plain", typed="воле").stdout


# check


def test_a_whole_vault_has_no_findings_and_says_what_was_not_read(full: Any) -> None:
    done = full("check")
    assert "No damage was found." in done.stderr
    assert "The content of 2 files was not read" in done.stderr
    report = full("check", "--json").json
    assert (report["objects"], report["objects_read"], report["objects_not_read"]) == (2, 0, 2)
    done = full("check", "--read-data", "--json")
    assert (done.json["objects_read"], done.json["objects_not_read"], done.json["findings"]) == (2, 0, [])
    assert "not read" not in done.stderr


def test_damage_is_named_with_status_20_and_nothing_is_changed(full: Any) -> None:
    largest = max((full.vault / "objects").rglob("*.*"), key=lambda path: path.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[100_000] ^= 1
    largest.write_bytes(content)
    assert full("check").status == 0  # the structure alone does not show it
    done = full("check", "--read-data", status=20)
    assert done.lines[0][1] == "HARBOUR/2"
    assert "casevault check --read-data" not in done.stderr
    assert full("check", "--read-data", "--json", status=20).json["findings"][0]["subject"] == "HARBOUR/2"
    assert largest.read_bytes() == bytes(content)
    largest.unlink()
    assert full("check", "--json", status=20).json["findings"][0]["subject"] == "HARBOUR/2"
    assert full("cat", "HARBOUR/2", status=20).stdout == ""
    assert "I left" in full("cat", "HARBOUR/1").stdout


def test_an_older_copy_is_told_from_the_vault(full: Any) -> None:
    import shutil

    shutil.copytree(full.vault, full.folder / "older")
    full("note", "HARBOUR", "consent withdrawn")
    done = full("--vault", full.folder / "older", "case", "list", status=20)
    assert done.stdout == ""
    assert "--accept-older-copy" in done.stderr
    full("case", "list")
    # Who knows why opens it all the same, and its log says so.
    full("--vault", full.folder / "older", "--accept-older-copy", "case", "list")


# log


def test_the_log_has_intent_and_outcome_newest_last(full: Any) -> None:
    full("show", "HARBOUR/2", "--purpose", "for the judge")
    entries = full("log", "--json").json
    assert [entry["number"] for entry in entries] == list(range(len(entries)))
    assert entries[-1]["act"] == "log"
    intent = next(entry for entry in entries if entry["purpose"] == "for the judge")
    assert (intent["act"], intent["phase"], intent["case"], intent["item"]) == (
        "item-show",
        "intent",
        "HARBOUR",
        "HARBOUR/2",
    )
    outcome = next(entry for entry in entries if entry["answers"] == intent["number"])
    assert outcome["phase"] == "done"
    lines = full("log", "--case", "HARBOUR").lines
    assert any(line[2:5] == ["item-show", "intent", "HARBOUR/2"] for line in lines)
    assert all(line[4].startswith("HARBOUR") for line in lines)
    full("log", "--case", "NOWHERE", status=14)


def test_a_failed_reading_is_in_the_log_as_failed(full: Any) -> None:
    for path in (full.vault / "objects").rglob("*.*"):
        path.unlink()
    full("cat", "HARBOUR/2", status=20)
    entries = full("log", "--json").json
    assert [entry["phase"] for entry in entries if entry["act"] == "item-cat"] == ["intent", "failed"]


# status


def test_without_a_key_status_says_what_anybody_sees_and_no_more(full: Any) -> None:
    done = full.bare("--vault", full.vault, "status")
    assert "State: locked\n" in done.stdout
    assert "HARBOUR" not in done.stdout
    facts = full.bare("--vault", full.vault, "status", "--json").json
    assert (facts["state"], facts["compartments"], facts["object_files"], facts["vault"]) == ("locked", 1, 2, None)


def test_with_a_key_status_says_more_and_still_nothing_of_a_case(full: Any) -> None:
    done = full("status")
    assert "keyfile" in done.stdout
    assert "HARBOUR" not in done.stdout
    assert "Harbour" not in done.stdout
    inside = full("status", "--json").json["vault"]
    assert (inside["cases"], inside["epoch"], inside["last_check"]) == (1, 1, None)
    full("check", "--read-data")
    assert full("status", "--json").json["vault"]["last_check"] is not None
