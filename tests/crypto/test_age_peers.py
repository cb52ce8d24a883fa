"""Files of other programs, and ours in their hands: age itself, rage's library (pyrage), and age-encryption on Node."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crypto import age

pyrage = pytest.importorskip("pyrage", reason="left out: pyrage is not installed")

SIZES = [0, 1, 65_535, 65_536, 65_537, 300_000]
WORDS = "correct horse battery"
# Answers every question with its first argument, and ends as the program does.
AT_A_TERMINAL = """
import os, pty, sys

def read(terminal):
    shown = os.read(terminal, 4096)
    if shown.rstrip().endswith(b":"):
        os.write(terminal, sys.argv[1].encode() + b"\\n")
    return shown

sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[2:], read)))
"""
Node = Callable[..., bytes]


def _plaintext(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def _encrypt(plaintext: bytes, *recipients: age.Recipient, armor: bool = False) -> bytes:
    sink = io.BytesIO()
    with contextlib.ExitStack() as stack:
        inner = stack.enter_context(age.armor(sink)) if armor else sink
        age.encrypt(io.BytesIO(plaintext), inner, recipients)
    return sink.getvalue()


def _decrypt(file: bytes, *identities: age.Identity, armor: bool = False) -> bytes:
    sink = io.BytesIO()
    age.decrypt(age.dearmor(io.BytesIO(file)) if armor else io.BytesIO(file), sink, identities)
    return sink.getvalue()


@pytest.fixture(params=[False, True], ids=["binary", "armor"])
def armor(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


class TestAge:
    """The program that a partner has. Before 1.3 it knows no hybrid recipients."""

    @pytest.fixture(autouse=True)
    def tool(self, program: Callable[[str], str], tmp_path: Path) -> None:
        self.age, self.keygen, self.folder = program("age"), program("age-keygen"), tmp_path
        version = subprocess.run([self.age, "--version"], capture_output=True, text=True, check=True).stdout
        major, minor = version.strip().removeprefix("v").split(".")[:2]
        self.knows_hybrid = (int(major), int(minor)) >= (1, 3)

    def _identity(self, text: str) -> Path:
        path = self.folder / "identity"
        path.write_text(text + "\n")
        return path

    def _run(self, *arguments: object, data: bytes) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([self.age, *map(str, arguments)], input=data, capture_output=True)

    @pytest.mark.parametrize("size", SIZES)
    def test_age_opens_what_we_encrypt(self, size, armor):
        done = subprocess.run([self.keygen], capture_output=True, text=True, check=True)
        secret = done.stdout.splitlines()[-1]
        file = _encrypt(_plaintext(size), age.parse_identity(secret).recipient(), armor=armor)
        opened = self._run("-d", "-i", self._identity(secret), data=file)
        assert (opened.returncode, opened.stdout) == (0, _plaintext(size)), opened.stderr

    @pytest.mark.parametrize("size", SIZES)
    def test_we_open_what_age_encrypts(self, size, armor):
        identities = [age.X25519Identity.generate() for _ in range(3)]
        recipients = [part for identity in identities for part in ("-r", str(identity.recipient()))]
        made = self._run(*recipients, *["-a"][: int(armor)], data=_plaintext(size))
        assert made.returncode == 0, made.stderr
        for identity in identities:
            assert _decrypt(made.stdout, identity, armor=armor) == _plaintext(size)

    def test_age_before_1_3_says_that_no_identity_matched_a_hybrid_file(self):
        hybrid, classical = age.HybridIdentity.generate(), age.X25519Identity.generate()
        file = _encrypt(b"statement", hybrid.recipient())
        if self.knows_hybrid:
            opened = self._run("-d", "-i", self._identity(hybrid.secret_text()), data=file)
            assert opened.stdout == b"statement"
        else:
            opened = self._run("-d", "-i", self._identity(classical.secret_text()), data=file)
            assert opened.returncode != 0
            assert b"no identity matched" in opened.stderr

    def _at_a_terminal(self, *arguments: object) -> None:
        """Run age where it can ask for a passphrase, which it does on a terminal only."""
        if sys.platform == "win32":
            pytest.skip("left out: no pseudo-terminals on this system")
        command = [sys.executable, "-c", AT_A_TERMINAL, WORDS, self.age, *map(str, arguments)]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True)
        assert done.returncode == 0, done.stdout

    def test_age_opens_what_we_encrypt_to_a_passphrase(self):
        (self.folder / "file").write_bytes(_encrypt(b"statement", age.passphrase_recipient(WORDS, work_factor=12)))
        self._at_a_terminal("-d", "-o", self.folder / "out", self.folder / "file")
        assert (self.folder / "out").read_bytes() == b"statement"

    def test_we_open_what_age_encrypts_to_a_passphrase(self):
        (self.folder / "file").write_bytes(b"statement")
        self._at_a_terminal("-p", "-o", self.folder / "out", self.folder / "file")
        assert _decrypt((self.folder / "out").read_bytes(), age.passphrase_identity(WORDS)) == b"statement"


class TestPyrage:
    """rage's library; it knows no hybrid recipients."""

    @pytest.mark.parametrize("size", SIZES)
    def test_pyrage_opens_what_we_encrypt(self, size, armor):
        identity = pyrage.x25519.Identity.generate()
        ours = _encrypt(_plaintext(size), age.parse_recipient(str(identity.to_public())), armor=armor)
        assert pyrage.decrypt(ours, [identity]) == _plaintext(size)

    @pytest.mark.parametrize("size", SIZES)
    def test_we_open_what_pyrage_encrypts(self, size, armor):
        identities = [age.X25519Identity.generate() for _ in range(3)]
        recipients = [pyrage.x25519.Recipient.from_str(str(identity.recipient())) for identity in identities]
        file = pyrage.encrypt(_plaintext(size), recipients, armored=armor)
        for identity in identities:
            assert _decrypt(file, identity, armor=armor) == _plaintext(size)

    @pytest.mark.parametrize("words", [WORDS, "пароль café "])
    def test_passphrases_open_both_ways(self, words):
        ours = _encrypt(b"statement", age.passphrase_recipient(words, work_factor=12))
        assert pyrage.passphrase.decrypt(ours, words) == b"statement"
        theirs = pyrage.passphrase.encrypt(b"statement", words)
        assert _decrypt(theirs, age.passphrase_identity(words)) == b"statement"
        with pytest.raises(age.NoMatch):
            _decrypt(ours, age.passphrase_identity(words + "!"))

    def test_both_read_the_texts_of_keys_alike(self):
        ours = age.X25519Identity.generate()
        theirs = pyrage.x25519.Identity.from_str(ours.secret_text())
        assert str(theirs.to_public()) == str(ours.recipient())


class TestNode:
    """age-encryption, which a partner can use in a browser; `make peers` installs it."""

    @pytest.fixture
    def peer(self, program: Callable[[str], str], source: Path) -> Node:
        interpreter, folder = program("node"), source / ".venv" / "peers"
        if not (folder / "node_modules" / "age-encryption").is_dir():
            pytest.skip("left out: age-encryption for Node is not installed (make peers)")

        def ask(**request: Any) -> bytes:
            if "data" in request:
                request["data"] = base64.b64encode(request["data"]).decode()
            command = [interpreter, str(Path(__file__).parents[1] / "peers" / "age.mjs"), str(folder)]
            done = subprocess.run(command, input=json.dumps(request).encode(), capture_output=True)
            assert done.returncode == 0, done.stderr.decode()
            return base64.b64decode(json.loads(done.stdout)["data"])

        return ask

    @pytest.mark.parametrize("kind", [age.HybridIdentity, age.X25519Identity], ids=lambda kind: kind.kind)
    @pytest.mark.parametrize(("size", "armor"), [(0, False), (65_536, True), (200_000, False)])
    def test_keys_and_files_go_both_ways(self, peer, kind, size, armor):
        keys = json.loads(peer(do="keys", hybrid=kind is age.HybridIdentity))
        theirs, ours = age.parse_identity(keys["identity"]), kind.generate()
        assert type(theirs) is kind
        assert str(theirs.recipient()) == keys["recipient"]
        file = _encrypt(_plaintext(size), ours.recipient(), theirs.recipient(), armor=armor)
        assert peer(do="decrypt", identities=[keys["identity"]], data=file, armor=armor) == _plaintext(size)
        recipients = [keys["recipient"], str(ours.recipient())]
        file = peer(do="encrypt", recipients=recipients, data=_plaintext(size), armor=armor)
        assert _decrypt(file, ours, armor=armor) == _decrypt(file, theirs, armor=armor) == _plaintext(size)

    def test_a_file_that_mixes_kinds_is_opened_though_we_write_none(self, peer):
        hybrid, classical = age.HybridIdentity.generate(), age.X25519Identity.generate()
        recipients = [str(hybrid.recipient()), str(classical.recipient())]
        file = peer(do="encrypt", recipients=recipients, data=b"statement", armor=False)
        assert _decrypt(file, hybrid) == _decrypt(file, classical) == b"statement"

    def test_passphrases_open_both_ways(self, peer):
        ours = _encrypt(b"statement", age.passphrase_recipient(WORDS, work_factor=12))
        assert peer(do="decrypt", passphrase=WORDS, data=ours, armor=False) == b"statement"
        theirs = peer(do="encrypt", passphrase=WORDS, workFactor=12, data=b"statement", armor=False)
        assert _decrypt(theirs, age.passphrase_identity(WORDS)) == b"statement"
