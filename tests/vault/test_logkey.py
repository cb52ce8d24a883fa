"""The key of the log: one key a step, never in a database, never twice, and no crash loses the one that is needed."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from faults import Failure, FaultyDisk, bury, every_failure, replaced
from loading import golden_maker
from vaults import (
    Clock,
    all_files,
    body_of,
    clear_content,
    copied,
    drawn_seeds,
    key_file,
    make_vault,
    open_registry,
    open_vault,
    vault_key,
)

from crypto.keys import StepKey
from crypto.signing import step_public_key
from vault import KeyFileUnlocker, Vault, errors, schema
from vault.folder import Folder
from vault.logkey import BLOCK_BYTES, SIZE_BYTES, LogKey, Place
from vault.opening import open_locked
from vault.registry import Registry


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with make_vault(tmp_path / "v") as vault:
        vault.cases.new("Harbour Street", code="HARBOUR")
    return tmp_path / "v"


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    return drawn_seeds(monkeypatch)


def opened_blocks(path: Path) -> list[tuple[int, bytes]]:
    """Which blocks open at which steps under the current vault key, tried for every step near the end."""
    index = open_registry(path)
    try:
        sealing, steps, vault_id = LogKey(path / "logkey", vault_key(path)), index.steps, index.setting("vault_id")
        generation = index.signing.generation
    finally:
        index.close()
    found = []
    for step in range(max(0, steps - 3), steps + 4):
        found += [(step - steps, held.key.raw) for held in sealing._read(Place(vault_id, generation, step))]
    return found


# The file


def test_the_file_has_two_blocks_and_one_of_them_holds_the_key_of_the_next_step(path: Path) -> None:
    assert (path / "logkey").stat().st_size == SIZE_BYTES == 2 * BLOCK_BYTES
    ((distance, _key),) = opened_blocks(path)
    assert distance == 1


def test_no_byte_of_the_file_stays_the_same_for_ever_and_nothing_shows_which_block_is_the_one(path: Path) -> None:
    seen = []
    for _ in range(12):
        with open_vault(path) as vault:
            vault.cases.list()
        seen.append((path / "logkey").read_bytes())
    constant = [place for place in range(SIZE_BYTES) if len({content[place] for content in seen}) == 1]
    assert constant == []


def test_each_step_has_a_key_of_its_own(path: Path, drawn: list[bytes]) -> None:
    with open_vault(path) as vault:
        before = vault.keeper.registry.steps
        for _ in range(5):
            vault.cases.list()
        taken = vault.keeper.registry.steps - before
    assert taken == 10
    assert len(set(drawn)) == len(drawn) == taken


def test_used_keys_are_in_no_file_of_the_vault_not_even_in_the_write_ahead_log(
    path: Path, drawn: list[bytes], tmp_path: Path
) -> None:
    with open_vault(path) as vault:
        for number in range(60):
            vault.cases.get("HARBOUR").note(f"remark {number}")
        vault.change_passphrase(key_file(), key_file(1))
        for number in range(20):
            vault.cases.get("HARBOUR").note(f"remark after the change {number}")
        while_open = copied(path, tmp_path / "open")
    assert len(drawn) > 240
    # As the bytes lie on the disk, and then every page of every database and its write-ahead log decrypted.
    raw = b"".join([*all_files(path).values(), *all_files(while_open).values()])
    with open_vault(while_open, key_file(1)):
        pass  # what the write-ahead log held stands in the database now
    clear = clear_content(while_open, key_file(1)) + clear_content(path, key_file(1))
    assert not [seed for seed in drawn if seed in raw or seed in clear or seed.hex().encode() in clear]
    public = [step_public_key(StepKey(seed)).hex().encode() for seed in drawn]
    assert sum(each in clear for each in public) == len(public), "the search finds what is there"
    current = {key for _, key in _blocks_under(path, key_file(1))}
    assert current == {drawn[-1]}


def _blocks_under(path: Path, unlocker: Any) -> list[tuple[int, bytes]]:
    index = open_registry(path, unlocker)
    try:
        held = index.signing.log_key
        assert held is not None
        return [(0, each.key.raw) for each in held._read(Place(index.setting("vault_id"), 1, index.steps + 1))]
    finally:
        index.close()


def test_after_each_step_the_key_that_signed_it_is_overwritten_in_place(path: Path) -> None:
    inode = (path / "logkey").stat().st_ino
    with open_vault(path) as vault:
        vault.cases.list()
        ((distance, _),) = opened_blocks_while_open(vault)
        assert distance == 1
        vault.cases.list()
    assert (path / "logkey").stat().st_ino == inode


def opened_blocks_while_open(vault: Vault) -> list[tuple[int, bytes]]:
    registry, found = vault.keeper.registry, []
    sealing = LogKey(vault.path / "logkey", vault_key(vault.path))
    for step in range(registry.steps - 2, registry.steps + 3):
        place = Place(registry.setting("vault_id"), registry.signing.generation, step)
        found += [(step - registry.steps, held.key.raw) for held in sealing._read(place)]
    return found


def test_a_block_is_good_for_its_vault_generation_and_step_alone(path: Path) -> None:
    index = open_registry(path)
    vault_id, steps = index.setting("vault_id"), index.steps
    index.close()
    sealing = LogKey(path / "logkey", vault_key(path))
    assert sealing._read(Place(vault_id, 1, steps + 1))
    for other in (Place(vault_id, 2, steps + 1), Place(vault_id, 1, steps + 2), Place(bytes(32), 1, steps + 1)):
        assert not sealing._read(other)
    for place in range(0, SIZE_BYTES, 500):
        data = bytearray((path / "logkey").read_bytes())
        for at in (place, (place + BLOCK_BYTES) % SIZE_BYTES):
            data[at] ^= 1
        (path.parent / "flipped").write_bytes(data)
        assert not LogKey(path.parent / "flipped", vault_key(path))._read(Place(vault_id, 1, steps + 1))


# A key that does not fit


@pytest.mark.parametrize("how", ["missing", "random", "cut", "longer", "folder", "of another time"])
def test_without_its_key_the_vault_is_refused_and_nothing_is_written(path: Path, how: str) -> None:
    key = path / "logkey"
    content = key.read_bytes()
    if how == "of another time":
        with open_vault(path) as vault:
            vault.cases.list()
        key.write_bytes(content)
    elif how == "random":
        key.write_bytes(os.urandom(SIZE_BYTES))
    elif how == "cut":
        key.write_bytes(content[:-1])
    elif how == "longer":
        key.write_bytes(content + b"\0")
    else:
        key.unlink()
        if how == "folder":
            key.mkdir()
    before = all_files(path)
    with pytest.raises(errors.LogKeyLost):
        open_vault(path)
    assert all_files(path) == before


def test_a_lost_key_is_declared_on_purpose_and_the_log_goes_on_as_a_new_generation(path: Path) -> None:
    (path / "logkey").unlink()
    with Vault.open(path, key_file(), accept_older=True) as vault:
        assert vault.warnings == ("log-key-lost",)
        assert "older-copy-accepted" in {entry.act for entry in vault.log()}
        found = vault.keeper.log_verify(full=True)
        assert [(each.number, each.first_step > 1) for each in found.generations] == [(1, False), (2, True)]
    with open_vault(path) as vault:
        assert vault.warnings == ()
        assert vault.check(read_data=True).findings == ()
        assert vault.keeper.registry.signing.generation == 2


def test_an_older_copy_that_is_accepted_does_not_go_on_under_the_same_name(path: Path, tmp_path: Path) -> None:
    """Two histories with one origin would be a fork; the second is a generation of its own, and names both heads."""
    older, state = copied(path, tmp_path / "older"), tmp_path / "state"
    with open_vault(path, state_dir=state) as vault:
        vault.cases.get("HARBOUR").note("later")
        head = vault.keeper.registry.frontier.root()
    with Vault.open(older, key_file(), state_dir=state, accept_older=True) as vault:
        assert vault.keeper.registry.signing.generation == 2
        (number,) = [entry.number for entry in vault.log() if entry.act == "older-copy-accepted" and not entry.answers]
        heads = body_of(vault.keeper.registry, number).fields["heads"]
        assert isinstance(heads, list)
        assert [each["generation"] for each in heads] == [1, 1]
        assert vault.keeper.log_verify(full=True).generations[1].first_step == heads[0]["step"] + 1
        assert heads[1]["step"] > heads[0]["step"]
        assert bytes.fromhex(heads[1]["root"]) == head or heads[1]["root"]


def test_a_key_that_vanishes_while_the_vault_is_open_is_written_anew(path: Path) -> None:
    with open_vault(path) as vault:
        (path / "logkey").unlink()
        vault.cases.list()
        (path / "logkey").write_bytes(b"short")
        vault.cases.list()
        (path / "elsewhere").write_bytes(bytes(SIZE_BYTES))
        (path / "logkey").unlink()
        (path / "logkey").symlink_to(path / "elsewhere")
        vault.cases.list()
    assert (path / "elsewhere").read_bytes() == bytes(SIZE_BYTES), "a link is replaced, not followed"
    with open_vault(path) as vault:
        assert vault.check().findings == ()
        vault.keeper.log_verify(full=True)


def test_a_step_without_an_entry_is_refused_because_nothing_would_carry_the_next_key(path: Path) -> None:
    with open_vault(path) as vault:
        registry = vault.keeper.registry
        steps = registry.steps
        with pytest.raises(errors.LogUnavailable), registry.step():
            registry.set("created", b"never")
        assert (registry.steps, registry.setting("created")) != (steps + 1, b"never")
        vault.cases.list()
        vault.keeper.log_verify(full=True)


# Failures at every write


def state_of(path: Path, secret: Any = None) -> tuple[int, bool]:
    """Opens, is clean, proves itself, goes on; the number of notes and whether something was recovered."""
    with open_vault(path, secret) as vault:
        recovered = "recovered" in vault.warnings
        vault.keeper.log_verify(full=True)
        assert vault.check().findings == ()
        notes = len(vault.cases.get("HARBOUR").show().notes)
        vault.cases.get("HARBOUR").note("goes on")
        assert vault.keeper.log_verify().since > 0
    return notes, recovered


def test_whatever_write_of_a_step_fails_the_old_key_fits_or_the_new(path: Path, tmp_path: Path) -> None:
    template, place = copied(path, tmp_path / "template"), tmp_path / "work"
    vaults: list[Vault] = []
    seen: list[tuple[int, bool]] = []

    def prepare() -> None:
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(template, place)
        vaults.append(open_vault(place))

    def check(failure: Failure) -> None:
        vault = vaults.pop()
        died = failure.kind in ("crash", "torn crash", "power cut")
        if not died:
            vault.cases.get("HARBOUR").items.list()  # the same process goes on
            vault.keeper.log_verify(full=True)
            vault.close()
        left = copied(place, tmp_path / "left")
        bury()
        vault.close()
        seen.append(state_of(left))
        shutil.rmtree(left)

    failures = every_failure(lambda: vaults[-1].cases.get("HARBOUR").note("remark"), check, prepare=prepare)
    assert failures > 30
    assert {notes for notes, _ in seen} == {0, 1}
    assert {recovered for _, recovered in seen} == {False, True}
    for vault in vaults:
        vault.close()


def test_a_block_that_could_not_be_erased_is_overwritten_by_the_next_step_and_by_the_next_open(path: Path) -> None:
    for later in ("step", "open"):
        with open_vault(path) as vault:
            disk = FaultyDisk().fail_nth(2, OSError(errno.EIO, "gone"))
            with replaced(disk):
                vault.keeper.log.intend("case-list")
            assert disk.fired
            assert [name for name, _ in disk.operations] == ["overwrite", "overwrite"]
            assert {distance for distance, _ in opened_blocks_while_open(vault)} == {0, 1}
            if later == "step":
                vault.cases.list()
                assert {distance for distance, _ in opened_blocks_while_open(vault)} == {1}
            vault.keeper.registry.close()
        open_locked(Folder(path), key_file(), clock=Clock(), state_dir=None).close()
        assert {distance for distance, _ in opened_blocks(path)} == {1}


# Epochs, backups, restored and older vaults


def test_a_key_handed_to_the_next_epoch_signs_one_step_and_leaves_the_old_block_alone(path: Path) -> None:
    with open_vault(path) as vault:
        held = vault.keeper.registry.signing.log_key
        assert held is not None
        heir = held.inherited(vault_key(path))
        registry = vault.keeper.registry
        place = Place(registry.setting("vault_id"), 1, registry.steps + 2)
        old = opened_blocks_while_open(vault)
        heir.announce(place)
        heir.advance()
        heir.erase_others()
        assert [each for each in opened_blocks_while_open(vault) if each in old] == old
        with pytest.raises(errors.LogUnavailable):
            heir.announce(place)


def test_a_backup_holds_no_key_of_the_log_and_a_restored_vault_begins_a_generation(
    path: Path, tmp_path: Path, drawn: list[bytes]
) -> None:
    with open_vault(path) as vault:
        vault.backup(tmp_path / "b")
    content = all_files(tmp_path / "b")
    assert not [name for name in content if "logkey" in name]
    assert not [seed for seed in drawn if any(seed in data for data in content.values())]
    Vault.restore(tmp_path / "b", tmp_path / "new", key_file())
    with open_vault(tmp_path / "new") as vault:
        found = vault.keeper.log_verify(full=True)
        assert [each.number for each in found.generations] == [1, 2]
        assert found.generations[1].origin.endswith("/g2")
        assert vault.keeper.registry.signing.generation == 2
    with open_vault(path) as vault:
        assert vault.keeper.registry.signing.generation == 1


def test_a_vault_from_before_keys_of_the_log_signs_from_its_next_step_on(
    path: Path, source: Path, tmp_path: Path
) -> None:
    shutil.copytree(source / "tests" / "vaults" / "v1" / "vault", tmp_path / "old")
    with _golden(tmp_path / "old", source) as vault:
        entries = vault.info().log_entries
        assert not (tmp_path / "old" / "logkey").exists()
        vault.cases.list()
        found = vault.keeper.log_verify()
        assert found.unsigned == entries
        (generation,) = found.generations
        assert (generation.number, generation.first_entry) == (1, entries)
    assert (tmp_path / "old" / "logkey").stat().st_size == SIZE_BYTES
    with _golden(tmp_path / "old", source) as vault:
        assert vault.warnings == ()
        vault.keeper.log_verify(full=True)
    (tmp_path / "old" / "logkey").unlink()
    with pytest.raises(errors.LogKeyLost):
        _golden(tmp_path / "old", source)


def _golden(path: Path, source: Path) -> Vault:
    return Vault.open(path, KeyFileUnlocker(golden_maker(source).KEY))


def test_the_generation_stands_in_the_index_and_cannot_be_put_there_by_hand(path: Path) -> None:
    index = open_registry(path)
    (row,) = index.rows(schema.GENERATIONS)
    assert (row["generation"], row["first_step"], row["size"]) == (1, 1, 0)
    index.store.execute("UPDATE generations SET first_step = 2")
    index.close()
    with pytest.raises(errors.OlderCopy):
        open_vault(path)


# Interrupts


class Interrupt:
    """Ctrl-C before one of the instructions with which a step of the log becomes durable and its key is exchanged."""

    NAMES = ("step", "advance", "erase_others")
    FILES = ("registry.py", "steps.py", "logkey.py")

    def __init__(self, at: int | None = None) -> None:
        self.at, self.seen = at, 0

    def __enter__(self) -> Interrupt:
        # Python 3.12 looks once, when tracing begins, whether anybody wants opcodes.
        sys._getframe().f_trace_opcodes = True
        sys.settrace(self._called)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def _called(self, frame: Any, _event: str, _given: object) -> Any:
        code = frame.f_code
        if code.co_name not in self.NAMES or Path(code.co_filename).name not in self.FILES:
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return self._stepped

    def _stepped(self, _frame: Any, event: str, _given: object) -> Any:
        if event == "opcode":
            self.seen += 1
            if self.seen == self.at:
                raise KeyboardInterrupt
        return self._stepped


@pytest.mark.skipif(sys.gettrace() is not None, reason="left out: something else traces this process")
def test_an_interrupt_at_any_instruction_of_a_step_leaves_a_log_that_proves_itself(path: Path) -> None:
    with open_vault(path) as vault:
        with Interrupt() as counted:
            vault.keeper.log.intend("item-show")
        interrupted = 0
        for at in range(1, counted.seen + 1):
            with pytest.raises(KeyboardInterrupt), Interrupt(at):
                vault.keeper.log.intend("item-show")
            interrupted += 1
            vault.keeper.log.intend("item-show")
        vault.verify_log(full=True)
        assert interrupted == counted.seen > 50
    with open_vault(path) as again:
        again.verify_log(full=True)
        assert len(again.log_status().generations) == 1


def test_an_interrupt_after_a_new_generation_was_declared_declares_no_second_one(path: Path) -> None:
    (path / "logkey").unlink()
    with pytest.raises(KeyboardInterrupt), _interrupted_once():
        accepted(path)
    with accepted(path) as vault:
        vault.verify_log(full=True)
        assert [each.number for each in vault.log_status().generations] == [1, 2]


def test_no_generation_begins_without_the_entry_that_declares_it(path: Path, tmp_path: Path) -> None:
    with open_vault(path) as vault:
        vault.keeper.log.intend("item-show")  # nobody ends it: the next open does
    (path / "logkey").unlink()
    declared = 0
    for steps in range(1, 6):
        copy = copied(path, tmp_path / str(steps))
        with contextlib.suppress(KeyboardInterrupt), _interrupted_after(steps):
            accepted(copy).close()
        index = open_registry(copy)
        began = [row["size"] for row in index.rows(schema.GENERATIONS)][1:]
        index.close()
        with accepted(copy) as vault:
            first = {each.number: each.act for each in vault.log()}
        assert [first[size] for size in began] == ["older-copy-accepted"] * len(began)
        declared += len(began)
    assert declared == 5


@contextlib.contextmanager
def _interrupted_after(steps: int) -> Iterator[None]:
    """Dead, once so many steps have become durable."""
    step, done = Registry.step, []

    @contextlib.contextmanager
    def dying(self: Registry) -> Iterator[int]:
        with step(self) as number:
            yield number
        done.append(number)
        if len(done) == steps:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Registry, "step", dying)
        yield


def test_another_key_than_that_of_the_step_signs_nothing(path: Path) -> None:
    with open_vault(path) as vault:
        signing = vault.keeper.registry.signing
        assert signing.log_key is not None
        held = signing.log_key._held
        assert held is not None
        signing.log_key._held = replace(held, place=replace(held.place, step=held.place.step + 1))
        before = vault.keeper.registry.steps
        with pytest.raises(errors.LogUnavailable):
            vault.keeper.log.intend("item-show")
        assert vault.keeper.registry.steps == before
        vault.keeper.log.intend("item-show")
        vault.verify_log(full=True)


def accepted(path: Path) -> Vault:
    return Vault.open(path, key_file(), accept_older=True, clock=Clock())


@contextlib.contextmanager
def _interrupted_once() -> Iterator[None]:
    """Ctrl-C where the first step was just committed and its key is to be exchanged."""
    advance, done = LogKey.advance, []

    def interrupted(self: LogKey) -> None:
        if not done:
            done.append(True)
            raise KeyboardInterrupt
        advance(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LogKey, "advance", interrupted)
        yield
