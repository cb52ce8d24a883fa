"""What is done to a vault while it is made to fail, and what must hold afterwards.

`Scenario.build` makes the vault once, `Scenario.begin` gives a fresh copy of it, `act` is the operation, `verify` opens what is left
by any way in and compares everything. As a program (`python scenarios.py serve`) it does the same in children that can be killed.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import io
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import witness_tables
from opened import opened
from somebody import Somebody

from crypto import words
from vault import (
    AnyOf,
    Case,
    Description,
    Item,
    KeyFileUnlocker,
    PersonFields,
    RecoveryUnlocker,
    Unlocker,
    Vault,
    Writing,
    errors,
    inspect_folder,
    objects,
    schema,
)
from vault.cards import Card
from vault.confirmations import Parts

OLD_KEY = b"the key file before the change.."
OLD = KeyFileUnlocker(OLD_KEY)
NEW = KeyFileUnlocker(b"the key file after the change...")
RECOVERY = RecoveryUnlocker(" ".join(words.words_from_entropy(b"recovery" * 4, "english")))
WAYS: dict[str, Unlocker] = {"old": OLD, "new": NEW, "recovery": RECOVERY, "any": AnyOf(OLD, NEW)}

SMALL_SEGMENT = 4 * objects.CHUNK  # so that 100 kB make two files
CODES = ("HARBOUR", "MEADOW", "ORCHARD", "QUARRY")

# What opening may say after a failure; anything else is a finding of the test.
EXPECTED_WARNINGS = {"recovered", "header-repaired"}

PARTNER = Somebody(1)

LETTER = b"She came by the night train.\n"

Contents = tuple[Any, ...]
_PARTIAL = re.compile(r"sealed-[0-9a-f]{32}\.partial")


def clock() -> str:
    """Always the same moment, so that what two runs made can be compared field by field."""
    return "2026-11-22T08:15:00.000Z"


def scratch() -> Path | None:
    """A place where a thousand vaults cost no wear of the disk, if there is one: nothing here depends on the medium."""
    memory = Path("/dev/shm")
    return memory if memory.is_dir() and os.access(memory, os.W_OK) else None


def sample(size: int, seed: int = 0) -> bytes:
    """Bytes that look like a video."""
    return random.Random(f"{size} {seed}").randbytes(size)


@dataclass
class Fingerprint:
    """What must not change of a file that belongs to the user: everything besides the time of access."""

    path: Path

    def __post_init__(self) -> None:
        self._before = self._now()

    def _now(self) -> tuple[object, ...]:
        found = self.path.stat()
        names = tuple(sorted(path.name for path in self.path.parent.iterdir()))
        identity = found.st_ino, found.st_mode, found.st_nlink, found.st_size, found.st_mtime_ns, found.st_ctime_ns
        return names, identity, hashlib.sha256(self.path.read_bytes()).hexdigest()

    def verify(self) -> None:
        assert self._now() == self._before, "the user's own file was touched"


# What is done


def create(path: Path) -> None:
    Vault.create(path, OLD, recovery=RECOVERY, clock=clock).close()


def _case_new(vault: Vault, material: Path) -> None:
    vault.cases.new("Lighthouse Road", code="LANTERN")


def _add(vault: Vault, material: Path) -> None:
    description = Description(note="from her phone", tags=("video", "first"), source="HARBOUR/p1")
    vault.cases.get("HARBOUR").items.add_file(material / "statement.mp4", description=description)


def _edit(vault: Vault, material: Path) -> None:
    vault.cases.get("HARBOUR").edit(title="Harbour Street, flat 3", description="The second flat")


def _revise(vault: Vault, material: Path) -> None:
    vault.cases.get("HARBOUR").items.get(1).revise_file(material / "statement.mp4")


def _item_delete(vault: Vault, material: Path) -> None:
    vault.cases.get("HARBOUR").items.get(1).delete("taken back")


def _person_remove(vault: Vault, material: Path) -> None:
    vault.cases.get("HARBOUR").persons.get(1).remove("asked for it")


def _change(vault: Vault, material: Path) -> None:
    vault.change_passphrase(OLD, NEW)


def _key_add(vault: Vault, material: Path) -> None:
    vault.add_key(OLD, NEW, label="new")


def _key_remove(vault: Vault, material: Path) -> None:
    vault.remove_key(OLD, vault.info().keys[-1].slot)


def _case_delete(vault: Vault, material: Path) -> None:
    vault.cases.get("HARBOUR").delete(OLD)


def _export(vault: Vault, material: Path) -> None:
    vault.cases.get("HARBOUR").items.get(1).export(material / "exported")


def _seal(vault: Vault, material: Path) -> None:
    with vault.cases.get("HARBOUR").seal(to="Bear", items="all", purpose="hearing") as sealing:
        sealing.write(material / "exported")


def _draft(vault: Vault) -> Writing:
    case = vault.cases.get("HARBOUR")
    return case.drafts.resume(case.drafts.list()[0].draft_id)


def _draft_begin(vault: Vault, material: Path) -> None:
    vault.cases.get("HARBOUR").drafts.begin(text="Another account").keep()


def _draft_save(vault: Vault, material: Path) -> None:
    with _draft(vault) as writing:
        writing.save("What she wrote, and what she added " * 100)


def _draft_store(vault: Vault, material: Path) -> None:
    with _draft(vault) as writing:
        writing.store(writing.draft.text, Description(kind="statement", title="Her account"))


def _draft_discard(vault: Vault, material: Path) -> None:
    case = vault.cases.get("HARBOUR")
    case.drafts.discard(case.drafts.list()[0].draft_id)


def _open(vault: Vault, material: Path) -> None:
    vault.open_file(material / "sealed.age", spoken=_nobody_spoke, into="HARBOUR")


def _open_anew(vault: Vault, material: Path) -> None:
    vault.open_file(material / "sealed.age", spoken=_nobody_spoke, code="QUAY")


def _receipt_make(vault: Vault, material: Path) -> None:
    found, _arrived = vault.open_file(material / "sealed.age", spoken=_nobody_spoke)
    vault.write_receipt(found, material / "exported")


def _receipt_take(vault: Vault, material: Path) -> None:
    vault.take_receipt(material / "receipt.age")


def _open_forked(vault: Vault, material: Path) -> None:
    try:
        vault.open_file(material / "forked.age", spoken=_nobody_spoke, into="HARBOUR")
    except errors.SealedFileRefused:
        return
    raise AssertionError("a file of another history was taken")


def _nobody_spoke() -> str:
    raise AssertionError("the file has no passphrase")


ACTS: dict[str, Callable[[Vault, Path], None]] = {
    "case new": _case_new,
    "add": _add,
    "edit": _edit,
    "revise": _revise,
    "item delete": _item_delete,
    "person remove": _person_remove,
    "change": _change,
    "key add": _key_add,
    "key remove": _key_remove,
    "case delete": _case_delete,
    "export": _export,
    "seal": _seal,
    "draft begin": _draft_begin,
    "draft save": _draft_save,
    "draft store": _draft_store,
    "draft discard": _draft_discard,
    "open": _open,
    "open anew": _open_anew,
    "receipt make": _receipt_make,
    "receipt take": _receipt_take,
    "open forked": _open_forked,
    "receipt forked": _receipt_take,
}


def go_on(vault: Vault) -> None:
    """Something later in the same session, in a case that no act touches."""
    vault.cases.get("MEADOW").note("and then")


# What there is


def contents(vault: Vault, *, read: bool = False) -> Contents:
    """Everything a person could ever see of the cases, digests of the bytes included; with `read` these are compared too."""
    found = []
    for summary in vault.cases.list():
        case = vault.cases.get(summary.code)
        items = []
        for item in case.items.list():
            number = int(item.reference.partition("/")[2])
            details = case.items.get(number).show()
            if read:
                assert _digest(case.items.get(number)) == details.sha256
            items.append(details)
        found.append((summary, case.show(), tuple(items), case.persons.list(), _written(case)))
    return tuple(found)


def _written(case: Case) -> tuple[str, ...]:
    """The texts that were begun, as they were saved last."""
    texts = []
    for summary in case.drafts.list():
        with case.drafts.resume(summary.draft_id) as writing:
            assert not writing.doubtful
            texts.append(writing.draft.text)
    return tuple(sorted(texts))


def _digest(item: Item) -> str:
    digest = hashlib.sha256()
    with item.open() as reading:
        for piece in reading:
            digest.update(piece)
    return digest.hexdigest()


class Scenario:
    """A vault with some cases, an act, and the two states between which nothing may ever be seen.

    `both` are the states before and after the act; `after_more` the same two with what `go_on` added.
    """

    def __init__(self, folder: Path, act: str, *, cases: int = 3, size: int = 100_000) -> None:
        self.folder, self.act_name = folder, act
        self.path = folder / "vault"
        self.material = folder / "material"
        self._template = folder / "template"
        self.material.mkdir()
        (self.material / "statement.mp4").write_bytes(sample(size))
        (self.material / "exported").mkdir()
        build(self._template, cases=cases)
        if act == "key remove":
            with Vault.open(self._template, OLD, clock=clock) as vault:
                vault.add_key(OLD, NEW, label="new")
        if self.opens or act == "receipt make":
            self._receive(size)
        if act == "receipt make":
            with Vault.open(self._template, OLD, clock=clock) as vault:
                _open(vault, self.material)
        if act == "open forked":
            self._be_shown_another_history()
        if act in ("receipt take", "receipt forked"):
            self._be_confirmed()
        self.source = Fingerprint(self.material / "statement.mp4")
        self.both = self._seen(more=False)
        self.after_more = self._seen(more=True)
        same = act in ("export", "seal", "change", "key add", "key remove", "open forked") or self.confirms
        assert (self.both[0] == self.both[1]) is same

    @property
    def opens(self) -> bool:
        """Whether the act takes in what somebody sealed, or refuses it."""
        return self.act_name.startswith("open")

    @property
    def confirms(self) -> bool:
        """Whether the act writes a receipt or takes one in."""
        return self.act_name.startswith("receipt")

    def _be_confirmed(self) -> None:
        """A file for a partner, and the partner's receipt for it."""
        import receipts

        with Vault.open(self._template, OLD, clock=clock) as vault:
            _seal(vault, self.material)
            (row,) = vault.keeper.registry.rows(schema.SHARES)
            (file,) = (self.material / "exported").iterdir()
            tags = opened(file, PARTNER.hybrid, PARTNER.fingerprint).tags
            named, proof = witness_tables.shown(tags).to_bytes().decode(), receipts.shown(tags.files)
            if self.act_name == "receipt forked":
                named, proof = receipts.another_history(vault, tags.files)
            content = receipts.said(PARTNER, vault.identity.show().fingerprint, row, checkpoint=named)
            (self.material / "receipt.age").write_bytes(receipts.receipt(PARTNER, vault, content, shown=proof))
        self.clear_exported()

    def _be_shown_another_history(self) -> None:
        """A file was opened, and another one is there whose sender's log has another history."""
        import bags
        import sealing
        from their_logs import TheirLog

        sender = sealing.Sender()
        log = TheirLog(sender)
        with Vault.open(self._template, OLD, clock=clock) as vault:
            to = sealing.To(vault)
            for name, history in (("sealed", log), ("forked", log.copy("another"))):
                manifest = sender.share(to.fingerprint, (LETTER,), purpose=name)
                shown = history.share(manifest.to_bytes(), manifest.to)
                members = sender.members(manifest, (LETTER,), replaced=shown)
                (self.material / f"{name}.age").write_bytes(sealing.sealed(bags.packed(members), to.hybrid))
            _open(vault, self.material)

    def verify_confirmed(self, path: Path, *, done: bool) -> str:
        """After `verify`: a receipt was taken in wholly or not at all; one that was written is whole or not there."""
        with Vault.open(path, OLD, clock=clock) as vault:
            if self.act_name != "receipt make":
                (share,) = vault.shares()
                assert (share.state, share.complete is True) == ("sent", share.confirmed is not None)
                is_there = share.confirmed is not None
                if self.act_name == "receipt forked":
                    assert vault.log_status().forks or not is_there, "the proof is kept before the receipt is taken"
                assert vault.take_receipt(self.material / "receipt.age").again is is_there
                assert len(vault.log_status().forks) == (self.act_name == "receipt forked")
            else:
                is_there = self._is_written(Card.from_bytes(vault.identity.card()))
        assert is_there or not done, "what was reported as done is there"
        return "after" if is_there else "before"

    def _is_written(self, ours: Card) -> bool:
        import sealing

        found = sorted((self.material / "exported").iterdir())
        files = [each for each in found if each.suffix == ".age"]
        assert all(_PARTIAL.fullmatch(each.name) for each in found if each not in files)
        for each in files:
            content = io.BytesIO(sealing.opened(each.read_bytes(), sealing.Sender().hybrid))
            assert Parts.unpack(content).verified(ours).complete
        return bool(files)

    def _receive(self, size: int) -> None:
        """A file from a partner, who was compared: an item that is new, one whose bytes are in HARBOUR, and a person."""
        import sealing

        sender = sealing.Sender()
        with Vault.open(self._template, OLD, clock=clock) as vault:
            vault.partners.add("Anna", card=sender.card_bytes)
            vault.partners.get("Anna").verify(sender.reads_out(), in_person=True)
            file = sender.seal(sealing.To(vault), contents=(sample(size), LETTER))
        (self.material / "sealed.age").write_bytes(file)

    def verify_received(self, path: Path, state: str) -> None:
        """After `verify`: the vault knows the file as opened if and only if what came in it is there."""
        with Vault.open(path, OLD, clock=clock) as vault:
            rows = vault.keeper.registry.rows(schema.RECEIVED)
            assert [row["stored"] for row in rows] == [1] * state.startswith("after")
            _found, arrived = vault.open_file(self.material / "sealed.age", spoken=_nobody_spoke)
            assert arrived.known is state.startswith("after")

    def verify_written(self, path: Path, state: str, *, done: bool) -> None:
        """After `verify` of what wrote a receipt for a file that it had stored: whole or not there, and not before that."""
        with Vault.open(path, OLD, clock=clock) as vault:
            is_there = self._is_written(Card.from_bytes(vault.identity.card()))
        assert is_there or not done, "what was reported as done is there"
        assert state.startswith("after") or not is_there, "nothing is confirmed that was not stored"

    def verify_refused(self, path: Path, *, done: bool) -> str:
        """After `verify`: the proof of two histories is kept whenever the file was refused for it; nothing of it is stored."""
        with Vault.open(path, OLD, clock=clock) as vault:
            kept = len(vault.log_status().forks)
            assert len(vault.keeper.registry.rows(schema.RECEIVED)) == 1
            _open_forked(vault, self.material)
            assert len(vault.log_status().forks) == 1, "the same again is the same proof"
        assert kept or not done, "what was reported as refused is proved"
        return "after" if kept else "before"

    def _seen(self, *, more: bool) -> tuple[Contents, Contents]:
        seen = []
        for acts in (False, True):
            with self.begin() as vault:
                if acts:
                    ACTS[self.act_name](vault, self.material)
                if more:
                    go_on(vault)
                seen.append(contents(vault, read=True))
        self.clear_exported()
        return seen[0], seen[1]

    def copy(self) -> Path:
        """The vault as it was before the act, at `path`."""
        shutil.rmtree(self.path, ignore_errors=True)
        shutil.copytree(self._template, self.path)
        self.clear_exported()
        return self.path

    def clear_exported(self) -> None:
        for path in (self.material / "exported").iterdir():
            path.unlink()

    def begin(self) -> Vault:
        """A fresh copy, opened."""
        return Vault.open(self.copy(), OLD, clock=clock)

    def act(self, vault: Vault) -> None:
        ACTS[self.act_name](vault, self.material)

    @property
    def same(self) -> str:
        """The name of the state before, where the act leaves the contents as they are."""
        return "before" if self.both[0] == self.both[1] else ""

    def verify_more(self, path: Path, state: str, *, done: bool) -> str:
        """After `verify`: what only this act leaves; the name of the state, where only that tells it. `done` was reported."""
        if self.changes_keys:
            return self.verify_keys(path, done=done)
        if self.confirms:
            return self.verify_confirmed(path, done=done)
        if self.act_name == "seal":
            return self.verify_sealed(path, done=done)
        if self.act_name == "open forked":
            return self.verify_refused(path, done=done)
        if self.opens:
            self.verify_received(path, state)
        return state

    @property
    def changes_secret(self) -> bool:
        return self.act_name == "change"

    @property
    def changes_keys(self) -> bool:
        """The new secret comes beside the old one, or goes."""
        return self.act_name in ("key add", "key remove")

    def verify_sealed(self, path: Path, *, done: bool) -> str:
        """After `verify`: a file is whole and known, or not there; what a crash left is called so that it is recognised."""
        found = sorted((self.material / "exported").iterdir())
        files = [each for each in found if each.suffix == ".age"]
        assert all(_PARTIAL.fullmatch(each.name) for each in found if each not in files)
        assert len(files) <= 1
        with Vault.open(path, OLD, clock=clock) as vault:
            shares = vault.shares()
            assert len(shares) <= 1
            for each in files:
                found = opened(each, PARTNER.hybrid, PARTNER.fingerprint)
                manifest, (share,) = found.manifest, shares
                assert (share.share_id, share.sequence, share.items) == (manifest.share_id, 1, (1, 2))
                assert share.state in ("sent", "signed"), "a file that is there is never said to have failed"
                witness_tables.verify_shown(vault, manifest.share_id, found.tags)
        assert files or not any(share.state == "sent" for share in shares)
        assert files or not done, "what was reported as done is there"
        return "after" if files else "before"

    def verify_keys(self, path: Path, *, done: bool) -> str:
        """After `verify`: the new secret opens the vault if and only if it is listed; what was reported as done is so."""
        opens = _opens(path, "new")
        with Vault.open(path, OLD, clock=clock) as vault:
            assert ("new" in {key.label for key in vault.info().keys}) is opens
        assert not done or opens is (self.act_name == "key add"), "what was reported as done is there"
        return "after" if opens is (self.act_name == "key add") else "before"


def build(path: Path, *, cases: int) -> None:
    """A vault with items, persons, notes and tags in every case."""
    file = path.with_name("letter.txt")
    file.write_bytes(LETTER)
    with Vault.create(path, OLD, recovery=RECOVERY, clock=clock) as vault:
        for code in CODES[:cases]:
            vault.cases.new(f"The case {code.title()}", code=code)
            case = vault.cases.get(code)
            case.items.add_file(file, description=Description(note="a letter", tags=("paper",)))
            case.items.add_text(f"Written down in {code}")
            case.persons.add(PersonFields(name="Амина", aliases=("Amina",), phones=("+7 900 000 00 00",)))
            case.note("handle with care")
            case.tag(("urgent",))
        vault.cases.get(CODES[0]).drafts.begin(text="What she wrote").keep()
        vault.identity.show()
        vault.partners.add("Bear", card=PARTNER.card())
    file.unlink()


# What must hold


def verify(
    path: Path,
    expected: Mapping[str, Contents],
    *,
    secrets: tuple[str, ...] = ("old", "new"),
    first: str = "old",
    seen: Callable[[Contents], Contents] = lambda contents: contents,
) -> str:
    """Open what a failure left, by the way in called `first` if that still leads in, and look at everything.

    Returns the name of the `expected` contents that are there, as `seen` sees them. Raises AssertionError.
    """
    facts = inspect_folder(path)
    assert not facts.in_use
    order = [first, *(name for name in secrets if name != first)]
    vault = _open_any(path, order)
    with vault:
        forked = witness_tables.verify(vault)
        assert forked <= set(vault.warnings) <= EXPECTED_WARNINGS | forked, vault.warnings
        _verify_folder(path, vault)
        report = vault.check(read_data=True)
        assert report.findings == (), report.findings
        assert report.objects_not_read == 0
        vault.keeper.log_verify(full=True)
        found = contents(vault)
        names = [name for name, each in expected.items() if seen(each) == seen(found)]
        assert names, "neither the state before nor the state after is there in full"
        _verify_outcomes(vault)
    verify_secret(path, secrets)
    with Vault.open(path, RECOVERY, clock=clock) as vault:
        assert set(vault.warnings) == forked, "the first open settles everything else"
        assert vault.info().cases == len(found)
    return names[0]


def _open_any(path: Path, order: list[str]) -> Vault:
    for name in order:
        try:
            return Vault.open(path, WAYS[name], clock=clock)
        except errors.WrongPassphrase:
            continue
    raise AssertionError(f"no secret opens the vault: {order}")


def verify_secret(path: Path, secrets: tuple[str, ...] = ("old", "new")) -> str:
    """The one of these secrets that opens a settled vault. Raises AssertionError if that is none or several."""
    opened = [name for name in secrets if _opens(path, name)]
    assert len(opened) == 1, f"exactly one secret opens the vault: {opened}"
    return opened[0]


def _opens(path: Path, name: str) -> bool:
    try:
        Vault.open(path, WAYS[name], clock=clock).close()
    except errors.WrongPassphrase:
        return False
    return True


def _verify_folder(path: Path, vault: Vault) -> None:
    epoch = vault.info().epoch
    known = {"header.a", "header.b", "logkey", "lock", "cases", "objects", "drafts", "staging"}
    known |= {f"vault-{epoch}.db", f"vault-{epoch}.db-wal"}
    strays = {entry.name for entry in path.iterdir()} - known
    assert not strays, f"left over: {strays}"
    assert not list((path / "staging").iterdir()), "something stays in staging"
    databases = [entry for entry in (path / "cases").iterdir() if entry.name.endswith(".db")]
    assert len(databases) == vault.info().cases, databases


def _verify_outcomes(vault: Vault) -> None:
    entries = vault.log()
    answered = {entry.answers for entry in entries if entry.phase != "intent"}
    open_intents = [
        entry for entry in entries if entry.phase == "intent" and entry.answers is None and entry.number not in answered
    ]
    assert [entry.act for entry in open_intents] == ["log"], "every intent has an outcome but that of this look itself"


# In children that are killed


@contextlib.contextmanager
def small_segments() -> Iterator[None]:
    before = objects.SEGMENT
    objects.SEGMENT = SMALL_SEGMENT
    try:
        yield
    finally:
        objects.SEGMENT = before


def child_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a child that finds the same packages as this process."""
    environment = dict(os.environ if extra is None else extra)
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    return environment


@dataclass
class Ended:
    """How a child ended: `error` is the class that the act raised, "" if none; `calls` what the shim counted."""

    killed: bool
    error: str
    calls: int


class Children:
    """Starts children that do one act each. They are forked from one process that has everything imported already."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).resolve()), "serve"],
            env=child_environment(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def _streams(self) -> tuple[IO[str], IO[str]]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        return self._process.stdin, self._process.stdout

    def start(self, scenario: Scenario, **faults: object) -> int:
        """Begin the act in a child, and return its process id as soon as the vault is open there."""
        return self.begin(scenario.path, scenario.material, scenario.act_name, **faults)

    def begin(self, path: Path, material: Path, act: str, **more: object) -> int:
        """The same for any vault, opened by the `secret` of that name; the act "open" is that alone, from its beginning."""
        job = {"path": str(path), "material": str(material), "act": act, "secret": "old", **more}
        to_child, from_child = self._streams()
        to_child.write(json.dumps(job) + "\n")
        to_child.flush()
        return int(from_child.readline())

    def end(self) -> Ended:
        """Wait for the child. Until then it keeps its process id, even dead, so that no other process can be killed."""
        to_child, _ = self._streams()
        to_child.write("end\n")
        to_child.flush()
        return Ended(**json.loads(self._streams()[1].readline()))

    def killed(self, moment: float, path: Path, material: Path, act: str, **more: object) -> bool:
        """``begin``, and kill -9 after ``moment`` seconds. Whether that came before the end."""
        pid = self.begin(path, material, act, **more)
        time.sleep(moment)
        os.kill(pid, signal.SIGKILL)
        ended = self.end()
        assert ended.error == "", ended
        return ended.killed

    def run(self, scenario: Scenario, **faults: object) -> Ended:
        """One act from its beginning to its end."""
        self.start(scenario, **faults)
        return self.end()

    def __enter__(self) -> Children:
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.communicate()


def _serve() -> None:
    while line := sys.stdin.readline():
        job = json.loads(line)
        ready, said = os.pipe(), os.pipe()
        child = os.fork()
        if not child:
            _work(job, ready[1], said[1])
        os.close(ready[1])
        os.close(said[1])
        os.read(ready[0], 1)
        print(child, flush=True)
        sys.stdin.readline()
        text = b""
        while part := os.read(said[0], 4096):
            text += part
        _, status = os.waitpid(child, 0)
        os.close(ready[0])
        os.close(said[0])
        # Whoever had said its last word was killed too late.
        killed = not text and os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        print(json.dumps({"killed": killed, **(json.loads(text) if text else {"error": "", "calls": -1})}), flush=True)


def _opened(job: dict[str, str]) -> Vault:
    return Vault.open(Path(job["path"]), WAYS[job["secret"]], clock=clock)


def _add_more(vault: Vault, material: Path) -> None:
    vault.cases.get("HARBOUR").items.add_stream(io.BytesIO(os.urandom(200_000)), file_name="more.mp4")


def _change_back_and_forth(vault: Vault, material: Path) -> None:
    try:
        vault.change_passphrase(OLD, NEW)
    except errors.WrongPassphrase:
        vault.change_passphrase(NEW, OLD)


def _nothing_more(vault: Vault, material: Path) -> None:
    pass


def _back_up(vault: Vault, material: Path) -> None:
    vault.backup(material / "backup")


def _restore(vault: Vault, material: Path) -> None:
    Vault.restore(material / "backup", material / "restored", OLD, clock=clock)


# What can be done again and again.
REPEATABLE: dict[str, Callable[[Vault, Path], None]] = {
    "add more": _add_more,
    "change": _change_back_and_forth,
    "open": _nothing_more,
    "backup": _back_up,
    "restore": _restore,
}


def _calls() -> int:
    try:
        return int(ctypes.CDLL(None).fault_count())
    except AttributeError:
        return -1  # the shim is not loaded


def _work(job: dict[str, str], ready: int, said: int) -> None:
    # The child of a fork, which must never return: two servers would answer.
    try:
        error = ""
        with small_segments():
            if job["act"] == "open":
                os.write(ready, b".")
            vault = _opened(job)
            # Only what the act writes is counted and may fail.
            os.environ.update({name: str(value) for name, value in job.items() if name.startswith("FAULT_")})
            os.write(ready, b".")
            try:
                acts = REPEATABLE if job.get("again") else ACTS
                acts[job["act"]](vault, Path(job["material"]))
                if job.get("go_on"):
                    go_on(vault)
            except errors.VaultError as raised:
                error = type(raised).__name__
            if error and job.get("again_without_faults"):
                del os.environ["FAULT_PATH"]
                ACTS[job["act"]](vault, Path(job["material"]))
            vault.close()
        os.write(said, json.dumps({"error": error, "calls": _calls()}).encode())
    except BaseException as raised:  # noqa: BLE001 (a child tells its parent everything)
        os.write(said, json.dumps({"error": repr(raised), "calls": -1}).encode())
    finally:
        os._exit(0)


if __name__ == "__main__":
    _serve()
