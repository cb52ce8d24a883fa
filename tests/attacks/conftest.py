"""A vault to attack through the program alone."""

from pathlib import Path

import pytest
from program import Program


@pytest.fixture
def casevault(tmp_path: Path, source: Path) -> Program:
    """The program with a vault that holds one empty case."""
    return Program(tmp_path, source).make()
