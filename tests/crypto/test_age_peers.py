"""Files of other programs, and ours in their hands: age itself, rage's library (pyrage), and age-encryption on Node."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import random
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyrage
import pytest
from terminals import run_answering

from crypto import age

# Where other readers, or some versions of them, take what the specification says that a reader must or should refuse.
LAXER = {
    "age": {"armor_empty_last_line", "scrypt_beside_x25519_for_it", "x25519_broken_second"},
    "pyrage": {"armor_too_much_after", "stanza_body_missing", "stanza_body_no_short_line", "x25519_broken_second"},
    "age-encryption": {
        "armor_begin_indented",
        "armor_end_trailing_space",
        "armor_too_much_after",
        "armor_too_much_before",
        "hybrid_broken_second",
        "scrypt_beside_x25519_for_it",
        "x25519_broken_second",
    },
}
# They look for armor at the very beginning only.
STRICTER = {"age": {"armor_white_space_lines_before"}, "pyrage": {"armor_white_space_lines_before"}}
CASES = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted((Path(__file__).parents[1] / "vectors" / "age").glob("*.json"))
}
CLASSICAL = [
    name for name, case in CASES.items() if case["identities"] and not case["passphrases"] and "-PQ-" not in str(case)
]
SIZES = [0, 1, 65_535, 65_536, 65_537, 300_000]
WORDS = "correct horse battery"
Node = Callable[..., bytes]


def _plaintext(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def _file(name: str) -> bytes:
    data = base64.b64decode(CASES[name]["file"])
    return zlib.decompress(data) if CASES[name]["zlib"] else data


def _judged_alike(peer: str, opened: set[str], names: list[str]) -> None:
    """Nothing is opened by one reader and refused by the other but what the tables above name."""
    expected = {name for name in names if CASES[name]["expect"] == "success"}
    assert opened - expected <= LAXER[peer]
    assert expected - opened <= STRICTER.get(peer, set())
    assert len(opened) > 5


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

    def test_age_judges_our_vectors_as_we_do(self):
        opened = set()
        for name in CLASSICAL:
            identity = self._identity("\n".join(CASES[name]["identities"]))
            if self._run("-d", "-i", identity, data=_file(name)).returncode == 0:
                opened.add(name)
        _judged_alike("age", opened, CLASSICAL)

    def test_age_opens_what_we_encrypt_to_a_passphrase(self):
        (self.folder / "file").write_bytes(_encrypt(b"statement", age.passphrase_recipient(WORDS, work_factor=12)))
        run_answering(WORDS, self.age, "-d", "-o", self.folder / "out", self.folder / "file")
        assert (self.folder / "out").read_bytes() == b"statement"

    def test_we_open_what_age_encrypts_to_a_passphrase(self):
        (self.folder / "file").write_bytes(b"statement")
        run_answering(WORDS, self.age, "-p", "-o", self.folder / "out", self.folder / "file")
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

    def test_passphrases_open_both_ways(self):
        words = "пароль café "
        ours = _encrypt(b"statement", age.passphrase_recipient(words, work_factor=12))
        assert pyrage.passphrase.decrypt(ours, words) == b"statement"
        theirs = pyrage.passphrase.encrypt(b"statement", words)
        assert _decrypt(theirs, age.passphrase_identity(words)) == b"statement"
        with pytest.raises(age.NoMatch):
            _decrypt(ours, age.passphrase_identity(words + "!"))

    def test_pyrage_judges_our_vectors_as_we_do(self):
        opened = set()
        for name in CLASSICAL:
            identities = [pyrage.x25519.Identity.from_str(text) for text in CASES[name]["identities"]]
            with contextlib.suppress(pyrage.DecryptError):
                pyrage.decrypt(_file(name), identities)
                opened.add(name)
        _judged_alike("pyrage", opened, CLASSICAL)

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

    def test_it_judges_our_vectors_as_we_do(self, peer):
        names = [name for name, case in CASES.items() if len(case["passphrases"]) <= 1]
        files = [
            {
                "identities": CASES[name]["identities"],
                "armor": CASES[name]["armored"],
                "data": base64.b64encode(_file(name)).decode(),
                **dict(zip(["passphrase"], CASES[name]["passphrases"], strict=False)),
            }
            for name in names
        ]
        answers = json.loads(peer(do="judge", files=files))
        _judged_alike("age-encryption", {name for name, opened in zip(names, answers, strict=True) if opened}, names)

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
