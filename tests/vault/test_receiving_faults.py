"""What is told and kept of a file that others sealed, when something fails while it is opened."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import bags
import pytest
from faults import FaultyDisk, replaced
from pairs import Pair
from sealing import CONTENTS, Sender, To, sealed
from their_logs import TheirLog
from vaults import FailingLog, make_vault, object_files, open_vault

from vault import Vault, dropping, errors, intake, schema
from vault.arrivals import PLAIN, Arrival, Arrived, Claim
from vault.folder import Staging
from vault.objects import write_object
from vault.sealed import SealedPerson
from vault.tables import Row, blob
from vault.unsealing import Found

ANNA = Sender(0, "Anna")


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    with make_vault(tmp_path / "vault") as found:
        found.partners.add("Anna", card=ANNA.card_bytes)
        found.partners.get("Anna").verify(ANNA.reads_out(), in_person=True)
        found.cases.new("Harbour Street", code="HARBOUR")
        yield found


class NoRoomForObjects(FaultyDisk):
    """A disk that takes everything but an object in its place."""

    def rename(self, source: Path, target: Path) -> None:
        if target.parent.parent.name == "objects":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().rename(source, target)


def opened(vault: Vault, data: bytes, **named: str) -> tuple[Found, Arrived]:
    path = vault.path.with_name("file.age")
    path.write_bytes(data)
    return vault.open_file(path, **named)


def received(vault: Vault) -> list[Row]:
    return vault.keeper.registry.rows(schema.RECEIVED)


# A log that cannot be written


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_of_a_new_case_that_could_not_be_recorded_nobody_is_told_that_it_is_there(vault: Vault, nth: int) -> None:
    file = ANNA.seal(To(vault))
    with FailingLog(vault, nth) as log, pytest.raises(errors.LogUnavailable):
        opened(vault, file, code="QUAY")
    assert log.fired
    vault.close()
    with open_vault(vault.path) as again:
        assert [case.code for case in again.cases.list()] == ["HARBOUR"]
        assert again.check(read_data=True).findings == ()
        assert (object_files(again.path), received(again)) == ([], [])
        assert len(opened(again, file, code="QUAY")[1].items) == len(CONTENTS) + 1


@pytest.mark.parametrize("goes_on", [False, True])
def test_what_came_into_a_case_that_was_there_stays_and_is_told_to_be_done(vault: Vault, goes_on: bool) -> None:
    file = ANNA.seal(To(vault))
    with FailingLog(vault, 3) as log, pytest.raises(errors.OutcomeUnrecorded):
        opened(vault, file, into="HARBOUR")
    assert log.fired
    if not goes_on:
        vault.close()
    with contextlib.nullcontext(vault) if goes_on else open_vault(vault.path) as again:
        found, arrived = opened(again, file)
        assert (arrived.known, found.verdict.again) == (True, tuple(f"HARBOUR/{number}" for number in range(1, 5)))
        assert again.check(read_data=True).findings == ()


def test_what_a_log_has_shown_is_remembered_although_the_outcome_was_not_recorded(vault: Vault) -> None:
    file = ANNA.seal(To(vault))
    with FailingLog(vault, 3), pytest.raises(errors.OutcomeUnrecorded):
        opened(vault, file, into="HARBOUR")
    vault.close()
    with open_vault(vault.path) as again:
        rival = ANNA.share(To(again).fingerprint, share_id="6b" * 16)
        log = TheirLog(ANNA, history="another").share(rival.to_bytes(), rival.to)
        file = sealed(bags.packed(ANNA.members(rival, replaced=log)), To(again).hybrid)
        with pytest.raises(errors.SealedFileRefused, match="two histories"):
            opened(again, file)
        assert again.warnings == ("partner-log-forked",)


# A file that is opened for the second time


def test_a_second_opening_that_fails_takes_nothing_from_what_is_known_of_the_first(vault: Vault) -> None:
    file = ANNA.seal(To(vault))
    arrived = opened(vault, file, code="QUAY")[1]
    before = {name: value for name, value in received(vault)[0].items() if name != "intent"}
    for each in arrived.items:
        vault.cases.get("QUAY").items.get(int(each.reference.partition("/")[2])).delete()
    with replaced(NoRoomForObjects()), pytest.raises(errors.NoSpace):
        opened(vault, file, into="HARBOUR")
    (row,) = received(vault)
    assert {name: row[name] for name in before} == before
    digest = blob(row, "digest").hex()
    for share_id, values in (
        ("6b", {"sequence": 2, "previous": digest}),
        ("7c", {"sequence": 1, "previous": None}),
    ):
        found, _ = opened(vault, ANNA.seal(To(vault), share_id=share_id * 16, **values), into="HARBOUR")
        assert (found.verdict.gap, found.verdict.rival) == (False, share_id == "7c")


def test_a_second_opening_whose_outcome_is_not_recorded_is_known_by_where_it_went(vault: Vault) -> None:
    file = ANNA.seal(To(vault))
    opened(vault, file, code="QUAY")
    vault.cases.get("QUAY").items.get(1).delete()
    with FailingLog(vault, 3), pytest.raises(errors.OutcomeUnrecorded):
        opened(vault, file, into="HARBOUR")
    vault.close()
    with open_vault(vault.path) as again:
        _, arrived = opened(again, file)
        assert (arrived.known, arrived.code) == (True, "HARBOUR")
        assert again.check(read_data=True).findings == ()


def test_where_the_sender_never_finished_a_file_before_none_is_missing(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    pair.case.items.add_text("her account")

    def interrupt(_further: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), pair.case.seal(to="Bear", items="all") as sealing:
        sealing.write(pair.folder, progress=interrupt)
    verdict = pair.open(pair.seal().path).verdict
    assert (verdict.gap, verdict.last_sequence) == (False, None)
    lost = pair.seal().path
    assert pair.open(pair.seal().path).verdict.gap
    assert not pair.open(lost).verdict.gap
    pair.close()


# Files of a size or a content that no vault takes


def dropped(vault: Vault, folder: Path, contents: list[bytes]) -> Path:
    paths = [folder / f"{number:03}.txt" for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
        os.utime(path, (1e9, 1e9))
    return dropping.drop(paths, vault.identity.card(), folder / "dropped.age", clock=vault.keeper.clock).path


def test_that_a_byte_takes_64_kib_in_a_vault_is_seen_before_work(
    vault: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = dropped(vault, tmp_path, [f"{number}".encode() for number in range(50)])
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=40 << 16))
    read: list[int] = []
    with pytest.raises(errors.NoSpace):
        vault.open_file(path, progress=read.append)
    assert read == []
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=60 << 16))
    assert len(vault.open_file(path)[1].items) == 50


def test_what_came_whole_and_cannot_be_stored_is_not_said_to_be_incomplete(vault: Vault) -> None:
    manifest = ANNA.share(To(vault).fingerprint, persons=(SealedPerson(number=1, name="   "),))
    path = vault.path.with_name("file.age")
    whole = sealed(bags.packed(ANNA.members(manifest)), To(vault).hybrid)
    told: list[object] = []
    for data, reason, times in ((whole, "cannot be stored", 0), (whole[:-30_000], "cut off or changed", 1)):
        path.write_bytes(data)
        with pytest.raises(errors.SealedFileRefused, match=reason):
            vault.open_file(path, incomplete=lambda *found: told.append(found))
        assert len(told) == times


@pytest.mark.parametrize("how", ["altered", "cut", "gone"])
def test_a_text_that_changed_in_staging_is_not_stored(vault: Vault, how: str) -> None:
    keeper = vault.keeper
    grant = keeper.open_begin(None, into="HARBOUR")
    assert grant.case_id is not None
    staging = Staging(keeper.folder)
    source = intake.TextStream("her account")
    staged = write_object(source, staging.path, folder_id=grant.folder_id, case_id=grant.case_id)
    (made,) = staging.path.glob(f"{staged.object_id.hex()}.*")
    data = made.read_bytes()
    made.unlink()
    if how != "gone":
        made.write_bytes(data[:-1] + bytes([data[-1] ^ 1]) if how == "altered" else data[:30_000])
    keeper.open_judge(grant.intent, Claim(PLAIN, staged.sha256))
    keeper.open_stage(grant.intent, staged, Arrival(None, None, None, file_name="account.txt"))
    with pytest.raises(errors.ObjectMissing if how == "gone" else errors.ObjectDamaged):
        keeper.open_finish(grant.intent, str(staging.path))
    staging.close()
    assert vault.cases.get("HARBOUR").items.list() == ()
    assert (received(vault), vault.check(read_data=True).findings) == ([], ())


def test_of_many_texts_none_is_held_in_memory_and_all_are_found(vault: Vault, tmp_path: Path) -> None:
    # One sign outside the first plane lets each letter take four bytes.
    text = "\N{GRINNING FACE} " + "the harbour road " * 8_000
    path = dropped(vault, tmp_path, [f"{text} witness{number}".encode() for number in range(40)])
    before = len(object_files(vault.path))
    tracemalloc.start()
    try:
        _, arrived = vault.open_file(path, into="HARBOUR")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 40 * len(text) * 4 // 2
    assert len(object_files(vault.path)) - before == len(arrived.items) == 40
    for number in (0, 39):
        (hit,) = vault.search(f"witness{number}")
        assert (hit.reference, hit.field) == (f"HARBOUR/{number + 1}", "text")
