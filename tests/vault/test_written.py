"""The room-saving record of which changes wrote which rows says the same as a plain one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vault.written import Place, Written

PLACES = st.sampled_from(
    [
        ("items", "[1]"),
        ("items", "[2]"),
        ("notes", "[1,1]"),
        ("notes", "[1,2]"),
        ("notes", "[12,1]"),
        ("tags", '[1,"a,b"]'),
    ]
)
STEPS = st.lists(st.tuples(st.sampled_from(["add", "remove", "begin", "undo"]), PLACES), max_size=40)


@given(st.dictionaries(PLACES, st.lists(st.integers(1, 99), min_size=1)), STEPS)
def test_what_was_added_removed_and_undone_is_told_as_by_a_plain_record(
    first: dict[Place, list[int]], steps: list[tuple[str, Place]]
) -> None:
    written, plain = Written(first), {place: list(numbers) for place, numbers in first.items()}
    before = {place: list(numbers) for place, numbers in plain.items()}
    for number, (step, place) in enumerate(steps, 100):
        if step == "add":
            written.add(place, number)
            plain.setdefault(place, []).append(number)
        elif step == "remove":
            written.remove(place)
            plain.pop(place, None)
        elif step == "begin":
            written.begin()
            before = {place: list(numbers) for place, numbers in plain.items()}
        else:
            written.undo()
            plain = {place: list(numbers) for place, numbers in before.items()}
        verify(written, plain)
    verify(written, plain)


def verify(written: Written, plain: dict[Place, list[int]]) -> None:
    for table, key in [
        ("items", "[1]"),
        ("items", "[2]"),
        ("notes", "[1,1]"),
        ("notes", "[1,2]"),
        ("tags", '[1,"a,b"]'),
    ]:
        numbers = plain.get((table, key), [])
        assert written.numbers((table, key)) == numbers
        assert written.last((table, key)) == (numbers[-1] if numbers else 0)
    for table in ("items", "notes", "tags", "persons"):
        assert written.count(table) == sum(place[0] == table for place in plain)
    for first in ("[1", "[12", "[2"):
        assert written.count("notes", first) == sum(
            place[0] == "notes" and place[1].startswith(f"{first},") for place in plain
        )
