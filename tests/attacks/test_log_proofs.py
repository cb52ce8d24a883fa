"""What is done to the log by somebody who has the vault, all keys of today, and a program of their own.

Each test has a verdict: the vault notices, a partner (or whoever kept a checkpoint) notices, or nobody does. The table in
docs/threat-model.md is compared with them.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from vaults import (
    FailingLog,
    Settable,
    body_of,
    case_row,
    copied,
    digest_of_rows,
    key_file,
    make_vault,
    open_registry,
    open_vault,
    put_body,
)

from crypto.keys import StepKey
from crypto.signing import Checkpoint, sign_checkpoint, step_public_key
from crypto.tree import Frontier, leaf_hash
from vault import Vault, errors, logkey, own_heads, platform
from vault.leaves import Leaf, origin
from vault.log import Log
from vault.log_requests import LogHead
from vault.logkey import LogKey
from vault.registry import CaseRow, Registry

VAULT, PARTNER, NOBODY = "detected by the vault", "detected by a partner's receipt", "not detected"


class Attack:
    """A closed vault in hostile hands, and what others remember of it."""

    def __init__(self, path: Path, folder: Path) -> None:
        self.path, self.folder = path, folder
        self.seen: list[LogHead] = []

    # What the attacker has

    def open(self) -> Registry:
        """vault.db with today's vault key, to be written to by hand."""
        return open_registry(self.path)

    def today(self, index: Registry) -> StepKey:
        """The only step key that there is: that of the next step."""
        held = index.signing.log_key
        assert held is not None
        assert held._held is not None
        return held._held.key

    def leaves(self, index: Registry) -> list[bytes]:
        return [leaf for (leaf,) in index.store.execute("SELECT leaf FROM log_entries ORDER BY number")]

    def close(self, index: Registry) -> None:
        """Make everything agree that can be made to agree without keys: roots, the head, the digest of the index."""
        leaves, sizes = self.leaves(index), []
        for leaf in leaves:
            sizes.append(json.loads(leaf)["s"])
        steps = [step for (step,) in index.store.execute("SELECT step FROM log_steps ORDER BY step")]
        frontier, at = Frontier(), 0
        for step in steps:
            while at < len(leaves) and sizes[at] <= step:
                frontier.append(leaf_hash(leaves[at]))
                at += 1
            index.store.execute(
                "UPDATE log_steps SET size = ?, root = ? WHERE step = ?", (frontier.size, frontier.root(), step)
            )
        index.store.execute(
            "UPDATE head SET step = ?, frontier = ?, index_digest = ?",
            (steps[-1], frontier.to_bytes(), digest_of_rows(index)),
        )
        index.store.close()

    # What the others do

    def noticed_by_the_vault(self) -> bool:
        """Whether opening, ``log verify --full`` or ``check`` refuses, or shows a gap that nobody declared."""
        try:
            with open_vault(self.path) as vault:
                found = vault.verify_log(full=True)
                return len(found.generations) > 1 or vault.check().findings != ()
        except (errors.LogProofFailed, errors.Damage):
            return True

    def noticed_by_a_partner(self) -> bool:
        """Whether a receipt that names a state that a partner has seen shows another history than the log of today."""
        with open_vault(self.path) as vault:
            heads = [Checkpoint(head.origin, head.size, bytes.fromhex(head.root)) for head in self.seen]
            return any(own_heads.find(vault.keeper.registry, head) is None for head in heads)

    def verdict(self) -> str:
        if self.noticed_by_the_vault():
            return VAULT
        return PARTNER if self.noticed_by_a_partner() else NOBODY


@pytest.fixture
def attack(tmp_path: Path) -> Attack:
    path = tmp_path / "v"
    with make_vault(path) as vault:
        vault.cases.new("Harbour Street", code="HARBOUR")
        for number in range(6):
            vault.cases.get("HARBOUR").note(f"remark {number}")
    return Attack(path, tmp_path)


def witnessed(attack: Attack) -> None:
    """A partner is shown where the log stands now."""
    with open_vault(attack.path) as vault:
        attack.seen.append(vault.log_head())
        vault.cases.get("HARBOUR").note("after the partner saw it")


def leaf_at(index: Registry, number: int) -> Leaf:
    ((leaf,),) = index.store.execute("SELECT leaf FROM log_entries WHERE number = ?", (number,))
    return Leaf.from_bytes(leaf)


def put_leaf(index: Registry, number: int, leaf: Leaf) -> None:
    index.store.execute("UPDATE log_entries SET leaf = ? WHERE number = ?", (leaf.to_bytes(), number))


# What is done


def an_entry_is_edited(attack: Attack) -> None:
    index = attack.open()
    old = leaf_at(index, 9)
    put_leaf(index, 9, Leaf(bytes(32), old.number, old.step, old.next_key))
    attack.close(index)


def a_body_is_edited(attack: Attack) -> None:
    index = attack.open()
    index.store.execute(
        "UPDATE log_entries SET body = (SELECT body FROM log_entries WHERE number = 8) WHERE number = 9"
    )
    attack.close(index)


def an_entry_is_deleted(attack: Attack) -> None:
    index = attack.open()
    index.store.execute("DELETE FROM log_entries WHERE number = 9")
    for number in range(10, index.frontier.size):
        old = leaf_at(index, number)
        put_leaf(index, number, Leaf(old.commitment, number - 1, old.step, old.next_key))
        index.store.execute("UPDATE log_entries SET number = ? WHERE number = ?", (number - 1, number))
    attack.close(index)


def a_whole_step_is_deleted(attack: Attack) -> None:
    index = attack.open()
    index.store.execute("DELETE FROM log_entries WHERE number = 9")
    index.store.execute("DELETE FROM log_steps WHERE step = 10")
    for number in range(10, index.frontier.size):
        old = leaf_at(index, number)
        put_leaf(index, number, Leaf(old.commitment, number - 1, old.step - 1, old.next_key))
        index.store.execute("UPDATE log_entries SET number = ? WHERE number = ?", (number - 1, number))
    for step in range(11, index.steps + 1):
        index.store.execute("UPDATE log_steps SET step = ? WHERE step = ?", (step - 1, step))
    attack.close(index)


def two_entries_are_exchanged(attack: Attack) -> None:
    index = attack.open()
    first, second = leaf_at(index, 9), leaf_at(index, 12)
    put_leaf(index, 9, Leaf(second.commitment, 9, first.step, first.next_key))
    put_leaf(index, 12, Leaf(first.commitment, 12, second.step, second.next_key))
    attack.close(index)


def an_entry_is_inserted(attack: Attack) -> None:
    index = attack.open()
    for number in reversed(range(9, index.frontier.size)):
        old = leaf_at(index, number)
        put_leaf(index, number, Leaf(old.commitment, number + 1, old.step, old.next_key))
        index.store.execute("UPDATE log_entries SET number = ? WHERE number = ?", (number + 1, number))
    new = Leaf(bytes(32), 9, leaf_at(index, 10).step)
    index.store.execute("INSERT INTO log_entries (number, leaf, body) VALUES (9, ?, zeroblob(100))", (new.to_bytes(),))
    attack.close(index)


def rewrite(index: Registry, number: int) -> None:
    """Let an entry say something else; body and leaf agree."""
    body = body_of(index, number)
    ((case_id, epoch),) = index.store.execute("SELECT case_id, epoch FROM log_entries WHERE number = ?", (number,))
    body.fields["wall_time"] = "2020-01-01T00:00:00.000Z"
    put_body(index, number, body, case_id, epoch)
    old = leaf_at(index, number)
    put_leaf(index, number, Leaf(body.commitment, number, old.step, old.next_key))


def resign(attack: Attack, index: Registry, first: int, key: StepKey, *, generation: int = 1) -> None:
    """Sign every step from ``first`` on with keys of the attacker's own, the first of them with ``key``."""
    vault_id, frontier = index.setting("vault_id"), Frontier()
    keys = {first: key}
    for step in range(first, index.steps + 2):
        keys.setdefault(step, StepKey.random())
    for number, data in enumerate(attack.leaves(index)):
        leaf = Leaf.from_bytes(data)
        if leaf.step >= first:
            leaf = Leaf(leaf.commitment, number, leaf.step, leaf.next_key and step_public_key(keys[leaf.step + 1]))
            put_leaf(index, number, leaf)
        frontier.append(leaf_hash(leaf.to_bytes()))
        if leaf.next_key is not None and leaf.step >= first:
            checkpoint = Checkpoint(origin(vault_id, generation), frontier.size, frontier.root())
            index.store.execute(
                "UPDATE log_steps SET signature = ? WHERE step = ?",
                (sign_checkpoint(checkpoint, keys[leaf.step]), leaf.step),
            )
    held = logkey._Held(logkey.Place(vault_id, generation, index.steps + 1), keys[index.steps + 1], b"", 0)
    sealing = index.signing.log_key
    assert isinstance(sealing, LogKey)
    (attack.path / "logkey").write_bytes(sealing._sealed(held) + bytes(logkey.BLOCK_BYTES))


def the_past_is_rewritten_with_the_key_of_today(attack: Attack) -> None:
    index = attack.open()
    put_leaf(index, 9, Leaf(bytes(32), 9, leaf_at(index, 9).step, leaf_at(index, 9).next_key))
    resign(attack, index, leaf_at(index, 9).step, attack.today(index))
    attack.close(index)


def everything_is_rewritten_from_the_first_step_on(attack: Attack) -> None:
    """Identity and vault key are at hand: only who saw the log before can tell. Bodies are left as they are."""
    index, first = attack.open(), StepKey.random()
    resign(attack, index, 1, first)
    index.store.execute("UPDATE generations SET first_key = ?", (step_public_key(first),))
    index.store.execute("DELETE FROM settings WHERE name = 'log_verified'")
    attack.close(index)


def the_past_is_rewritten_as_a_new_generation(attack: Attack) -> None:
    index, first = attack.open(), StepKey.random()
    size = index.store.execute("SELECT size, root FROM log_steps WHERE step = 9")[0]
    resign(attack, index, 10, first, generation=2)
    index.store.execute(
        "INSERT INTO generations (generation, first_step, size, root, first_key) VALUES (2, 10, ?, ?, ?)",
        (*size, step_public_key(first)),
    )
    index.store.execute("UPDATE settings SET value = CAST('2' AS BLOB) WHERE name = 'generation'")
    attack.close(index)


def the_tail_is_cut_off(attack: Attack) -> None:
    index = attack.open()
    index.store.execute("DELETE FROM log_steps WHERE step > 10")
    index.store.execute("DELETE FROM log_entries WHERE number >= (SELECT max(size) FROM log_steps)")
    attack.close(index)


def the_tail_is_cut_off_and_the_log_goes_on(attack: Attack) -> None:
    index = attack.open()
    key = attack.today(index)
    index.store.execute("DELETE FROM log_steps WHERE step > 10")
    index.store.execute("DELETE FROM log_entries WHERE number >= (SELECT max(size) FROM log_steps)")
    frontier = Frontier()
    for leaf in attack.leaves(index):
        frontier.append(leaf_hash(leaf))
    leaf = Leaf(bytes(32), frontier.size, 11, step_public_key(key))
    index.store.execute(
        "INSERT INTO log_entries (number, leaf, body) VALUES (?, ?, zeroblob(100))", (frontier.size, leaf.to_bytes())
    )
    frontier.append(leaf_hash(leaf.to_bytes()))
    vault_id = index.setting("vault_id")
    checkpoint = Checkpoint(origin(vault_id, 1), frontier.size, frontier.root())
    index.store.execute(
        "INSERT INTO log_steps (step, size, root, signature) VALUES (11, ?, ?, ?)",
        (frontier.size, frontier.root(), sign_checkpoint(checkpoint, key)),
    )
    held = logkey._Held(logkey.Place(vault_id, 1, 12), key, b"", 0)
    sealing = index.signing.log_key
    assert isinstance(sealing, LogKey)
    (attack.path / "logkey").write_bytes(sealing._sealed(held) + bytes(logkey.BLOCK_BYTES))
    attack.close(index)


def the_last_entry_is_dropped(attack: Attack) -> None:
    index = attack.open()
    index.store.execute("DELETE FROM log_entries WHERE number = (SELECT max(number) FROM log_entries)")
    attack.close(index)


def an_entry_without_a_checkpoint_is_added(attack: Attack) -> None:
    index = attack.open()
    leaf = Leaf(bytes(32), index.frontier.size, index.steps)
    index.store.execute(
        "INSERT INTO log_entries (number, leaf, body) VALUES (?, ?, zeroblob(100))", (leaf.number, leaf.to_bytes())
    )
    attack.close(index)


def a_step_is_signed_by_a_later_key(attack: Attack) -> None:
    index = attack.open()
    size, top = index.store.execute("SELECT size, root FROM log_steps WHERE step = 10")[0]
    signature = sign_checkpoint(Checkpoint(origin(index.setting("vault_id"), 1), size, top), attack.today(index))
    index.store.execute("UPDATE log_steps SET signature = ? WHERE step = 10", (signature,))
    attack.close(index)


def a_step_is_skipped(attack: Attack) -> None:
    index = attack.open()
    for step in reversed(range(10, index.steps + 1)):
        index.store.execute("UPDATE log_steps SET step = ? WHERE step = ?", (step + 1, step))
    for number in range(9, index.frontier.size):
        old = leaf_at(index, number)
        put_leaf(index, number, Leaf(old.commitment, number, old.step + 1, old.next_key))
    attack.close(index)


def a_signature_is_removed(attack: Attack) -> None:
    index = attack.open()
    index.store.execute("UPDATE log_steps SET signature = NULL WHERE step = 10")
    attack.close(index)


def an_older_vault_db_is_put_back(attack: Attack) -> None:
    shutil.copy(attack.path / "vault-1.db", attack.folder / "older.db")
    with open_vault(attack.path) as vault:
        vault.cases.list()
    shutil.copy(attack.folder / "older.db", attack.path / "vault-1.db")


def a_whole_older_copy_is_put_back_and_goes_on(attack: Attack) -> None:
    older = copied(attack.path, attack.folder / "older")
    witnessed(attack)
    shutil.rmtree(attack.path)
    shutil.copytree(older, attack.path)
    with open_vault(attack.path) as vault:
        for _ in range(4):
            vault.cases.get("HARBOUR").note("what is told instead")


def a_whole_older_copy_is_put_back_that_no_partner_saw_the_end_of(attack: Attack) -> None:
    witnessed(attack)
    older = copied(attack.path, attack.folder / "older")
    with open_vault(attack.path) as vault:
        vault.cases.get("HARBOUR").note("this never happened")
    shutil.rmtree(attack.path)
    shutil.copytree(older, attack.path)


def two_partners_are_shown_two_histories(attack: Attack) -> None:
    other = copied(attack.path, attack.folder / "other")
    with open_vault(other) as vault:
        vault.cases.get("HARBOUR").note("for the other one")
        attack.seen.append(vault.log_head())
    with open_vault(attack.path) as vault:
        for _ in range(4):
            vault.cases.get("HARBOUR").note("for this one")
        attack.seen.append(vault.log_head())


def a_program_keeps_the_keys_that_it_should_erase(attack: Attack, *, witness: bool) -> None:
    """The operator's own program: nothing was erased, so the past can be signed anew from any step on."""
    kept: dict[int, StepKey] = {}
    announce = LogKey.announce

    def keep(self: LogKey, place: logkey.Place) -> bytes:
        found = announce(self, place)
        assert self._announced is not None
        kept[place.step] = self._announced.key
        return found

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(LogKey, "announce", keep)
        with open_vault(attack.path) as vault:
            for _ in range(3):
                vault.cases.get("HARBOUR").note("what really happened")
    if witness:
        witnessed(attack)
    index = attack.open()
    step = min(kept)
    ((number,),) = index.store.execute("SELECT size - 1 FROM log_steps WHERE step = ?", (step,))
    rewrite(index, number)
    resign(attack, index, step, kept[step])
    attack.close(index)


def a_kept_key_and_a_witness(attack: Attack) -> None:
    a_program_keeps_the_keys_that_it_should_erase(attack, witness=True)


def a_kept_key_and_no_witness(attack: Attack) -> None:
    a_program_keeps_the_keys_that_it_should_erase(attack, witness=False)


def everything_rewritten_and_a_witness(attack: Attack) -> None:
    witnessed(attack)
    everything_is_rewritten_from_the_first_step_on(attack)


# Entries that are kept out of the lists; what is signed stays as it was


def last_of(index: Registry, case: CaseRow) -> int:
    ((number,),) = index.store.execute("SELECT max(number) FROM log_entries WHERE case_id = ?", (case.case_id,))
    return int(number)


def an_entry_is_said_to_be_of_a_case_that_is_gone(attack: Attack) -> None:
    index = attack.open()
    index.store.execute("UPDATE log_entries SET case_id = zeroblob(16), body = zeroblob(900) WHERE number = 9")
    index.store.execute("UPDATE cases SET entries = entries - 1")
    attack.close(index)


def the_last_entry_is_said_to_be_of_a_case_that_an_earlier_version_deleted(attack: Attack) -> None:
    with pytest.MonkeyPatch.context() as earlier:
        earlier.setattr(Log, "digest_of_entries", lambda _log, _case: None)
        the_last_entry_is_said_to_be_of_a_case_that_was_deleted(attack)


def the_last_entry_is_said_to_be_of_a_case_that_was_deleted(attack: Attack) -> None:
    with open_vault(attack.path) as vault:
        vault.cases.new("Bridge", code="BRIDGE")
        vault.cases.get("BRIDGE").note("a remark")
        vault.cases.get("BRIDGE").delete(key_file())
    index = attack.open()
    ((gone, entries),) = index.store.execute("SELECT case_id, entries FROM deleted_cases")
    assert entries == 3
    index.store.execute(
        "UPDATE log_entries SET case_id = ?, body = zeroblob(900) WHERE number = ?",
        (gone, last_of(index, index.case("HARBOUR"))),
    )
    index.store.execute("UPDATE cases SET entries = entries - 1")
    index.store.execute("UPDATE deleted_cases SET entries = entries + 1")
    attack.close(index)


def the_last_entry_is_sealed_again_under_the_key_of_the_vault(attack: Attack) -> None:
    index = attack.open()
    number = last_of(index, index.case("HARBOUR"))
    put_body(index, number, body_of(index, number), None, None)
    index.store.execute("UPDATE cases SET entries = entries - 1")
    attack.close(index)


def the_last_entry_is_sealed_again_under_the_key_of_another_case(attack: Attack) -> None:
    with open_vault(attack.path) as vault:
        vault.cases.new("Bridge", code="BRIDGE")
        while case_row(vault, "BRIDGE").entries < case_row(vault, "HARBOUR").entries:
            vault.cases.get("BRIDGE").show()
        while case_row(vault, "HARBOUR").entries <= case_row(vault, "BRIDGE").entries:
            # An intent whose outcome is the vault's own, to come to an odd number.
            vault.search("remark")
    index = attack.open()
    own, other = index.case("HARBOUR"), index.case("BRIDGE")
    number = last_of(index, own)
    place = body_of(index, number).fields["entry"]
    assert place == other.entries + 1, "so that its number is the next one there"
    put_body(index, number, body_of(index, number), other.case_id, other.epoch)
    index.store.execute("UPDATE cases SET entries = entries - 1 WHERE code = 'HARBOUR'")
    index.store.execute("UPDATE cases SET entries = entries + 1 WHERE code = 'BRIDGE'")
    attack.close(index)


def a_case_is_made_a_deleted_one_by_hand(attack: Attack) -> None:
    index = attack.open()
    case = index.case("HARBOUR")
    index.store.execute("DELETE FROM cases")
    index.store.execute(
        "INSERT INTO deleted_cases (case_id, code, happened, entries) VALUES (?, 'HARBOUR', '2026-11-22T10:00:00Z', ?)",
        (case.case_id, case.entries),
    )
    attack.close(index)
    (attack.path / "cases" / case.file_name).unlink()


def an_entry_is_given_a_number_below_all_others(attack: Attack) -> None:
    index = attack.open()
    index.store.execute(
        "INSERT INTO log_entries (number, leaf, body) SELECT -1, leaf, body FROM log_entries WHERE number = 1"
    )
    rightful = attack.leaves(index)[1:]
    attack.leaves = lambda _index: rightful  # type: ignore[method-assign]  # the attacker writes the tree anew without it
    attack.close(index)


def every_signature_is_removed(attack: Attack, *, keys: bool = False) -> None:
    index = attack.open()
    rewrite(index, 9)
    for number in range(index.frontier.size) if keys else ():
        old = leaf_at(index, number)
        put_leaf(index, number, Leaf(old.commitment, number, old.step))
    index.store.execute("UPDATE log_steps SET signature = NULL")
    index.store.execute("DELETE FROM generations")
    index.store.execute("DELETE FROM settings WHERE name IN ('log_verified', 'generation')")
    attack.close(index)


def the_log_is_made_one_of_before_there_were_signatures(attack: Attack) -> None:
    every_signature_is_removed(attack, keys=True)


def no_signatures_and_a_witness(attack: Attack) -> None:
    witnessed(attack)
    the_log_is_made_one_of_before_there_were_signatures(attack)


ATTACKS: dict[str, tuple[Callable[[Attack], None], str]] = {
    "an entry edited": (an_entry_is_edited, VAULT),
    "a body edited, its leaf left as it was": (a_body_is_edited, VAULT),
    "an entry deleted": (an_entry_is_deleted, VAULT),
    "a whole step deleted": (a_whole_step_is_deleted, VAULT),
    "two entries exchanged": (two_entries_are_exchanged, VAULT),
    "an entry inserted": (an_entry_is_inserted, VAULT),
    "the past rewritten with the key of today": (the_past_is_rewritten_with_the_key_of_today, VAULT),
    "the past rewritten as a new generation": (the_past_is_rewritten_as_a_new_generation, VAULT),
    "everything rewritten from the first step on, seen by a partner before": (
        everything_rewritten_and_a_witness,
        PARTNER,
    ),
    "everything rewritten from the first step on, seen by nobody before": (
        everything_is_rewritten_from_the_first_step_on,
        NOBODY,
    ),
    "the tail cut off": (the_tail_is_cut_off, VAULT),
    "the tail cut off, and gone on from there": (the_tail_is_cut_off_and_the_log_goes_on, VAULT),
    "the last entry dropped": (the_last_entry_is_dropped, VAULT),
    "an entry added after the last checkpoint": (an_entry_without_a_checkpoint_is_added, VAULT),
    "a step signed by a later key": (a_step_is_signed_by_a_later_key, VAULT),
    "a step skipped": (a_step_is_skipped, VAULT),
    "a signature removed": (a_signature_is_removed, VAULT),
    "an older `vault.db` put back": (an_older_vault_db_is_put_back, VAULT),
    "the whole folder put back to an older copy, and gone on from there": (
        a_whole_older_copy_is_put_back_and_goes_on,
        PARTNER,
    ),
    "the whole folder put back to an older copy, whose end no partner saw": (
        a_whole_older_copy_is_put_back_that_no_partner_saw_the_end_of,
        NOBODY,
    ),
    "two histories for two partners": (two_partners_are_shown_two_histories, PARTNER),
    "an entry rewritten by a program that kept old keys, seen by a partner before": (a_kept_key_and_a_witness, PARTNER),
    "an entry rewritten by a program that kept old keys, seen by nobody before": (a_kept_key_and_no_witness, NOBODY),
    "an entry said to be of a case that is gone": (an_entry_is_said_to_be_of_a_case_that_is_gone, VAULT),
    "a case's last entry said to be of another case, one that was deleted": (
        the_last_entry_is_said_to_be_of_a_case_that_was_deleted,
        VAULT,
    ),
    "a case's last entry said to be of a case that an earlier version deleted": (
        the_last_entry_is_said_to_be_of_a_case_that_an_earlier_version_deleted,
        NOBODY,
    ),
    "a case's last entry sealed again under the vault's key": (
        the_last_entry_is_sealed_again_under_the_key_of_the_vault,
        VAULT,
    ),
    "a case's last entry sealed again under another case's key": (
        the_last_entry_is_sealed_again_under_the_key_of_another_case,
        VAULT,
    ),
    "a case made a deleted one by hand": (a_case_is_made_a_deleted_one_by_hand, VAULT),
    "an entry with a number below all others": (an_entry_is_given_a_number_below_all_others, VAULT),
    "every signature and every generation removed": (every_signature_is_removed, VAULT),
    "the log made one of before there were signatures, seen by a partner before": (
        no_signatures_and_a_witness,
        PARTNER,
    ),
    "the log made one of before there were signatures, seen by nobody before": (
        the_log_is_made_one_of_before_there_were_signatures,
        NOBODY,
    ),
}


@pytest.mark.parametrize("what", ATTACKS)
def test_the_verdict_on_what_is_done_to_the_log_is_the_documented_one(attack: Attack, what: str) -> None:
    do, expected = ATTACKS[what]
    if what == "an older `vault.db` put back" or expected == VAULT:
        assert not attack.noticed_by_the_vault(), "before, nothing is wrong"
    do(attack)
    assert attack.verdict() == expected


def test_the_table_of_the_threat_model_is_that_of_the_tests(source: Path) -> None:
    page = (source / "docs" / "threat-model.md").read_text(encoding="utf-8")
    for begins, tested in (("log attacks", ATTACKS), ("what happens to a log", HAPPENS)):
        section = page.partition(f"<!-- {begins}: compared with tests/attacks/test_log_proofs.py -->")[2]
        rows = re.findall(r"^\| (.+?) \| (detected by .+?|not detected) \|", section.partition("\n\n")[0], re.MULTILINE)
        assert dict(rows) == {what: verdict for what, (_do, verdict) in tested.items()}


# What the log says by itself


@pytest.fixture
def no_time_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is: the clock that nobody sets stands still."""
    monkeypatch.setattr(platform, "monotonic_ns_including_suspend", lambda: 3_600_000_000_000)


def a_crash_between_intent_and_outcome(attack: Attack) -> bool:
    with open_vault(attack.path) as vault:
        vault.keeper.log.intend("case-show")
        crashed = copied(attack.path, attack.folder / "crashed")
    with open_vault(crashed) as vault:
        return vault.warnings == ("recovered",) and any(entry.phase == "recovered" for entry in vault.log())


def a_full_disk(attack: Attack) -> bool:
    resource = pytest.importorskip("resource", reason="left out: limits of file sizes of POSIX")
    with open_vault(attack.path) as vault:
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
        try:
            vault.cases.get("HARBOUR").show()
        except errors.LogUnavailable:
            return True
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    return False


def told_of_the_clock(path: Path, text: str) -> bool:
    with Vault.open(path, key_file(), clock=Settable(text)) as vault:
        vault.cases.list()
        return any(entry.reason == "clock-set-back" for entry in vault.log())


def clock_of(attack: Attack) -> str:
    with open_vault(attack.path) as vault:
        return max(entry.when for entry in vault.log())


def the_clock_is_set_back(attack: Attack) -> bool:
    return told_of_the_clock(attack.path, clock_of(attack).replace("2026", "2025"))


def the_clock_is_set_back_by_half_a_minute(attack: Attack) -> bool:
    path, clock = attack.folder / "own", Settable("2026-11-22T10:00:59.000Z")
    Vault.create(path, key_file(), clock=clock).close()
    return told_of_the_clock(path, "2026-11-22T10:00:29.000Z")


def the_machine_is_restarted_with_a_clock_before_an_entry_of_a_case(attack: Attack) -> bool:
    path, clock = attack.folder / "own", Settable("2026-11-22T08:00:00.000Z")
    with Vault.create(path, key_file(), clock=clock) as vault:
        vault.cases.new("Harbour", code="HARBOUR")
        clock.text = "2026-11-22T12:00:00.000Z"
        vault.cases.get("HARBOUR").show()
    with pytest.MonkeyPatch.context() as restarted:
        restarted.setattr("vault.platform.boot_id", lambda: "another start")
        return told_of_the_clock(path, "2026-11-22T09:00:00.000Z")


def attempts_to_unlock_fail(attack: Attack, *, hidden: bool = False) -> bool:
    state = attack.folder / "state"
    with pytest.raises(errors.WrongPassphrase):
        open_vault(attack.path, key_file(7), state_dir=state)
    for path in state.iterdir() if hidden else ():
        path.unlink()
    with open_vault(attack.path, state_dir=state) as vault:
        return any(entry.act == "failed-unlocks" for entry in vault.log())


def attempts_to_unlock_fail_and_their_count_is_removed(attack: Attack) -> bool:
    return attempts_to_unlock_fail(attack, hidden=True)


HAPPENS: dict[str, tuple[Callable[[Attack], bool], str]] = {
    "a crash between intent and outcome": (a_crash_between_intent_and_outcome, VAULT),
    "a full disk": (a_full_disk, VAULT),
    "the clock set back by more than a minute": (the_clock_is_set_back, VAULT),
    "the clock set back by less than a minute, once": (the_clock_is_set_back_by_half_a_minute, NOBODY),
    "the machine restarted with a clock set back to before an entry of a case": (
        the_machine_is_restarted_with_a_clock_before_an_entry_of_a_case,
        VAULT,
    ),
    "attempts to unlock that failed": (attempts_to_unlock_fail, VAULT),
    "attempts to unlock that failed, and their count removed": (
        attempts_to_unlock_fail_and_their_count_is_removed,
        NOBODY,
    ),
}


@pytest.mark.usefixtures("no_time_passes")
@pytest.mark.parametrize("what", HAPPENS)
def test_the_verdict_on_what_happens_to_a_log_is_the_documented_one(attack: Attack, what: str) -> None:
    happen, expected = HAPPENS[what]
    assert (VAULT if happen(attack) else NOBODY) == expected


@pytest.mark.usefixtures("no_time_passes")
def test_a_clock_that_is_set_back_is_told_by_the_log_within_a_session_and_between_two(tmp_path: Path) -> None:
    clock = Settable("2026-11-22T10:00:00.000Z")
    with Vault.create(tmp_path / "v", key_file(), clock=clock) as vault:
        vault.cases.new("Harbour", code="HARBOUR")
        clock.text = "2026-11-22T10:00:30.000Z"
        vault.cases.list()
        clock.text = "2026-11-22T08:00:00.000Z"
        vault.cases.list()
        vault.cases.list()
    later = Settable("2026-11-21T23:59:59.000Z")
    with Vault.open(tmp_path / "v", key_file(), clock=later) as vault:
        vault.cases.list()
        told = [(entry.act, entry.when[:16]) for entry in vault.log() if entry.reason == "clock-set-back"]
    assert told == [("case-list", "2026-11-22T08:00"), ("case-list", "2026-11-21T23:59")]


@pytest.mark.usefixtures("no_time_passes")
def test_a_clock_that_is_corrected_by_a_little_is_no_accusation_and_many_small_steps_are(tmp_path: Path) -> None:
    clock = Settable("2026-11-22T10:00:00.100Z")
    with Vault.create(tmp_path / "v", key_file(), clock=clock) as vault:
        for text in ("10:00:00.099", "10:00:00.100", "09:59:10.000", "10:00:01.000"):
            clock.text = f"2026-11-22T{text}Z"
            vault.cases.list()
        assert not [entry for entry in vault.log() if entry.reason == "clock-set-back"]
        for text in ("09:59:31.000", "09:59:02.000", "09:58:33.000", "09:58:04.000"):
            clock.text = f"2026-11-22T{text}Z"
            vault.cases.list()
        told = [entry.when[11:19] for entry in vault.log() if entry.reason == "clock-set-back"]
    assert told == ["09:58:33"]
    with Vault.open(tmp_path / "v", key_file(), clock=Settable("2026-11-22T09:57:30.000Z")) as vault:
        vault.cases.list()
        told.append("09:57:30")
        assert [entry.when[11:19] for entry in vault.log() if entry.reason == "clock-set-back"] == told


@pytest.mark.usefixtures("no_time_passes")
def test_small_steps_back_between_openings_are_told_when_they_make_a_large_one(tmp_path: Path) -> None:
    Vault.create(tmp_path / "v", key_file(), clock=Settable("2026-11-22T10:00:00.000Z")).close()
    for text in ("09:59:30", "09:59:01", "09:58:32"):
        with Vault.open(tmp_path / "v", key_file(), clock=Settable(f"2026-11-22T{text}.000Z")) as vault:
            vault.cases.list()
    with Vault.open(tmp_path / "v", key_file(), clock=Settable("2026-11-22T10:00:00.000Z")) as vault:
        assert [entry.when[11:19] for entry in vault.log() if entry.reason == "clock-set-back"] == ["09:58:32"]


@pytest.mark.usefixtures("no_time_passes")
def test_a_clock_set_back_while_the_machine_was_off_is_told_of_an_entry_of_a_case_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last entry is a case's own, and can't be read while the case is shut."""
    clock = Settable("2026-11-20T10:00:00.000Z")
    with Vault.create(tmp_path / "v", key_file(), clock=clock) as vault:
        vault.cases.new("Harbour", code="HARBOUR")
        clock.text = "2026-11-22T10:00:00.000Z"
        vault.cases.get("HARBOUR").note("what came today")
    monkeypatch.setattr(platform, "boot_id", lambda: "another start of the machine")
    clock = Settable("2026-11-21T10:00:00.000Z")
    with Vault.open(tmp_path / "v", key_file(), clock=clock) as vault:
        vault.cases.get("HARBOUR").note("said to be of yesterday")
        told = [(entry.act, entry.when[:10]) for entry in vault.log() if entry.reason == "clock-set-back"]
    assert told == [("case-note", "2026-11-21")]


def test_a_clock_that_goes_slower_than_time_is_told_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, hours = Settable("2026-11-22T10:00:00.000Z"), 0
    monkeypatch.setattr(platform, "monotonic_ns_including_suspend", lambda: hours * 3_600_000_000_000)
    with Vault.create(tmp_path / "v", key_file(), clock=clock) as vault:
        hours, clock.text = 3, "2026-11-22T11:00:00.000Z"
        vault.cases.list()
        hours, clock.text = 4, "2026-11-22T12:00:30.000Z"
        vault.cases.list()
        told = [entry.when[:16] for entry in vault.log() if entry.reason == "clock-set-back"]
    assert told == ["2026-11-22T11:00"]


def test_whatever_entry_comes_first_after_the_clock_was_set_back_tells_of_it(tmp_path: Path) -> None:
    """Also the outcome of what was begun before, what a crash left, and attempts to unlock, which have a reason of their own."""
    path, state, clock = tmp_path / "v", tmp_path / "state", Settable("2026-11-22T10:00:00.000Z")

    def told(vault: Vault) -> list[tuple[str, str, str]]:
        return [(each.act, each.phase, each.when[:13]) for each in vault.log() if each.reason == "clock-set-back"]

    with Vault.create(path, key_file(), clock=clock, state_dir=state) as vault:
        vault.cases.new("Harbour", code="HARBOUR")
        vault.cases.get("HARBOUR").items.add_text("some text")
        with vault.cases.get("HARBOUR").items.get(1).open(act="view") as reading:
            clock.text = "2026-11-22T08:00:00.000Z"
            assert b"".join(map(bytes, reading)) == b"some text"
        vault.cases.list()
        expected = [("item-view", "done", "2026-11-22T08")]
        assert told(vault) == expected
    clock.text = "2026-11-22T06:00:00.000Z"
    with pytest.raises(errors.WrongPassphrase):
        open_vault(path, key_file(7), state_dir=state)
    with Vault.open(path, key_file(), clock=clock, state_dir=state) as vault:
        expected.append(("failed-unlocks", "done", "2026-11-22T06"))
        assert told(vault) == expected
        vault.keeper.log.intend("case-show")
        crashed = copied(path, tmp_path / "crashed")
    clock.text = "2026-11-22T04:00:00.000Z"
    with Vault.open(crashed, key_file(), clock=clock) as vault:
        assert told(vault) == [*expected, ("case-show", "recovered", "2026-11-22T04")]


def test_a_step_that_did_not_become_durable_has_told_nobody_of_the_clock(tmp_path: Path) -> None:
    clock = Settable("2026-11-22T10:00:00.000Z")
    with Vault.create(tmp_path / "v", key_file(), clock=clock) as vault:
        clock.text = "2026-11-22T08:00:00.000Z"
        with FailingLog(vault), pytest.raises(errors.LogUnavailable):
            vault.cases.list()
        vault.cases.list()
        assert [each.act for each in vault.log() if each.reason == "clock-set-back"] == ["case-list"]


def test_attempts_to_unlock_that_failed_are_taken_into_the_log_at_the_next_unlock(tmp_path: Path) -> None:
    path, state = tmp_path / "v", tmp_path / "state"
    make_vault(path, state_dir=state).close()
    for _ in range(3):
        with pytest.raises(errors.WrongPassphrase):
            open_vault(path, key_file(7), state_dir=state)
    with open_vault(path, state_dir=state) as vault:
        assert vault.info().failed_unlocks == 3
        assert next((each.act, each.reason) for each in vault.log() if each.act == "failed-unlocks") == (
            "failed-unlocks",
            "3",
        )
    with open_vault(path, state_dir=state) as vault:
        assert vault.info().failed_unlocks == 0
        assert len([each for each in vault.log() if each.act == "failed-unlocks"]) == 2


def test_a_crash_between_intent_and_outcome_is_told_and_the_log_still_proves_itself(tmp_path: Path) -> None:
    with make_vault(tmp_path / "v") as vault:
        vault.cases.new("Harbour", code="HARBOUR")
        vault.keeper.log.intend("case-show")
        crashed = copied(tmp_path / "v", tmp_path / "crashed")
    with open_vault(crashed) as vault:
        assert vault.warnings == ("recovered",)
        assert [entry.phase for entry in vault.log() if entry.act == "case-show"] == ["intent", "recovered"]
        vault.verify_log(full=True)
