"""vault.py beside vault/: the script runs from anywhere, and nothing foreign is taken for one of our packages."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vault._version import __version__

PACKAGES = ("vault", "crypto", "commands")
HEAVY = ("cryptography", "nacl", "sqlcipher3", "zxcvbn", "mnemonic")


def run(*arguments: str | Path, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")} | variables
    return subprocess.run(
        [sys.executable, *map(str, arguments)], cwd=cwd, env=environment, capture_output=True, text=True, timeout=120
    )


@pytest.fixture
def checkout(source: Path, tmp_path: Path) -> Path:
    """A copy of what a checkout needs to run."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    shutil.copy(source / "vault.py", folder)
    for package in PACKAGES:
        shutil.copytree(source / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """Somebody else's package that happens to be called crypto."""
    folder = tmp_path / "foreign"
    (folder / "crypto").mkdir(parents=True)
    (folder / "crypto" / "__init__.py").write_text("'Not ours.'\n", encoding="utf-8")
    return folder


def test_the_script_runs_from_any_folder(source: Path, tmp_path: Path) -> None:
    done = run(source / "vault.py", "--version", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"casevault {__version__}\n", "")


def test_the_package_commands_can_be_run(source: Path) -> None:
    done = run("-m", "commands", "--version", cwd=source)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"casevault {__version__}\n", "")


def test_without_its_init_file_the_package_gives_way_to_the_script(checkout: Path, tmp_path: Path) -> None:
    """The reason why vault/__init__.py must never be removed.

    In one folder a package with an __init__.py comes before a module, and a module before a folder without one. So `import
    vault` would silently find the script, `vault` would not be a package, and nothing would start.
    """
    assert run(checkout / "vault.py", "--version", cwd=tmp_path).returncode == 0
    (checkout / "vault" / "__init__.py").unlink()
    done = run(checkout / "vault.py", "--version", cwd=tmp_path)
    assert done.returncode != 0
    assert done.stdout == ""


def test_the_script_holds_nothing_to_import(source: Path) -> None:
    tree = ast.parse((source / "vault.py").read_text(encoding="utf-8"))
    assert [type(node).__name__ for node in tree.body] == ["Expr", "ImportFrom", "If"]


def test_a_checkout_prefers_its_own_packages_to_those_on_the_path(source: Path, foreign: Path, tmp_path: Path) -> None:
    done = run(source / "vault.py", "--version", cwd=tmp_path, PYTHONPATH=str(foreign))
    assert (done.returncode, done.stdout) == (0, f"casevault {__version__}\n")


def importers_of_crypto(source: Path) -> list[str]:
    found = []
    for path in sorted((source / "vault").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if any(name.split(".")[0] == "crypto" for name in names):
                found.append(".".join(path.relative_to(source).with_suffix("").parts).removesuffix(".__init__"))
                break
    return found


def test_a_foreign_crypto_package_stops_every_module_that_uses_ours(
    source: Path, foreign: Path, tmp_path: Path
) -> None:
    """`from crypto import name` at the top: with a stranger of that name the import fails, before any key is touched."""
    attempt = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]:\n"
        "    try:\n        importlib.import_module(name)\n"
        "    except ImportError:\n        continue\n"
        "    print(name)\n"
    )
    names = importers_of_crypto(source)
    ours = run("-c", attempt, *names, cwd=tmp_path, PYTHONPATH=str(source))
    assert ours.stdout.split() == names
    theirs = run("-c", attempt, *names, cwd=tmp_path, PYTHONPATH=os.pathsep.join([str(foreign), str(source)]))
    assert (theirs.returncode, theirs.stdout.split()) == (0, [])


def test_a_foreign_crypto_package_makes_no_vault(source: Path, foreign: Path, tmp_path: Path) -> None:
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("seven quiet herons over the harbour at dawn\n", encoding="utf-8")
    vault = tmp_path / "vault-folder"
    command = ["-m", "commands", "--vault", vault, "init", "--passphrase-file", passphrase, "--no-recovery"]
    path = os.pathsep.join([str(foreign), str(source)])
    done = run(*command, cwd=tmp_path, PYTHONPATH=path)
    assert done.returncode != 0
    assert done.stdout == ""
    assert not vault.exists()


def test_asking_for_the_version_loads_no_heavy_package(source: Path) -> None:
    """vault/__init__.py names its public things lazily, so that `--version`, `--help` and an agent's client start at once."""
    done = run("-c", "import sys, vault._version; print(*sys.modules)", cwd=source, PYTHONPATH=str(source))
    assert done.returncode == 0
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert loaded.isdisjoint(HEAVY)
