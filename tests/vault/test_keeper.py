"""Every request that shows or changes anything writes its intent before, and shows nothing if that cannot be written."""

from __future__ import annotations

import inspect
import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from somebody import Somebody
from vaults import Clock, FailingLog, all_files, case_row, copied, dumped, key_file, make_vault, open_vault

from crypto import age
from crypto.keys import ObjectKey
from vault import (
    Description,
    PersonFields,
    RecoveryUnlocker,
    Vault,
    compartment,
    errors,
    identity,
    introductions,
    registry,
    schema,
)
from vault.drafts import Draft, DraftFiles, file_names
from vault.errors import LogUnavailable, OutcomeUnrecorded, VaultError
from vault.folder import Staging
from vault.keeper import Keeper
from vault.log_requests import LogEntry
from vault.objects import Staged, write_object
from vault.sealing_requests import ShareRequest


class Once:
    """A source of bytes for one item."""

    def __init__(self, data: bytes) -> None:
        self._left = data

    def readinto(self, buffer: memoryview) -> int:
        count = min(len(buffer), len(self._left))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        return count


def add(vault: Vault, *, revises: int | None = None) -> object:
    keeper = vault.keeper
    place = keeper.item_begin_add("HARBOUR")
    staging = Staging(keeper.folder)
    try:
        staged: Staged = write_object(
            Once(b"new bytes"), staging.path, folder_id=place.folder_id, case_id=place.case_id, size_hint=9
        )
        return keeper.item_finish_add("HARBOUR", str(staging.path), staged, Description(), revises=revises)
    finally:
        staging.close()


NEW_DRAFT = bytes(range(30))


def begin_draft(vault: Vault) -> object:
    keeper, key = vault.keeper, ObjectKey(b"k" * 32)
    place = keeper.item_begin_add("HARBOUR")
    digest = DraftFiles(
        keeper.folder.drafts, key, folder_id=place.folder_id, case_id=place.case_id, draft_id=NEW_DRAFT
    ).write(Draft("", Description(), "", 1))
    return keeper.draft_begin("HARBOUR", NEW_DRAFT, key.raw, digest)


def draft_of(vault: Vault) -> bytes:
    (draft_id,) = vault.keeper.known_drafts()
    return draft_id


def back_up(vault: Vault) -> object:
    return vault.backup(vault.path.with_name(f"{vault.path.name}-backup"))


def open_sealed(vault: Vault) -> object:
    row = vault.keeper.registry.row(schema.IDENTITY, identity.ONLY)
    if row is None:
        return vault.keeper.open_begin(None, into="HARBOUR")
    sink = io.BytesIO()
    age.open_writer(sink, [age.parse_recipient(str(row["age_recipient"]))])
    sink.seek(0)
    return vault.keeper.open_begin(age.read_header(sink).text, into="HARBOUR")


REQUESTS: dict[str, Callable[[Vault], object]] = {
    "case_new": lambda vault: vault.keeper.case_new("Bridge", "BRIDGE"),
    "case_list": lambda vault: vault.keeper.case_list(),
    "codes_like": lambda vault: vault.keeper.codes_like("HARBOR"),
    "case_show": lambda vault: vault.keeper.case_show("HARBOUR"),
    "case_edit": lambda vault: vault.keeper.case_edit("HARBOUR", title="Another"),
    "case_note": lambda vault: vault.keeper.case_note("HARBOUR", "remark"),
    "case_tag": lambda vault: vault.keeper.case_tag("HARBOUR", ("urgent",), ()),
    "case_delete": lambda vault: vault.keeper.case_delete("HARBOUR", key_file()),
    "item_finish_add": add,
    "item_list": lambda vault: vault.keeper.item_list("HARBOUR"),
    "item_show": lambda vault: vault.keeper.item_show("HARBOUR", 1),
    "item_open": lambda vault: vault.keeper.item_open("HARBOUR", 1, act_name="cat"),
    "item_edit": lambda vault: vault.keeper.item_edit("HARBOUR", 1, {"title": "Another"}),
    "item_note": lambda vault: vault.keeper.item_note("HARBOUR", 1, "remark"),
    "item_tag": lambda vault: vault.keeper.item_tag("HARBOUR", 1, ("urgent",), ()),
    "item_delete": lambda vault: vault.keeper.item_delete("HARBOUR", 1),
    "item_statement": lambda vault: vault.keeper.item_statement("HARBOUR", 1, {"place": "the office"}),
    "draft_list": lambda vault: vault.keeper.draft_list("HARBOUR"),
    "draft_begin": begin_draft,
    "draft_resume": lambda vault: vault.keeper.draft_resume("HARBOUR", draft_of(vault)),
    "draft_discard": lambda vault: vault.keeper.draft_discard("HARBOUR", draft_of(vault)),
    "person_add": lambda vault: vault.keeper.person_add("HARBOUR", PersonFields(name="Anna")),
    "person_list": lambda vault: vault.keeper.person_list("HARBOUR"),
    "person_show": lambda vault: vault.keeper.person_show("HARBOUR", 1),
    "person_edit": lambda vault: vault.keeper.person_edit("HARBOUR", 1, {"role": "witness"}),
    "person_remove": lambda vault: vault.keeper.person_remove("HARBOUR", 1),
    "search": lambda vault: vault.keeper.search("text"),
    "check": lambda vault: vault.keeper.check(),
    "check_begin": lambda vault: vault.keeper.check_begin(),
    "log_entries": lambda vault: vault.keeper.log_entries(),
    "log_export_begin": lambda vault: vault.keeper.log_export_begin(),
    "log_disclose_begin": lambda vault: vault.keeper.log_disclose_begin("HARBOUR"),
    "log_verify": lambda vault: vault.keeper.log_verify(full=True),
    "log_head": lambda vault: vault.keeper.log_head(),
    "log_status": lambda vault: vault.keeper.log_status(),
    "backup_begin": back_up,
    "change_passphrase": lambda vault: vault.keeper.change_passphrase(key_file(), key_file(1)),
    "add_key": lambda vault: vault.keeper.add_key(key_file(), key_file(1), "stick"),
    "remove_key": lambda vault: vault.keeper.remove_key(key_file(), 1),
    "identity_show": lambda vault: vault.keeper.identity_show(),
    "identity_name": lambda vault: vault.keeper.identity_name("The office"),
    "identity_card": lambda vault: vault.keeper.identity_card(),
    "partner_add": lambda vault: vault.keeper.partner_add("Anna", card=Somebody(2).card()),
    "partner_list": lambda vault: vault.keeper.partner_list(),
    "partner_show": lambda vault: vault.keeper.partner_show("Lena"),
    "partner_verify": lambda vault: vault.keeper.partner_verify("Lena", Somebody(1).reads_out()),
    "partner_remove": lambda vault: vault.keeper.partner_remove("Lena"),
    "share_begin": lambda vault: vault.keeper.share_begin(ShareRequest("HARBOUR", None, "Lena")),
    "open_begin": open_sealed,
    "share_list": lambda vault: vault.keeper.share_list(),
}

# What shows nothing of a case and changes nothing, or is no request.
EXEMPT = {
    "now": "the time",
    "info": "what the vault says of itself",
    "keys": "the ways in, part of info",
    "key_of": "which of the ways in a secret is, for who has the secret",
    "item_begin_add": "ids for a new object: nothing is revealed",
    "backup_snapshot": "ciphertext, for an intent that was recorded; see test_backing_up",
    "backup_known": "ids, for an intent that was recorded",
    "backup_end": "the outcome of an intent that was recorded",
    "check_object": "one object's key, for an intent that was recorded",
    "check_end": "the outcome of an intent that was recorded",
    "share_object": "one object's key, for an intent that was recorded",
    "share_sign": "announced in a step of its own, for an intent that was recorded; see test_sealing",
    "share_tag": "what was signed, for an intent that was recorded",
    "share_end": "the outcome of an intent that was recorded",
    "receipt_make": "two vaults are needed: see test_receipts_between_vaults",
    "receipt_end": "the outcome of an intent that was recorded",
    "receipt_take": "two vaults are needed: see test_receipts_between_vaults",
    "abandon": "the outcome of an intent that was recorded",
    "open_judge": "who a file is from, for an intent that was recorded",
    "open_may_store": "the same",
    "open_stage": "of an object that lies in the staging folder, for an intent that was recorded",
    "open_finish": "announced in a step of its own, for an intent that was recorded; see test_receiving",
    "open_end": "the outcome of an intent that was recorded",
    "item_close": "the outcome of an intent that was recorded",
    "draft_end": "the outcome of an intent that was recorded",
    "known_drafts": "inside",
    "let_go": "inside",
    "remove_draft": "inside",
    "is_writing": "inside",
    "settled_case": "the outcome of an intent that was recorded",
    "opened": "needs a case's key, which needs a receipt",
    "open_ahead": "needs the receipt of a session's beginning",
    "has_room": "inside",
    "is_open": "inside",
    "keep_open": "inside",
    "is_crowded": "inside",
    "is_usable": "inside",
    "verify_serving": "inside",
    "verify_secret": "whether a secret opens the vault, whose header anybody may try who has the folder",
    "record_session": "entries of the log itself",
    "log_export_lines": "what an export is of, for an intent that was recorded",
    "log_export_end": "the outcome of an intent that was recorded",
    "certify_generations": "an act of its own, before what needs the identity, and at open",
    "drop": "closes",
    "close": "closes",
    "end_readings": "the outcomes of intents that were recorded",
    "warn": "inside",
    "warn_no_more": "inside",
    "is_reading": "inside",
    "record_older_copy": "an entry of the log itself",
    "settle_failed": "the outcome of an intent that was recorded",
    "settle": "the outcome of an intent that was recorded",
    "adopt": "inside a change of epoch, for its receipt",
}


def two_ways_in(path: Path) -> Vault:
    return Vault.create(path, key_file(), recovery=RecoveryUnlocker.generate()[0], clock=Clock())


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    with two_ways_in(tmp_path / "v") as found:
        found.cases.new("Harbour Street", code="HARBOUR")
        found.cases.get("HARBOUR").items.add_text("some text")
        found.cases.get("HARBOUR").persons.add(PersonFields(name="Zaynab"))
        found.cases.get("HARBOUR").drafts.begin().keep()
        found.identity.show()
        found.partners.add("Lena", card=Somebody(1).card())
        yield found


def content(vault: Vault) -> object:
    """All that a request could change: rows, states, files; without the log's own."""
    keeper = vault.keeper
    rows = {name: rows for name, rows in dumped(keeper.registry.store).items() if not name.startswith("log_")}
    rows.pop("head")
    states = {}
    for case in keeper.registry.cases():
        if not keeper.is_open(case.case_id):
            continue
        states[case.code] = dumped(keeper._open[case.case_id].store)
    headers = [path.read_bytes() for path in keeper.folder.header_paths()]
    staged = {f"drafts/{name}" for name in file_names(NEW_DRAFT)}  # by the caller, before it asks
    return (
        rows,
        states,
        headers,
        sorted(name for name in all_files(vault.path) if "-wal" not in name and name not in staged),
    )


def test_the_list_of_requests_is_complete() -> None:
    public = {name for name, _ in inspect.getmembers(Keeper) if not name.startswith("_")}
    assert public == set(REQUESTS) | set(EXEMPT)


@pytest.mark.parametrize("name", REQUESTS)
def test_each_request_has_its_intent_before_and_its_outcome_after(vault: Vault, name: str) -> None:
    before = vault.keeper.registry.frontier.size
    REQUESTS[name](vault)
    if name == "item_open":
        vault.keeper.item_close(before, "done")
    if name == "check_begin":
        vault.keeper.check_end(before, "done")
    if name in ("log_export_begin", "log_disclose_begin"):
        vault.keeper.log_export_end(before, "done")
    if name == "open_begin":
        vault.keeper.open_end(before, "done")
    if name in ("draft_begin", "draft_resume"):
        vault.keeper.draft_end(before, 2, b"")
    if name == "share_begin":
        vault.keeper.share_sign(before)
        vault.keeper.share_end(before, "done")
    added: list[LogEntry] = []
    for entry in vault.log():
        if entry.number >= before and entry.act != "log":
            added.append(entry)
    if name == "log_entries":
        assert before < vault.keeper.registry.frontier.size
        return
    assert added[0].phase == "intent"
    assert added[0].number == before
    if name == "case_delete":
        assert vault.keeper.log.unanswered() == []
        assert [entry.phase for entry in added] == ["intent", "intent", "done"]
        return
    assert added[-1].phase == "done"
    assert added[-1].answers == before
    assert vault.keeper.log.unanswered() == []


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_whose_intent_cannot_be_written_opens_no_key_shows_and_changes_nothing(
    vault: Vault, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "case_new":
        monkeypatch.setattr(compartment.Compartment, "create", lambda *_, **__: pytest.fail("it was begun"))
    else:
        monkeypatch.setattr(registry.Registry, "unwrap_case_key", lambda *_: pytest.fail("a key was opened"))
        monkeypatch.setattr(registry.Registry, "unseal_titles", lambda *_: pytest.fail("titles were opened"))
        for module in (introductions, identity):
            monkeypatch.setattr(module, "OwnIdentity", lambda *_: pytest.fail("the identity was opened"))
    before, size = content(vault), vault.keeper.registry.frontier.size
    with FailingLog(vault) as failing, pytest.raises(LogUnavailable):
        REQUESTS[name](vault)
    assert failing.fired
    monkeypatch.undo()
    assert content(vault) == before
    assert vault.keeper.registry.frontier.size == size
    # And the vault goes on as soon as the log can.
    REQUESTS[name](vault)
    assert vault.keeper.registry.frontier.size > size


@pytest.mark.skipif(sys.platform == "win32", reason="left out: limits of file sizes of POSIX")
@pytest.mark.parametrize("name", REQUESTS)
def test_a_disk_that_takes_nothing_more_shows_nothing(vault: Vault, name: str) -> None:
    import resource

    before, size = content(vault), vault.keeper.registry.frontier.size
    request = REQUESTS[name]
    if name == "item_finish_add":
        request = staged_before(vault)
    if name == "draft_begin":
        request = saved_draft
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    raised: BaseException | None = None
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        request(vault)
    except VaultError as error:
        raised = error
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert isinstance(raised, LogUnavailable)
    assert vault.keeper.registry.frontier.size == size
    if name != "item_finish_add":
        assert content(vault) == before


def saved_draft(vault: Vault) -> object:
    return vault.keeper.draft_begin("HARBOUR", NEW_DRAFT, b"k" * 32, b"")


def staged_before(vault: Vault) -> Callable[[Vault], object]:
    place = vault.keeper.item_begin_add("HARBOUR")
    staging = Staging(vault.keeper.folder)
    staged = write_object(Once(b"new"), staging.path, folder_id=place.folder_id, case_id=place.case_id, size_hint=3)
    return lambda vault: vault.keeper.item_finish_add("HARBOUR", str(staging.path), staged, Description())


@pytest.mark.parametrize("name", REQUESTS)
def test_whichever_step_of_the_log_fails_the_old_or_the_new_state_is_there_and_checks_clean(
    tmp_path: Path, name: str
) -> None:
    original = tmp_path / "original"
    with two_ways_in(original) as vault:
        vault.cases.new("Harbour Street", code="HARBOUR")
        vault.cases.get("HARBOUR").items.add_text("some text")
        vault.cases.get("HARBOUR").persons.add(PersonFields(name="Zaynab"))
        vault.cases.get("HARBOUR").drafts.begin().keep()
        vault.partners.add("Lena", card=Somebody(1).card())
    for nth in range(1, 9):
        path = copied(original, tmp_path / f"{nth}")
        vault = open_vault(path)
        failing = FailingLog(vault, nth)
        with failing:
            try:
                REQUESTS[name](vault)
                done = True
            except (LogUnavailable, OutcomeUnrecorded, errors.ReadOnly) as error:
                done = isinstance(error, OutcomeUnrecorded)
        vault.close()
        opened_by = key_file()
        if name == "change_passphrase":
            opened_by = key_file(1) if done else key_file()
        with open_vault(path, opened_by) as vault:
            assert vault.check(read_data=True).findings == (), nth
            assert vault.keeper.log.unanswered() == []
            if name == "case_note":
                notes = vault.cases.get("HARBOUR").show().notes
                assert len(notes) == int(done), nth
            if name in ("partner_add", "partner_remove"):
                assert len(vault.partners.list()) == 1 + int(done) * (1 if name == "partner_add" else -1), nth
            if name == "partner_verify":
                assert vault.partners.get("Lena").show().grade == ("voice" if done else "unverified"), nth
            if name == "item_finish_add":
                assert len(vault.cases.get("HARBOUR").items.list()) == 1 + int(done), nth
        if not failing.fired:
            assert done
            assert nth > 1
            return
    pytest.fail("the request never ran through")


def test_what_fails_on_its_own_is_logged_as_failed(vault: Vault) -> None:
    with pytest.raises(errors.NoSuchItem):
        vault.cases.get("HARBOUR").items.get(99).show()
    intent, failed = [entry for entry in vault.log("HARBOUR") if entry.act == "item-show"]
    assert (intent.phase, intent.item) == ("intent", "HARBOUR/99")
    assert (failed.phase, failed.reason, failed.answers) == ("failed", "NoSuchItem", intent.number)


def test_a_case_that_is_not_there_is_refused_before_anything_is_logged(vault: Vault) -> None:
    size = vault.keeper.registry.frontier.size
    for ask in (vault.keeper.case_show, vault.keeper.item_list, vault.keeper.log_entries):
        with pytest.raises(errors.NoSuchCase):
            ask("NOWHERE")
    assert vault.keeper.registry.frontier.size == size


def test_a_purpose_that_is_no_text_is_refused_before_anything_is_shown(vault: Vault) -> None:
    size = vault.keeper.registry.frontier.size
    with pytest.raises(errors.BadValue):
        vault.cases.get("HARBOUR").show(purpose="for \udcff")
    assert vault.keeper.registry.frontier.size == size
    vault.cases.get("HARBOUR").show(purpose="for the hearing")


def test_a_failed_change_leaves_the_case_open_and_at_its_state(vault: Vault) -> None:
    before = case_row(vault, "HARBOUR").state
    case = vault.cases.get("HARBOUR")
    for fails in (
        lambda: case.edit(title=" "),
        lambda: case.note(""),
        lambda: case.tag(("good", "")),
        lambda: case.items.get(1).edit(kind="poem"),
        lambda: case.items.get(1).edit(sha256="0" * 64),
        lambda: case.persons.get(1).edit(name=" "),
        lambda: case.persons.get(1).edit(shoe_size="43"),
    ):
        with pytest.raises(errors.BadValue):
            fails()
    assert case_row(vault, "HARBOUR").state == before
    assert case.show().tags == ()
    assert vault.keeper.log.unanswered() == []
    assert vault.check().findings == ()


def test_a_closed_vault_answers_nothing(tmp_path: Path) -> None:
    vault = make_vault(tmp_path / "v")
    cases = vault.cases
    vault.close()
    vault.close()
    for ask in (cases.list, vault.info, vault.check, lambda: cases.get("HARBOUR").show()):
        with pytest.raises(errors.VaultClosed):
            ask()


def test_a_label_that_is_no_text_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(errors.BadValue):
        Vault.create(tmp_path / "v", key_file(), label="Anna's \udcff key")
    assert not (tmp_path / "v").exists()
