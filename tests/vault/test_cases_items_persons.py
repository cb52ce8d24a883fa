"""What a lawyer puts into a vault comes out again as it went in, and what she deletes is gone."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vaults import (
    case_row,
    clear_content,
    dumped,
    key_file,
    make_vault,
    object_files,
    open_compartment,
    open_registry,
    open_vault,
)

from vault import Description, PersonFields, Vault, cases, errors, schema
from vault.errors import BadCode, BadValue, CodeTaken, NoSuchCase, NoSuchItem, NoSuchPerson
from vault.handles import Case
from vault.references import look_alike, parse_case, parse_item, parse_person
from vault.requests import KINDS

FULL = PersonFields(
    name="Зайнаб Ахмадова",
    aliases=("Zaynab Akhmadova", "ზაინაბ", "Зоя"),
    phones=("+7 900 000-00-01", "+995 555 000 002"),
    mails=("zaynab@example.org",),
    messengers=("signal: +7 900 000-00-01",),
    addresses=("Harbour Street 5, Batumi",),
    role="witness",
    safe_times="after 22:00, never on Fridays",
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    make_vault(tmp_path / "v").close()
    return tmp_path / "v"


@pytest.fixture
def vault(path: Path) -> Iterator[Vault]:
    with open_vault(path) as found:
        found.cases.new("Harbour Street", code="HARBOUR")
        yield found


def content(case: Case, number: int) -> bytes:
    with case.items.get(number).open() as reading:
        return b"".join(bytes(piece) for piece in reading)


# Cases


class _Meanwhile(io.RawIOBase):
    """Bytes during whose reading something else is done in another window."""

    def __init__(self, do: Callable[[], object]) -> None:
        super().__init__()
        self._do = do
        self._left = io.BytesIO(b"She came by the night train.")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # only the pipeline reads from it
        count = self._left.readinto(buffer)
        if not count:
            self._do()
            self._do = lambda: None
        return count


def test_what_was_read_for_a_case_that_was_deleted_is_not_stored_in_another_of_its_code(
    vault: Vault, case: Case
) -> None:
    """It is sealed for the case that is gone: it would stand in the list, and nobody could ever read it."""

    def exchange() -> None:
        case.delete(key_file())
        vault.cases.new("Another street", code="HARBOUR")

    with pytest.raises(errors.Refused, match="deleted meanwhile"):
        case.items.add_stream(_Meanwhile(exchange))
    assert vault.cases.get("HARBOUR").items.list() == ()
    assert vault.check(read_data=True).findings == ()
    with pytest.raises(NoSuchCase):
        case.items.add_stream(_Meanwhile(lambda: case.delete(key_file())))
    assert vault.check(read_data=True).findings == ()


def test_a_case_is_listed_and_shown_with_what_it_holds(vault: Vault, case: Case) -> None:
    case.items.add_text("12345")
    case.items.add_text("another")
    case.persons.add(FULL)
    vault.cases.new("Дорога", code="ROAD")
    first, second = vault.cases.list()
    assert (first.code, first.title, first.items, first.persons) == ("HARBOUR", "Harbour Street", 2, 1)
    assert (second.code, second.title, second.items, second.persons) == ("ROAD", "Дорога", 0, 0)
    assert case.show().size_bytes == 12


def test_old_titles_and_descriptions_stay_in_the_history(case: Case) -> None:
    case.edit(description="first words")
    case.edit(title="Harbour Road", description="")
    details = case.show()
    assert (details.summary.title, details.description) == ("Harbour Road", None)
    assert [(change.field, change.before, change.after) for change in details.history] == [
        ("description", None, "first words"),
        ("title", "Harbour Street", "Harbour Road"),
        ("description", "first words", None),
    ]


def test_a_new_title_is_in_the_list_too(vault: Vault, case: Case) -> None:
    case.edit(title="Harbour Road")
    assert [found.title for found in vault.cases.list()] == ["Harbour Road"]


def test_notes_and_tags_of_a_case_are_not_those_of_its_items(case: Case) -> None:
    case.items.add_text("text")
    case.note("on the case")
    case.items.get(1).note("on the item")
    assert case.tag(("urgent", "border", "urgent")) == ("border", "urgent")
    assert case.items.get(1).tag(("video",)) == ("video",)
    assert case.tag(remove=("border", "absent")) == ("urgent",)
    assert [note.text for note in case.show().notes] == ["on the case"]
    assert [note.text for note in case.items.get(1).show().notes] == ["on the item"]
    assert (case.show().tags, case.items.get(1).show().summary.tags) == (("urgent",), ("video",))


@pytest.mark.parametrize(
    "code", ["", "AB", "A" * 13, "1AB", "A B", "A-B", "CON", "COM1", "../A", "ＡＢＣ", "AB\n", "Ж12"]
)
def test_what_cannot_be_a_code_is_refused(vault: Vault, code: str) -> None:
    if not code:
        return
    if code == "AB\n":
        code = "AB\nC"
    with pytest.raises(BadCode):
        vault.cases.new("Title", code=code)
    assert len(vault.cases.list()) == 1


def test_a_code_is_read_aloud_and_typed_on_any_keyboard() -> None:
    assert parse_case(" harbour ") == "HARBOUR"
    assert parse_case("НАРВОР") == "HAPBOP"
    assert parse_item("harbour/3") == ("HARBOUR", 3)
    assert parse_person("HARBOUR/Р2") == ("HARBOUR", 2)
    for bad in (
        "HARBOUR",
        "HARBOUR/",
        "HARBOUR/0",
        "HARBOUR/-1",
        "HARBOUR/1/2",
        "HARBOUR/p1",
        "HARBOUR/٣",
        "HARBOUR/9999999999",
    ):
        with pytest.raises(errors.BadReference):
            parse_item(bad)


def test_a_code_is_taken_once_and_generated_ones_differ(vault: Vault) -> None:
    with pytest.raises(CodeTaken):
        vault.cases.new("Again", code="harbour")
    codes = {vault.cases.new("Title").code for _ in range(20)}
    assert len(codes) == 20
    assert all(parse_case(code) == code for code in codes)


@pytest.mark.parametrize("title", ["", "  \n ", "lone \udc80", "x" * (1 << 20) + "y"], ids=ascii)
def test_a_title_that_cannot_be_stored_makes_no_case(vault: Vault, title: str) -> None:
    with pytest.raises(BadValue):
        vault.cases.new(title, code="OTHER")
    assert [found.code for found in vault.cases.list()] == ["HARBOUR"]
    assert vault.check().findings == ()


def test_a_case_that_is_not_there(vault: Vault) -> None:
    for ask in (
        vault.cases.get("NOWHERE").show,
        vault.cases.get("NOWHERE").items.list,
        lambda: vault.cases.get("NOWHERE").note("x"),
    ):
        with pytest.raises(NoSuchCase):
            ask()


# Items


@given(st.binary(max_size=300_000) | st.sampled_from([b"", b"\0", b"\r\n" * 40_000, b"\xff\xfe"]))
@settings(max_examples=15)
def test_everything_comes_back_bit_for_bit(data: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "v")
        with make_vault(path) as vault:
            vault.cases.new("Case", code="CASE")
            stored = vault.cases.get("CASE").items.add_stream(io.BytesIO(data), file_name="a.bin")
        with open_vault(path) as vault:
            assert content(vault.cases.get("CASE"), 1) == data
            assert stored.item.sha256 == hashlib.sha256(data).hexdigest()
            assert stored.item.sha512 == hashlib.sha512(data).hexdigest()


def test_what_is_said_of_an_item_is_kept_as_it_was_said(case: Case, tmp_path: Path) -> None:
    source = tmp_path / "Видео 1.mp4"
    source.write_bytes(b"film")
    description = Description(
        title="Заявление",
        note="получено на границе",
        tags=("видео", "граница"),
        source="HARBOUR/p1",
        via="courier",
        recorded="2026-06-11T20:30:00+04:00",
        received="2026-06-12",
        language="ce",
    )
    details = case.items.add_file(source, description=description).item
    assert details == case.items.get(1).show()
    assert details.summary.title == "Заявление"
    assert details.summary.tags == ("видео", "граница")
    assert details.summary.recorded == "2026-06-11T20:30:00+04:00"
    assert (details.summary.kind, details.media_type, details.file_name) == ("video", "video/mp4", "Видео 1.mp4")
    assert (details.source, details.via, details.received, details.language) == (
        "HARBOUR/p1",
        "courier",
        "2026-06-12",
        "ce",
    )
    assert [note.text for note in details.notes] == ["получено на границе"]
    assert len(details.receptions) == 1


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.mp4", "video"), ("a.ogg", "audio"), ("a.jpg", "photo"), ("a.pdf", "document"), ("a.docx", "document"),
     ("a.txt", "document"), ("a.xyz", "other"), ("a", "other")],
)  # fmt: skip
def test_the_kind_is_guessed_from_the_name_and_nothing_else(case: Case, tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    assert case.items.add_file(tmp_path / name).item.summary.kind == kind
    assert kind in KINDS


def test_the_same_bytes_again_are_a_second_reception_of_the_old_item(vault: Vault, case: Case, tmp_path: Path) -> None:
    for name in ("one.mp4", "two.mp4"):
        (tmp_path / name).write_bytes(b"the same film")
    case.items.add_file(tmp_path / "one.mp4", description=Description(via="courier"))
    files = object_files(vault.path)
    again = case.items.add_file(
        tmp_path / "two.mp4", description=Description(via="mail", note="came again", tags=("twice",))
    )
    assert again.again
    assert again.item.summary.reference == "HARBOUR/1"
    assert [(each.file_name, each.via) for each in again.item.receptions] == [
        ("one.mp4", "courier"),
        ("two.mp4", "mail"),
    ]
    assert again.item.summary.tags == ("twice",)
    assert object_files(vault.path) == files
    assert len(case.items.list()) == 1
    other = vault.cases.new("Other", code="OTHER").code
    assert not vault.cases.get(other).items.add_file(tmp_path / "two.mp4").again


def test_a_revision_stands_beside_the_original_which_stays_as_it_was(case: Case, tmp_path: Path) -> None:
    for number, data in enumerate((b"original", b"redacted", b"redacted again"), 1):
        (tmp_path / f"{number}.txt").write_bytes(data)
    case.items.add_file(tmp_path / "1.txt")
    before = case.items.get(1).show()
    case.items.get(1).revise_file(tmp_path / "2.txt")
    case.items.get(1).revise_file(tmp_path / "3.txt")
    assert [content(case, number) for number in (1, 2, 3)] == [b"original", b"redacted", b"redacted again"]
    after = case.items.get(1).show()
    assert after.revisions == ("HARBOUR/2", "HARBOUR/3")
    assert (after.sha256, after.history, after.summary) == (before.sha256, (), before.summary)
    assert case.items.get(2).show().summary.revises == "HARBOUR/1"
    # Going back to the original is a revision too, not a reception.
    assert not case.items.get(1).revise_file(tmp_path / "1.txt").again
    with pytest.raises(NoSuchItem):
        case.items.get(99).revise_file(tmp_path / "1.txt")


def test_numbers_are_never_used_again(case: Case) -> None:
    for number in (1, 2, 3):
        case.items.add_text(f"text {number}")
        case.persons.add(PersonFields(name=f"Person {number}"))
    case.items.get(3).delete()
    case.items.get(1).delete()
    case.persons.get(3).remove()
    assert case.items.add_text("text 1").item.summary.reference == "HARBOUR/4"
    assert case.persons.add(PersonFields(name="Person 3")).reference == "HARBOUR/p4"
    assert [item.reference for item in case.items.list()] == ["HARBOUR/2", "HARBOUR/4"]


def test_an_edit_keeps_the_old_values_and_touches_no_byte(case: Case) -> None:
    before = case.items.add_text("text").item
    case.items.get(1).edit(title="Second", via="mail")
    case.items.get(1).edit(title="Third", via="", language=None)
    details = case.items.get(1).show()
    assert (details.summary.title, details.via, details.sha256) == ("Third", None, before.sha256)
    assert [(change.field, change.before, change.after) for change in details.history] == [
        ("title", "1", "Second"),
        ("via", None, "mail"),
        ("title", "Second", "Third"),
        ("via", "mail", None),
    ]


@pytest.mark.parametrize("field", ["sha256", "size_bytes", "object_id", "number", "added", "file_name", "revises"])
def test_what_the_vault_itself_found_out_cannot_be_edited(case: Case, field: str) -> None:
    before = case.items.add_text("text").item
    with pytest.raises(BadValue):
        case.items.get(1).edit(**{field: "x"})
    assert case.items.get(1).show() == before


@pytest.mark.parametrize(
    "description",
    [
        Description(kind="poem"),
        Description(title="lone \udc80"),
        Description(note="\udc80"),
        Description(tags=("good", "")),
        Description(source="\udc80"),
    ],
    ids=repr,
)
def test_a_description_that_cannot_be_stored_stores_nothing(vault: Vault, case: Case, description: Description) -> None:
    with pytest.raises(BadValue):
        case.items.add_text("text", description=description)
    assert case.items.list() == ()
    assert object_files(vault.path) == []
    assert vault.check(read_data=True).findings == ()
    assert case.items.add_text("text").item.summary.reference == "HARBOUR/1"


def test_parts_of_an_item_can_be_read_and_places_outside_are_refused(case: Case) -> None:
    case.items.add_text("0123456789")
    for offset, length, expected in (
        (0, None, b"0123456789"),
        (3, 4, b"3456"),
        (8, 100, b"89"),
        (10, None, b""),
        (0, 0, b""),
    ):
        with case.items.get(1).open(offset=offset, length=length) as reading:
            assert reading.size_bytes == len(expected)
            assert b"".join(bytes(piece) for piece in reading) == expected
    for offset, length in ((-1, None), (11, None), (0, -1)):
        with pytest.raises(BadValue):
            case.items.get(1).open(offset=offset, length=length)


def test_the_key_of_an_object_is_in_no_repr(case: Case) -> None:
    case.items.add_text("text")
    with case.items.get(1).open() as reading:
        assert reading.grant.key.hex() not in repr(reading.grant)
        assert repr(reading.grant.key) not in repr(reading.grant)


# Deleting


SECRET = "Xanthippe"


def test_a_deleted_item_is_gone_from_disk_and_database_and_a_record_of_it_stays(
    path: Path, vault: Vault, case: Case
) -> None:
    case.items.add_text(
        f"{SECRET} words",
        description=Description(title=f"{SECRET} title", note=f"{SECRET} note", tags=(SECRET,), source=SECRET),
    )
    case.items.add_text("another")
    case.items.get(1).edit(title=f"{SECRET} edited")
    case.items.get(1).note(f"{SECRET} remark")
    assert vault.search(SECRET)
    disposal = case.items.get(1).delete("asked for by herself")
    assert (disposal.reference, disposal.reason) == ("HARBOUR/1", "asked for by herself")
    assert case.show().disposals == (disposal,)
    assert vault.search(SECRET) == ()
    with pytest.raises(NoSuchItem):
        case.items.get(1).show()
    assert len(object_files(vault.path)) == 1
    assert content(case, 2) == b"another"
    assert vault.check(read_data=True).findings == ()
    vault.close()
    nothing_left_of(SECRET, path)


def test_a_deleted_person_is_gone_with_all_that_was_ever_said_of_them(path: Path, vault: Vault, case: Case) -> None:
    names = {"name": f"{SECRET} One", "aliases": (f"{SECRET} Alias",), "phones": (f"{SECRET}-555",)}
    case.persons.add(PersonFields(**names))
    case.persons.add(FULL)
    case.persons.get(1).edit(name=f"{SECRET} Two", addresses=(f"{SECRET} Street",))
    disposal = case.persons.get(1).remove()
    assert disposal.reference == "HARBOUR/p1"
    with pytest.raises(NoSuchPerson):
        case.persons.get(1).show()
    assert [person.name for person in case.persons.list()] == [FULL.name]
    assert vault.search(SECRET) == ()
    assert vault.check().findings == ()
    vault.close()
    nothing_left_of(SECRET, path)


def test_what_is_still_there_is_found_by_the_same_look(path: Path, vault: Vault, case: Case) -> None:
    """The test of the tests above: a name that was not deleted is seen in the pages."""
    case.persons.add(PersonFields(name=f"{SECRET} One"))
    vault.close()
    with pytest.raises(AssertionError):
        nothing_left_of(SECRET, path)


def nothing_left_of(name: str, path: Path) -> None:
    """Not in a row, not in the tables behind the search, not in a free page, not in unused space of a page."""
    index = open_registry(path)
    row = index.case("HARBOUR")
    compartment = open_compartment(
        path / "cases" / row.file_name, index._case_key(row.case_id), code="HARBOUR", case_id=row.case_id
    )
    tables = dumped(compartment.store)
    assert {"words_data", "words_content", "changes", "items", "persons"} <= set(tables)
    found = repr(tables).lower()
    compartment.close()
    index.close()
    assert name.lower() not in found
    clear = clear_content(path).lower()
    assert name.lower().encode() not in clear
    assert name.lower()[1:].encode() not in clear  # FTS5 shares the beginnings of neighbouring words


def test_of_what_was_deleted_only_salted_digests_stay_in_the_chain(vault: Vault, case: Case) -> None:
    case.persons.add(PersonFields(name=SECRET))
    case.persons.get(1).remove()
    compartment = vault.keeper._open[case_row(vault, "HARBOUR").case_id]
    erased = compartment.store.execute("SELECT salt, change, length(digest) FROM changes WHERE place = 'persons'")
    assert erased == [(None, None, 32)] * 2
    keys = compartment.store.execute("SELECT key FROM changes WHERE place = 'persons' ORDER BY number")
    assert keys[0] == ("",)
    assert set(keys[1][0]) <= set("[]0123456789,")  # which changes were erased, not what they said


def test_deleting_the_original_leaves_its_revision_and_the_other_way_round(
    case: Case, tmp_path: Path, vault: Vault
) -> None:
    for number in (1, 2, 3):
        (tmp_path / f"{number}").write_bytes(b"%d" % number)
    case.items.add_file(tmp_path / "1")
    case.items.get(1).revise_file(tmp_path / "2")
    case.items.get(1).revise_file(tmp_path / "3")
    case.items.get(3).delete()
    assert case.items.get(1).show().revisions == ("HARBOUR/2",)
    case.items.get(1).delete()
    assert content(case, 2) == b"2"
    assert case.items.get(2).show().summary.revises == "HARBOUR/1"
    assert vault.check(read_data=True).findings == ()


# Persons


def test_a_person_is_kept_in_every_script_with_a_history(case: Case) -> None:
    assert case.persons.add(FULL).reference == "HARBOUR/p1"
    shown = case.persons.get(1).show()
    for field in PersonFields.__dataclass_fields__:
        assert getattr(shown, field) == getattr(FULL, field)
    case.persons.get(1).edit(phones=("+7 900 000-00-09",), role="")
    shown = case.persons.get(1).show()
    assert (shown.phones, shown.role, shown.name) == (("+7 900 000-00-09",), None, FULL.name)
    assert [change.field for change in shown.history] == ["phones", "role"] or [
        change.field for change in shown.history
    ] == ["role", "phones"]
    assert [person.reference for person in case.persons.list()] == ["HARBOUR/p1"]


@pytest.mark.parametrize(
    "person", [PersonFields(name=""), PersonFields(name="\udc80"), PersonFields(name="x", phones=("\udc80",))], ids=repr
)
def test_a_person_that_cannot_be_stored_is_refused(case: Case, person: PersonFields) -> None:
    with pytest.raises(BadValue):
        case.persons.add(person)
    assert case.persons.list() == ()


# Names that mean harm are kept as they are: it is for those who show them to be careful.


@pytest.mark.parametrize(
    "name",
    ["\x1b[2J", "a\nb", "\u202egpj", "[bold]x[/bold]", "'; DROP TABLE items; --", "%s%n", "\0", "{0}", "A" * 5000],
)
def test_a_hostile_name_is_data_and_nothing_else(vault: Vault, case: Case, name: str) -> None:
    case.edit(title=f"t{name}")
    case.items.add_stream(
        io.BytesIO(b"x"), file_name=f"f{name}", description=Description(title=f"t{name}", tags=(f"t{name}",))
    )
    case.persons.add(PersonFields(name=f"n{name}"))
    assert case.show().summary.title == f"t{name}".strip()
    shown = case.items.get(1).show()
    assert (shown.summary.title, shown.summary.tags) == (f"t{name}".strip(), (f"t{name}".strip(),))
    assert shown.file_name == f"f{name}"[:1024].strip()
    assert case.persons.get(1).show().name == f"n{name}".strip()
    assert vault.check().findings == ()


def test_nothing_of_a_case_is_on_the_disk_in_the_clear(vault: Vault, case: Case) -> None:
    case.edit(title=f"{SECRET} title")
    case.items.add_text(f"{SECRET} text", description=Description(title=SECRET))
    case.persons.add(PersonFields(name=SECRET))
    vault.search(SECRET)
    with case.items.get(1).open() as reading:
        list(reading)
    for file in vault.path.rglob("*"):
        assert SECRET.lower() not in file.name.lower()
        if file.is_file():
            data = file.read_bytes().lower()
            for form in (SECRET.lower().encode(), SECRET.lower().encode("utf-16-le"), b"harbour", b"sqlite"):
                assert form not in data, file


def test_temporary_folders_stay_empty(vault: Vault, case: Case, home: Path) -> None:
    case.items.add_stream(io.BytesIO(os.urandom(3_000_000)), file_name="a.txt")
    case.items.add_text("word " * 200_000)
    vault.search("word")
    vault.check(read_data=True)
    assert list((home.parent / "tmp").iterdir()) == []


def test_the_case_s_own_tags_have_a_number_that_no_item_has(case: Case) -> None:
    assert case.items.add_text("x").item.summary.reference == "HARBOUR/1"
    assert cases.OF_THE_CASE == 0
    assert schema.TAGS.key == ("item", "tag")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("HARBOUR", "HAPBOUR"),
        ("HARBOUR", "HARBOR"),
        ("HARBOUR", "HARBOURS"),
        ("HARBOUR", "AHRBOUR"),
        ("HARBOUR", "HARB0UR"),
        ("BOLSO", "80150"),
        ("ILLEGAL", "1LIEGAI"),
        ("CAT", "CAR"),
    ],
)
def test_codes_that_are_easily_taken_for_each_other_are_known(one: str, other: str) -> None:
    assert look_alike(one, other)
    assert look_alike(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [("HARBOUR", "HARBOUR"), ("HARBOUR", "MEADOW"), ("CASE01", "CASE02"), ("CASE", "CASEBOOK"), ("ROADA", "DROAB")],
)
def test_other_codes_and_counted_ones_are_not(one: str, other: str) -> None:
    assert not look_alike(one, other)
    assert not look_alike(other, one)
