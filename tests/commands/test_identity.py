"""`identity`: what is read out, scanned and handed out."""

import json
import re
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from pyte import Screen, Stream

from commands import _qr
from crypto import fingerprints
from vault.cards import Card


def shown(cv: Any) -> Any:
    return cv("identity", "show", "--json").json


def test_the_same_fingerprint_stands_in_every_form(cv: Any) -> None:
    found = shown(cv)
    raw = bytes.fromhex(found["fingerprint"])
    assert tuple(found["digits"]) == fingerprints.digits(raw)
    assert tuple(found["words"]) == fingerprints.words(raw)
    assert found["qr_text"] == f"CASEVAULT:FINGERPRINT:{''.join(found['digits'])}"
    lines = cv("identity", "show").stdout
    numbered = dict(re.findall(r"(\d+): (\d{5})\b", lines))
    assert [numbered[str(number)] for number in range(1, 17)] == found["digits"]
    assert " ".join(" ".join(re.findall("In words: (.*)", lines)).split()) == " ".join(found["words"])
    assert f"For ssh-keygen: {found['ssh_fingerprint']}\n" in lines
    plain = cv("identity", "show", "--plain").stdout.splitlines()
    assert [line.removeprefix(f"Group {number}: ") for number, line in enumerate(plain[1:17], 1)] == found["digits"]
    assert [line.removeprefix(f"Word {number}: ") for number, line in enumerate(plain[17:29], 1)] == found["words"]


def test_ssh_keygen_shows_the_same_key(cv: Any, program: Callable[[str], str]) -> None:
    found = shown(cv)
    (cv.folder / "our.pub").write_text(found["ssh_key"] + "\n")
    done = subprocess.run(
        [program("ssh-keygen"), "-l", "-f", "our.pub"], cwd=cv.folder, capture_output=True, text=True, check=True
    )
    assert found["ssh_fingerprint"] in done.stdout


def test_a_card_goes_to_standard_output_or_to_a_new_file_and_over_nothing(cv: Any) -> None:
    found = shown(cv)
    text = cv("identity", "card").stdout
    assert Card.from_bytes(text.encode()).fingerprint.hex() == found["fingerprint"]
    done = cv("identity", "card", "-o", "our.card")
    written = (cv.folder / "our.card").read_bytes()
    assert Card.from_bytes(written).name is None
    assert "It names nobody." in done.stderr
    assert "our.card" in done.stdout
    cv("identity", "card", "-o", "our.card", status=15)
    assert (cv.folder / "our.card").read_bytes() == written
    document = cv("identity", "card", "--classical", "--json").json
    assert Card.from_bytes(document["card"].encode()).age_classical is not None
    assert document["path"] is None


def test_no_encoding_of_the_output_changes_a_card(cv: Any, terminal: Callable[..., Any]) -> None:
    cv("identity", "name", "-", typed="Бюро \u202e")
    process = cv.start("identity", "card", PYTHONIOENCODING="cp1251")
    card, _said = process.communicate(timeout=60)
    assert Card.from_bytes(card).name == "Бюро \u202e"
    # On a terminal it is looked at, and nothing in it is obeyed.
    status, shown = terminal(*cv.options, "identity", "card").finish()
    assert status == 0
    assert "name: Бюро <U+202E>" in shown
    assert "\u202e" not in shown


def test_a_name_comes_into_the_card_and_out_of_it_again(cv: Any) -> None:
    assert "Бюро" in cv("identity", "name", "-", typed="Бюро\n").stdout
    assert Card.from_bytes(cv("identity", "card").stdout.encode()).name == "Бюро"
    assert "Бюро" in cv("identity", "card").stderr
    assert "no name" in cv("identity", "name", "-", typed="\n").stdout
    assert Card.from_bytes(cv("identity", "card").stdout.encode()).name is None
    done = cv("identity", "name", status=2)
    assert "NAME is missing" in done.stderr
    cv("identity", "name", "-", typed="a\x1b[2Jb", status=2)


def test_on_a_terminal_there_is_a_code_for_a_camera(cv: Any, terminal: Callable[..., Any]) -> None:
    text = shown(cv)["qr_text"]
    screen = terminal(*cv.options, "identity", "show", term="xterm-256color", LINES="60")
    status, raw = screen.finish()
    assert status == 0
    seen = Screen(400, 60)
    Stream(seen).feed(raw)
    rows = [line.rstrip() for line in seen.display]
    wanted = [line.rstrip() for line in _qr.lines(text)]
    first = next(line for line in wanted if line)
    start = next(number for number, row in enumerate(rows) if row == first) - wanted.index(first)
    assert rows[start : start + len(wanted)] == wanted
    width = len(_qr.lines(text)[0])
    colours = {(seen.buffer[start + 3][column].fg, seen.buffer[start + 3][column].bg) for column in range(width)}
    assert colours == {("black", "brightwhite")}


@pytest.mark.parametrize("arguments", [("--plain",), ("--json",), ()])
def test_elsewhere_there_is_none(cv: Any, arguments: tuple[str, ...]) -> None:
    assert not re.search("[\u2580-\u259f]", cv("identity", "show", *arguments).stdout)


def test_a_code_says_what_it_was_made_of() -> None:
    """The modules of the picture are those of the code, with a border of four on each side."""
    import segno

    text = fingerprints.qr_text(bytes(range(32)))
    lines = _qr.lines(text)
    modules = [tuple(row) for row in segno.make(text, error="m", micro=False).matrix]
    size = len(modules) + 8
    assert {len(line) for line in lines} == {size}
    upper = {"\u2580", "\u2588"}
    for number, row in enumerate(modules):
        line, is_lower = lines[(number + 4) // 2], (number + 4) % 2
        drawn = [char in ({"\u2584", "\u2588"} if is_lower else upper) for char in line[4:-4]]
        assert drawn == [bool(module) for module in row]
    assert lines[0].strip() == lines[1].strip() == ""


def test_without_a_name_for_the_vault_there_is_nothing_of_a_case_in_a_card(harbour: Any) -> None:
    document = json.dumps(harbour("identity", "card", "--json").json)
    assert "HARBOUR" not in document
    assert "Harbour" not in document


def test_a_changed_passphrase_says_that_the_identity_stays(cv: Any, locked: Any) -> None:
    old, new = cv.secret("old", b"seven quiet herons over the harbour at dawn"), cv.secret("new", b"eleven loud cranes")
    change = ("--vault", locked, "passphrase", "change", "--insist")
    done = cv.bare(*change, "--passphrase-file", old, "--new-passphrase-file", new)
    assert "identity" not in done.stderr
    cv.bare("--vault", locked, "--passphrase-file", new, "identity", "show")
    done = cv.bare(*change, "--passphrase-file", new, "--new-passphrase-file", old)
    assert "Our identity stays the same" in done.stderr
