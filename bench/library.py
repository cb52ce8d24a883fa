"""What is measured or prepared without the command line, each in a process of its own: `python -m bench.library WHAT …`.

The bench itself imports nothing of the vault: a child's peak memory counts from that of the process that starts it.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from crypto import kdf
from vault import KeyFileUnlocker, Vault

CASE = "BENCH"


def make(folder: str, key_file: str, cases: str) -> None:
    """A vault that a key file opens, with so many cases; of several each gets a statement and a person."""
    from vault import PersonFields

    with Vault.create(Path(folder), KeyFileUnlocker(Path(key_file).read_bytes())) as vault:
        vault.cases.new("Bench", code=CASE)
        for number in range(1, int(cases)):
            case = vault.cases.get(vault.cases.new(f"Case {number}").code)
            case.items.add_text(f"Statement number {number}. " * 200)
            case.persons.add(PersonFields(f"Person {number}"))


def show(folder: str, key_file: str, count: str) -> None:
    """Milliseconds of one read after the other of what is known of an item, each logged before and after."""
    taken = []
    with Vault.open(Path(folder), KeyFileUnlocker(Path(key_file).read_bytes())) as vault:
        item = vault.cases.get(CASE).items.get(1)
        item.show()
        for _ in range(int(count)):
            start = time.perf_counter()
            item.show()
            taken.append((time.perf_counter() - start) * 1000)
    print(json.dumps(taken))


def first_frame(folder: str, key_file: str, *options: str) -> None:
    """`view BENCH/1` as it is, but for a player that ends after its first frame, which nobody sees."""
    import os

    from commands import _players, cli

    os.environ["DISPLAY"] = ":nowhere"
    _players._OPTIONS += options
    sys.exit(cli.main(["--vault", folder, "--key-file", key_file, "view", f"{CASE}/1"]))


def argon2id(count: str) -> None:
    """Seconds of Argon2id at the cost of the vaults made here."""
    taken = []
    for _ in range(int(count)):
        start = time.perf_counter()
        kdf.argon2id(kdf.passphrase_secret("measured", None), salt=bytes(kdf.SALT_SIZE), cost=kdf.FLOOR)
        taken.append(time.perf_counter() - start)
    print(json.dumps(taken))


if __name__ == "__main__":
    {"make": make, "show": show, "first_frame": first_frame, "argon2id": argon2id}[sys.argv[1]](*sys.argv[2:])
