"""Every sentence can be translated: a made-up language reaches every help page and every command's output."""

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import messages
import pytest
from loading import lay_out, story
from mnemonic import Mnemonic

from commands import cli

BEGIN, END = "\N{MATHEMATICAL LEFT WHITE SQUARE BRACKET}", "\N{MATHEMATICAL RIGHT WHITE SQUARE BRACKET}"
FIELD = re.compile(r"({\w*}|%\(?\w*\)?[sd]?)")

# The library for the command line says these in English only.
ENGLISH_ONLY = {"required", "default", "integer", "range"}

# One process runs all lines, as the program would in a country where this language is spoken.
SPEAKER = """
import contextlib, io, json, os, sys
from pathlib import Path
from commands import _text
_text.FOLDER = Path(sys.argv[1])
_text.use_folder()
from commands import _options
from commands.cli import main
for line in json.load(sys.stdin):
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
    _options._said_once.clear()
    before = sys.stdin
    sys.stdin = io.TextIOWrapper(io.BytesIO(line["typed"].encode()), "utf-8")
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = main(line["arguments"])
        except SystemExit as ended:
            status = ended.code
    sys.stdin = before
    out.flush(), err.flush()
    shown = [stream.buffer.getvalue().decode() for stream in (out, err)]
    print(json.dumps([status, *shown]), flush=True)
"""


def bracketed(text: str) -> str:
    """The text in the made-up language: what is of the program stands in brackets, what is filled in does not."""
    return "".join(part if FIELD.fullmatch(part) or not part else f"{BEGIN}{part}{END}" for part in FIELD.split(text))


# What shows words of a fingerprint, which are of one list, whatever the user's language is.
WORDED = (("identity", "show"), ("log", "head"))


def outside(shown: str) -> str:
    """What stands outside the brackets."""
    depth, rest = 0, []
    for char in shown:
        if char == BEGIN:
            depth = 1  # a list of commands cuts a help after its first sentence
            rest.append(" ")
        elif char == END:
            depth = 0
        elif not depth:
            rest.append(char)
    return "".join(rest)


@pytest.fixture(scope="module")
def language(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("locale")
    catalogue = folder / "xx" / "LC_MESSAGES" / "casevault.mo"
    catalogue.parent.mkdir(parents=True)
    found = messages.messages(source)
    catalogue.write_bytes(messages.compiled({m: tuple(bracketed(each) for each in m) for m in found}))
    return folder


def spoken(
    language: Path, lines: list[tuple[tuple[str, ...], str]], folder: Path, source: Path
) -> list[tuple[int, str, str]]:
    jobs = [{"arguments": arguments, "typed": typed} for arguments, typed in lines]
    environment = os.environ | {
        "LANGUAGE": "xx",
        "LC_ALL": "C.UTF-8",
        "COLUMNS": "100",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    done = subprocess.run(
        [sys.executable, "-c", SPEAKER, str(language)],
        input=json.dumps(jobs),
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        start_new_session=True,
    )
    assert done.returncode == 0, done.stderr
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, group
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


def words(text: str) -> set[str]:
    return set(re.findall(r"[^\W\d_]{2,}", text))


def syntax(path: tuple[str, ...], command: click.Command) -> str:
    """What of a help page is the same in every language: names of commands and options, values, examples."""
    context = click.Context(command)
    parts = ["casevault", *path, *command.collect_usage_pieces(context), getattr(command, "example", "")]
    for parameter in command.params:
        parts += [*parameter.opts, parameter.make_metavar(context), str(parameter.default)]
        if isinstance(parameter.type, click.Choice):
            parts += [str(each) for each in parameter.type.choices]
    if isinstance(command, click.Group):
        parts += command.list_commands(context)
    return " ".join(parts) + " --help"


def test_every_help_page_speaks_the_language_of_the_user(language: Path, source: Path, tmp_path: Path) -> None:
    pages = list(commands(cli.root))
    shown = spoken(language, [((*path, "--help"), "") for path, _command in pages], tmp_path, source)
    for (path, command), (status, out, _err) in zip(pages, shown, strict=True):
        assert status == 0
        assert BEGIN in out
        left = words(outside(out)) - words(syntax(path, command)) - ENGLISH_ONLY
        assert left == set(), (path, out)


# What the story itself writes, and what is no language: codes, names of commands in hints, digests, names of files.
DATA = "Item Signatures and manifests of sealed Lena Marta MARTA Office receipt age our card lena later heard Harbour Office backup plain recovery passphrase HARBOUR Title Other Name text tag witness file file2 txt stick words first second out kv T casevault vault keyfile log public verify jsonl py"


@pytest.mark.parametrize("form", [(), ("--plain",)], ids=["lines", "plain"])
def test_every_command_speaks_the_language_of_the_user(
    form: tuple[str, ...], language: Path, source: Path, tmp_path: Path
) -> None:
    lay_out(tmp_path)
    lines = []
    for arguments in story(source):
        unlock = () if "--passphrase-file" in arguments else ("--passphrase-file", "words")
        lines.append((("--vault", "kv", *form, *unlock, *arguments), ""))
    checked = 0
    for (arguments, _typed), (status, out, err) in zip(lines, spoken(language, lines, tmp_path, source), strict=True):
        assert status == 0, (arguments, err)
        said = out + err
        left = outside(said).replace(str(tmp_path), "")
        left = re.sub(r"\b[0-9a-f]{64,128}\b|SHA256:\S+|\bage1\S+", "", left)
        # The words of a fingerprint are of one list, whatever the user's language is.
        shows = arguments[-2:] in WORDED or "drop" in arguments
        spelled = set(Mnemonic("english").wordlist) if shows else set()
        assert words(left) - words(DATA) - words(" ".join(arguments)) - spelled == set(), (arguments, said)
        checked += BEGIN in said
    assert checked > 15


def test_every_error_speaks_the_language_of_the_user(language: Path, source: Path, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"k" * 32)
    vault = ("--vault", "kv", "--key-file", "key")
    make = (*vault, "init", "--no-passphrase", "--no-recovery")
    lines = [
        ("--vault", "none", "case", "list"),
        make,
        make,
        (*vault, "items", "NOWHERE"),
        (*vault, "items", "x"),
        (*vault, "items"),
        (*vault, "items", "--nonsense"),
        (*vault, "nonsense"),
        (*vault, "case", "new", ""),
        (*vault, "key", "remove", "7"),
        (*vault, "key", "remove", "0"),
        (*vault, "key", "add", "--new-key-file", "key", "--label", "x"),
        (*vault, "export", "HARBOUR", "--to", "nowhere"),
        (*vault, "edit", "HARBOUR/1", "--kind", "nonsense"),
        (*vault, "cat", "HARBOUR/1", "--offset", "x"),
        ("--vault", "kv"),
        ("--vault", "kv", "case", "list"),
    ]
    ended = 0
    for arguments, (status, out, err) in zip(
        lines, spoken(language, [(line, "") for line in lines], tmp_path, source), strict=True
    ):
        left = outside(out + err).replace(str(tmp_path), "")
        kinds = "statement video audio photo document other"
        allowed = words(f"{' '.join(arguments)} casevault kv offset kind CASE help NOWHERE x items lock {kinds}")
        allowed |= {name for name, *_rest in cli.COMMANDS} | {"init", "demo", "list", "new", "FILE"}
        assert words(left) - allowed - ENGLISH_ONLY == set(), (arguments, out + err)
        ended += status != 0
    assert ended >= 13


# What the sources look like


def sources(source: Path) -> Iterator[tuple[str, ast.AST]]:
    for path in sorted((source / "commands").glob("*.py")):
        yield path.name, ast.parse(path.read_text(encoding="utf-8"))


def is_translated(node: ast.AST) -> bool:
    return any(
        isinstance(each, ast.Call) and messages.name(each.func) in ("_", "ngettext", "message_of")
        for each in ast.walk(node)
    )


def has_letters(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and bool(words(node.value))


def glued(tree: ast.AST) -> Iterator[int]:
    """Lines in which a translated sentence is joined to another piece of language."""
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            sides = (node.left, node.right)
            if any(is_translated(side) for side in sides) and (
                all(is_translated(side) for side in sides) or any(has_letters(side) for side in sides)
            ):
                yield node.lineno
        elif isinstance(node, ast.JoinedStr):
            translated = sum(isinstance(part, ast.FormattedValue) and is_translated(part) for part in node.values)
            if translated > 1 or (translated and any(has_letters(part) for part in node.values)):
                yield node.lineno


def test_no_sentence_is_glued_together_from_pieces(source: Path) -> None:
    assert [f"{name}:{line}" for name, tree in sources(source) for line in glued(tree)] == []


@pytest.mark.parametrize(
    "line",
    ["say(_('one') + ' and ' + _('two'))", "say(f'{_(\"one\")} and more')", "say(f'{message_of(e)}; {_(hint)}.')"],
)
def test_a_glued_sentence_is_found(line: str) -> None:
    assert list(glued(ast.parse(line))) != []


# Where a text goes that is given to these: to a person.
SAYS = {"say", "warn", "line", "UsageError", "Stop", "asked", "confirm", "agree", "ask_passphrase", "BadParameter"}


def literals(tree: ast.AST) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and messages.name(node.func) in SAYS:
            for argument in node.args:
                pieces = argument.values if isinstance(argument, ast.JoinedStr) else [argument]
                if any(has_letters(piece) for piece in pieces):
                    yield node.lineno


def test_nothing_is_said_that_cannot_be_translated(source: Path) -> None:
    # The demo shows command lines, which are the same in every language.
    told = [(name, tree) for name, tree in sources(source) if name not in ("demo.py", "_telling.py")]
    assert [f"{name}:{n}" for name, tree in told for n in literals(tree)] == []
    assert list(literals(ast.parse("_terminal.say('nobody translates this')"))) == [1]


# What the library says why: a sentence of its own, or what somebody else said, passed on.
PASSED_ON = {
    "reason",
    "field",
    "name",
    "found",
    "error.reason",
    "error.fields['reason']",
    "found.reason",
    "found.kind",
    "str(error)",
    "type(error).__name__",
    "errors.recorded(error)",
    "str(keeper.failed_unlocks)",
    "'not sealed' if kind is None else kind.__name__",
    "os.strerror(error.errno)",
    "os.strerror(error.errno or 0)",
    "os.strerror(errno.ENOENT)",
    "getattr(error, 'sqlite_errorname', 'I/O')",
}


def untold(module: str, tree: ast.AST) -> Iterator[str]:
    """Reasons that are made when they are needed, so that no translator sees them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            for keyword in node.keywords:
                if keyword.arg in ("reason", "field") and not messages.said(module, keyword.value):
                    shown = ast.unparse(keyword.value)
                    if shown not in (*PASSED_ON, "None", "TEXT"):
                        yield f"{module}:{node.lineno} {shown}"


def test_every_reason_of_the_library_is_known_to_the_translators(source: Path) -> None:
    paths = sorted((source / "vault").glob("*.py"))
    found = [each for path in paths for each in untold(path.stem, ast.parse(path.read_text(encoding="utf-8")))]
    assert found == []
    assert list(untold("meeting", ast.parse("errors.Refused(reason=f'{path} is not there')"))) != []
    known = set(messages.messages(source))
    for said in (
        "what it shows of its sender's log is not in the one form",
        "it is not one of statement, video, audio, photo, document, other",
        "it holds more than 100 words",
        "a group is five digits, at most 65535",
        "its sender's log has two histories, and this file is of another one than an earlier file",
        "ObjectDamaged",
    ):
        assert (said,) in known


# The template


def test_the_template_for_translators_is_up_to_date(source: Path) -> None:
    written = (source / messages.TEMPLATE).read_text(encoding="utf-8")
    assert written == messages.template(source), "run: make messages"


def test_gettext_accepts_the_template(source: Path, program: Any, tmp_path: Path) -> None:
    done = subprocess.run(
        [program("msgfmt"), "--check-format", "-o", str(tmp_path / "out.mo"), str(source / messages.TEMPLATE)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
