"""`casevault log`: what was done in the vault, newest last, and whether that can be relied on."""

from __future__ import annotations

import click

from commands import _terminal
from commands._documents import LOG_ENTRY, LOG_HEAD, LOG_STATUS, LOG_VERIFIED
from commands._log_choice import chosen, moment_given
from commands._options import DefaultGroup, Settings, command, optional, pass_settings
from commands._output import Fact, Output, counted, human_size, moment
from commands._session import opened
from commands._terminal import visible
from commands._text import _, ngettext
from commands._words import reason, word
from commands.log_export import export
from vault import references
from vault.log_requests import LogEntry, LogFork, LogGeneration, LogHead, LogWitness

log = DefaultGroup("log", help=_("Who did what, and when; and the proofs of it: list, verify, status, head, export."))


@command("list", example="casevault log list --case HARBOUR", fields=LOG_ENTRY, many=True)
@click.option("--case", "code", metavar="CASE", help="Only of this case.")
@click.option("--item", metavar="ITEM", help="Only about this item or person.")
@click.option("--partner", metavar="PARTNER", help="Only about this partner; `-` asks for the name.")
@click.option("--since", metavar="TIME", callback=moment_given, help="From this day or time on (UTC).")
@click.option("--until", metavar="TIME", callback=moment_given, help="Up to the end of this day or minute (UTC).")
@pass_settings
def entries(
    settings: Settings, code: str | None, item: str | None, partner: str | None, since: str | None, until: str | None
) -> None:
    """List the access log: what was intended, and what came of it. The newest entry comes last.

    `casevault log` alone does the same.
    """
    wanted = references.parse_case(code) if code else None
    reference = references.parse_either(item) if item else None
    if reference:
        of = reference.partition("/")[0]
        if wanted not in (None, of):
            raise click.UsageError(_("The item is not of that case"))
        wanted = of
    with opened(settings) as session:
        name = optional(partner, _("Partner:"))
        log_entries = session.vault.log(wanted)
    found = chosen(log_entries, reference=reference, partner=name, since=since, until=until)
    output = Output(settings)
    if output.json:
        output.answer(found)
        return
    output.table(
        (_("No."), _("When"), _("Act"), _("Phase"), _("Of"), _("Size"), _("Purpose or reason"), _("Way in")),
        [
            (
                str(each.number),
                moment(each.when),
                word(each.act),
                word(each.phase)
                if each.answers is None
                else _("{phase} ({number})").format(phase=word(each.phase), number=each.answers),
                _subject(each),
                "" if each.size_bytes is None else human_size(each.size_bytes),
                _why(each),
                each.actor,
            )
            for each in found
        ],
        empty=_("The log is empty."),
    )


def _subject(entry: LogEntry) -> str:
    """What the entry speaks of: an item or person by its whole reference, a case, the label of a way in, or a partner."""
    return entry.item or entry.case or entry.counterparty or ""


def _why(entry: LogEntry) -> str:
    """What it was for, and what went wrong: a sender's purpose must not hide why their file was refused."""
    if entry.purpose and entry.reason:
        return _("{purpose} ({reason})").format(purpose=entry.purpose, reason=reason(entry.reason))
    return entry.purpose or reason(entry.reason or "")


@command("verify", example="casevault log verify", fields=LOG_VERIFIED)
@click.option("--full", is_flag=True, help="From the beginning, not from where it was verified before.")
@pass_settings
def verify(settings: Settings, full: bool) -> None:
    """Verify that the log proves itself: every entry in its place, every step signed by its own key, which is then erased.

    What was logged before cannot be rewritten by somebody who has the vault and every key in it, back to the earliest copy
    of this disk that they hold. A log that ends early, or was restored, shows only beside what others have seen of it.
    """
    with opened(settings) as session:
        info = session.vault.info()
        steps = info.log_steps + 1 - (0 if full else info.log_verified_step)  # the intent to verify is one more
        with counted(settings, _("verifying the log"), steps) as further:
            found = session.vault.verify_log(full=full, progress=further)
    output = Output(settings)
    if output.json:
        output.answer(found)
        return
    output.line(_("The log proves itself."))
    facts: list[Fact] = [
        (_("Verified before, up to step"), str(found.since) if found.since else None),
        (_("Steps verified now"), str(found.steps)),
        (_("Entries verified now"), str(found.entries)),
        *_facts_of_head(found.head),
    ]
    output.facts(facts)
    _say_gaps(found.unsigned, found.generations)


@command("status", example="casevault log status", fields=LOG_STATUS)
@pass_settings
def status(settings: Settings) -> None:
    """How far the log has come, and up to where it was verified. Nothing is verified now."""
    with opened(settings) as session:
        found = session.vault.log_status()
    output = Output(settings)
    if output.json:
        output.answer(found)
        return
    output.facts(
        [
            *_facts_of_head(found.head),
            (_("Last verified"), moment(found.verified_when) if found.verified_when else _("never")),
            (_("Verified up to step"), str(found.verified_step) if found.verified_step else None),
            (_("Generation"), str(found.generations[-1].number)),
            *_confirmed(found.confirmed),
        ]
    )
    _say_gaps(found.unsigned, found.generations)
    for fork in found.forks:
        _terminal.warn(_fork(fork))


def _confirmed(witnesses: tuple[LogWitness, ...]) -> list[Fact]:
    """Up to which entry how many partners have confirmed it: whoever came farther has confirmed what is before, too."""
    if not witnesses:
        return [(_("Confirmed by partners"), _("no: no receipt has named it yet"))]
    return [
        (
            _("Confirmed by partners"),
            ngettext(
                "up to entry {entry} by {number} partner: {names}",
                "up to entry {entry} by {number} partners: {names}",
                number,
            ).format(
                entry=each.entries - 1,
                number=number,
                names=", ".join(visible(one.partner or one.fingerprint) for one in witnesses[:number]),
            ),
        )
        for number, each in enumerate(witnesses, 1)
        if number == len(witnesses) or witnesses[number].entries != each.entries
    ]


def _fork(fork: LogFork) -> str:
    if fork.sender is None:
        return _(
            "on {when} {name} has shown that this vault's own keys have signed a state of {entries} entries, in generation {number}, "
            "that this log never had: an older copy was put back and gone on from, the log was rewritten, or somebody else has these "
            "keys. The proof is kept"
        ).format(
            when=moment(fork.found),
            name=visible(fork.partner or _("a partner")),
            entries=fork.entries,
            number=fork.generation,
        )
    if fork.kind == "unconnected":
        said = _(
            "the log of {name} was shown here with {before} entries, and on {when} with {entries}, and nothing proves that these "
            "are one history. Where this vault was restored from a backup, open the files that came since then, in their order; "
            "else ask them by a way that you trust. Both signed states are kept"
        )
    else:
        said = _(
            "the log of {name} was shown here with {before} entries, and on {when} with {entries}, which do not go together. Both "
            "signed states are kept as the proof; ask them by a way that you trust"
        )
    return said.format(
        name=visible(fork.partner or fork.sender),
        before=fork.entries_before,
        when=moment(fork.found),
        entries=fork.entries,
    )


@command("head", example="casevault log head", fields=LOG_HEAD)
@pass_settings
def head(settings: Settings) -> None:
    """Show where the log ends now, to be written down or compared aloud. Nothing of it is secret.

    Whoever keeps it can later show that the log which had this head was not rewritten.
    """
    with opened(settings) as session:
        found = session.vault.log_head()
    output = Output(settings)
    if output.json:
        output.answer(found)
        return
    facts = _facts_of_head(found)
    if output.plain:
        facts += [(_("Word {number}").format(number=number), each) for number, each in enumerate(found.words, 1)]
    else:
        facts.append((_("In words"), "\n".join((" ".join(found.words[:6]), " ".join(found.words[6:])))))
    output.facts(facts)
    if output.rich and _terminal.stdout_is_utf8():
        from commands import _qr

        output.line("")
        output.picture(_qr.lines(f"{found.origin} {found.size} {found.root}"))


def _facts_of_head(found: LogHead) -> list[Fact]:
    return [
        (_("Log"), found.origin),
        (_("Entries"), str(found.size)),
        (_("Root"), found.root),
        (_("Step"), str(found.step)),
    ]


def _say_gaps(unsigned: int, generations: tuple[LogGeneration, ...]) -> None:
    """What a person must hear beside a log that proves itself."""
    if unsigned:
        _terminal.say(
            ngettext(
                "{number} entry is older than the first signature and proves nothing by itself.",
                "{number} entries are older than the first signature and prove nothing by themselves.",
                unsigned,
            ).format(number=unsigned)
        )
    for each in generations[1:]:
        _terminal.say(
            _(
                "From entry {entry} on the log is generation {number}: the vault was restored, or the key of its log was lost. "
                "The log says when; ask whoever did it."
            ).format(entry=each.first_entry, number=each.number)
        )


for each in (entries, verify, status, head, export):
    log.add_command(each)
