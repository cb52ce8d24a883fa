"""`partner`: cards come in, what was heard is typed, and nobody is taken for somebody else."""

import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from somebody import Somebody

from crypto import fingerprints

LENA, OTHER = Somebody(1), Somebody(2)
CHANGED = "The card of Lena is another one than before"


@pytest.fixture
def lena(cv: Any) -> Any:
    """The program with the partner Lena, whose card nobody compared."""
    cv.file("lena.card", LENA.card(name="Elena P."))
    cv.file("other.card", OTHER.card(name="Elena P."))
    cv("partner", "add", "lena.card", "--name", "Lena")
    return cv


def show(cv: Any) -> Any:
    return cv("partner", "show", "Lena", "--json").json


def heard(cv: Any, text: str) -> Path:
    path: Path = cv.file("heard", text.encode())
    return path


def test_a_card_is_taken_under_our_name_and_said_to_prove_nothing_yet(cv: Any) -> None:
    cv.file("lena.card", b"\xef\xbb\xbf" + LENA.card(name="Elena P.").replace(b"\n", b"\r\n"))
    done = cv("partner", "add", "lena.card", "--name", "-", typed="Lena\n")
    assert done.stdout == "Lena is a partner now.\n"
    assert "“Elena P.”; that proves nothing" in done.stderr
    assert "Nobody has compared it yet" in done.stderr
    assert cv("partner", "list").lines[0][:3] == ["Lena", "a card", "not compared yet"]
    newer = cv.file("newer.card", LENA.card(date="2027-01-01"))
    assert "newer card of Lena" in cv("partner", "add", newer, "--name", "lena").stdout


def test_a_card_may_come_through_a_pipe_and_a_recipient_too(cv: Any) -> None:
    cv("partner", "add", "-", "--name", "Lena", typed=LENA.card())
    assert cv("partner", "add", "--age", "-", "--name", "Boris", typed=f"{OTHER.hybrid.recipient()}\n").status == 0
    found = cv("partner", "list", "--json").json
    assert [(each["name"], each["kind"]) for each in found] == [("Lena", "card"), ("Boris", "age")]
    assert found[1]["age_recipient"] == str(OTHER.hybrid.recipient())
    shown = cv("partner", "show", "Boris").stdout
    assert len(max(shown.splitlines(), key=len)) < 100


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("partner", "add", "none.card", "--name", "Lena"), 14, "none.card"),
        (("partner", "add", "bad.card", "--name", "Lena"), 22, "signatures do not hold"),
        (("partner", "add", "huge.card", "--name", "Lena"), 22, "too long"),
        (("partner", "add", ".", "--name", "Lena"), 2, "not a file"),
        (("partner", "add", "--age", "age1xyz", "--name", "Lena"), 22, "no age recipient"),
        (("partner", "add", "good.card", "--age", "age1xyz", "--name", "Lena"), 2, "not both"),
        (("partner", "add", "--name", "Lena"), 2, "CARD is missing"),
        (("partner", "add", "good.card"), 2, "--name is missing"),
        (("partner", "show"), 2, "NAME is missing"),
        (("partner", "show", "Nobody"), 14, "There is no partner Nobody"),
        (("partner", "verify", "Nobody", "--heard", "good.card"), 14, "There is no partner Nobody"),
        (("partner", "verify", "Nobody"), 2, "--heard is missing"),
        (("partner", "remove", "Nobody", "--yes"), 14, "There is no partner Nobody"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_says_so_and_changes_nothing(
    cv: Any, arguments: tuple[str, ...], status: int, said: str
) -> None:
    cv.file("good.card", LENA.card())
    cv.file("bad.card", LENA.card().replace(b"date: 2026", b"date: 2027"))
    cv.file("huge.card", b"x" * 40_000)
    done = cv(*arguments, status=status)
    assert said in done.stderr
    assert done.stdout == ""
    assert cv("partner", "list", "--json").json == []


def test_the_same_key_under_another_name_is_refused(lena: Any) -> None:
    done = lena("partner", "add", "lena.card", "--name", "Anna", status=15)
    assert "known already, as Lena" in done.stderr


@pytest.mark.parametrize(
    ("text", "arguments", "grade"),
    [
        (LENA.reads_out(), (), "voice"),
        ("".join(fingerprints.digits(LENA.fingerprint)), ("--in-person",), "person"),
        (fingerprints.qr_text(LENA.fingerprint) + "\n", ("--in-person",), "person"),
        ("\n".join(f"{n}: {g}" for n, g in enumerate(fingerprints.digits(LENA.fingerprint), 1)), (), "voice"),
        (" ".join(fingerprints.words(LENA.fingerprint)).title(), (), "voice"),
    ],
    ids=["groups", "digits", "code", "numbered", "words"],
)
def test_what_was_heard_is_compared_without_a_terminal(
    lena: Any, text: str, arguments: tuple[str, ...], grade: str
) -> None:
    done = lena("partner", "verify", "Lena", "--heard", "-", *arguments, typed=text)
    assert "It agrees" in done.stdout
    assert show(lena)["grade"] == grade
    assert lena("partner", "verify", "Lena", "--heard", heard(lena, text), "--json").json["took"] == "same"


def test_what_another_fingerprint_means_is_said_and_nothing_changes(lena: Any) -> None:
    before = show(lena)
    for text in (OTHER.reads_out(), " ".join(fingerprints.words(OTHER.fingerprint))):
        done = lena("partner", "verify", "Lena", "--heard", heard(lena, text), status=22)
        assert "not the fingerprint of the card of Lena" in done.stderr
        assert "could read what you seal for them" in done.stderr
    assert "12 words" in lena("partner", "verify", "Lena", "--heard", heard(lena, "yes"), status=2).stderr
    words = " ".join(fingerprints.words(LENA.fingerprint))
    lena("partner", "verify", "Lena", "--in-person", "--heard", heard(lena, words), status=15)
    assert show(lena) == before


def test_another_card_under_a_known_name_blocks_until_it_was_compared(lena: Any) -> None:
    lena("partner", "verify", "Lena", "--heard", heard(lena, LENA.reads_out()))
    done = lena("partner", "add", "other.card", "--name", "Lena", "--yes", status=15)
    assert CHANGED in done.stderr
    assert "somebody may be in between" in done.stderr.lower()
    assert done.stdout == ""
    assert "BLOCKED" in lena("partner", "list").stdout
    assert "BLOCKED" in lena("partner", "show", "Lena").stdout
    assert show(lena)["fingerprint"] == LENA.fingerprint.hex()
    done = lena("partner", "verify", "Lena", "--heard", heard(lena, OTHER.reads_out()))
    assert "took the place" in done.stderr
    assert show(lena)["fingerprint"] == OTHER.fingerprint.hex()
    assert show(lena)["changed"] is None


def test_when_they_still_have_the_known_card_the_other_is_thrown_away(lena: Any) -> None:
    lena("partner", "add", "other.card", "--name", "Lena", status=15)
    done = lena("partner", "verify", "Lena", "--heard", heard(lena, LENA.reads_out()))
    assert "is not theirs" in done.stderr
    assert show(lena)["fingerprint"] == LENA.fingerprint.hex()
    assert show(lena)["changed"] is None


def test_our_own_copy_of_the_digits_is_never_shown(lena: Any, terminal: Callable[..., Any]) -> None:
    """Who sees them types them, and has compared nothing."""
    groups, words = fingerprints.digits(LENA.fingerprint), fingerprints.words(LENA.fingerprint)
    said = ""
    for arguments in (("list",), ("show", "Lena"), ("show", "Lena", "--json"), ("list", "--json")):
        done = lena("partner", *arguments)
        said += done.stdout + done.stderr
    screen = terminal(*lena.options, "partner", "verify", "Lena")
    said += screen.answer("all twelve words:", "abandon " * 11 + "about")
    status, rest = screen.finish()
    assert status == 22
    said += rest
    assert [group for group in groups if re.search(rf"\b{group}\b", said)] == []
    assert [pair for pair in itertools.pairwise(words) if " ".join(pair) in said] == []
    # In hexadecimal it is shown to a person only after it was compared.
    assert LENA.fingerprint.hex() not in lena("partner", "show", "Lena").stdout
    lena("partner", "verify", "Lena", "--heard", heard(lena, LENA.reads_out()))
    assert LENA.fingerprint.hex() in lena("partner", "show", "Lena").stdout


def test_a_removed_partner_keeps_what_they_have_and_that_is_said(lena: Any) -> None:
    done = lena("partner", "remove", "Lena", status=15)
    assert "`--yes` confirms it" in done.stderr
    done = lena("partner", "remove", "Lena", "--yes")
    assert "nothing can take it back" in done.stderr
    assert lena("partner", "list", "--json").json == []
    assert "removed" in lena("partner", "list", "--removed").stdout
    lena("partner", "show", "Lena", status=14)


def test_the_log_tells_who_it_was_about(lena: Any) -> None:
    lena("partner", "verify", "Lena", "--heard", heard(lena, OTHER.reads_out()), status=22)
    lines = [line for line in lena("log").lines if line[2].startswith("partner-")]
    assert [(line[2], line[3].split()[0], line[4]) for line in lines] == [
        ("partner-add", "intent", "Lena"),
        ("partner-add", "done", "Lena"),
        ("partner-show", "intent", "Lena"),
        ("partner-show", "done", "Lena"),
        ("partner-verify", "intent", "Lena"),
        ("partner-verify", "failed", ""),
    ]
    (done,) = [each for each in lena("log", "--json").json if (each["act"], each["phase"]) == ("partner-add", "done")]
    assert (done["counterparty"], done["recipients"]) == ("Lena", [LENA.fingerprint.hex()])


# On a terminal


def read_out(screen: Any, count: int) -> None:
    """Type each group that is asked for, and see that there are so many of them."""
    digits = fingerprints.digits(LENA.fingerprint)
    asked = set()
    for _place in range(count):
        found = re.search(r"Group (\d+)(, or all twelve words)?:$", screen.expect(":"))
        assert found
        asked.add(found[1])
        screen.send(digits[int(found[1]) - 1])
    assert len(asked) == count
    status, shown = screen.finish()
    assert "It agrees" in shown
    assert status == 0


def test_eight_groups_are_asked_for_and_typed(lena: Any, terminal: Callable[..., Any]) -> None:
    screen = terminal(*lena.options, "partner", "verify")
    shown = screen.answer("Which partner?", "lena")
    assert "Lena (not compared yet)" in shown
    screen.expect("do not read anything to them.")
    read_out(screen, 8)
    assert show(lena)["grade"] == "voice"


def test_in_person_all_sixteen_are_asked_for(lena: Any, terminal: Callable[..., Any]) -> None:
    screen = terminal(*lena.options, "partner", "verify", "Lena", "--in-person")
    screen.answer("(Enter alone: group by group):", "")
    read_out(screen, 16)
    assert show(lena)["grade"] == "person"


def test_one_wrong_group_is_enough_and_a_slip_is_asked_for_again(lena: Any, terminal: Callable[..., Any]) -> None:
    screen = terminal(*lena.options, "partner", "verify", "Lena")
    digits = fingerprints.digits(LENA.fingerprint)
    for place in range(8):
        shown = screen.expect("words:" if place == 0 else ":")
        found = re.search(r"Group (\d+)[^:]*:$", shown)
        assert found
        right = digits[int(found[1]) - 1]
        if place == 0:
            screen.send("1234")
            screen.expect("A group has five digits")
            screen.answer(f"Group {found[1]}, or all twelve words:", "99999")
            screen.expect("at most 65535")
            screen.answer(f"Group {found[1]}, or all twelve words:", " ".join(right))
        elif place == 7:
            screen.send(f"{(int(right) + 1) % 65536:05}")
        else:
            screen.send(right)
    status, shown = screen.finish()
    assert status == 22
    assert "nothing was changed" in shown
    assert show(lena)["grade"] == "unverified"


def test_the_twelve_words_do_in_place_of_groups(lena: Any, terminal: Callable[..., Any]) -> None:
    screen = terminal(*lena.options, "partner", "verify", "Lena")
    screen.answer("all twelve words:", " ".join(fingerprints.words(LENA.fingerprint)))
    assert screen.finish()[0] == 0
    assert show(lena)["grade"] == "voice"


def test_a_mistyped_word_is_asked_for_again_and_no_difference(lena: Any, terminal: Callable[..., Any]) -> None:
    words = fingerprints.words(LENA.fingerprint)
    screen = terminal(*lena.options, "partner", "verify", "Lena")
    screen.answer("all twelve words:", " ".join((*words[:-1], "scap")))
    screen.expect("a word is not in the list of words. Nothing was changed; please type it again.")
    screen.answer("all twelve words:", " ".join(words[:6]))
    screen.expect("please type it again.")
    screen.answer("all twelve words:", " ".join(words))
    assert screen.finish()[0] == 0
    assert show(lena)["grade"] == "voice"


def test_an_age_recipient_in_the_place_of_a_card_is_known_as_one(cv: Any, terminal: Callable[..., Any]) -> None:
    recipient = str(LENA.classical.recipient())
    assert "--age" in cv("partner", "add", recipient, "--name", "Lena", status=2).stderr
    screen = terminal(*cv.options, "partner", "add")
    screen.answer("Where is the card?", recipient)
    screen.answer("What do we call them?", "Lena")
    assert screen.finish()[0] == 0
    assert show(cv)["kind"] == "age"


def test_somebody_without_a_card_is_asked_for_a_digest(cv: Any, terminal: Callable[..., Any]) -> None:
    cv("partner", "add", "--age", "-", "--name", "Lena", typed=str(LENA.hybrid.recipient()))
    digest = show(cv)["fingerprint"]
    screen = terminal(*cv.options, "partner", "verify", "Lena")
    shown = screen.answer("SHA-256:", digest)
    assert "sha256sum" in shown
    assert screen.finish()[0] == 0
    assert show(cv)["grade"] == "voice"


def test_names_and_places_are_asked_for(cv: Any, terminal: Callable[..., Any]) -> None:
    cv.file("lena.card", LENA.card())
    screen = terminal(*cv.options, "partner", "add")
    screen.answer("Where is the card?", "lena.card")
    screen.answer("What do we call them?", "Lena")
    assert screen.finish()[0] == 0
    assert show(cv)["name"] == "Lena"
    screen = terminal(*cv.options, "partner", "remove")
    screen.answer("Which partner?", "Lena")
    screen.answer("Remove Lena?", "no")
    assert screen.finish()[0] == 15
    assert json.loads(cv("partner", "list", "--json").stdout)[0]["removed"] is None


def test_the_list_to_choose_from_names_who_is_blocked_and_asks_again_for_what_is_not_in_it(
    lena: Any, terminal: Callable[..., Any]
) -> None:
    lena.file("other.card", OTHER.card())
    lena("partner", "add", "other.card", "--name", "Lena", status=15)
    screen = terminal(*lena.options, "partner", "remove")
    assert "Lena (BLOCKED: another card came)" in screen.answer("Which partner?", "Lean")
    assert "none of them" in screen.answer("Which partner?", " lena")
    screen.answer("Remove Lena?", "no")
    assert screen.finish()[0] == 15
    lena("partner", "remove", "Lena", "--yes")
    screen = terminal(*lena.options, "partner", "remove")
    status, shown = screen.finish()
    assert status == 14
    assert "There is no partner yet" in shown
