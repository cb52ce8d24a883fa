"""A vault to attack through the program alone, and one behind a session's socket."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from program import Program
from sessions import Served, session
from vaults import make_vault, open_vault


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the first test leaves a copy of the vault that it made."""
    return tmp_path_factory.mktemp("casevault") / "vault"


@pytest.fixture
def casevault(tmp_path: Path, source: Path, made: Path) -> Program:
    """The program with a vault that holds one empty case; a copy for every test."""
    program = Program(tmp_path, source)
    if made.exists():
        shutil.copytree(made, program.vault)
        shutil.copy2(made.with_name("key"), program.key_file)
    else:
        program.make()
        shutil.copy2(program.key_file, made.with_name("key"))
        shutil.copytree(program.vault, made)
    return program


@pytest.fixture
def runtime(home: Path) -> Path:
    return home.parent / "run" / "casevault"


@pytest.fixture
def served(tmp_path: Path, runtime: Path) -> Iterator[Served]:
    with make_vault(tmp_path / "v") as vault:
        vault.cases.new("Harbour Street", code="HARBOUR")
        vault.cases.get("HARBOUR").items.add_text("She came by the night train.")
    with session(open_vault(tmp_path / "v"), runtime) as found:
        yield found
