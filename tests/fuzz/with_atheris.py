"""A reader under atheris, which looks for bytes that reach new places in it.

PYTHONPATH=.:tests/support python tests/fuzz/with_atheris.py archive tests/vectors/fuzz/archive -max_total_time=60

What follows the target's name goes to libFuzzer: what reaches a new place is kept in the first folder. An error that is no
refusal by name ends the run, and its input is written to a file.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["crypto", "vault"]):
    from fuzzing import TARGETS

target = TARGETS[sys.argv.pop(1)]


def one_input(data: bytes) -> None:
    target(data)


atheris.Setup(sys.argv, one_input)
atheris.Fuzz()
