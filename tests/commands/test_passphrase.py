"""Changing the passphrase: the old one opens nothing any more, every other way in still does."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

PASSPHRASE = "seven quiet herons over the harbour at dawn"
NEW = "eleven loud cranes under the bridge at noon"


def test_the_new_passphrase_opens_the_vault_and_the_old_one_does_not(cv: Any, locked: Path) -> None:
    old, new = cv.secret("old", PASSPHRASE.encode()), cv.secret("new", NEW.encode())
    vault = ("--vault", locked)
    cv.bare(*vault, "--passphrase-file", old, "case", "new", "-", "--code", "HARBOUR", typed="x")
    done = cv.bare(*vault, "--passphrase-file", old, "passphrase", "change", "--new-passphrase-file", new, "--json")
    assert done.json == {"epoch": 2, "dropped": []}
    assert "older copy" in done.stderr
    cv.bare(*vault, "--passphrase-file", old, "case", "list", status=12)
    assert cv.bare(*vault, "--passphrase-file", new, "case", "list").stdout.startswith("HARBOUR")


def test_a_weak_new_passphrase_changes_nothing(cv: Any, locked: Path) -> None:
    old, weak = cv.secret("old", PASSPHRASE.encode()), cv.secret("weak", b"qwerty123")
    change = ("--vault", locked, "--passphrase-file", old, "passphrase", "change")
    cv.bare(*change, "--new-passphrase-file", weak, status=15)
    cv.bare(*change, status=13)
    cv.bare(*change, "--new-passphrase-file", cv.folder / "none", status=14)
    assert cv.bare("--vault", locked, "--passphrase-file", old, "status", "--json").json["vault"]["epoch"] == 1


def test_who_forgot_the_passphrase_sets_a_new_one_with_the_recovery_words(cv: Any) -> None:
    old, new = cv.secret("old", PASSPHRASE.encode()), cv.secret("new", NEW.encode())
    cv.bare("--vault", "v", "--passphrase-file", old, "init", "--recovery-file", "words")
    change = ("passphrase", "change", "--new-passphrase-file", new)
    cv.bare("--vault", "v", "--passphrase-file", "words", *change)
    cv.bare("--vault", "v", "--passphrase-file", old, "case", "list", status=12)
    cv.bare("--vault", "v", "--passphrase-file", new, "case", "list")
    cv.bare("--vault", "v", "--passphrase-file", "words", "case", "list")


def test_with_a_key_file_the_new_passphrase_still_needs_it(cv: Any) -> None:
    old, new = cv.secret("old", PASSPHRASE.encode()), cv.secret("new", NEW.encode())
    vault = ("--vault", "v", "--key-file", cv.secret("second", b"s" * 32))
    cv.bare(*vault, "--passphrase-file", old, "init", "--no-recovery")
    cv.bare(*vault, "--passphrase-file", old, "passphrase", "change", "--new-passphrase-file", new)
    cv.bare(*vault, "--passphrase-file", new, "case", "list")
    cv.bare("--vault", "v", "--passphrase-file", new, "case", "list", status=12)


def test_old_and_new_are_asked_for_on_a_terminal(cv: Any, locked: Path, terminal: Callable[..., Any]) -> None:
    screen = terminal("--vault", locked, "passphrase", "change")
    screen.answer("Passphrase:", PASSPHRASE)
    screen.answer("New passphrase:", NEW)
    screen.answer("Once more:", NEW)
    screen.succeed(unseen=(b"herons", b"cranes"))
    cv.bare("--vault", locked, "--passphrase-file", cv.secret("new", NEW.encode()), "case", "list")
