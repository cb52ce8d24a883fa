"""`casevault demo`: the whole story in a throw-away folder, with real commands and, where they can be had, real media.

Each step runs the program as a user would, in a process of its own, and is compared with what must come out. The first
thing that is not as it should be ends the demo with its name and a status that is not 0.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from commands import _media
from commands._errors import DAMAGE, OTHER, WRONG_SECRET, Stop
from commands._options import Settings, command, pass_settings
from commands._output import Output, exact_size
from commands._terminal import visible
from commands._text import _

_TITLE = "The road over the pass"
_NAME = "Мадина Эскиева"
_ALIAS = "Madina Eskieva"
_PHONE = "+995 555 010 203"
_STATEMENT = (
    "I left of my own will. Nobody took me away and nobody pays me.\n"
    "My relatives will try to bring me back; whatever I may be made to say later, this is what I want.\n"
    "Я уехала по своей воле.\n"
)
_PROGRAM = "import sys; sys.path.insert(0, sys.argv.pop(1)); from commands.cli import main; sys.exit(main())"


@command(
    "demo",
    example="casevault demo",
    fields={"steps": "list of text: what was done and held", "removed": "the folder that is gone again"},
)
@pass_settings
def demo(settings: Settings) -> None:
    """Show the whole story in a throw-away folder, and check each step.

    A vault, a case, a statement, a video, a photo, a person, a search, an export, a new passphrase, a full check, the
    log. Your own vault is not touched, and the folder is removed at the end.
    """
    output = Output(settings)
    with tempfile.TemporaryDirectory(prefix="casevault-demo-") as name:
        story = _Story(Path(name).resolve(), output)
        story.tell()
        files = [path for path in story.folder.rglob("*") if path.is_file()]
        removed = _("Removed {folder} with {count} files, {size}. Nothing else was touched.").format(
            folder=visible(str(story.folder)),
            count=len(files),
            size=exact_size(sum(path.stat().st_size for path in files)),
        )
    if output.json:
        output.answer({"steps": story.steps, "removed": story.folder})
    story.say("")
    story.say(removed)


@dataclass
class _Result:
    status: int
    stdout: str
    stderr: str

    def json(self) -> Any:
        return json.loads(self.stdout)


@dataclass
class _Story:
    folder: Path
    output: Output
    steps: list[str] = field(default_factory=list)

    def tell(self) -> None:
        self._prepare()
        self._init()
        self._case()
        self._statement()
        self._media()
        self._person()
        self._look()
        self._digests()
        self._nothing_in_the_clear()
        self._passphrase()
        self._damage()
        self._check()
        self._log()

    # The steps

    def _prepare(self) -> None:
        from vault import passphrases

        self.say(
            _("This demo works in {folder} and leaves your own vault alone.").format(folder=visible(str(self.folder)))
        )
        self.say(_("The passphrase comes from a file, because nobody is asked here; you would be asked for it."))
        for name in ("first.txt", "second.txt"):
            self._write(name, passphrases.generate() + "\n")
        self._write("statement.txt", _STATEMENT)
        self.video, self.photo, found = _media.prepare(self.folder / "stick")
        self.say(found)
        self.environment = _environment(self.folder)

    def _init(self) -> None:
        self._step(_("A vault, and the words for the day when the passphrase is forgotten"))
        self._run("init", "--recovery-file", "recovery.txt")
        words = (self.folder / "recovery.txt").read_text(encoding="utf-8").split()
        self._must(len(words) == 24, _("there are 24 recovery words"))

    def _case(self) -> None:
        self._step(_("A case; its title is typed, not given on the command line"))
        made = self._run("case", "new", "-", "--code", "HARBOUR", typed=_TITLE)
        self._must(made.stdout.strip() == "HARBOUR", _("the case is called HARBOUR"))

    def _statement(self) -> None:
        self._step(_("A written statement"))
        self._run(
            "add",
            "HARBOUR",
            "--text",
            "statement.txt",
            "--title",
            "Statement of the first day",
            "--recorded",
            "2026-11-20",
        )

    def _media(self) -> None:
        self._step(_("A video and a photo, as they came from the telephone"))
        self._run(
            "add", "HARBOUR", *self._shown(self.video, self.photo), "--via", "USB stick", "--received", "2026-11-21"
        )
        items = self._quietly("items", "HARBOUR").json()
        self._must(len(items) == 3, _("three items are stored"))
        self._must(self.video.is_file() and self.photo.is_file(), _("the originals are where they were"))

    def _person(self) -> None:
        self._step(_("A person, and how she can be reached without harm"))
        contacts = ("--alias", _ALIAS, "--phone", _PHONE, "--safe-times", "mornings, by message only")
        self._run("person", "add", "HARBOUR", "-", *contacts, typed=_NAME)
        self._run("edit", "HARBOUR/1", "--from", "HARBOUR/p1")
        self._run("note", "HARBOUR/1", "-", typed="She read it back to us and confirmed it.")

    def _look(self) -> None:
        self._step(_("What there is, and where words stand"))
        self._run("items", "HARBOUR")
        self._run("search", "-", typed="relatives")
        hits = self._quietly("search", "-", typed="relatives").json()
        self._must([hit["reference"] for hit in hits] == ["HARBOUR/1"], _("the word is found in the statement"))
        self._run("search", "-", typed="Мадина")
        self._run("show", "HARBOUR/1")
        self._run("person", "show", "HARBOUR/p1")

    def _digests(self) -> None:
        self._step(_("An export, compared bit for bit with what came in"))
        (self.folder / "handed-over").mkdir(mode=0o700)
        self._run("export", "HARBOUR", "--to", "handed-over", "--purpose", "for the court")
        originals = [self.folder / "statement.txt", self.video, self.photo]
        for number, original in enumerate(originals, start=1):
            kept = self._quietly("show", f"HARBOUR/{number}").json()
            (exported,) = (
                path
                for path in (self.folder / "handed-over" / "HARBOUR").glob(f"{number:03d}-*")
                if path.suffix not in (".sha256", ".sha512")
            )
            beside = exported.with_name(f"{exported.name}.sha256").read_text(encoding="utf-8").split()[0]
            digests = {_sha256(original), _sha256(exported), kept["sha256"], beside}
            self.say(f"  {number}  {kept['sha256']}  {exact_size(kept['size_bytes'])}")
            self._must(
                len(digests) == 1,
                _("item {number}: original, vault, export and digest file agree").format(number=number),
            )

    def _nothing_in_the_clear(self) -> None:
        self._step(_("What a thief finds: every file of the vault, searched for names and words"))
        wanted = {
            _("the case's title"): _TITLE,
            _("the case's code"): "HARBOUR",
            _("the person's name"): _NAME,
            _("the alias"): _ALIAS,
            _("the telephone number"): _PHONE,
            _("the statement's words"): "relatives will try",
            _("the file name"): self.video.name,
        }
        needles = {
            _("{what} ({encoding})").format(what=what, encoding=encoding): text.encode(encoding)
            for what, text in wanted.items()
            for encoding in ("utf-8", "utf-16-le")
        }
        needles[_("a piece of the video")] = _middle(self.video)
        needles[_("a piece of the photo")] = _middle(self.photo)
        # The same search must find the words where they are in the clear, or it proves nothing.
        control = (self.folder / "statement.txt").read_bytes()
        self._must(any(needle in control for needle in needles.values()), _("the search finds what is in the clear"))
        vault = self.folder / "vault"
        files = [path for path in vault.rglob("*") if path.is_file()]
        names = "\n".join(str(path.relative_to(vault)) for path in vault.rglob("*")).encode()
        for path in files:
            content = path.read_bytes()
            for what, needle in needles.items():
                self._must(
                    needle not in content and needle not in names, _("{what} is nowhere").format(what=what), quiet=True
                )
        size = exact_size(sum(path.stat().st_size for path in files))
        self._must(
            len(files) > 4,
            _("{count} files, {size}: none of {needles} searched-for pieces is in any of them").format(
                count=len(files), size=size, needles=len(needles)
            ),
        )
        self._run("status", by=None)

    def _passphrase(self) -> None:
        self._step(_("Another passphrase; the old one opens nothing any more, the recovery words still do"))
        self._run("passphrase", "change", "--new-passphrase-file", "second.txt")
        self._run("case", "list", by="first.txt", expect=WRONG_SECRET)
        self.unlocked_by = "second.txt"
        self._run("case", "list", by="second.txt")
        self._run("case", "list", by="recovery.txt")

    def _damage(self) -> None:
        self._step(_("A damaged copy is noticed and named"))
        import shutil

        copy = self.folder / "copy"
        shutil.copytree(self.folder / "vault", copy)
        largest = max((copy / "objects").rglob("*.*"), key=lambda path: path.stat().st_size)
        with largest.open("r+b") as file:
            file.seek(largest.stat().st_size // 2)
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte[0] ^ 1]))
        self.say(_("  (one bit was changed in a copy of the vault, on another computer)"))
        # Used on this computer too, the copy and the vault would each look like the older copy of the other.
        self.environment = _environment(self.folder, computer="another-computer")
        done = self._run("--vault", "copy", "check", "--read-data", expect=DAMAGE)
        self.environment = _environment(self.folder)
        self._must("HARBOUR/" in done.stdout, _("the damaged item is named"))

    def _check(self) -> None:
        self._step(_("Every byte of the vault itself, read and compared"))
        self._run("check", "--read-data")
        report = self._quietly("check", "--read-data").json()
        self._must(
            report["findings"] == [] and report["objects_not_read"] == 0, _("nothing is damaged, nothing unread")
        )

    def _log(self) -> None:
        self._step(_("Who did what, and when"))
        self._run("log", "--case", "HARBOUR")
        acts = {entry["act"] for entry in self._quietly("log").json()}
        self._must({"item-add", "item-export", "search"} <= acts, _("adding, searching and exporting are in the log"))

    # How steps are told

    unlocked_by = "first.txt"  # the file that holds the passphrase

    def say(self, text: str) -> None:
        if self.output.json:
            sys.stderr.write(text + "\n")
        else:
            sys.stdout.write(text + "\n")
            sys.stdout.flush()

    def _step(self, title: str) -> None:
        self.steps.append(title)
        self.say("")
        self.say(_("{number}. {title}").format(number=len(self.steps), title=title))

    def _shown(self, *paths: Path) -> list[str]:
        return [str(path.relative_to(self.folder)) for path in paths]

    def _must(self, holds: bool, what: str, *, quiet: bool = False) -> None:
        if not holds:
            raise Stop(
                OTHER,
                _("the demo failed at step {number} ({title}): it does not hold that {what}").format(
                    number=len(self.steps), title=self.steps[-1], what=what
                ),
            )
        if not quiet:
            self.say(_("  ok: {what}").format(what=what))

    def _run(self, *arguments: str, typed: str | None = None, by: str | None = "", expect: int = 0) -> _Result:
        """Run a command and show it, as typed, with what it says."""
        prefix = f"echo {shlex.quote(typed)} | " if typed is not None else ""
        shown = " ".join(shlex.quote(argument) for argument in arguments)
        file = self.unlocked_by if by == "" else by
        if by:
            shown = f"--passphrase-file {by} {shown}"
        self.say(f"  $ {prefix}casevault {shown}")
        done = self._call(arguments, typed, file)
        for line in (done.stdout + done.stderr).replace("\t", "   ").splitlines():
            self.say(f"    {visible(line)}")
        if done.status != expect:
            raise Stop(
                OTHER,
                _(
                    "the demo failed at step {number} ({title}): `casevault {shown}` ended with {status}, not {expect}"
                ).format(number=len(self.steps), title=self.steps[-1], shown=shown, status=done.status, expect=expect),
            )
        if expect:
            self.say(_("  ok: status {status}").format(status=expect))
        return done

    def _quietly(self, *arguments: str, typed: str | None = None) -> _Result:
        """Ask as a program would, for JSON."""
        done = self._call((*arguments, "--json"), typed, self.unlocked_by)
        self._must(done.status == 0, f"casevault {' '.join(arguments)} --json", quiet=True)
        return done

    def _call(self, arguments: tuple[str, ...], typed: str | None, passphrase: str | None) -> _Result:
        environment = dict(self.environment)
        if passphrase:
            environment["CASEVAULT_PASSPHRASE_FILE"] = passphrase
        root = str(Path(__file__).resolve().parents[1])
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM, root, *arguments],
            cwd=self.folder,
            env=environment,
            input=typed or "",
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        return _Result(done.returncode, done.stdout, done.stderr)

    def _write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_bytes(text.encode())


def _environment(folder: Path, computer: str = "this-computer") -> dict[str, str]:
    """The user's, with every place of ours inside the throw-away folder."""
    own = {key: value for key, value in os.environ.items() if not key.startswith(("CASEVAULT_", "XDG_"))}
    state = str(folder / computer)
    return own | {
        "CASEVAULT_VAULT": str(folder / "vault"),
        "XDG_STATE_HOME": state,
        "HOME": state,
        "WIN_PD_OVERRIDE_LOCAL_APPDATA": state,
        "PYTHONIOENCODING": "utf-8",
    }


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def _middle(path: Path) -> bytes:
    """64 bytes from the middle of a file, which must not be found in the vault."""
    content = path.read_bytes()
    return content[len(content) // 2 : len(content) // 2 + 64]
