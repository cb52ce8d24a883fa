"""A vault to attack through the program alone, and one behind a session's socket."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from program import Program
from sessions import Served, session
from vaults import make_vault, open_vault


@pytest.fixture
def casevault(tmp_path: Path, source: Path) -> Program:
    """The program with a vault that holds one empty case."""
    return Program(tmp_path, source).make()


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
