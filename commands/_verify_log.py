"""Verifies what `casevault log export` wrote. One file, Python's standard library alone; it imports nothing of the vault.

    python3 verify_log.py log.jsonl                   a public export: order, completeness, signatures
    python3 verify_log.py disclosed.jsonl             disclosed entries: that a log with the head that is shown holds them
    python3 verify_log.py log.jsonl disclosed.jsonl   both, and that the entries are of that log

It checks Ed25519 signatures only. Where the export has certificates of the vault's identity, their ML-DSA-65 halves, which
a quantum computer could not forge either, are not checked here. Exit status 0: everything holds; 22: something does not.

What holds proves that nothing was changed, removed, added or moved between the first signed entry and the last. Whether the
head that is shown is the one that others saw before, a person compares.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
from pathlib import Path

COMMITMENT = b"casevault/v1/commitment"
SSHSIG_NAMESPACE = b"casevault-generation@v1"
LEAF = re.compile(
    r'\{"c":"([0-9a-f]{64})",(?:"k":"([0-9a-f]{64})",)?"n":(0|[1-9][0-9]{0,14}),"s":([1-9][0-9]{0,14}),"v":1\}'
)


class Wrong(Exception):
    """Something does not hold."""


# Ed25519 (RFC 8032), as strict as libsodium: no S beyond the group's order, no point of small order, one form for each.

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_1 = pow(2, (P - 1) // 4, P)
Point = tuple[int, int, int, int]
NEUTRAL: Point = (0, 1, 1, 0)


def add(one: Point, other: Point) -> Point:
    x1, y1, z1, t1 = one
    x2, y2, z2, t2 = other
    a, b = (y1 - x1) * (y2 - x2) % P, (y1 + x1) * (y2 + x2) % P
    c, d = 2 * t1 * t2 * D % P, 2 * z1 * z2 % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def double(one: Point) -> Point:
    x, y, z, _ = one
    a, b, c = x * x, y * y, 2 * z * z
    h = a + b
    e, g = h - (x + y) ** 2, a - b
    f = c + g
    return e * f % P, g * h % P, f * g % P, e * h % P


def decoded(data: bytes) -> Point:
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    if y >= P:
        raise Wrong("a point in another form")
    xx = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(xx, (P + 3) // 8, P)
    if x * x % P != xx:
        x = x * ROOT_OF_MINUS_1 % P
    if x * x % P != xx or (x == 0 and sign):
        raise Wrong("no point of the curve")
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


def is_small(point: Point) -> bool:
    for _ in range(3):
        point = double(point)
    return point[0] % P == 0


def encoded(point: Point) -> bytes:
    x, y, z, _ = point
    inverse = pow(z, P - 2, P)
    x, y = x * inverse % P, y * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


BASE = decoded((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def verify_signature(public_key: bytes, message: bytes, signature: bytes) -> None:
    if len(public_key) != 32 or len(signature) != 64:
        raise Wrong("a key or signature of another size")
    s = int.from_bytes(signature[32:], "little")
    key, r = decoded(public_key), decoded(signature[:32])
    if s >= ORDER or is_small(key) or is_small(r):
        raise Wrong("a signature that no honest signer makes")
    h = int.from_bytes(hashlib.sha512(signature[:32] + public_key + message).digest(), "little") % ORDER
    minus = P - key[0], key[1], 1, P - key[3]
    table = {(1, 0): BASE, (0, 1): minus, (1, 1): add(BASE, minus)}
    found = NEUTRAL
    for bit in reversed(range(253)):
        found = double(found)
        digits = (s >> bit & 1, h >> bit & 1)
        if digits != (0, 0):
            found = add(found, table[digits])
    if encoded(found) != signature[:32]:
        raise Wrong("the signature does not hold")


# The tree (RFC 6962)


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def leaf_hash(data: bytes) -> bytes:
    return sha256(b"\x00" + data)


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right)


class Tree:
    """A growing tree: the roots of its perfect subtrees, largest first."""

    def __init__(self) -> None:
        self.size, self.roots = 0, []  # type: tuple[int, list[bytes]]

    def append(self, leaf: bytes) -> None:
        node, size = leaf, self.size
        while size & 1:
            node, size = node_hash(self.roots.pop(), node), size >> 1
        self.roots.append(node)
        self.size += 1

    def root(self) -> bytes:
        node = self.roots[-1] if self.roots else sha256(b"")
        for left in reversed(self.roots[:-1]):
            node = node_hash(left, node)
        return node


def root_of(leaves: list[bytes]) -> bytes:
    tree = Tree()
    for leaf in leaves:
        tree.append(leaf)
    return tree.root()


def verify_inclusion(leaf: bytes, index: int, size: int, proof: list[bytes], root: bytes) -> None:
    if not 0 <= index < size:
        raise Wrong("an entry beyond the end of the log")
    first, last, node = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise Wrong("a proof that is too long")
        if first & 1 or first == last:
            node = node_hash(sibling, node)
            while first and not first & 1:
                first, last = first >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        first, last = first >> 1, last >> 1
    if last or node != root:
        raise Wrong("an entry that is not in this log")


# What a file holds


def fields_of(line: str, *names: str) -> dict[str, object]:
    """The JSON object of a line, in its one form, with exactly these fields."""
    value = json.loads(line)
    if not isinstance(value, dict) or set(value) != set(names) or canonical(value) != line:
        raise Wrong("a line in another form")
    return value


def canonical(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))


def unhex(text: object, size: int = 32) -> bytes:
    if not isinstance(text, str) or not re.fullmatch(f"[0-9a-f]{{{2 * size}}}", text):
        raise Wrong(f"{size} bytes in hexadecimal are missing")
    return bytes.fromhex(text)


def number(value: object, least: int = 0) -> int:
    if type(value) is not int or value < least:
        raise Wrong("a number is missing")
    return value


def parse_leaf(text: object) -> tuple[bytes, bytes | None, int, int]:
    found = LEAF.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise Wrong("an entry in another form")
    commitment, key, place, step = found.groups()
    return bytes.fromhex(commitment), bytes.fromhex(key) if key else None, int(place), int(step)


def checkpoint(vault_id: bytes, generation: int, size: int, root: bytes) -> bytes:
    encoded_root = base64.b64encode(root).decode()
    return f"casevault/{vault_id.hex()}/g{generation}\n{size}\n{encoded_root}\n".encode()


def verify_certificate(generation: dict[str, object], vault_id: bytes, identity: bytes) -> None:
    """The SSHSIG of the vault's identity over a generation: its name, its first key, and the log before it."""
    statement = canonical(
        {
            "first_key": generation["first_key"],
            "first_step": generation["first_step"],
            "origin": f"casevault/{vault_id.hex()}/g{generation['generation']}",
            "root": generation["root"],
            "size": generation["size"],
            "v": 1,
        }
    ).encode()
    armored = generation["sshsig"]
    lines = armored.split("\n") if isinstance(armored, str) else []
    if lines[:1] != ["-----BEGIN SSH SIGNATURE-----"] or lines[-2:] != ["-----END SSH SIGNATURE-----", ""]:
        raise Wrong("a certificate in another form")
    blob = base64.b64decode("".join(lines[1:-2]), validate=True)
    key = string(b"ssh-ed25519") + string(identity)
    head = b"SSHSIG" + (1).to_bytes(4, "big") + string(key) + string(SSHSIG_NAMESPACE) + string(b"") + string(b"sha512")
    start = head + (4 + 11 + 4 + 64).to_bytes(4, "big") + string(b"ssh-ed25519") + (64).to_bytes(4, "big")
    if blob[: len(start)] != start or len(blob) != len(start) + 64:
        raise Wrong("a certificate by another key, or of another kind")
    message = b"SSHSIG" + string(SSHSIG_NAMESPACE) + string(b"") + string(b"sha512")
    message += string(hashlib.sha512(statement).digest())
    verify_signature(identity, message, blob[-64:])


def string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


class Log:
    """A public export, line by line; afterwards its head, and the root at every size that was asked for."""

    def __init__(self, header: str, wanted_sizes: set[int]) -> None:
        value = fields_of(header, "casevault", "generations", "identity", "v", "vault_id")
        if (value["casevault"], value["v"]) != ("log-public", 1):
            raise Wrong("another format")
        self.vault_id = unhex(value["vault_id"])
        identity = value["identity"]
        self.identity = unhex(identity["ed25519"]) if isinstance(identity, dict) else None
        self.generations: dict[int, dict[str, object]] = {}
        listed = value["generations"]
        for each in listed if isinstance(listed, list) else []:
            if set(each) != {"first_key", "first_step", "generation", "mldsa65", "root", "size", "sshsig"}:
                raise Wrong("a generation in another form")
            self.generations[number(each["first_step"], 1)] = each
        self.tree, self.step, self.next_key = Tree(), 0, b""
        self.now: dict[str, object] | None = None
        self.wanted, self.roots = wanted_sizes, {}  # type: tuple[set[int], dict[int, bytes]]
        self.unsigned, self.certified, self.begun = 0, 0, 0

    def take(self, line: str) -> None:
        """One step."""
        value = fields_of(line, "leaves", "signature", "step")
        step, leaves = number(value["step"], 1), value["leaves"]
        if step != self.step + 1 or not isinstance(leaves, list):
            raise Wrong(f"step {self.step + 1} is missing")
        self.begin(step)
        if self.now is not None and not leaves:
            raise Wrong(f"step {step} is empty")
        announced = None
        for place, text in enumerate(leaves):
            _, announced, index, of_step = parse_leaf(text)
            if (index, of_step) != (self.tree.size, step):
                raise Wrong(f"step {step} has an entry that belongs elsewhere")
            if self.now is not None and (announced is not None) is not (place == len(leaves) - 1):
                raise Wrong(f"step {step} names the next key elsewhere than in its last entry")
            self.tree.append(leaf_hash(text.encode()))
            if self.tree.size in self.wanted:
                self.roots[self.tree.size] = self.tree.root()
        self.step = step
        if self.now is None:
            self.unsigned = self.tree.size
            return
        text = checkpoint(self.vault_id, number(self.now["generation"], 1), self.tree.size, self.tree.root())
        try:
            verify_signature(self.next_key, text, unhex(value["signature"], 64))
        except Wrong as wrong:
            raise Wrong(f"step {step}: {wrong}") from None
        self.next_key = announced or b""

    def begin(self, step: int) -> None:
        found = self.generations.pop(step, None)
        if found is None:
            return
        before = 0 if self.now is None else number(self.now["generation"])
        if before and number(found["generation"]) <= before:
            raise Wrong(f"the generation that begins with step {step} has another number")
        if (number(found["size"]), unhex(found["root"])) != (self.tree.size, self.tree.root()):
            raise Wrong(f"the generation that begins with step {step} goes on from another log")
        if found["sshsig"] is not None:
            if self.identity is None:
                raise Wrong("a certificate without the key that it is by")
            verify_certificate(found, self.vault_id, self.identity)
            self.certified += 1
        self.begun += 1
        self.now, self.next_key = found, unhex(found["first_key"])

    def end(self) -> None:
        if self.generations:
            raise Wrong("a generation begins with a step that is not there")
        if self.now is None:
            raise Wrong("no step of this log is signed")


def verify_public(path: str, wanted_sizes: set[int]) -> Log:
    with Path(path).open(encoding="utf-8", newline="\n") as file:
        log = Log(file.readline().removesuffix("\n"), wanted_sizes)
        for line in file:
            if not line.endswith("\n"):
                raise Wrong("the file ends within a line")
            log.take(line[:-1])
    log.end()
    return log


def verify_entry(line: str, size: int, root: bytes) -> dict[str, object]:
    """One disclosed entry: what is shown of it is what its leaf commits to, and the leaf is in the log."""
    value = fields_of(line, "fields", "leaf", "proof")
    commitment, _, index, _ = parse_leaf(value["leaf"])
    shown, leaves, names = {}, [], []  # type: tuple[dict[str, object], list[bytes], list[str]]
    listed = value["fields"]
    for each in listed if isinstance(listed, list) else []:
        names.append(str(each.get("name")))
        if set(each) == {"hash", "name"}:
            leaves.append(unhex(each["hash"]))
            continue
        if set(each) != {"name", "salt", "value"}:
            raise Wrong(f"entry {index} in another form")
        parts = (COMMITMENT, unhex(each["salt"]), names[-1].encode(), canonical(each["value"]).encode())
        leaves.append(leaf_hash(b"".join(len(part).to_bytes(8, "big") + part for part in parts)))
        shown[names[-1]] = each["value"]
    if names != sorted(set(names)) or root_of(leaves) != commitment:
        raise Wrong(f"what is shown of entry {index} is not what was logged")
    proof = value["proof"]
    verify_inclusion(
        leaf_hash(str(value["leaf"]).encode()),
        index,
        size,
        [unhex(each) for each in (proof if isinstance(proof, list) else [])],
        root,
    )
    return {"number": index} | shown


def read_disclosure(path: str) -> tuple[str, int, bytes, list[str]]:
    with Path(path).open(encoding="utf-8", newline="\n") as file:
        lines = file.read().split("\n")
    if lines.pop() != "":
        raise Wrong("the file ends within a line")
    value = fields_of(lines[0], "casevault", "entries", "origin", "root", "size", "v")
    if (value["casevault"], value["v"]) != ("log-disclosure", 1):
        raise Wrong("another format")
    if number(value["entries"]) != len(lines) - 1:
        raise Wrong("entries are missing")
    return str(value["origin"]), number(value["size"], 1), unhex(value["root"]), lines[1:]


def shown(value: object) -> str:
    """Text in which nothing is obeyed by a terminal."""
    return json.dumps(value, ensure_ascii=True, sort_keys=True)


def main(paths: list[str]) -> int:
    if not paths or paths[0] in ("-h", "--help"):
        print(__doc__)
        return 0 if paths else 2
    try:
        public: list[str] = []
        disclosures: list[tuple[str, int, bytes, list[str]]] = []
        for path in paths:
            with Path(path).open(encoding="utf-8", newline="\n") as file:
                kind = json.loads(file.readline()).get("casevault")
            if kind == "log-public":
                public.append(path)
            else:
                disclosures.append(read_disclosure(path))
        logs = [verify_public(path, {size for _, size, _, _ in disclosures}) for path in public]
        for log in logs:
            generation = log.now["generation"] if log.now else 0
            print("The log proves itself (Ed25519 signatures only).")
            print(f"  log      casevault/{log.vault_id.hex()}/g{generation}")
            print(f"  entries  {log.tree.size}, in {log.step} steps")
            print(f"  root     {log.tree.root().hex()}")
            print(f"  parts    {log.begun}, {log.certified} of them certified by the vault's identity")
            if log.unsigned:
                print(f"  the first {log.unsigned} entries are older than the first signature and prove nothing")
            if log.begun > 1:
                print("  there is a declared gap before each part but the first: restored, or its key was lost")
        for origin, size, root, lines in disclosures:
            for line in lines:
                print(shown(verify_entry(line, size, root)))
            print(f"{len(lines)} entries hold, as they are shown, in this log:")
            print(f"  log      {shown(origin)}")
            print(f"  entries  {size}")
            print(f"  root     {root.hex()}")
            for log in logs:
                name = f"casevault/{log.vault_id.hex()}/g"
                if not origin.startswith(name) or log.roots.get(size) != root:
                    raise Wrong("the disclosed entries are of another log than the public export")
                print("  it is the log of the public export, which signs it")
            if not logs:
                print("  nothing here signs it: compare with a head that somebody kept, or give the public export too")
    except (Wrong, ValueError, KeyError, TypeError, AttributeError) as error:
        print(f"DOES NOT HOLD: {error}", file=sys.stderr)
        return 22
    except OSError as error:
        print(f"{error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
