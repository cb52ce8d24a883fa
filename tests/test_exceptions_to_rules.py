"""Whoever leaves a rule says why, in the same place: lint, types, coverage, tests that are left out."""

import io
import re
import tokenize
from pathlib import Path

import pytest

# What a mark is called, and what must follow it: a code in brackets or after a colon, then words.
_MARKS = {
    "noqa": re.compile(r"noqa: [A-Z]+[0-9]+(?:, ?[A-Z]+[0-9]+)*(?: -- | \(|  # )\S"),
    "type: ignore": re.compile(r"type: ignore\[[a-z-]+(?:, ?[a-z-]+)*\](?: -- | \(|  # )\S"),
    "pragma": re.compile(r"pragma: no (?:cover|branch)(?: -- | \(|  # )\S"),
}
# What the summary names begins so.
_LEFT_OUT = re.compile(r"pytest\.mark\.(skip|skipif|xfail)\b")
_SKIPPED = re.compile(r"\bpytest\.skip\((?!f?\"(?:left out: |\{LEFT_OUT\}))")


def python_files(source: Path) -> list[Path]:
    folders = [path for path in source.iterdir() if path.is_dir() and not path.name.startswith((".", "dist", "build"))]
    return sorted([*source.glob("*.py"), *(path for folder in folders for path in folder.rglob("*.py"))])


def unexplained(text: str) -> list[str]:
    """The lines of a file on which a rule is left without a word."""
    found = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            found += [
                f"{token.start[0]}: {token.string}"
                for name, explained in _MARKS.items()
                if re.search(rf"#\s*{name}\b", token.string) and not explained.search(token.string)
            ]
    for mark in _LEFT_OUT.finditer(text):
        call, reason = text[mark.end() :].lstrip(), "" if mark[1] == "xfail" else "left out: "
        if not re.match(rf"\((?:[^()]|\([^()]*\))*reason=f?\"{reason}", call):
            found.append(f"{text.count(chr(10), 0, mark.start()) + 1}: {mark[0]}")
    found += [f"{text.count(chr(10), 0, call.start()) + 1}: {call[0]}" for call in _SKIPPED.finditer(text)]
    return found


def test_every_exception_to_a_rule_says_why(source: Path) -> None:
    lacking = [
        f"{path.relative_to(source)}:{line}"
        for path in python_files(source)
        if path.name != Path(__file__).name
        for line in unexplained(path.read_text(encoding="utf-8"))
    ]
    assert lacking == []


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("x = 1  # noqa", 1),
        ("x = 1  # noqa: E731", 1),
        ("x = 1  # noqa: E731 -- a closure", 0),
        ("x = 1  # noqa: S608 (constants)", 0),
        ("x = 1  # type: ignore", 1),
        ("x = 1  # type: ignore[arg-type]", 1),
        ("x = 1  # type: ignore[arg-type]  # the columns have these types", 0),
        ("x = 1  # pragma: no cover", 1),
        ("x = 1  # pragma: no cover -- only Windows", 0),
        ("@pytest.mark.skip", 1),
        ("@pytest.mark.skipif(not has(1))", 1),
        ("@pytest.mark.skipif(\n    not has(1),\n    reason='x')", 1),
        ('@pytest.mark.skipif(\n    not has(1),\n    reason="left out: x")', 0),
        ('@pytest.mark.xfail(reason="a bug of the library")', 0),
        ('@pytest.mark.skipif(not has(1), reason="x")', 1),
        ('pytest.skip("no tool")', 1),
        ('pytest.skip(f"left out: {tool}")', 0),
        ('pytest.skip(f"{LEFT_OUT}{tool}")', 0),
    ],
)
def test_an_exception_without_a_reason_is_found(text: str, count: int) -> None:
    assert len(unexplained(text)) == count
