"""No key of a case or an object is unwrapped without the receipt of an intent that the log has: by any function, for any command."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import loading
import pytest

from commands import cli

# What gives a key out that was stored. Each has the receipt as an argument, and spends it before anything else.
UNWRAP = {
    "registry.Registry.unwrap_case_key",
    "registry.Registry.unwrap_draft_key",
    "registry.Registry.unseal_titles",
    "compartment.Compartment.unwrap_object_key",
    "compartment.Compartment.unwrap_object_keys",
    "compartment.Compartment.unwrap_all_object_keys",
    "identity.OwnIdentity.__init__",
}

# What else touches one, and gives none out.
INSIDE = {
    "registry.Registry._case_key": "called by the other functions of this table alone",
    "registry.Registry._draft_key": "called by the other functions of this table alone",
    "registry.Registry.seal_title": "returns a sealed title",
    "registry.Registry.rewrap_draft_keys": "seals under a new key, and gives out nothing",
    "registry.Registry.log_key": "for the log alone, which must seal a body before there is a receipt; no key of a case or object",
    "log_bodies.seal_body": "the log seals",
    "log.Log._boot_id": "the log's key of the vault, for no case",
    "log_bodies.unseal_body": "the log reads: bodies, for a receipt, and the times of its own entries",
    "epochs._rewrap_log_keys": "seals under a new key, and gives out nothing",
    "compartment.Compartment.object_ids": "ids",
    "identity._yielded": "public keys",
    "objects.belongs": "a key that whoever stores the object has made and brings; it gives out nothing",
    "drafting.Drafting.draft_begin": "whoever writes drew this key and gives it",
    "filing.Filing.item_finish_add": "whoever adds drew this key and gives it",
    "storing.Storing._item": "whoever opens a file drew this key and gives it",
    "staged_text.text_of": "whoever opens a file drew this key and gives it",
    "objects.ObjectReader.__init__": "in the command's process, which was given it for an intent",
    "writing.Drafts.resume": "in the command's process, which was given it for an intent",
}

# What makes a receipt.
RECEIPTS = {
    "log.Log.intend": "of the intent that it has just recorded",
    "log.Log.begin": "of a vault's first intent, without a grant",
    "log.Log.reissue": "of an intent in the log that a crash interrupted",
    "snapshot._receipt_for": "of the intent of a backup, which is in the log",
    "backups.OpenBackup.receipt": "in a backup no log can be written: it is looked through for damage, and shown to nobody",
}

_CONSTRUCTORS = {"CaseKey", "ObjectKey", "HybridIdentity", "X25519Identity", "IdentityEd25519Key", "IdentityMLDSAKey"}
_CALLS = {"_case_key", "_draft_key", "log_key"}
_SPENDS = "receipt.spend("


def functions(tree: ast.AST, path: tuple[str, ...]) -> Iterator[tuple[str, ast.FunctionDef]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef):
            yield from functions(node, (*path, node.name))
        elif isinstance(node, ast.FunctionDef):
            yield ".".join((*path, node.name)), node


def touches(function: ast.FunctionDef) -> bool:
    """Whether a function makes a key of stored bytes, or asks for one past the receipt."""
    for node in ast.walk(function):
        if isinstance(node, ast.Call):
            called = node.func
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            if (isinstance(called, ast.Name) and name in _CONSTRUCTORS) or name in _CALLS:
                return True
        if isinstance(node, ast.Constant) and node is not _docstring(function):
            asked = str(node.value)
            if "SELECT" in asked and "object_keys" in asked:
                return True
    return False


def _docstring(function: ast.FunctionDef) -> ast.AST | None:
    first = function.body[0]
    return first.value if isinstance(first, ast.Expr) else None


def spends_first(function: ast.FunctionDef) -> bool:
    """Whether the receipt is an argument and is spent before anything else."""
    body = function.body[1:] if _docstring(function) is not None else function.body
    return "receipt" in {each.arg for each in function.args.args} and ast.unparse(body[0]).startswith(_SPENDS)


def in_vault(source: Path) -> Iterator[tuple[str, ast.FunctionDef]]:
    for path in sorted((source / "vault").glob("*.py")):
        yield from functions(ast.parse(path.read_text(encoding="utf-8")), (path.stem,))


def makes_receipts(function: ast.FunctionDef) -> bool:
    called = (node.func for node in ast.walk(function) if isinstance(node, ast.Call))
    return any(isinstance(each, ast.Name) and each.id == "Receipt" for each in called)


def test_receipts_are_made_of_intents_in_the_log_and_for_looking_through_a_backup(source: Path) -> None:
    assert {name for name, function in in_vault(source) if makes_receipts(function)} == set(RECEIPTS)


def test_every_function_that_gives_a_stored_key_out_spends_a_receipt_first(source: Path) -> None:
    found = dict(in_vault(source))
    assert {name: spends_first(found[name]) for name in UNWRAP} == dict.fromkeys(UNWRAP, True)


def test_no_other_function_touches_a_stored_key(source: Path) -> None:
    found = {name for name, function in in_vault(source) if touches(function)}
    assert found - UNWRAP == set(INSIDE)


@pytest.mark.parametrize(
    "text",
    [
        "def f(row): return CaseKey(row['key'])",
        "def f(registry, case): return registry._case_key(case)",
        "def f(store): return store.execute('SELECT key FROM object_keys')",
    ],
)
def test_a_function_that_would_is_found(text: str) -> None:
    (function,) = ast.parse(text).body
    assert isinstance(function, ast.FunctionDef)
    assert touches(function)
    assert not spends_first(function)


# For every command

# In the program itself, each time a key is unwrapped: is the intent of the receipt in the log, durable?
WATCHING = """
import contextlib, io, json, sys
from commands import cli
from vault import compartment, identity, registry

seen, current = [], []

def durable(receipt):
    index = current[-1]
    if receipt.number == -1 and index.store.immutable:
        return None
    there = index.store.execute("SELECT count(*) FROM log_entries WHERE number = ?", (receipt.number,)) == [(1,)]
    return there and not index.store._connection.in_transaction

def watch(kind, name, place):
    original = getattr(kind, name)
    def watched(*arguments, **named):
        receipt = arguments[place]
        seen.append([f"{kind.__name__}.{name}", receipt.act, durable(receipt)])
        return original(*arguments, **named)
    setattr(kind, name, watched)

load = registry.Registry._load
def loaded(self):
    current.append(self)
    return load(self)
registry.Registry._load = loaded
for each in sys.argv[1].split():
    kind, _, name = each.partition(".")
    for module in (registry, compartment, identity):
        if hasattr(module, kind) and getattr(module, kind).__module__ == module.__name__:
            watch(getattr(module, kind), name, 2 if name == "__init__" else 1)
for line in json.load(sys.stdin):
    seen.clear()
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = cli.main(line)
    err.flush()
    print(json.dumps([status, seen, err.buffer.getvalue().decode()]), flush=True)
"""

# What unwraps nothing, and why.
NOTHING = {
    "init": "there is no case",
    "lock": "the service ends",
    "drop": "no vault is opened",
    "help": "no vault is opened",
    "help-partner": "no vault is opened",
    "completion": "no vault is opened",
    "log head": "of the log alone",
    "log status": "of the log alone",
    "log verify": "of the log alone",
    "log export": "the public form: of the log alone",
    "log list": "what the log says, under the log's own keys",
    "key list": "ways in",
    "key add": "ways in; no key of a case is renewed",
    "case new": "its key is drawn, not unwrapped",
    "status": "the index alone",
    "partner list": "the index alone",
    "partner show": "the index alone",
    "partner add": "the index alone",
    "partner verify": "the index alone",
    "identity name": "the index alone",
}
# Whose parts are other commands, or whose requests are asked for by a person at a terminal or by a session's agent:
# these are the requests of the keeper, every one of which `test_keeper` lists.
ELSEWHERE = {"demo", "unlock", "write"}


def leaves(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[str]:
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        if isinstance(command, click.Group):
            yield from leaves(command, (*path, name))
        else:
            yield " ".join((*path, name))


def story(source: Path) -> list[tuple[str, ...]]:
    """The story of all documents, without a session, whose keys another process has; and what has no document."""
    told = [each for each in loading.story(source) if each != ("unlock",)]
    at = told.index(("revise", "HARBOUR/1", "file2.txt"))
    more: list[tuple[str, ...]] = [("cat", "HARBOUR/1"), ("view", "HARBOUR/1"), ("help",), ("help-partner",)]
    more += [
        ("completion", "bash"),
        ("passphrase", "change", "--new-passphrase-file", "first"),
        ("key", "add", "--new-key-file", "another", "--label", "another"),
        ("key", "remove", "another", "--yes"),
    ]
    return [*told[:at], *more, *told[at:]]


def test_for_every_command_each_key_is_unwrapped_for_an_intent_that_is_durable(source: Path, tmp_path: Path) -> None:
    loading.lay_out(tmp_path)
    known = set(leaves(cli.root))
    lines = []
    for arguments in story(source):
        unlock = () if "--passphrase-file" in arguments else ("--passphrase-file", "words")
        form = () if arguments[0] in ("cat", "view") else ("--json",)
        lines.append(["--vault", "v", *form, *unlock, *arguments])
    done = subprocess.run(
        [sys.executable, "-c", WATCHING, " ".join(name.partition(".")[2] for name in sorted(UNWRAP))],
        input=json.dumps(lines),
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "LANGUAGE": "en"},
        capture_output=True,
        text=True,
        timeout=300,
        start_new_session=True,
    )
    assert done.returncode == 0, done.stderr
    unwrapped: dict[str, set[str]] = {}
    for arguments, answer in zip(story(source), done.stdout.splitlines(), strict=True):
        status, seen, said = json.loads(answer)
        name = " ".join(arguments[:2]) if " ".join(arguments[:2]) in known else arguments[0]
        # Without a terminal nothing can be looked at; the key was given all the same.
        assert status == (15 if name == "view" else 0), (arguments, said)
        # What is restored is looked through first, and a backup takes no log.
        assert [each for each in seen if each[2] is not True and (each[2], name) != (None, "restore")] == [], arguments
        unwrapped.setdefault(name, set()).update(kind for kind, _act, _durable in seen)
    assert set(unwrapped) | ELSEWHERE == known
    assert {name for name, kinds in unwrapped.items() if not kinds} == set(NOTHING)
    by_write_alone = {"Registry.unwrap_draft_key"}
    assert set().union(*unwrapped.values()) | by_write_alone == {name.partition(".")[2] for name in UNWRAP}
