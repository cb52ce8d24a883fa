"""`open --receipt`, `receipt` and `grants` as a person uses them: two vaults, one at each end."""

from __future__ import annotations

import dataclasses
import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bags
import pytest
from altered import run_without_outcome
from receipts import hybrid, members, packed, parts, said, sealed
from sealing import Sender as Partner
from sealing import To
from somebody import Somebody
from their_logs import TheirLog
from vaults import write_rows

from commands import seal
from vault import KeyFileUnlocker, Vault, dropping, errors, schema

BEAR = Somebody(1)
HOSTILE = "Bear\u202egnp \x1b[31m[red]x[/red]"


class Ends:
    """Ours has sealed one file for Bear, whose vault is theirs."""

    def __init__(self, cv: Any) -> None:
        self.cv = cv
        self.key = KeyFileUnlocker(cv.key_file.read_bytes())
        self.theirs = dataclasses.replace(cv, vault=cv.folder / "theirs")
        with Vault.create(self.theirs.vault, self.key) as there, Vault.open(cv.vault, self.key) as here:
            there.partners.add("Anna", card=here.identity.card())
            here.partners.add("Bear", card=there.identity.card())
            here.cases.new("Harbour Street", code="HARBOUR")
            case = here.cases.get("HARBOUR")
            case.items.add_text("I left of my own will.")
            case.items.add_text("She came by the night train.")
            with case.seal(to="Bear", items="all", purpose="hearing", terms="read only") as sealing:
                sealing.write(cv.folder / "for-bear.age")

    def seal(self, name: str) -> None:
        """Another file for Bear, by somebody whose computer remembers nothing."""
        with self.ours as here, here.cases.get("HARBOUR").seal(to="Bear", items="all") as sealing:
            sealing.write(self.cv.folder / name)

    def confirm(self, name: str = "for-bear.age") -> None:
        """What `open --receipt r.age` does at the other end."""
        with Vault.open(self.theirs.vault, self.key) as there:
            found, _ = there.open_file(self.cv.folder / name, spoken=lambda: "", accept=lambda _found: True)
            there.write_receipt(found, self.cv.folder / "r.age")

    @property
    def ours(self) -> Vault:
        return Vault.open(self.cv.vault, self.key)


@pytest.fixture
def ends(cv: Any) -> Ends:
    return Ends(cv)


# What a recipient does


def test_open_writes_a_receipt_which_the_sender_takes_in(ends: Ends) -> None:
    done = ends.theirs("open", "for-bear.age", "--receipt", "r.age", "--accept-unverified")
    assert "r.age. Send it to Anna" in done.stderr
    taken = ends.cv("receipt", "r.age")
    assert "Partner: Bear" in taken.stdout
    assert "File: HARBOUR-1" in taken.stdout
    assert "Complete: yes" in taken.stdout
    assert "Items that came whole: 2" in taken.stdout
    assert "Bear has signed that all of it came" in taken.stderr
    again = ends.cv("receipt", "r.age")
    assert "confirmed before" in again.stderr


def test_a_receipt_can_be_had_later_and_in_a_folder_it_has_a_random_name(ends: Ends) -> None:
    ends.theirs("open", "for-bear.age", "--accept-unverified")
    (ends.cv.folder / "out").mkdir()
    told = ends.theirs("--json", "open", "for-bear.age", "--receipt", "out").json
    assert told["known"]
    (path,) = (ends.cv.folder / "out").iterdir()
    assert told["receipt"] == str(Path("out") / path.name)
    assert path.name.startswith("sealed-")
    assert ends.cv("--json", "receipt", path).json["complete"]
    assert ends.theirs("--json", "open", "for-bear.age").json["receipt"] is None


def test_a_receipt_is_told_of_though_the_log_could_not_record_that_it_was_written(ends: Ends) -> None:
    (ends.cv.folder / "out").mkdir()
    status, _out, err = run_without_outcome(
        ends.theirs, "receipt-make", *("open", "for-bear.age", "--receipt", "out", "--accept-unverified")
    )
    (path,) = (ends.cv.folder / "out").iterdir()
    assert f"The receipt is {Path('out') / path.name}. Send it to Anna" in err
    assert status == 28
    assert ends.cv("--json", "receipt", path).json["complete"]


def test_where_no_receipt_can_be_written_what_came_is_stored_and_the_reason_is_said(ends: Ends) -> None:
    letter = ends.cv.file("letter.txt")
    with Vault.open(ends.theirs.vault, ends.key) as there:
        dropping.drop([letter], there.identity.card(), ends.cv.folder / "drop.age", clock=there.keeper.clock)
    done = ends.theirs("--json", "open", "drop.age", "--receipt", "r.age", status=15)
    assert done.json["receipt"] is None
    assert len(done.json["items"]) == 1
    assert "No receipt was written: nobody signed this file" in done.stderr
    assert not (ends.cv.folder / "r.age").exists()
    ends.theirs("partner", "remove", "Anna", "--yes")
    done = ends.theirs("open", "for-bear.age", "--receipt", "r.age", "--accept-unverified", status=15)
    assert "/1" in done.stdout
    assert "not among your partners" in done.stderr


def test_a_place_that_is_taken_is_seen_before_anything_is_stored(ends: Ends) -> None:
    ends.cv.file("there.age")
    ends.theirs("open", "for-bear.age", "--receipt", "there.age", "--accept-unverified", status=15)
    ends.theirs("open", "for-bear.age", "--receipt", "no/where.age", "--accept-unverified", status=14)
    assert ends.theirs("--json", "case", "list").json == []
    assert (ends.cv.folder / "there.age").read_bytes() == b"bytes of an original"


def test_of_a_file_that_was_cut_the_sender_learns_it(ends: Ends) -> None:
    whole = (ends.cv.folder / "for-bear.age").read_bytes()
    # One chunk holds all of this file, so another one stands for a file of several.
    with ends.ours as here:
        here.cases.get("HARBOUR").items.add_stream(io.BytesIO(os.urandom(300_000)), file_name="road.mp4")
        with here.cases.get("HARBOUR").seal(to="Bear", items="all") as sealing:
            whole = sealing.write(ends.cv.folder / "second.age").path.read_bytes()
    ends.cv.file("part.age", whole[:-100_000])
    done = ends.theirs("open", "part.age", "--receipt", "r.age", "--accept-unverified", status=22)
    assert done.stdout == ""
    assert "Not all of the file came" in done.stderr
    taken = ends.cv("receipt", "r.age")
    assert "Complete: no" in taken.stdout
    assert "send it to Bear again" in taken.stderr
    listed = ends.cv("grants").lines
    assert listed[1][3].startswith("no: only 2 items came whole")
    # And of one without its signatures nothing is said to anybody.
    ends.cv.file("part.age", whole[:4000])
    done = ends.theirs("open", "part.age", "--receipt", "r2.age", "--accept-unverified", status=22)
    assert not (ends.cv.folder / "r2.age").exists()


# What is refused


def test_what_is_no_receipt_is_refused_with_its_status(ends: Ends) -> None:
    assert (
        "sealed for you is taken in"
        in ends.cv("receipt", ends.cv.file("x", b"age-encryption.org/v1\n"), status=22).stderr
    )
    ends.cv("receipt", ends.cv.file("x", b"hello"), status=21)
    ends.cv("receipt", "missing", status=14)
    assert "not for this vault" in ends.cv("receipt", "for-bear.age", status=22).stderr
    ends.confirm()
    ends.theirs("receipt", "r.age", status=22)
    assert "this is a receipt" in ends.cv("open", "r.age", status=15).stderr
    assert "this is a receipt" in ends.cv("inspect", "r.age", status=15).stderr
    assert [each["confirmed"] for each in ends.cv("--json", "grants").json] == [None]


# Who has what


def test_grants_says_who_has_what_in_every_form(ends: Ends, terminal: Callable[..., Any]) -> None:
    (line,) = ends.cv("grants").lines
    assert line[:2] == ["Bear", "HARBOUR-1"]
    assert line[3:] == ["not yet", "1-2", "", "hearing", "read only"]
    plain = ends.cv("--plain", "grants", "harbour").stdout
    assert "Who: Bear\nFile: HARBOUR-1\n" in plain
    assert "Confirmed: not yet" in plain
    assert "Terms: read only" in plain
    (told,) = ends.cv("--json", "grants", "HARBOUR").json
    assert (told["partner"], told["sequence"], told["complete"], told["items"]) == ("Bear", 1, None, [1, 2])
    shown = terminal(*ends.cv.options, "grants").finish()[1]
    assert "Nothing that was sealed can be taken back" in shown
    assert ends.cv("grants", "NOWHERE", status=14).stdout == ""


def test_a_vault_that_sealed_nothing_says_so(harbour: Any) -> None:
    done = harbour("grants")
    assert done.stdout == ""
    assert done.stderr.strip() == "Nothing was sealed for anybody."
    assert harbour("--json", "grants", "HARBOUR").json == []


def test_nothing_claims_to_take_back_what_a_removed_partner_has(ends: Ends) -> None:
    ends.confirm()
    ends.cv("receipt", "r.age")
    done = ends.cv("partner", "remove", "Bear", "--yes")
    assert "Bear has HARBOUR-1" in done.stderr
    assert "nothing can take it back" in done.stderr
    listed = ends.cv("grants")
    assert listed.lines[0][0].startswith("Bear, removed on ")
    assert listed.lines[0][3].startswith("yes: all of it came on ")
    assert "what they were sent, they keep" in listed.stderr
    done = ends.cv("case", "delete", "HARBOUR", "--confirm", "HARBOUR")
    assert "Bear has HARBOUR-1" in done.stderr
    assert ends.cv("grants").lines[0][4] == "case deleted here"


def test_a_file_for_a_passphrase_belongs_to_whoever_has_both(ends: Ends) -> None:
    with ends.ours as here, here.cases.get("HARBOUR").seal(to=None, items=[1]) as sealing:
        sealing.write(ends.cv.folder, passphrase="seven quiet herons")
    with ends.ours as here:
        here.partners.add("Owl", age=str(BEAR.hybrid.recipient()))
        with here.cases.get("HARBOUR").seal(to="Owl", items=[1]) as sealing:
            sealing.write(ends.cv.folder)
    confirmed = {line[0]: line[3] for line in ends.cv("grants").lines}
    assert confirmed == {
        "Bear": "not yet",
        "whoever has the file and the passphrase": "no: nobody can confirm it",
        "Owl": "no: nobody can confirm it",
    }


def test_names_and_texts_that_are_hostile_are_shown_and_never_obeyed(ends: Ends, terminal: Callable[..., Any]) -> None:
    with ends.ours as here:
        row = here.keeper.registry.rows(schema.PARTNERS)[0]
        write_rows(here.keeper.registry, lambda: here.keeper.registry.put(schema.PARTNERS, {**row, "name": HOSTILE}))
        terms = "yes\r\x1b[2J\u2066"
        with here.cases.get("HARBOUR").seal(to=HOSTILE, items="all", purpose=HOSTILE, terms=terms) as sealing:
            sealing.write(ends.cv.folder / "second.age")
    ends.confirm("second.age")
    everything = [
        ends.cv("receipt", "r.age"),
        ends.cv("grants"),
        ends.cv("--plain", "grants"),
        ends.cv("--json", "grants"),
    ]
    shown = terminal(*ends.cv.options, "grants").finish()[1]
    for text in [each.stdout + each.stderr for each in everything] + [shown]:
        assert "\u202e" not in text
        assert "\x1b[31m" not in text
        assert "\x1b[2J" not in text
        assert "\u2066" not in text
    assert "[red]x[/red]" in everything[1].stdout


def test_a_receipt_that_says_hostile_things_says_nothing(ends: Ends) -> None:
    with ends.ours as here:
        here.partners.add("Crane", card=BEAR.card(name="Crane"))
        with here.cases.get("HARBOUR").seal(to="Crane", items=[1]) as sealing:
            sealing.write(ends.cv.folder)
        row = next(each for each in here.keeper.registry.rows(schema.SHARES) if each["partner"] == 2)
        content = said(BEAR, here.identity.show().fingerprint, row, arrived="\x1b[2Jnow")
        file = ends.cv.file("r.age", sealed(packed(members(parts(BEAR, content))), hybrid(here)))
    done = ends.cv("receipt", file, status=22)
    assert "\x1b" not in done.stderr


def test_in_a_session_receipt_and_grants_ask_for_nothing(ends: Ends) -> None:
    ends.confirm()
    ends.cv("unlock")
    try:
        vault = ("--vault", ends.cv.vault)
        assert ends.cv.bare(*vault, "--json", "receipt", "r.age").json["complete"]
        assert ends.cv.bare(*vault, "grants").lines[0][3].startswith("yes: all of it came")
        assert ends.cv.bare(*vault, "receipt", "r.age").stderr.startswith("This was confirmed before")
    finally:
        ends.cv("lock")


# The log


def test_log_status_says_up_to_which_entry_how_many_partners_have_confirmed(ends: Ends) -> None:
    assert "no receipt has named it yet" in ends.cv("log", "status").stdout
    ends.confirm()
    assert ends.cv("--json", "receipt", "r.age").json["log"] == "confirmed"
    (confirmed,) = ends.cv("--json", "log", "status").json["confirmed"]
    assert confirmed["partner"] == "Bear"
    assert f"up to entry {confirmed['entries'] - 1} by 1 partner: Bear" in " ".join(
        ends.cv("log", "status").stdout.split()
    )


def forked(ends: Ends) -> None:
    """Bear has confirmed second.age; an older copy of our vault has gone on and sealed other.age."""
    older = ends.cv.folder / "older"
    shutil.copytree(ends.cv.vault, older)
    ends.seal("second.age")
    ends.confirm("second.age")
    shutil.rmtree(ends.cv.vault)
    older.rename(ends.cv.vault)
    ends.seal("other.age")


def test_two_histories_are_said_by_open_by_the_receipt_and_from_then_on_by_every_command(ends: Ends) -> None:
    forked(ends)
    done = ends.theirs("open", "other.age", "--accept-unverified", status=22)
    assert "log" in done.stderr
    (fork,) = ends.theirs("--json", "log", "status").json["forks"]
    assert fork["partner"] == "Anna"
    assert "do not go together" in " ".join(ends.theirs("log", "status").stderr.split())
    assert "two histories" in " ".join(ends.theirs("case", "list").stderr.split())
    told = " ".join(ends.cv("receipt", "r.age", status=22).stderr.split())
    assert "its own keys have signed a state of its log for Bear" in told
    assert "The proof is kept" in told
    assert "never had" in " ".join(ends.cv("case", "list").stderr.split())


def test_a_session_says_two_histories_at_every_unlock_and_status(ends: Ends) -> None:
    forked(ends)
    vault = ("--vault", ends.theirs.vault)

    def warned(done: Any) -> bool:
        return "two histories" in " ".join(done.stderr.split())

    assert not warned(ends.theirs("unlock"))
    try:
        assert not warned(ends.theirs.bare(*vault, "status"))
        ends.theirs.bare(*vault, "open", "other.age", "--accept-unverified", status=22)
        assert warned(ends.theirs.bare(*vault, "status"))  # found in this session
        assert ends.theirs.bare(*vault, "--json", "status").json["session"]["warnings"] == ["partner-log-forked"]
        assert warned(ends.theirs.bare(*vault, "unlock"))
        ends.theirs.bare(*vault, "lock")
        assert warned(ends.theirs("status"))  # opened by the command itself
        assert warned(ends.theirs("unlock"))
        assert warned(ends.theirs.bare(*vault, "status", "--plain"))
    finally:
        ends.theirs("lock")


def told(done: Any) -> str:
    return " ".join(done.stderr.split())


def test_what_a_partner_only_says_of_the_log_is_told_once_as_their_word(ends: Ends) -> None:
    with ends.ours as here:
        here.partners.add("Crane", card=BEAR.card(name="Crane"))
        with here.cases.get("HARBOUR").seal(to="Crane", items=[1]) as sealing:
            sealing.write(ends.cv.folder)
        (row,) = (each for each in here.keeper.registry.rows(schema.SHARES) if each["partner"] == 2)
        never = f"casevault/{here.info().vault_id}/g1\n5\n{'A' * 43}=\n"
        for name, values in (("known.age", {}), ("unknown.age", {"share_id": "ab" * 16})):
            content = said(BEAR, here.identity.show().fingerprint, row, items=1, checkpoint=never) | values
            ends.cv.file(name, sealed(packed(members(parts(BEAR, content))), hybrid(here)))
    refused = told(ends.cv("receipt", "unknown.age", status=22))
    assert "the word of Crane alone" in refused
    assert "open FILE --receipt" in refused
    done = ends.cv("receipt", "known.age")
    assert "their word alone" in told(done)
    assert "Complete: yes" in done.stdout
    assert "never had" not in told(ends.cv("log", "status"))
    assert ends.cv("--json", "receipt", "known.age").json["log"] == "claimed"


def test_files_that_lie_too_far_apart_are_asked_about_and_never_called_another_history(cv: Any) -> None:
    anna, key = Partner(7), KeyFileUnlocker(cv.key_file.read_bytes())
    log = TheirLog(anna)
    with Vault.open(cv.vault, key) as here:
        to = To(here)
        here.partners.add("Anna", card=anna.card())
        here.partners.get("Anna").verify(anna.reads_out(), in_person=True)

    def file(number: int) -> Path:
        values = {"sequence": number, "previous": "00" * 32 if number > 1 else None}
        manifest = anna.share(to.fingerprint, (b"a letter",), **values)
        members = anna.members(manifest, (b"a letter",), replaced=log.share(manifest.to_bytes(), manifest.to))
        return cv.file(f"{number}.age", sealed(bags.packed(members), to.hybrid))

    cv("open", file(1))
    for _ in range(70):  # files that nobody opened here
        log.append({"act": "share"})
        log.sent[to.fingerprint.hex()].append((1, len(log.leaves), log.tree.root()))
    far = file(72)
    refused = told(cv("open", far, "--yes", "--accept-unverified", status=15))
    assert "too far from what their other files have shown here" in refused
    assert "--accept-unconnected" in refused
    assert cv("--json", "inspect", far).json["unconnected"] == 4
    done = cv("--json", "open", far, "--accept-unconnected")
    assert done.json["unconnected"] == 4
    assert "nothing proves that the log of this sender goes on from the 4 entries" in told(done)
    assert cv("--json", "open", file(73)).json["unconnected"] is None
    assert cv("--json", "log", "status").json["forks"] == []


def test_seal_says_when_a_receipt_is_overdue(ends: Ends) -> None:
    with ends.ours as here, here.cases.get("HARBOUR").seal(to="Bear", items="all") as sealing:
        assert sealing.plan.unconfirmed == 1
        overdue = dataclasses.replace(sealing.plan, unconfirmed=256)
        assert "Bear has not confirmed the last 256 files. Ask for a receipt" in " ".join(seal._preview(overdue))
        assert "has not confirmed" not in " ".join(seal._preview(sealing.plan))
    ends.confirm()
    ends.cv("receipt", "r.age")
    with ends.ours as here, here.cases.get("HARBOUR").seal(to="Bear", items="all") as sealing:
        assert sealing.plan.unconfirmed == 0


def test_a_receipt_by_the_keys_of_the_card_before_says_so(ends: Ends) -> None:
    after = Somebody(9)
    ends.confirm()
    with ends.ours as here:
        with pytest.raises(errors.PartnerChanged):
            here.partners.add("Bear", card=after.card())
        here.partners.get("Bear").verify(after.reads_out())
    done = ends.cv("receipt", "r.age")
    assert "Complete: yes" in done.stdout
    assert "signed with the keys of the card that Bear had before" in told(done)
