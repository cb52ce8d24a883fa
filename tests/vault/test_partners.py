"""Whom we share with: our names, their keys, who compared them how, and what a changed key leads to."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sessions import session
from somebody import Somebody
from vaults import key_file, make_vault, open_vault, write_rows

from crypto import fingerprints
from vault import Vault, errors, partners, schema
from vault.partners import DRAWN_GROUPS, addressee
from vault.registry import Registry
from vault.tables import Row

LENA, OTHER, THIRD = Somebody(1), Somebody(2), Somebody(3)
RECIPIENT, CLASSICAL = str(LENA.hybrid.recipient()), str(LENA.classical.recipient())


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    with make_vault(tmp_path / "v") as found:
        yield found


@pytest.fixture
def with_lena(vault: Vault) -> Vault:
    vault.partners.add("Lena", card=LENA.card(name="Elena P."))
    return vault


@pytest.fixture
def changed(with_lena: Vault) -> Vault:
    """Lena was compared, and then another card came under her name."""
    with_lena.partners.get("Lena").verify(LENA.reads_out())
    with pytest.raises(errors.PartnerChanged):
        with_lena.partners.add("Lena", card=OTHER.card())
    return with_lena


def acts(vault: Vault) -> list[tuple[str, str, str | None, tuple[str, ...], str | None]]:
    return [
        (entry.act, entry.phase, entry.counterparty, entry.recipients, entry.reason)
        for entry in vault.log()
        if entry.act.startswith("partner")
    ]


def content(vault: Vault) -> object:
    return vault.keeper.registry.rows(schema.PARTNERS)


# Adding


def test_a_partner_is_known_by_our_name_and_not_compared_at_first(vault: Vault) -> None:
    data = LENA.card(name="Elena P.", classical=True)
    added = vault.partners.add(" Lena ", card=b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n"))
    details = added.partner
    assert not added.again
    assert vault.partners.list() == (details,)
    assert vault.partners.get("lena").show() == details
    assert (details.number, details.name, details.own_name) == (1, "Lena", "Elena P.")
    assert (details.kind, details.grade, details.verified, details.changed) == ("card", "unverified", None, None)
    assert details.fingerprint == LENA.fingerprint.hex()
    assert (details.age_recipient, details.age_classical) == (RECIPIENT, CLASSICAL)
    (row,) = vault.keeper.registry.rows(schema.PARTNERS)
    assert row["card"] == data
    assert vault.check().findings == ()


def test_a_partner_may_be_known_by_an_age_recipient_alone(vault: Vault) -> None:
    for name, recipient in (("Lena", RECIPIENT), ("Anna", f" {CLASSICAL}\n")):
        details = vault.partners.add(name, age=recipient).partner
        assert (details.kind, details.age_recipient) == ("age", recipient.strip())
        assert details.fingerprint == hashlib.sha256(recipient.strip().encode()).hexdigest()
        assert (details.ssh_fingerprint, details.own_name, details.dated) == (None, None, None)
    assert vault.check().findings == ()


@pytest.mark.parametrize(
    "recipient", ["", "age1", "age1xyz", RECIPIENT[:-1], RECIPIENT.upper(), "-rf", "age1yubikey1q", "é"]
)
def test_what_is_no_recipient_is_refused(vault: Vault, recipient: str) -> None:
    with pytest.raises(errors.BadCard):
        vault.partners.add("Lena", age=recipient)
    assert vault.partners.list() == ()


def test_a_refused_card_leaves_nothing_but_the_log(vault: Vault) -> None:
    with pytest.raises(errors.BadCard):
        vault.partners.add("Lena", card=LENA.card().replace(b"2026", b"2027"))
    assert vault.partners.list() == ()
    assert acts(vault)[:2] == [
        ("partner-add", "intent", "Lena", (), None),
        ("partner-add", "failed", None, (), "BadCard: its signatures do not hold"),
    ]


def test_our_own_card_is_no_partner(vault: Vault) -> None:
    with pytest.raises(errors.Refused):
        vault.partners.add("Me", card=vault.identity.card(classical=True))
    assert vault.partners.list() == ()


@pytest.mark.parametrize("name", ["", "\t", "a\nb", "\x1b]0;x\x07", "x" * 201, "\udc80", "a\u2029b"])
def test_a_name_that_cannot_be_is_refused_before_anything_is_logged(vault: Vault, name: str) -> None:
    size = vault.keeper.registry.frontier.size
    with pytest.raises(errors.BadValue):
        vault.partners.add(name, card=LENA.card())
    assert vault.keeper.registry.frontier.size == size


def test_one_key_has_one_name(with_lena: Vault) -> None:
    before = content(with_lena)
    for again in ({"card": LENA.card()}, {"card": LENA.card(name="Anna", date="2027-01-01")}, {"age": RECIPIENT}):
        with pytest.raises(errors.PartnerTaken) as taken:
            with_lena.partners.add("Anna", **again)
        assert taken.value.fields == {"name": "Lena"}
    with pytest.raises(errors.PartnerTaken):
        with_lena.partners.add("Lena", card=LENA.card(name="Elena P."))
    assert content(with_lena) == before


def test_two_cards_that_claim_one_name_are_two_partners(vault: Vault) -> None:
    vault.partners.add("Lena", card=LENA.card(name="Elena P."))
    vault.partners.add("The other Lena", card=OTHER.card(name="Elena P."))
    assert [(each.number, each.name, each.own_name) for each in vault.partners.list()] == [
        (1, "Lena", "Elena P."),
        (2, "The other Lena", "Elena P."),
    ]


def test_names_that_differ_in_case_or_form_alone_are_one(vault: Vault) -> None:
    vault.partners.add("Élodie", card=LENA.card())
    for name in ("E\N{COMBINING ACUTE ACCENT}LODIE", "élodie", " Élodie "):
        assert vault.partners.get(name).show().number == 1
        with pytest.raises(errors.PartnerChanged):
            vault.partners.add(name, card=OTHER.card())
    assert len(vault.partners.list()) == 1


def test_a_newer_card_of_the_same_keys_replaces_the_old_and_keeps_what_was_compared(with_lena: Vault) -> None:
    with_lena.partners.get("Lena").verify(LENA.reads_out(), in_person=True)
    newer = LENA.card(name="Lena P.", date="2026-12-01", classical=True)
    added = with_lena.partners.add("Lena", card=newer)
    assert added.again
    assert (added.partner.grade, added.partner.own_name, added.partner.dated) == ("person", "Lena P.", "2026-12-01")
    assert added.partner.age_classical == CLASSICAL
    before = content(with_lena)
    with pytest.raises(errors.PartnerTaken):
        with_lena.partners.add("Lena", card=LENA.card())  # an older one
    assert content(with_lena) == before


# Comparing


def test_what_was_heard_is_compared_and_remembered(with_lena: Vault) -> None:
    handle = with_lena.partners.get("Lena")
    groups = handle.draw()
    found = handle.verify(LENA.reads_out(groups), groups=groups)
    assert (found.took, found.partner.grade) == ("same", "voice")
    assert found.partner.verified is not None
    in_person = handle.verify(fingerprints.qr_text(LENA.fingerprint), in_person=True)
    assert in_person.partner.grade == "person"
    # A call later on takes nothing away.
    assert handle.verify(" ".join(fingerprints.words(LENA.fingerprint))).partner.grade == "person"
    assert handle.show().grade == "person"
    assert acts(with_lena)[2:4] == [
        ("partner-verify", "intent", "Lena", (), None),
        ("partner-verify", "done", "Lena", (LENA.fingerprint.hex(),), None),
    ]


def compared(row: Row, heard: str, groups: tuple[int, ...]) -> str:
    # Nothing waits in this row, so no other rows are looked at.
    return partners.verified(cast("Registry", None), row, heard, groups, in_person=False, now="")[1]


@given(st.lists(st.integers(1, 16), min_size=DRAWN_GROUPS, max_size=16, unique=True), st.data())
def test_any_digit_that_is_another_makes_it_differ(groups: list[int], data: st.DataObject) -> None:
    row: Row = {"name": "Lena", "fingerprint": LENA.fingerprint, "grade": "unverified", "pending": None}
    heard = LENA.reads_out(tuple(groups)).split()
    place = data.draw(st.integers(0, len(heard) - 1))
    digit = data.draw(st.integers(0, 4))
    other = (int(heard[place][digit]) + data.draw(st.integers(1, 9))) % 10
    wrong = heard[place][:digit] + str(other) + heard[place][digit + 1 :]
    told = " ".join([*heard[:place], wrong, *heard[place + 1 :]])
    with pytest.raises((errors.FingerprintDiffers, errors.BadValue)):  # a group above 65535 is none
        compared(row, told, tuple(groups))
    assert compared(row, " ".join(heard), tuple(groups)) == "same"


@pytest.mark.parametrize(
    "heard",
    [
        OTHER.reads_out(),
        fingerprints.qr_text(OTHER.fingerprint),
        " ".join(fingerprints.words(OTHER.fingerprint)),
        OTHER.fingerprint.hex(),
        RECIPIENT,  # of a card the recipient alone says nothing of the keys that sign
    ],
)
def test_another_fingerprint_changes_nothing(with_lena: Vault, heard: str) -> None:
    before = content(with_lena)
    with pytest.raises(errors.FingerprintDiffers):
        with_lena.partners.get("Lena").verify(heard)
    assert content(with_lena) == before
    assert acts(with_lena)[-1] == ("partner-verify", "failed", None, (), "FingerprintDiffers")


@pytest.mark.parametrize(
    ("heard", "groups"),
    [("", ()), ("12345", ()), ("yes", ()), ("0" * 79, ()), ("1 2 3 4 5 6 7 8", tuple(range(1, 9)))],
)
def test_what_is_no_fingerprint_is_told_apart_from_a_wrong_one(
    with_lena: Vault, heard: str, groups: tuple[int, ...]
) -> None:
    with pytest.raises(errors.BadValue):
        with_lena.partners.get("Lena").verify(heard, groups=groups)
    assert with_lena.partners.get("Lena").show().grade == "unverified"


@pytest.mark.parametrize("groups", [(1,), tuple(range(1, 8)), (1,) * 8, (0, *range(1, 9)), (*range(1, 9), 17)])
def test_too_few_groups_or_ones_that_are_not_there_are_refused(with_lena: Vault, groups: tuple[int, ...]) -> None:
    told = " ".join(LENA.reads_out().split()[(number - 1) % 16] for number in groups)
    with pytest.raises(errors.Refused):
        with_lena.partners.get("Lena").verify(told, groups=groups)
    assert with_lena.partners.get("Lena").show().grade == "unverified"


def test_in_person_is_more_than_words_or_some_groups(with_lena: Vault) -> None:
    handle, groups = with_lena.partners.get("Lena"), tuple(range(1, 16))
    with pytest.raises(errors.Refused):
        handle.verify(" ".join(fingerprints.words(LENA.fingerprint)), in_person=True)
    with pytest.raises(errors.Refused):
        handle.verify(LENA.reads_out(groups), groups=groups, in_person=True)
    assert handle.show().grade == "unverified"
    everything = tuple(range(1, 17))
    assert handle.verify(LENA.reads_out(everything), groups=everything, in_person=True).partner.grade == "person"


def test_groups_in_another_order_are_other_groups(with_lena: Vault) -> None:
    groups = tuple(range(1, 9))
    with pytest.raises(errors.FingerprintDiffers):
        with_lena.partners.get("Lena").verify(LENA.reads_out(groups[::-1]), groups=groups)


def test_the_draw_is_eight_of_sixteen_and_another_every_time() -> None:
    drawn = [partners.draw() for _ in range(200)]
    assert len(set(drawn)) > 150
    for groups in drawn:
        assert len(set(groups)) == DRAWN_GROUPS == 8
        assert list(groups) == sorted(groups)
    assert set().union(*drawn) == set(range(1, 17))


def test_somebody_known_by_a_recipient_alone_is_compared_by_it_or_its_digest(vault: Vault) -> None:
    vault.partners.add("Lena", age=RECIPIENT)
    handle = vault.partners.get("Lena")
    for heard in (RECIPIENT, hashlib.sha256(RECIPIENT.encode()).hexdigest().upper(), f" {RECIPIENT}\n"):
        assert handle.verify(heard).partner.grade == "voice"
    for heard in (str(OTHER.hybrid.recipient()), hashlib.sha256(b"").hexdigest(), LENA.reads_out()):
        with pytest.raises(errors.FingerprintDiffers):
            handle.verify(heard)


# A changed key


def test_another_card_under_a_known_name_waits_and_blocks(changed: Vault) -> None:
    details = changed.partners.get("Lena").show()
    assert details.changed is not None
    assert (details.fingerprint, details.grade) == (LENA.fingerprint.hex(), "voice")
    with pytest.raises(errors.PartnerChanged):
        addressee(changed.keeper.registry, "Lena")
    assert changed.check().findings == ()
    done = [each for each in acts(changed) if each[0] == "partner-add"][-1]
    assert done == ("partner-add", "done", "Lena", (OTHER.fingerprint.hex(),), None)


@pytest.mark.parametrize("heard", [THIRD.reads_out(), " ".join(fingerprints.words(THIRD.fingerprint))])
def test_it_stays_blocked_while_what_is_heard_is_of_neither(changed: Vault, heard: str) -> None:
    before = content(changed)
    with pytest.raises(errors.FingerprintDiffers):
        changed.partners.get("Lena").verify(heard)
    assert content(changed) == before
    with pytest.raises(errors.PartnerChanged):
        addressee(changed.keeper.registry, "Lena")


def test_the_card_that_waited_takes_the_place_when_it_was_compared(changed: Vault) -> None:
    found = changed.partners.get("Lena").verify(OTHER.reads_out())
    assert found.took == "changed"
    assert (found.partner.fingerprint, found.partner.grade) == (OTHER.fingerprint.hex(), "voice")
    assert (found.partner.changed, found.partner.own_name) == (None, None)
    sealed_for = addressee(changed.keeper.registry, "Lena")
    assert sealed_for.recipient == str(OTHER.hybrid.recipient())


def test_comparing_in_person_does_not_outlive_a_changed_key(with_lena: Vault) -> None:
    with_lena.partners.get("Lena").verify(LENA.reads_out(), in_person=True)
    with pytest.raises(errors.PartnerChanged):
        with_lena.partners.add("Lena", card=OTHER.card())
    assert with_lena.partners.get("Lena").verify(OTHER.reads_out()).partner.grade == "voice"


def test_the_known_card_stays_and_the_other_goes_when_that_is_what_is_heard(changed: Vault) -> None:
    found = changed.partners.get("Lena").verify(LENA.reads_out())
    assert found.took == "kept"
    assert found.partner.changed is None
    assert addressee(changed.keeper.registry, "Lena").recipient == RECIPIENT


def test_giving_the_known_card_again_frees_nothing(changed: Vault) -> None:
    with pytest.raises(errors.PartnerTaken):
        changed.partners.add("Lena", card=LENA.card(name="Elena P."))  # with other signatures, the same card
    with pytest.raises(errors.PartnerChanged):
        changed.partners.add("Lena", card=LENA.card(date="2027-01-01"))
    with pytest.raises(errors.PartnerChanged):
        addressee(changed.keeper.registry, "Lena")


def test_the_last_changed_card_is_the_one_that_waits(changed: Vault) -> None:
    with pytest.raises(errors.PartnerChanged):
        changed.partners.add("Lena", age=str(THIRD.hybrid.recipient()))
    with pytest.raises(errors.FingerprintDiffers):
        changed.partners.get("Lena").verify(OTHER.reads_out())
    found = changed.partners.get("Lena").verify(str(THIRD.hybrid.recipient()))
    assert (found.took, found.partner.kind, found.partner.ssh_fingerprint) == ("changed", "age", None)
    assert changed.check().findings == ()


def test_a_card_that_waits_for_one_partner_may_not_become_another(changed: Vault) -> None:
    """Whoever holds one key must not be two people: the second would look like a second witness."""
    changed.partners.add("Boris", card=THIRD.card())
    with pytest.raises(errors.PartnerTaken):
        changed.partners.add("Lena", card=THIRD.card())
    changed.partners.add("Anna", card=OTHER.card())
    with pytest.raises(errors.PartnerTaken):
        changed.partners.get("Lena").verify(OTHER.reads_out())


# Whom to seal for


def test_an_addressee_is_who_the_card_says_and_how_it_was_compared(vault: Vault) -> None:
    vault.partners.add("Lena", card=LENA.card(classical=True))
    found = addressee(vault.keeper.registry, "LENA")
    assert (found.number, found.name, found.recipient, found.stanza) == (1, "Lena", RECIPIENT, "mlkem768x25519")
    assert (found.fingerprint, found.kind, found.grade) == (LENA.fingerprint, "card", "unverified")
    classical = addressee(vault.keeper.registry, "Lena", classical=True)
    assert (classical.recipient, classical.stanza, classical.fingerprint) == (CLASSICAL, "X25519", LENA.fingerprint)


def test_classical_tools_are_served_only_when_asked_and_where_there_is_a_recipient(vault: Vault) -> None:
    vault.partners.add("Card", card=LENA.card())
    vault.partners.add("Hybrid", age=str(OTHER.hybrid.recipient()))
    vault.partners.add("Classical", age=str(THIRD.classical.recipient()))
    for name, classical in (("Card", True), ("Hybrid", True), ("Classical", False)):
        with pytest.raises(errors.Refused):
            addressee(vault.keeper.registry, name, classical=classical)
    assert addressee(vault.keeper.registry, "Hybrid").stanza == "mlkem768x25519"
    assert addressee(vault.keeper.registry, "Classical", classical=True).stanza == "X25519"


# Removing


def test_a_removed_partner_is_sealed_for_no_more_and_the_row_stays(changed: Vault) -> None:
    removed = changed.partners.get("Lena").remove()
    assert removed.removed is not None
    assert changed.partners.list() == ()
    assert changed.partners.list(removed=True) == (removed,)
    for ask in (changed.partners.get("Lena").show, changed.partners.get("Lena").remove):
        with pytest.raises(errors.NoSuchPartner):
            ask()
    with pytest.raises(errors.NoSuchPartner):
        addressee(changed.keeper.registry, "Lena")
    again = changed.partners.add("Lena", card=LENA.card()).partner
    assert (again.number, again.grade) == (2, "unverified")
    assert changed.check().findings == ()


# Damage, sessions, and the disk


@pytest.mark.parametrize(
    "values",
    [
        {"fingerprint": OTHER.fingerprint},
        {"age_recipient": str(OTHER.hybrid.recipient())},
        {"age_classical": CLASSICAL},
        {"card": OTHER.card()},
        {"card": b"no card"},
        {"kind": "age"},
        {"pending": b"no card"},
        {"pending": b"\xff"},
    ],
    ids=lambda values: next(iter(values)),
)
def test_check_finds_a_partner_who_is_not_as_the_card_says(with_lena: Vault, values: dict[str, bytes | str]) -> None:
    registry = with_lena.keeper.registry
    (row,) = registry.rows(schema.PARTNERS)
    write_rows(registry, lambda: registry.put(schema.PARTNERS, {**row, **values}))
    assert [(each.kind, each.subject) for each in with_lena.check().findings] == [("partner", "Lena")]


def test_partners_are_the_same_after_reopening_and_after_another_passphrase(changed: Vault) -> None:
    before = changed.partners.list()
    changed.change_passphrase(key_file(), key_file(1))
    assert changed.partners.list() == before
    changed.close()
    with open_vault(changed.path, key_file(1)) as again:
        assert again.partners.list() == before


def ask_all(vault: Vault) -> object:
    identity = vault.identity.rename("Office")
    added = vault.partners.add("Lena", card=LENA.card(name="Elena P."))
    handle = vault.partners.get("Lena")
    groups = tuple(range(1, 9))
    verified = handle.verify(LENA.reads_out(groups), groups=groups)
    refusals: list[object] = []
    failing: tuple[Callable[[], object], ...] = (
        lambda: vault.partners.add("Lena", card=OTHER.card()),
        lambda: handle.verify(THIRD.reads_out()),
        lambda: vault.partners.add("Anna", card=b"none"),
        lambda: vault.partners.get("Anna").show(),
    )
    for fail in failing:
        try:
            fail()
        except errors.VaultError as error:
            refusals.append((type(error), str(error)))
    listed = vault.partners.list()
    return (
        identity.name,
        (added.again, added.partner.name, verified.took, verified.partner.grade),
        refusals,
        [(each.name, each.grade, each.changed is None) for each in listed],
        handle.remove().number,
    )


def test_through_a_session_everything_is_the_same(vault: Vault, tmp_path: Path, home: Path) -> None:
    direct = ask_all(vault)
    make_vault(tmp_path / "other").close()
    with session(open_vault(tmp_path / "other"), home.parent / "run" / "casevault") as served:
        client = served.attach()
        assert ask_all(client) == direct
        assert client.identity.card().startswith(b"casevault card 1\n")
        client.close()
