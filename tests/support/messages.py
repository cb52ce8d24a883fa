"""Every sentence that a person may read, from the sources, and the template for translators that is made of them.

`python tests/support/messages.py` writes commands/locale/casevault.pot anew; `make messages` does the same.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

Message = tuple[str, ...]  # one text, or that for one and that for many

HEADER = """\
# What casevault says to people. Copy this file to LANGUAGE.po, translate, and compile it to
# commands/locale/LANGUAGE/LC_MESSAGES/casevault.mo. Words in {braces} and in `backticks` stay as they are.
msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\\n"
"""
TEMPLATE = "commands/locale/casevault.pot"


def text(node: ast.expr | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def name(node: ast.expr) -> str:
    return ast.unparse(node).rpartition(".")[2] if isinstance(node, (ast.Name, ast.Attribute)) else ""


def in_code(tree: ast.AST) -> Iterator[Message]:
    """What passes through `_` and `ngettext`, the help of options and commands, and the library's reasons."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = name(node.func)
            given = [text(argument) for argument in node.args]
            if called == "_" and given[:1] != [None]:
                yield (str(given[0]),)
            elif called == "ngettext" and given[:2].count(None) == 0:
                yield str(given[0]), str(given[1])
            for keyword in node.keywords:
                found = text(keyword.value)
                if found and (
                    (keyword.arg == "help" and called == "option") or (keyword.arg == "reason" and " " in found)
                ):
                    yield (found,)
        elif isinstance(node, ast.FunctionDef):
            decorated = {name(each.func) for each in node.decorator_list if isinstance(each, ast.Call)}
            if "command" in decorated and (docstring := ast.get_docstring(node)):
                yield (docstring,)
        elif isinstance(node, ast.ClassDef):
            for each in node.body:
                if isinstance(each, ast.AnnAssign) and name(each.target) == "template" and text(each.value):
                    yield (str(text(each.value)),)
                elif isinstance(each, ast.Assign) and name(each.targets[0]) == "template":
                    # In brackets over several lines it is still one constant.
                    yield (str(text(each.value)),)


def in_tables() -> Iterator[tuple[str, Message]]:
    """What stands in tables and is translated when it is shown."""
    from commands import _errors, cli

    yield from (("commands/cli.py", (line,)) for _name, _module, _attribute, line in cli.COMMANDS)
    yield from (("commands/_errors.py", (hint,)) for _status, hint in _errors.TABLE.values() if hint)
    yield from (("commands/_errors.py", (reason,)) for reason in _errors._REASONS.values())


def constants(source: Path) -> Iterator[tuple[str, Message]]:
    """The single words that the library gives: acts, phases, kinds, fields, kinds of damage."""
    from vault import errors, items, own_heads, requests, schema, witnessing

    yield from (("vault/requests.py", (kind,)) for kind in requests.KINDS)
    yield from (("vault/log.py", (phase,)) for phase in ("intent", "done", "failed", "recovered"))
    columns = {name for table in schema.CASE_TABLES for name in table.columns} | set(items._EDITABLE)
    yield from (("vault/schema.py", (column,)) for column in sorted(columns))
    for path in sorted((source / "vault").glob("*.py")):
        place = path.relative_to(source).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called, first = name(node.func), text(node.args[0]) if node.args else None
            if called in ("find", "checked_text", "end", "Malformed") and first:
                yield place, (first,)
            for keyword in node.keywords:
                if keyword.arg in ("field", "reason"):
                    yield from ((place, (found,)) for found in said(path.stem, keyword.value))
    yield from (("docs/format.md", (act,)) for act in acts(source))
    yield from (("vault/search.py", (each,)) for each in HIT_FIELDS)
    yield "vault/log.py", ("clock-set-back",)
    yield from (("vault/witnessing.py", (each,)) for each in witnessing.REASONS)
    yield from (("vault/own_heads.py", (each,)) for each in own_heads.REASONS)
    yield from (("vault/errors.py", (each,)) for each, found in vars(errors).items() if isinstance(found, type))
    yield "vault/log_checking.py", ("hidden entry",)
    yield "vault/agent.py", ("asked",)  # why a session ended, if nothing else did it


def said(module: str, node: ast.expr) -> list[str]:
    """The texts that an argument in a module of the library stands for, as far as they are constants of it."""
    if (found := text(node)) is not None:
        return [found] if found else []
    if isinstance(node, ast.IfExp):
        return said(module, node.body) + said(module, node.orelse)
    known = vars(importlib.import_module(f"vault.{module}"))
    if isinstance(node, ast.Name) and isinstance(known.get(node.id), str):
        return [known[node.id]]
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id in known:
        return list(known[node.value.id].values())
    return []


def acts(source: Path) -> list[str]:
    """The acts of the log, as the format lists them; `-list` after `case-new` means `case-list`."""
    row = next(line for line in (source / "docs/format.md").read_text(encoding="utf-8").splitlines() if "`act`" in line)
    named, told = "", []
    for act in re.findall(r"`([a-z-]+)`", row)[1:]:
        named = f"{named.partition('-')[0]}{act}" if act.startswith("-") else act
        told.append(named)
    return told


# Of a hit: see ``vault.requests.Hit``.
HIT_FIELDS = ("title", "description", "file name", "text", "note", "tag", "circumstances", "person", "contact")


def in_click() -> Iterator[Message]:
    """What the library for the command line says by itself: it looks into the same catalogue."""
    import click

    for path in sorted(Path(inspect.getfile(click)).parent.glob("*.py")):
        yield from in_code(ast.parse(path.read_text(encoding="utf-8")))


def messages(source: Path) -> dict[Message, list[str]]:
    """Every message with the files in which it stands, in the order of the files."""
    found: dict[Message, list[str]] = {}

    def add(message: Message, place: str) -> None:
        places = found.setdefault(message, [])
        if place not in places:
            places.append(place)

    for package in ("commands", "vault"):
        for path in sorted((source / package).glob("*.py")):
            for message in in_code(ast.parse(path.read_text(encoding="utf-8"))):
                add(message, path.relative_to(source).as_posix())
    for place, message in in_tables():
        add(message, place)
    for place, message in constants(source):
        add(message, place)
    for message in in_click():
        add(message, "click")
    return found


def template(source: Path) -> str:
    parts = [HEADER]
    for message, places in messages(source).items():
        lines = [f"#: {' '.join(places)}"]
        if any("{" in each for each in message):
            lines.append("#, python-brace-format")
        lines.append(f"msgid {quoted(message[0])}")
        if len(message) == 2:
            lines += [f"msgid_plural {quoted(message[1])}", 'msgstr[0] ""', 'msgstr[1] ""']
        else:
            lines.append('msgstr ""')
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t")
    lines = [f'"{line}"' for line in escaped.replace("\n", "\\n\n").split("\n")]
    return lines[0] if len(lines) == 1 else "\n".join(['""', *lines])


def compiled(translations: dict[Message, Message]) -> bytes:
    """A catalogue in the form of GNU gettext (.mo)."""
    entries = {b"": HEADER.split('msgstr ""\n')[1].replace('"', "").replace("\\n\n", "\n").encode()}
    entries |= {"\0".join(key).encode(): "\0".join(value).encode() for key, value in translations.items()}
    keys = sorted(entries)
    position = 28 + 16 * len(keys)
    tables, content = [b"", b""], b""
    for side, texts in enumerate((keys, [entries[key] for key in keys])):
        for each in texts:
            tables[side] += struct.pack("<II", len(each), position + len(content))
            content += each + b"\0"
    head = struct.pack("<7I", 0x950412DE, 0, len(keys), 28, 28 + 8 * len(keys), 0, 0)
    return head + tables[0] + tables[1] + content


if __name__ == "__main__":
    root = Path(__file__).resolve().parents[2]
    (root / TEMPLATE).parent.mkdir(exist_ok=True)
    (root / TEMPLATE).write_text(template(root), encoding="utf-8")
    sys.stdout.write(f"{root / TEMPLATE}\n")
