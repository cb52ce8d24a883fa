"""`casevault seal`: what is shown before, what is asked, and what comes of it."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from altered import run_until_locked, run_without_outcome
from opened import opened
from somebody import Somebody

from commands.seal import exceeded
from crypto import age
from vault import Description, KeyFileUnlocker, PersonFields, Vault

KEY = b"a key file of the tests, 32 byte"
BEAR, CRANE = Somebody(1), Somebody(2)
FILM = bytes(range(256)) * 2000


@pytest.fixture
def filled(harbour: Any) -> Any:
    """HARBOUR with a film, a statement and a person, and two partners, of whom one was compared in person."""
    with Vault.open(harbour.vault, KeyFileUnlocker(KEY)) as vault:
        case = vault.cases.get("HARBOUR")
        film = harbour.file("film.mp4", FILM)
        os.utime(film, (0, 0))
        case.items.add_file(film, description=Description(title="First video", note="from her phone"))
        case.items.add_text("I left of my own will.", description=Description(title="Statement", kind="statement"))
        case.persons.add(PersonFields("Amina", phones=("+7 900",)))
        vault.partners.add("Bear", card=BEAR.card(classical=True))
        vault.partners.add("Crane", card=CRANE.card())
        vault.partners.get("Bear").verify(BEAR.reads_out(), in_person=True)
    return harbour


def made(folder: Path) -> list[Path]:
    return sorted(folder.glob("sealed-*"))


def test_a_file_with_a_random_name_lies_in_this_folder_and_its_path_is_the_result(filled: Any) -> None:
    done = filled("seal", "HARBOUR", "--all", "--to", "Bear", "--yes")
    (path,) = made(filled.folder)
    assert filled.folder / done.stdout.strip() == path
    found = opened(path, BEAR.hybrid, BEAR.fingerprint)
    assert found.items == (FILM, b"I left of my own will.")
    assert b"First video" not in found.plaintext
    if sys.platform != "win32":
        assert path.stat().st_mode & 0o777 == 0o600


def test_everything_is_shown_before(filled: Any) -> None:
    done = filled(
        *("seal", "HARBOUR", "--item", "1", "--item", "HARBOUR/2", "--to", "bear", "--person", "p1"),
        *("--with", "names,notes", "--purpose", "hearing", "--terms", "for the court alone", "--yes"),
        *("-o", "out.bin"),
    )
    for shown in (
        "case HARBOUR, “Harbour Street”",
        "For: Bear, whose card was compared in person.",
        "also against quantum computers",
        "age 1.3 or later",
        "HARBOUR/1, video, 512.0 kB: “First video”",
        "HARBOUR/2, statement, 22 bytes: “Statement”",
        "Titles and file names go too.",
        "Notes go too.",
        "HARBOUR/p1, “Amina”, goes with all contact details.",
        "signed by this vault, without a name",
        "Purpose: hearing",
        "Terms: for the court alone",
        "Size of the file: ",
    ):
        assert shown in done.stderr, shown
    assert "Tags go too" not in done.stderr
    assert "Too large" not in done.stderr
    exact = re.search(r"Size of the file: .*\(([0-9,]+) bytes\)", done.stderr)
    assert exact
    assert int(exact[1].replace(",", "")) == (filled.folder / "out.bin").stat().st_size


def test_what_is_not_named_is_said_to_stay(filled: Any) -> None:
    shown = filled("seal", "HARBOUR", "--item", "2", "--to", "Bear", "--yes").stderr
    assert "Titles, file names, notes, tags and circumstances stay here." in shown
    assert "No person goes." in shown
    assert "First video" not in shown


def test_nothing_that_is_shown_is_obeyed(filled: Any) -> None:
    evil = "\x1b[31mred\u202egpj"
    filled("edit", "HARBOUR/1", "--title", evil)
    filled("case", "edit", "HARBOUR", "--title", evil)
    filled("person", "add", "HARBOUR", "-", typed=evil)
    more = ("--person", "p2", "--purpose", evil, "--terms", evil, "--yes")
    shown = filled("seal", "HARBOUR", "--item", "1", "--to", "Bear", *more).stderr
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert shown.count("<U+001B>[31mred<U+202E>gpj") == 5


def test_the_limits_that_a_size_exceeds() -> None:
    assert exceeded(25_000_000) == []
    assert exceeded(25_000_001) == ["mail"]
    assert exceeded(100_000_001) == ["mail", "signal"]
    assert exceeded(2**32 - 1) == ["mail", "signal"]
    assert exceeded(2**32) == ["mail", "signal", "fat32"]


def test_without_a_terminal_nothing_is_sealed_unless_yes_is_said(filled: Any) -> None:
    done = filled("seal", "HARBOUR", "--all", "--to", "Bear", status=15)
    assert "--yes" in done.stderr
    assert made(filled.folder) == []
    acts = [(e["act"], e["phase"]) for e in filled("log", "--case", "HARBOUR", "--json").json if e["act"] == "share"]
    assert acts == [("share", "intent"), ("share", "failed")]


def test_yes_covers_a_partner_whom_nobody_compared_and_the_log_says_so(filled: Any) -> None:
    done = filled("seal", "HARBOUR", "--all", "--to", "Crane", "--yes", "--json")
    assert "NOBODY HAS COMPARED" in done.stderr
    assert done.json["grade"] == "unverified"
    with Vault.open(filled.vault, KeyFileUnlocker(KEY)) as vault:
        (share,) = vault.shares()
        assert share.grade == "unverified"


def test_yes_does_not_cover_a_changed_card(filled: Any) -> None:
    with Vault.open(filled.vault, KeyFileUnlocker(KEY)) as vault, pytest.raises(Exception, match="another one"):
        vault.partners.add("Bear", card=Somebody(3).card())
    filled("seal", "HARBOUR", "--all", "--to", "Bear", "--yes", status=15)
    assert made(filled.folder) == []


def test_json_says_what_was_sealed(filled: Any) -> None:
    document = filled("seal", "HARBOUR", "--all", "--to", "Bear", "--person", "HARBOUR/p1", "--yes", "--json").json
    path = filled.folder / document["path"]
    assert document["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert document["size_bytes"] == path.stat().st_size
    assert (document["code"], document["sequence"], document["partner"]) == ("HARBOUR", 1, "Bear")
    assert (document["items"], document["persons"]) == (["HARBOUR/1", "HARBOUR/2"], ["HARBOUR/p1"])
    assert (document["protection"], document["exceeds"]) == ("mlkem768x25519", [])


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("--to", "Bear"), 2),
        (("--all", "--item", "1", "--to", "Bear"), 2),
        (("--all",), 2),
        (("--all", "--to", "Bear", "--passphrase"), 2),
        (("--all", "--passphrase", "--classical"), 2),
        (("--all", "--to", "Bear", "--with", "everything"), 2),
        (("--item", "MEADOW/1", "--to", "Bear"), 2),
        (("--item", "p1", "--to", "Bear"), 2),
        (("--all", "--passphrase"), 13),
        (("--all", "--to", "Heron"), 14),
        (("--item", "9", "--to", "Bear"), 14),
        (("--all", "--to", "Bear", "--person", "p9"), 14),
        (("--all", "--to", "Bear", "-o", "gone/x.age"), 14),
        (("--all", "--to", "Crane", "--classical"), 15),
        (("--all", "--to", "Bear", "-o", "film.mp4"), 15),
        (("--all", "--to", "Bear", "-o", "vault/x.age"), 15),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_sealed_is_refused_and_leaves_nothing(
    filled: Any, arguments: tuple[str, ...], status: int
) -> None:
    before = sorted(path.name for path in filled.folder.iterdir())
    done = filled("seal", "HARBOUR", *arguments, "--yes", status=status)
    assert done.stdout == ""
    assert sorted(path.name for path in filled.folder.iterdir()) == before
    assert (filled.folder / "film.mp4").read_bytes() == FILM


def test_purpose_and_terms_are_asked_for_and_may_be_empty(filled: Any, terminal: Any) -> None:
    shown = terminal(*filled.options, "seal", "HARBOUR", "--item", "2")
    assert "Crane (not compared yet)" in shown.answer("For which partner?", "")
    assert "none of them" in shown.answer("For which partner?", "Baer")
    shown.answer("For which partner?", "bear")
    shown.answer("What is it for?", "hearing")
    shown.answer("What may they do with it?", "")
    text = shown.answer("Seal this file?", "yes")
    assert "Purpose: hearing" in text
    assert "Terms:" not in text
    status, _rest = shown.finish()
    assert status == 0
    (path,) = made(filled.folder)
    manifest = opened(path, BEAR.hybrid, BEAR.fingerprint).manifest
    assert (manifest.purpose, manifest.terms) == ("hearing", None)


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("--all", "--to", "Lean"), 14, "There is no partner Lean"),
        (("--item", "9", "--to", "Bear"), 14, "There is no item HARBOUR/9"),
        (("--item", "1", "--person", "p9", "--to", "Bear"), 14, "There is no person HARBOUR/p9"),
        (("--item", "1", "--to", "Bear", "-o", "gone/x.age"), 14, "gone"),
        (("--item", "1", "--to", "Bear", "-o", "film.mp4"), 15, "film.mp4"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_nobody_says_what_for_to_hear_that_it_cannot_be_sealed(
    filled: Any, terminal: Any, arguments: tuple[str, ...], status: int, said: str
) -> None:
    ended, shown = terminal(*filled.options, "seal", "HARBOUR", *arguments).finish()
    assert ended == status
    assert said in shown
    assert "What is it for?" not in shown


@pytest.mark.parametrize("command", [("seal", "HARBOUR", "--all", "--to", "Bear", "--yes"), ("identity", "card")])
def test_a_stick_that_is_not_in_gets_no_file_of_its_name(filled: Any, command: tuple[str, ...]) -> None:
    filled(*command, "-o", "stick/", status=14)
    assert not (filled.folder / "stick").exists()
    (filled.folder / "stick").mkdir()
    if command[0] == "seal":
        filled(*command, "-o", "stick/")
        assert len(list((filled.folder / "stick").iterdir())) == 1


def test_a_recipient_that_is_not_safe_is_refused_before_the_questions_and_the_option_is_named(
    filled: Any, terminal: Any
) -> None:
    filled("partner", "add", "--age", "-", "--name", "Finch", typed=str(CRANE.classical.recipient()))
    command = (*filled.options, "seal", "HARBOUR", "--all", "--to", "Finch")
    status, shown = terminal(*command).finish()
    assert (status, "What is it for?" in shown, "`--classical`" in shown) == (15, False, True)
    assert "`--classical`" in filled("seal", "HARBOUR", "--all", "--to", "Finch", "--yes", status=15).stderr
    screen = terminal(*command, "--classical")
    screen.answer("What is it for?", "")
    screen.interrupt()
    assert screen.finish()[0] == 130


def test_a_no_and_an_interruption_seal_nothing(filled: Any, terminal: Any) -> None:
    command = (*filled.options, "seal", "HARBOUR", "--all", "--to", "Crane", "--purpose", "x", "--terms", "y")
    shown = terminal(*command)
    shown.answer("Nobody has compared this card. Seal for it all the same?", "no")
    status, rest = shown.finish()
    assert (status, "Nothing was done." in rest, "error" in rest) == (15, True, False)
    shown = terminal(*command)
    shown.expect("Seal for it all the same?")
    shown.interrupt()
    assert shown.finish()[0] == 130
    assert made(filled.folder) == []
    with Vault.open(filled.vault, KeyFileUnlocker(KEY)) as vault:
        assert vault.shares() == ()
        assert [e.phase for e in vault.log("HARBOUR") if e.act == "share"] == ["intent", "failed"] * 2


def test_a_passphrase_is_shown_once_on_the_second_screen_and_opens_the_file(filled: Any, terminal: Any) -> None:
    shown = terminal(
        *(*filled.options, "seal", "HARBOUR", "--all", "--passphrase", "--purpose", "-", "--terms", "-"), term="xterm"
    )
    shown.answer("What is it for?", "")
    shown.answer("What may they do with it?", "")
    before = shown.answer("Seal this file?", "yes")
    assert "whoever has the file and is told the passphrase" in before
    text = shown.answer("Written down? Press Enter.", "")
    assert "\x1b[?1049h" in text
    passphrase = re.findall(r"    ([a-z]+(?:-[a-z]+){7})\r?\n", text)
    assert len(passphrase) == 1
    status, rest = shown.finish()
    assert (status, passphrase[0] in rest) == (0, False)
    (path,) = made(filled.folder)
    assert opened(path, age.passphrase_identity(passphrase[0])).items[0] == FILM
    for each in filled.folder.rglob("*"):
        assert not each.is_file() or passphrase[0].encode() not in each.read_bytes()


def test_it_is_the_same_within_a_session(filled: Any, home: Path) -> None:
    filled("unlock")
    try:
        document = filled.bare(
            "--vault", filled.vault, "seal", "HARBOUR", "--all", "--to", "Bear", "--yes", "--json"
        ).json
        assert opened(filled.folder / document["path"], BEAR.hybrid, BEAR.fingerprint).items[0] == FILM
    finally:
        filled("lock")


def test_what_a_removed_partner_still_has_is_said(filled: Any) -> None:
    filled("seal", "HARBOUR", "--all", "--to", "Bear", "--yes")
    done = filled("partner", "remove", "Bear", "--yes")
    assert "Bear has, or can get, HARBOUR-1" in done.stderr
    filled("seal", "HARBOUR", "--all", "--to", "Bear", "--yes", status=14)


def test_what_was_sealed_is_named_before_a_case_is_deleted(filled: Any) -> None:
    filled("seal", "HARBOUR", "--all", "--to", "Bear", "--yes")
    done = filled("case", "delete", "HARBOUR", "--confirm", "HARBOUR")
    assert "nobody can take back" in done.stderr
    assert "Bear has, or can get, HARBOUR-1" in done.stderr


def add_large(filled: Any) -> None:
    with Vault.open(filled.vault, KeyFileUnlocker(KEY)) as vault:
        large = filled.file("large.bin", bytes(120_000_000))
        vault.cases.get("HARBOUR").items.add_file(large)
        large.unlink()


def until_it_writes(filled: Any, process: Any) -> None:
    end = time.monotonic() + 60
    while not any(path.stat().st_size for path in made(filled.folder)):
        assert time.monotonic() < end
        assert process.poll() is None
        time.sleep(0.002)


@pytest.mark.skipif(sys.platform == "win32", reason="left out: signals")
def test_of_two_at_once_one_seals_and_the_other_says_who_holds_the_vault(filled: Any) -> None:
    add_large(filled)
    process = filled.start("seal", "HARBOUR", "--all", "--to", "Bear", "--yes")
    until_it_writes(filled, process)
    process.send_signal(signal.SIGSTOP)
    try:
        before = made(filled.folder)
        filled("seal", "HARBOUR", "--item", "1", "--to", "Crane", "--yes", status=11)
        assert [path.name for path in made(filled.folder)] == [path.name for path in before]
    finally:
        process.send_signal(signal.SIGCONT)
    process.communicate(timeout=120)
    assert process.returncode == 0
    (path,) = made(filled.folder)
    assert path.suffix == ".age"


@pytest.mark.skipif(sys.platform == "win32", reason="left out: signals")
def test_an_interruption_in_the_middle_of_the_file_leaves_nothing(filled: Any) -> None:
    add_large(filled)
    process = filled.start("seal", "HARBOUR", "--all", "--to", "Bear", "--yes")
    until_it_writes(filled, process)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert (process.returncode, made(filled.folder)) in ((130, []), (0, made(filled.folder)))
    with Vault.open(filled.vault, KeyFileUnlocker(KEY)) as vault:
        assert [share.state for share in vault.shares()] == (["failed"] if process.returncode else ["sent"])


def assert_told(filled: Any, out: str, err: str) -> None:
    (path,) = made(filled.folder)
    assert filled.folder / out.strip() == path
    assert opened(path, BEAR.hybrid, BEAR.fingerprint).items[0] == FILM
    assert "The file is whole and can be sent" in err


def test_a_file_is_told_of_though_the_log_could_not_record_how_it_ended(filled: Any) -> None:
    status, out, err = run_without_outcome(filled, "share", "seal", "HARBOUR", "--all", "--to", "Bear", "--yes")
    assert_told(filled, out, err)
    assert status == 28
    assert "do not repeat" in err


@pytest.mark.skipif(sys.platform == "win32", reason="left out: there are no sessions on Windows")
def test_a_file_is_told_of_though_the_session_ended_just_then(filled: Any) -> None:
    filled("unlock")
    status, out, err = run_until_locked(filled, "share_end", "seal", "HARBOUR", "--all", "--to", "Bear", "--yes")
    assert_told(filled, out, err)
    assert status == 13, err
