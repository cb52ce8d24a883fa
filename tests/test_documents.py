"""The documents are true: links lead somewhere, lists match the tree, and what is named exists."""

import ast
import contextlib
import io
import re
from functools import cache
from pathlib import Path

import click
import pytest
import schema_block

PAGE = re.compile(r"\[[^]]*\]\(([^)\s]+)\)")
NAMED_TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
NAMED_FILE = re.compile(r"`((?:tests|docs|requirements|vault|crypto)/[\w./-]+\.(?:py|json|md|lock))`")

# Praise, haste, and what only the writer's own machine knows.
FORBIDDEN = re.compile(
    r"military.grade|bank.grade|unbreakable|bulletproof|state.of.the.art|cutting.edge|blazing|seamless|world.class|"
    r"100 ?% (?:safe|secure)|hack.?proof|guaranteed secure|\b(?:simply|obviously|of course|easily|effortless|powerful|robust)\b|"
    r"\b(?:TODO|FIXME|XXX|TBD)\b|lorem ipsum|/root/|/work/|/home/\w|/Users/\w|\\Users\\",
    re.IGNORECASE,
)


@cache
def pages(source: Path) -> tuple[Path, ...]:
    return (*sorted(source.glob("*.md")), *sorted(source.glob("docs/**/*.md")))


def texts(source: Path) -> list[tuple[str, str]]:
    return [(page.relative_to(source).as_posix(), page.read_text(encoding="utf-8")) for page in pages(source)]


def prose(text: str) -> str:
    """A page without its blocks of code."""
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ +(.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def test_every_document_that_a_reader_is_promised_is_there(source: Path) -> None:
    for name in (
        "README",
        "SECURITY",
        "CHANGELOG",
        "CONTRIBUTING",
        *(f"docs/{page}" for page in ("format", "threat-model", "architecture", "library", "release")),
    ):
        assert (source / f"{name}.md").stat().st_size > 500


def test_every_link_leads_to_a_file_and_heading_of_this_tree(source: Path) -> None:
    broken = []
    for page in pages(source):
        for link in PAGE.findall(prose(page.read_text(encoding="utf-8"))):
            if link.startswith("https://"):
                continue
            path, _, anchor = link.partition("#")
            target = (page.parent / path) if path else page
            if not target.exists() or (anchor and anchor not in anchors(target.read_text(encoding="utf-8"))):
                broken.append(f"{page.relative_to(source).as_posix()}: {link}")
    assert broken == []


def test_every_test_that_a_document_names_exists(source: Path) -> None:
    named = {found for _page, text in texts(source) for found in NAMED_TEST.findall(text)}
    assert len(named) >= 30
    missing = [f"{file}::{name}" for file, name in sorted(named) if name not in functions(source / file)]
    assert missing == []


@cache
def functions(path: Path) -> frozenset[str]:
    if not path.exists():
        return frozenset()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def test_every_file_that_a_document_names_exists(source: Path) -> None:
    missing = [
        f"{page}: {name}"
        for page, text in texts(source)
        for name in NAMED_FILE.findall(text)
        if not (source / name).exists()
    ]
    assert missing == []


@pytest.mark.parametrize("package", ["crypto", "vault", "commands"])
def test_the_map_of_the_architecture_names_every_module_once(source: Path, package: str) -> None:
    text = (source / "docs/architecture.md").read_text(encoding="utf-8")
    mapped = re.findall(rf"^\| `({package}/\w+\.py)` \|", text, flags=re.MULTILINE)
    found = [path.relative_to(source).as_posix() for path in (source / package).glob("*.py")]
    assert mapped == sorted(name for name in found if not name.endswith("__init__.py"))


def test_the_tables_in_the_format_are_those_of_the_schema(source: Path) -> None:
    text = (source / "docs/format.md").read_text(encoding="utf-8")
    assert schema_block.block() in text, "run: python tests/support/schema_block.py docs/format.md"


def test_every_label_and_every_field_of_the_log_is_in_the_format(source: Path) -> None:
    from crypto import labels
    from vault.log_bodies import FIELDS

    text = (source / "docs/format.md").read_text(encoding="utf-8")
    expected = [value.decode() for name, value in vars(labels).items() if name.isupper()]
    assert len(expected) >= 12
    assert [label for label in expected if label not in text] == []
    assert [field for field in FIELDS if f"`{field}`" not in text] == []


def test_every_act_of_the_keeper_is_in_the_format(source: Path) -> None:
    keeper = "".join(path.read_text(encoding="utf-8") for path in sorted((source / "vault").glob("*.py")))
    acts = set(re.findall(r'self\._(?:act|renew)\(\s*"([a-z-]+)"', keeper)) | set(
        re.findall(r'intend\("([a-z-]+)"', keeper)
    )
    assert len(acts) >= 30
    row = next(line for line in (source / "docs/format.md").read_text(encoding="utf-8").splitlines() if "`act`" in line)
    named, told = "", set()
    for act in re.findall(r"`([a-z-]+)`", row)[1:]:
        named = f"{named.partition('-')[0]}{act}" if act.startswith("-") else act
        told.add(named)
    assert acts <= told


def warnings_of(source: Path) -> list[str]:
    code = "".join(path.read_text(encoding="utf-8") for path in sorted((source / "vault").glob("*.py")))
    found = sorted(set(re.findall(r'\.warn\("([a-z-]+)"\)', code)))
    assert len(found) >= 5
    return found


def test_everything_that_a_vault_can_warn_of_is_in_the_library_page(source: Path) -> None:
    text = (source / "docs/library.md").read_text(encoding="utf-8")
    assert [warning for warning in warnings_of(source) if f"`{warning}`" not in text] == []


def test_everything_public_is_in_the_library_page(source: Path) -> None:
    import vault

    text = (source / "docs/library.md").read_text(encoding="utf-8")
    assert [name for name in vault.__all__ if not re.search(rf"\b{name}\b", text)] == []


def test_the_numbers_in_the_security_page_are_those_of_the_program(source: Path) -> None:
    from crypto.kdf import FLOOR
    from crypto.padding import padded_size
    from crypto.words import _mnemonic, generated_passphrase

    text = (source / "SECURITY.md").read_text(encoding="utf-8")
    rows = re.findall(r"^ *\| ([\d,]+) \| ([\d,]+) \| ([\d,]+) lengths \| ([\d.]+) % \|", text, flags=re.MULTILINE)
    assert len(rows) >= 4
    for row in rows:
        length, stored, bucket = (int(value.replace(",", "")) for value in row[:3])
        assert stored == padded_size(length)
        assert padded_size(stored - bucket + 1) == stored
        assert padded_size(stored - bucket) < stored
        assert row[3] == f"{100 * (stored - length) / length:.1f}"
    assert f"There are {buckets(2**20, 2**30)} buckets between 1 MiB and 1 GiB, {buckets(2**16, 2**32)} up to" in text
    assert f"{FLOOR.memory_kib // 1024} MiB, {FLOOR.passes} passes" in text
    words, bits = generated_passphrase().count("-") + 1, len(_mnemonic("english").wordlist).bit_length() - 1
    assert f"seven words of a list of 2,048, that is {words * bits} bits" in text
    assert (words, bits) == (7, 11)


def buckets(smallest: int, largest: int) -> int:
    from crypto.padding import padme

    count, size = 0, smallest
    while size <= largest:
        count, size = count + 1, padme(size + 1)
    return count


def test_every_command_and_option_in_the_readme_exists(source: Path) -> None:
    from commands._options import DefaultGroup
    from commands.cli import root

    text = (source / "README.md").read_text(encoding="utf-8")
    lines = [line.split()[1:] for line in re.findall(r"^ {4}(casevault .+)$", text, flags=re.MULTILINE)]
    assert len(lines) >= 12
    for words in lines:
        context, command, rest = click.Context(root), root, words
        while isinstance(command, click.Group):
            rest = command.completed(rest) if isinstance(command, DefaultGroup) else rest
            found = command.get_command(context, rest[0])
            assert found is not None, words
            command, rest = found, rest[1:]
        # Parsing with the command's own parser: an unknown option or a superfluous argument is a UsageError.
        command.make_context(command.name, list(rest), parent=context, resilient_parsing=False)


def test_every_warning_has_a_sentence_in_the_terminal(source: Path) -> None:
    from commands._session import warning

    for code in warnings_of(source):
        assert code not in warning(code)


@pytest.mark.slow
def test_the_example_of_the_library_page_runs_as_it_stands(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (source / "docs/library.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(tmp_path)
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(example, "library.md", "exec"), {})  # noqa: S102 (our own page)
    lines = out.getvalue().splitlines()
    assert lines[0].startswith("HARBOUR/1 ")
    assert "b'of m'" in lines
    assert "There is no item HARBOUR/7" in lines
    assert "0 2" in lines
    assert any("item-export done HARBOUR/1 None" in line for line in lines)
    assert (tmp_path / "out" / "001-statement.txt").read_text(encoding="utf-8") == "I left of my own will."


def test_decisions_are_numbered_without_gaps_and_say_what_they_cost(source: Path) -> None:
    found = sorted((source / "docs/decisions").glob("*.md"))
    assert len(found) >= 10
    for number, page in enumerate(found, 1):
        text = page.read_text(encoding="utf-8")
        assert page.name.startswith(f"{number:04d}-")
        assert text.startswith(f"# {number}. ")
        assert "**Price.**" in text
        assert len(text) < 3000


def test_no_document_praises_or_names_the_place_where_it_was_written(source: Path) -> None:
    found = [f"{page}: {match}" for page, text in texts(source) for match in FORBIDDEN.findall(text)]
    assert found == []


def test_tables_have_the_same_number_of_columns_in_every_line(source: Path) -> None:
    uneven = []
    for page, text in texts(source):
        columns = 0
        for number, line in enumerate(prose(text).splitlines(), 1):
            cells = len(re.findall(r"(?<!\\)\|", re.sub(r"`[^`]*`", "", line))) if line.lstrip().startswith("|") else 0
            if cells and columns and cells != columns:
                uneven.append(f"{page}:{number}")
            columns = cells
    assert uneven == []
