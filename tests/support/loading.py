"""Python files that belong to no package, loaded by their path: makers of vectors, and the story that a test tells."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

from somebody import material


def loaded(path: Path) -> ModuleType:
    """The module that a file makes."""
    spec = importlib.util.spec_from_file_location(f"loaded_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def golden_maker(source: Path) -> ModuleType:
    """What made the golden vault of the first format; its ``KEY`` opens it."""
    return loaded(source / "tests" / "vectors" / "make" / "golden_v1.py")


def story(source: Path) -> tuple[tuple[str, ...], ...]:
    """Every command with its arguments, as the test of the JSON documents runs them."""
    found: tuple[tuple[str, ...], ...] = loaded(source / "tests" / "commands" / "test_json.py").STORY
    return found


def lay_out(folder: Path) -> None:
    """What the story reads, and the folder that it writes to."""
    for name, content in {
        "first": b"seven quiet herons over the harbour at dawn",
        "second": b"eleven loud cranes under the bridge at noon",
        "file.txt": b"one",
        "file2.txt": b"two",
        **material(),
    }.items():
        (folder / name).write_bytes(content)
        (folder / name).chmod(0o600)
    (folder / "out").mkdir()
