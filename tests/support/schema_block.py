"""The tables of vault/schema.py as docs/format.md shows them: `python tests/support/schema_block.py docs/format.md`."""

import sys
import textwrap
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from vault import schema

BEGIN, END = "<!-- schema: written by tests/support/schema_block.py -->\n", "<!-- end of schema -->\n"


def block() -> str:
    """Both schemas, one statement after the other."""
    parts = []
    for name, version, statements in (
        ("vault-<epoch>.db", schema.VAULT_VERSION, schema.VAULT_SCHEMA),
        ("cases/<case id>-<epoch>.db", schema.CASE_VERSION, schema.CASE_SCHEMA),
    ):
        lines = [textwrap.fill(" ".join(each.split()), 118, subsequent_indent="    ") + ";" for each in statements]
        parts.append("\n".join([f"-- {name}", f"PRAGMA user_version = {version};", *lines]))
    return "```sql\n" + "\n\n".join(parts) + "\n```\n"


def with_block(text: str) -> str:
    """A page with its block written anew."""
    before, begin, rest = text.partition(BEGIN)
    _old, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError("the page has no place for the schema")
    return before + begin + block() + end + after


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(with_block(page.read_text(encoding="utf-8")), encoding="utf-8")
