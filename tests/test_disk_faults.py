"""Every single operation on the disk fails once, in every way: afterwards the old state is there in full, or the new one.

What SQLCipher writes does not go through the seam in `vault/files.py`; its writes fail from outside, in child processes.
"""

import contextlib
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import scenarios
import sqlite_faults
from endings import ENDS, every_end
from faults import KINDS, Failure, FatDisk, FaultyDisk, Kind, NothingToFail, every_failure
from scenarios import NEW, OLD, RECOVERY, Children, Scenario, clock, contents, go_on, verify

from vault import KeyFileUnlocker, RecoveryUnlocker, Vault, errors, inspect_folder

pytestmark = pytest.mark.usefixtures("segments")

LEFT_OUT = "left out: "
FAT_KINDS: tuple[Kind, ...] = ("crash", "power cut")
# Every kind for what writes the most different files; for the others those that lead to different states.
ALL_KINDS = ("add", "export", "case new", "seal")
SOME_KINDS: tuple[Kind, ...] = ("full", "broken", "crash", "power cut")
# They write databases alone, whose writes fail below.
OTHERS = ("edit", "person remove", "receipt take", "receipt forked")
DISKS = {"disk": FaultyDisk, "FAT": FatDisk}

FULL = (errors.NoSpace, errors.LogUnavailable, errors.OutcomeUnrecorded)
EXPECTED: dict[Kind, tuple[type[errors.VaultError], ...]] = {
    "full": FULL,
    "full for good": FULL,
    "torn": FULL,
    "broken": (errors.DiskFailed, errors.LogUnavailable, errors.OutcomeUnrecorded),
}


class Session:
    """One vault in this process, and what becomes of it: it goes on after an error, or it ends and what it left is looked at."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.vault: Vault | None = None
        self.seen: Counter[str] = Counter()
        self.looked_at = 0

    @property
    def opened(self) -> Vault:
        assert self.vault is not None
        return self.vault

    def prepare(self) -> None:
        self.vault = self.scenario.begin()

    def run(self) -> None:
        self.scenario.act(self.opened)

    def end_everywhere(self, check: Callable[[Failure], object], kinds: Sequence[Kind], disk: str = "disk") -> int:
        """The endings in one run."""
        self.prepare()
        scenario = self.scenario
        places = scenario.path, scenario.material / "exported"
        return every_end(
            self.run, check, places=places, kinds=kinds, disk=DISKS[disk], ended=self.opened.close, way=self._first
        )

    def check_error(self, failure: Failure) -> None:
        """The disk is sound again, and so is the session; or it says that it is not and has done nothing."""
        expected = self._both
        try:
            raised = failure.raised
            assert raised is None or isinstance(raised, EXPECTED[failure.kind]), failure
            more = dict(zip(("before and more", "after and more"), self.scenario.after_more, strict=True))
            with contextlib.suppress(errors.VaultClosed, errors.LogUnavailable):
                go_on(self.opened)
                expected = more
        finally:
            self.opened.close()
        self._look(failure, expected)

    def check_end(self, failure: Failure) -> None:
        """The process ended, and this is what it left."""
        self._look(failure, self._both)

    @property
    def _both(self) -> dict[str, scenarios.Contents]:
        return dict(zip(("before", "after"), self.scenario.both, strict=True))

    def _first(self, failure: Failure) -> str:
        return ("old", "recovery", "new")[failure.nth % (3 if self.scenario.changes_secret else 2)]

    def _look(self, failure: Failure, expected: dict[str, scenarios.Contents]) -> None:
        scenario, left = self.scenario, self.scenario.path
        self.looked_at += 1
        try:
            secrets = ("old", "new") if scenario.changes_secret else ("old",)
            state = verify(left, expected, secrets=secrets, first=self._first(failure))
            if failure.kind == "power cut" and failure.raised is None:
                assert state in ("after", scenario.same), "what was reported as done is durable"
            if failure.raised is None and failure.kind not in ENDS:
                assert state in ("after", "after and more", scenario.same, f"{scenario.same} and more")
            if isinstance(failure.raised, errors.OutcomeUnrecorded):
                same = (scenario.same, f"{scenario.same} and more")
                assert state in ("after", "after and more", *same), "what is said to be done is there"
            if scenario.act_name == "seal":
                left_over = list((scenario.material / "exported").glob("*.partial"))
                assert not left_over or failure.kind not in ("full", "torn"), "a failed seal leaves nothing"
            self.seen[scenario.verify_more(left, state, done=failure.raised is None)] += 1
            scenario.source.verify()
            if scenario.act_name == "export":
                _verify_exported(scenario, failure)
        except BaseException as error:
            error.add_note(f"{failure}") if hasattr(error, "add_note") else None
            raise


def _verify_exported(scenario: Scenario, failure: Failure) -> None:
    # A disk that does not let go of a file keeps it under a name that says what it is.
    found = {path.name: path.read_bytes() for path in (scenario.material / "exported").iterdir()}
    whole = {name for name in found if not name.endswith(".partial")}
    if "001-letter.txt" in found:
        assert found["001-letter.txt"] == scenarios.LETTER
    if failure.kind in ("full", "torn"):
        done = failure.raised is None or isinstance(failure.raised, errors.OutcomeUnrecorded)
        assert done is bool(found), f"a failed export leaves nothing: {found}"
    if failure.raised is None and failure.kind not in ("crash", "torn crash"):
        assert whole >= {"001-letter.txt", "001-letter.txt.sha256", "001-letter.txt.sha512"} or not found
    scenario.clear_exported()


@pytest.mark.slow
@pytest.mark.parametrize("disk", DISKS)
@pytest.mark.parametrize("act", [act for act in scenarios.ACTS if act not in OTHERS])
def test_after_any_failure_of_the_disk_the_old_or_the_new_state_is_there(act: str, disk: str, place: Path) -> None:
    session = Session(Scenario(place, act, cases=3 if act == "change" else 2, size=70_000))
    kinds = FAT_KINDS if disk == "FAT" else KINDS if act in ALL_KINDS else SOME_KINDS
    if act in (
        "open",
        "open forked",
        "receipt make",
        "revise",
        "key add",
        "key remove",
        "draft begin",
        "draft discard",
    ):
        # The rest goes the way of "add", "change" or "draft store".
        kinds = ("crash",) if disk == "FAT" else ("full", "crash")
    ends = [kind for kind in kinds if kind in ENDS]
    wrong = [kind for kind in kinds if kind not in ENDS]
    failures = every_failure(session.run, session.check_error, prepare=session.prepare, disk=DISKS[disk], kinds=wrong)
    endings = session.end_everywhere(session.check_end, ends, disk)
    assert failures + endings > 5 * len(kinds)
    assert failures < session.looked_at == sum(session.seen.values()) <= failures + endings + 1
    if session.scenario.changes_keys or act == "open forked":
        assert len(session.seen) == 2, "both sides of the commit were seen"


@pytest.mark.slow
@pytest.mark.parametrize("disk", DISKS)
def test_a_vault_is_made_whole_or_not_at_all(disk: str, place: Path) -> None:
    path, home = place / "home" / "vault", place / "home"

    def prepare() -> None:
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir()

    def check(failure: Failure) -> None:
        died = failure.kind in ENDS
        assert died or failure.raised is None or isinstance(failure.raised, EXPECTED[failure.kind]), failure
        if failure.kind in ("full", "torn"):
            assert [entry.name for entry in home.iterdir()] in ([], ["vault"]), "nothing half made stays"
        if failure.raised is None:
            assert path.exists()
        if not path.exists():
            scenarios.create(path)
        verify(path, {"empty": ()}, secrets=("old",))

    def create() -> None:
        scenarios.create(path)

    wrong = [kind for kind in KINDS if kind not in ENDS]
    failures = every_failure(create, check, prepare=prepare, kinds=wrong, disk=DISKS[disk])
    prepare()
    endings = every_end(create, check, places=(home,), kinds=ENDS, disk=DISKS[disk])
    assert failures + endings > 50


@pytest.mark.slow
@pytest.mark.parametrize("act", ["add", "item delete", "change", "case delete"])
def test_opening_after_a_crash_can_itself_fail_anywhere(act: str, place: Path) -> None:
    scenario = Scenario(place, act, cases=2, size=70_000)
    expected = dict(zip(("before", "after"), scenario.both, strict=True))
    secrets = ("old", "new") if scenario.changes_secret else ("old",)
    crashed: list[Path] = []

    def keep(failure: Failure) -> None:
        crashed.append(place / f"crashed-{len(crashed)}")
        shutil.copytree(scenario.path, crashed[-1])

    Session(scenario).end_everywhere(keep, ("crash",))
    left = place / "left"
    opened = 0
    # The last crashes leave the most to do; a spread of the earlier ones is enough.
    chosen = [*crashed[: -4 : max(1, len(crashed) // 6)], *crashed[-4:]]
    for number, each in enumerate(chosen):
        way = (OLD, RECOVERY, NEW if scenario.changes_secret else OLD)[number % 3]

        def prepare(each: Path = each) -> None:
            shutil.rmtree(left, ignore_errors=True)
            shutil.copytree(each, left)

        def run(way: KeyFileUnlocker | RecoveryUnlocker = way) -> None:
            with contextlib.suppress(errors.WrongPassphrase):
                Vault.open(left, way, clock=clock).close()

        def first(failure: Failure) -> str:
            return ("old", "recovery")[failure.nth % 2]

        def check(failure: Failure, first: Callable[[Failure], str] = first) -> None:
            # A copy, as another process finds it: one whose opening failed may still hold what it had opened.
            shutil.rmtree(place / "copy", ignore_errors=True)
            shutil.copytree(left, place / "copy")
            verify(place / "copy", expected, secrets=secrets, first=first(failure))

        with contextlib.suppress(NothingToFail):
            opened += every_failure(run, check, prepare=prepare, kinds=("full",))
            prepare()
            opened += every_end(run, check, places=(left,), kinds=("crash",), way=first)
    assert opened > len(chosen), "recovery has something to do on the disk"


# A disk that is really full, and one that is really read-only


@contextlib.contextmanager
def _tmpfs(root: Path, size: str) -> Iterator[None]:
    program = shutil.which("mount")
    if sys.platform != "linux" or os.geteuid() != 0 or program is None:
        pytest.skip(f"{LEFT_OUT}a small disk of its own: needs Linux and root")
    done = subprocess.run([program, "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(root)], capture_output=True)
    if done.returncode:
        pytest.skip(f"{LEFT_OUT}a small disk of its own: mount is refused here")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(root)], check=True)


def _log_is_full(vault: Vault) -> bool:
    try:
        vault.cases.list()
    except errors.LogUnavailable:
        return True
    return False


def test_a_full_disk_keeps_everything_that_was_there(tmp_path: Path) -> None:
    big, letter = tmp_path / "big.mp4", tmp_path / "letter.txt"
    big.write_bytes(scenarios.sample(8_000_000))
    letter.write_bytes(scenarios.LETTER)
    root = tmp_path / "disk"
    root.mkdir()
    with _tmpfs(root, "6m"):
        path, filler = root / "vault", root / "filler"
        scenarios.build(path, cases=2)
        with Vault.open(path, OLD, clock=clock) as vault:
            before = contents(vault)
            with pytest.raises(errors.NoSpace):
                vault.cases.get("HARBOUR").items.add_file(big)
            assert contents(vault) == before
            with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
                while file.write(bytes(4096)):
                    pass
            with pytest.raises((errors.NoSpace, errors.LogUnavailable)):
                vault.cases.get("HARBOUR").items.add_file(letter)
            for act in (lambda: vault.change_passphrase(OLD, NEW), lambda: vault.cases.get("HARBOUR").delete(OLD)):
                with pytest.raises((errors.NoSpace, errors.LogUnavailable)):
                    act()
            # The write-ahead log may have room left for a few entries; then nothing more is shown.
            assert any(_log_is_full(vault) for _ in range(5000))
        filler.unlink()
        with Vault.open(path, OLD, clock=clock) as vault:
            assert contents(vault) == before
        assert verify(path, {"before": before}, secrets=("old", "new")) == "before"
    assert big.read_bytes() == scenarios.sample(8_000_000)


def test_a_read_only_disk_says_so(tmp_path: Path) -> None:
    root = tmp_path / "disk"
    root.mkdir()
    with _tmpfs(root, "6m"):
        scenarios.build(root / "vault", cases=1)
        subprocess.run(["mount", "-o", "remount,ro", str(root)], check=True)
        with pytest.raises(errors.ReadOnly):
            Vault.open(root / "vault", OLD, clock=clock)
        with pytest.raises(errors.ReadOnly):
            scenarios.create(root / "other")
        assert not inspect_folder(root / "vault").in_use
        with Vault.create(tmp_path / "vault", OLD, clock=clock) as vault:
            vault.cases.new("Harbour Street", code="HARBOUR")
            case = vault.cases.get("HARBOUR")
            case.items.add_text("a page")
            with pytest.raises(errors.ReadOnly):
                case.items.get(1).export(root)
            assert vault.log()[-2].phase == "failed"


# SQLCipher's own writes


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    library = sqlite_faults.shim(tmp_path_factory.getbasetemp())
    if library is None:
        pytest.skip(f"{LEFT_OUT}SQLCipher's own writes: needs Linux and a C compiler")
    return library


# Here every single write fails; elsewhere about this many, spread evenly.
EVERY_WRITE = {("add", "kill"), ("change", "kill"), ("case new", "eio")}
SPREAD = 25
SQLITE_ACTS = (
    "case new",
    "add",
    "edit",
    "person remove",
    "item delete",
    "change",
    "key add",
    "key remove",
    "case delete",
    "draft store",
    "seal",
    "open",
    "open forked",
    "receipt take",
    "receipt forked",
)
# The ways in go the way of "change".
SQLITE_RUNS = [
    (act, mode)
    for act in SQLITE_ACTS
    for mode in sqlite_faults.MODES
    if not act.startswith(("key", "seal", "open", "receipt")) or mode in ("kill", "eio")
]


@pytest.mark.slow
@pytest.mark.parametrize(("act", "mode"), SQLITE_RUNS)
def test_after_any_failed_write_of_a_database_the_old_or_the_new_state_is_there(
    act: str, mode: sqlite_faults.Mode, shim: Path, place: Path
) -> None:
    scenario = Scenario(place, act, cases=2)
    environment = sqlite_faults.fault_environment(shim, path="")
    with Children(environment) as children:
        scenario.copy()
        counted = children.run(scenario, FAULT_PATH=".db").calls
        assert counted > 0, "nothing was counted, so nothing would be tested"
        step = 1 if (act, mode) in EVERY_WRITE else max(1, counted // SPREAD)
        failed = 0
        for nth in range(1 + counted % step, counted + 1, step):
            for once in (False, True) if mode in ("enospc", "eio") else (False,):
                scenario.copy()
                faults = {"FAULT_PATH": ".db", "FAULT_AT": nth, "FAULT_MODE": mode, "go_on": once or ""}
                ended = children.run(scenario, **faults, FAULT_UNTIL=nth if once else 0)
                assert ended.killed is (mode in ("kill", "torn")), ended
                assert ended.error in ("", *EXPECTED_ERRORS), ended
                failed += 1
                expected = dict(zip(("before", "after"), scenario.both, strict=True))
                if once:
                    expected |= dict(zip(("before and more", "after and more"), scenario.after_more, strict=True))
                state = verify(
                    scenario.path,
                    expected,
                    secrets=("old", "new") if scenario.changes_secret else ("old",),
                    first=("old", "recovery")[nth % 2],
                )
                if not ended.killed and not ended.error:
                    assert state.startswith(("after", scenario.same or "after")), "what was reported as done is there"
                scenario.verify_more(scenario.path, state, done=not ended.killed and not ended.error)
        assert failed >= counted // step
    scenario.source.verify()


@pytest.mark.slow
@pytest.mark.parametrize("act", ["change", "case delete"])
def test_what_a_full_disk_stopped_can_be_tried_again_in_the_same_session(act: str, shim: Path, place: Path) -> None:
    scenario = Scenario(place, act, cases=2)
    expected = dict(zip(("before", "after"), scenario.both, strict=True))
    with Children(sqlite_faults.fault_environment(shim, path="")) as children:
        scenario.copy()
        counted = children.run(scenario, FAULT_PATH=".db").calls
        tried_again = 0
        for nth in range(1, counted + 1, max(1, counted // SPREAD)):
            scenario.copy()
            faults = {"FAULT_PATH": ".db", "FAULT_AT": nth, "FAULT_MODE": "enospc"}
            ended = children.run(scenario, **faults, again_without_faults=1)
            # An act that had happened although it failed cannot be done twice.
            assert ended.error in ("", *EXPECTED_ERRORS, *REFUSED_TWICE), ended
            tried_again += ended.error in EXPECTED_ERRORS
            state = verify(scenario.path, expected, secrets=("old", "new") if scenario.changes_secret else ("old",))
            assert state in ("after", scenario.same) or ended.error not in EXPECTED_ERRORS
        assert tried_again > 0


REFUSED_TWICE = (
    "WrongPassphrase('This passphrase, key file or recovery words do not open the vault')",
    "NoSuchCase('There is no case HARBOUR')",
)

# What may be said when a database's write fails. A commit that reported an error may have happened, so that an error
# means that nobody knows; a full disk may show as a failed one, because SQLCipher meets it in the middle of an operation.
EXPECTED_ERRORS = ("NoSpace", "DiskFailed", "LogUnavailable", "OutcomeUnrecorded")
