"""The pages that are derived from the program are what the program says. `python tests/test_docs.py` writes them anew."""

import inspect
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from commands import _errors, cli
from commands._manual import manual_page
from commands._options import Command, Group
from vault import errors

BEGIN = """# Commands

This page is derived from the program: `python tests/test_docs.py` writes it, and a test compares the two. What an exit
status means stands in [exit-codes.md](exit-codes.md).

The result goes to standard output, everything else to standard error. With `--json` standard output holds one JSON
document, whose fields are listed with each command; after an error it holds nothing. Where a person looks on results
are tables; where a program reads they are lines, with a tab between fields; with `--plain` they are one fact a line.

No secret and no name has to be an argument. Titles, notes and search words are asked for when they are left out; `-`
reads them from standard input, or asks where that is the keyboard. In names and texts everything that a terminal would
obey is shown like `<U+202E>`, in JSON as `\\u202e`.
"""


def commands(group: click.Group, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, name
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


def every_command() -> list[tuple[tuple[str, ...], Command]]:
    return [(path, command) for path, command in commands(cli.root, ()) if isinstance(command, Command)]


def options(command: click.Command) -> Iterator[tuple[str, str]]:
    context = click.Context(command)
    for parameter in command.params:
        record = parameter.get_help_record(context) if isinstance(parameter, click.Option) else None
        if record is not None:
            yield record[0], record[1]


def table(head: tuple[str, str], rows: list[tuple[str, str]]) -> str:
    lines = [head, ("---", "---"), *rows]
    return "\n".join(f"| {left} | {right} |" for left, right in lines) + "\n"


def escaped(text: str) -> str:
    return text.replace("|", "\\|")


def commands_page() -> str:
    parts = [BEGIN, "## Options of every command\n"]
    parts.append(table(("option", "does"), [(f"`{escaped(o)}`", escaped(text)) for o, text in options(cli.root)]))
    for path, command in every_command():
        name = " ".join(path)
        context = click.Context(command, info_name=f"casevault {name}")
        usage = " ".join(command.collect_usage_pieces(context))
        parts.append(f"## {name}\n")
        parts.append(f"`casevault {name} {usage}`\n")
        parts.append(inspect.cleandoc(command.help or "") + "\n")
        rows = [(f"`{escaped(option)}`", escaped(text)) for option, text in options(command)]
        if rows:
            parts.append(table(("option", "does"), rows))
        if command.fields:
            parts.append(f"JSON: {'a list of documents, each' if command.many else 'one document'} with:\n")
            parts.append(
                table(("field", "holds"), [(f"`{field}`", escaped(text)) for field, text in command.fields.items()])
            )
    return "\n".join(parts)


def test_the_page_of_commands_is_what_the_program_says(source: Path) -> None:
    written = (source / "docs" / "commands.md").read_text(encoding="utf-8")
    assert written == commands_page(), "run: python tests/test_docs.py"


def documented_statuses(source: Path) -> dict[int, set[str]]:
    text = (source / "docs" / "exit-codes.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \|[^|]*\|([^|]*)\|", text, re.MULTILINE)
    return {int(status): set(re.findall(r"`(\w+)`", names)) for status, names in rows}


def public_errors() -> dict[str, type[errors.VaultError]]:
    return {
        name: kind
        for name, kind in vars(errors).items()
        if inspect.isclass(kind) and issubclass(kind, errors.VaultError) and not name.startswith("_")
    }


def test_every_error_of_the_library_has_a_status_of_its_own_and_a_line_in_the_page(source: Path) -> None:
    found = public_errors()
    assert len(found) > 30
    assert set(_errors.TABLE) == set(found.values())
    statuses: dict[int, set[str]] = {}
    for name, kind in found.items():
        statuses.setdefault(_errors.entry(kind)[0], set()).add(name)
    documented = documented_statuses(source)
    assert {status: names for status, names in documented.items() if names} == statuses


def test_every_status_of_the_program_is_in_the_page(source: Path) -> None:
    constants = {value for name, value in vars(_errors).items() if name.isupper() and isinstance(value, int)}
    assert set(documented_statuses(source)) == constants
    assert constants == {0, 1, 2, 10, 11, 12, 13, 14, 15, 20, 21, 22, 28, 130}


@pytest.mark.parametrize("kind", public_errors().values(), ids=lambda kind: kind.__name__)
def test_every_error_makes_one_safe_line_without_a_full_stop(kind: type[errors.VaultError]) -> None:
    names = re.findall(r"{(\w+)}", kind.template)
    error = kind(**dict.fromkeys(names, "\x1b[31m\n\u202e{x}"))
    message = _errors.message_of(error)
    assert message.isprintable()
    assert not message.endswith(".")
    assert message.count("<U+001B>") == len(names)
    status, hint = _errors.entry(kind)
    assert status in documented_status_numbers()
    assert "\n" not in hint


def documented_status_numbers() -> set[int]:
    return {1, 2, 10, 11, 12, 13, 14, 15, 20, 21, 22, 28}


def test_the_table_of_commands_names_what_the_modules_hold() -> None:
    listed = [name for name, *_rest in cli.COMMANDS]
    assert len(set(listed)) == len(listed)
    for name, module, _attribute, line in cli.COMMANDS:
        command = cli.root.get_command(click.Context(cli.root), name)
        assert command is not None, name
        assert command.name == name
        assert module.startswith("commands.")
        assert line.endswith(".")
        assert len(line) <= 60


@pytest.mark.parametrize(
    ("path", "command"), every_command(), ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_every_help_is_short_has_an_example_and_says_no_name_in_it(path: tuple[str, ...], command: Command) -> None:
    assert command.help
    assert len(command.help) < 500
    assert command.example.startswith(f"casevault {' '.join(path)}")
    # Nobody should learn from the help to give a title, a name, a note or search words as an argument.
    for option in ("--title", "--note ", "--from", "--alias", "--phone", "--reason", "--purpose", "--description"):
        assert option not in command.example
    for parameter in command.params:
        if isinstance(parameter, click.Option) and not parameter.hidden:
            assert parameter.help, f"{parameter.name} of {path} is not explained"


@pytest.mark.parametrize(
    ("path", "command"), every_command(), ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_no_option_takes_a_secret(path: tuple[str, ...], command: Command) -> None:
    """A secret is named by its file, never given: arguments stay in histories and in lists of processes."""
    for parameter in command.params:
        for name in parameter.opts if isinstance(parameter, click.Option) and not parameter.is_flag else ():
            if re.search("pass|secret|words|key|pin|recovery", name):
                assert name.endswith("-file") or name.startswith("--no-") or name == "--words", f"{name} of {path}"
        if "--words" in parameter.opts:
            assert isinstance(parameter.type, click.Choice)


def test_groups_take_the_global_options_too() -> None:
    groups = [command for _path, command in commands(cli.root, ()) if isinstance(command, Group)]
    assert len(groups) >= 3
    for group in groups:
        assert {"vault", "json", "plain", "key_file", "passphrase_file", "yes", "debug"} <= {
            p.name for p in group.params
        }


def test_the_manual_page_is_what_the_program_says(source: Path) -> None:
    written = (source / "docs" / "casevault.1").read_text(encoding="utf-8")
    assert written == manual_page(), "run: python tests/test_docs.py"
    for path, command in every_command():
        assert f".SS casevault {' '.join(path)}".replace("-", "\\-") in written
        for option, _text in options(command):
            assert option.replace("-", "\\-") in written


def test_a_reader_of_manual_pages_finds_nothing_wrong(source: Path, program: Callable[[str], str]) -> None:
    page = source / "docs" / "casevault.1"
    done = subprocess.run([program("groff"), "-man", "-Tutf8", "-ww", str(page)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "casevault key remove" in done.stdout


if __name__ == "__main__":
    docs = Path(__file__).resolve().parents[1] / "docs"
    for name, text in (("commands.md", commands_page()), ("casevault.1", manual_page())):
        (docs / name).write_text(text, encoding="utf-8")
        sys.stdout.write(f"{docs / name}\n")
