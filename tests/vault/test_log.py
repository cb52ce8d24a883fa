from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vaults import case_key, case_row, copied, dumped, key_file, make_vault, open_registry, open_vault

from crypto import labels
from crypto.commitments import commit
from crypto.encoding import length_prefixed, parse_canonical_json
from crypto.errors import CryptoError
from crypto.keys import RecordKey, derive
from crypto.records import decrypt_record
from crypto.tree import leaf_hash, root
from vault import PersonFields, Vault, log_checking, schema
from vault.errors import Damage, DatabaseDamaged, OlderCopy
from vault.log_bodies import FIELDS, unseal_body
from vault.log_rows import EntryRow
from vault.registry import Registry

QUERY = "CANARYQUERY"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "v"
    with make_vault(path) as vault:
        for code in ("HARBOUR", "BRIDGE"):
            vault.cases.new(f"CANARY {code}", code=code)
            vault.cases.get(code).items.add_text(f"CANARY text of {code}")
        vault.cases.get("HARBOUR").persons.add(PersonFields(name="CANARY Zaynab"))
        vault.cases.get("HARBOUR").items.get(1).show(purpose="for the hearing")
        vault.search("CANARY")
    return path


@pytest.fixture
def vault(path: Path) -> Iterator[Vault]:
    with open_vault(path) as found:
        yield found


def raw(registry: Registry) -> list[tuple[int, bytes, bytes, bytes | None, int | None]]:
    return registry.store.execute("SELECT number, leaf, body, case_id, epoch FROM log_entries ORDER BY number")


def bodies(vault: Vault) -> list[dict[str, object]]:
    """Every body, unsealed past the program's own doors."""
    registry = vault.keeper.registry
    return [unseal_body(registry, EntryRow(*row)).fields for row in raw(registry)]


# Form


def test_a_leaf_is_canonical_json_of_commitment_number_step_and_version(vault: Vault) -> None:
    for number, leaf, _, _, _ in raw(vault.keeper.registry):
        value = json.loads(leaf)
        assert sorted(value.keys() - {"k"}) == ["c", "n", "s", "v"]
        assert (value["n"], value["v"]) == (number, 1)
        assert len(bytes.fromhex(value["c"])) == 32
        key = f'"k":"{value["k"]}",' if "k" in value else ""
        assert leaf == f'{{"c":"{value["c"]}",{key}"n":{number},"s":{value["s"]},"v":1}}'.encode()


def test_the_commitment_of_each_leaf_is_that_of_its_body(vault: Vault) -> None:
    secrets_seen = set()
    for row in raw(vault.keeper.registry):
        body = unseal_body(vault.keeper.registry, EntryRow(*row))
        assert commit(body.secret, body.fields).hex() == json.loads(row[1])["c"]
        secrets_seen.add(body.secret)
    assert len(secrets_seen) == vault.keeper.registry.frontier.size


def test_every_body_has_every_field_so_that_its_shape_tells_nothing(vault: Vault) -> None:
    expected = {
        "act", "actor", "answers", "boot_id", "case", "condition", "consent", "counterparty", "digest", "entry", "heads", "item",
        "monotonic_ms", "objects", "phase", "purpose", "query", "reason", "recipients", "role", "size", "software",
        "state_after", "state_before", "wall_time",
    }  # fmt: skip
    for fields in bodies(vault):
        assert set(fields) == expected
        assert str(fields["software"]).startswith("casevault/")
        assert fields["actor"] == "keyfile"
        assert isinstance(fields["monotonic_ms"], int)


def test_the_root_is_that_of_rfc_6962_over_the_leaves_after_every_step(vault: Vault) -> None:
    registry = vault.keeper.registry
    leaves = [leaf_hash(leaf) for _, leaf, _, _, _ in raw(registry)]
    assert registry.frontier.root() == root(leaves)
    steps = registry.store.execute("SELECT step, size, root FROM log_steps ORDER BY step")
    assert [step for step, _, _ in steps] == list(range(1, registry.steps + 1))
    for _, size, found in steps:
        assert found == root(leaves[:size])


def test_intent_and_outcome_are_steps_of_their_own_and_the_leaf_names_its_step(vault: Vault) -> None:
    registry = vault.keeper.registry
    vault.cases.get("HARBOUR").show()
    rows = [parse_canonical_json(leaf) for _, leaf, _, _, _ in raw(registry)]
    steps = [row["s"] for row in rows if isinstance(row, dict)]
    assert steps == sorted(steps)
    assert steps[-2:] == [registry.steps - 1, registry.steps]


def test_entries_of_a_case_are_numbered_without_a_gap(vault: Vault) -> None:
    for code in ("HARBOUR", "BRIDGE"):
        numbers = [fields["entry"] for fields in bodies(vault) if fields["case"] == code and fields["entry"]]
        assert numbers == list(range(1, len(numbers) + 1))
        assert case_row(vault, code).entries == len(numbers)


def test_a_change_names_the_states_it_leads_from_and_to_before_it_is_made(vault: Vault) -> None:
    before = case_row(vault, "HARBOUR").state
    vault.cases.get("HARBOUR").note("remark")
    intent, refined, outcome = bodies(vault)[-3:]
    after = case_row(vault, "HARBOUR").state
    assert (intent["act"], intent["phase"], intent["state_before"]) == ("case-note", "intent", None)
    assert (refined["phase"], refined["state_before"], refined["state_after"]) == ("intent", before.hex(), after.hex())
    assert (outcome["phase"], outcome["state_before"], outcome["state_after"]) == ("done", before.hex(), after.hex())
    assert refined["answers"] == outcome["answers"] == vault.keeper.registry.frontier.size - 3


def test_adding_names_the_object_in_the_intent_and_size_and_digest_in_the_outcome(vault: Vault) -> None:
    stored = vault.cases.get("BRIDGE").items.add_text("another text")
    refined, outcome = bodies(vault)[-2:]
    compartment = vault.keeper._open[case_row(vault, "BRIDGE").case_id]
    (object_name,) = refined["objects"]
    assert bytes.fromhex(object_name) in compartment.object_ids()
    assert (outcome["item"], outcome["size"], outcome["digest"]) == ("2", 12, stored.item.sha256)


def test_a_reading_records_how_much_was_given_out_and_its_digest(vault: Vault) -> None:
    item = vault.cases.get("HARBOUR").items.get(1)
    with item.open(offset=7, length=4, purpose="for the hearing") as reading:
        (piece,) = [bytes(piece) for piece in reading]
    assert piece == b"text"
    intent, outcome = bodies(vault)[-2:]
    assert (intent["act"], intent["item"], intent["purpose"]) == ("item-cat", "1", "for the hearing")
    assert (outcome["phase"], outcome["size"]) == ("done", 4)
    assert outcome["digest"] == hashlib.sha256(b"text").hexdigest()


def test_the_words_of_a_search_are_known_only_to_the_entries_of_cases_that_have_them(vault: Vault) -> None:
    vault.cases.get("BRIDGE").note(f"{QUERY} remark")
    size = vault.keeper.registry.frontier.size
    assert len(vault.search(QUERY)) == 1
    added = bodies(vault)[size:]
    assert [(fields["act"], fields["phase"], fields["case"]) for fields in added] == [
        ("search", "intent", None),
        ("search", "done", "BRIDGE"),
        ("search", "done", None),
    ]
    assert [fields["query"] for fields in added] == [None, QUERY, None]


# Who can read it


def test_bodies_are_sealed_under_their_own_case_and_open_under_no_other_key(vault: Vault) -> None:
    registry = vault.keeper.registry
    names = {case.case_id: case.code for case in registry.cases()}
    keys = {None: RecordKey(registry.setting("log_key"))}
    keys |= {case_id: derive(registry._case_key(case_id), labels.CASE_LOG, RecordKey) for case_id in names}
    seen = set()
    for number, _, body, case_id, _ in raw(registry):
        context = length_prefixed(labels.LOG_BODY, registry.setting("vault_id"), number.to_bytes(8, "big"))
        fields = parse_canonical_json(decrypt_record(keys[case_id], body, context=context))
        assert isinstance(fields, dict)
        case = fields["fields"]["case"]
        # What is sealed under the vault's own key names a case only where the case has no key yet.
        assert case == names.get(case_id) or (case_id is None and fields["fields"]["act"] == "case-new")
        for other in keys:
            if other != case_id:
                with pytest.raises(CryptoError):
                    decrypt_record(keys[other], body, context=context)
        seen.add(case_id)
    assert len(seen) == 3


def test_a_body_moved_to_another_number_does_not_open(vault: Vault) -> None:
    first, second = (EntryRow(*row) for row in raw(vault.keeper.registry)[:2])
    with pytest.raises(DatabaseDamaged):
        unseal_body(vault.keeper.registry, replace(first, number=second.number))


def test_titles_names_and_words_are_nowhere_in_the_vault_s_own_database(vault: Vault) -> None:
    found = repr(dumped(vault.keeper.registry.store))
    assert "HARBOUR" in found
    assert "CANARY" not in found


def test_the_log_of_one_case_holds_only_its_entries(vault: Vault) -> None:
    entries = vault.log("HARBOUR")
    assert {entry.case for entry in entries} == {"HARBOUR"}
    assert [entry.act for entry in entries if entry.phase == "done"] == [
        "item-add",
        "person-add",
        "item-show",
        "search",
    ]
    assert [entry.purpose for entry in entries if entry.act == "item-show"] == ["for the hearing", None]
    everything = vault.log()
    assert [entry.number for entry in everything] == list(range(len(everything)))


def test_after_a_passphrase_change_old_entries_are_still_readable(path: Path) -> None:
    with open_vault(path) as vault:
        before = vault.log()
        for number in (1, 2, 3):
            vault.change_passphrase(key_file(number - 1), key_file(number))
            vault.cases.get("HARBOUR").note(f"remark {number}")
    with open_vault(path, key_file(3)) as vault:
        assert vault.log()[: len(before)] == before
        assert [entry.act for entry in vault.log("HARBOUR") if entry.phase == "done"][-3:] == ["case-note"] * 3
        assert vault.check().findings == ()
        epochs = {epoch for _, _, _, case_id, epoch in raw(vault.keeper.registry) if case_id}
        assert epochs == {1, 2, 3, 4}


def test_after_a_case_is_deleted_its_entries_are_unreadable_and_the_tree_still_holds(path: Path) -> None:
    with open_vault(path) as vault:
        case_id = case_row(vault, "HARBOUR").case_id
        sealed = [row for row in raw(vault.keeper.registry) if row[3] == case_id]
        vault.cases.get("HARBOUR").delete(key_file())
        assert sealed
        for row in sealed:
            with pytest.raises(Damage):
                unseal_body(vault.keeper.registry, EntryRow(*row))
        assert {entry.case for entry in vault.log()} == {None, "HARBOUR", "BRIDGE"}
        assert {entry.act for entry in vault.log() if entry.case == "HARBOUR"} == {"case-new", "case-delete"}
        assert vault.check().findings == ()
    index = open_registry(path)
    assert case_id.hex() not in repr(
        {name: rows for name, rows in dumped(index.store).items() if name in ("cases", "log_keys")}
    )
    assert [row["code"] for row in index.rows(schema.DELETED_CASES)] == ["HARBOUR"]


# Damage and forgery


TAMPERED = {
    "a leaf altered": "UPDATE log_entries SET leaf = CAST(replace(CAST(leaf AS TEXT), '\"v\":1', '\"v\":2') AS BLOB) WHERE number = 3",
    "a leaf not canonical": "UPDATE log_entries SET leaf = CAST(leaf || ' ' AS BLOB) WHERE number = 3",
    "a leaf of another number": "UPDATE log_entries SET leaf = (SELECT leaf FROM log_entries WHERE number = 4) WHERE number = 3",
    "a body of another entry": "UPDATE log_entries SET body = (SELECT body FROM log_entries WHERE number = 2) WHERE number = 3",
    "a body cut": "UPDATE log_entries SET body = substr(body, 1, 20) WHERE number = 3",
    "an entry deleted": "DELETE FROM log_entries WHERE number = 3",
    "the last entry deleted": "DELETE FROM log_entries WHERE number = (SELECT max(number) FROM log_entries)",
    "an entry added": "INSERT INTO log_entries SELECT 1 + (SELECT max(number) FROM log_entries), leaf, body, case_id, epoch"
    " FROM log_entries WHERE number = 3",
    "two entries exchanged": "UPDATE log_entries SET number = CASE number WHEN 3 THEN -4 ELSE -3 END WHERE number IN (3, 4)",
    "a step deleted": "DELETE FROM log_steps WHERE step = 3",
    "the last step deleted": "DELETE FROM log_steps WHERE step = (SELECT max(step) FROM log_steps)",
    "a step's root altered": "UPDATE log_steps SET root = zeroblob(32) WHERE step = 3",
    "a step's size altered": "UPDATE log_steps SET size = size + 1 WHERE step = 3",
    "the head altered": "UPDATE head SET step = step - 1",
    "an entry given to another case": "UPDATE log_entries SET case_id = NULL WHERE case_id IS NOT NULL",
    "a setting altered": "UPDATE settings SET value = zeroblob(32) WHERE name = 'log_key'",
    "a case's state altered": "UPDATE cases SET state = zeroblob(32)",
    "a slot added": "INSERT INTO slots SELECT 7, public_key, kind, label, added FROM slots",
    "an intent forgotten": "INSERT INTO unanswered VALUES (3, 'case-show', NULL, NULL, '[]', NULL)",
}


@pytest.mark.parametrize("statement", TAMPERED.values(), ids=TAMPERED.keys())
def test_whoever_alters_the_log_in_the_database_is_found_at_open_or_by_check(path: Path, statement: str) -> None:
    index = open_registry(path)
    index.store.execute(statement)
    if "exchanged" in statement or "-4" in statement:
        index.store.execute("UPDATE log_entries SET number = -number WHERE number < 0")
    index.close()
    try:
        vault = open_vault(path)
    except (OlderCopy, DatabaseDamaged):
        return
    with vault:
        assert any(finding.kind == "database" for finding in vault.check().findings)


def test_a_listing_with_a_missing_entry_is_refused(path: Path) -> None:
    index = open_registry(path)
    number = index.store.execute("SELECT number FROM log_entries WHERE case_id IS NOT NULL ORDER BY number LIMIT 1")[0][
        0
    ]
    index.store.execute("DELETE FROM log_entries WHERE number = ?", (number,))
    index.close()
    with open_vault(path) as vault:
        with pytest.raises(Damage):
            vault.log()
        with pytest.raises(Damage):
            vault.log("HARBOUR")


# Unanswered intents


def test_an_intent_without_outcome_is_closed_as_recovered_at_the_next_start(path: Path, tmp_path: Path) -> None:
    with open_vault(path) as vault:
        vault.cases.get("HARBOUR").items.get(1).open(purpose="interrupted")
        copy = copied(path, tmp_path / "copy")
    with open_vault(copy) as vault:
        assert vault.warnings == ("recovered",)
        entry = vault.log("HARBOUR")[-2]
        assert (entry.act, entry.phase, entry.answers) == ("item-cat", "recovered", entry.number - 1)
        assert vault.keeper.log.unanswered() == []
    with open_vault(copy) as vault:
        assert vault.warnings == ()
        assert vault.check().findings == ()


def test_an_intent_stays_unanswered_while_it_runs_and_not_longer(vault: Vault) -> None:
    assert vault.keeper.log.unanswered() == []
    with vault.cases.get("HARBOUR").items.get(1).open() as reading:
        (waiting,) = vault.keeper.log.unanswered()
        assert (waiting.number, waiting.act, waiting.item) == (reading.grant.intent, "item-cat", "1")
    assert vault.keeper.log.unanswered() == []


def test_closing_the_vault_ends_open_readings_as_failed(path: Path) -> None:
    vault = open_vault(path)
    vault.cases.get("HARBOUR").items.get(1).open()
    vault.close()
    with open_vault(path) as vault:
        assert vault.warnings == ()
        entry = vault.log("HARBOUR")[-2]
        assert (entry.phase, entry.reason) == ("failed", "closed")


@settings(max_examples=10)
@given(st.lists(st.sampled_from(["intend", "answer", "reopen"]), max_size=8))
def test_whatever_is_logged_in_whatever_order_the_log_agrees_with_itself(acts: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "v")
        vault = make_vault(path)
        waiting: list[int] = []
        for act in acts:
            if act == "intend":
                waiting.append(vault.keeper.log.intend("case-show").number)
            elif act == "answer" and waiting:
                vault.keeper.log.conclude(waiting.pop(), "done")
            elif act == "reopen":
                vault.close()
                vault = open_vault(path)
                waiting.clear()
        assert [intent.number for intent in vault.keeper.log.unanswered()] == sorted(waiting)
        assert list(log_checking.problems(vault.keeper.registry)) == []
        vault.close()


def test_the_fields_of_a_body_are_the_documented_ones() -> None:
    assert tuple(sorted(FIELDS)) == FIELDS


def test_a_case_s_log_key_hangs_on_the_case_s_key_alone(path: Path) -> None:
    """A case locked away takes its history with it."""
    index = open_registry(path)
    case = index.case("HARBOUR")
    assert index.log_key(case.case_id) == derive(case_key(index, case), labels.CASE_LOG, RecordKey)
    index.close()
