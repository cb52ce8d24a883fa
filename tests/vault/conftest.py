"""What many of these tests begin with."""

from pathlib import Path

import pytest

from vault import Case, Vault


@pytest.fixture
def case(vault: Vault) -> Case:
    """The case of the test's own vault."""
    return vault.cases.get("HARBOUR")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Where what leaves the vault goes."""
    path = tmp_path / "out"
    path.mkdir()
    return path


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Where this machine remembers what it saw of the test's vaults."""
    return tmp_path / "state"
