"""`inspect`, `open` and `drop` as a person uses them."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bags
import pytest
from sealing import CONTENTS, Sender, To, opened, sealed

from crypto import age
from vault import KeyFileUnlocker, Vault, schema

ANNA, BORIS = Sender(0, "Anna"), Sender(1, "Boris")


class Post:
    """Files for the vault of the tests, from Anna, whom it knows, and from Boris, whom it does not."""

    def __init__(self, cv: Any) -> None:
        self.cv = cv
        with Vault.open(cv.vault, KeyFileUnlocker(cv.key_file.read_bytes())) as vault:
            self.to = To(vault)
            vault.partners.add("Anna Petrova", card=ANNA.card_bytes)
            vault.partners.get("Anna Petrova").verify(ANNA.reads_out(), in_person=True)
            (cv.folder / "our.card").write_bytes(vault.identity.card(classical=True))
            self.seed = vault.keeper.registry.rows(schema.IDENTITY)[0]["hybrid_seed"]
        cv.file("anna.age", ANNA.seal(self.to))
        cv.file("boris.age", BORIS.seal(self.to))

    @property
    def opened(self) -> Vault:
        return Vault.open(self.cv.vault, KeyFileUnlocker(self.cv.key_file.read_bytes()))


@pytest.fixture
def post(cv: Any) -> Post:
    return Post(cv)


# Looking


def test_what_shows_without_a_key_is_said_plainly(cv: Any, post: Post) -> None:
    done = cv.bare("--vault", "nowhere", "inspect", "anna.age")
    assert "Sealed for: a key that is safe against quantum computers too" in done.stdout
    assert "Without your vault" in done.stderr
    told = cv.bare("--vault", "nowhere", "--json", "inspect", "anna.age").json
    assert (told["opened"], told["stanzas"], told["sender"]) == (False, ["mlkem768x25519"], None)
    assert told["size_bytes"] == (cv.folder / "anna.age").stat().st_size
    for content, kind in ((b"", 21), (b"not an age file", 21), (age.VERSION_LINE + b"-> \n", 22)):
        cv.bare("--vault", "nowhere", "inspect", cv.file("other", content), status=kind)
    cv.bare("--vault", "nowhere", "inspect", "missing.age", status=14)


def test_a_locked_vault_is_no_reason_to_say_nothing(cv: Any, post: Post, locked: Path) -> None:
    done = cv.bare("--vault", locked, "inspect", "anna.age")
    assert "Form: age file" in done.stdout
    assert "Without your vault" in done.stderr


def test_with_the_vault_sender_and_content_are_told_and_nothing_is_stored(cv: Any, post: Post) -> None:
    done = cv("inspect", "anna.age")
    assert "Sender: Anna Petrova (key compared in person)" in done.stdout
    assert "Purpose: for the commission" in done.stdout
    assert "read to its end: whole" in done.stdout
    told = cv("--json", "inspect", "boris.age").json
    assert (told["sender"]["trust"], told["whole"], len(told["items"])) == ("unknown", True, len(CONTENTS))
    assert cv("--json", "case", "list").json == []
    damaged = bytearray((cv.folder / "anna.age").read_bytes())
    damaged[-1] ^= 1
    done = cv("inspect", cv.file("damaged.age", bytes(damaged)), status=22)
    assert "cut off or changed" in done.stderr


def test_an_armored_file_and_one_of_another_program_are_told(cv: Any, post: Post) -> None:
    sink = io.BytesIO()
    with age.armor(sink) as text:
        age.encrypt(io.BytesIO(b"a letter"), text, [post.to.hybrid])
    cv.file("letter.txt.age", sink.getvalue().replace(b"\n", b"\r\n"))
    told = cv("--json", "inspect", "letter.txt.age").json
    assert (told["armored"], told["kind"], told["sender"]["trust"]) == (True, "age", "unproven")
    done = cv("open", "letter.txt.age")
    assert "SENDER UNPROVEN" in done.stderr
    reference = done.lines[0][0]
    shown = cv("show", reference).stdout
    assert "letter.txt" in shown
    assert "SENDER UNPROVEN" in shown
    assert cv("cat", reference).stdout == "a letter"


# Opening


def test_a_known_sender_needs_no_question(cv: Any, post: Post) -> None:
    done = cv("open", "anna.age")
    assert len(done.lines) == len(CONTENTS) + 1
    assert "It is from Anna Petrova; both signatures hold." in done.stderr
    shown = cv("show", done.lines[0][0]).stdout
    sender = cv("--json", "inspect", "anna.age").json["sender"]
    spoken = " ".join(sender["words"]), " ".join(sender["digits"])
    for expected in ("Anna Petrova", "HARBOUR/1", "5a5a5a5a", "in person", *spoken):
        assert expected in shown
    assert sender["fingerprint"] not in shown
    again = cv("open", "anna.age")
    assert again.stdout == ""
    assert "opened before" in again.stderr
    assert cv("--json", "open", "anna.age").json["known"]


def test_a_damaged_copy_of_what_came_before_is_no_file_that_was_opened_before(cv: Any, post: Post) -> None:
    came = [line[0] for line in cv("open", "anna.age").lines]
    whole = (cv.folder / "anna.age").read_bytes()
    changed = bytearray(whole)
    changed[-20] ^= 1
    copies = {"cut.age": whole[:-70_000], "changed.age": bytes(changed), "longer.age": whole + b"x"}
    for name, content in copies.items():
        done = cv("open", cv.file(name, content), "--receipt", "receipt.age", status=22)
        assert "This copy of a file that came before is damaged" in done.stderr
        assert all(reference in done.stderr for reference in came[:-1])
        assert "opened before" not in done.stderr
        assert not (cv.folder / "receipt.age").exists()
    done = cv("open", "anna.age")
    assert "opened before" in done.stderr
    entries = [each for each in cv("--json", "log").json if each["act"] == "open" and each["phase"] != "intent"]
    reasons = [each["reason"] for each in entries if each["phase"] == "failed"]
    assert [(each["phase"], each["reason"]) for each in entries] == [
        ("done", None),
        *[("failed", reason) for reason in reasons],
        ("done", "known"),
    ]
    assert len(reasons) == 3
    assert all(reason.startswith("DamagedCopy: it ") for reason in reasons)


def test_an_unknown_sender_is_refused_unless_accepted(cv: Any, post: Post) -> None:
    done = cv("open", "boris.age", status=15)
    words = " ".join(_words(cv))
    assert words in done.stderr
    cv("--yes", "open", "boris.age", status=15)
    assert cv("--json", "case", "list").json == []
    done = cv("open", "boris.age", "--accept-unverified", "--code", "MEADOW")
    assert "nobody compared the sender's key" in done.stderr
    assert "not known here" in cv("show", "MEADOW/1").stdout


def _words(cv: Any) -> list[str]:
    return list(cv("--json", "inspect", "boris.age").json["sender"]["words"])


def test_yes_covers_a_partner_who_was_not_compared_and_never_a_changed_key(cv: Any, post: Post) -> None:
    with post.opened as vault:
        vault.partners.add("Boris", card=BORIS.card_bytes)
    cv("open", "boris.age", status=15)
    cv("--yes", "open", "boris.age")
    impostor = Sender(5, "Anna Petrova")
    cv.file("impostor.age", impostor.seal(post.to))
    done = cv("--yes", "open", "impostor.age", "--accept-unverified", status=15)
    assert "Anna Petrova" in done.stderr


def test_on_a_terminal_the_fingerprint_is_shown_and_asked_about(
    cv: Any, post: Post, terminal: Callable[..., Any]
) -> None:
    words = " ".join(_words(cv))
    for answer, status in (("no", 15), ("yes", 0)):
        screen = terminal(*cv.options, "open", "boris.age")
        shown = screen.answer("Store it as not verified?", answer)
        assert words in shown
        assert "Boris" in shown
        ended, rest = screen.finish()
        assert ended == status
        assert ("Nothing of it was stored." in rest, "error" in rest) == (status == 15, False)
    assert len(cv("--json", "case", "list").json) == 1


def test_a_spoken_passphrase_is_asked_for_and_is_not_the_vaults(
    cv: Any, post: Post, terminal: Callable[..., Any]
) -> None:
    manifest = ANNA.share(b"", to_kind="passphrase", sealed_for="scrypt")
    recipient = age.passphrase_recipient("anchor-bicycle-cloud-dance-early-fabric-garage", work_factor=10)
    cv.file("spoken.age", sealed(bags.packed(ANNA.members(manifest)), recipient))
    assert "Sealed for: a passphrase" in cv.bare("--vault", "nowhere", "inspect", "spoken.age").stdout
    done = cv("open", "spoken.age", status=13)
    assert "--spoken FILE" in done.stderr
    cv("open", "spoken.age", "--spoken", cv.secret("wrong", b"anchor\n"), status=12)
    screen = terminal(*cv.options, "inspect", "spoken.age")
    screen.answer("not that of your vault", "anchor bicycle cloud dance early fabric garage")
    status, shown = screen.finish()
    assert status == 0
    assert "bicycle" not in shown
    assert "not for you" in " ".join(shown.split())
    done = cv("open", "spoken.age", "--spoken", cv.secret("right", b"anchor-bicycle-cloud-dance-early-fabric-garage\n"))
    # Whoever had the passphrase can have sealed it again, signatures and all.
    assert "not for you: somebody who had it can have passed it on" in done.stderr


def test_in_a_session_it_is_the_same(cv: Any, post: Post) -> None:
    cv("unlock")
    try:
        assert "Sender: Anna Petrova" in cv.bare("--vault", cv.vault, "inspect", "anna.age").stdout
        done = cv.bare("--vault", cv.vault, "open", "anna.age", "--code", "MEADOW")
        assert done.lines[0][0] == "MEADOW/1"
        cv.bare("--vault", cv.vault, "open", "boris.age", status=15)
    finally:
        cv("lock")
    entries = [each for each in cv("--json", "log").json if each["act"] == "open"]
    assert [each["phase"] for each in entries] == ["intent", "intent", "done", "intent", "failed"]
    assert entries[-1]["reason"] == "SenderUnproven"


def test_options_that_contradict_each_other_and_items_are_told(cv: Any, post: Post) -> None:
    cv("open", "anna.age", "--into", "HARBOUR", "--code", "MEADOW", status=2)
    cv("open", "anna.age", "--into", "HARBOUR", status=14)
    assert "casevault view HARBOUR/3" in cv("open", "HARBOUR/3", status=2).stderr
    cv("open", "nothing/there.age", status=14)


def test_what_a_sender_calls_things_is_never_obeyed(cv: Any, post: Post) -> None:
    hostile = Sender(7, "\u202eannA")
    drop = bags.drop((b"x",), to=post.to.fingerprint.hex())
    named = bags.dataclasses.replace(drop.items[0], title="a\x1b[2Jb\nc", file_name="-rf\u202e")
    drop = bags.dataclasses.replace(drop, items=(named,), includes=("names",), purpose="\x1b]0;owned\x07")
    cv.file("hostile.age", sealed(bags.packed(bags.members_of(drop, bags.tags_of(drop), (b"x",))), post.to.hybrid))
    cv.file("anna2.age", hostile.seal(post.to))
    for arguments in (("inspect", "hostile.age"), ("open", "hostile.age"), ("inspect", "anna2.age")):
        done = cv(*arguments)
        for text in (done.stdout, done.stderr):
            assert "\x1b" not in text
            assert "\x07" not in text
            assert "\u202e" not in text


# Dropping


def test_a_drop_is_made_without_a_vault_and_only_the_cards_owner_reads_it(cv: Any, post: Post) -> None:
    cv.file("VID_2041.mp4", b"a film" * 50_000)
    cv.file("notes.txt", b"what I saw")
    done = cv.bare("--vault", "nowhere", "drop", "VID_2041.mp4", "notes.txt", "--to", "our.card")
    (name,) = done.stdout.split()
    assert re.fullmatch(r"sealed-[0-9a-f]{32}\.age", name)
    assert "their names inside" in done.stderr
    data = (cv.folder / name).read_bytes()
    assert b"VID_2041" not in data
    assert b"VID_2041" in opened(data, age.HybridIdentity(post.seed))
    if os.name == "posix":
        assert (cv.folder / name).stat().st_mode & 0o077 == 0
    taken = cv("open", name, "--code", "MEADOW")
    assert [line[1] for line in taken.lines] == ["VID_2041.mp4", "notes.txt"]
    assert "SENDER UNPROVEN" in taken.stderr
    assert "SENDER UNPROVEN" in cv("show", "MEADOW/1").stdout
    assert cv("cat", "MEADOW/2").stdout == "what I saw"
    again = cv.bare("--vault", "nowhere", "drop", "notes.txt", "--to", "our.card").stdout.split()
    assert again != [name]


@pytest.mark.usefixtures("post")
def test_a_drop_goes_into_the_folder_that_is_named_and_into_none_that_is_not_there(cv: Any) -> None:
    cv.file("notes.txt", b"what I saw")
    (cv.folder / "stick").mkdir()
    for name in ("stick/", "stick"):
        done = cv.bare("drop", "notes.txt", "--to", "our.card", "-o", name)
        assert Path(done.stdout.strip()).parent == Path("stick")
    assert len(list((cv.folder / "stick").iterdir())) == 2
    cv.bare("drop", "notes.txt", "--to", "our.card", "-o", "gone/", status=14)


def test_a_drop_goes_over_nothing_and_leaves_nothing_when_it_fails(cv: Any, post: Post) -> None:
    cv.file("notes.txt", b"what I saw")
    cv.file("there.age", b"mine")
    cv.bare("drop", "notes.txt", "--to", "our.card", "-o", "there.age", status=15)
    assert (cv.folder / "there.age").read_bytes() == b"mine"
    before = sorted(path.name for path in cv.folder.iterdir())
    for arguments, status in (
        (("drop", "missing.txt", "--to", "our.card"), 14),
        (("drop", "notes.txt", "missing.txt", "--to", "our.card"), 14),
        (("drop", "notes.txt", "--to", "missing.card"), 14),
        (("drop", "notes.txt", "--to", "notes.txt"), 22),
        (("drop", "notes.txt", "--to", "our.card", "-o", "missing/there.age"), 14),
        (("drop", ".", "--to", "our.card"), 2),
        (("drop", "--to", "our.card"), 2),
    ):
        cv.bare(*arguments, status=status)
    assert sorted(path.name for path in cv.folder.iterdir()) == before


def test_a_card_that_was_changed_on_its_way_is_refused(cv: Any, post: Post) -> None:
    cv.file("notes.txt", b"what I saw")
    card = (cv.folder / "our.card").read_bytes()
    cv.file("other.card", card.replace(b"date: 2", b"date: 1", 1))
    cv.bare("drop", "notes.txt", "--to", "other.card", status=22)
    cv.file("mailed.card", b"\xef\xbb\xbf\r\n" + card.replace(b"\n", b"\r\n"))
    cv.bare("drop", "notes.txt", "--to", "mailed.card", "-o", "mailed.age")
    cv("open", "mailed.age")


# Another program's file


@pytest.fixture
def node(program: Callable[[str], str], source: Path) -> Callable[..., bytes]:
    interpreter, folder = program("node"), source / ".venv" / "peers"
    if not (folder / "node_modules" / "age-encryption").is_dir():
        pytest.skip("left out: age-encryption for Node is not installed (make peers)")
    script = Path(__file__).parents[1] / "peers" / "age.mjs"

    def ask(**request: Any) -> bytes:
        import base64

        request["data"] = base64.b64encode(request["data"]).decode()
        command = [interpreter, str(script), str(folder)]
        done = subprocess.run(command, input=json.dumps(request).encode(), capture_output=True)
        assert done.returncode == 0, done.stderr.decode()
        return base64.b64decode(json.loads(done.stdout)["data"])

    return ask


@pytest.mark.parametrize("armor", [False, True])
def test_a_file_that_a_browser_made_for_our_card_is_opened_as_unproven(
    cv: Any, post: Post, node: Callable[..., bytes], armor: bool
) -> None:
    file = node(do="encrypt", recipients=[str(post.to.hybrid)], data=b"from a browser", armor=armor)
    done = cv("open", cv.file("letter.txt.age", file))
    assert "SENDER UNPROVEN" in done.stderr
    assert cv("cat", done.lines[0][0]).stdout == "from a browser"


@pytest.mark.skipif(sys.platform != "linux", reason="left out: /proc")
def test_a_refused_file_leaves_nothing_of_it_anywhere(cv: Any, post: Post, home: Path) -> None:
    canary = b"CanaryOfASealedFile" * 20_000
    manifest = ANNA.share(post.to.fingerprint, (canary,))
    members = ANNA.members(manifest, (canary,))
    members[-2] = members[-2][0], canary[:-1] + b"x"
    cv.file("forged.age", sealed(bags.packed(members), post.to.hybrid))
    cv("open", "forged.age", status=22)
    cv("inspect", "forged.age", status=22)
    for root in (cv.folder, home.parent):
        for path in root.rglob("*"):
            assert not path.is_file() or b"CanaryOfASealedFile" not in path.read_bytes()
    assert list((cv.vault / "staging").iterdir()) == []
    entries = [each for each in cv("--json", "log").json if each["act"] in ("open", "inspect")]
    assert [(each["phase"], each["reason"]) for each in entries] == [
        ("intent", None),
        ("failed", "SealedFileRefused: a file in it is not the one that was signed"),
    ] * 2
    # A person reads the rule, not the name of the error.
    assert "(a file in it is not the one that was signed)\t" in cv("log").stdout
