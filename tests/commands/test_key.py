"""Ways into the vault from the command line: what is made, what is shown once, what is asked before something is gone."""

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from vaults import write_rows

PASSPHRASE = "seven quiet herons over the harbour at dawn"
FURTHER = "eleven loud cranes under the bridge at noon"


def test_a_key_file_is_made_for_the_owner_alone_and_opens_the_vault(harbour: Any, folder: Path) -> None:
    done = harbour("key", "add", "--new-key-file", "stick", "--label", "stick", "--json")
    assert {name: done.json[name] for name in ("slot", "kind", "label", "key_file_made", "recovery_file")} == {
        "slot": 1,
        "kind": "keyfile",
        "label": "stick",
        "key_file_made": "stick",
        "recovery_file": None,
    }
    made = folder / "stick"
    assert len(made.read_bytes()) == 64
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    assert harbour.bare("--vault", harbour.vault, "--key-file", made, "case", "list").stdout.startswith("HARBOUR")
    assert [each["label"] for each in harbour("key", "list", "--json").json] == ["keyfile", "stick"]
    assert harbour("key", "list").lines[1][:3] == ["1", "stick", "key file"]
    acts = [(each["act"], each["item"]) for each in harbour("log", "--json").json if each["phase"] == "done"]
    assert ("key-add", "stick") in acts


def test_a_key_file_that_is_there_is_taken_as_it_is_and_a_short_one_refused(cv: Any, folder: Path) -> None:
    own = cv.secret("own", b"bytes of a photograph that nobody else has")
    done = cv("key", "add", "--new-key-file", own, "--label", "photo")
    assert "random" in done.stderr
    assert own.read_bytes() == b"bytes of a photograph that nobody else has"
    cv.bare("--vault", cv.vault, "--key-file", own, "case", "list")
    short = cv.secret("short", b"fifteen bytes..")
    cv("key", "add", "--new-key-file", short, "--label", "short", status=2)
    cv("key", "add", "--new-key-file", cv.vault / "key", "--label", "inside", status=15)
    cv("key", "add", "--new-key-file", folder, "--label", "folder", status=2)
    assert len(cv("key", "list").lines) == 2


def test_a_passphrase_and_a_passphrase_with_a_key_file_are_added_from_files(cv: Any, folder: Path) -> None:
    phrase, weak = cv.secret("phrase", FURTHER.encode()), cv.secret("weak", b"password1")
    cv("key", "add", "--new-passphrase-file", weak, "--label", "weak", status=15)
    cv("key", "add", "--new-passphrase-file", phrase, "--label", "Boris")
    cv("key", "add", "--new-passphrase-file", phrase, "--new-key-file", "second", "--label", "Boris at home")
    vault = ("--vault", cv.vault, "--passphrase-file", phrase)
    cv.bare(*vault, "case", "list")
    cv.bare(*vault, "--key-file", "second", "case", "list")
    kinds = [each["kind"] for each in cv("key", "list", "--json").json]
    assert kinds == ["keyfile", "passphrase", "passphrase+keyfile"]
    done = cv("key", "add", "--new-passphrase-file", phrase, "--label", "the same", status=15)
    assert "already" in done.stderr


def test_new_recovery_words_go_to_a_new_file_and_earlier_ones_stay(cv: Any, folder: Path) -> None:
    for number in ("one", "two"):
        done = cv("key", "add", "--recovery-file", number, "--label", number, "--words", "russian")
        assert "in the clear" in done.stderr
        words = (folder / number).read_text(encoding="utf-8")
        assert len(words.split()) == 24
        assert words.split()[0] not in done.stdout + done.stderr
    assert "Earlier recovery words" in done.stderr
    for number in ("one", "two"):
        cv.bare("--vault", cv.vault, "--passphrase-file", number, "case", "list")
    (folder / "mine").write_text("mine")
    cv("key", "add", "--recovery-file", "mine", "--label", "three", status=15)
    assert (folder / "mine").read_text() == "mine"
    cv("key", "add", "--kind", "recovery", "--label", "three", status=13)


def test_after_a_refusal_no_file_is_left_that_was_made_for_it(cv: Any, folder: Path) -> None:
    for number in range(1, 8):
        cv("key", "add", "--new-key-file", f"key {number}", "--label", f"key {number}")
    cv("key", "add", "--new-key-file", "ninth", "--label", "ninth", status=15)
    cv("key", "remove", "7", "--yes")
    cv("key", "add", "--new-key-file", "ninth", "--label", "key 6", status=15)
    weak = cv.secret("weak", b"password1")
    cv("key", "add", "--new-key-file", "ninth", "--new-passphrase-file", weak, "--label", "ninth", status=15)
    assert not (folder / "ninth").exists()


@pytest.mark.parametrize(
    "options",
    [
        ("--label", "x"),
        ("--kind", "keyfile", "--label", "x"),
        ("--kind", "keyfile", "--recovery-file", "w", "--label", "x"),
        ("--new-key-file", "k", "--recovery-file", "w", "--label", "x"),
        ("--kind", "passphrase", "--new-key-file", "k", "--label", "x"),
        ("--new-key-file", "k"),
    ],
)
def test_options_that_say_too_little_or_contradict_each_other_make_nothing(
    cv: Any, folder: Path, options: tuple[str, ...]
) -> None:
    cv("key", "add", *options, status=2)
    assert not (folder / "k").exists()
    assert not (folder / "w").exists()


def test_a_way_in_is_removed_by_its_number_or_its_label(cv: Any, folder: Path) -> None:
    for name in ("one", "two"):
        cv("key", "add", "--new-key-file", name, "--label", name)
    done = cv("key", "remove", "1", "--yes", "--json")
    assert (done.json["label"], done.json["epoch"]) == ("one", 4)
    assert "older copy" in done.stderr
    assert "at hand" not in done.stderr
    cv("key", "remove", "two", "--yes")
    for name in ("one", "two"):
        cv.bare("--vault", cv.vault, "--key-file", name, "case", "list", status=12)
    cv("key", "remove", "two", "--yes", status=14)
    assert "last" in cv("key", "remove", "0", "--yes", status=15).stderr
    cv("key", "remove", status=2)


def test_a_number_that_is_the_label_of_another_way_in_removes_nothing(cv: Any) -> None:
    cv("key", "add", "--new-key-file", "one", "--label", "0")
    cv("key", "remove", "0", "--yes", status=2)
    assert len(cv("key", "list").lines) == 2


def test_nothing_is_removed_that_was_not_confirmed(cv: Any, terminal: Callable[..., Any]) -> None:
    cv("key", "add", "--new-key-file", "one", "--label", "one")
    cv("key", "remove", "1", status=15)
    for answers in (("no",), ("", "one", "ja"), ("what?", "N")):
        screen = terminal(*cv.options, "key", "remove", "1")
        screen.answer("Remove it? [yes/no]", answers[0])
        for again in answers[1:]:
            screen.answer("Please type yes or no.\r\nRemove it? [yes/no]", again)
        status, rest = screen.finish()
        assert status == 15
        assert "Nothing was done." in rest
        assert "error" not in rest
    assert len(cv("key", "list").lines) == 2
    screen = terminal(*cv.options, "key", "remove")
    assert "1  one (key file)" in screen.answer("Which number or label?", "1")
    screen.answer("Remove it? [yes/no]", "yes")
    assert screen.finish()[0] == 0
    assert len(cv("key", "list").lines) == 1


def test_a_mistyped_label_is_asked_for_again(cv: Any, terminal: Callable[..., Any]) -> None:
    cv("key", "add", "--new-key-file", "stick", "--label", "stick")
    screen = terminal(*cv.options, "key", "remove")
    screen.answer("Which number or label?", "sitck")
    screen.expect("That is none of them.")
    screen.answer("Which number or label?", "stick")
    screen.answer("Remove it?", "yes")
    assert screen.finish()[0] == 0
    assert "stick" not in {each["label"] for each in cv("key", "list", "--json").json}


def test_a_new_key_file_in_a_folder_that_is_not_there_is_refused_in_a_sentence(cv: Any) -> None:
    done = cv("key", "add", "--new-key-file", "gone/key", "--label", "x", status=14)
    assert "There is no folder" in done.stderr


def test_who_removes_what_opened_the_vault_hears_what_else_opens_it(cv: Any) -> None:
    cv("key", "add", "--recovery-file", "words", "--label", "sheet")
    done = cv("key", "remove", "0", "--yes")
    assert "at hand" in done.stderr
    assert "sheet (recovery words)" in done.stderr
    cv("case", "list", status=12)
    cv.bare("--vault", cv.vault, "--passphrase-file", "words", "case", "list")


def test_who_removes_the_last_recovery_words_is_warned(cv: Any) -> None:
    for name in ("one", "two"):
        cv("key", "add", "--recovery-file", name, "--label", name)
    assert "loses everything" not in cv("key", "remove", "one", "--yes").stderr
    assert "loses everything" in cv("key", "remove", "two", "--yes").stderr


def test_a_planted_way_in_is_named_by_the_list(cv: Any, folder: Path) -> None:
    from vault import KeyFileUnlocker, Vault, header, schema
    from vault.folder import Folder
    from vault.tables import blob, integer
    from vault.unlock import Place

    stranger = KeyFileUnlocker(b"a stranger's key file, 32 bytes.")
    found = Folder(cv.vault).read_headers()[0]
    own = KeyFileUnlocker(cv.key_file.read_bytes())
    with Vault.open(cv.vault, own) as vault:
        keys: list[bytes | None] = [None] * header.SLOTS
        for row in vault.keeper.registry.rows(schema.SLOTS):
            keys[integer(row, "slot")] = blob(row, "public_key")
        keys[4] = stranger.slot_key(Place(found.folder_id, found.salt, found.cost)).public_bytes()
        key = own.unlock(found).vault_key
        same = {"folder_id": found.folder_id, "epoch": found.epoch, "cost": found.cost, "salt": found.salt}
        planted = header.seal(key, public_keys=keys, **same)
        registry = vault.keeper.registry
        write_rows(registry, lambda: registry.set("header", planted.digest()))
        vault.keeper.folder.write_headers(planted)
    cv.secret("strange", b"a stranger's key file, 32 bytes.")
    listing = ("--vault", cv.vault, "--key-file", "strange", "key", "list")
    done = cv.bare(*listing)
    assert "NOT KNOWN TO THE VAULT" in done.stdout
    assert "prepared" in done.stderr
    assert [(each["slot"], each["known"]) for each in cv.bare(*listing, "--json").json] == [(0, True), (4, False)]
    assert "NOT KNOWN" not in cv("key", "list").stdout
    cv("key", "add", "--new-key-file", "one", "--label", "one")
    cv.bare(*listing, status=12)


def test_of_several_passphrases_only_the_one_that_was_given_is_changed(cv: Any, locked: Path) -> None:
    first, second, new = (
        cv.secret(name, text.encode())
        for name, text in (("first", PASSPHRASE), ("second", FURTHER), ("new", "nine grey owls above the mill at dusk"))
    )
    vault = ("--vault", locked, "--passphrase-file")
    cv.bare(*vault, first, "key", "add", "--new-passphrase-file", second, "--label", "Boris")
    cv.bare(*vault, second, "passphrase", "change", "--new-passphrase-file", new)
    cv.bare(*vault, second, "case", "list", status=12)
    listed = cv.bare(*vault, first, "key", "list", "--json").json
    assert [each["label"] for each in listed] == ["passphrase", "Boris"]
    assert cv.bare(*vault, new, "key", "list", "--json").json == listed


# On a terminal


def test_what_is_left_out_is_asked_for_after_the_vault_is_open(
    cv: Any, locked: Path, terminal: Callable[..., Any]
) -> None:
    screen = terminal("--vault", locked, "key", "add")
    screen.answer("Passphrase:", PASSPHRASE)
    screen.answer("Enter alone means a passphrase:", "")
    screen.answer("A label", "Boris")
    screen.answer("New passphrase:", FURTHER)
    screen.answer("Once more:", FURTHER)
    screen.succeed(unseen=(b"herons", b"cranes"))
    cv.bare("--vault", locked, "--passphrase-file", cv.secret("further", FURTHER.encode()), "case", "list")


def test_the_place_of_a_key_file_is_asked_for(cv: Any, folder: Path, terminal: Callable[..., Any]) -> None:
    screen = terminal(*cv.options, "key", "add", "--kind", "keyfile")
    screen.answer("A label", "stick")
    screen.answer("Where is the key file?", "gone/key")
    screen.expect("There is no folder")
    screen.answer("Where is the key file?", "made here")
    assert screen.finish()[0] == 0
    cv.bare("--vault", cv.vault, "--key-file", folder / "made here", "case", "list")


def test_new_recovery_words_are_shown_aside_and_three_are_given_back(
    cv: Any, terminal: Callable[..., Any], words_of: Callable[[str], dict[int, str]]
) -> None:
    screen = terminal(*cv.options, "key", "add", "--kind", "recovery", "--label", "sheet", term="xterm")
    words = words_of(screen.expect("Written down? Press Enter."))
    screen.send("")
    for _number in range(3):
        screen.expect("Word number ")
        screen.send(words[int(screen.expect("?").rstrip("?"))])
    status, rest = screen.finish()
    assert status == 0, rest
    left = screen.shown.split(b"\x1b[?1049l")
    assert len(left) == 2
    assert not any(word.encode() in left[1] for word in words.values() if len(word) > 5)
    sheet = " ".join(words[number] for number in sorted(words))
    cv.bare("--vault", cv.vault, "--passphrase-file", cv.secret("w", sheet.encode()), "case", "list")


def test_on_a_terminal_that_keeps_what_it_shows_the_words_are_given_back_without_echo(
    cv: Any, terminal: Callable[..., Any], words_of: Callable[[str], dict[int, str]]
) -> None:
    screen = terminal(*cv.options, "key", "add", "--kind", "recovery", "--label", "sheet", term="dumb")
    words = words_of(screen.expect("Written down? Press Enter."))
    assert b"cannot hide" in screen.shown
    screen.send("")
    shown = len(screen.shown)
    for _number in range(3):
        screen.expect("Word number ")
        screen.send(words[int(screen.expect("?").rstrip("?"))])
    assert screen.finish()[0] == 0
    after = screen.shown[shown:].split(b"Adding it")[0].decode()
    assert not any(word in after for word in words.values() if len(word) > 5), after


# In a session


def test_while_a_session_has_the_vault_open_a_secret_is_asked_for_again(cv: Any) -> None:
    vault = ("--vault", cv.vault)
    cv("unlock")
    try:
        add = ("key", "add", "--new-key-file", "stick", "--label", "stick")
        cv.bare(*vault, *add, status=13)
        cv.bare(*vault, "--key-file", cv.secret("wrong", b"w" * 32), *add, status=12)
        assert not (cv.folder / "stick").exists()
        cv(*add)
        assert [each["label"] for each in cv.bare(*vault, "key", "list", "--json").json] == ["keyfile", "stick"]
        cv.bare(*vault, "key", "remove", "stick", "--yes", status=13)
        assert "at hand" in cv("key", "remove", "keyfile", "--yes").stderr
        cv.bare(*vault, "case", "list")  # the session goes on in the new epoch
    finally:
        cv.bare(*vault, "lock")
    cv("case", "list", status=12)
    cv.bare(*vault, "--key-file", "stick", "case", "list")
