"""A real process is killed at random moments, hundreds of times: the vault always opens, with all of the old state or the new.

Where a kill lands is drawn, from a fixed seed, within the measured length of the operation; how many landed inside is counted.
"""

import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import scenarios
from kills import Kills
from scenarios import OLD, RECOVERY, Children, Scenario, clock, contents, verify

from crypto.objects import SEGMENT
from vault import Vault, objects

pytestmark = [
    pytest.mark.usefixtures("segments"),
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="left out: kill -9 needs fork"),
]

KILLS = {
    "add": 80,
    "change": 80,
    "key add": 40,
    "key remove": 40,
    "case delete": 60,
    "draft save": 40,
    "draft store": 40,
    "seal": 60,
    "open": 40,
    "open anew": 40,
    "receipt make": 30,
    "receipt take": 30,
    "open forked": 20,
    "receipt forked": 20,
}
SIZES = {"add": 6_000_000}


def _duration(children: Children, scenario: Scenario) -> float:
    taken = []
    for _ in range(5):
        scenario.copy()
        children.start(scenario)
        started = time.perf_counter()
        ended = children.end()
        taken.append(time.perf_counter() - started)
        assert (ended.killed, ended.error) == (False, "")
    return statistics.median(taken)


@pytest.mark.parametrize("act", KILLS)
def test_a_killed_process_leaves_the_old_state_or_the_new(act: str, place: Path) -> None:
    scenario = Scenario(place, act, cases=4, size=SIZES.get(act, 100_000))
    expected = dict(zip(("before", "after"), scenario.both, strict=True))
    states: Counter[str] = Counter()
    with Children() as children:
        kills = Kills(act, KILLS[act], _duration(children, scenario), enough=lambda: len(states) == 2)
        for number, moment in enumerate(kills):
            scenario.copy()
            killed = children.killed(moment, scenario.path, scenario.material, act)
            kills.landed(killed)
            state = verify(
                scenario.path,
                expected,
                secrets=("old", "new") if scenario.changes_secret else ("old",),
                first=("old", "recovery", "new")[number % (3 if scenario.changes_secret else 2)],
            )
            if not killed:
                assert state in ("after", scenario.same), "what was reported as done is there"
            state = scenario.verify_more(scenario.path, state, done=not killed)
            states[scenarios.verify_secret(scenario.path) if scenario.changes_secret else state] += 1
            scenario.source.verify()
    assert len(states) == 2, f"one of two states, and each was seen: {states}"


# What a person runs: a command is killed anywhere between its start and its end.
COMMANDS = {
    "add": ("add", "HARBOUR", "statement.mp4", "--note", "from her phone"),
    "case delete": ("case", "delete", "HARBOUR", "--confirm", "HARBOUR"),
    "seal": ("seal", "HARBOUR", "--all", "--to", "Bear", "--yes", "-o", "exported"),
    "open": ("open", "sealed.age", "--into", "HARBOUR"),
    "open --receipt": ("open", "sealed.age", "--into", "HARBOUR", "--receipt", "exported"),
    "receipt take": ("receipt", "receipt.age"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_killed_command_leaves_the_old_state_or_the_new(
    name: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    act, writes_receipt = name.removesuffix(" --receipt"), name.endswith("--receipt")
    monkeypatch.setattr(objects, "SEGMENT", SEGMENT)  # a command has segments of the real size
    scenario = Scenario(place, act, cases=3, size=3_000_000)
    expected = dict(zip(("before", "after"), scenario.both, strict=True))
    (place / "key").write_bytes(scenarios.OLD_KEY)
    command = [sys.executable, "-m", "commands", "--vault", str(scenario.path), "--key-file", str(place / "key")]

    def start() -> "subprocess.Popen[bytes]":
        scenario.copy()
        shutil.rmtree(place / "state", ignore_errors=True)  # this machine remembers that it saw a later state
        return subprocess.Popen(
            [*command, *COMMANDS[name]],
            cwd=scenario.material,
            env=scenarios.child_environment() | {"XDG_STATE_HOME": str(place / "state")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    started = time.perf_counter()
    assert start().wait() == 0
    kills = Kills(f"command {name}", COMMAND_KILLS, time.perf_counter() - started, soonest=1 / 3)
    for number, moment in enumerate(kills):
        running = start()
        time.sleep(moment)
        running.kill()
        killed = running.wait() == -signal.SIGKILL
        kills.landed(killed)
        state = verify(
            scenario.path, expected, secrets=("old",), first=("old", "recovery")[number % 2], seen=_bytes_and_titles
        )
        assert killed or state in ("after", scenario.same)
        scenario.verify_more(scenario.path, state, done=not killed)
        if writes_receipt:
            scenario.verify_written(scenario.path, state, done=not killed)
        scenario.source.verify()


COMMAND_KILLS = 25


def _bytes_and_titles(found: scenarios.Contents) -> scenarios.Contents:
    # A command takes the time from the clock, and the name of the source from nowhere.
    return tuple(
        (summary.code, tuple((item.summary.title, item.sha256, item.summary.size_bytes) for item in items))
        for summary, _, items, _, _ in found
    )


def test_one_vault_survives_being_killed_again_and_again(place: Path) -> None:
    # No fresh copy: each kill meets what the one before left, and recovery itself is killed as well.
    path = place / "vault"
    scenarios.build(path, cases=2)
    with Vault.open(path, OLD, clock=clock) as vault:
        others = contents(vault)[1:]
    moments = random.Random("again and again")
    items, inside = 2, 0
    spans = {"add more": 0.05, "change": 0.08, "open": 0.02}
    with Children() as children:
        for number in range(60):
            act = tuple(spans)[number % 3]
            killed = children.killed(moments.uniform(0, spans[act]), path, place, act, secret="any", again=1)
            inside += killed
            spans[act] *= 1.1 if killed else 0.8
            if act != "open":
                continue
            with Vault.open(path, RECOVERY, clock=clock) as vault:
                assert set(vault.warnings) <= scenarios.EXPECTED_WARNINGS
                assert vault.check(read_data=True).findings == ()
                found = contents(vault, read=True)
                before, items = items, len(vault.cases.get("HARBOUR").items.list())
            assert found[1:] == others
            assert before <= items <= before + 1, "what was there once is there still"
            scenarios.verify_secret(path)
    print(f"one vault: {inside} of 60 kills inside, {items - 2} items came in")
    assert inside >= 20, "kills should have landed inside"
