"""QR codes on the terminal. The only home of the `segno` package."""

from __future__ import annotations

_BORDER = 4  # the quiet zone that the standard asks for
_HALVES = {(0, 0): " ", (1, 0): "\N{UPPER HALF BLOCK}", (0, 1): "\N{LOWER HALF BLOCK}", (1, 1): "\N{FULL BLOCK}"}


def lines(text: str) -> list[str]:
    """The code of a text, two rows of it a line, with its border; to be shown in black on white."""
    import segno

    code = segno.make(text, error="m", micro=False)
    rows = [tuple(int(module) for module in row) for row in code.matrix_iter(border=_BORDER)]
    if len(rows) % 2:
        rows.append((0,) * len(rows[0]))
    return [
        "".join(_HALVES[pair] for pair in zip(upper, lower, strict=True))
        for upper, lower in zip(rows[::2], rows[1::2], strict=True)
    ]
