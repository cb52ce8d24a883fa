"""What a command asks, and when: the vault is open before any other question. Every command of the table is tried."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from commands import _options, _terminal, cli
from vault import PassphraseUnlocker, Vault, passphrases

# What an argument of this name is given; any other gets a word.
ARGUMENTS = {
    "CASE": "HARBOUR",
    "[CASE]": "HARBOUR",
    "ITEM": "HARBOUR/1",
    "ITEM|CASE": "HARBOUR/1",
    "PERSON": "HARBOUR/p1",
}
# Where the answer to a question of a command is found again.
KEPT: dict[tuple[str, ...], tuple[str, ...]] = {
    ("note", "HARBOUR"): ("case", "show", "HARBOUR"),
    ("tag", "HARBOUR"): ("case", "show", "HARBOUR"),
    ("case", "new"): ("case", "show", "QUAY"),
    ("case", "edit"): ("case", "show", "HARBOUR"),
    ("edit", "HARBOUR/1"): ("show", "HARBOUR/1"),
    ("person", "edit"): ("person", "show", "HARBOUR/p1"),
}
# These make a vault, or work in one of their own.
NEW_VAULTS = {("init",), ("demo",), ("help",), ("help-partner",), ("completion",)}


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        elif (*path, name) not in NEW_VAULTS:
            yield (*path, name), command


def is_words(option: click.Parameter) -> bool:
    """Whether an option takes words of a person."""
    return (
        isinstance(option, click.Option)
        and not option.is_flag
        and not option.hidden
        and isinstance(option.type, click.types.StringParamType)
        and "file" not in (option.name or "")
    )


def lines(folder: Path) -> Iterator[tuple[str, ...]]:
    """For every command: its line without what can be left out, and with each option that takes words as ``-``."""
    for path, command in commands(cli.root):
        line = list(path)
        for parameter in command.params:
            if parameter.required and isinstance(parameter, click.Argument):
                given = ARGUMENTS.get(parameter.metavar or "", "word")
                line.append(str(folder) if isinstance(parameter.type, click.Path) else given)
            elif parameter.required:
                line += [parameter.opts[0], str(folder)]
        yield tuple(line)
        yield from ((*line, parameter.opts[0], "-") for parameter in command.params if is_words(parameter))


class Asked(Exception):
    """Somebody was asked for the secret of the vault."""


def test_no_command_asks_anything_or_reads_anything_before_the_vault_is_open(
    harbour: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened: list[str] = []

    def ask(question: str) -> str:
        happened.append(question)
        return "words"

    def ask_secret(question: str) -> str:
        happened.append(question)
        raise KeyboardInterrupt

    class Keyboard:
        def read(self, *_: object) -> bytes:
            happened.append("standard input")
            return b""

    monkeypatch.setattr(_terminal, "can_ask", lambda: True)
    monkeypatch.setattr(_terminal, "stdin_is_terminal", lambda: True)
    monkeypatch.setattr(_terminal, "ask", ask)
    monkeypatch.setattr(_terminal, "ask_secret", ask_secret)
    monkeypatch.setattr("sys.stdin", type("Stdin", (), {"buffer": Keyboard(), "isatty": lambda _self: True})())
    tried = 0
    for line in lines(harbour.folder):
        happened.clear()
        _options._said_once.clear()
        status = cli.main(["--vault", str(harbour.vault), *line])
        assert happened in (["The vault is locked. Passphrase:"], ["Passphrase:"], []), (line, happened)
        assert happened or status != 130, line
        tried += bool(happened)
    assert tried >= 40


def test_a_wrong_passphrase_does_not_cost_what_would_have_been_typed(
    cv: Any, locked: Path, terminal: Callable[..., Any]
) -> None:
    screen = terminal("--vault", locked, "case", "new", "--code", "HARBOUR")
    screen.answer("The vault is locked. Passphrase:", "CANARY typed in haste")
    screen.answer("Passphrase:", "seven quiet herons over the harbour at dawn")
    screen.answer("Title of the case:", "Harbour Street")
    screen.succeed(unseen=(b"CANARY",))


def test_a_generated_passphrase_may_be_typed_with_spaces(cv: Any, folder: Path) -> None:
    from crypto import kdf

    phrase = passphrases.generate()
    Vault.create(folder / "v", PassphraseUnlocker(phrase), cost=kdf.FLOOR).close()
    for form in (phrase.replace("-", " "), f"  {phrase.replace('-', '   ')} ", phrase.replace("-", " ", 2)):
        cv.bare("--vault", "v", "--passphrase-file", cv.secret("typed", form.encode()), "case", "list")
    for form in (phrase.replace("-", ""), phrase.replace("-", "_"), " ".join(phrase.split("-")[1:])):
        cv.bare("--vault", "v", "--passphrase-file", cv.secret("typed", form.encode()), "case", "list", status=12)


def test_a_passphrase_of_words_and_spaces_is_tried_as_typed_first_and_at_no_further_cost(
    cv: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from crypto import kdf

    # Of the form of a generated one, but chosen with spaces.
    spaced = passphrases.generate().replace("-", " ")
    Vault.create(folder / "v", PassphraseUnlocker(spaced), cost=kdf.FLOOR).close()
    cv.bare(
        "--vault", "v", "--passphrase-file", cv.secret("hyphens", spaced.replace(" ", "-").encode()), "log", status=12
    )
    tried: list[bytes] = []
    slow = kdf.argon2id

    def counted(secret: bytes, *, salt: bytes, cost: kdf.Cost) -> bytes:
        tried.append(secret)
        return slow(secret, salt=salt, cost=cost)

    monkeypatch.setattr(kdf, "argon2id", counted)
    phrase = str(cv.secret("typed", spaced.encode()))
    assert cli.main(["--vault", str(folder / "v"), "--passphrase-file", phrase, "case", "list"]) == 0
    assert len(tried) == 1


def test_a_new_passphrase_is_kept_as_it_was_typed(cv: Any, folder: Path) -> None:
    spaced = passphrases.generate().replace("-", " ").encode()
    make = ("--vault", "v", "--passphrase-file", cv.secret("p", spaced), "init", "--no-recovery")
    cv.bare(*make)
    hyphens = cv.secret("hyphens", spaced.replace(b" ", b"-"))
    cv.bare("--vault", "v", "--passphrase-file", hyphens, "case", "list", status=12)


def test_a_code_like_another_one_brings_a_warning_and_is_taken(harbour: Any) -> None:
    for code in ("HAPBOUR", "HARB0UR", "HARBOR", "HARBOURS", "HABROUR", "НАРВОUR"):
        done = harbour("case", "new", "-", "--code", code, typed="x")
        assert "HARBOUR" in done.stderr.split("warning", 1)[1].splitlines()[0]
        harbour("case", "delete", code, "--confirm", code)
    assert "warning" not in harbour("case", "new", "-", "--code", "QUARRY", typed="x").stderr
    assert "warning" not in harbour("case", "new", "-", typed="x").stderr
    acts = [entry["act"] for entry in harbour("log", "--json").json]
    assert "case-codes" in acts


def test_without_the_secret_nobody_learns_which_codes_there_are(harbour: Any) -> None:
    other = harbour.secret("other", b"another key file, 32 bytes long.")
    for code in ("HAPBOUR", "HARBOUR", "QUARRY"):
        done = harbour.bare(
            *("--vault", harbour.vault, "--key-file", other), "case", "new", "-", "--code", code, typed="x", status=12
        )
        assert "HARBOUR" not in done.stderr


def test_a_text_from_the_keyboard_is_waited_for_and_its_end_is_explained(
    harbour: Any, terminal: Callable[..., Any]
) -> None:
    screen = terminal(*harbour.options, "add", "HARBOUR", "--text", "-")
    screen.answer("Title:", "First statement")
    screen.expect("Ctrl-D")
    screen.send("I left of my own will.")
    screen.send(b"\x04")
    status, rest = screen.finish()
    assert status == 0, rest
    assert harbour("cat", "HARBOUR/1").stdout == "I left of my own will.\n"
    assert "Ctrl-D" not in harbour("add", "HARBOUR", "--text", "-", "--title", "-x", typed="piped").stderr


@pytest.mark.parametrize(
    ("line", "question"),
    [
        (("case", "new"), "Title of the case:"),
        (("note", "HARBOUR"), "Note:"),
        (("tag", "HARBOUR"), "Tag:"),
        (("person", "add", "HARBOUR"), "Name:"),
        (("search",), "Words:"),
        (("add", "HARBOUR", "--text", "-"), "Title:"),
    ],
)
def test_enter_alone_where_something_is_needed_is_asked_again_and_the_interrupt_key_ends_it(
    harbour: Any, terminal: Callable[..., Any], line: tuple[str, ...], question: str
) -> None:
    screen = terminal(*harbour.options, *line)
    screen.answer(question, "")
    screen.expect("This is needed; Ctrl-C ends the command.\r\n")
    screen.answer(question, "   ")
    screen.expect("This is needed")
    screen.interrupt()
    assert screen.finish()[0] == 130


@pytest.mark.parametrize("line", [("note", "HARBOUR/9"), ("tag", "HARBOUR/9"), ("note", "HARBUOR")])
def test_nobody_types_something_about_what_is_not_there(
    harbour: Any, terminal: Callable[..., Any], line: tuple[str, ...]
) -> None:
    status, shown = terminal(*harbour.options, *line).finish()
    assert status == 14
    assert ":" in shown
    assert "Note:" not in shown
    assert "Tag:" not in shown


def test_an_arrow_key_never_becomes_a_part_of_a_name(harbour: Any, terminal: Callable[..., Any]) -> None:
    screen = terminal(*harbour.options, "case", "new", "--code", "QUAY")
    screen.answer("Title of the case:", b"Quay\x1b[D\x1b[D3")
    screen.expect("Arrow keys can't be used here")
    screen.answer("Title of the case:", "Quay\tthree")
    assert screen.finish()[0] == 0
    assert harbour("case", "show", "QUAY", "--json").json["title"] == "Quay\tthree"


def test_nobody_types_a_statement_for_a_case_that_is_not_there(harbour: Any, terminal: Callable[..., Any]) -> None:
    status, shown = terminal(*harbour.options, "add", "HARBUOR", "--text", "-").finish()
    assert status == 14
    assert "Title:" not in shown
    assert "Ctrl-D" not in shown


def test_a_session_that_ends_while_a_statement_is_typed_does_not_cost_it(
    harbour: Any, terminal: Callable[..., Any]
) -> None:
    harbour("unlock")
    screen = terminal(*harbour.options, "add", "HARBOUR", "--text", "-")
    screen.answer("Title:", "Anna")
    screen.expect("Ctrl-D")
    screen.send("I left of my own will.")
    harbour("lock")
    screen.send(b"\x04")
    status, shown = screen.finish()
    assert status == 0, shown
    assert "What you typed is still here" in shown
    assert harbour("cat", "HARBOUR/1").stdout == "I left of my own will.\n"


@pytest.mark.parametrize(
    ("line", "typed"),
    [
        (("note", "HARBOUR"), ["Call her brother."]),
        (("tag", "HARBOUR"), ["Call her brother."]),
        (("case", "new", "--code", "QUAY"), ["Call her brother."]),
        (("case", "edit", "HARBOUR"), ["Call her brother.", ""]),
        (("edit", "HARBOUR/1"), ["Call her brother.", *[""] * 6]),
        (("person", "edit", "HARBOUR/p1"), ["Call her brother.", "", ""]),
    ],
)
def test_a_session_that_ends_while_somebody_answers_costs_no_answer(
    harbour: Any, terminal: Callable[..., Any], line: tuple[str, ...], typed: list[str]
) -> None:
    harbour("add", "HARBOUR", "--text", "-", "--title", "-x", typed="piped")
    harbour("person", "add", "HARBOUR", "-", typed="Anna")
    harbour("unlock")
    screen = terminal(*harbour.options, *line)
    screen.expect(":")
    harbour("lock")
    for answer in typed:
        screen.send(answer)
    status, shown = screen.finish()
    assert status == 0, shown
    assert "What you typed is still here" in shown
    kept = harbour(*KEPT[line[:2]], "--json").stdout
    assert "Call her brother." in kept
