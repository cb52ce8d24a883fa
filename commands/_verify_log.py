"""Verifies what `casevault log export` wrote. One file, Python's standard library alone; it imports nothing of the vault.

    python3 -I verify_log.py log.jsonl                    a public export: order, completeness, signatures
    python3 -I verify_log.py disclosed.jsonl              disclosed entries: that a log with the head that is shown holds them
    python3 -I verify_log.py log.jsonl disclosed.jsonl    both, and that the public export has that head
    python3 -I verify_log.py log.jsonl --head 58:5a0c...  also that it had a head that somebody kept: entries, colon, root

Take this program from a source that you trust, not from the folder of the export: what lies there comes from the hand that is
to be verified. With -I Python runs nothing else that lies there.

It says what is proven and what is not. A public export of a vault with an identity names the key that certified it, as
ssh-keygen -l shows the key of the vault's card: compare them. Without an identity nothing shows who made the log. That a log
ends where the export ends no file can show: compare the head (log, entries and root) with one that somebody else kept.

It checks Ed25519 signatures only. Where the export has certificates of the vault's identity, their ML-DSA-65 halves, which
a quantum computer could not forge either, are not checked here. Exit status 0: everything holds, as far as it says; 22: something
does not, and then nothing is shown of what does; 1: a file cannot be read; 2: wrong use, or files that cannot be compared.
"""

import sys

# First of all: otherwise a file that lies beside this one, or where it is started, could be imported in place of a module of
# Python's. That is also why nothing is imported from __future__.
if __name__ == "__main__" and not sys.flags.isolated:
    if not getattr(sys.flags, "safe_path", False):
        sys.path.pop(0)
    # Built into Python, so that no file takes its place.
    here = __import__("nt" if "nt" in sys.builtin_module_names else "posix").getcwd()
    sys.path[:] = [each for each in sys.path if each not in {"", ".", here}]

import base64
import hashlib
import json
import re
import stat
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, NoReturn

COMMITMENT = b"casevault/v1/commitment"
SSHSIG_NAMESPACE = b"casevault-generation@v1"
LEAF = re.compile(
    r'\{"c":"([0-9a-f]{64})",(?:"k":"([0-9a-f]{64})",)?"n":(0|[1-9][0-9]{0,14}),"s":([1-9][0-9]{0,14}),"v":1\}'
)
HEAD = re.compile(r"([1-9][0-9]{0,14}):([0-9a-f]{64})")
ORIGIN = re.compile(r"casevault/[0-9a-f]{64}/g[1-9][0-9]{0,14}")

# What a vault writes stays below; without these, a file made for this program would take time and memory without end.
LONGEST_LINE = 32 << 20
MOST_PARTS, MOST_COMMAS = 1 << 20, 2 << 20  # in one line; each takes more memory than it has characters
LONGEST_DISCLOSURE = 256 << 20
MOST_ENTRIES = 10_000
LONGEST_NUMBER = 17
LARGEST_NUMBER = 2**53 - 1
DEEPEST = 16

MLDSA_KEY, MLDSA_SIGNATURE = 1952, 3309

# What every entry says, in the order of its commitment.
FIELDS = (
    "act",
    "actor",
    "answers",
    "boot_id",
    "case",
    "condition",
    "consent",
    "counterparty",
    "digest",
    "entry",
    "heads",
    "item",
    "monotonic_ms",
    "objects",
    "phase",
    "purpose",
    "query",
    "reason",
    "recipients",
    "role",
    "size",
    "software",
    "state_after",
    "state_before",
    "wall_time",
)
OLDER_FIELDS = tuple(name for name in FIELDS if name != "heads")  # of entries from before there was that one


class Wrong(Exception):
    """Something does not hold."""


class Misuse(Exception):
    """What was asked for cannot be done; it says nothing against the files."""


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


def lines_of(path: str) -> Iterator[str]:
    """The lines of a file, without their ends, as they are needed."""
    if not stat.S_ISREG(Path(path).stat().st_mode):
        raise OSError(f"{path} is not a file on a disk")
    with Path(path).open(encoding="utf-8", newline="\n") as file:
        while line := file.readline(LONGEST_LINE + 1):
            if not line.endswith("\n"):
                raise Wrong("a line is too long" if len(line) > LONGEST_LINE else "the file ends within a line")
            yield line[:-1]


def whole(digits: str) -> int:
    if len(digits) > LONGEST_NUMBER or abs(int(digits)) > LARGEST_NUMBER:
        raise Wrong("a number that is too large")
    return int(digits)


def not_whole(_text: str) -> NoReturn:
    raise Wrong("a number that is not whole")


DECODER = json.JSONDecoder(parse_int=whole, parse_float=not_whole, parse_constant=not_whole)
ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
canonical = ENCODER.encode


def read_json(line: str) -> object:
    if line.count("[") + line.count("{") > MOST_PARTS or line.count(",") > MOST_COMMAS:
        raise Wrong("a line of more parts than a vault writes")
    return DECODER.decode(line)


def fields_of(line: str, *names: str) -> dict[str, object]:
    """The JSON object of a line, in its one form, with exactly these fields."""
    value = exactly(read_json(line), *names)
    if canonical(value) != line:
        raise Wrong("a line in another form")
    return value


def exactly(value: object, *names: str) -> dict[str, object]:
    if not isinstance(value, dict) or set(value) != set(names):
        raise Wrong("a line in another form")
    return value


def listed(value: object) -> list[object]:
    if not isinstance(value, list):
        raise Wrong("a list is missing")
    return value


def unhex(text: object, size: int = 32) -> bytes:
    if not isinstance(text, str) or not re.fullmatch(f"[0-9a-f]{{{2 * size}}}", text):
        raise Wrong(f"{size} bytes in hexadecimal are missing")
    return bytes.fromhex(text)


def number(value: object, least: int = 0) -> int:
    if type(value) is not int or value < least:
        raise Wrong("a number is missing")
    return value


def is_shallow(value: object, deepest: int = DEEPEST) -> bool:
    if not isinstance(value, (dict, list)):
        return True
    parts = value.values() if isinstance(value, dict) else value
    return deepest > 0 and all(is_shallow(each, deepest - 1) for each in parts)


def parse_leaf(text: object) -> tuple[bytes, bytes | None, int, int]:
    found = LEAF.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise Wrong("an entry in another form")
    commitment, key, place, step = found.groups()
    return bytes.fromhex(commitment), bytes.fromhex(key) if key else None, int(place), int(step)


def shown(value: object) -> str:
    """Text in which nothing is obeyed by a terminal."""
    return json.dumps(value, ensure_ascii=True)


# Signatures of the vault's identity, in the form of ssh-keygen


def string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def ssh_key(key: bytes) -> bytes:
    return string(b"ssh-ed25519") + string(key)


def fingerprint(key: bytes) -> str:
    """As `ssh-keygen -l` shows a key, and a vault its identity and the cards of partners."""
    return "SHA256:" + base64.b64encode(sha256(ssh_key(key))).decode().rstrip("=")


def armored(key: bytes, namespace: bytes, signature: bytes) -> str:
    parts = ssh_key(key), namespace, b"", b"sha512", string(b"ssh-ed25519") + string(signature)
    text = base64.b64encode(b"SSHSIG" + (1).to_bytes(4, "big") + b"".join(map(string, parts))).decode()
    lines = [text[at : at + 70] for at in range(0, len(text), 70)]
    return "\n".join(("-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----", ""))


def verify_sshsig(key: bytes, namespace: bytes, message: bytes, text: str) -> None:
    lines = text.split("\n")[1:-2]
    try:
        signature = base64.b64decode("".join(lines), validate=True)[-64:]
    except ValueError:
        signature = b""
    if armored(key, namespace, signature) != text:
        raise Wrong("a certificate by another key, or of another kind or form")
    parts = namespace, b"", b"sha512", hashlib.sha512(message).digest()
    verify_signature(key, b"SSHSIG" + b"".join(map(string, parts)), signature)


# A public export


def origin_of(vault_id: bytes, generation: int) -> str:
    return f"casevault/{vault_id.hex()}/g{generation}"


def checkpoint(vault_id: bytes, generation: int, size: int, root: bytes) -> bytes:
    encoded_root = base64.b64encode(root).decode()
    return f"{origin_of(vault_id, generation)}\n{size}\n{encoded_root}\n".encode()


class Generation(NamedTuple):
    """A chain of keys: with which step and key it begins, and after which tree."""

    number: int
    first_step: int
    first_key: bytes
    size: int
    root: bytes
    sshsig: str | None

    @classmethod
    def parse(cls, value: object) -> "Generation":
        found = exactly(value, "first_key", "first_step", "generation", "mldsa65", "root", "size", "sshsig")
        sshsig = found["sshsig"]
        if not isinstance(sshsig, (str, type(None))):
            raise Wrong("a certificate in another form")
        if (sshsig is None) is not (found["mldsa65"] is None):
            raise Wrong("half a certificate")
        if sshsig is not None:
            unhex(found["mldsa65"], MLDSA_SIGNATURE)
        return cls(
            number(found["generation"], 1),
            number(found["first_step"], 1),
            unhex(found["first_key"]),
            number(found["size"]),
            unhex(found["root"]),
            sshsig,
        )

    def verify_certificate(self, vault_id: bytes, identity: bytes | None) -> None:
        """Where there is an identity it has certified each generation; where there is none, nothing has."""
        if identity is None:
            if self.sshsig is not None:
                raise Wrong(f"generation {self.number} has a certificate, and no key that it is by")
            return
        if self.sshsig is None:
            raise Wrong(f"generation {self.number} is not certified by the identity that the export names")
        statement = {
            "first_key": self.first_key.hex(),
            "first_step": self.first_step,
            "origin": origin_of(vault_id, self.number),
            "root": self.root.hex(),
            "size": self.size,
            "v": 1,
        }
        try:
            verify_sshsig(identity, SSHSIG_NAMESPACE, canonical(statement).encode(), self.sshsig)
        except Wrong as wrong:
            raise Wrong(f"the certificate of generation {self.number}: {wrong}") from None


class Head(NamedTuple):
    """Where a log stood after a step that was signed."""

    step: int
    generation: int
    root: bytes


class Log:
    """A public export, line by line; afterwards its head, and the heads of the sizes that were asked for."""

    def __init__(self, header: str, wanted_sizes: set[int]) -> None:
        value = fields_of(header, "casevault", "generations", "identity", "v", "vault_id")
        if value["casevault"] != "log-public" or number(value["v"]) != 1:
            raise Wrong("another format")
        self.vault_id = unhex(value["vault_id"])
        self.identity: bytes | None = None
        if value["identity"] is not None:
            keys = exactly(value["identity"], "ed25519", "mldsa65")
            self.identity = unhex(keys["ed25519"])
            unhex(keys["mldsa65"], MLDSA_KEY)
        self.generations = [Generation.parse(each) for each in listed(value["generations"])]
        for before, after in pairwise(self.generations):
            if after.number <= before.number or after.first_step <= before.first_step:
                raise Wrong(f"generation {after.number} does not follow generation {before.number}")
        self.tree, self.step, self.next_key = Tree(), 0, b""
        self.begun = 0
        self.wanted, self.heads = wanted_sizes, {}  # type: tuple[set[int], dict[int, Head]]

    def take(self, line: str) -> None:
        """One step."""
        value = fields_of(line, "leaves", "signature", "step")
        step, leaves = number(value["step"], 1), listed(value["leaves"])
        if step != self.step + 1:
            raise Wrong(f"step {self.step + 1} is missing")
        self.begin(step)
        if self.begun and not leaves:
            raise Wrong(f"step {step} is empty")
        announced = None
        for place, text in enumerate(leaves, 1):
            _, announced, index, of_step = parse_leaf(text)
            if (index, of_step) != (self.tree.size, step):
                raise Wrong(f"step {step} has an entry that belongs elsewhere")
            if (announced is not None) is not bool(self.begun and place == len(leaves)):
                raise Wrong(f"step {step} names the next key elsewhere than in its last entry")
            self.tree.append(leaf_hash(str(text).encode()))
        self.step = step
        if not self.begun:
            if value["signature"] is not None:
                raise Wrong(f"step {step} is signed by no key that is known")
            return
        generation, root = self.generations[self.begun - 1].number, self.tree.root()
        try:
            text = checkpoint(self.vault_id, generation, self.tree.size, root)
            verify_signature(self.next_key, text, unhex(value["signature"], 64))
        except Wrong as wrong:
            raise Wrong(f"step {step}: {wrong}") from None
        self.next_key = announced or b""
        if self.tree.size in self.wanted:
            self.heads[self.tree.size] = Head(step, generation, root)

    def begin(self, step: int) -> None:
        """Go on with the generation that begins here, if one does."""
        if self.begun == len(self.generations) or self.generations[self.begun].first_step != step:
            return
        found = self.generations[self.begun]
        if (found.size, found.root) != (self.tree.size, self.tree.root()):
            raise Wrong(f"the generation that begins with step {step} goes on from another log")
        found.verify_certificate(self.vault_id, self.identity)
        self.begun += 1
        self.next_key = found.first_key

    def end(self) -> None:
        if self.begun < len(self.generations):
            raise Wrong("a generation begins with a step that is not there")
        if not self.begun:
            raise Wrong("no step of this log is signed")

    @property
    def unsigned(self) -> int:
        """How many entries, the first ones, are older than the first signature."""
        return self.generations[0].size

    def said(self) -> list[str]:
        """What is proven, what is not, and what a person has to compare."""
        lines = [
            "The log proves itself (Ed25519 signatures only), if the identity is the vault's: compare it with the card."
            if self.identity
            else "NOTHING CERTIFIES WHO MADE THIS LOG. Its signatures (Ed25519 only) agree with each other; anybody can make such a log.",
            f"  log       {origin_of(self.vault_id, self.generations[-1].number)}",
            f"  entries   {self.tree.size}, in {self.step} steps",
            f"  root      {self.tree.root().hex()}",
            f"  identity  {fingerprint(self.identity) if self.identity else 'none'}",
        ]
        certified = "certified by this identity" if self.identity else "certified by nobody"
        sizes = [each.size for each in self.generations] + [self.tree.size]
        for each, (size, end) in zip(self.generations, pairwise(sizes), strict=True):
            lines.append(f"  generation {each.number}: entries {run(size, end - 1)}, {certified}")
        lines += [
            f"Before entry {each.size} there is a declared gap: the vault was restored, or the key of its log was lost. How much "
            "was logged there that is not here does not show."
            for each in self.generations[1:]
        ]
        if self.unsigned:
            lines.append(
                f"Entries {run(0, self.unsigned - 1)} are older than the first signature: nothing shows whether they were changed "
                "before it."
            )
        signed = run(self.unsigned, self.tree.size - 1)
        if self.identity:
            lines += [
                f"Proven: within each generation, of entries {signed} none was changed, removed, added or moved after its step was "
                "signed, unless somebody kept keys that a vault erases.",
                "Not proven: that the log ends here; that whoever holds the keys of this identity made no other log or generation. "
                "Compare log, entries and root with a head that somebody else kept.",
            ]
        else:
            lines.append(
                f"Entries {signed} are those of the vault only if log, entries and root are those of a head that somebody kept."
            )
        return lines

    def said_of_kept(self, size: int, root: bytes) -> str:
        """What a head shows that somebody kept. Raises ``Wrong`` if this log never had it."""
        head = self.heads.get(size)
        if head is None or head.root != root:
            raise Wrong(f"no signed step of this log ends with the head of {size} entries that was given")
        return (
            f"The head of {size} entries that was given is that of step {head.step}, in generation {head.generation}: up to there this "
            "log is the one that had it."
        )


def verify_public(path: str, wanted_sizes: set[int]) -> Log:
    lines = lines_of(path)
    log = Log(next(lines, ""), wanted_sizes)
    for line in lines:
        log.take(line)
    log.end()
    return log


# Disclosed entries


class Entry(NamedTuple):
    """An entry of which what is shown is what its leaf commits to."""

    number: int
    step: int
    fields: dict[str, object]
    hidden: list[str]

    def said(self) -> str:
        return shown({"number": self.number, "step": self.step, "hidden": self.hidden} | self.fields)


def verify_entry(line: str, size: int, root: bytes) -> Entry:
    """One disclosed entry: what is shown of it is what its leaf commits to, and the leaf is in the log."""
    value = fields_of(line, "fields", "leaf", "proof")
    commitment, _, index, step = parse_leaf(value["leaf"])
    found, leaves, names = {}, [], []  # type: tuple[dict[str, object], list[bytes], list[object]]
    for each in listed(value["fields"]):
        if not isinstance(each, dict):
            raise Wrong(f"entry {index} in another form")
        name = each.get("name")
        names.append(name)
        if set(each) == {"hash", "name"}:
            leaves.append(unhex(each["hash"]))
            continue
        if set(each) != {"name", "salt", "value"} or not isinstance(name, str) or not is_shallow(each["value"]):
            raise Wrong(f"entry {index} in another form")
        parts = (COMMITMENT, unhex(each["salt"]), name.encode(), canonical(each["value"]).encode())
        leaves.append(leaf_hash(b"".join(len(part).to_bytes(8, "big") + part for part in parts)))
        found[name] = each["value"]
    if names not in (list(FIELDS), list(OLDER_FIELDS)):
        raise Wrong(f"entry {index} has other fields than entries have")
    if root_of(leaves) != commitment:
        raise Wrong(f"what is shown of entry {index} is not what was logged")
    if not isinstance(found.get("case"), (str, type(None))):
        raise Wrong(f"entry {index} names a case that is none")
    if found.get("entry") is not None:
        number(found["entry"], 1)
    proof = [unhex(each) for each in listed(value["proof"])]
    verify_inclusion(leaf_hash(str(value["leaf"]).encode()), index, size, proof, root)
    return Entry(index, step, found, [str(name) for name in names if name not in found])


class Disclosure:
    """Chosen entries, and the head that they are proved under, which nothing in the file signs."""

    def __init__(self, header: str) -> None:
        value = fields_of(header, "casevault", "entries", "origin", "root", "size", "v")
        if value["casevault"] != "log-disclosure" or number(value["v"]) != 1:
            raise Wrong("another format")
        origin = value["origin"]
        if not isinstance(origin, str) or not ORIGIN.fullmatch(origin):
            raise Wrong("the name of the log is none")
        self.origin, self.size, self.root = origin, number(value["size"], 1), unhex(value["root"])
        self.entries = number(value["entries"])
        if self.entries > MOST_ENTRIES:
            raise Wrong("too many entries")
        self.lines: list[str] = []
        self.numbers: list[int] = []
        self.cases: dict[str, list[int]] = {}
        self.hidden: set[str] = set()
        self.of_no_case, self.of_unknown_case = 0, 0

    def take(self, line: str) -> None:
        """One entry."""
        entry = verify_entry(line, self.size, self.root)
        if self.numbers and entry.number <= self.numbers[-1]:
            raise Wrong("entries twice, or in another order than that of the log")
        self.numbers.append(entry.number)
        self.lines.append(entry.said())
        self.hidden.update(entry.hidden)
        case, place = entry.fields.get("case"), entry.fields.get("entry")
        if {"case", "entry"} & set(entry.hidden):
            self.of_unknown_case += 1
        elif isinstance(case, str) and isinstance(place, int):
            self.cases.setdefault(case, []).append(place)
        else:
            self.of_no_case += 1

    def end(self) -> None:
        if len(self.numbers) != self.entries:
            raise Wrong("entries are missing")

    def said(self, log: Log | None) -> list[str]:
        """What is shown, what of it is proven, and what is not. Raises ``Wrong`` if the public export has no such head."""
        return [
            *self.lines,
            f"Shown above: {len(self.lines)} of {self.size} entries, chosen ones, as they stand in the log with this head:",
            f"  log       {self.origin}",
            f"  entries   {self.size}",
            f"  root      {self.root.hex()}",
            *self.of_cases(),
            *([f"Hidden in some or all of them: {', '.join(sorted(self.hidden))}."] if self.hidden else []),
            *(self.of_log(log) if log else self.of_no_log()),
        ]

    def of_cases(self) -> Iterator[str]:
        """What is missing of a case, by the numbers that its entries have within it."""
        for case, places in sorted(self.cases.items()):
            yield f"Case {shown(case)}: its entries {runs(places)} are shown. {missing(places)}"
        if self.of_no_case:
            yield f"Entries that have no number within a case: {self.of_no_case}. What is missing of their kind does not show."
        if self.of_unknown_case:
            yield (
                f"Entries that hide their case or their number in it: {self.of_unknown_case}. What is missing of their cases does "
                "not show."
            )

    def of_log(self, log: Log) -> list[str]:
        head = log.heads.get(self.size)
        if self.size > log.tree.size and self.origin.startswith(origin_of(log.vault_id, 0)[:-1]):
            raise Misuse(
                "The disclosed entries were written after the public export, which does not reach so far: ask for a later one, or "
                "verify each by itself."
            )
        if head is None or head.root != self.root:
            raise Wrong(
                "no signed step of the public export ends with the head of the disclosed entries: it is of another log, or made up"
            )
        if self.origin != origin_of(log.vault_id, head.generation):
            raise Wrong(
                "the disclosed entries are of another log than the public export: their head has another name there"
            )
        by = f"certified by {fingerprint(log.identity)}" if log.identity else "which nothing certifies"
        said = [
            f"The public export above has this head after its step {head.step}, signed in generation {head.generation}, {by}."
        ]
        older = [each for each in self.numbers if each < log.unsigned]
        if older:
            said.append(
                f"Entries {runs(older)} of the log are older than the first signature: nothing shows whether they were changed "
                "before it."
            )
        return said

    def of_no_log(self) -> list[str]:
        return [
            "NOTHING HERE SIGNS THIS HEAD: anybody can make such a file. The entries are those of the vault only if log, entries and "
            "root are those of a head that somebody kept, or of the public export: give that, too."
        ]


def verify_disclosure(path: str) -> Disclosure:
    lines = lines_of(path)
    found, characters = Disclosure(next(lines, "")), 0
    for line in lines:
        characters += len(line)
        if characters > LONGEST_DISCLOSURE or len(found.numbers) == found.entries:
            raise Wrong("more entries than the file says, or more of them than a vault writes")
        found.take(line)
    found.end()
    return found


def run(first: int, last: int) -> str:
    return f"{first}" if first == last else f"{first} to {last}"


def runs(numbers: list[int]) -> str:
    found: list[list[int]] = []
    for each in numbers:
        if found and each == found[-1][1] + 1:
            found[-1][1] = each
        else:
            found.append([each, each])
    return ", ".join(run(first, last) for first, last in found)


def missing(places: list[int]) -> str:
    pairs = list(pairwise([0, *places]))
    if any(after <= before for before, after in pairs):
        return "THEIR NUMBERS DO NOT RISE as the log grows: whoever keeps the log numbered them so."
    gaps = ", ".join(run(before + 1, after - 1) for before, after in pairs if after > before + 1)
    end = f"Whether others follow {places[-1]} does not show."
    if gaps:
        return f"MISSING before or between them: {gaps}. {end}"
    return f"By their numbers none before or between them is missing. {end}"


# The program


def kind_of(path: str) -> object:
    first = read_json(next(lines_of(path), ""))
    return first.get("casevault") if isinstance(first, dict) else None


def verified(paths: list[str], kept: list[tuple[int, bytes]]) -> list[str]:
    """What is to be said of files that hold, all of them, and of heads that were kept; else it raises, and nothing was said."""
    public = [path for path in paths if kind_of(path) == "log-public"]
    if len(public) > 1:
        raise Misuse("Only one public export is verified at a time.")
    disclosures = [verify_disclosure(path) for path in paths if path not in public]
    if kept and not public:
        raise Misuse("Whether a log had a head shows in its public export: give that, too.")
    sizes = {each.size for each in disclosures} | {size for size, _ in kept}
    log = verify_public(public[0], sizes) if public else None
    said = log.said() if log else []
    if log:
        said += [log.said_of_kept(size, root) for size, root in kept]
    for each in disclosures:
        said += each.said(log)
    return said


def parse_arguments(arguments: list[str]) -> tuple[list[str], list[tuple[int, bytes]]]:
    """Files, and heads that were kept: entries and root."""
    paths: list[str] = []
    kept: list[tuple[int, bytes]] = []
    rest = iter(arguments)
    for each in rest:
        if each != "--head":
            paths.append(each)
            continue
        found = HEAD.fullmatch(next(rest, ""))
        if found is None:
            raise Misuse("A head is given as entries, a colon, and the root: 64 digits from 0 to f.")
        kept.append((int(found[1]), bytes.fromhex(found[2])))
    return paths, kept


def main(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(__doc__)
        return 0 if arguments else 2
    try:
        said = verified(*parse_arguments(arguments))
    except OSError as error:
        print(shown(str(error))[1:-1], file=sys.stderr)
        return 1
    except Misuse as error:
        print(error, file=sys.stderr)
        return 2
    except Exception as error:  # noqa: BLE001 -- whatever a file made for this program brings about, it does not hold
        print(f"DOES NOT HOLD: {shown(str(error) or type(error).__name__)[1:-1]}", file=sys.stderr)
        return 22
    for line in said:
        print(line)
    sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
