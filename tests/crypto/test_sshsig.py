"""SSHSIG: what is written is what ssh-keygen writes; what is read is that and nothing else."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st
from signers import allowed_signers

from crypto import sshsig
from crypto.encoding import uint32
from crypto.errors import BadSignature, CryptoError, NotCanonical
from crypto.keys import IdentityEd25519Key
from crypto.labels import SignedKind
from crypto.sshsig import SSHSignature

SEED, OTHER_SEED = bytes(range(32)), bytes(range(1, 33))
KEY = IdentityEd25519Key(SEED)
PUBLIC = sshsig.public_key(KEY)
SEALED = SignedKind.SEALED_FILE
# Made with OpenSSH 9.2: ssh-keygen -Y sign -n casevault-sealed@v1, and -l, with the key of SEED
MESSAGE = b"hello\n"
ARMORED = b"""\
-----BEGIN SSH SIGNATURE-----
U1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAgA6EHv/POEL4dcN0Y50vAmWfk1j
CbpQ1fHdyGZBJVMbgAAAATY2FzZXZhdWx0LXNlYWxlZEB2MQAAAAAAAAAGc2hhNTEyAAAA
UwAAAAtzc2gtZWQyNTUxOQAAAECKZf7Mr/TbeZ3NQGdWFJ5yLmhVXQcbekiMCKL9HcIawu
Dgh7WV8Q64ArlH32OpzOJPwrCcSzfmgRns2n0eGW4B
-----END SSH SIGNATURE-----
"""
FINGERPRINT = "SHA256:lbmsoA0yIEcEiVDRnMWuzm+nV+3ZEEpVIURqFoeSspg"


def armor(blob: bytes, width: int = 70) -> bytes:
    encoded = base64.b64encode(blob)
    lines = [encoded[at : at + width] for at in range(0, len(encoded), width)]
    return b"\n".join([b"-----BEGIN SSH SIGNATURE-----", *lines, b"-----END SSH SIGNATURE-----", b""])


BLOB = base64.b64decode(b"".join(ARMORED.split(b"\n")[1:-2]))


# Known answers


def test_a_known_signature_is_made_and_verified():
    assert sshsig.sign(KEY, MESSAGE, kind=SEALED) == ARMORED == armor(BLOB)
    sshsig.verify(PUBLIC, MESSAGE, ARMORED, kind=SEALED)


def test_a_known_fingerprint_is_shown():
    assert sshsig.fingerprint(PUBLIC) == FINGERPRINT


def test_the_parts_of_a_signature_are_read():
    found = SSHSignature.from_bytes(ARMORED)
    assert (found.public_key, found.namespace, found.signature) == (PUBLIC, SEALED.value, BLOB[-64:])
    assert found.to_bytes() == ARMORED


# ssh-keygen itself


@pytest.fixture
def keygen(program, tmp_path):
    """`keygen(*arguments, data=…)` runs ssh-keygen in a folder that holds `key` and `key.pub`."""
    path = program("ssh-keygen")

    def run(*arguments, data=b""):
        return subprocess.run([path, *arguments], input=data, capture_output=True, cwd=tmp_path, timeout=60)

    write_key(tmp_path, SEED)
    return run


def write_key(folder: Path, seed: bytes) -> None:
    private = Ed25519PrivateKey.from_private_bytes(seed)
    (folder / "key").write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    (folder / "key").chmod(0o600)
    line = sshsig.public_key_line(sshsig.public_key(IdentityEd25519Key(seed)))
    (folder / "key.pub").write_text(f"{line}\n", "ascii")


@pytest.mark.parametrize("kind", SignedKind)
@pytest.mark.parametrize("message", [b"", b"x", b"hello\n", bytes(range(256)) * 1000], ids=len)
def test_ssh_keygen_signs_the_same_bytes_and_accepts_ours(keygen, tmp_path, kind, message):
    ours = sshsig.sign(KEY, message, kind=kind)
    namespace = kind.value.decode()
    assert keygen("-Y", "sign", "-f", "key", "-n", namespace, data=message).stdout == ours
    (tmp_path / "ours.sig").write_bytes(ours)
    (tmp_path / "signers").write_text(allowed_signers("partner@case", PUBLIC, [kind]), "ascii")
    verify = ("-Y", "verify", "-f", "signers", "-I", "partner@case", "-s", "ours.sig", "-n")
    done = keygen(*verify, namespace, data=message)
    assert (done.returncode, FINGERPRINT in done.stdout.decode()) == (0, True)
    assert keygen(*verify, namespace, data=message + b"\n").returncode != 0
    assert keygen(*verify, "file", data=message).returncode != 0


def test_a_line_of_allowed_signers_allows_its_kinds_only(keygen, tmp_path):
    allowed = [SignedKind.SEALED_FILE, SignedKind.RECEIPT]
    (tmp_path / "signers").write_text(allowed_signers("me", PUBLIC, allowed), "ascii")
    for kind in SignedKind:
        (tmp_path / "sig").write_bytes(sshsig.sign(KEY, b"x", kind=kind))
        arguments = ("-Y", "verify", "-f", "signers", "-I", "me", "-s", "sig", "-n", kind.value.decode())
        assert (keygen(*arguments, data=b"x").returncode == 0) is (kind in allowed)
        assert keygen(*arguments[:5], "you", *arguments[6:], data=b"x").returncode != 0


def test_ssh_keygen_shows_the_same_fingerprint_and_line(keygen):
    assert keygen("-l", "-f", "key.pub").stdout.decode().split()[:2] == ["256", FINGERPRINT]
    assert keygen("-y", "-f", "key").stdout.decode().split()[:2] == sshsig.public_key_line(PUBLIC).split()


def test_what_ssh_keygen_takes_beyond_its_own_form_is_refused(keygen, tmp_path):
    """Each of these passes `ssh-keygen -Y check-novalidate`; none is what anyone's ssh-keygen writes."""
    for number, other in enumerate(
        [
            ARMORED + b"more\n",
            ARMORED + ARMORED,
            armor(BLOB, 64),
            armor(BLOB, 1000),
            ARMORED[:-1],
        ]
    ):
        (tmp_path / "sig").write_bytes(other)
        done = keygen("-Y", "check-novalidate", "-n", SEALED.value.decode(), "-s", "sig", data=MESSAGE)
        assert (number, done.returncode) == (number, 0)
        with pytest.raises(NotCanonical):
            sshsig.verify(PUBLIC, MESSAGE, other, kind=SEALED)


@pytest.mark.parametrize("hash_name", ["sha256", "sha512"])
@pytest.mark.parametrize("key_type", ["rsa", "ecdsa", "ed25519"])
def test_other_keys_and_hashes_of_ssh_are_refused(keygen, tmp_path, key_type, hash_name):
    bits = ["-b", "2048"] if key_type == "rsa" else []
    made = keygen("-q", "-t", key_type, *bits, "-N", "", "-C", "", "-f", "other")
    assert made.returncode == 0
    sign = ("-Y", "sign", "-f", "other", "-n", SEALED.value.decode())
    done = keygen(*sign, "-O", f"hashalg={hash_name}", data=MESSAGE)
    assert done.returncode == 0
    if (key_type, hash_name) == ("ed25519", "sha512"):
        sshsig.verify(SSHSignature.from_bytes(done.stdout).public_key, MESSAGE, done.stdout, kind=SEALED)
    else:
        with pytest.raises(NotCanonical):
            SSHSignature.from_bytes(done.stdout)


# Other bytes


def strings(*parts: bytes) -> bytes:
    return b"".join(uint32(len(part)) + part for part in parts)


KEY_BLOB = strings(b"ssh-ed25519", PUBLIC)
SIGNATURE = strings(b"ssh-ed25519", BLOB[-64:])
PARTS = (KEY_BLOB, SEALED.value, b"", b"sha512", SIGNATURE)
HEAD = b"SSHSIG" + uint32(1)


def test_the_blob_is_made_of_these_parts():
    assert HEAD + strings(*PARTS) == BLOB


@pytest.mark.parametrize(
    "blob",
    [
        b"",
        HEAD,
        BLOB + b"\x00",
        BLOB[:-1],
        b"sshsig" + BLOB[6:],
        b"SSHSIG" + uint32(0) + BLOB[10:],
        b"SSHSIG" + uint32(2) + BLOB[10:],
        HEAD + strings(KEY_BLOB, b"", *PARTS[2:]),
        HEAD + strings(KEY_BLOB, SEALED.value, b"reserved", *PARTS[3:]),
        HEAD + strings(*PARTS[:3], b"sha256", SIGNATURE),
        HEAD + strings(*PARTS[:3], b"SHA512", SIGNATURE),
        HEAD + strings(strings(b"ssh-ed25519", PUBLIC, b""), *PARTS[1:]),
        HEAD + strings(strings(b"ssh-ed25519", PUBLIC[:-1]), *PARTS[1:]),
        HEAD + strings(strings(b"ssh-dss", PUBLIC), *PARTS[1:]),
        HEAD + strings(*PARTS[:4], strings(b"ssh-ed25519", BLOB[-64:], b"x")),
        HEAD + strings(*PARTS[:4], strings(b"ssh-ed25519", BLOB[-65:])),
        HEAD + strings(*PARTS[:4], strings(b"ssh-rsa", BLOB[-64:])),
        HEAD + strings(*PARTS, b""),
        HEAD + strings(KEY_BLOB) + uint32(2**32 - 1) + BLOB[len(HEAD) + 4 + len(KEY_BLOB) + 4 :],
    ],
)
def test_another_blob_is_refused(blob):
    with pytest.raises(NotCanonical):
        SSHSignature.from_bytes(armor(blob))


@pytest.mark.parametrize(
    "armored",
    [
        b"",
        ARMORED.replace(b"\n", b"\r\n"),
        b"\n" + ARMORED,
        b" " + ARMORED,
        ARMORED + b"\n",
        ARMORED.replace(b"END SSH", b"END  SSH"),
        ARMORED.replace(b"SSH SIGNATURE", b"SSH MESSAGE"),
        ARMORED.replace(b"\n-----END", b"\n\n-----END"),
        ARMORED.replace(b"-----BEGIN SSH SIGNATURE-----\n", b""),
        ARMORED.replace(b"-----END SSH SIGNATURE-----\n", b""),
        ARMORED.replace(b"4B\n-----END", b"4B=\n-----END"),
        ARMORED.replace(b"4B\n-----END", b"4B \n-----END"),
        ARMORED.replace(b"U1NI", b"U1N_"),
        b"x" * 5000,
    ],
)
def test_another_armor_is_refused(armored):
    with pytest.raises(NotCanonical):
        SSHSignature.from_bytes(armored)


def test_a_namespace_without_end_is_refused():
    with pytest.raises(NotCanonical, match="4 KiB"):
        SSHSignature.from_bytes(SSHSignature(PUBLIC, b"n" * 5000, BLOB[-64:]).to_bytes())


def test_each_changed_byte_and_each_cut_is_refused():
    for at in range(len(ARMORED)):
        for bit in range(8):
            changed = bytearray(ARMORED)
            changed[at] ^= 1 << bit
            with pytest.raises(CryptoError):
                sshsig.verify(PUBLIC, MESSAGE, bytes(changed), kind=SEALED)
        for cut in (ARMORED[:at], ARMORED[at + 1 :], ARMORED[:at] + ARMORED[at + 1 :]):
            with pytest.raises(NotCanonical):
                SSHSignature.from_bytes(cut)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_signature_that_is_written_so_or_refused_by_name(data):
    for armored in (data, armor(data), armor(HEAD + strings(KEY_BLOB, data, *PARTS[2:]))):
        with contextlib.suppress(NotCanonical):
            assert SSHSignature.from_bytes(armored).to_bytes() == armored


# What a signature is for


@given(st.binary(max_size=300), st.sampled_from(SignedKind))
def test_a_signature_is_of_its_message_kind_and_key_only(message, kind):
    armored = sshsig.sign(KEY, message, kind=kind)
    sshsig.verify(PUBLIC, message, armored, kind=kind)
    with pytest.raises(BadSignature):
        sshsig.verify(PUBLIC, message + b"\x00", armored, kind=kind)
    with pytest.raises(BadSignature):
        sshsig.verify(sshsig.public_key(IdentityEd25519Key(OTHER_SEED)), message, armored, kind=kind)
    for other in SignedKind:
        if other is not kind:
            with pytest.raises(BadSignature):
                sshsig.verify(PUBLIC, message, armored, kind=other)


def test_a_relabelled_signature_does_not_hold():
    """Another namespace or key written over the old one: the form is right, the signature is not."""
    found = SSHSignature.from_bytes(ARMORED)
    other_key = sshsig.public_key(IdentityEd25519Key(OTHER_SEED))
    relabelled = SSHSignature(found.public_key, SignedKind.CARD.value, found.signature).to_bytes()
    with pytest.raises(BadSignature):
        sshsig.verify(PUBLIC, MESSAGE, relabelled, kind=SignedKind.CARD)
    with pytest.raises(BadSignature):
        sshsig.verify(other_key, MESSAGE, SSHSignature(other_key, *PARTS[1:2], found.signature).to_bytes(), kind=SEALED)


# Lines for ssh-keygen


def test_the_public_line_and_the_fingerprint_are_of_one_blob():
    kind, encoded = sshsig.public_key_line(PUBLIC).split(" ")
    assert (kind, base64.b64decode(encoded)) == ("ssh-ed25519", KEY_BLOB)
    digest = hashlib.sha256(KEY_BLOB).digest()
    assert base64.b64decode(sshsig.fingerprint(PUBLIC).removeprefix("SHA256:") + "=") == digest
    assert re.fullmatch(r"SHA256:[A-Za-z0-9+/]{43}", sshsig.fingerprint(PUBLIC))
