"""Names that come from files and partners are data: in every command that lists them nothing in them is obeyed."""

import dataclasses
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bags
import pytest
from sealing import Sender, To
from somebody import Somebody

from vault import KeyFileUnlocker, Vault
from vault.requests import Circumstances, Note
from vault.sealed import INCLUDES, SealedPerson

EVIL = "\x1b[31mred\x07\u202egpj.exe\u2066 [red]bold[/red] [link=file:///x]y[/link] :smile: -rf \u200b\x9b2J"
TWO_LINES = EVIL + "\nHARBOUR/9\tforged\tline"
OBEYED = ("\x1b[31", "\x07", "\u202e", "\u2066", "\u200b", "\x9b", "\nHARBOUR/9", "\r", "\tforged")
# A name on a card has no control characters: everything else that plays tricks it may have.
ONE_LINE = "".join(char for char in EVIL if char not in "\x1b\x07\x9b") + "[31mred"
LONG = "ж" * 120 + ".txt"  # 244 bytes
LISTINGS = (
    ("case", "list"),
    ("case", "show", "HARBOUR"),
    ("items", "HARBOUR"),
    ("show", "HARBOUR/1"),
    ("show", "HARBOUR/2"),
    ("show", "HARBOUR/3"),
    ("person", "list", "HARBOUR"),
    ("person", "show", "HARBOUR/p1"),
    ("search", "red"),
    ("search", "gpj"),
    ("partner", "list"),
    ("partner", "show", ONE_LINE),
    ("partner", "list", "--removed"),
    ("identity", "show"),
    ("log",),
    ("log", "--case", "HARBOUR"),
    ("tag", "HARBOUR/1", "more"),
    ("edit", "HARBOUR/1", "--language", "che"),
    ("case", "edit", "HARBOUR", "--description", TWO_LINES),
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the first test leaves a copy of what it made, for those that begin with the same."""
    return tmp_path_factory.mktemp("hostile") / "made"


@pytest.fixture
def hostile(cv: Any, made: Path) -> Any:
    """A vault in which everything that can have a name has a hostile one; a copy for every test."""
    if made.exists():
        shutil.rmtree(cv.folder)
        shutil.copytree(made, cv.folder)
        return cv
    cv("case", "new", "-", "--code", "HARBOUR", typed=TWO_LINES)
    paths = ["-rf", LONG]
    if sys.platform != "win32":
        paths.append(TWO_LINES.replace("/", "_"))
    for name in paths:
        (cv.folder / name).write_bytes(name.encode())
    done = cv("add", "HARBOUR", "--tag", TWO_LINES, "--", *paths)
    safe(done.stdout + done.stderr)
    cv("note", "HARBOUR/1", "-", typed=TWO_LINES)
    cv("note", "HARBOUR", "-", typed=TWO_LINES)
    contacts = [
        f"--{name}={TWO_LINES}" for name in ("alias", "phone", "mail", "messenger", "address", "role", "safe-times")
    ]
    cv("person", "add", "HARBOUR", "-", *contacts, typed=TWO_LINES)
    cv("edit", "HARBOUR/1", "--title", TWO_LINES, "--from", TWO_LINES, "--via", TWO_LINES, "--recorded", TWO_LINES)
    cv("edit", "HARBOUR/1", "--title", "second " + TWO_LINES)
    cv("show", "HARBOUR/1", "--purpose", TWO_LINES)
    cv("identity", "name", "-", typed=ONE_LINE)
    cv.file("evil.card", Somebody().card(name=ONE_LINE))
    done = cv("partner", "add", "evil.card", "--name", "-", typed=ONE_LINE)
    safe(done.stdout + done.stderr)
    shutil.copytree(cv.folder, made)
    return cv


def safe(shown: str) -> None:
    for trick in OBEYED:
        assert trick not in shown, f"{trick!r} in {shown!r}"


def test_in_lines_facts_and_json_nothing_is_obeyed(hostile: Any) -> None:
    quiet = {("show", "HARBOUR/2"), ("show", "HARBOUR/3"), ("log",), ("log", "--case", "HARBOUR")}
    for arguments in LISTINGS:
        for form in ((), ("--plain",), ("--json",)):
            done = hostile(*arguments, *form)
            safe(done.stderr)
            safe(done.stdout)
            if form == ("--json",):
                assert done.json is not None
            elif arguments[0] in ("partner", "identity"):
                assert "<U+202E>gpj.exe<U+2066>" in done.stdout, arguments
                assert "[red]bold[/red]" in done.stdout, arguments
            elif arguments not in quiet:
                assert "<U+001B>[31mred" in done.stdout, arguments
                assert "[red]bold[/red]" in done.stdout, arguments  # neither eaten nor obeyed


def test_json_gives_back_what_went_in(hostile: Any) -> None:
    assert hostile("case", "list", "--json").json[0]["title"] == TWO_LINES
    assert hostile("show", "HARBOUR/1", "--json").json["title"] == "second " + TWO_LINES
    assert hostile("person", "show", "HARBOUR/p1", "--json").json["phones"] == [TWO_LINES]


@pytest.mark.parametrize("term", ["dumb", "xterm-256color"])
def test_on_a_terminal_nothing_is_obeyed_in_any_table(hostile: Any, terminal: Callable[..., Any], term: str) -> None:
    for arguments in LISTINGS:
        screen = terminal(*hostile.options, *arguments, term=term)
        status, shown = screen.finish()
        assert status == 0, shown
        for trick in ("\x1b[31mred", "\x07", "\u202e", "\u2066", "\u200b", "\x9b", "\x1b]8", "\tforged"):
            assert trick not in shown, f"{trick!r} in {arguments}"
        assert not any(line.startswith("HARBOUR/9") for line in shown.splitlines())
        if term == "dumb":
            assert "\x1b" not in shown, arguments


def test_no_color_means_no_color(hostile: Any, terminal: Callable[..., Any]) -> None:
    screen = terminal(*hostile.options, "items", "HARBOUR", term="xterm-256color", NO_COLOR="1")
    _status, shown = screen.finish()
    import re

    assert not re.search(r"\x1b\[[0-9;]*(3[0-9]|4[0-9]|38|48)[0-9;]*m", shown)


def test_questions_and_warnings_show_names_safely(hostile: Any, terminal: Callable[..., Any]) -> None:
    for arguments in (("delete", "HARBOUR/1"), ("case", "delete", "HARBOUR"), ("person", "remove", "HARBOUR/p1")):
        done = hostile(*arguments, status=15)
        assert "<U+001B>[31mred" in done.stderr
        safe(done.stderr)
    screen = terminal(*hostile.options, "case", "edit", "HARBOUR")
    safe(screen.answer("]:", "").replace("\r\n", ""))
    screen.answer("Description", "")
    screen.finish()


def test_errors_show_paths_safely(hostile: Any) -> None:
    evil = EVIL.replace("/", "_")
    for arguments in (
        ("add", "HARBOUR", f"./{evil}"),
        ("revise", "HARBOUR/1", f"./{evil}"),
        ("add", "HARBOUR", "--text", f"./{evil}"),
        ("show", EVIL),
        ("items", EVIL),
        ("search", "x", "--case", EVIL),
        ("--vault", f"./{evil}", "case", "list"),
        ("--passphrase-file", f"./{evil}", "--key-file", f"./{evil}", "case", "list"),
        ("delete", "HARBOUR/1", "--confirm", EVIL),
        ("add", "HARBOUR", "x", "--kind", EVIL),
    ):
        process = hostile.start(*arguments)
        stdout, stderr = process.communicate(timeout=60)
        assert process.returncode in (2, 10, 14, 15), (arguments, stderr)
        assert stdout == b""
        safe(stderr.decode())


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="left out: names that are no text")
def test_a_name_that_is_no_text_is_stored_listed_and_named(harbour: Any) -> None:
    name = b"caf\xe9.txt"
    with open(os.path.join(os.fsencode(harbour.folder), name), "wb") as file:  # noqa: PTH123, PTH118 -- bytes
        file.write(b"x")
    done = harbour("add", "HARBOUR", "-r", harbour.folder / "sub", status=14)
    folder = harbour.folder / "sub"
    folder.mkdir()
    os.rename(os.path.join(os.fsencode(harbour.folder), name), os.path.join(os.fsencode(folder), name))  # noqa: PTH104, PTH118 (names that are no text)
    done = harbour("add", "HARBOUR", "-r", folder, "--json")
    assert len(done.json["stored"]) == 1
    assert "caf" in done.json["stored"][0]["path"]
    assert "<U+DCE9>" in done.stderr
    harbour("items", "HARBOUR")
    (harbour.folder / "out").mkdir()
    harbour("export", "HARBOUR", "--to", "out")


@pytest.fixture
def sent(cv: Any) -> Any:
    """A file of somebody unknown in which everything that can say something says it with tricks."""
    with Vault.open(cv.vault, KeyFileUnlocker(cv.key_file.read_bytes())) as vault:
        to = To(vault)
    (item,) = bags.items((b"x",))
    item = dataclasses.replace(
        item,
        title=TWO_LINES,
        file_name=TWO_LINES,
        media_type=TWO_LINES,
        recorded=TWO_LINES,
        received=TWO_LINES,
        notes=(Note(TWO_LINES, "2026-11-22T08:15:00Z"),),
        tags=(TWO_LINES,),
        circumstances=Circumstances(
            **dict.fromkeys(Circumstances.__dataclass_fields__, TWO_LINES)
            | {"within_reach": "yes", "person": "HARBOUR/p9"}
        ),
    )
    person = SealedPerson(number=1, name=TWO_LINES, aliases=(TWO_LINES,), phones=(TWO_LINES,), role=TWO_LINES)
    values = {"items": (item,), "persons": (person,), "purpose": TWO_LINES, "terms": TWO_LINES}
    cv.file("evil.age", Sender(0, ONE_LINE).seal(to, (b"x",), includes=INCLUDES, **values))
    return cv


def test_nothing_that_comes_in_a_sealed_file_is_obeyed(sent: Any, terminal: Callable[..., Any]) -> None:
    for form in ((), ("--plain",), ("--json",)):
        done = sent("inspect", "evil.age", *form)
        safe(done.stdout + done.stderr)
    screen = terminal(*sent.options, "open", "evil.age", "--code", "HARBOUR", term="dumb")
    screen.answer("Store it as not verified?", "y")
    status, shown = screen.finish()
    assert status == 0, shown
    safe(shown.replace("\r\n", "\n"))
    assert "<U+202E>gpj.exe<U+2066>" in shown
    for arguments in (*LISTINGS[:4], *LISTINGS[6:10], ("log",), ("log", "--case", "HARBOUR"), ("open", "evil.age")):
        for form in ((), ("--plain",), ("--json",)):
            done = sent(*arguments, *form)
            safe(done.stdout + done.stderr)
    shown = sent("show", "HARBOUR/1").stdout
    # What a stranger calls themselves comes after what is known of them.
    assert "Sender: not known here, and nobody compared the key; they call themselves [31mred<U+202E>" in shown
