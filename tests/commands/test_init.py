"""Making a vault: the passphrase, the recovery words, and what is left when it comes to nothing."""

import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PASSPHRASE = "seven quiet herons over the harbour at dawn"


@pytest.fixture
def phrase(cv: Any) -> Path:
    path: Path = cv.secret("phrase", PASSPHRASE.encode())
    return path


def test_a_vault_is_made_without_a_terminal_from_two_files(cv: Any, phrase: Path, folder: Path) -> None:
    new = ("--vault", folder / "new", "--passphrase-file", phrase)
    done = cv.bare(*new, "init", "--recovery-file", "words.txt", "--json")
    assert done.json["path"] == str(folder / "new")
    assert done.json["recovery"] == "file"
    assert [key["kind"] for key in done.json["keys"]] == ["passphrase", "recovery"]
    words = (folder / "words.txt").read_text(encoding="utf-8")
    assert len(words.split()) == 24
    assert stat.S_IMODE((folder / "words.txt").stat().st_mode) == 0o600
    assert words.split()[0] not in done.stdout + done.stderr
    assert "in the clear" in done.stderr
    # The sheet opens the vault as it is.
    cv.bare("--vault", folder / "new", "--passphrase-file", "words.txt", "case", "list")
    cv.bare(*new, "case", "list")


def test_russian_words_open_the_vault_too(cv: Any, phrase: Path, folder: Path) -> None:
    cv.bare("--vault", "new", "--passphrase-file", phrase, "init", "--recovery-file", "words.txt", "--words", "russian")
    words = (folder / "words.txt").read_text(encoding="utf-8")
    assert all("а" <= letter <= "я" or letter in "ё\n " for letter in words)
    cv.bare("--vault", "new", "--passphrase-file", "words.txt", "case", "list")


def test_mistyped_recovery_words_are_named_as_such(cv: Any, phrase: Path, folder: Path) -> None:
    cv.bare("--vault", "new", "--passphrase-file", phrase, "init", "--recovery-file", "words.txt")
    words = (folder / "words.txt").read_text(encoding="utf-8").split()
    cv.secret("swapped", " ".join([words[1], words[0], *words[2:]]).encode())
    done = cv.bare("--vault", "new", "--passphrase-file", "swapped", "case", "list", status=12)
    assert "recovery words" in done.stderr


def test_without_a_terminal_both_secrets_must_have_a_place(cv: Any, phrase: Path, folder: Path) -> None:
    assert "--recovery-file" in cv.bare("--vault", "new", "--passphrase-file", phrase, "init", status=13).stderr
    cv.bare("--vault", "new", "init", "--no-recovery", status=13)
    assert not (folder / "new").exists()


def test_a_weak_passphrase_is_refused_unless_insisted_upon(cv: Any, folder: Path) -> None:
    for weak in ("password123", "letmein1", "зфыыцщкв"):  # the last is "password" on a Russian keyboard
        cv.secret("weak", weak.encode())
        done = cv.bare("--vault", "new", "--passphrase-file", "weak", "init", "--recovery-file", "words.txt", status=15)
        assert weak not in done.stderr
        assert not (folder / "new").exists()
        assert not (folder / "words.txt").exists()
    done = cv.bare("--vault", "new", "--passphrase-file", "weak", "init", "--no-recovery", "--insist")
    assert "too weak" in done.stderr
    assert "nobody can help" in done.stderr


def test_nothing_is_made_over_something(cv: Any, phrase: Path, folder: Path) -> None:
    occupied = folder / "occupied"
    occupied.mkdir()
    (occupied / "photo.jpg").write_bytes(b"x")
    make = ("--passphrase-file", phrase, "init", "--recovery-file", "words.txt")
    cv.bare("--vault", occupied, *make, status=15)
    assert [path.name for path in occupied.iterdir()] == ["photo.jpg"]
    assert not (folder / "words.txt").exists()
    cv("init", "--no-passphrase", "--no-recovery", status=15)
    (folder / "words.txt").write_text("mine")
    cv.bare("--vault", "new", *make, status=15)
    assert (folder / "words.txt").read_text() == "mine"
    assert not (folder / "new").exists()


def test_neither_words_nor_key_file_may_lie_in_the_vault(cv: Any, phrase: Path, folder: Path) -> None:
    cv.bare("--vault", "new", "--passphrase-file", phrase, "init", "--recovery-file", "new/words", status=15)
    cv.bare("--vault", "new", "--key-file", "new/../new/key", "init", "--no-passphrase", "--no-recovery", status=15)
    assert not (folder / "new").exists()


def test_options_that_contradict_each_other_are_a_usage_error(cv: Any, phrase: Path) -> None:
    cv.bare("--vault", "new", "init", "--no-recovery", "--recovery-file", "w", status=2)
    cv.bare("--vault", "new", "init", "--no-passphrase", "--no-recovery", status=2)
    key = ("--key-file", "k", "--passphrase-file", phrase)
    cv.bare("--vault", "new", *key, "init", "--no-passphrase", "--no-recovery", status=2)


def test_a_key_file_is_made_where_there_is_none_and_kept_as_it_is_where_there_is_one(cv: Any, folder: Path) -> None:
    done = cv.bare("--vault", "new", "--key-file", "made", "init", "--no-passphrase", "--no-recovery", "--json")
    assert done.json["key_file_made"] == "made"
    made = (folder / "made").read_bytes()
    assert len(made) == 64
    assert stat.S_IMODE((folder / "made").stat().st_mode) == 0o600
    cv.bare("--vault", "new", "--key-file", "made", "case", "list")
    done = cv.bare("--vault", "newer", "--key-file", "made", "init", "--no-passphrase", "--no-recovery", "--json")
    assert done.json["key_file_made"] is None
    assert (folder / "made").read_bytes() == made


def test_after_a_failure_no_key_file_and_no_words_are_left(cv: Any, phrase: Path, folder: Path) -> None:
    (folder / "file").write_bytes(b"")
    make = ("--vault", folder / "file" / "vault", "--passphrase-file", phrase, "--key-file", "made")
    done = cv.bare(*make, "init", "--recovery-file", "words.txt", status=15)
    assert done.stdout == ""
    assert not (folder / "made").exists()
    assert not (folder / "words.txt").exists()


def test_folders_on_the_way_to_the_vault_are_made_for_the_owner_alone(cv: Any, home: Path) -> None:
    cv.bare("--key-file", cv.key_file, "init", "--no-passphrase", "--no-recovery")
    vault = Path(cv.bare("--json", "status").json["path"])
    assert vault.is_relative_to(home)
    assert stat.S_IMODE(vault.stat().st_mode) == 0o700
    assert stat.S_IMODE(vault.parent.stat().st_mode) == 0o700


# On a terminal


def test_a_generated_passphrase_and_the_words_are_shown_once_and_given_back(
    cv: Any, terminal: Callable[..., Any], words_of: Callable[[str], dict[int, str]], folder: Path
) -> None:
    screen = terminal("--vault", folder / "new", "init", term="xterm")
    screen.answer("New passphrase:", "")
    shown = screen.expect("Press Enter, then type it back.")
    assert "\x1b[?1049h" in shown  # the alternate screen: nothing stays in the scrollback
    passphrase = next(word for word in shown.split() if word.count("-") == 6)
    screen.send("")
    assert "\x1b[?1049l" in screen.answer("taken down right:", "something else")
    assert "not the same" in screen.answer("Press Enter, then type it back.", "").split("\x1b[?1049h")[1]
    screen.answer("taken down right:", passphrase)
    shown = screen.expect("Written down? Press Enter.")
    words = words_of(shown)
    assert sorted(words) == list(range(1, 25))
    screen.send("")
    asked = []
    for _number in range(3):
        screen.expect("Word number ")
        number = int(screen.expect("?").rstrip("?"))
        asked.append(number)
        screen.send(words[number])
    assert len(set(asked)) == 3
    status, rest = screen.finish()
    assert status == 0, rest
    after = screen.shown.split(b"Written down?")[1]
    assert passphrase.encode() not in screen.shown.split(b"taken down right:")[-1]
    assert after.count(b"\x1b[?1049l") == 1
    cv.bare("--vault", folder / "new", "--passphrase-file", cv.secret("p", passphrase.encode()), "case", "list")
    sheet = " ".join(words[number] for number in sorted(words))
    cv.bare("--vault", folder / "new", "--passphrase-file", cv.secret("w", sheet.encode()), "case", "list")


def test_words_that_are_not_given_back_make_no_vault(cv: Any, terminal: Callable[..., Any], folder: Path) -> None:
    screen = terminal("--vault", folder / "new", "--key-file", "made", "init", "--no-passphrase")
    for attempt in range(5):
        shown = screen.answer("Written down? Press Enter.", "")
        assert ("That is another word." in shown) == (attempt > 0)
        screen.answer("Word number", "wrong")
    status, rest = screen.finish()
    assert status == 15, rest
    assert not (folder / "new").exists()
    assert not (folder / "made").exists()


@pytest.mark.parametrize(("columns", "across"), [(80, 4), (60, 3), (40, 2), (30, 1)])
def test_on_a_narrow_terminal_the_words_stand_below_each_other_in_their_order(
    terminal: Callable[..., Any], folder: Path, columns: int, across: int
) -> None:
    screen = terminal("--vault", folder / "new", "--key-file", "made", "init", "--no-passphrase", columns=columns)
    rows = [re.findall(r"(\d+)\. ", row) for row in screen.expect("Written down? Press Enter.").splitlines()]
    down = 24 // across
    assert [row for row in rows if row] == [[str(1 + n + down * k) for k in range(across)] for n in range(down)]


def test_a_passphrase_of_ones_own_is_typed_twice_and_weak_ones_are_asked_anew(
    cv: Any, terminal: Callable[..., Any], folder: Path
) -> None:
    screen = terminal("--vault", folder / "new", "init", "--no-recovery")
    screen.answer("New passphrase:", "password1")
    assert "too weak" in screen.answer("New passphrase:", PASSPHRASE)
    screen.answer("Once more:", PASSPHRASE + "!")
    assert "not the same" in screen.answer("New passphrase:", PASSPHRASE)
    screen.answer("Once more:", PASSPHRASE)
    screen.succeed(unseen=(b"herons", b"password1"))
    cv.bare("--vault", folder / "new", "--passphrase-file", cv.secret("p", PASSPHRASE.encode()), "case", "list")


def test_giving_up_while_the_words_are_shown_leaves_the_alternate_screen_and_no_vault(
    terminal: Callable[..., Any], folder: Path
) -> None:
    screen = terminal("--vault", folder / "new", "--key-file", "made", "init", "--no-passphrase", term="xterm")
    screen.expect("Written down? Press Enter.")
    screen.interrupt()
    status, rest = screen.finish()
    assert status == 130
    assert "\x1b[?1049l" in rest
    assert not os.path.lexists(folder / "new")
    assert not os.path.lexists(folder / "made")
