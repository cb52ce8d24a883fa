"""Makes the golden vault of format 1. It was run once; after the first release it must never be run again.

Every later version must open the vault that lies in tests/vaults/v1 as it is. A new format gets a vault of its own.

    python tests/vectors/make/golden_v1.py FOLDER
"""

from __future__ import annotations

import hashlib
import io
import json
import random
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from vault import Description, KeyFileUnlocker, PersonFields, RecoveryUnlocker, Vault

FIRST_KEY = b"casevault golden vault, first key file"
KEY = b"casevault golden vault, key file"
WORDS = "abandon " * 23 + "art"
CLOCK = "2026-11-22T08:15:00.000Z"


def main(folder: Path) -> None:
    """Make the vault and a description of everything in it."""
    path = folder / "vault"
    with Vault.create(
        path, KeyFileUnlocker(FIRST_KEY), label="Anna", recovery=RecoveryUnlocker(WORDS), clock=lambda: CLOCK
    ) as vault:
        _first_case(vault)
        vault.change_passphrase(KeyFileUnlocker(FIRST_KEY), KeyFileUnlocker(KEY))
        _second_case(vault)
        _third_case_deleted(vault)
        expected = described(vault)
    (folder / "expected.json").write_text(
        json.dumps(expected, ensure_ascii=False, indent=1, sort_keys=True) + "\n", encoding="utf-8"
    )
    for name in ("cases", "objects", "drafts", "staging"):
        if not any((path / name).iterdir()):
            (path / name).rmdir()  # version control keeps no empty folders, and the vault makes them again
    (path / "lock").unlink(missing_ok=True)


def _first_case(vault: Vault) -> None:
    vault.cases.new("Harbour Street", code="HARBOUR")
    case = vault.cases.get("HARBOUR")
    case.edit(description="Ушла из дома по своей воле")
    case.edit(title="Harbour Street, второй этаж")
    case.note("Первая встреча на вокзале")
    case.tag(("срочно", "border"))
    case.items.add_text(
        "Я ушла по своей воле; родные попытаются меня вернуть.",
        description=Description(
            title="Заявление",
            kind="statement",
            note="записано на кухне",
            tags=("воля",),
            source="HARBOUR/p1",
            via="courier",
            recorded="2026-06-11T20:30:00+04:00",
            received="2026-06-12",
            language="ru",
        ),
    )
    film = random.Random(1).randbytes(60_000)
    with tempfile.TemporaryDirectory() as name:
        source = Path(name, "Видео 1.mp4")
        source.write_bytes(film)
        case.items.add_file(source)
        case.items.add_file(source, description=Description(via="mail", source="a friend"))
        redacted = Path(name, "redacted.mp4")
        redacted.write_bytes(film[:50_000])
        case.items.get(2).revise_file(redacted, description=Description(title="Without faces"))
    case.items.add_stream(io.BytesIO(b""), file_name="empty.pdf")
    case.items.add_stream(io.BytesIO(b"to be deleted"), file_name="deleted.jpg")
    case.items.get(5).delete("she asked for it")
    case.items.get(1).edit(title="Заявление на кухне", via="")
    case.persons.add(
        PersonFields(
            name="Зайнаб Ахмадова",
            aliases=("Zaynab Akhmadova", "ზაინაბ"),
            phones=("+7 900 000-00-01",),
            mails=("zaynab@example.org",),
            messengers=("signal: +7 900 000-00-01",),
            addresses=("Harbour Street 5",),
            role="witness",
            safe_times="after 22:00",
        )
    )
    case.persons.add(PersonFields(name="Nobody"))
    case.persons.get(1).edit(phones=("+995 555 000 002",))
    case.persons.get(2).remove()


def _second_case(vault: Vault) -> None:
    vault.cases.new("Мост", code="BRIDGE")
    case = vault.cases.get("BRIDGE")
    case.persons.add(PersonFields(name="Анна"))
    case.note("after the change of keys")


def _third_case_deleted(vault: Vault) -> None:
    vault.cases.new("To be deleted", code="GONE")
    vault.cases.get("GONE").items.add_text("gone")
    vault.cases.get("GONE").delete(KeyFileUnlocker(KEY))


def described(vault: Vault) -> dict[str, object]:
    """Everything that a reader of the vault is ever told, as plain JSON."""
    cases = {}
    for summary in vault.cases.list():
        case = vault.cases.get(summary.code)
        items = {}
        for item in case.items.list():
            number = int(item.reference.partition("/")[2])
            with case.items.get(number).open() as reading:
                data = b"".join(bytes(piece) for piece in reading)
            digest = hashlib.sha512(data).hexdigest()
            items[item.reference] = {"shown": asdict(case.items.get(number).show()), "bytes": [len(data), digest]}
        persons = [asdict(person) for person in case.persons.list()]
        cases[summary.code] = {"shown": asdict(case.show()), "items": items, "persons": persons}
    info = vault.info()
    hits = [asdict(hit) for words in ("воле", "zaynab", "harbour") for hit in vault.search(words)]
    return json.loads(
        json.dumps(
            {
                "cases": cases,
                "keys": [asdict(key) for key in info.keys],
                "vault_id": info.vault_id,
                "epoch": info.epoch,
                "created": info.created,
                "found": sorted((hit["reference"], hit["field"]) for hit in hits),
            }
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
