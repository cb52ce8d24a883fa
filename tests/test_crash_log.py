"""A process that writes one step of the log after the other is killed again and again: the key that is needed is always there."""

from __future__ import annotations

import os
import signal
import struct
import time
from pathlib import Path

import pytest
from kills import Kills
from scenarios import OLD, build, clock

from vault import Vault

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="left out: kill -9 needs fork"),
]

KILLS = 40
SPAN = 0.05
_NUMBER = struct.Struct(">I")


def _write_steps(path: Path, told: int) -> None:
    """In a child: look at the cases for ever, and tell after each look how many steps the log has."""
    with Vault.open(path, OLD, clock=clock) as vault:
        while True:
            vault.cases.list()
            os.write(told, _NUMBER.pack(vault.keeper.registry.steps))


def test_whenever_a_process_that_writes_steps_is_killed_its_key_or_the_next_one_fits(place: Path) -> None:
    path = place / "vault"
    build(path, cases=1)
    steps = 0
    # Inside: between intent and outcome, where a look spends some of its time.
    kills = Kills("log", KILLS, SPAN, least=KILLS // 10)
    for moment in kills:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                _write_steps(path, writing)
            finally:
                os._exit(1)
        os.close(writing)
        with os.fdopen(reading, "rb", buffering=0) as told:
            last = told.read(_NUMBER.size)  # it is at work
            time.sleep(moment)
            os.kill(child, signal.SIGKILL)
            assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
            while piece := told.read(_NUMBER.size):
                last = piece
        with Vault.open(path, OLD, clock=clock) as vault:
            assert set(vault.warnings) <= {"recovered"}
            kills.inside += "recovered" in vault.warnings  # the span stays: a look follows the other without end
            assert vault.keeper.registry.steps >= _NUMBER.unpack(last)[0] > steps, "no step that was reported is lost"
            vault.verify_log()
            steps = vault.keeper.registry.steps
    with Vault.open(path, OLD, clock=clock) as vault:
        assert len(vault.verify_log(full=True).generations) == 1
        assert vault.check(read_data=True).findings == ()
