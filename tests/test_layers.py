"""One arrow between the packages, one home for each third-party package, and who may touch the surroundings."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

MAY_IMPORT = {"crypto": {"crypto"}, "vault": {"vault", "crypto"}, "commands": {"commands", "vault"}}
HOME = {  # a package, or a module of one: where it may be imported
    **dict.fromkeys(("cryptography", "nacl", "mnemonic"), "crypto/"),
    "sqlcipher3": "vault/store.py",
    "anyascii": "vault/spelling.py",
    "snowballstemmer": "vault/wordforms.py",
    **dict.fromkeys(("zxcvbn", "filelock"), "vault/"),
    "prompt_toolkit": "commands/_editor.py",
    "segno": "commands/_qr.py",
    **dict.fromkeys(("click", "rich", "platformdirs"), "commands/"),
    **dict.fromkeys(("fcntl", "resource", "ctypes", "msvcrt"), "vault/platform.py"),
}
SURROUNDINGS = {
    "os.environ",
    "os.environb",
    "os.getenv",
    "os.putenv",
    "sys.argv",
    "sys.stdin",
    "sys.stdout",
    "sys.stderr",
}
TYPE_CHECKING = {"TYPE_CHECKING", "typing.TYPE_CHECKING"}
TERMINAL = {"print", "input", "breakpoint"}


def imported(node: ast.AST) -> Iterator[str]:
    """The dotted names that a statement imports, `os.environ` of `from os import environ` among them."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("import_module", "__import__"):
        yield from (a.value for a in node.args[:1] if isinstance(a, ast.Constant) and isinstance(a.value, str))


def violations(path: str, text: str) -> Iterator[str]:
    package = path.split("/")[0]
    tree = ast.parse(text)
    checks = [node for node in ast.walk(tree) if isinstance(node, ast.If) and ast.unparse(node.test) in TYPE_CHECKING]
    for_types = {id(node) for check in checks for statement in check.body for node in ast.walk(statement)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            yield f"{path}:{node.lineno} relative import"
            continue
        names = set(imported(node))
        for name in names:
            top = name.split(".")[0]
            home = HOME.get(top)
            if top in MAY_IMPORT:
                if top not in MAY_IMPORT[package]:
                    yield f"{path}:{node.lineno} {package} imports {top}"
            elif home and not path.startswith(home):
                yield f"{path}:{node.lineno} {top} belongs into {home}"
            elif top == "typing_extensions" and id(node) in for_types:
                continue  # type checkers bring it with them; nothing is imported when the program runs
            elif not home and top not in sys.stdlib_module_names and top != "__future__":
                yield f"{path}:{node.lineno} {top} has no home"
        if isinstance(node, ast.Attribute):
            names.add(ast.unparse(node))
        if isinstance(node, ast.Name) and node.id in TERMINAL:
            names.add(node.id)
        if package != "commands" and names & (SURROUNDINGS | TERMINAL):
            yield f"{path}:{node.lineno} {package} uses {', '.join(names)}"
        if isinstance(node, ast.Assert):
            yield f"{path}:{node.lineno} an assert vanishes under python -O"


def test_every_module_keeps_to_its_layer(source: Path) -> None:
    paths = [path for package in MAY_IMPORT for path in sorted((source / package).rglob("*.py"))]
    assert len(paths) >= len(MAY_IMPORT)
    found = [
        v for path in paths for v in violations(path.relative_to(source).as_posix(), path.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("crypto/age.py", "import vault"),
        ("crypto/age.py", "from commands.cli import main"),
        ("crypto/age.py", "import sqlcipher3"),
        ("crypto/age.py", "from os import environ"),
        ("vault/cases.py", "def f():\n    from commands import cli"),
        ("vault/cases.py", "import sqlcipher3.dbapi2"),
        ("vault/cases.py", "from cryptography.hazmat.primitives import hashes"),
        ("vault/cases.py", "import fcntl"),
        ("vault/cases.py", "import requests"),
        ("vault/cases.py", "from typing_extensions import Self"),
        ("vault/cases.py", "import os\nos.environ['HOME']"),
        ("vault/cases.py", "import sys\nsys.argv"),
        ("vault/cases.py", "print('x')"),
        ("vault/cases.py", "f = input"),
        ("vault/cases.py", "assert 1"),
        ("vault/cases.py", "import importlib\nimportlib.import_module('commands.cli')"),
        ("vault/cases.py", "from . import store"),
        ("commands/add.py", "import crypto.kdf"),
        ("commands/add.py", "if TYPE_CHECKING:\n    from crypto.keys import Key"),
        ("commands/add.py", "import filelock"),
        ("commands/add.py", "assert 1"),
    ],
)
def test_a_planted_violation_is_found(path: str, line: str) -> None:
    assert list(violations(path, line)) != []


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("crypto/age.py", "from cryptography.hazmat.primitives import hashes\nfrom crypto import labels"),
        ("vault/store.py", "import sqlcipher3\nfrom crypto.keys import Key"),
        ("vault/platform.py", "import fcntl"),
        ("vault/cases.py", "if TYPE_CHECKING:\n    from typing_extensions import Self"),
        ("vault/cases.py", "import filelock\nimport os\nos.fsync(3)\nfrom vault.store import Store"),
        ("commands/add.py", "import click\nimport os\nimport vault\nprint(os.environ)"),
    ],
)
def test_what_is_allowed_is_not_found(path: str, line: str) -> None:
    assert list(violations(path, line)) == []
