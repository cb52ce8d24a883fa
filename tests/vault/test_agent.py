"""A session: the keeper behind a socket answers as the keeper does, to this user only, and ends when it must."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sessions import SECOND, Served, greeting, receive, send, session, until
from vaults import key_file, make_vault, open_vault

from vault import Description, PersonFields, Vault, errors, meeting, platform, wire
from vault.agent import Agent

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="left out: Unix sockets")


@pytest.fixture
def runtime(tmp_path: Path, home: Path) -> Path:
    return home.parent / "run" / "casevault"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with make_vault(tmp_path / "v") as vault:
        case = vault.cases.new("Harbour Street", code="HARBOUR").code
        vault.cases.get(case).items.add_text("She came by the night train.", description=Description(title="Letter"))
        vault.cases.get(case).persons.add(PersonFields(name="Zaynab"))
    return tmp_path / "v"


@pytest.fixture
def served(path: Path, runtime: Path) -> Iterator[Served]:
    with session(open_vault(path), runtime) as found:
        yield found


# The same from outside


def acts(vault: Vault) -> list[tuple[str, str]]:
    return [(entry.act, entry.phase) for entry in vault.log()]


def test_everything_can_be_done_through_a_session(served: Served, tmp_path: Path) -> None:
    with served.attach() as vault:
        vault.cases.new("Bridge", code="BRIDGE")
        assert [case.code for case in vault.cases.list()] == ["BRIDGE", "HARBOUR"]
        case = vault.cases.get("HARBOUR")
        source = tmp_path / "film.mp4"
        source.write_bytes(os.urandom(3_000_000))
        stored = case.items.add_file(source, description=Description(tags=("video",)))
        assert stored.item.summary.reference == "HARBOUR/2"
        with case.items.get(2).open(offset=1_500_000, length=70_000) as reading:
            assert b"".join(bytes(piece) for piece in reading) == source.read_bytes()[1_500_000:1_570_000]
        (tmp_path / "out").mkdir()
        exported = case.items.get(2).export(tmp_path / "out")
        assert exported.path.read_bytes() == source.read_bytes()
        assert case.items.get(1).edit(title="First letter").summary.title == "First letter"
        assert case.tag(("urgent",)) == ("urgent",)
        assert case.persons.add(PersonFields(name="Anna", phones=("+1",))).reference == "HARBOUR/p2"
        assert case.persons.get(2).edit(role="witness", phones=("+2",)).phones == ("+2",)
        assert [hit.reference for hit in vault.search("train")] == ["HARBOUR/1"]
        assert case.items.get(2).delete("twice").reason == "twice"
        report = vault.check(read_data=True, progress=lambda _count: None)
        assert (report.findings, report.objects_read) == ((), 1)
        assert vault.info().cases == 2
        assert vault.owner_only
        vault.change_passphrase(key_file(), key_file(1))
        case.delete(key_file(1))
        assert [case.code for case in vault.cases.list()] == ["BRIDGE"]
    served.stop()
    with open_vault(served.path, key_file(1)) as vault:
        assert vault.warnings == ()
        assert vault.check(read_data=True).findings == ()


def test_errors_are_the_same_as_without_a_session(served: Served, tmp_path: Path) -> None:
    with served.attach() as vault:
        with pytest.raises(errors.NoSuchCase, match="NOWHERE"):
            vault.cases.get("NOWHERE").show()
        with pytest.raises(errors.CodeTaken) as taken:
            vault.cases.new("Another", code="HARBOUR")
        assert taken.value.fields == {"code": "HARBOUR"}
        with pytest.raises(errors.SourceMissing):
            vault.cases.get("HARBOUR").items.add_file(tmp_path / "none")
        with pytest.raises(errors.BadValue), vault.cases.get("HARBOUR").items.get(1).open(offset=10_000):
            pass
        with pytest.raises(errors.WrongPassphrase):
            vault.cases.get("HARBOUR").delete(key_file(7))
        with pytest.raises(errors.WrongPassphrase):
            vault.verify_secret(key_file(7))
        vault.verify_secret(key_file())
        assert len(vault.cases.list()) == 1, "an error ends no session"


def test_progress_comes_from_the_agent(served: Served, tmp_path: Path) -> None:
    with served.attach() as vault:
        for code in ("BRIDGE", "MEADOW"):
            vault.cases.new("Another", code=code)
        told: list[int] = []
        vault.change_passphrase(key_file(), key_file(1), progress=told.append)
        assert sum(told) == 3


def test_the_bytes_of_items_are_checked_by_the_client_while_the_agent_serves_others(served: Served) -> None:
    with served.attach() as checking, served.attach() as other:
        case = other.cases.get("HARBOUR")
        for number in range(3):
            case.items.add_text(f"{number}" * 300_000)
        begun = len(other.log())
        meanwhile: list[str] = []

        def told(_count: int) -> None:
            if not meanwhile:
                meanwhile.append(case.items.add_text("added meanwhile").item.summary.reference)
                case.items.get(4).delete("meanwhile")

        report = checking.check(read_data=True, progress=told)
        assert meanwhile == ["HARBOUR/5"]
        assert report.findings == ()
        assert (report.objects, report.objects_read) == (4, 3), "a deleted item is not missing"
        assert other.info().last_check is not None
        outcomes = [entry for entry in other.log()[begun:] if entry.act == "check"]
        assert [entry.phase for entry in outcomes] == ["intent", "done"]


def test_a_check_belongs_to_its_connection(served: Served) -> None:
    mine, other = served.attach(), served.attach()
    begun = mine.keeper.check_begin()
    for ask in (
        lambda: other.keeper.check_object(begun.intent, "HARBOUR/1"),
        lambda: other.keeper.check_end(begun.intent, "done"),
    ):
        with pytest.raises(errors.ReceiptRefused):
            ask()
    assert mine.keeper.check_object(begun.intent, "HARBOUR/1").reference == "HARBOUR/1"
    with pytest.raises(errors.ReceiptRefused):
        mine.keeper.check_object(begun.intent, "HARBOUR/1")
    mine.close()
    other.cases.list()  # comes after whatever the agent still had to do
    (outcome,) = [entry for entry in other.log() if entry.answers == begun.intent]
    assert (outcome.act, outcome.phase) == ("check", "failed")
    other.close()


def test_several_clients_work_at_once_and_no_change_is_lost(served: Served) -> None:
    def work(number: int) -> None:
        with served.attach() as vault:
            for each in range(5):
                vault.cases.get("HARBOUR").items.add_text(f"{number} {each}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with served.attach() as vault:
        assert len(vault.cases.get("HARBOUR").items.list()) == 21
        assert vault.check(read_data=True).findings == ()


def test_threads_may_share_a_client(served: Served) -> None:
    with served.attach() as vault:
        found: list[int] = []

        def look() -> None:
            found.extend(len(vault.cases.list()) for _ in range(20))

        threads = [threading.Thread(target=look) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [1] * 80


def test_whoever_comes_without_the_session_hears_that_the_vault_is_in_use(served: Served) -> None:
    with pytest.raises(errors.VaultInUse):
        open_vault(served.path)


def test_the_log_says_when_a_session_began_and_how_it_ended(path: Path, runtime: Path) -> None:
    with session(open_vault(path), runtime) as served:
        served.vault.keeper.record_session("unlock")
        served.clock.sleep(400)
        until(lambda: served.has_ended)
    with open_vault(path) as vault:
        entries = [entry for entry in vault.log() if entry.act in ("unlock", "lock")]
    assert [(entry.act, entry.phase, entry.reason) for entry in entries] == [
        ("unlock", "intent", None),
        ("unlock", "done", None),
        ("lock", "intent", None),
        ("lock", "done", "idle time-out"),
    ]


# Its end


def test_lock_ends_the_session_for_every_client(served: Served) -> None:
    with served.attach() as vault, served.attach() as other:
        watching = other.watch()
        assert watching is not None
        assert not other.has_ended
        client = vault.client
        assert client is not None
        client.lock()
        watching.settimeout(20)
        assert watching.recv(1) == b""
        watching.close()
        assert other.has_ended
        with pytest.raises(errors.SessionOver):
            other.cases.list()
    until(lambda: served.has_ended)
    assert served.orderly
    assert not served.socket_path.exists()
    with pytest.raises(errors.NoSession):
        served.attach()
    open_vault(served.path).close()


def test_nothing_more_is_given_out_once_the_session_has_ended(served: Served) -> None:
    with served.attach() as adding:
        adding.cases.get("HARBOUR").items.add_text("x" * 2_000_000)
    vault = served.attach()
    reading = vault.cases.get("HARBOUR").items.get(2).open()
    pieces = iter(reading)
    assert len(next(pieces))
    served.stop()
    with pytest.raises(errors.SessionOver):
        next(pieces)
    vault.close()
    with open_vault(served.path) as again:
        last = next(entry for entry in reversed(again.log()) if entry.act == "item-cat")
        assert (last.phase, last.reason) == ("failed", "connection ended")


def test_a_session_that_nobody_uses_ends_after_its_idle_time(served: Served) -> None:
    served.attach().close()
    served.clock.sleep(299)
    with served.look() as vault:
        state = vault.session()
        assert state is not None
        assert state.idle_left_seconds <= 300
    served.clock.sleep(302)
    until(lambda: served.has_ended)
    with pytest.raises(errors.NoSession):
        served.attach()


def test_whoever_is_connected_stops_the_idle_clock_and_who_only_looks_does_not(served: Served) -> None:
    with served.attach() as vault:
        for _ in range(3):
            served.clock.sleep(290)
            assert len(vault.cases.list()) == 1
        state = vault.session()
        assert state is not None
        assert (state.idle_left_seconds, state.clients) == (300, 1)
    until(lambda: _state(served) == 0)
    served.clock.sleep(200)
    with served.look() as looking:
        served.clock.sleep(99)
        state = looking.session()
        assert state is not None
        assert state.idle_left_seconds <= 1
        served.clock.sleep(2)
        until(lambda: served.has_ended)


def _state(served: Served) -> int:
    with served.look() as looking:
        state = looking.session()
        assert state is not None
        return state.clients


def test_the_absolute_limit_ends_a_session_that_is_used_without_pause(served: Served) -> None:
    with served.attach() as vault:
        for _ in range(12):
            served.clock.sleep(299)
            vault.cases.list()
        served.clock.sleep(20)
        until(lambda: served.has_ended)
        with pytest.raises(errors.SessionOver):
            vault.cases.list()
    assert served.orderly


def test_a_time_out_that_passed_while_the_machine_slept_is_seen_before_any_request(
    path: Path, runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the lid is opened the first thing that happens is not an answer."""
    served = Served(open_vault(path), runtime)
    vault = served.attach()
    served.clock.sleep(24 * 3600)
    with pytest.raises(errors.SessionOver):
        vault.cases.list()
    served.thread.join(30)
    assert served.has_ended


def test_the_absolute_limit_ends_a_request_at_work_and_the_vault_stays_whole(path: Path, runtime: Path) -> None:
    with open_vault(path) as vault:
        for number in range(8):
            vault.cases.get("HARBOUR").items.add_text(f"{number}" * 2_000_000)
    served = Served(open_vault(path), runtime)
    with served.attach() as vault:
        seen: list[int] = []

        def told(count: int) -> None:
            seen.append(count)
            served.clock.sleep(4000)

        with pytest.raises(errors.SessionOver):
            vault.check(read_data=True, progress=told)
    served.thread.join(30)
    assert served.orderly
    with open_vault(path) as vault:
        assert set(vault.warnings) <= {"recovered"}
        assert vault.check().findings == ()


def test_a_signal_handler_may_end_it(served: Served) -> None:
    served.agent.end("signal")
    until(lambda: served.has_ended)
    assert served.orderly


def test_a_vault_that_can_no_longer_be_read_ends_the_session(served: Served) -> None:
    with served.attach() as vault:
        served.vault.keeper.registry._failed = True
        with pytest.raises((errors.LogUnavailable, errors.SessionOver)):
            vault.cases.list()
    until(lambda: served.has_ended)


# What a client opened ends with it


def test_the_readings_of_a_client_that_goes_away_get_their_outcome_at_once(served: Served) -> None:
    vault = served.attach()
    reading = vault.cases.get("HARBOUR").items.get(1).open(act="view")
    assert vault.keeper.is_reading(reading.grant.intent)
    vault.close()
    with served.attach() as other:
        last = [entry for entry in other.log() if entry.act == "item-view"][-1]
        assert (last.phase, last.answers, last.reason) == ("failed", reading.grant.intent, "connection ended")
    with pytest.raises(errors.SessionOver):
        list(reading)


def test_a_reading_belongs_to_the_client_that_opened_it(served: Served) -> None:
    with served.attach() as mine, served.attach() as other:
        reading = mine.cases.get("HARBOUR").items.get(1).open()
        intent = reading.grant.intent
        with pytest.raises(errors.ReceiptRefused):
            other.keeper.item_close(intent, "done")
        assert not other.keeper.is_reading(intent)
        assert b"".join(bytes(piece) for piece in reading) == b"She came by the night train."
        reading.close()
        with pytest.raises(errors.ReceiptRefused):
            mine.keeper.item_close(intent, "done")
        with pytest.raises(errors.ReceiptRefused):
            list(reading)
        with pytest.raises(errors.ReceiptRefused):
            mine.keeper.item_close(intent + 1, "done")


def test_what_a_client_staged_is_removed_when_it_goes_away(served: Served) -> None:
    left = served.path / "staging" / ("ab" * 16)
    vault = served.attach()
    vault.cases.list()
    left.mkdir()
    (left / "piece.0").write_bytes(b"sealed")
    vault.close()
    until(lambda: not left.exists())


def test_the_machine_remembers_after_every_command_and_not_only_when_the_session_ends(
    path: Path, runtime: Path, tmp_path: Path
) -> None:
    """An agent may be killed after hours of work; an older copy from before that work must not pass."""
    import shutil

    shutil.copytree(path, tmp_path / "older")
    state = tmp_path / "state"
    with session(open_vault(path, state_dir=state), runtime) as served:
        with served.attach() as vault:
            vault.cases.new("Bridge", code="BRIDGE")
        until(lambda: state.is_dir() and bool(list(state.iterdir())))
        with pytest.raises(errors.OlderThanRemembered):
            open_vault(tmp_path / "older", state_dir=state)


# Hostile and broken clients


def test_a_silent_and_a_half_sending_client_block_nobody_and_are_dropped(served: Served) -> None:
    silent = served.raw(greeted=False)
    half = served.raw()
    half.sendall(b"\0\0\1\0{")
    slow = served.raw()
    send(slow, {"call": "case_list", "positional": [], "named": {}})  # and never reads the answer
    with served.attach() as vault:
        assert len(vault.cases.list()) == 1
        served.clock.sleep(11)
        assert receive(silent) is None
        assert receive(half) is None
        assert len(vault.cases.list()) == 1
    for each in (silent, half, slow):
        each.close()


def test_a_silent_connection_that_never_greeted_does_not_keep_the_session_alive(served: Served) -> None:
    raw = served.raw(greeted=False)
    served.clock.sleep(301)
    until(lambda: served.has_ended)
    raw.close()


def test_a_client_that_does_not_read_its_answer_is_dropped(served: Served) -> None:
    with served.attach() as vault:
        vault.cases.get("HARBOUR").edit(description="x" * 900_000)
    slow = served.raw()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    send(slow, {"call": "case_show", "positional": ["HARBOUR"], "named": {}})
    time.sleep(0.3)
    with served.attach() as vault:
        assert len(vault.cases.list()) == 1
    until(lambda: _state(served) == 1)
    served.clock.sleep(11)
    until(lambda: _state(served) == 0)
    slow.close()


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff\xff\xff\xff",
        b"\0\0\0\2[]",
        b"\0\0\0\0",
        b"\0\0\0\2{}",
        b"\0\0\0\x0d" + b'{"call":"x"}\n',
    ],
)
@pytest.mark.parametrize("greeted", [True, False])
def test_what_is_no_request_ends_the_connection_and_only_that(served: Served, data: bytes, greeted: bool) -> None:
    raw = served.raw(greeted=greeted)
    raw.sendall(data)
    found = receive(raw)
    assert found is None or "error" in found
    raw.close()
    with served.attach() as vault:
        assert len(vault.cases.list()) == 1


@pytest.mark.parametrize(
    "message",
    [
        {"call": "close", "positional": [], "named": {}},
        {"call": "end_readings", "positional": [], "named": {}},
        {"call": "abandon", "positional": [0, "x"], "named": {}},
        {"call": "opened", "positional": [], "named": {}},
        {"call": "__init__", "positional": [], "named": {}},
        {"call": "_act", "positional": ["x"], "named": {}},
        {"call": "registry", "positional": [], "named": {}},
        {"call": 1, "positional": [], "named": {}},
        {"call": "case_list", "positional": [], "named": {}, "more": 1},
        {"call": "case_list", "positional": ["x"], "named": {}},
        {"call": "case_list"},
        {"call": "check", "positional": [], "named": {"progress": None}},
        {"call": "verify_secret", "positional": ["x"], "named": {}},
    ],
)
def test_a_request_that_the_keeper_does_not_serve_is_refused(served: Served, message: object) -> None:
    raw = served.raw()
    send(raw, message)
    found = receive(raw)
    assert found is not None
    assert isinstance(wire.decode_error(found["error"]), errors.Refused)
    send(raw, {"call": "case_list", "positional": [], "named": {}})
    assert "answer" in (receive(raw) or {})
    raw.close()


def test_who_asks_again_before_the_answer_or_twice_at_once_is_dropped(served: Served) -> None:
    raw = served.raw()
    one = wire.frame({"call": "case_list", "positional": [], "named": {}}, largest=1000)
    raw.sendall(one + one)
    assert receive(raw) is None
    raw.close()


@pytest.mark.parametrize("purpose", ["look", "watch"])
def test_who_only_looks_or_watches_gets_nothing_of_the_vault(served: Served, purpose: str) -> None:
    raw = served.raw(purpose=purpose)
    send(raw, {"call": "case_list", "positional": [], "named": {}})
    assert receive(raw) is None
    raw.close()


@pytest.mark.parametrize(
    "other", [{"format": 2}, {"software": "0"}, {"place": [1, 1]}, {"purpose": "rule"}, {"purpose": 1}, {"place": None}]
)
def test_a_greeting_of_another_kind_or_for_another_vault_is_refused(served: Served, other: dict[str, object]) -> None:
    raw = served.raw(greeted=False)
    send(raw, greeting(served.path, **other))
    found = receive(raw)
    assert found is None or isinstance(wire.decode_error(found["error"]), (errors.SessionRefused, errors.NoSession))
    raw.close()


def test_an_error_that_nobody_expected_says_where_it_was_and_nothing_else(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_arguments: object) -> None:
        raise RuntimeError("canary content")

    monkeypatch.setattr("vault.cases.details", broken)
    with served.attach() as vault:
        with pytest.raises(errors.SessionFailed) as caught:
            vault.cases.get("HARBOUR").show()
        assert caught.value.fields["kind"] == "RuntimeError"
        assert "canary" not in str(caught.value)
        assert len(vault.cases.list()) == 1


# Where they meet


def test_the_socket_is_for_this_user_alone_and_its_name_tells_nothing(served: Served) -> None:
    assert served.socket_path.lstat().st_mode & 0o777 == 0o600
    assert served.runtime_dir.lstat().st_mode & 0o777 == 0o700
    assert set(served.socket_path.name) <= set("0123456789abcdef")
    assert len(os.fsencode(served.socket_path)) < 104


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o701, 0o777])
def test_a_folder_that_others_can_get_at_is_not_used_by_either_end(path: Path, runtime: Path, mode: int) -> None:
    runtime.mkdir(parents=True)
    runtime.chmod(mode)
    with open_vault(path) as vault, pytest.raises(errors.SessionRefused):
        meeting.listen(runtime, vault.path)
    with pytest.raises(errors.SessionRefused):
        Vault.attach(path, runtime_dir=runtime)


def test_a_link_in_place_of_the_folder_is_not_used_by_either_end(path: Path, runtime: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    runtime.symlink_to(tmp_path / "elsewhere")
    with open_vault(path) as vault, pytest.raises(errors.SessionRefused):
        meeting.listen(runtime, vault.path)
    with pytest.raises(errors.SessionRefused):
        Vault.attach(path, runtime_dir=runtime)


def test_a_socket_that_others_may_use_is_not_used(served: Served) -> None:
    served.socket_path.chmod(0o666)
    with pytest.raises(errors.SessionRefused):
        served.attach()


def test_what_is_no_socket_in_its_place_is_refused_and_left_alone(path: Path, runtime: Path, tmp_path: Path) -> None:
    meeting.make_private(runtime)
    place = meeting.socket_path(runtime, path)
    (tmp_path / "file").write_text("x")
    for plant in (lambda: place.write_text("x"), lambda: place.symlink_to(tmp_path / "file")):
        plant()
        with pytest.raises(errors.SessionRefused):
            Vault.attach(path, runtime_dir=runtime)
        with open_vault(path) as vault, pytest.raises(errors.SessionRefused):
            meeting.listen(runtime, vault.path)
        assert place.read_text() == "x"
        place.unlink()


def test_a_stale_socket_is_told_from_no_session_and_is_replaced(path: Path, runtime: Path) -> None:
    with pytest.raises(errors.NoSession):
        Vault.attach(path, runtime_dir=runtime)
    meeting.make_private(runtime)
    platform.listen(meeting.socket_path(runtime, path)).close()
    with pytest.raises(errors.SessionOver):
        Vault.attach(path, runtime_dir=runtime)
    with session(open_vault(path), runtime) as served, served.attach() as vault:
        assert len(vault.cases.list()) == 1


def test_a_copy_of_the_vault_does_not_find_the_session_of_the_other(served: Served, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(served.path, tmp_path / "copy")
    with pytest.raises(errors.NoSession):
        Vault.attach(tmp_path / "copy", runtime_dir=served.runtime_dir)


def test_a_socket_of_our_own_that_answers_nonsense_is_refused(path: Path, runtime: Path) -> None:
    meeting.make_private(runtime)
    listener = platform.listen(meeting.socket_path(runtime, path))

    def answer() -> None:
        for data in (b"\xff\xff\xff\xff", b"\0\0\0\2{}", b"\0\0\0\2[]", b'\0\0\0\x18{"error":["Exception",{}]}'):
            connection, _ = listener.accept()
            connection.recv(65536)
            connection.sendall(data)
            connection.close()

    thread = threading.Thread(target=answer)
    thread.start()
    for _ in range(4):
        with pytest.raises((errors.SessionRefused, errors.SessionOver)):
            Vault.attach(path, runtime_dir=runtime)
    thread.join()
    listener.close()


def test_a_path_that_is_too_long_for_a_socket_is_said_so(path: Path, home: Path) -> None:
    with open_vault(path) as vault, pytest.raises(errors.SessionUnavailable):
        meeting.listen(home / ("x" * 90), vault.path)


def test_an_agent_counts_with_the_clock_that_runs_on_while_the_machine_sleeps() -> None:
    import inspect

    assert inspect.signature(Agent).parameters["clock"].default is platform.monotonic_ns_including_suspend
    before = platform.monotonic_ns_including_suspend()
    time.sleep(0.01)
    assert 0.009 * SECOND < platform.monotonic_ns_including_suspend() - before < 60 * SECOND
