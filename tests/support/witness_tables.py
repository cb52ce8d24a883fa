"""What the tables of the log's witnesses must hold beside what they speak of, whatever failed before.

Each of their rows is written in one step with what it belongs to: a file that is announced, a receipt that is taken in, or
before it: a file that is stored, a refusal. So nothing of that is ever there without its row.
"""

from __future__ import annotations

from crypto.signing import Checkpoint
from vault import Vault, bag, schema
from vault.arrivals import SHARE
from vault.bag import Tags
from vault.confirmations import Confirmation, Parts
from vault.leaves import origin


def _states(vault: Vault) -> set[tuple[int, bytes]]:
    return set(vault.keeper.registry.store.execute("SELECT size, root FROM log_steps"))


def verify(vault: Vault) -> set[str]:
    """See that all five tables agree with the rest of an open vault; the warnings that it must have brought. Raises AssertionError."""
    registry = vault.keeper.registry
    shares = registry.rows(schema.SHARES)
    sent = {row["share_id"]: row["step"] for row in registry.rows(schema.SENT_HEADS)}
    assert sent.keys() == {row["share_id"] for row in shares}, (
        "a file is announced with the state that it shows, or not at all"
    )
    assert all(1 <= step <= registry.steps for step in sent.values())
    stored = {
        row["digest"]
        for row in registry.rows(schema.RECEIVED)
        if row["kind"] == SHARE and row["sender"] and row["stored"]
    }
    seen = registry.rows(schema.SEEN_HEADS)
    begun = {(row["sender"], row["first_key"]) for row in registry.rows(schema.SEEN_GENERATIONS)}
    assert {(row["sender"], row["first_key"]) for row in seen} <= begun, (
        "no state without the certificate of its generation"
    )
    own = {row["digest"] for row in seen}
    assert own >= stored, "no file is stored whose sender's log was not remembered before"
    ours, states = bytes(registry.setting("vault_id")), _states(vault)
    named = {}
    for row in shares:
        if row["confirmed"] is None:
            continue
        said = Confirmation.from_bytes(Parts.from_signed_bytes(row["receipt"]).receipt)
        checkpoint = Checkpoint.from_bytes((said.checkpoint or "").encode())
        if (checkpoint.size, checkpoint.root) in states:
            assert checkpoint.origin == origin(ours, 1)
            named[row["recipient"]] = checkpoint.size, checkpoint.root
    witnesses = {row["fingerprint"]: (row["size"], row["root"]) for row in registry.rows(schema.WITNESSES)}
    assert witnesses == named, "a partner has confirmed a state when their receipt was taken in, and not before"
    last = {row["fingerprint"]: (row["size"], row["root"]) for row in registry.rows(schema.NAMED_HEADS)}
    assert last == named, "and it is the one that they have named last"
    forks = registry.rows(schema.FORKS)
    assert sorted(row["number"] for row in forks) == list(range(1, len(forks) + 1))
    assert all(row["second"] and (row["first"] or not row["sender"]) for row in forks), "each with both proofs"
    return {"partner-log-forked" if row["sender"] else "own-log-forked" for row in forks}


def verify_shown(vault: Vault, share_id: str, tags: Tags) -> None:
    """See that a file that is there shows the state that the vault says it showed. Raises AssertionError."""
    registry = vault.keeper.registry
    row = registry.row(schema.SENT_HEADS, bytes.fromhex(share_id))
    assert row is not None
    (state,) = registry.store.execute("SELECT size, root FROM log_steps WHERE step = ?", (row["step"],))
    assert (shown(tags).size, shown(tags).root) == state


def shown(tags: Tags) -> Checkpoint:
    """The state of its sender's log that a file shows."""
    return Checkpoint.from_bytes(tags.files[bag.LOG_CHECKPOINT].partition(b"\n\n")[0] + b"\n")
