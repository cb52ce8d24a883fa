"""Files of one sender that are open at the same time, as a session lets several commands have them: what one of them shows of
the sender's log counts for all that are stored after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import bags
import pytest
from sealing import Sender, To, sealed
from shown_logs import next_generation
from their_logs import TheirLog
from vaults import make_vault

from vault import Vault, errors, log_showing, schema
from vault.arrivals import Verdict
from vault.errors import SealedFileRefused
from vault.unsealing import Found

ANNA = Sender(7)


class Reader:
    """A vault that opens what Anna sends; while one file is read, something else may happen."""

    def __init__(self, folder: Path, vault: Vault) -> None:
        self.folder, self.vault, self.to = folder, vault, To(vault)
        vault.partners.add("Anna", card=ANNA.card())

    def file(self, log: TheirLog, number: int) -> Path:
        manifest = ANNA.share(
            self.to.fingerprint,
            sequence=number,
            purpose=f"{log.history} {number}",
            previous="00" * 32 if number > 1 else None,
        )
        members = ANNA.members(manifest, replaced=log.share(manifest.to_bytes(), manifest.to))
        path = self.folder / f"{log.history}{number}.age"
        path.write_bytes(sealed(bags.packed(members), self.to.hybrid))
        return path

    def open(self, path: Path, meanwhile: Callable[[], object] = lambda: None) -> Verdict:
        def accept(_found: Found) -> bool:
            meanwhile()
            return True

        return self.vault.open_file(path, accept=accept)[0].verdict

    def cases(self) -> int:
        return len(self.vault.cases.list())

    def roots(self) -> set[object]:
        return {row["root"] for row in self.vault.keeper.registry.rows(schema.SEEN_HEADS)}


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    with make_vault(tmp_path / "v") as vault:
        yield Reader(tmp_path, vault)


def test_two_histories_that_are_opened_at_once_are_a_fork_and_the_first_is_not_forgotten(reader: Reader) -> None:
    log = TheirLog(ANNA)
    other = log.copy("other")
    first, second = reader.file(log, 1), reader.file(other, 1)
    with pytest.raises(SealedFileRefused, match="two histories"):
        reader.open(first, meanwhile=lambda: reader.open(second))
    assert [each.kind for each in reader.vault.log_status().forks] == ["forked"]
    assert reader.roots() == {other.tree.root()}
    assert reader.cases() == 1
    assert reader.vault.check().findings == ()


def test_a_history_that_does_not_go_on_from_what_came_meanwhile_is_not_stored(reader: Reader) -> None:
    log = TheirLog(ANNA)
    other = log.copy("other")
    other.append({})
    first, second = reader.file(log, 1), reader.file(other, 2)
    with pytest.raises(SealedFileRefused, match="nothing in it proves"):
        reader.open(first, meanwhile=lambda: reader.open(second))
    assert [each.kind for each in reader.vault.log_status().forks] == ["unconnected"]
    assert reader.cases() == 1


def test_files_of_one_history_that_are_opened_at_once_are_taken_and_told_of_as_they_are_stored(reader: Reader) -> None:
    log = TheirLog(ANNA)
    paths = [reader.file(log, number) for number in (1, 2, 3)]
    heard: list[Verdict] = []
    last = reader.open(paths[0], lambda: heard.append(reader.open(paths[1], lambda: reader.open(paths[2]))))
    assert [(each.late, each.last_sequence) for each in (*heard, last)] == [(True, 3), (True, 3)]
    assert reader.vault.log_status().forks == ()
    assert reader.cases() == 3


def test_a_copy_of_the_log_that_came_meanwhile_is_told(reader: Reader) -> None:
    log = TheirLog(ANNA)
    copy = next_generation(log, "copy")
    first, second = reader.file(log, 1), reader.file(copy, 1)
    told = reader.open(first, meanwhile=lambda: reader.open(second))
    assert (told.beside, told.rival) == (2, True)


def test_a_sender_whose_key_waits_to_be_compared_meanwhile_is_not_believed(reader: Reader) -> None:
    path = reader.file(TheirLog(ANNA), 1)

    def exchange() -> None:
        reader.vault.partners.get("Anna").remove()
        reader.vault.partners.add("Anna", card=Sender(8).card())

    with pytest.raises(errors.PartnerChanged):
        reader.open(path, meanwhile=exchange)
    assert reader.cases() == 0


def test_what_nobody_was_asked_about_is_not_taken_as_accepted(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """That nothing connects a file with what came meanwhile is another question than that its sender's key was not compared."""
    monkeypatch.setattr(log_showing, "LEAST_WHEN_FULL", 1)
    log = TheirLog(ANNA)
    first = reader.file(log, 1)
    for _ in range(2):
        log.append({})
    log.sent[reader.to.fingerprint.hex()] = [(1, len(log.leaves), log.tree.root())]
    far = reader.file(log, 9)
    with pytest.raises(errors.LogNotConnected):
        reader.open(far, meanwhile=lambda: reader.open(first))
    assert reader.cases() == 1
    assert reader.open(far).unconnected == 4, "and where it is asked, it is stored"
