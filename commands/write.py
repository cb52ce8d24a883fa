"""`casevault write`: a text written inside the vault, in the clear on the screen alone."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import click

from commands import _terminal
from commands._described import describing, description
from commands._errors import INTERRUPTED, LOCKED, Stop, message_of
from commands._options import Settings, asked, command, pass_settings
from commands._output import Output, moment
from commands._session import opened
from commands._text import _, ngettext
from vault import Case, Writing, errors, references
from vault.requests import Description, DraftSummary, Stored

_LARGEST_REVISED_BYTES = 4 << 20
_NEW = ("n", "т", "new")  # the same key on a Russian keyboard


@command("write", example="casevault write HARBOUR")
@click.argument("reference", metavar="CASE|ITEM")
@describing
@pass_settings
def write(settings: Settings, reference: str, **described: Any) -> int:
    """Write a statement in an editor; with ITEM, a later version of a text.

    The text is never on the disk in the clear. A sealed draft is saved every few seconds, and offered again after a crash,
    a power cut or the end of a session. At the end the text is stored as an item, kept as a draft, or thrown away.
    With --plain it is written line by line, for screen readers; each line is saved when it is entered.
    """
    code, number = _thing(reference)
    if settings.json or not (_terminal.stdin_is_terminal() and _terminal.stdout_is_terminal()):
        raise click.UsageError(
            _("write needs a person at a terminal; `casevault add {code} --text -` stores a text from a pipe").format(
                code=code
            )
        )
    given = description(**described)
    with opened(settings) as session:
        case = session.vault.cases.get(code)
        writing = _resumed(case, code, given)
        if writing is None:
            writing = _begun(case, number, given)
        with writing:
            desk = _Desk(writing)
            ending = _edited(settings, desk, code)
    return _said(settings, code, ending, desk)


def _thing(reference: str) -> tuple[str, int | None]:
    if "/" in reference:
        return references.parse_item(reference)
    return references.parse_case(reference), None


class _Desk:
    """The draft, as an editor sees it."""

    def __init__(self, writing: Writing) -> None:
        self.writing = writing
        self.stored: Stored | None = None
        self.is_unsaved = False

    def save(self, text: str) -> None:
        self.is_unsaved = True
        self.writing.save(text)
        self.is_unsaved = False

    def store(self, text: str, title: str) -> None:
        said = replace(self.writing.draft.description, title=title)
        self.stored = self.writing.store(text, replace(said, kind=said.kind or "statement"))

    def throw_away(self) -> None:
        self.writing.throw_away()

    def is_over(self) -> bool:
        return self.writing.is_over


def _resumed(case: Case, code: str, given: Description) -> Writing | None:
    """An earlier draft that is to be gone on with, if there is one."""
    drafts = [each for each in case.drafts.list() if not each.writing]
    while drafts:
        chosen = _chosen(drafts, code)
        if chosen is None:
            return None
        try:
            writing = case.drafts.resume(chosen.draft_id)
        except errors.DraftDamaged as error:
            _terminal.warn(message_of(error))
            if not _terminal.confirm(_("Throw this draft away? A backup may hold it whole")):
                raise
            case.drafts.discard(chosen.draft_id)
            drafts.remove(chosen)
            continue
        said = {field.name: getattr(given, field.name) for field in fields(Description)}
        writing.save(writing.draft.text, replace(writing.draft.description, **{k: v for k, v in said.items() if v}))
        return writing
    return None


def _chosen(drafts: list[DraftSummary], code: str) -> DraftSummary | None:
    """The draft that the person wants to go on with, None for a new text."""
    _terminal.say(
        ngettext(
            "There is a text in {code} that was begun and not stored:",
            "There are {number} texts in {code} that were begun and not stored:",
            len(drafts),
        ).format(code=code, number=len(drafts))
    )
    for number, each in enumerate(drafts, 1):
        if each.kept:
            line = _("{number}: begun {begun}, last kept {kept}")
        else:
            line = _("{number}: begun {begun}; writing was cut off")
        _terminal.say(line.format(number=number, begun=moment(each.begun), kept=moment(each.kept)))
    while True:
        answer = asked(_("Enter goes on with the last one; its number, or n for a new text:")).strip().casefold()
        if not answer:
            return drafts[-1]
        if answer in _NEW:
            return None
        if answer.isdecimal() and 1 <= int(answer) <= len(drafts):
            return drafts[int(answer) - 1]


def _begun(case: Case, number: int | None, given: Description) -> Writing:
    if number is None:
        return case.drafts.begin(description=replace(given, kind=given.kind or "statement"))
    item = case.items.get(number)
    with item.open(act="cat") as reading:
        if reading.size_bytes > _LARGEST_REVISED_BYTES:
            raise errors.BadValue(field="text", reason="it is too long")
        content = b"".join(bytes(piece) for piece in reading)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise errors.BadValue(field="text", reason="this item is not UTF-8 text") from None
    said = replace(given, kind=given.kind or reading.grant.kind, title=given.title or reading.grant.title)
    return case.drafts.begin(description=said, text=text, revises=number)


def _edited(settings: Settings, desk: _Desk, code: str) -> str:
    draft = desk.writing.draft
    heading = _("A text for {code}").format(code=code)
    if draft.revises is not None:
        heading = _("A later version of {reference}").format(reference=references.item_reference(code, draft.revises))
    notice = ""
    if desk.writing.doubtful:
        notice = _(
            "This is an older draft than the one that was kept, or a part of it is damaged: somebody may have put it back."
        )
        _terminal.warn(notice)
    title = draft.description.title
    if settings.plain or not _terminal.has_second_screen():
        from commands._plain_editor import PlainEditor

        return PlainEditor(desk, heading=heading, text=draft.text, title=title, notice=notice).run()
    from commands._editor import Editor

    return Editor(desk, heading=heading, text=draft.text, title=title, notice=notice).run()


def _said(settings: Settings, code: str, ending: str, desk: _Desk) -> int:
    if (stored := desk.stored) is not None:
        summary = stored.item.summary
        # Not the title: it may be the first line of the text, and what is printed here stays.
        Output(settings).line(summary.reference)
        if stored.again:
            _terminal.say(
                _("{reference} has this text already; that it came once more is noted there.").format(
                    reference=summary.reference
                )
            )
        _terminal.say(
            _("`casevault statement {reference}` says how it came about.").format(reference=summary.reference)
        )
    elif ending == "thrown away":
        _terminal.say(_("The text is thrown away, and its key with it."))
    elif desk.is_unsaved:
        raise Stop(
            LOCKED if ending == "over" else INTERRUPTED,
            _("The last save did not succeed: what was typed since the one before is lost"),
            _("`casevault write {code}` goes on with what was saved before").format(code=code),
        )
    elif ending == "over":
        raise Stop(
            LOCKED,
            _("The session has ended; the text was saved as a sealed draft before"),
            _("`casevault unlock`, then `casevault write {code}` goes on with it").format(code=code),
        )
    else:
        _terminal.say(
            _("The text is kept as a sealed draft: `casevault write {code}` goes on with it.").format(code=code)
        )
    return INTERRUPTED if ending == "gone" else 0
