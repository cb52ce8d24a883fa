"""Long work shows on a terminal how far it is, and of how much."""

import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from commands import _output, _terminal, cli
from vault import KeyFileUnlocker, Vault


@pytest.fixture
def bars(monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """Bars without waiting, on a terminal that remembers."""
    screen = io.StringIO()
    monkeypatch.setattr(_output, "_BAR_AFTER_SECONDS", -1.0)
    monkeypatch.setattr(_terminal, "stderr_is_terminal", lambda: True)
    monkeypatch.setattr(_output, "_console", lambda **_: Console(file=screen, force_terminal=True, width=100))
    return screen.getvalue


def test_renewing_keys_counts_the_cases(harbour: Any, bars: Callable[[], str]) -> None:
    with Vault.open(harbour.vault, KeyFileUnlocker(harbour.key_file.read_bytes())) as vault:
        vault.cases.new("Meadow", code="MEADOW")
        vault.add_key(KeyFileUnlocker(harbour.key_file.read_bytes()), KeyFileUnlocker(b"k" * 32), label="stick")
    assert cli.main([*map(str, harbour.options), "key", "remove", "stick", "--yes"]) == 0
    assert "renewing keys" in bars()
    assert "2/2" in bars()
    new = harbour.secret("new", b"eleven loud cranes under the bridge at noon")
    before = len(bars())
    change = ("passphrase", "change", "--new-passphrase-file", str(new))
    assert cli.main([*map(str, harbour.options), *change]) == 0
    assert "2/2" in bars()[before:]


@pytest.mark.parametrize("what", ["HARBOUR", "HARBOUR/1"])
def test_an_export_says_of_how_much(harbour: Any, bars: Callable[[], str], what: str) -> None:
    harbour("add", "HARBOUR", harbour.file("film.mp4", bytes(3_000_000)))
    (harbour.folder / "out").mkdir()
    assert cli.main([*map(str, harbour.options), "export", what, "--to", str(harbour.folder / "out")]) == 0
    assert "3.0/3.0 MB" in bars()


def test_the_log_says_of_how_many_steps(harbour: Any, bars: Callable[[], str]) -> None:
    options = [*map(str, harbour.options), "log"]
    (harbour.folder / "out").mkdir()
    counts: list[tuple[int, int]] = []
    for line in (("verify",), ("verify",), ("verify", "--full"), ("export", "--to", str(harbour.folder / "out"))):
        before = len(bars())
        assert cli.main([*options, *line]) == 0
        done, of = re.findall(r"(\d+)/(\d+)", bars()[before:])[-1]
        assert done == of, line
        counts.append((int(done), harbour("status", "--json").json["vault"]["log_steps"]))
        assert ("verifying the log" if line[0] == "verify" else "exporting the log") in bars()[before:]
    (first, _), (second, _), (full, steps), (exported, _) = counts
    assert first > second > 0
    assert first < full < steps
    assert full < exported


@pytest.mark.parametrize("option", ["--plain", "--json"])
def test_whoever_asks_for_plain_lines_or_a_document_gets_no_bar(
    harbour: Any, bars: Callable[[], str], option: str
) -> None:
    harbour("add", "HARBOUR", harbour.file("film.mp4", bytes(3_000_000)))
    (harbour.folder / "out").mkdir()
    for line in (
        ("export", "HARBOUR", "--to", str(harbour.folder / "out")),
        ("log", "verify"),
        ("check", "--read-data"),
    ):
        assert cli.main([*map(str, harbour.options), option, *line]) == 0
    assert bars() == ""
