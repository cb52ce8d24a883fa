"""What this program seals opens with the programs that a partner has, and everything in it agrees."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pyrage
import pytest
from signers import allowed_signers
from somebody import Somebody
from terminals import run_answering
from vaults import make_vault

from crypto.labels import SignedKind
from vault import Case, Vault
from vault.cards import Card

PARTNER = Somebody(1)
WORDS = "abandon-ability-able-about-above-absent-absorb-abstract"
CONTENTS = {"film.mp4": b"a film " * 100_000, "letter.txt": "Я уехала сама.".encode(), "empty.bin": b""}


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    with make_vault(tmp_path / "vault") as made:
        made.cases.new("Harbour Street", code="HARBOUR")
        for name, content in CONTENTS.items():
            made.cases.get("HARBOUR").items.add_stream(io.BytesIO(content), file_name=name)
        made.partners.add("Bear", card=PARTNER.card(classical=True))
        yield made


def seal(case: Case, out: Path, *, to: str | None = "Bear", classical: bool = False) -> Path:
    with case.seal(to=to, items="all", classical=classical, purpose="hearing") as sealing:
        return sealing.write(out, passphrase=None if to else WORDS).path


def unpacked(plaintext: bytes, folder: Path, tar: str = "tar") -> Path:
    """The folder of the bag, unpacked by a stock tar."""
    done = subprocess.run([tar, "xf", "-"], input=plaintext, cwd=folder, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    (bag,) = folder.glob("HARBOUR-*")
    return bag


@pytest.fixture
def node(program: Callable[[str], str], source: Path) -> Callable[..., bytes]:
    interpreter, folder = program("node"), source / ".venv" / "peers"
    if not (folder / "node_modules" / "age-encryption").is_dir():
        pytest.skip("left out: age-encryption for Node is not installed (make peers)")

    def ask(path: Path, **how: object) -> bytes:
        request = {"do": "decrypt", "data": base64.b64encode(path.read_bytes()).decode(), "armor": False, **how}
        command = [interpreter, str(Path(__file__).parents[1] / "peers" / "age.mjs"), str(folder)]
        done = subprocess.run(command, input=json.dumps(request).encode(), capture_output=True)
        assert done.returncode == 0, done.stderr.decode()
        return base64.b64decode(json.loads(done.stdout)["data"])

    return ask


def test_every_reader_finds_the_same_plaintext_in_a_file_for_a_card(case, out, node, tmp_path, program):
    hybrid, classical = seal(case, out), seal(case, out, classical=True)
    by_node = node(hybrid, identities=[PARTNER.hybrid.secret_text()])
    folder = tmp_path / "unpacked"
    folder.mkdir()
    bag = unpacked(by_node, folder, program("tar"))
    assert [(bag / "data/items" / f"00{n}.{e}").read_bytes() for n, e in ((1, "mp4"), (2, "txt"), (3, "bin"))] == list(
        CONTENTS.values()
    )
    secret = PARTNER.classical.secret_text()
    plaintext = node(classical, identities=[secret])
    assert pyrage.decrypt(classical.read_bytes(), [pyrage.x25519.Identity.from_str(secret)]) == plaintext
    key = tmp_path / "key"
    key.write_text(secret + "\n")
    by_age = subprocess.run([program("age"), "-d", "-i", key, classical], capture_output=True, check=True).stdout
    assert by_age == plaintext
    assert unpacked(plaintext, out).name == "HARBOUR-2"


def test_a_spoken_passphrase_opens_it_everywhere(case, out, node, tmp_path, program):
    path = seal(case, out, to=None)
    plaintext = pyrage.passphrase.decrypt(path.read_bytes(), WORDS)
    assert node(path, passphrase=WORDS) == plaintext
    run_answering(WORDS, program("age"), "-d", "-o", tmp_path / "x.tar", path)
    assert (tmp_path / "x.tar").read_bytes() == plaintext


@pytest.fixture
def bag(case: Case, out: Path, tmp_path: Path) -> Path:
    """The bag as a partner unpacks it."""
    secret = pyrage.x25519.Identity.from_str(PARTNER.classical.secret_text())
    plaintext = pyrage.decrypt(seal(case, out, classical=True).read_bytes(), [secret])
    folder = tmp_path / "unpacked"
    folder.mkdir()
    return unpacked(plaintext, folder)


def test_the_bag_is_valid_for_the_library_of_congress(bag):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "bagit", "--validate", bag], capture_output=True, text=True
    )
    assert (done.returncode, "is valid" in done.stderr) == (0, True), done.stderr


@pytest.mark.parametrize(
    ("tool", "manifest"),
    [
        ("sha256sum", "manifest-sha256.txt"),
        ("sha512sum", "manifest-sha512.txt"),
        ("sha256sum", "tagmanifest-sha256.txt"),
    ],
)
def test_its_digests_hold_by_plain_tools(bag, program, tool, manifest):
    done = subprocess.run([program(tool), "-c", "--strict", manifest], cwd=bag, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(": OK\n") == len((bag / manifest).read_text().splitlines())


def test_its_signature_holds_by_ssh_keygen_with_the_key_of_the_card(bag, vault, program, tmp_path):
    card = Card.from_bytes((bag / "sender.card").read_bytes())
    assert card.fingerprint.hex() == vault.identity.show().fingerprint
    signers = tmp_path / "allowed"
    signers.write_text(allowed_signers("sender", card.ed25519, [SignedKind.SEALED_FILE]))
    name = "tagmanifest-sha256.txt"
    command = [program("ssh-keygen"), "-Y", "verify", "-f", signers, "-I", "sender", "-n", "casevault-sealed@v1"]

    def verified(content: bytes) -> bool:
        done = subprocess.run([*command, "-s", bag / f"{name}.sig"], input=content, capture_output=True)
        return done.returncode == 0

    assert verified((bag / name).read_bytes())
    assert not verified((bag / name).read_bytes() + b"\n")
