"""What is done to exports of the log by whoever makes, keeps or passes one on, and to whoever verifies one: each sentence that the
stand-alone program prints is one that an opposing expert can rely on.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from made_up_logs import VERIFIER, MadeUp, assert_refused, rewritten, verified, written
from vaults import make_vault

from commands import _verify_log
from crypto import sshsig
from crypto.commitments import commit, verify_disclosed
from crypto.encoding import canonical_json, length_prefixed
from crypto.errors import CommitmentMismatch
from crypto.keys import IdentityEd25519Key
from crypto.labels import COMMITMENT
from crypto.tree import leaf_hash, root
from vault.leaves import Leaf
from vault.log_bodies import FIELDS

SHARE = {
    "act": "share",
    "phase": "done",
    "case": "HARBOUR",
    "entry": 1,
    "actor": "passphrase",
    "counterparty": "the newspaper",
}
STRANGER = IdentityEd25519Key(bytes(range(32)))


class Exported(NamedTuple):
    """What a real vault with an identity has exported: its log, one case's entries, and how its card names its key."""

    public: str
    disclosed: str
    identity: str


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    folder = tmp_path_factory.mktemp("exported")
    with make_vault(folder / "v") as vault:
        identity = vault.identity.show().ssh_fingerprint
        vault.cases.new("Harbour Street", code="HARBOUR")
        for _ in range(2):
            vault.cases.get("HARBOUR").note("remark")
        vault.disclose_log(folder / "disclosed", case="HARBOUR")
        vault.export_log(folder / "public")
    return Exported((folder / "public").read_text("utf-8"), (folder / "disclosed").read_text("utf-8"), identity)


# Who made it


def a_tail_of_ones_own(content: str, after: int) -> MadeUp:
    made = MadeUp.going_on(content, after)
    made.begin()
    made.step(**SHARE)
    return made


def a_log_of_ones_own(content: str) -> MadeUp:
    made = MadeUp.going_on(content, 0)
    made.begin()
    made.step(**SHARE)
    return made


def without_signatures(content: str) -> MadeUp:
    """Everything real is declared older than the first signature."""
    made = a_tail_of_ones_own(content, content.count("\n") - 1)
    del made.header["generations"][0]
    for line in made.steps[:-1]:
        line["signature"] = None
    return made


FORGERIES: dict[str, Callable[[str], MadeUp]] = {
    "entries after the last one": lambda content: a_tail_of_ones_own(content, content.count("\n") - 1),
    "entries after one in the middle": lambda content: a_tail_of_ones_own(content, 6),
    "all entries": a_log_of_ones_own,
    "an entry, and no signature of the others": without_signatures,
}


@pytest.mark.parametrize("what", FORGERIES)
def test_whoever_has_a_public_export_and_no_key_makes_up_no_entry_of_it(
    exported: Exported, tmp_path: Path, what: str
) -> None:
    forged = FORGERIES[what](exported.public)
    path = written(tmp_path / "log.jsonl", forged.public())
    disclosed = written(tmp_path / "disclosed.jsonl", forged.disclosure(len(forged.leaves) - 1))
    assert_refused(path)
    assert_refused(path, disclosed)


@pytest.mark.parametrize("what", ["entries after the last one", "all entries"])
def test_a_log_that_nobody_certified_is_never_said_to_prove_itself(
    exported: Exported, tmp_path: Path, what: str
) -> None:
    forged = FORGERIES[what](exported.public)
    forged.header["identity"] = None
    for each in forged.header["generations"]:
        each["sshsig"] = each["mldsa65"] = None
    path = written(tmp_path / "log.jsonl", forged.public())
    disclosed = written(tmp_path / "disclosed.jsonl", forged.disclosure(len(forged.leaves) - 1))
    status, out, _err = verified(path, disclosed)
    assert status == 0
    assert out.startswith("NOTHING CERTIFIES WHO MADE THIS LOG.")
    assert "which nothing certifies" in out
    assert "a head that somebody kept" in out
    for word in ("proves itself", "Proven", "certified by this identity", "SHA256"):
        assert word not in out


def test_the_identity_that_certified_a_log_is_named_as_its_card_names_it(exported: Exported, tmp_path: Path) -> None:
    status, out, _err = verified(written(tmp_path / "log.jsonl", exported.public))
    assert status == 0
    assert f"  identity  {exported.identity}\n" in out
    assert "compare it with the card" in out


def test_a_log_by_an_identity_of_ones_own_is_told_from_the_real_one_by_its_key(tmp_path: Path) -> None:
    made = MadeUp(STRANGER)
    made.begin()
    made.step(**SHARE)
    status, out, err = verified(
        written(tmp_path / "log.jsonl", made.public()), written(tmp_path / "disclosed.jsonl", made.disclosure(0))
    )
    assert (status, err) == (0, "")
    stranger = sshsig.fingerprint(sshsig.public_key(STRANGER))
    assert f"  identity  {stranger}\n" in out
    assert f"certified by {stranger}." in out


def test_a_certificate_by_another_identity_or_of_another_generation_does_not_hold(tmp_path: Path) -> None:
    other = MadeUp(IdentityEd25519Key(bytes(32)))
    made = MadeUp(STRANGER)
    for each in (other, made):
        each.begin()
        each.step()
        each.begin()
        each.step()
    path = tmp_path / "log.jsonl"
    assert verified(written(path, made.public()))[0] == 0
    first, second = made.header["generations"]
    good = second["sshsig"]
    for bad in (other.header["generations"][1]["sshsig"], first["sshsig"]):
        second["sshsig"] = bad
        assert "certificate of generation 2" in assert_refused(written(path, made.public()))
    second["sshsig"] = good
    made.header["identity"] = None
    assert_refused(written(path, made.public()))


def test_that_a_log_ends_where_its_export_ends_is_not_said(exported: Exported, tmp_path: Path) -> None:
    cut = "".join(exported.public.splitlines(keepends=True)[:6])
    status, out, _err = verified(written(tmp_path / "log.jsonl", cut))
    assert status == 0
    assert "Not proven: that the log ends here" in out


def test_a_head_that_somebody_kept_is_found_in_a_log_that_grew_and_in_no_other(tmp_path: Path) -> None:
    made = MadeUp()
    made.begin()
    for _ in range(3):
        made.step()
    path = written(tmp_path / "log.jsonl", made.public())
    kept = f"3:{made.tree.root().hex()}"
    made.step()
    disclosed = written(tmp_path / "disclosed.jsonl", made.disclosure(0))
    grown = written(tmp_path / "grown.jsonl", made.public())
    for each in (path, grown):
        status, out, _err = verified(each, "--head", kept)
        assert status == 0
        assert "The head of 3 entries that was given is that of step 3, in generation 1" in out
    other = MadeUp()
    other.begin()
    for number in range(5):
        other.step(item=str(number))
    rewritten_log = written(tmp_path / "rewritten.jsonl", other.public())
    assert "3 entries" in assert_refused(rewritten_log, "--head", kept)
    assert "9 entries" in assert_refused(grown, "--head", kept, "--head", f"9{kept[1:]}")
    for wrong in ((disclosed, "--head", kept), (grown, "--head", kept[2:]), (grown, "--head")):
        assert verified(*wrong)[:2] == (2, "")


# Generations, and what is older than the first


def an_older_log(*, identity: IdentityEd25519Key | None = STRANGER) -> MadeUp:
    """Three steps of before steps were signed, two that are."""
    made = MadeUp(identity)
    for number in range(1, 4):
        made.step(case="HARBOUR", entry=number)
    made.begin()
    made.step(case="HARBOUR", entry=4)
    made.step(case="HARBOUR", entry=5)
    return made


def test_entries_older_than_the_first_signature_are_named_and_never_said_to_be_proven(tmp_path: Path) -> None:
    made = an_older_log()
    status, out, err = verified(
        written(tmp_path / "log.jsonl", made.public()), written(tmp_path / "disclosed.jsonl", made.disclosure(1, 3))
    )
    assert (status, err) == (0, "")
    assert "Entries 0 to 2 are older than the first signature: nothing shows" in out
    assert "  generation 1: entries 3 to 4, certified by this identity\n" in out
    assert "Proven: within each generation, of entries 3 to 4 none" in out
    assert "Entries 1 of the log are older than the first signature: nothing shows" in out


OLDER: dict[str, Callable[[list[dict[str, Any]]], object]] = {
    "a signature before the first generation": lambda lines: lines[2].update(signature=lines[5]["signature"]),
    "a signature that is none before the first generation": lambda lines: lines[2].update(signature=""),
    "a first step twice": lambda lines: lines[0]["generations"].append(dict(lines[0]["generations"][0], generation=2)),
    "a first step twice, the real one last": lambda lines: lines[0]["generations"].insert(
        0, dict(lines[0]["generations"][0], first_key="11" * 32)
    ),
    "a generation 0": lambda lines: lines[0]["generations"][0].update(generation=0),
    "half a certificate": lambda lines: lines[0]["generations"][0].update(mldsa65=None),
}


@pytest.mark.parametrize("what", OLDER)
def test_what_no_vault_says_of_its_generations_does_not_hold(tmp_path: Path, what: str) -> None:
    path = tmp_path / "log.jsonl"
    assert verified(written(path, an_older_log().public()))[0] == 0
    assert_refused(written(path, rewritten(OLDER[what])(an_older_log().public())))


def test_a_key_that_is_named_before_the_first_generation_does_not_hold(tmp_path: Path) -> None:
    made = MadeUp(STRANGER)
    made.begin()
    made.step()
    made.header["generations"].clear()
    made.steps[0]["signature"] = None
    made.begin()
    made.step()
    assert "names the next key" in assert_refused(written(tmp_path / "log.jsonl", made.public()))


def test_a_generation_whose_number_is_not_higher_does_not_hold(tmp_path: Path) -> None:
    made = MadeUp()
    for number in (99, 1):
        made.begin(number=number)
        made.step()
    assert "does not follow" in assert_refused(written(tmp_path / "log.jsonl", made.public()))


# What is disclosed


def passed_on(change: Callable[[list[dict[str, Any]]], object]) -> Callable[[str], str]:
    """What somebody in between does who makes the number of entries agree."""

    def apply(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        changed = change(lines)
        found = changed if isinstance(changed, list) else lines
        found[0]["entries"] = len(found) - 1
        return found

    return rewritten(apply)


def with_hash_of_nine_fields(lines: list[dict[str, Any]]) -> None:
    """The commitment is a tree: of 25 leaves the last nine are one node."""
    fields = lines[1]["fields"]
    salted = [
        bytes.fromhex(each["hash"])
        if "hash" in each
        else leaf_hash(
            length_prefixed(
                COMMITMENT, bytes.fromhex(each["salt"]), each["name"].encode(), canonical_json(each["value"])
            )
        )
        for each in fields
    ]
    fields[16:] = [{"hash": root(salted[16:]).hex(), "name": "zzz"}]


PASSED_ON: dict[str, Callable[[str], str]] = {
    "nine fields under one hash": passed_on(with_hash_of_nine_fields),
    "a field under another name": passed_on(
        lambda lines: lines[1].update(
            fields=[
                {"hash": "00" * 32, "name": "number"} if at == 20 else each
                for at, each in enumerate(lines[1]["fields"])
            ]
        )
    ),
    "an entry twice": passed_on(lambda lines: [*lines[:2], *lines[1:]]),
    "entries in another order": passed_on(lambda lines: [lines[0], lines[2], lines[1], *lines[3:]]),
    "a name that says more": passed_on(
        lambda lines: lines[0].update(origin=lines[0]["origin"] + " (certified by the court)")
    ),
    "a name that is none": passed_on(lambda lines: lines[0].update(origin="the log")),
}


@pytest.mark.parametrize("what", PASSED_ON)
def test_whoever_passes_a_disclosure_on_changes_nothing_of_it_unseen(
    exported: Exported, tmp_path: Path, what: str
) -> None:
    path = written(tmp_path / "disclosed.jsonl", PASSED_ON[what](exported.disclosed))
    assert_refused(path)
    assert_refused(written(tmp_path / "log.jsonl", exported.public), path)


def test_a_head_of_another_generation_than_it_had_in_the_public_export_does_not_hold(
    exported: Exported, tmp_path: Path
) -> None:
    path = tmp_path / "disclosed.jsonl"
    rename = rewritten(lambda lines: lines[0].update(origin=lines[0]["origin"] + "7"))
    assert verified(written(path, rename(exported.disclosed)))[0] == 0, "nothing in the file contradicts it"
    assert "another name" in assert_refused(
        written(tmp_path / "log.jsonl", exported.public), written(path, rename(exported.disclosed))
    )


def test_entries_of_a_case_that_are_left_out_are_named(exported: Exported, tmp_path: Path) -> None:
    log_path, path = written(tmp_path / "log.jsonl", exported.public), tmp_path / "disclosed.jsonl"
    whole = exported.disclosed.count("\n") - 1
    status, out, _err = verified(log_path, written(path, exported.disclosed))
    assert status == 0
    assert (
        f'Case "HARBOUR": its entries 1 to {whole} are shown. By their numbers none before or between them is missing.'
        in out
    )
    assert f"Whether others follow {whole} does not show." in out
    left_out = passed_on(lambda lines: [lines[0], *lines[2:4], *lines[5:]])
    for status, out, _err in (
        verified(written(path, left_out(exported.disclosed))),
        verified(log_path, path),
    ):
        assert status == 0
        assert (
            f'Case "HARBOUR": its entries 2 to 3, 5 to {whole} are shown. MISSING before or between them: 1, 4.' in out
        )
        assert "chosen ones" in out


def test_numbers_within_a_case_that_do_not_rise_are_named(tmp_path: Path) -> None:
    made = MadeUp()
    made.begin()
    for number in (1, 3, 3):
        made.step(case="HARBOUR", entry=number)
    status, out, _err = verified(written(tmp_path / "disclosed.jsonl", made.disclosure(0, 1, 2)))
    assert status == 0
    assert 'Case "HARBOUR": its entries 1, 3, 3 are shown. THEIR NUMBERS DO NOT RISE' in out


def test_fields_that_are_not_shown_are_named_as_hidden(exported: Exported, tmp_path: Path) -> None:
    def hide(lines: list[dict[str, Any]]) -> None:
        for each in lines[1]["fields"]:
            if each["name"] in ("case", "purpose"):
                salted = (COMMITMENT, bytes.fromhex(each.pop("salt")), each["name"].encode())
                each["hash"] = leaf_hash(length_prefixed(*salted, canonical_json(each.pop("value")))).hex()

    status, out, _err = verified(written(tmp_path / "disclosed.jsonl", rewritten(hide)(exported.disclosed)))
    assert status == 0
    first, second = (json.loads(line) for line in out.splitlines()[:2])
    never = {"boot_id", "monotonic_ms", "objects"}
    assert (set(first["hidden"]), set(second["hidden"])) == (never | {"case", "purpose"}, never)
    assert "case" not in first
    assert "Hidden in some or all of them: boot_id, case, monotonic_ms, objects, purpose." in out
    assert "Entries that hide their case or their number in it: 1." in out


def test_the_fields_of_an_entry_are_exactly_those_of_the_log() -> None:
    assert tuple(sorted(FIELDS)) == _verify_log.FIELDS
    assert not {"number", "step", "hidden"} & set(FIELDS)


# Where a vault's own readers are strict


def with_sshsig(change: Callable[[str], str]) -> Callable[[list[dict[str, Any]]], object]:
    def apply(lines: list[dict[str, Any]]) -> None:
        generation = lines[0]["generations"][0]
        generation["sshsig"] = change(generation["sshsig"])

    return apply


def of_one_letter_a_line(armored: str) -> str:
    begin, *lines, end, last = armored.split("\n")
    return "\n".join([begin, *"".join(lines), end, last])


LOOSE_LOGS: dict[str, Callable[[str], str]] = {
    "true for a version": lambda content: content.replace('"v":1,"vault_id"', '"v":true,"vault_id"', 1),
    "a version with a point": lambda content: content.replace('"v":1,"vault_id"', '"v":1.0,"vault_id"', 1),
    "an ML-DSA-65 key that is none": rewritten(lambda lines: lines[0]["identity"].update(mldsa65={"x": 1})),
    "an ML-DSA-65 key of another size": rewritten(lambda lines: lines[0]["identity"].update(mldsa65="00")),
    "an identity of more keys": rewritten(lambda lines: lines[0]["identity"].update(more="00")),
    "an ML-DSA-65 signature that is none": rewritten(lambda lines: lines[0]["generations"][0].update(mldsa65={"x": 1})),
    "a certificate of other lines": rewritten(with_sshsig(of_one_letter_a_line)),
    "a certificate with text behind": rewritten(with_sshsig(lambda text: text + "\n")),
    "a certificate with a space": rewritten(with_sshsig(lambda text: text.replace("\n", " \n", 1))),
}


@pytest.mark.parametrize("what", LOOSE_LOGS)
def test_a_public_export_in_a_form_that_no_vault_writes_does_not_hold(
    exported: Exported, tmp_path: Path, what: str
) -> None:
    loose = LOOSE_LOGS[what](exported.public)
    assert loose != exported.public
    assert_refused(written(tmp_path / "log.jsonl", loose))


def disclosing(name: object, value: object) -> str:
    """An entry of one log, by its maker: every other field is as it should be, and the commitment is to what is shown."""
    made = MadeUp()
    made.begin()
    made.step()
    lines = [json.loads(line) for line in made.disclosure(0).splitlines()]
    fields = lines[1]["fields"]
    fields[13] |= {"name": name, "value": value}
    parts = [
        (
            COMMITMENT,
            bytes.fromhex(each["salt"]),
            str(each["name"]).encode(),
            _verify_log.canonical(each["value"]).encode(),
        )
        for each in fields
    ]
    commitment = root([leaf_hash(length_prefixed(*each)) for each in parts])
    old = Leaf.from_bytes(lines[1]["leaf"].encode())
    leaf = Leaf(commitment, old.number, old.step, old.next_key).to_bytes()
    lines[1]["leaf"], lines[0]["root"] = leaf.decode(), leaf_hash(leaf).hex()
    return "".join(_verify_log.canonical(line) + "\n" for line in lines)


def nested(depth: int) -> object:
    value: object = None
    for _ in range(depth):
        value = [value]
    return value


LOOSE_FIELDS: dict[str, tuple[object, object]] = {
    "a name that is a number": (5, None),
    "a name that is the entry's number": ("number", 3),
    "a value with a point": ("objects", 1e16),
    "a number beyond all others": ("objects", 2**53),
    "a value nested more deeply than a vault writes": ("objects", nested(17)),
}


@pytest.mark.parametrize("what", LOOSE_FIELDS)
def test_a_field_in_a_form_that_no_vault_writes_does_not_hold(tmp_path: Path, what: str) -> None:
    assert verified(written(tmp_path / "good.jsonl", disclosing("objects", nested(16))))[0] == 0
    content = disclosing(*LOOSE_FIELDS[what])
    assert_refused(written(tmp_path / "disclosed.jsonl", content))


def test_the_vault_s_own_reader_refuses_these_fields_too() -> None:
    secret = bytes(32)
    for value in (1e16, 2**53, nested(17)):
        with pytest.raises(CommitmentMismatch):
            verify_disclosed(
                commit(secret, {"objects": None}), [{"name": "objects", "salt": "00" * 32, "value": value}]
            )


# Whoever verifies


@pytest.mark.parametrize("options", [(), ("-I",), ("-P",)], ids=["plain", "isolated", "safe"])
def test_nothing_that_lies_beside_the_program_is_run(
    exported: Exported, tmp_path: Path, options: tuple[str, ...]
) -> None:
    if "-P" in options and sys.version_info < (3, 11):
        pytest.skip("left out: this Python has no -P")
    shutil.copy(VERIFIER, tmp_path / "verify_log.py")
    written(tmp_path / "log.jsonl", exported.public)
    for name in sys.stdlib_module_names:
        planted = "import sys\nsys.stdout.write('The log proves itself (planted)\\n')\nsys.stdout.flush()\nimport os\nos._exit(0)\n"
        (tmp_path / f"{name}.py").write_text(planted, encoding="ascii")
    done = subprocess.run(
        [sys.executable, *options, "verify_log.py", "log.jsonl"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "planted" not in done.stdout
    assert f"identity  {exported.identity}" in done.stdout


@pytest.mark.parametrize("search", [".", "/nowhere:", ":/nowhere"])
def test_a_search_path_that_names_the_folder_of_the_export_runs_nothing_of_it(
    exported: Exported, tmp_path: Path, search: str
) -> None:
    """What Python itself imports at its start only -I keeps it from taking there."""
    log_path = written(tmp_path / "log.jsonl", exported.public)
    for name in ("__future__", "base64", "hashlib", "json", "pathlib", "struct"):
        (tmp_path / f"{name}.py").write_text("print('planted')\nraise SystemExit(0)\n", encoding="ascii")
    done = subprocess.run(
        [sys.executable, str(VERIFIER), log_path.name],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": search.replace(":", os.pathsep)},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "planted" not in done.stdout


def test_the_program_says_where_it_should_come_from() -> None:
    for sentence in ("python3 -I verify_log.py", "from a source that you trust", "the hand that is\nto be verified"):
        assert sentence in (_verify_log.__doc__ or "")


@pytest.mark.skipif(sys.platform == "win32", reason="left out: Windows has no such files")
def test_what_is_no_file_on_a_disk_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        status, out, err = verified(path)
        assert (status, out) == (1, "")
        assert "not a file on a disk" in err


def test_a_disclosure_that_does_not_end_is_not_read_to_its_end(exported: Exported, tmp_path: Path) -> None:
    path = written(tmp_path / "disclosed.jsonl", exported.disclosed)
    with path.open("ab") as file:
        file.truncate(1 << 30)
    assert_refused(path)
    more = written(tmp_path / "more.jsonl", exported.disclosed + exported.disclosed.splitlines()[1] + "\n")
    assert "more entries" in assert_refused(more)
    many = rewritten(lambda lines: lines[0].update(entries=10_001))(exported.disclosed)
    assert "too many" in assert_refused(written(path, many))


@pytest.mark.parametrize("part", ["[],", "{},", '"ab",'])
def test_a_line_of_very_many_small_parts_is_refused_before_it_takes_memory(
    exported: Exported, tmp_path: Path, part: str
) -> None:
    """Thirty times as much memory as the line has characters, and a minute, was what such a line took."""
    many = "[" + part * (3 << 20) + '""]'
    header, *rest = exported.disclosed.splitlines()
    for lines in ([many], [header, many, *rest[1:]], [header, rest[0].replace('"proof":', f'"proof":{many},"x":')]):
        assert "more parts" in assert_refused(written(tmp_path / "log.jsonl", "\n".join(lines) + "\n"))


def test_entries_that_were_disclosed_after_the_public_export_are_not_said_to_be_of_another_log(tmp_path: Path) -> None:
    made = MadeUp(STRANGER)
    made.begin()
    made.step()
    log_path = written(tmp_path / "log.jsonl", made.public())
    made.step()
    status, out, err = verified(log_path, written(tmp_path / "disclosed.jsonl", made.disclosure(1)))
    assert (status, out) == (2, "")
    assert "ask for a later one" in err
    assert "HOLD" not in err


def test_two_public_exports_at_once_are_wrong_use_and_say_nothing_of_either(exported: Exported, tmp_path: Path) -> None:
    one, other = written(tmp_path / "one", exported.public), written(tmp_path / "other", exported.public)
    status, out, err = verified(one, other)
    assert (status, out) == (2, "")
    assert "one public export" in err
