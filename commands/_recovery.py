"""Recovery words: shown once, three of them asked back, on a screen that leaves nothing behind; or written to a new file."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import click

from commands import _terminal
from commands._errors import REFUSED, Stop
from commands._options import asked
from commands._session import locked
from commands._text import _
from vault.files import lies_in

_ASKED_BACK = 3
_TRIES = 5
_COLUMN = 19


def refuse_without_place(recovery_file: Path | None, vault: Path) -> None:
    """Raise ``Stop`` where recovery words can be neither shown nor written, or would lie in the vault."""
    if recovery_file is None and not _terminal.can_ask():
        raise Stop(
            locked().status,
            _("There is no terminal to show the recovery words on"),
            _("`--recovery-file FILE` writes them to a file"),
        )
    if recovery_file and lies_in(recovery_file, vault):
        raise Stop(
            REFUSED, _("The recovery words must not lie in the vault's own folder"), _("put them somewhere else")
        )


def sheet(words: tuple[str, ...]) -> bytes:
    """Six words a line: as it is, the file can be given as --passphrase-file."""
    return "".join(" ".join(words[start : start + 6]) + "\n" for start in range(0, len(words), 6)).encode()


def show(words: tuple[str, ...]) -> None:
    """Show the words until three of them are given back. Raises ``Stop``."""
    text = _(
        "Recovery words. They open the vault when the passphrase is forgotten, and for anybody who finds them.\n"
        "Write them on paper, with their numbers. They are not shown again."
    )
    again = ""
    for _attempt in range(_TRIES):
        try:
            with _terminal.aside() as aside:
                aside.show(f"{again}{text}\n\n{_numbered(words, aside.columns)}")
                asked(_("Written down? Press Enter."))
                aside.show("")
                if all(_gives_back(words, number, hide=not aside.leaves_nothing) for number in _places(len(words))):
                    return
        except _terminal.NoTerminal:
            raise locked() from None
        # On the screen that comes next: what was said before it would be hidden by it.
        again = _("That is another word. Here they are once more.") + "\n\n"
    raise Stop(REFUSED, _("The words were not given back, so nothing was changed"), _("begin again when there is time"))


def _numbered(words: tuple[str, ...], width: int) -> str:
    """The words in as many columns as there is room for: a line that the terminal breaks mixes up their order."""
    columns = 4 if width < _terminal.FEWEST_COLUMNS else next(n for n in (4, 3, 2, 1) if n == 1 or n * _COLUMN <= width)
    rows = len(words) // columns
    return "\n".join(
        "".join(f"{f'{row + rows * n + 1:2d}. {words[row + rows * n]}':<{_COLUMN}}" for n in range(columns)).rstrip()
        for row in range(rows)
    )


def _places(count: int) -> Iterator[int]:
    yield from sorted(secrets.SystemRandom().sample(range(count), _ASKED_BACK))


def _gives_back(words: tuple[str, ...], number: int, *, hide: bool) -> bool:
    question = _("Word number {number}?").format(number=number + 1)
    try:
        # A screen that keeps what it shows would keep three of the words.
        typed = _terminal.ask_secret(question) if hide else _terminal.ask(question)
    except _terminal.UnreadableLine:
        return False
    return typed.strip().casefold().replace("ё", "е") == words[number].casefold().replace("ё", "е")


WORDS_OPTION = click.option(
    "--words", type=click.Choice(["english", "russian"]), default="english", help="Language of the recovery words."
)
