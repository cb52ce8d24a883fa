"""Handles of our identity and of partners: a name each, no state. Every method asks the keeper once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vault.handles import GetKeeper
    from vault.sharing_requests import IdentityDetails, PartnerAdded, PartnerDetails, PartnerVerified


class Identity:
    """Who this vault is to partners. It is made when it is first asked for."""

    def __init__(self, keeper: GetKeeper) -> None:
        self._keeper = keeper

    def show(self) -> IdentityDetails:
        """The public half, as people compare it."""
        return self._keeper().identity_show()

    def rename(self, name: str | None) -> IdentityDetails:
        """Set what our cards call us; None takes the name away. Raises ``BadValue``."""
        return self._keeper().identity_name(name)

    def card(self, *, classical: bool = False) -> bytes:
        """The text to hand out, signed by itself; with ``classical`` also for tools that know no hybrid recipients."""
        return self._keeper().identity_card(classical=classical)


class Partners:
    """Whom we share with."""

    def __init__(self, keeper: GetKeeper) -> None:
        self._keeper = keeper

    def add(self, name: str, *, card: bytes | None = None, age: str | None = None) -> PartnerAdded:
        """Take a card, or an age recipient, under a name that we give.

        Raises ``PartnerChanged`` where the name had another one: it is kept, and waits until it was compared. ``BadCard``,
        ``BadValue``, ``PartnerTaken``, ``Refused``.
        """
        return self._keeper().partner_add(name, card=card, age=age)

    def list(self, *, removed: bool = False) -> tuple[PartnerDetails, ...]:
        """All partners, by number; with ``removed`` also those that were removed."""
        return self._keeper().partner_list(removed=removed)

    def get(self, name: str) -> Partner:
        """A handle; whether there is such a partner shows when it is used."""
        return Partner(self._keeper, name)


class Partner:
    """A partner. Every method but ``draw`` raises ``NoSuchPartner`` if there is none with this name."""

    def __init__(self, keeper: GetKeeper, name: str) -> None:
        self._keeper = keeper
        self._name = name

    def show(self) -> PartnerDetails:
        """Everything about the partner."""
        return self._keeper().partner_show(self._name)

    def draw(self) -> tuple[int, ...]:
        """The numbers of the groups to ask for: eight of the sixteen, others every time."""
        from vault import partners

        return partners.draw()

    def verify(self, heard: str, *, groups: tuple[int, ...] = (), in_person: bool = False) -> PartnerVerified:
        """Compare what the partner read out: the groups with these numbers, or, without numbers, all of them, the twelve
        words, or the text of the QR code. Nobody should have seen our own copy before.

        In person everything is compared, and not by words. Raises ``FingerprintDiffers``, ``BadValue``, ``Refused``.
        """
        return self._keeper().partner_verify(self._name, heard, groups=groups, in_person=in_person)

    def remove(self) -> PartnerDetails:
        """Seal for the partner no more; what they have, they keep."""
        return self._keeper().partner_remove(self._name)
