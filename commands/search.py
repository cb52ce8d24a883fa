"""`casevault search`: words in cases, items, notes, tags and persons."""

from __future__ import annotations

import click

from commands._documents import HIT
from commands._options import Settings, command, pass_settings, refuse_unasked, required
from commands._output import Output
from commands._session import opened
from commands._terminal import say
from commands._text import _, ngettext
from commands._words import word
from vault import references
from vault.requests import Hit


@command("search", example="casevault search", fields=HIT, many=True)
@click.argument("words", nargs=-1, metavar="[WORDS]...")
@click.option("--case", "code", metavar="CASE", help="Only in this case.")
@pass_settings
def search(settings: Settings, words: tuple[str, ...], code: str | None) -> None:
    """Find words in statements, titles, notes, tags and persons; the beginning of a word is enough.

    The words are asked for when they are left out.
    """
    wanted = references.parse_case(code) if code else None
    typed = " ".join(words) if words else None
    refuse_unasked(typed, name="WORDS")
    with opened(settings) as session:
        given = required(typed, _("Words:"), name="WORDS")
        hits = session.vault.search(given, case=wanted)
    output = Output(settings)
    if output.json:
        output.answer(hits)
        return
    if not hits:
        say(_("Nothing was found."))
        return
    for hit in hits:
        _show(output, hit)
    say(ngettext("{number} place found.", "{number} places found.", len(hits)).format(number=len(hits)))


def _show(output: Output, hit: Hit) -> None:
    if output.plain:
        output.facts(
            [
                (_("Found in"), hit.reference),
                (_("Title"), hit.title),
                (_("Field"), word(hit.field)),
                (_("Excerpt"), hit.excerpt),
                # In one line of text nothing can stand out for whoever hears it.
                (_("Match"), ", ".join(dict.fromkeys(hit.excerpt[begin:end] for begin, end in hit.spans))),
            ]
        )
        output.line("")
        return
    done = 0
    excerpt: list[tuple[str, bool]] = []
    for begin, end in hit.spans:
        excerpt += [(hit.excerpt[done:begin], False), (hit.excerpt[begin:end], True)]
        done = end
    excerpt.append((hit.excerpt[done:], False))
    output.marked([(hit.reference, True)], [(hit.title, False)], [(word(hit.field), False)], excerpt)
