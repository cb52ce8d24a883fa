"""`casevault demo`: the whole story in a throw-away folder, with real commands and, where they can be had, real media.

Each step runs the program as a user would, in a process of its own, and is compared with what must come out.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from commands import _media
from commands._demo_partner import Others
from commands._errors import DAMAGE, WRONG_SECRET
from commands._options import Settings, command, pass_settings
from commands._output import Output, exact_size
from commands._telling import environment
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


@command(
    "demo",
    example="casevault demo",
    fields={"steps": "list of text: what was done and held", "removed": "the folder that is gone again"},
)
@pass_settings
def demo(settings: Settings) -> None:
    """Show the whole story in a throw-away folder, and check each step.

    A vault, a case, a statement, a video, a photo, a person, a search, an export, a new passphrase, a full check, a
    partner who gets a sealed file and opens it in a vault of their own, the log and its proof. Your own vault is not
    touched, and the folder is removed at the end.
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


class _Story(Others):
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
        self.meet()
        self.share(self._needles())
        self.arrive([_sha256(self.folder / "statement.txt"), _sha256(self.video)])
        self.confirm()
        self._log()
        self.prove()
        self.tamper()

    # The steps

    def _prepare(self) -> None:
        from vault import passphrases

        self.say(
            _("This demo works in {folder} and leaves your own vault alone.").format(folder=visible(str(self.folder)))
        )
        self.say(_("The passphrase comes from a file, because nobody is asked here; you would be asked for it."))
        for name in ("first.txt", "second.txt"):
            self.write(name, passphrases.generate() + "\n")
        self.write("statement.txt", _STATEMENT)
        self.video, self.photo, found = _media.prepare(self.folder / "stick")
        self.say(found)
        self.environment = environment(self.folder, computer="this-computer")
        self.unlocked_by = "first.txt"

    def _init(self) -> None:
        self.step(_("A vault, and the words for the day when the passphrase is forgotten"))
        self.run("init", "--recovery-file", "recovery.txt")
        words = (self.folder / "recovery.txt").read_text(encoding="utf-8").split()
        self.must(len(words) == 24, _("there are 24 recovery words"))

    def _case(self) -> None:
        self.step(_("A case; its title is typed, not given on the command line"))
        made = self.run("case", "new", "-", "--code", "HARBOUR", typed=_TITLE)
        self.must(made.stdout.strip() == "HARBOUR", _("the case is called HARBOUR"))

    def _statement(self) -> None:
        self.step(_("A written statement"))
        self.run(
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
        self.step(_("A video and a photo, as they came from the telephone"))
        self.run(
            "add", "HARBOUR", *self.shown(self.video, self.photo), "--via", "USB stick", "--received", "2026-11-21"
        )
        items = self.quietly("items", "HARBOUR").json()
        self.must(len(items) == 3, _("three items are stored"))
        self.must(self.video.is_file() and self.photo.is_file(), _("the originals are where they were"))

    def _person(self) -> None:
        self.step(_("A person, and how she can be reached without harm"))
        contacts = ("--alias", _ALIAS, "--phone", _PHONE, "--safe-times", "mornings, by message only")
        self.run("person", "add", "HARBOUR", "-", *contacts, typed=_NAME)
        self.run("edit", "HARBOUR/1", "--from", "HARBOUR/p1")
        self.run("note", "HARBOUR/1", "-", typed="She read it back to us and confirmed it.")

    def _look(self) -> None:
        self.step(_("What there is, and where words stand"))
        self.run("items", "HARBOUR")
        self.run("search", "-", typed="relatives")
        hits = self.quietly("search", "-", typed="relatives").json()
        self.must([hit["reference"] for hit in hits] == ["HARBOUR/1"], _("the word is found in the statement"))
        self.run("search", "-", typed="Мадина")
        self.run("show", "HARBOUR/1")
        self.run("person", "show", "HARBOUR/p1")

    def _digests(self) -> None:
        self.step(_("An export, compared bit for bit with what came in"))
        (self.folder / "handed-over").mkdir(mode=0o700)
        self.run("export", "HARBOUR", "--to", "handed-over", "--purpose", "for the court")
        originals = [self.folder / "statement.txt", self.video, self.photo]
        for number, original in enumerate(originals, start=1):
            kept = self.quietly("show", f"HARBOUR/{number}").json()
            (exported,) = (
                path
                for path in (self.folder / "handed-over" / "HARBOUR").glob(f"{number:03d}-*")
                if path.suffix not in (".sha256", ".sha512")
            )
            beside = exported.with_name(f"{exported.name}.sha256").read_text(encoding="utf-8").split()[0]
            digests = {_sha256(original), _sha256(exported), kept["sha256"], beside}
            self.say(f"  {number}  {kept['sha256']}  {exact_size(kept['size_bytes'])}")
            self.must(
                len(digests) == 1,
                _("item {number}: original, vault, export and digest file agree").format(number=number),
            )

    def _nothing_in_the_clear(self) -> None:
        self.step(_("What a thief finds: every file of the vault, searched for names and words"))
        needles = self._needles()
        # The same search must find the words where they are in the clear, or it proves nothing.
        control = (self.folder / "statement.txt").read_bytes()
        self.must(any(needle in control for needle in needles.values()), _("the search finds what is in the clear"))
        vault = self.folder / "vault"
        files = [path for path in vault.rglob("*") if path.is_file()]
        names = "\n".join(str(path.relative_to(vault)) for path in vault.rglob("*")).encode()
        for path in files:
            content = path.read_bytes()
            for what, needle in needles.items():
                self.must(
                    needle not in content and needle not in names, _("{what} is nowhere").format(what=what), quiet=True
                )
        size = exact_size(sum(path.stat().st_size for path in files))
        self.must(
            len(files) > 4,
            _("{count} files, {size}: none of {needles} searched-for pieces is in any of them").format(
                count=len(files), size=size, needles=len(needles)
            ),
        )
        self.run("status", by=None)

    def _needles(self) -> dict[str, bytes]:
        """What must be nowhere outside in the clear."""
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
        return needles

    def _passphrase(self) -> None:
        self.step(_("Another passphrase; the old one opens nothing any more, the recovery words still do"))
        self.run("passphrase", "change", "--new-passphrase-file", "second.txt")
        self.run("case", "list", by="first.txt", expect=WRONG_SECRET)
        self.unlocked_by = "second.txt"
        self.run("case", "list", by="second.txt")
        self.run("case", "list", by="recovery.txt")

    def _damage(self) -> None:
        self.step(_("A damaged copy is noticed and named"))
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
        with self.at("another-computer"):
            done = self.run("--vault", "copy", "check", "--read-data", expect=DAMAGE)
        self.must("HARBOUR/" in done.stdout, _("the damaged item is named"))

    def _check(self) -> None:
        self.step(_("Every byte of the vault itself, read and compared"))
        self.run("check", "--read-data")
        report = self.quietly("check", "--read-data").json()
        self.must(report["findings"] == [] and report["objects_not_read"] == 0, _("nothing is damaged, nothing unread"))

    def _log(self) -> None:
        self.step(_("Who did what, and when"))
        self.run("log", "--case", "HARBOUR")
        acts = {entry["act"] for entry in self.quietly("log").json()}
        self.must({"item-add", "item-export", "search"} <= acts, _("adding, searching and exporting are in the log"))


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
