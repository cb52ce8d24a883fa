"""Commitments to named fields that can be disclosed one by one.

The commitment is a tree root (RFC 6962) over the fields in the order of their names. Each leaf is salted, because the
public hash of a short text can be guessed; the salts come from one secret, so that whoever holds it can disclose one
field and nothing else.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Mapping

from crypto.encoding import canonical_json, length_prefixed
from crypto.errors import CommitmentMismatch, NotCanonical
from crypto.labels import COMMITMENT
from crypto.tree import leaf_hash, root

SECRET_SIZE = 32


def commit(secret: bytes, fields: Mapping[str, object]) -> bytes:
    """The 32-byte commitment to `fields` under a 32-byte secret that is used for nothing else.

    Leaf = leaf_hash(length_prefixed(label, salt, name, canonical JSON of the value)); salt = HMAC-SHA-256(secret,
    label || name); names in UTF-8, sorted by code point. Raises NotCanonical for values without a canonical form,
    ValueError for another length of secret.
    """
    if len(secret) != SECRET_SIZE:
        raise ValueError(f"the secret of a commitment has {SECRET_SIZE} bytes")
    return root([_leaf(secret, name, fields[name]) for name in sorted(fields)])


def verify_commitment(commitment: bytes, secret: bytes, fields: Mapping[str, object]) -> None:
    """Raises CommitmentMismatch unless `commitment` is the one to exactly these fields, compared in constant time."""
    try:
        expected = commit(secret, fields)
    except NotCanonical:
        raise CommitmentMismatch("fields that cannot have been committed to") from None
    if not hmac.compare_digest(expected, commitment):
        raise CommitmentMismatch("the fields are not those that were committed to")


def disclosed(secret: bytes, fields: Mapping[str, object], shown: Collection[str]) -> list[dict[str, object]]:
    """What lets anybody verify the `shown` fields against the commitment: name, salt and value; of all others name and hash.

    A hash says nothing of its field, because its salt is not told. Raises as `commit`.
    """
    if len(secret) != SECRET_SIZE:
        raise ValueError(f"the secret of a commitment has {SECRET_SIZE} bytes")
    return [
        {"name": name, "salt": _salt(secret, name.encode("utf-8")), "value": fields[name]}
        if name in shown
        else {"hash": _leaf(secret, name, fields[name]), "name": name}
        for name in sorted(fields)
    ]


def verify_disclosed(commitment: bytes, listed: object) -> dict[str, object]:
    """The shown fields of what `disclosed` gave, as it reads back from JSON: salts and hashes as hexadecimal text.

    Raises CommitmentMismatch for every other form, and unless `commitment` is the one to exactly these fields.
    """
    leaves: list[bytes] = []
    names: list[str] = []
    shown: dict[str, object] = {}
    try:
        for each in listed if isinstance(listed, list) else []:
            name = each["name"]
            if each.keys() == {"hash", "name"}:
                leaves.append(bytes.fromhex(each["hash"]))
            elif each.keys() == {"name", "salt", "value"}:
                leaves.append(_salted(bytes.fromhex(each["salt"]), name.encode("utf-8"), each["value"]))
                shown[name] = each["value"]
            else:
                raise CommitmentMismatch("a field in another form")
            names.append(name)
        if names != sorted(set(names)) or not hmac.compare_digest(root(leaves), commitment):
            raise CommitmentMismatch("the fields are not those that were committed to")
    except (AttributeError, KeyError, TypeError, ValueError, NotCanonical):
        raise CommitmentMismatch("fields in another form") from None
    return shown


def _leaf(secret: bytes, name: str, value: object) -> bytes:
    try:
        encoded_name = name.encode("utf-8")
    except UnicodeEncodeError:
        raise NotCanonical("a name without UTF-8 form") from None
    return _salted(_salt(secret, encoded_name), encoded_name, value)


def _salted(salt: bytes, encoded_name: bytes, value: object) -> bytes:
    return leaf_hash(length_prefixed(COMMITMENT, salt, encoded_name, canonical_json(value)))


def _salt(secret: bytes, encoded_name: bytes) -> bytes:
    return hmac.digest(secret, COMMITMENT + encoded_name, "sha256")
