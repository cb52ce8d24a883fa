"""The agent is killed at random moments while it serves a command: nothing is lost, and the command says what happened.

Every client is a real one; it may end in two ways only, with success or with the sentence that the session is over.
"""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import scenarios
from kills import Kills
from scenarios import OLD, Scenario, clock, verify
from sessions import until

from vault import Vault, errors, meeting
from vault.agent import Agent

pytestmark = [
    pytest.mark.usefixtures("segments"),
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="left out: kill -9 and Unix sockets"),
]

KILLS = {"add": 25, "edit": 25, "export": 15, "change": 15, "case delete": 15, "open anew": 20}
SIZES = {"add": 3_000_000}


def agent_of(path: Path, runtime: Path) -> int:
    """A process that serves the vault."""
    child = os.fork()
    if child:
        return child
    with contextlib.suppress(BaseException):
        vault = Vault.open(path, OLD, clock=clock)
        listener, socket_path = meeting.listen(runtime, path)
        Agent(vault, listener, socket_path).run()
    os._exit(0)


def attached(path: Path, runtime: Path) -> Vault:
    found: list[Vault] = []

    def answers() -> bool:
        with contextlib.suppress(errors.NoSession, errors.SessionOver):
            found.append(Vault.attach(path, runtime_dir=runtime))
        return bool(found)

    until(answers)
    return found[0]


def at_work(scenario: Scenario, act: Callable[[Vault], None], runtime: Path, after: float | None) -> tuple[bool, float]:
    """Do something through an agent that is killed after so many seconds; whether it was done, and how long it took."""
    scenario.copy()
    agent = agent_of(scenario.path, runtime)
    try:
        with attached(scenario.path, runtime) as vault:
            killer = threading.Timer(after or 0, os.kill, (agent, signal.SIGKILL))
            if after is not None:
                killer.start()
            started = time.perf_counter()
            try:
                act(vault)
                done = True
            except errors.SessionOver:
                done = False
            taken = time.perf_counter() - started
            if after is not None:
                killer.join()
    finally:
        os.kill(agent, signal.SIGKILL)
        os.waitpid(agent, 0)
    with pytest.raises(errors.SessionOver):
        Vault.attach(scenario.path, runtime_dir=runtime)
    return done, taken


@pytest.mark.parametrize("act", KILLS)
def test_an_agent_that_is_killed_while_it_serves_leaves_the_old_state_or_the_new(
    act: str, place: Path, home: Path
) -> None:
    runtime = home.parent / "run" / "casevault"
    scenario = Scenario(place, act, cases=3, size=SIZES.get(act, 100_000))
    expected = dict(zip(("before", "after"), scenario.both, strict=True))
    _done, span = at_work(scenario, scenario.act, runtime, None)
    kills = Kills(f"agent at {act}", KILLS[act], span)
    for number, moment in enumerate(kills):
        done, _taken = at_work(scenario, scenario.act, runtime, moment)
        kills.landed(not done)
        exported = sorted((scenario.material / "exported").iterdir())
        if exported:  # then all of it, and only the outcome can be missing
            assert [path.suffix for path in exported] == [".txt", ".sha256", ".sha512"]
            assert exported[0].read_bytes() == scenarios.LETTER
        state = verify(
            scenario.path,
            expected,
            secrets=("old", "new") if scenario.changes_secret else ("old",),
            first=("old", "recovery", "new")[number % (3 if scenario.changes_secret else 2)],
        )
        assert not done or state in ("after", scenario.same), "what was reported as done is there"
        if scenario.opens:
            scenario.verify_received(scenario.path, state)
        scenario.source.verify()


def test_an_agent_that_is_killed_while_it_searches_loses_nothing(place: Path, home: Path) -> None:
    runtime = home.parent / "run" / "casevault"
    scenario = Scenario(place, "export", cases=3)
    expected = {"before": scenario.both[0]}

    def search(vault: Vault) -> None:
        assert len(vault.search("written")) == 3

    _done, span = at_work(scenario, search, runtime, None)
    kills = Kills("agent that searches", 12, span)
    for moment in kills:
        done, _taken = at_work(scenario, search, runtime, moment)
        kills.landed(not done)
        verify(scenario.path, expected, secrets=("old",))
