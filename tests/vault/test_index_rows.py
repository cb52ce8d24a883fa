"""The digest over the rows of the index is that of the rows that there are, however they came to be."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from crypto.encoding import length_prefixed
from vault import schema
from vault.index_rows import IndexRows
from vault.tables import Row

TABLES = (schema.SETTINGS, schema.SENT_HEADS)
CHANGES = st.lists(
    st.tuples(st.sampled_from(["put", "erase", "digest"]), st.integers(0, 1), st.integers(0, 4), st.integers(0, 2)),
    max_size=60,
)


def row(table: int, key: int, value: int) -> Row:
    if table == 0:
        return {"name": f"name {key}", "value": bytes([value])}
    return {"share_id": bytes([key]), "step": value}


@given(CHANGES)
def test_the_digest_is_that_of_the_rows_whatever_was_changed_in_between(
    changes: list[tuple[str, int, int, int]],
) -> None:
    rows = IndexRows()
    expected: dict[tuple[int, int], Row] = {}
    for what, table, key, value in changes:
        if what == "put":
            rows.put(TABLES[table], row(table, key, value))
            expected[table, key] = row(table, key, value)
        elif what == "erase":
            rows.erase(TABLES[table], [next(iter(row(table, key, value).values()))])
            expected.pop((table, key), None)
        else:
            rows.digest()
    found = sorted(
        hashlib.sha256(length_prefixed(TABLES[table].name.encode(), TABLES[table].canonical(each))).digest()
        for (table, _key), each in expected.items()
    )
    assert rows.digest() == hashlib.sha256(b"".join(found)).digest()
    for number, table in enumerate(TABLES):
        assert rows.of(table) == [each for (of, _key), each in sorted(expected.items()) if of == number]
