"""Every domain separation string, once."""

from __future__ import annotations

import re
from pathlib import Path

from crypto import labels

ROOT = Path(labels.__file__).resolve().parents[1]
LABELS = {name: value for name, value in vars(labels).items() if name.isupper()}
KINDS = {kind.name: kind.value for kind in labels.SignedKind}


def _code(package: str) -> str:
    return "\n".join(path.read_text("utf-8") for path in (ROOT / package).glob("**/*.py") if path.name != "labels.py")


def test_labels_have_one_form():
    assert LABELS
    for value in LABELS.values():
        assert re.fullmatch(rb"casevault/v1/[a-z]+(-[a-z]+)*", value)
    for value in KINDS.values():
        assert re.fullmatch(rb"casevault-[a-z]+@v1", value)


def test_no_label_is_the_beginning_of_another():
    values = [*LABELS.values(), *KINDS.values()]
    assert len(set(values)) == len(values)
    assert not [(a, b) for a in values for b in values if a is not b and b.startswith(a)]


def test_every_label_is_used():
    code = _code("crypto") + _code("vault")
    assert [name for name in LABELS if not re.search(rf"\b{name}\b", code)] == []


def test_labels_are_written_nowhere_else():
    code = _code("crypto") + _code("vault")
    assert "casevault/v1/" not in code
    assert not re.search(r"casevault-[a-z]+@v", code)


def test_each_kind_of_signed_thing_has_a_label():
    assert set(KINDS) == {"SEALED_FILE", "CARD", "GENERATION", "RECEIPT"}
    assert len(set(KINDS.values())) == len(KINDS)
