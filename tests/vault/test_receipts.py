from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from vaults import case_row, make_vault

from vault import Vault, log_reading
from vault.compartment import all_objects_grant
from vault.errors import ReceiptRefused
from vault.objects import ObjectReader
from vault.receipts import Receipt
from vault.registry import case_grant


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    with make_vault(tmp_path / "v") as found:
        for code in ("HARBOUR", "BRIDGE"):
            found.cases.new(code.title(), code=code)
            found.cases.get(code).items.add_text(f"text of {code}")
        yield found


def intended(vault: Vault, code: str = "HARBOUR", *grants: str) -> Receipt:
    case = case_row(vault, code)
    return vault.keeper.log.intend("item-show", case=case, grants=(case_grant(case), *grants))


def test_a_receipt_opens_its_case_once(vault: Vault) -> None:
    receipt, case = intended(vault), case_row(vault, "HARBOUR")
    vault.keeper.registry.unwrap_case_key(receipt, case.case_id)
    with pytest.raises(ReceiptRefused):
        vault.keeper.registry.unwrap_case_key(receipt, case.case_id)


def test_a_receipt_opens_no_other_case(vault: Vault) -> None:
    receipt = intended(vault)
    with pytest.raises(ReceiptRefused):
        vault.keeper.registry.unwrap_case_key(receipt, case_row(vault, "BRIDGE").case_id)


def test_a_receipt_for_a_case_opens_no_object_no_titles_and_no_log(vault: Vault) -> None:
    receipt, keeper = intended(vault), vault.keeper
    case = case_row(vault, "HARBOUR")
    compartment = keeper.opened(case, keeper.registry.unwrap_case_key(receipt, case.case_id))
    (object_id,) = compartment.object_ids()
    refused = [
        lambda: compartment.unwrap_object_key(receipt, object_id),
        lambda: compartment.unwrap_all_object_keys(receipt),
        lambda: keeper.registry.unseal_titles(receipt),
        lambda: log_reading.entries(keeper.registry, receipt, None),
    ]
    for ask in refused:
        with pytest.raises(ReceiptRefused):
            ask()


def test_a_receipt_for_every_object_of_one_case_does_not_serve_for_another(vault: Vault) -> None:
    keeper = vault.keeper
    harbour, bridge = case_row(vault, "HARBOUR"), case_row(vault, "BRIDGE")
    receipt = keeper.log.intend("check", grants=[all_objects_grant(harbour.case_id), case_grant(bridge)])
    other = keeper.opened(bridge, keeper.registry.unwrap_case_key(receipt, bridge.case_id))
    with pytest.raises(ReceiptRefused):
        other.unwrap_all_object_keys(receipt)


def test_a_receipt_is_void_after_the_outcome(vault: Vault) -> None:
    receipt = intended(vault)
    receipt.void()
    with pytest.raises(ReceiptRefused):
        vault.keeper.registry.unwrap_case_key(receipt, case_row(vault, "HARBOUR").case_id)


def test_after_a_request_its_receipt_opens_nothing_whether_it_succeeded_or_failed(vault: Vault) -> None:
    seen: list[Receipt] = []
    intend = vault.keeper.log.intend

    def remembered(*args: object, **values: object) -> Receipt:
        receipt = intend(*args, **values)
        seen.append(receipt)
        return receipt

    vault.keeper.log.intend = remembered
    vault.cases.get("HARBOUR").show()
    with pytest.raises(Exception, match="no item"):
        vault.cases.get("HARBOUR").items.get(99).show()
    vault.keeper.item_open("HARBOUR", 1, act_name="cat")
    vault.search("text")
    vault.check()
    vault.log()
    assert len(seen) == 6
    for receipt in seen:
        assert receipt._grants == set(), receipt.act


@pytest.mark.skipif(not hasattr(os, "fork"), reason="left out: fork")
def test_a_receipt_is_refused_in_another_process() -> None:
    script = """
import os, sys
from vault.errors import ReceiptRefused
from vault.receipts import Receipt
receipt = Receipt(1, act="a", case_id=None, item=None, grants=["x"])
child = os.fork()
if child == 0:
    try:
        receipt.spend("x")
    except ReceiptRefused:
        os._exit(7)
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
receipt.spend("x")
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", script], check=True, env=environment)


def test_a_receipt_is_neither_copied_nor_sent_elsewhere(vault: Vault) -> None:
    receipt = intended(vault)
    for attempt in (lambda: copy.copy(receipt), lambda: copy.deepcopy(receipt), lambda: pickle.dumps(receipt)):
        with pytest.raises(TypeError):
            attempt()


def test_the_end_of_a_reading_is_told_once(vault: Vault) -> None:
    grant = vault.keeper.item_open("HARBOUR", 1, act_name="cat")
    assert (
        b"".join(bytes(piece) for piece in ObjectReader(vault.keeper.folder.objects, grant).read())
        == b"text of HARBOUR"
    )
    vault.keeper.item_close(grant.intent, "done")
    for number in (grant.intent, 0, 10**6):
        with pytest.raises(ReceiptRefused):
            vault.keeper.item_close(number, "done")
    with pytest.raises(ReceiptRefused):
        vault.keeper.log.conclude(grant.intent, "done")
