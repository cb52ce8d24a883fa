"""What of the log is given to others, and the program of one file that verifies it, tested against the real thing and forgeries."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from altered import run_without_outcome
from faults import FaultyDisk, replaced
from made_up_logs import VERIFIER, assert_refused, rewritten, verified
from vaults import make_vault, open_vault

from commands import _verify_log
from commands._places import make_inside
from crypto import ed25519
from crypto.errors import BadSignature, InvalidPublicKey
from vault import Vault, errors, log_exporting, schema
from vault.keeper import Keeper
from vault.leaves import Leaf


@pytest.fixture
def vault(tmp_path: Path) -> Any:
    with make_vault(tmp_path / "v") as found:
        found.cases.new("CANARY Harbour Street", code="HARBOUR")
        found.cases.new("CANARY Bridge", code="BRIDGE")
        for number in range(3):
            found.cases.get("HARBOUR").note(f"CANARY remark {number}")
        found.cases.get("HARBOUR").items.add_text("CANARY text")
        found.search("CANARY")
        found.identity.show()
        yield found


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """One vault's public form, and the disclosure of a case of it, to be forged."""
    folder = tmp_path_factory.mktemp("exported")
    with make_vault(folder / "v") as found:
        found.cases.new("Harbour Street", code="HARBOUR")
        found.cases.get("HARBOUR").note("remark")
        found.cases.get("HARBOUR").show()
        found.identity.show()
        return content_of(public(found, folder / "public")), content_of(disclosed(found, folder / "disclosed"))


def content_of(path: Path) -> str:
    return path.read_bytes().decode()


def public(vault: Vault, path: Path) -> Path:
    vault.export_log(path)
    return path


def disclosed(vault: Vault, path: Path, **named: Any) -> Path:
    vault.disclose_log(path, **(named or {"case": "HARBOUR"}))
    return path


def test_the_public_form_is_verified_by_the_program_alone_and_tells_counts_only(vault: Vault, tmp_path: Path) -> None:
    path = public(vault, tmp_path / "log.jsonl")
    status, out, err = verified(path)
    assert (status, err) == (0, "")
    head = vault.log_status().head
    assert "The log proves itself (Ed25519 signatures only)" in out
    assert "certified by this identity" in out
    assert f"casevault/{vault.info().vault_id}/g1" in out
    content = path.read_text(encoding="utf-8")
    for secret in ("CANARY", "HARBOUR", "BRIDGE", "case-note", "keyfile", "2026-11"):
        assert secret not in content
    assert head.size > content.count('"leaves"')


def test_a_log_of_more_pages_than_one_is_exported_whole(
    vault: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = public(vault, tmp_path / "one").read_text(encoding="utf-8").splitlines()
    monkeypatch.setattr(log_exporting, "PAGE_STEPS", 3)
    paged = public(vault, tmp_path / "log.jsonl")
    assert paged.read_text(encoding="utf-8").splitlines()[: len(whole)] == whole
    assert verified(paged)[0] == 0
    acts = [(entry.act, entry.phase) for entry in vault.log() if entry.act == "log-export"]
    assert acts == [("log-export", "intent"), ("log-export", "done")] * 2


def with_leaf(lines: list[dict[str, Any]], at: int, leaf: Callable[[Leaf], Leaf]) -> None:
    old = Leaf.from_bytes(lines[at]["leaves"][0].encode())
    lines[at]["leaves"][0] = leaf(old).to_bytes().decode()


def with_certificate(lines: list[dict[str, Any]], at: int) -> None:
    """One bit of what is in the SSHSIG, in the same form."""
    generation = lines[0]["generations"][0]
    begin, *text, end, last = generation["sshsig"].split("\n")
    data = bytearray(base64.b64decode("".join(text)))
    data[at] ^= 1
    altered = base64.b64encode(data).decode()
    rows = [altered[start : start + 70] for start in range(0, len(altered), 70)]
    assert list(map(len, rows)) == list(map(len, text))
    generation["sshsig"] = "\n".join([begin, *rows, end, last])


FORGED_LOGS: dict[str, Callable[[str], str]] = {
    "a leaf altered": rewritten(
        lambda lines: with_leaf(lines, 4, lambda old: Leaf(bytes(32), old.number, old.step, old.next_key))
    ),
    "a leaf of another number": rewritten(
        lambda lines: with_leaf(lines, 4, lambda old: Leaf(old.commitment, old.number + 1, old.step, old.next_key))
    ),
    "a leaf of another step": rewritten(
        lambda lines: with_leaf(lines, 4, lambda old: Leaf(old.commitment, old.number, old.step + 1, old.next_key))
    ),
    "a leaf without the next key": rewritten(
        lambda lines: with_leaf(lines, 4, lambda old: Leaf(old.commitment, old.number, old.step))
    ),
    "a leaf with another next key": rewritten(
        lambda lines: with_leaf(lines, 4, lambda old: Leaf(old.commitment, old.number, old.step, bytes(32)))
    ),
    "a leaf not canonical": lambda content: content.replace('\\"v\\":1}', '\\"v\\": 1}', 1),
    "a step removed": rewritten(lambda lines: lines[:4] + lines[5:]),
    "a step twice": rewritten(lambda lines: lines[:5] + lines[4:]),
    "two steps exchanged": rewritten(lambda lines: [*lines[:4], lines[5], lines[4], *lines[6:]]),
    "a step without entries": rewritten(lambda lines: lines[4].update(leaves=[])),
    "a signature altered": rewritten(lambda lines: lines[4].update(signature="00" * 64)),
    "a signature of another step": rewritten(lambda lines: lines[4].update(signature=lines[5]["signature"])),
    "a signature removed": rewritten(lambda lines: lines[4].update(signature=None)),
    "another vault's name": rewritten(lambda lines: lines[0].update(vault_id="00" * 32)),
    "another first key": rewritten(lambda lines: lines[0]["generations"][0].update(first_key="00" * 32)),
    "a later beginning": rewritten(lambda lines: lines[0]["generations"][0].update(first_step=3)),
    "a beginning on another log": rewritten(lambda lines: lines[0]["generations"][0].update(root="00" * 32)),
    "no beginning": rewritten(lambda lines: lines[0].update(generations=[])),
    "another identity": rewritten(lambda lines: lines[0]["identity"].update(ed25519="11" * 32)),
    "a certificate altered": rewritten(lambda lines: with_certificate(lines, -2)),
    "a certificate of another key": rewritten(lambda lines: with_certificate(lines, 40)),
    "a field more": rewritten(lambda lines: lines[4].update(more=1)),
    "a line cut": lambda content: content[:-20],
    "nothing": lambda _content: "",
    "another format": rewritten(lambda lines: lines[0].update(v=2)),
    "no JSON": lambda content: content.replace("{", "[", 1),
}


def assert_does_not_hold(path: Path, content: str, forge: Callable[[str], str]) -> None:
    forged = forge(content)
    assert forged != content
    path.write_text(forged, encoding="utf-8", newline="\n")
    assert_refused(path)


@pytest.mark.parametrize("what", FORGED_LOGS)
def test_a_forged_public_export_does_not_hold(exported: tuple[str, str], tmp_path: Path, what: str) -> None:
    assert_does_not_hold(tmp_path / "log.jsonl", exported[0], FORGED_LOGS[what])


DEEP = 300_000
HOSTILE_LINES: dict[str, bytes] = {
    "lists in lists": b"[" * DEEP + b"]" * DEEP,
    "objects in objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "a number of many digits": b"1" * 5000,
    "a number of many digits in its place": b'{"casevault":"log-public","generations":[],"identity":null,"v":'
    + b"1" * 5000
    + b',"vault_id":""}',
    "a number that is not whole": b"1.5",
    "a number without end": b"1e999",
    "no number": b"NaN",
    "no UTF-8": b'"\xff"',
    "half a character": b'"\\ud800"',
    "a mark before the text": b"\xef\xbb\xbf{}",
    "zeros": bytes(100),
    "a list": b"[]",
    "a text": b'"casevault"',
    "an empty object": b"{}",
    "an empty line": b"",
    "a kind that is no text": b'{"casevault":{"log-public":1}}',
    "what a terminal obeys": b'{"\x1b[2J":1}',
}


@pytest.mark.parametrize("ended", [True, False])
@pytest.mark.parametrize("what", HOSTILE_LINES)
def test_a_line_that_was_made_for_the_verifier_does_not_hold(
    exported: tuple[str, str], tmp_path: Path, what: str, ended: bool
) -> None:
    line, path = HOSTILE_LINES[what] + b"\n" * ended, tmp_path / "log.jsonl"
    for before in (b"", exported[0].encode(), exported[1].encode()):
        path.write_bytes(before + line)
        if path.read_bytes() != before:
            assert_refused(path)


HOSTILE_VALUES: dict[str, Callable[[list[dict[str, Any]]], object]] = {
    "a generation that is none": lambda lines: lines[0].update(generations=[1]),
    "generations that are none": lambda lines: lines[0].update(generations=1),
    "an identity that is none": lambda lines: lines[0].update(identity={}),
    "a certificate that is none": lambda lines: lines[0]["generations"][0].update(sshsig=[[]]),
    "a certificate not in base64": lambda lines: lines[0]["generations"][0].update(
        sshsig="-----BEGIN SSH SIGNATURE-----\n\u00e4\n-----END SSH SIGNATURE-----\n"
    ),
    "leaves that are none": lambda lines: lines[3].update(leaves=[None]),
    "a signature that is none": lambda lines: lines[3].update(signature=True),
    "a step that is none": lambda lines: lines[3].update(step=True),
}


@pytest.mark.parametrize("what", HOSTILE_VALUES)
def test_a_value_of_another_kind_does_not_hold(exported: tuple[str, str], tmp_path: Path, what: str) -> None:
    assert_does_not_hold(tmp_path / "log.jsonl", exported[0], rewritten(HOSTILE_VALUES[what]))


def test_a_line_without_end_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with path.open("wb") as file:
        file.truncate(1 << 30)  # a hole, where the disk can have one
    assert "too long" in assert_refused(path)


@pytest.mark.skipif(sys.platform != "linux", reason="left out: memory is limited as Linux limits it")
def test_a_file_for_which_memory_does_not_suffice_does_not_hold(tmp_path: Path) -> None:
    import resource

    path = tmp_path / "log.jsonl"
    path.write_bytes(b"[" + b"[]," * (3 << 20) + b"[]]\n")
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(VERIFIER), str(path)],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (150 << 20, 150 << 20)),
    )
    assert (done.returncode, done.stdout) == (22, ""), done.stderr
    assert done.stderr.startswith("DOES NOT HOLD: ")


# Disclosures


def test_the_entries_of_one_case_are_disclosed_and_nothing_of_another(vault: Vault, tmp_path: Path) -> None:
    path = disclosed(vault, tmp_path / "disclosed.jsonl")
    status, out, err = verified(path)
    assert (status, err) == (0, "")
    shown = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    assert {each["case"] for each in shown} == {"HARBOUR"}
    assert [each["act"] for each in shown if each["phase"] == "done"] == ["case-note"] * 3 + ["item-add", "search"]
    assert "BRIDGE" not in path.read_text(encoding="utf-8")
    assert "NOTHING HERE SIGNS THIS HEAD" in out
    log = public(vault, tmp_path / "log.jsonl")
    status, out, err = verified(log, path)
    assert (status, err) == (0, "")
    assert "The public export above has this head after its step" in out


def test_a_field_that_is_hidden_is_not_told_and_the_rest_still_holds(vault: Vault, tmp_path: Path) -> None:
    path = tmp_path / "disclosed.jsonl"
    everything = content_of(disclosed(vault, tmp_path / "everything"))
    hidden = content_of(disclosed(vault, path, case="HARBOUR", hidden=("query", "actor", "wall_time")))
    assert "CANARY" in everything
    for told in ("CANARY", "keyfile", "2026-11"):
        assert told not in hidden
    status, out, _err = verified(path)
    assert status == 0
    assert "wall_time" not in json.loads(out.splitlines()[0])
    with pytest.raises(errors.BadValue):
        disclosed(vault, tmp_path / "other", case="HARBOUR", hidden=("no such field",))


def test_chosen_entries_are_disclosed_by_number(vault: Vault, tmp_path: Path) -> None:
    path = disclosed(vault, tmp_path / "disclosed.jsonl", entries=(5, 0, 5))
    status, out, _err = verified(path)
    assert status == 0
    assert [json.loads(line)["number"] for line in out.splitlines() if line.startswith("{")] == [0, 5]
    with pytest.raises(errors.NoSuchEntry):
        disclosed(vault, tmp_path / "other", entries=(5, 100_000))


FORGED_DISCLOSURES: dict[str, Callable[[str], str]] = {
    "a value altered": lambda content: content.replace('"case-note"', '"case-show"', 1),
    "a salt altered": rewritten(lambda lines: lines[1]["fields"][0].update(salt="00" * 32)),
    "a field removed": rewritten(lambda lines: lines[1]["fields"].pop()),
    "a field twice": rewritten(lambda lines: lines[1]["fields"].append(lines[1]["fields"][-1])),
    "two fields exchanged": rewritten(lambda lines: lines[1]["fields"].reverse()),
    "a leaf altered": rewritten(lambda lines: lines[1].update(leaf=lines[2]["leaf"])),
    "a proof cut": rewritten(lambda lines: lines[1]["proof"].pop()),
    "a proof extended": rewritten(lambda lines: lines[1]["proof"].append("00" * 32)),
    "another root": rewritten(lambda lines: lines[0].update(root="00" * 32)),
    "another size": rewritten(lambda lines: lines[0].update(size=lines[0]["size"] + 1)),
    "an entry removed": rewritten(lambda lines: lines[:-1]),
    "a line cut": lambda content: content[:-20],
    "a field of another kind": rewritten(lambda lines: lines[1]["fields"][0].pop("salt")),
}


HOSTILE_DISCLOSURES: dict[str, Callable[[list[dict[str, Any]]], object]] = {
    "the last entry altered": lambda lines: lines[-1]["fields"][0].update(salt="00" * 32),
    "fields that are none": lambda lines: lines[2].update(fields=[1]),
    "a field whose name is none": lambda lines: lines[2]["fields"][0].update(name=[]),
    "a proof that is none": lambda lines: lines[2].update(proof=[1]),
    "a leaf that is none": lambda lines: lines[2].update(leaf=5),
    "a size beyond all logs": lambda lines: lines[0].update(size=10**15),
    "a head that is none": lambda lines: lines[0].update(root=5),
}


@pytest.mark.parametrize("what", HOSTILE_DISCLOSURES)
def test_nothing_is_shown_of_entries_of_which_one_does_not_hold(
    exported: tuple[str, str], tmp_path: Path, what: str
) -> None:
    path, good = tmp_path / "disclosed.jsonl", tmp_path / "good.jsonl"
    assert_does_not_hold(path, exported[1], rewritten(HOSTILE_DISCLOSURES[what]))
    good.write_text(exported[1], encoding="utf-8", newline="\n")
    assert verified(good)[0] == 0
    assert_refused(good, path)


def test_a_value_nested_deeply_does_not_hold(exported: tuple[str, str], tmp_path: Path) -> None:
    deep = "[" * DEEP + "]" * DEEP
    assert_does_not_hold(
        tmp_path / "disclosed.jsonl",
        exported[1],
        lambda content: content.replace('"value":"case-', f'"value":{deep}"', 1),
    )


@pytest.mark.parametrize("what", FORGED_DISCLOSURES)
def test_a_forged_disclosure_does_not_hold(exported: tuple[str, str], tmp_path: Path, what: str) -> None:
    assert_does_not_hold(tmp_path / "disclosed.jsonl", exported[1], FORGED_DISCLOSURES[what])


def test_a_disclosure_of_another_log_than_the_public_export_is_refused(vault: Vault, tmp_path: Path) -> None:
    path = disclosed(vault, tmp_path / "disclosed.jsonl")
    with make_vault(tmp_path / "other") as other:
        for _ in range(30):
            other.cases.list()
        log = public(other, tmp_path / "log.jsonl")
    assert_refused(log, path)
    assert "another log" in verified(log, path)[2]


def test_a_restored_log_is_verified_across_its_gap(vault: Vault, tmp_path: Path) -> None:
    from vaults import key_file

    vault.backup(tmp_path / "b")
    for name in ("once", "new"):
        Vault.restore(tmp_path / "b", tmp_path / name, key_file(), state_dir=tmp_path / "state")
    with open_vault(tmp_path / "new") as restored:
        log = public(restored, tmp_path / "log.jsonl")
    status, out, err = verified(log)
    assert (status, err) == (0, "")
    assert "declared gap" in out
    assert "generation 3:" in out, "the second restore has a number of its own"
    assert out.count("certified by this identity") == 2


def test_a_generation_that_was_not_certified_yet_is_before_the_log_is_exported(vault: Vault, tmp_path: Path) -> None:
    keeper = vault.keeper
    assert isinstance(keeper, Keeper)
    with keeper._act("log-status") as act:
        (row,) = keeper.registry.rows(schema.GENERATIONS)
        uncertified = {**row, "sshsig": None, "mldsa65": None, "certified": None}
        act.also.append(partial(keeper.registry.put, schema.GENERATIONS, uncertified))
    assert not vault.log_status().generations[0].certified
    status, out, err = verified(public(vault, tmp_path / "log.jsonl"))
    assert (status, err) == (0, "")
    assert "certified by this identity" in out


def test_text_that_a_terminal_would_obey_is_shown_escaped(vault: Vault, tmp_path: Path) -> None:
    vault.cases.get("HARBOUR").items.get(1).show(purpose="for\x1b[2J\u202ehim")
    path = disclosed(vault, tmp_path / "disclosed.jsonl")
    status, out, _err = verified(path)
    assert status == 0
    assert "\x1b" not in out
    assert "\u202e" not in out


def test_the_signatures_that_it_takes_are_those_that_libsodium_takes() -> None:
    seed = hashlib.sha256(b"seed").digest()
    key, message = ed25519.public_key(seed), b"message"
    good = ed25519.sign(seed, message)
    order = _verify_log.ORDER.to_bytes(32, "little")
    small = bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a")
    neutral = (1).to_bytes(32, "little")
    beyond = (int.from_bytes(good[32:], "little") + _verify_log.ORDER).to_bytes(32, "little")
    cases = [
        (key, message, good),
        (key, b"other", good),
        (ed25519.public_key(bytes(32)), message, good),
        (key, message, good[:32] + beyond),
        (key, message, good[:32] + order),
        (small, message, good),
        (neutral, message, neutral + bytes(32)),
        (small, message, neutral + bytes(32)),
        (key, message, neutral + bytes(32)),
        (b"\xff" * 32, message, good),
        (key, message, b"\xff" * 64),
        *((key, message, bytes([good[0] ^ 1]) + good[1:]), (key, message, good[:63])),
    ]
    for index in range(40):
        other = hashlib.sha256(bytes([index])).digest()
        cases.append((ed25519.public_key(other), other, ed25519.sign(other, other)))
        cases.append((ed25519.public_key(other), other[::-1], ed25519.sign(other, other)))
    taken = []
    for case in cases:
        ours = theirs = True
        try:
            _verify_log.verify_signature(*case)
        except _verify_log.Wrong:
            ours = False
        try:
            ed25519.verify(*case)
        except (BadSignature, InvalidPublicKey):
            theirs = False
        assert ours == theirs, case
        taken.append(ours)
    assert taken.count(True) == 41


@pytest.mark.parametrize("name", ["wycheproof", "speccheck"])
def test_published_edge_cases_of_signatures_come_out_for_it_as_for_the_vault(name: str) -> None:
    path = Path(__file__).parents[1] / "vectors" / "ed25519" / f"{name}.json"
    taken = 0
    for case in json.loads(path.read_text(encoding="utf-8"))["cases"]:
        values = [bytes.fromhex(case[each]) for each in ("public_key", "message", "signature")]
        try:
            _verify_log.verify_signature(*values)
        except _verify_log.Wrong:
            assert not case["accepted"], case["what"]
        else:
            assert case["accepted"], case["what"]
            taken += 1
    assert taken > 0


def test_the_verifier_is_one_file_of_the_standard_library() -> None:
    import ast

    tree = ast.parse(VERIFIER.read_text(encoding="utf-8"))
    imported = {
        name.name.partition(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names
    } | {str(node.module).partition(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported <= sys.stdlib_module_names


# The command


def test_the_command_writes_log_and_verifier_beside_each_other(harbour: Any, folder: Path) -> None:
    (folder / "out").mkdir()
    done = harbour("log", "export", "--to", "out")
    assert "Ed25519 signatures only" in done.stderr
    written = folder / "out" / "log-public"
    assert sorted(path.name for path in written.iterdir()) == ["log.jsonl", "verify_log.py"]
    program = subprocess.run(
        [sys.executable, "-I", "verify_log.py", "log.jsonl"], cwd=written, capture_output=True, text=True, check=False
    )
    assert program.returncode == 0, program.stderr
    disclosed = harbour("log", "export", "--to", "out", "--case", "HARBOUR", "--hide", "actor")
    assert "unencrypted" in disclosed.stderr


def test_a_case_and_then_the_log_are_verified_with_the_line_that_the_readme_gives(
    harbour: Any, folder: Path, source: Path
) -> None:
    (folder / "out").mkdir()
    harbour("identity", "show")
    harbour("log", "export", "--to", "out", "--case", "HARBOUR", "--hide", "query")
    harbour("log", "export", "--to", "out")
    readme = (source / "README.md").read_text(encoding="utf-8")
    (line,) = [each.split() for each in readme.splitlines() if each.startswith("    python3 -I ")]
    done = subprocess.run([sys.executable, *line[1:]], cwd=folder / "out", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "The public export above has this head after its step" in done.stdout
    assert "certified by SHA256:" in done.stdout


def test_an_export_into_a_place_that_is_taken_discloses_nothing_and_logs_nothing(harbour: Any, folder: Path) -> None:
    (folder / "out").mkdir()
    for options in ((), ("--entry", "1")):
        first = harbour("log", "export", "--to", "out", *options)
        written = Path(first.stdout.splitlines()[0])
        content = (folder / written).read_bytes()
        done = harbour("log", "export", "--to", "out", *options, status=15)
        assert "log.jsonl" in done.stderr
        assert done.stdout == ""
        assert (folder / written).read_bytes() == content
    acts = [entry["act"] for entry in harbour("log", "--json").json]
    assert acts.count("log-export") == 2
    assert acts.count("log-disclose") == 2


def test_an_export_is_told_of_though_the_log_could_not_record_how_it_ended(harbour: Any, folder: Path) -> None:
    (folder / "out").mkdir()
    status, out, err = run_without_outcome(harbour, "log-disclose", "log", "export", "--to", "out", "--entry", "1")
    assert status == 28, err
    assert verified(folder / out.splitlines()[0])[0] == 0
    assert (folder / out.splitlines()[1]).exists()


@pytest.mark.parametrize("number", ["-1", "100000", "9223372036854775807", "9223372036854775808", "9" * 100])
def test_an_entry_that_is_not_there_leaves_no_folder(harbour: Any, folder: Path, number: str) -> None:
    (folder / "out").mkdir()
    done = harbour("log", "export", "--to", "out", "--entry", number, status=14)
    assert number in done.stderr
    assert list((folder / "out").iterdir()) == []


def test_what_others_put_into_the_folder_stays_when_an_export_fails(harbour: Any, folder: Path) -> None:
    (folder / "out" / "log-disclosed").mkdir(parents=True)
    (folder / "out" / "log-disclosed" / "letter").write_bytes(b"another's")
    harbour("log", "export", "--to", "out", "--entry", "100000", status=14)
    assert [path.name for path in (folder / "out" / "log-disclosed").iterdir()] == ["letter"]


def test_the_folder_that_is_made_for_an_export_stays_after_a_power_cut(tmp_path: Path) -> None:
    disk = FaultyDisk()
    with replaced(disk):
        made = make_inside(tmp_path, "log-public")
        assert make_inside(tmp_path, "log-public") == made
    assert ("fsync_folder", tmp_path.name) in disk.operations
    disk.lose_unsynced()
    assert made.is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(errors.AlreadyThere):
        make_inside(tmp_path, "file")
