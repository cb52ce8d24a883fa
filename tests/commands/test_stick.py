"""On a stick whose file system keeps no permissions the program says so, once, and works."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from stick import mounted_stick, or_left_out


@pytest.fixture
def stick() -> Iterator[Path]:
    """A stick with exFAT. The FAT driver that can be mounted here loses what is in a folder that is renamed."""
    with or_left_out("a stick with exFAT", mounted_stick("exfat")) as root:
        yield root


@pytest.mark.slow
def test_a_vault_on_a_stick_works_and_its_open_permissions_are_said(cv: Any, stick: Path) -> None:
    vault = ("--vault", stick / "vault", "--key-file", cv.key_file)
    done = cv.bare(*vault, "init", "--no-passphrase", "--no-recovery", "--json")
    assert done.json["owner_only"] is False
    assert done.stderr.count("does not keep files from other users") == 1
    cv.bare(*vault, "case", "new", "-", "--code", "HARBOUR", typed="x")
    source = stick / "film.mp4"
    source.write_bytes(b"f" * 100_000)
    assert "does not keep" not in cv.bare(*vault, "add", "HARBOUR", source).stderr
    (stick / "out").mkdir()
    done = cv.bare(*vault, "export", "HARBOUR/1", "--to", stick / "out", "--json")
    assert done.json["exported"][0]["owner_only"] is False
    assert done.stderr.count("does not keep files from other users") == 1
    assert Path(done.json["exported"][0]["path"]).read_bytes() == source.read_bytes()
    assert cv.bare(*vault, "check", "--read-data", "--json").json["findings"] == []


@pytest.mark.slow
def test_recovery_words_on_a_stick_are_warned_of(cv: Any, stick: Path) -> None:
    make = ("--vault", cv.folder / "new", "--key-file", cv.key_file, "init", "--no-passphrase")
    done = cv.bare(*make, "--recovery-file", stick / "words.txt")
    assert f"does not keep {stick / 'words.txt'} from other users" in done.stderr
    assert len((stick / "words.txt").read_text().split()) == 24
