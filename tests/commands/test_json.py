"""The JSON documents have the fields that their pages name: no more, no fewer."""

from pathlib import Path
from typing import Any

import click
import pytest
from loading import lay_out

from commands import cli
from commands._options import Command

# In this order they tell one story; {…} are files of the test.
STORY: tuple[tuple[str, ...], ...] = (
    ("init", "--passphrase-file", "first", "--recovery-file", "words"),
    ("status", "--passphrase-file", "first"),
    ("passphrase", "change", "--passphrase-file", "first", "--new-passphrase-file", "second"),
    ("key", "add", "--new-key-file", "stick", "--label", "stick"),
    ("key", "list"),
    ("key", "remove", "stick", "--yes"),
    ("case", "new", "Title", "--code", "HARBOUR"),
    ("case", "list"),
    ("case", "edit", "HARBOUR", "--title", "Other"),
    ("case", "show", "HARBOUR"),
    ("add", "HARBOUR", "file.txt"),
    ("items", "HARBOUR"),
    ("show", "HARBOUR/1"),
    ("edit", "HARBOUR/1", "--title", "T"),
    ("statement", "HARBOUR/1", "--place", "the office"),
    ("revise", "HARBOUR/1", "file2.txt"),
    ("note", "HARBOUR/1", "text"),
    ("tag", "HARBOUR/1", "tag"),
    ("person", "add", "HARBOUR", "Name"),
    ("person", "list"),
    ("person", "show", "HARBOUR/p1"),
    ("person", "edit", "HARBOUR/p1", "--role", "witness"),
    ("identity", "show"),
    ("identity", "name", "Harbour Office"),
    ("identity", "card", "-o", "our.card"),
    ("partner", "add", "lena.card", "--name", "Lena"),
    ("partner", "add", "lena-later.card", "--name", "Lena"),
    ("partner", "list"),
    ("partner", "show", "Lena"),
    ("partner", "verify", "Lena", "--heard", "heard"),
    ("seal", "HARBOUR", "--all", "--to", "Lena", "--person", "p1", "--with", "names,notes", "--yes", "-o", "lena.age"),
    ("partner", "remove", "Lena", "--yes"),
    ("init", "--vault", "marta", "--passphrase-file", "second", "--no-recovery"),
    ("identity", "card", "--vault", "marta", "--passphrase-file", "second", "-o", "marta.card"),
    ("partner", "add", "our.card", "--name", "Office", "--vault", "marta", "--passphrase-file", "second"),
    ("partner", "add", "marta.card", "--name", "Marta"),
    ("seal", "HARBOUR", "--item", "1", "--to", "Marta", "--yes", "-o", "marta.age"),
    (
        *("open", "marta.age", "--vault", "marta", "--passphrase-file", "second"),
        *("--code", "MARTA", "--accept-unverified", "--receipt", "receipt.age"),
    ),
    ("receipt", "receipt.age"),
    ("grants",),
    ("unlock",),
    ("status",),
    ("search", "Name"),
    ("lock",),
    ("export", "HARBOUR/1", "--to", "out"),
    ("check",),
    ("log", "list"),
    ("log", "verify"),
    ("log", "status"),
    ("log", "head"),
    ("log", "export", "--to", "out"),
    ("backup", "backup"),
    ("restore", "backup", "--vault", "restored"),
    ("drop", "file.txt", "--to", "our.card", "-o", "dropped.age"),
    ("inspect", "dropped.age"),
    ("open", "dropped.age", "--into", "HARBOUR"),
    ("person", "remove", "HARBOUR/p1", "--yes"),
    ("delete", "HARBOUR/1", "--yes"),
    ("case", "delete", "HARBOUR", "--confirm", "HARBOUR"),
)


def commands_with_fields(group: click.Group, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Command]:
    found: dict[tuple[str, ...], Command] = {}
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        if isinstance(command, click.Group):
            found |= commands_with_fields(command, (*path, name))
        elif isinstance(command, Command) and command.fields:
            found[(*path, name)] = command
    return found


def path_of(arguments: tuple[str, ...], known: dict[tuple[str, ...], Command]) -> tuple[str, ...]:
    return arguments[:2] if arguments[:2] in known else arguments[:1]


def test_every_document_has_the_fields_of_its_page(cv: Any) -> None:
    known = commands_with_fields(cli.root)
    told = {path_of(arguments, known) for arguments in STORY}
    assert set(known) - told == {("demo",)}  # its own test looks at it
    lay_out(cv.folder)
    vault = ("--vault", cv.folder / "v", "--json")
    for arguments in STORY:
        command = known[path_of(arguments, known)]
        unlock = () if "--passphrase-file" in arguments else ("--passphrase-file", "words")
        done = cv.bare(*vault, *unlock, *arguments)
        documents = done.json if command.many else [done.json]
        assert documents, arguments
        for document in documents:
            assert set(document) == set(command.fields), arguments
        nested(documents[0], command)


def nested(document: dict[str, Any], command: Command) -> None:
    """The fields that a page names in `…` inside a list or document are there too."""
    import re

    for field, meaning in command.fields.items():
        inner = document[field]
        inner = inner[0] if isinstance(inner, list) and inner else inner
        names = set(re.findall(r"`(\w+)`", meaning)) - {"show"}
        if isinstance(inner, dict) and names:
            assert names <= set(inner), (command.name, field)


@pytest.mark.parametrize("arguments", [("items", "NOWHERE"), ("show", "HARBOUR/1"), ("nonsense",)])
def test_after_an_error_there_is_no_document(cv: Any, arguments: tuple[str, ...]) -> None:
    process = cv.start("--json", *arguments)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode != 0
    assert stdout == b""
    assert stderr.startswith(b"casevault: error: ")


def test_plain_is_one_fact_a_line_without_anything_else(cv: Any, tmp_path: Path) -> None:
    cv("case", "new", "A title", "--code", "HARBOUR")
    cv("case", "new", "Another", "--code", "SECOND")
    assert cv("--plain", "case", "list").stdout.splitlines()[:2] == ["Case: HARBOUR", "Title: A title"]
    for block in cv("--plain", "case", "list").stdout.split("\n\n"):
        assert all(": " in line for line in block.splitlines())
