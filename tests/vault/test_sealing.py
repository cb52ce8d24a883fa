"""Sealing a part of a case for one partner: what goes and what stays, the chain of files, and what failures leave."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults import FaultyDisk, replaced
from opened import opened
from sealing import leftover
from sessions import session
from somebody import Somebody
from vaults import FailingLog, clear_content, flip, key_file, make_vault, object_files, open_vault, write_rows

from crypto import age
from crypto.padding import padded_size
from vault import Case, Description, PersonFields, Vault, errors, files, platform, schema, sealing, sharing, wire
from vault.bag import CUSTODY, GUIDE, SEALED
from vault.sealing import Sealed, new_passphrase

VIDEO = random.Random(1).randbytes(306_000)
LETTER = "She came by the night train."
BEAR, CRANE = Somebody(1), Somebody(2)
CANARIES = {
    "title": "CanaryTitle",
    "file name": "CanaryFileName.mp4",
    "note": "CanaryNote",
    "tag": "CanaryTag",
    "circumstance": "CanaryPlace",
    "person": "CanaryPerson",
    "phone": "CanaryPhone",
    "case title": "CanaryCase",
    "partner": "CanaryPartner",
    "source": "CanarySource",
    "via": "CanaryVia",
    "case note": "CanaryCaseNote",
}


def fill(vault: Vault) -> Case:
    """A case in which everything has a canary for its name."""
    vault.cases.new(CANARIES["case title"], code="HARBOUR")
    case = vault.cases.get("HARBOUR")
    case.note(CANARIES["case note"])
    case.persons.add(PersonFields(CANARIES["person"], phones=(CANARIES["phone"],)))
    description = Description(
        title=CANARIES["title"],
        note=CANARIES["note"],
        tags=(CANARIES["tag"],),
        source=CANARIES["source"],
        via=CANARIES["via"],
        recorded="2026-11-02",
    )
    case.items.add_stream(io.BytesIO(VIDEO), file_name=CANARIES["file name"], description=description)
    case.items.get(1).circumstances(place=CANARIES["circumstance"], within_reach="no")
    case.items.add_text(LETTER, description=Description(kind="statement", title="CanaryTitle 2"))
    vault.partners.add(CANARIES["partner"], card=BEAR.card(classical=True))
    vault.partners.add("Crane", card=CRANE.card())
    vault.identity.show()
    return case


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    with make_vault(tmp_path / "vault") as made:
        fill(made)
        yield made


def sealed(case: Case, target: Path, *, to: str | None = CANARIES["partner"], **more: object) -> Sealed:
    passphrase = None if to else "a-b-c-d-e"
    with case.seal(to=to, **{"items": "all", **more}) as running:  # type: ignore[arg-type]  # named as the method has them
        return running.write(target, passphrase=passphrase)


# What goes and what stays


def test_the_recipient_gets_the_items_as_they_came_in_and_the_sender_signed_them(case, vault, out):
    done = sealed(case, out, purpose="hearing", terms="do not publish")
    found = opened(done.path, BEAR.hybrid, BEAR.fingerprint)
    assert found.items == (VIDEO, LETTER.encode())
    assert found.stanzas == ("mlkem768x25519",)
    manifest = found.manifest
    assert (manifest.case, manifest.sequence, manifest.previous) == ("HARBOUR", 1, None)
    assert (manifest.to, manifest.to_kind) == (BEAR.fingerprint.hex(), "card")
    assert (manifest.purpose, manifest.terms, manifest.includes) == ("hearing", "do not publish", ())
    assert [item.number for item in manifest.items] == [1, 2]
    assert manifest.items[0].recorded == "2026-11-02"
    assert found.card.fingerprint.hex() == vault.identity.show().fingerprint
    assert manifest.share_id == done.share_id


def test_nothing_that_was_not_named_is_anywhere_in_the_file(case, out):
    found = opened(sealed(case, out).path, BEAR.hybrid, BEAR.fingerprint)
    assert [name for name, canary in CANARIES.items() if canary.encode() in found.plaintext] == []
    assert b"Canary" not in found.plaintext
    assert b"\\u0043anary" not in found.plaintext


@pytest.mark.parametrize(
    ("named", "canaries"),
    [
        ({"includes": ("names",)}, ("title", "file name")),
        ({"includes": ("notes",)}, ("note",)),
        ({"includes": ("tags",)}, ("tag",)),
        ({"includes": ("circumstances",)}, ("circumstance",)),
        ({"persons": (1,)}, ("person", "phone")),
        ({"includes": ("names", "tags"), "items": (1,)}, ("title", "file name", "tag")),
        ({"includes": ("notes", "tags", "circumstances"), "items": (2,)}, ()),
    ],
    ids=str,
)
def test_what_was_named_goes_and_nothing_else(case, out, named, canaries):
    found = opened(sealed(case, out, **named).path, BEAR.hybrid, BEAR.fingerprint)
    assert {name for name, canary in CANARIES.items() if canary.encode() in found.plaintext} == set(canaries)


def test_one_item_alone_goes(case, out):
    found = opened(sealed(case, out, items=(2,)).path, BEAR.hybrid, BEAR.fingerprint)
    assert found.items == (LETTER.encode(),)
    assert VIDEO[:1000] not in found.plaintext


def test_what_is_in_the_case_and_what_was_deleted_does_not_matter_to_the_numbers(case, out):
    case.items.get(1).delete("taken back")
    case.items.add_text("a third")
    found = opened(sealed(case, out).path, BEAR.hybrid, BEAR.fingerprint)
    assert [(item.number, item.path) for item in found.manifest.items] == [
        (2, "data/items/001.txt"),
        (3, "data/items/002.txt"),
    ]


def test_custody_says_when_it_came_in_and_that_it_went(case, out):
    done = sealed(case, out, items=(2,), purpose="hearing")
    found = opened(done.path, BEAR.hybrid, BEAR.fingerprint)
    came, went = json.loads(found.tags.files[CUSTODY])
    (item,) = found.manifest.items
    assert (came["act"], came["when"], came["sha256"], came["to"]) == ("receive", item.added, item.sha256, None)
    assert (went["act"], went["when"], went["to"], went["purpose"]) == (
        "transfer",
        found.manifest.made,
        BEAR.fingerprint.hex(),
        "hearing",
    )


def test_nothing_to_seal_is_refused(vault, case, out):
    vault.cases.new("Empty", code="EMPTY")
    with pytest.raises(errors.Refused):
        vault.cases.get("EMPTY").seal(to="Crane", items="all")
    with pytest.raises(errors.NoSuchItem):
        case.seal(to="Crane", items=(7,))
    with pytest.raises(errors.NoSuchPerson):
        case.seal(to="Crane", items=(1,), persons=(7,))
    with pytest.raises(errors.BadValue):
        case.seal(to="Crane", items=(1,), includes=("everything",))
    with pytest.raises(errors.NoSuchPartner):
        case.seal(to="Heron", items=(1,))
    assert vault.shares() == ()
    assert list(out.iterdir()) == []


# For whom


def test_a_classical_file_is_one_for_older_age_and_says_so(case, out):
    done = sealed(case, out, classical=True)
    found = opened(done.path, BEAR.classical, BEAR.fingerprint)
    assert (found.stanzas, found.manifest.sealed_for) == (("X25519",), "X25519")
    with pytest.raises(errors.Refused):
        case.seal(to="Crane", items="all", classical=True)


def test_somebody_known_by_an_age_string_alone_gets_a_file(vault, case, out):
    recipient = str(CRANE.classical.recipient())
    vault.partners.add("Heron", age=recipient)
    with pytest.raises(errors.Refused):
        case.seal(to="Heron", items="all")
    found = opened(
        sealed(case, out, to="Heron", classical=True).path,
        CRANE.classical,
        hashlib.sha256(recipient.encode()).digest(),
    )
    assert found.manifest.to_kind == "age"


def test_a_spoken_passphrase_opens_a_file_and_nothing_in_the_vault_knows_it(vault, case, out, tmp_path):
    passphrase = new_passphrase()
    assert len(passphrase.split("-")) == 8
    with case.seal(to=None, items="all", purpose="hearing") as running:
        done = running.write(out, passphrase=passphrase)
    found = opened(done.path, age.passphrase_identity(passphrase, most_work_factor=16))
    assert (found.stanzas, found.manifest.to, found.manifest.to_kind) == (("scrypt",), "", "passphrase")
    vault.close()
    assert passphrase.encode() not in clear_content(tmp_path / "vault")


def test_files_for_passphrases_are_counted_by_case_and_name_no_other(vault, case, out):
    vault.cases.new("Meadow", code="MEADOW")
    other = vault.cases.get("MEADOW")
    other.items.add_text("another case")
    found = []
    for each in (case, case, other):
        path = sealed(each, out, to=None).path
        manifest = opened(path, age.passphrase_identity("a-b-c-d-e")).manifest
        found.append((manifest.case, manifest.sequence, manifest.previous))
    assert found == [("HARBOUR", 1, None), ("HARBOUR", 2, None), ("MEADOW", 1, None)]


def test_a_changed_card_blocks_before_and_after_the_plan(vault, case, out):
    running = case.seal(to="Crane", items="all")
    with pytest.raises(errors.PartnerChanged):
        vault.partners.add("Crane", card=Somebody(3).card())
    with running, pytest.raises(errors.PartnerChanged):
        running.write(out)
    with pytest.raises(errors.PartnerChanged):
        case.seal(to="Crane", items="all")
    assert list(out.iterdir()) == []
    assert vault.shares() == ()


def test_comparing_a_card_in_the_meantime_is_no_change(vault, case, out):
    with case.seal(to="Crane", items="all") as running:
        vault.partners.get("Crane").verify(CRANE.reads_out(), in_person=True)
        running.write(out)
    assert case.shares()[0].grade == "unverified", "as it was when it was agreed to"


def test_a_removed_partner_gets_nothing_more_and_is_told_of(vault, case, out):
    sealed(case, out, to="Crane")
    vault.partners.get("Crane").remove()
    with pytest.raises(errors.NoSuchPartner):
        case.seal(to="Crane", items="all")
    (share,) = vault.shares(partner="Crane")
    assert (share.code, share.items, share.state) == ("HARBOUR", (1, 2), "sent")
    assert share.removed is not None


def test_what_a_removed_partner_has_is_not_told_of_the_next_one_with_the_name(vault, case, out):
    sealed(case, out, to="Crane")
    vault.partners.get("Crane").remove()
    vault.partners.add("Crane", card=Somebody(3).card())
    assert vault.shares(partner="Crane") == ()
    sealed(case, out, to="Crane")
    (share,) = vault.shares(partner="Crane")
    assert (share.removed, len(vault.shares())) == (None, 2)


# The chain of files to one partner


def test_each_file_names_the_one_before_to_the_same_partner(vault, case, out):
    first = opened(sealed(case, out).path, BEAR.hybrid, BEAR.fingerprint)
    other = opened(sealed(case, out, to="Crane").path, CRANE.hybrid, CRANE.fingerprint)
    vault.cases.new("Meadow", code="MEADOW")
    vault.cases.get("MEADOW").items.add_text("another case")
    second = opened(sealed(vault.cases.get("MEADOW"), out).path, BEAR.hybrid, BEAR.fingerprint)
    assert (other.manifest.sequence, other.manifest.previous) == (1, None)
    assert (second.manifest.sequence, second.manifest.previous) == (2, first.digest)
    assert second.digest == hashlib.sha256(second.tags.files[SEALED]).hexdigest()


def test_two_at_once_get_numbers_in_the_order_in_which_they_are_signed(vault, out, home):
    with session(vault, home.parent / "run" / "casevault") as served, served.attach() as one, served.attach() as other:
        begun = [client.cases.get("HARBOUR").seal(to="Crane", items=(2,)) for client in (one, other)]
        later, earlier = begun
        second_in_line = opened(earlier.write(out).path, CRANE.hybrid, CRANE.fingerprint)
        third = opened(later.write(out).path, CRANE.hybrid, CRANE.fingerprint)
        assert (second_in_line.manifest.sequence, second_in_line.manifest.previous) == (1, None)
        assert (third.manifest.sequence, third.manifest.previous) == (2, second_in_line.digest)
        with pytest.raises(errors.ReceiptRefused):
            other.keeper.share_end(begun[0].plan.intent, "done")


def test_a_file_that_failed_leaves_its_number_unused_and_is_in_no_chain(case, out):
    first = opened(sealed(case, out).path, BEAR.hybrid, BEAR.fingerprint)
    with (
        case.seal(to=CANARIES["partner"], items="all") as running,
        replaced(FaultyDisk().fail_nth(5)),  # behind the three of the step in the log
        pytest.raises(errors.NoSpace),
    ):
        running.write(out)
    assert len(list(out.iterdir())) == 1
    third = opened(sealed(case, out).path, BEAR.hybrid, BEAR.fingerprint)
    assert (third.manifest.sequence, third.manifest.previous) == (3, first.digest)
    assert [share.state for share in case.shares()] == ["sent", "failed", "sent"]


class _Stick(FaultyDisk):
    """A disk that is gone when the file is whole and is to get its name: its folder is away, or does not answer."""

    def __init__(self, out: Path, *, away: bool) -> None:
        super().__init__()
        self.out, self.away = out, away

    def rename(self, source: Path, target: Path) -> None:
        if source.parent != self.out:
            super().rename(source, target)
            return
        if self.away:
            self.out.rename(self.out.with_name("in a pocket"))
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    def remove(self, path: Path) -> None:
        if path.parent == self.out:
            if self.away:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        super().remove(path)


@pytest.mark.parametrize("away", [True, False])
def test_a_whole_file_on_a_stick_that_was_pulled_out_is_never_said_not_to_be(case, out, away):
    """It opens for the partner, whoever finds the stick: so `grants` must not say that there is none."""
    first = opened(sealed(case, out).path, BEAR.hybrid, BEAR.fingerprint)
    with (
        case.seal(to=CANARIES["partner"], items="all") as running,
        replaced(_Stick(out, away=away)),
        pytest.raises(errors.DiskFailed),
    ):
        running.write(out)
    (lost,) = (out.with_name("in a pocket") if away else out).glob("*.partial")
    second = opened(lost, BEAR.hybrid, BEAR.fingerprint)
    assert [share.state for share in case.shares()] == ["sent", "signed"]
    out.mkdir(exist_ok=True)
    third = opened(sealed(case, out).path, BEAR.hybrid, BEAR.fingerprint)
    assert (second.manifest.previous, third.manifest.previous) == (first.digest, second.digest)


def test_what_was_never_agreed_to_is_neither_signed_nor_counted(vault, case, out):
    with case.seal(to="Crane", items="all"):
        pass
    assert case.shares() == ()
    done = [entry for entry in vault.log("HARBOUR") if entry.act == "share"]
    assert [(entry.phase, entry.reason) for entry in done] == [("intent", None), ("failed", "not sealed")]
    assert opened(sealed(case, out, to="Crane").path, CRANE.hybrid, CRANE.fingerprint).manifest.sequence == 1
    # A second file cannot be made of one agreement.
    with case.seal(to="Crane", items="all") as running:
        running.write(out)
        with pytest.raises(errors.ReceiptRefused):
            running.write(out)


# The log


def test_the_log_has_the_intent_then_the_digest_of_what_is_signed_then_size_and_digest_of_the_file(vault, case, out):
    done = sealed(case, out, purpose="hearing")
    intent, announced, outcome = [entry for entry in vault.log("HARBOUR") if entry.act == "share"]
    found = opened(done.path, BEAR.hybrid, BEAR.fingerprint)
    assert (intent.phase, intent.digest, intent.purpose) == ("intent", None, "hearing")
    assert (announced.phase, announced.answers, announced.digest) == ("intent", intent.number, found.digest)
    assert (outcome.phase, outcome.answers) == ("done", intent.number)
    assert outcome.size_bytes == done.path.stat().st_size == done.size_bytes
    assert outcome.digest == hashlib.sha256(done.path.read_bytes()).hexdigest() == done.sha256
    for entry in (intent, announced, outcome):
        assert (entry.counterparty, entry.recipients) == (CANARIES["partner"], (BEAR.fingerprint.hex(),))
    assert (announced.item, outcome.item) == ("HARBOUR/1-2", "HARBOUR/1-2")


@pytest.mark.parametrize("step", [1, 2, 3])
def test_where_the_log_cannot_be_written_nothing_is_signed(vault, case, out, step):
    with FailingLog(vault, step) as failing, pytest.raises((errors.LogUnavailable, errors.OutcomeUnrecorded)) as found:
        sealed(case, out, to="Crane")
    assert failing.fired
    # The third step is the outcome: then the file is there, and perhaps sent.
    assert (len(list(out.iterdir())) == 1) is (step == 3)
    assert isinstance(found.value, errors.OutcomeUnrecorded) is (step == 3)
    vault.close()
    with open_vault(vault.path) as again:
        assert [share.state for share in again.shares()] == (["signed"] if step == 3 else [])
        assert again.check(read_data=True).findings == ()


def test_the_log_names_the_persons_that_went(vault, case, out):
    case.items.add_text("a third")
    case.items.add_text("a fourth")
    sealed(case, out, items=(1, 3, 4), persons=(1,))
    assert {entry.item for entry in vault.log("HARBOUR") if entry.act == "share"} == {"HARBOUR/1,3-4,p1"}


# The file


def test_the_size_of_the_file_is_that_of_a_bucket_and_known_before(case, out):
    for more in ({}, {"classical": True}, {"items": (2,)}, {"terms": "x" * 5000}):
        with case.seal(to=CANARIES["partner"], **{"items": "all", **more}) as running:
            done = running.write(out)
        found = opened(done.path, BEAR.classical if more.get("classical") else BEAR.hybrid, BEAR.fingerprint)
        assert padded_size(len(found.plaintext)) == len(found.plaintext)
        assert done.path.stat().st_size == running.plan.size_bytes
    with case.seal(to=None, items="all") as running:
        assert running.write(out, passphrase="a-b-c-d-e").path.stat().st_size == running.plan.size_bytes


def test_two_cases_of_one_bucket_make_files_of_one_size(vault, out):
    sizes = set()
    for number, length in enumerate((1, 2_000, 6_000)):
        vault.cases.new("Meadow", code=f"MEADOW{number}")
        case = vault.cases.get(f"MEADOW{number}")
        case.items.add_stream(io.BytesIO(bytes(length)), file_name="a" * (number + 1))
        sizes.add(sealed(case, out, purpose="p" * number).path.stat().st_size)
    assert len(sizes) == 1


def test_a_random_name_or_the_one_that_was_given_and_never_over_anything(case, out, vault):
    done = sealed(case, out)
    assert done.path.parent == out
    assert sealing.re.fullmatch(r"sealed-[0-9a-f]{32}\.age", done.path.name)
    named = sealed(case, out / "letter.bin").path
    before = named.read_bytes()
    with pytest.raises(errors.AlreadyThere):
        sealed(case, named)
    assert named.read_bytes() == before
    with pytest.raises(errors.NoSuchFolder):
        sealed(case, out / "gone" / "x.age")
    (out / "link").symlink_to(out / "nowhere")
    with pytest.raises(errors.AlreadyThere):
        sealed(case, out / "link")
    with pytest.raises(errors.Refused):
        sealed(case, vault.path / "x.age")
    if sys.platform != "win32":
        assert named.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in out.iterdir()) == sorted(["link", "letter.bin", done.path.name])


def test_what_leaves_is_what_came_in_or_nothing_leaves(vault, case, out):
    video = max(object_files(vault.path), key=lambda path: path.stat().st_size)
    flip(video, 5_000)
    with pytest.raises(errors.ObjectDamaged):
        sealed(case, out)
    assert list(out.iterdir()) == []
    assert [share.state for share in case.shares()] == ["failed"]
    video.unlink()
    with pytest.raises(errors.ObjectMissing):
        sealed(case, out)
    assert list(out.iterdir()) == []
    assert opened(sealed(case, out, items=(2,)).path, BEAR.hybrid, BEAR.fingerprint).items == (LETTER.encode(),)


def test_items_with_one_digest_get_the_other(case, out):
    case.items.add_stream(io.BytesIO(b"a single digest"), file_name="x.bin", both_digests=False)
    with case.seal(to="Crane", items="all") as running:
        assert [item.hashed for item in running.plan.items] == [True, True, False]
        done = running.write(out)
    found = opened(done.path, CRANE.hybrid, CRANE.fingerprint)
    assert found.manifest.items[2].sha512 == hashlib.sha512(b"a single digest").hexdigest()
    with case.seal(to="Crane", items="all") as running, pytest.raises(errors.BadValue):
        running._keeper.share_sign(running.plan.intent, ((1, "0" * 128),))


def test_an_empty_item_and_one_of_several_segments_go(case, out, monkeypatch):
    case.items.add_stream(io.BytesIO(b""), file_name="empty.txt")
    found = opened(sealed(case, out).path, BEAR.hybrid, BEAR.fingerprint)
    assert found.items[2] == b""


@pytest.mark.usefixtures("segments")
def test_an_item_of_several_segments_goes(tmp_path, out):
    with make_vault(tmp_path / "small") as vault:
        case = fill(vault)
        assert len(object_files(vault.path)) > 5
        assert opened(sealed(case, out).path, BEAR.hybrid, BEAR.fingerprint).items[0] == VIDEO


def test_without_room_nothing_is_begun(vault, case, out, monkeypatch):
    usage = shutil.disk_usage(out)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=100_000))
    with case.seal(to="Crane", items="all") as running:
        with pytest.raises(errors.NoSpace):
            running.verify_room(out)
        with pytest.raises(errors.NoSpace):
            running.write(out)
    assert case.shares() == ()
    assert list(out.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="left out: limits of a process")
def test_a_disk_that_takes_no_large_files_is_named(tmp_path, out):
    """As FAT32 does from 4 GiB on: the system's answer is the same where a process may write no more."""
    with make_vault(tmp_path / "vault") as vault:
        fill(vault)
    code = (
        "import resource, sys; from pathlib import Path; from vault import KeyFileUnlocker, Vault, errors\n"
        "with Vault.open(Path(sys.argv[1]), KeyFileUnlocker(bytes(32))) as vault:\n"
        "    with vault.cases.get('HARBOUR').seal(to='Crane', items='all') as sealing:\n"
        "        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))\n"
        "        try:\n"
        "            sealing.write(Path(sys.argv[2]))\n"
        "        except errors.VaultError as error:\n"
        "            print(type(error).__name__)\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "vault"), str(out)], env=environment, capture_output=True, text=True
    )
    assert done.stdout == "FileTooLarge\n", done.stderr
    assert list(out.iterdir()) == []


def test_errors_of_the_system_are_told_apart(tmp_path):
    for number, kind in ((errno.EFBIG, errors.FileTooLarge), (errno.ENOSPC, errors.NoSpace)):
        with pytest.raises(kind), files.translated(tmp_path):
            raise OSError(number, os.strerror(number))


# What a crash left


def test_what_a_crash_left_is_removed_by_the_next_seal_there_and_nothing_else(case, out):
    gone = [leftover(out, f"sealed-{'0' * 32}.partial"), leftover(out, f"sealed-{'1' * 32}.partial", b"age-encr")]
    (out / f"sealed-{'a' * 32}.partial").symlink_to(out)
    kept = [
        leftover(out, f"sealed-{'2' * 32}.partial", b"somebody's own"),
        leftover(out, f"sealed-{'3' * 32}.partial", seconds=0),
        leftover(out, f"sealed-{'4' * 31}.partial"),
        leftover(out, f"sealed-{'5' * 32}.age"),
        leftover(out, f"{'6' * 32}.partial"),
        out / f"sealed-{'a' * 32}.partial",
    ]
    sealed(case, out)
    assert not any(path.exists() for path in gone)
    assert all(os.path.lexists(path) for path in kept)


@pytest.mark.skipif(sys.platform == "win32", reason="left out: locks of open files")
def test_what_somebody_still_writes_is_left_alone(case, out):
    path = leftover(out, f"sealed-{'0' * 32}.partial")
    with path.open("rb") as file:
        platform.hold(file.fileno())
        assert platform.is_held(path)
        sealed(case, out)
        assert path.exists()
    sealed(case, out)
    assert not path.exists()


# Sessions


def test_in_a_session_it_is_the_same_and_no_private_key_leaves_the_agent(vault, out, home):
    runtime = home.parent / "run" / "casevault"
    with session(vault, runtime) as served, served.attach() as client:
        case = client.cases.get("HARBOUR")
        case.items.add_stream(io.BytesIO(b"one digest"), file_name="x.bin", both_digests=False)
        with case.seal(to="Crane", items="all", includes=("names",), persons=(1,), purpose="hearing") as running:
            done = running.write(out)
            assert done.size_bytes == running.plan.size_bytes
        found = opened(done.path, CRANE.hybrid, CRANE.fingerprint)
        assert found.items == (VIDEO, LETTER.encode(), b"one digest")
        (share,) = client.shares()
        assert (share.state, share.purpose, share.persons) == ("sent", "hearing", (1,))


def test_in_a_session_files_with_more_about_the_items_than_an_answer_holds_are_sealed(vault, out, home, monkeypatch):
    assert 2 * sharing.PIECE_BYTES < wire.LARGEST_ANSWER_BYTES // 2, "bytes pass as hexadecimal digits"
    monkeypatch.setattr(sharing, "PIECE_BYTES", 20_000)
    monkeypatch.setattr(wire, "LARGEST_ANSWER_BYTES", 100_000)
    purpose = "a hearing" * 1000
    for number in range(5):
        vault.cases.get("HARBOUR").items.add_text(f"letter {number}")
    with session(vault, home.parent / "run" / "casevault") as served, served.attach() as client:
        done = sealed(client.cases.get("HARBOUR"), out, to="Crane", purpose=purpose)
    found = opened(done.path, CRANE.hybrid, CRANE.fingerprint)
    assert found.manifest.purpose == purpose
    assert 2 * len(purpose) * found.plaintext.count(purpose.encode()) > 100_000
    assert found.items[:2] == (VIDEO, LETTER.encode())


def test_a_client_that_goes_away_leaves_no_file_and_no_open_intent(vault, out, home):
    with session(vault, home.parent / "run" / "casevault") as served:
        client = served.attach()
        running = client.cases.get("HARBOUR").seal(to="Crane", items="all")
        signed = running._keeper.share_sign(running.plan.intent)
        client.close()
        with served.attach() as other:
            with pytest.raises(errors.ReceiptRefused):
                other.keeper.share_object(running.plan.intent, 1)
            (share,) = other.shares()
            # It may have been finished: nobody knows, so nobody says that nothing is left of it.
            assert (share.share_id, share.state) == (signed.share_id, "signed")
            assert [e.phase for e in other.log("HARBOUR") if e.act == "share"] == ["intent", "intent", "failed"]


def test_the_end_of_a_session_ends_sealing_and_leaves_nothing(vault, out, home):
    with session(vault, home.parent / "run" / "casevault") as served:
        client = served.attach()
        with client.cases.get("HARBOUR").seal(to="Crane", items="all") as running:

            def end(_further: int) -> None:
                served.stop()

            with pytest.raises(errors.SessionOver):
                running.write(out, progress=end)
    assert list(out.iterdir()) == []


# What is kept of it


def test_what_it_was_for_is_sealed_under_the_key_of_the_case_and_goes_with_it(vault, case, out, tmp_path):
    sealed(case, out, to="Crane", purpose="CanaryPurpose", terms="CanaryTerms", persons=(1,))
    vault.change_passphrase(key_file(), key_file(1))
    (share,) = vault.shares()
    assert (share.purpose, share.terms, share.items, share.persons) == ("CanaryPurpose", "CanaryTerms", (1, 2), (1,))
    index = vault.keeper.registry.store.path
    case.delete(key_file(1))
    (share,) = vault.shares()
    assert (share.code, share.partner, share.purpose, share.terms, share.items) == ("HARBOUR", "Crane", None, None, ())
    assert index != vault.keeper.registry.store.path
    vault.close()
    assert b"CanaryTerms" not in clear_content(vault.path, key_file(1))


def test_keys_that_are_renewed_meanwhile_do_not_part_a_row_from_what_it_tells(vault, out, home):
    with session(vault, home.parent / "run" / "casevault") as served, served.attach() as one, served.attach() as other:
        case = one.cases.get("HARBOUR")
        begun, signed = (case.seal(to="Crane", items="all", purpose="hearing") for _ in range(2))
        one.keeper.share_sign(signed.plan.intent)
        other.change_passphrase(key_file(), key_file(1))
        with begun, pytest.raises(errors.ReceiptRefused):
            begun.write(out)
        one.keeper.share_end(signed.plan.intent, "done", size=1, digest="0" * 64)
        (share,) = other.shares()
        assert (share.state, share.purpose) == ("sent", "hearing")
        third = case.seal(to="Crane", items="all", purpose="hearing")
        one.keeper.share_sign(third.plan.intent)
        other.cases.get("HARBOUR").delete(key_file(1))
        one.keeper.share_end(third.plan.intent, "done", size=1, digest="0" * 64)
        assert [(share.state, share.purpose) for share in other.shares()] == [("sent", None)] * 2
    assert list(out.iterdir()) == []


def test_the_index_does_not_hold_in_the_clear_what_a_case_keeps_to_itself(vault, case, out):
    sealed(case, out, to="Crane", purpose="CanaryPurpose", terms="CanaryTerms")
    (row,) = vault.keeper.registry.rows(schema.SHARES)
    assert b"Canary" not in bytes(row["told"])
    assert "Canary" not in repr({name: value for name, value in row.items() if name != "told"})


def test_check_finds_what_is_told_of_a_file_damaged(vault, case, out):
    sealed(case, out, to="Crane")
    assert vault.check().findings == ()
    registry = vault.keeper.registry
    (row,) = registry.rows(schema.SHARES)
    write_rows(registry, lambda: registry.put(schema.SHARES, {**row, "told": bytes(row["told"])[:-1] + b"x"}))
    assert [(found.kind, found.subject) for found in vault.check().findings] == [("database", "HARBOUR")]
    with pytest.raises(errors.DatabaseDamaged):
        vault.shares()


def test_a_vault_of_before_gets_the_table_with_its_first_file(vault, case, out):
    vault.keeper.registry.store.execute("DROP TABLE shares")
    path = vault.path
    vault.close()
    with open_vault(path) as again:
        assert again.shares() == ()
        sealed(again.cases.get("HARBOUR"), out)
        assert len(again.shares()) == 1
    with open_vault(path) as again:
        assert len(again.shares()) == 1


def test_the_guide_goes_along(case, out):
    assert opened(sealed(case, out).path, BEAR.hybrid, BEAR.fingerprint).tags.files[GUIDE]
