"""What is measured or prepared without the command line, each in a process of its own: `python -m bench.direct WHAT …`.

The bench itself imports nothing of the vault: a child's peak memory counts from that of the process that starts it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from bench.workspace import CASE, PARTNER
from crypto import age, kdf
from crypto.keys import ObjectKey
from vault import KeyFileUnlocker, Vault, files

_SYLLABLES = ("ахмад", "солта", "балта", "мага", "заур", "юсуп", "джава", "хаса", "шам", "цве")


def make(folder: str, key_file: str, cases: str) -> None:
    """A vault that a key file opens, with a partner and so many cases; of several each gets a statement and a person."""
    from vault import PersonFields

    with Vault.create(Path(folder), KeyFileUnlocker(Path(key_file).read_bytes())) as vault:
        vault.cases.new("Bench", code=CASE)
        vault.partners.add(PARTNER, age=str(age.HybridIdentity.generate().recipient()))
        for number in range(1, int(cases)):
            case = vault.cases.get(vault.cases.new(f"Case {number}").code)
            case.items.add_text(f"Statement number {number}. " * 200)
            case.persons.add(PersonFields(f"Person {number}"))


def receiver(folder: str, key_file: str, receiving: str, sealed: str, age_key: str) -> None:
    """Another vault, and a classical file for it that holds the case; the key with which age opens it, too.

    The sender's card was compared, so that opening asks nothing.
    """
    from crypto.age import X25519Identity
    from vault import schema

    unlocker = KeyFileUnlocker(Path(key_file).read_bytes())
    with Vault.open(Path(folder), unlocker) as sender, Vault.create(Path(receiving), unlocker) as found:
        found.partners.add("Sender", card=sender.identity.card())
        found.partners.get("Sender").verify(" ".join(sender.identity.show().digits), in_person=True)
        sender.partners.add("Receiver", card=found.identity.card(classical=True))
        with sender.cases.get(CASE).seal(to="Receiver", items="all", classical=True) as sealing:
            sealing.write(Path(sealed))
        (row,) = found.keeper.registry.rows(schema.IDENTITY)
        seed = row["x25519_seed"]
        if not isinstance(seed, bytes):
            raise TypeError("seed")
        path = Path(age_key)
        path.touch(0o600)
        path.write_text(X25519Identity(seed).secret_text() + "\n", encoding="ascii")


def make_large(folder: str, key_file: str, cases: str, items_in_each: str) -> None:
    """A vault with so many cases and items in each, made in minutes: all rows, changes, keys and words are there.

    Two things are left out: the encrypted bytes (64 KiB at least for each item, and nothing that is measured here reads
    them), and entries of the log (all items of a case are one act).
    """
    from vault import Description, items
    from vault.objects import Staged

    names = [first + last for first in _SYLLABLES for last in _SYLLABLES]
    with Vault.create(Path(folder), KeyFileUnlocker(Path(key_file).read_bytes())) as vault:
        keeper = vault.keeper
        for place in range(int(cases)):
            code = CASE if place == 0 else f"CASE{place}"
            vault.cases.new(f"Case {place}", code=code)
            with keeper._act("item-add", code) as act, keeper._changing(act) as compartment:
                for number in range(int(items_in_each)):
                    object_id, key, digest = os.urandom(16), os.urandom(32), os.urandom(32)
                    staged = Staged(object_id, key, 1000, 65536, 1, digest.hex(), None)
                    # About ten names are in a hundred items each; one word is in one item of each case, and one in one of all.
                    name = names[(place * 7 + number) % len(names)]
                    title = f"{name} {number}" + (" единственное" if number == 500 else "")
                    title += " unrepeatable" if (place, number) == (50, 500) else ""
                    items.add(
                        compartment,
                        staged,
                        Description(
                            kind="photo",
                            title=title,
                            note=f"снято у дома номер {number % 90}" if number % 4 == 0 else None,
                        ),
                        code=code,
                        file_name=f"IMG_{place:03}{number:05}.jpg",
                        words=None,
                        revises=None,
                        now=keeper.now,
                    )
                    compartment.keep_object_key(object_id, ObjectKey(key))
            keeper.drop(act.needed_case.case_id)


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


class _Weightless(files.Disk):
    """A disk on which nothing is overwritten: for making many steps, whose keys nobody will look for."""

    def overwrite(self, path: Path, offset: int, data: files.Buffer) -> None:
        pass


def log(folder: str, key_file: str, steps: str) -> None:
    """Makes so many steps of the log, and prints how much an entry adds to the file."""
    unlocker, database = KeyFileUnlocker(Path(key_file).read_bytes()), Path(folder) / "vault-1.db"
    with Vault.open(Path(folder), unlocker) as vault:
        vault.cases.list()
    before = database.stat().st_size
    with Vault.open(Path(folder), unlocker) as vault:
        entries, left = vault.info().log_entries, int(steps) // 2 - 1
        while left > 0:
            _act(vault, min(left, _IN_ONE_TRANSACTION))
            left -= _IN_ONE_TRANSACTION
        vault.cases.list()
        added = vault.info().log_entries - entries
    print(json.dumps((database.stat().st_size - before) / added))


_IN_ONE_TRANSACTION = 50_000


def _act(vault: Vault, times: int) -> None:
    """Intents and outcomes, each a step of its own; all durable together."""
    real, files.disk = files.disk, _Weightless()
    try:
        with vault.keeper.registry.store.atomic():
            for _ in range(times):
                vault.keeper.log.conclude(vault.keeper.log.intend("case-list").number, "done")
    finally:
        files.disk = real


def verify_log(folder: str, key_file: str, cores: str) -> None:
    """Verifies the whole log on so many cores; prints the seconds that it takes, and by how many MiB memory grows."""
    import resource

    with Vault.open(Path(folder), KeyFileUnlocker(Path(key_file).read_bytes())) as vault:
        vault.cases.list()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(cores)])
        start = time.perf_counter()
        vault.verify_log(full=True)
        taken = time.perf_counter() - start
    print(json.dumps([taken, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024]))


def seal_often(folder: str, key_file: str, times: str) -> None:
    """Seals the case so many times for the same partner, so that a later file proves from as many states; keeps no file."""
    with Vault.open(Path(folder), KeyFileUnlocker(Path(key_file).read_bytes())) as vault:
        for _ in range(int(times)):
            with vault.cases.get(CASE).seal(to=PARTNER, items="all") as sealing:
                sealing.write(Path(folder).with_name("sealed-often")).path.unlink()


def disclose(folder: str, key_file: str, entries: str, target: str) -> None:
    """Discloses so many entries to a file, and prints the seconds that it took."""
    with Vault.open(Path(folder), KeyFileUnlocker(Path(key_file).read_bytes())) as vault:
        start = time.perf_counter()
        Path(target).write_text(vault.disclose_log(entries=tuple(range(int(entries)))), encoding="utf-8")
        print(json.dumps(time.perf_counter() - start))


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
    _known = (make, receiver, make_large, show, log, verify_log, seal_often, disclose, first_frame, argon2id)
    {each.__name__: each for each in _known}[sys.argv[1]](*sys.argv[2:])
