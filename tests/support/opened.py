"""A sealed file as its recipient sees it, by the program's own readers: every rule holds, or it raises."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

from crypto import age
from vault.bag import BagReader, Tags
from vault.cards import Card
from vault.sealed import SealedManifest
from vault.verifying import verify_tags


@dataclass(frozen=True)
class Opened:
    """What was in a file: what its sender signed, the bytes of the items in order, and the plaintext of all of it."""

    manifest: SealedManifest
    card: Card
    digest: str
    tags: Tags
    items: tuple[bytes, ...]
    plaintext: bytes
    stanzas: tuple[str, ...]


def opened(path: Path, identity: age.Identity, fingerprint: bytes = b"") -> Opened:
    with path.open("rb") as file:
        stanzas = tuple(stanza.kind for stanza in age.read_header(file).stanzas)
        file.seek(0)
        sink = io.BytesIO()
        age.decrypt(file, sink, [identity])
    plaintext = sink.getvalue()
    reader = BagReader(io.BytesIO(plaintext))
    tags = reader.read_tags()
    verified = verify_tags(tags, parse_card=Card.from_bytes, stanza=stanzas[0], ours=[fingerprint])
    manifest = verified.manifest
    items = []
    for place, member in reader.items(tags, manifest.items):
        content = member.read(1 << 30)
        assert hashlib.sha256(content).hexdigest() == manifest.items[place].sha256
        assert hashlib.sha512(content).hexdigest() == manifest.items[place].sha512
        items.append(content)
    reader.finish(tags, manifest.items)
    assert verified.card is not None
    return Opened(manifest, verified.card, verified.digest, tags, tuple(items), plaintext, stanzas)
