"""What leaves the vault with entries that are disclosed: nothing by which a disk or a machine is known again, and no proof
under a head that the log never had.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from vaults import (
    Settable,
    body_of,
    copied,
    key_file,
    make_vault,
    object_files,
    open_registry,
    open_vault,
    put_body,
    written_by_hand,
)

from vault import Vault, errors, platform
from vault.log import Log
from vault.log_bodies import Body
from vault.moments import Moment

BOOT_ID = "6d1f6a0e-2f4b-4c58-9a52-3c2f60a1b7aa"


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(platform, "boot_id", lambda: BOOT_ID)
    with make_vault(tmp_path / "v") as vault:
        vault.cases.new("Harbour", code="HARBOUR")
        vault.cases.get("HARBOUR").items.add_text("words of a witness")
        vault.cases.get("HARBOUR").note("a remark")
        vault.cases.new("Bridge", code="BRIDGE")
        vault.cases.get("BRIDGE").items.add_text("other words")
    return tmp_path / "v"


def disclosed(vault: Vault, **chosen: Any) -> str:
    target = vault.path.parent / f"{secrets.token_hex(8)}.jsonl"
    vault.disclose_log(target, **chosen)
    return target.read_text(encoding="utf-8")


def lines(text: str) -> Iterator[dict[str, object]]:
    """What is shown of each disclosed entry."""
    for line in text.splitlines()[1:]:
        yield {field["name"]: field["value"] for field in json.loads(line)["fields"] if "value" in field}


def names_on_the_disk(path: Path) -> set[str]:
    objects = {"".join(file.relative_to(path / "objects").parts).partition(".")[0] for file in object_files(path)}
    cases = {file.name.partition("-")[0] for file in (path / "cases").iterdir()}
    return objects | cases


def test_no_name_on_the_disk_and_no_start_of_the_machine_is_disclosed(path: Path) -> None:
    names = names_on_the_disk(path)
    assert len(names) == 4
    with open_vault(path) as vault:
        vault.cases.get("BRIDGE").delete(key_file())
        vault.backup(path.parent / "backup")
        readable = tuple(entry.number for entry in vault.log())
        told = [disclosed(vault, case="HARBOUR"), disclosed(vault, entries=readable)]
    shown = [fields for text in told for fields in lines(text)]
    assert {"item-add", "case-delete", "backup"} <= {fields["act"] for fields in shown}
    for fields in shown:
        assert not {"objects", "boot_id", "monotonic_ms"} & fields.keys()
        assert ("digest" in fields) is (fields["act"] not in ("backup", "case-delete"))
    for text in told:
        assert BOOT_ID not in text
        assert not [name for name in names if name in text]


@pytest.mark.parametrize(
    ("hidden", "gone"),
    [
        ("wall_time", {"wall_time"}),
        ("counterparty", {"counterparty", "recipients"}),
        ("recipients", {"counterparty", "recipients"}),
        ("actor", {"actor"}),
    ],
)
def test_a_field_is_hidden_together_with_what_tells_it(path: Path, hidden: str, gone: set[str]) -> None:
    with open_vault(path) as vault:
        before = next(lines(disclosed(vault, case="HARBOUR")))
        after = next(lines(disclosed(vault, case="HARBOUR", hidden=(hidden,))))
    assert before.keys() - after.keys() == gone


# The start of the machine


def boot_ids(path: Path) -> set[object]:
    with open_vault(path) as vault:
        index = vault.keeper.registry
        return {body_of(index, number).fields["boot_id"] for number in range(index.frontier.size)}


def test_the_log_keeps_the_start_of_the_machine_under_a_key_of_the_vault(path: Path) -> None:
    (kept,) = boot_ids(path)
    assert isinstance(kept, str)
    assert (len(kept), BOOT_ID.replace("-", "")[:8] in kept) == (32, False)
    make_vault(path.parent / "other").close()
    assert boot_ids(path.parent / "other") not in ({kept}, {BOOT_ID})


@pytest.mark.parametrize(("then", "told"), [(BOOT_ID, ["2026-11-22T11:00"]), ("another start", [])])
def test_a_slow_clock_is_told_across_versions_of_one_start_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, then: str, told: list[str]
) -> None:
    clock, hours = Settable("2026-11-22T10:00:00.000Z"), 0
    monkeypatch.setattr(platform, "boot_id", lambda: BOOT_ID)
    monkeypatch.setattr(platform, "monotonic_ns_including_suspend", lambda: hours * 3_600_000_000_000)
    with monkeypatch.context() as before:
        before.setattr(Log, "_boot_id", lambda _log: then)  # as the first versions kept it
        before.setattr(Moment, "to_bytes", lambda _moment: b"")
        Vault.create(tmp_path / "v", key_file(), clock=clock).close()
    hours, clock.text = 3, "2026-11-22T11:00:00.000Z"
    with Vault.open(tmp_path / "v", key_file(), clock=clock) as vault:
        assert [entry.when[:16] for entry in vault.log() if entry.reason == "clock-set-back"] == told


# Proofs


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM log_entries WHERE number = 9",
        "UPDATE log_entries SET leaf = (SELECT leaf FROM log_entries WHERE number = 8) WHERE number = 9",
    ],
)
def test_nothing_is_proved_under_a_head_that_the_log_never_had(path: Path, damage: str) -> None:
    """One page of an older copy is enough for an entry to be missing, or another."""
    written_by_hand(path, damage)
    with open_vault(path) as vault:
        for ask in (
            lambda: disclosed(vault, entries=(2,)),
            lambda: disclosed(vault, case="BRIDGE"),
            lambda: vault.export_log(path.parent / "log.jsonl"),
        ):
            with pytest.raises(errors.OlderCopy):
                ask()
        last = [(each.act, each.phase, each.reason) for each in vault.log("BRIDGE")][-2:]
        assert last == [("log-disclose", "failed", "OlderCopy"), ("log", "intent", None)]


def test_a_case_is_disclosed_whole_or_not_at_all(path: Path) -> None:
    taken_out = copied(path, path.parent / "taken-out")
    written_by_hand(taken_out, "UPDATE cases SET entries = entries + 1 WHERE code = 'HARBOUR'")
    with open_vault(taken_out) as vault, pytest.raises(errors.OlderCopy):
        disclosed(vault, case="HARBOUR")


def test_a_body_that_is_not_the_one_that_was_logged_is_not_disclosed(path: Path) -> None:
    index = open_registry(path)
    ((number, case_id, epoch),) = index.store.execute(
        "SELECT number, case_id, epoch FROM log_entries WHERE case_id IS NOT NULL LIMIT 1"
    )
    body = body_of(index, number)
    put_body(index, number, Body(body.secret, body.fields | {"actor": "somebody else"}), case_id, epoch)
    index.store.close()
    with open_vault(path) as vault:
        assert vault.log()[number].actor == "somebody else"
        with pytest.raises(errors.DatabaseDamaged):
            disclosed(vault, entries=(number,))
