"""Requests about who we are and whom we share with."""

from __future__ import annotations

import hashlib
from functools import partial

from vault import cards, errors, identity, partners, schema
from vault.door import Act
from vault.filing import Filing
from vault.identity import GRANT, OwnIdentity
from vault.partners import Given
from vault.sharing_requests import IdentityDetails, PartnerAdded, PartnerDetails, PartnerVerified
from vault.tables import Row, blob, text


class Introductions(Filing):
    """The part of the keeper that knows its own identity and the partners."""

    # Who we are

    def identity_show(self) -> IdentityDetails:
        """The public half of our identity, as people compare it."""
        self._need_identity()
        with self._act("identity-show"):
            return identity.details(self.registry)

    def identity_name(self, name: str | None) -> IdentityDetails:
        """Set what our cards call us; None takes the name away. Raises ``BadValue``."""
        name = None if name is None else cards.checked_name(name)
        self._need_identity()
        with self._act("identity-name") as act:
            row = self.registry.row(schema.IDENTITY, identity.ONLY)
            if row is None:
                raise errors.ReceiptRefused
            changed = {**row, "name": name}
            act.also.append(lambda: self.registry.put(schema.IDENTITY, changed))
        return identity.details(self.registry)

    def identity_card(self, *, classical: bool = False) -> bytes:
        """Our card, signed by itself. With ``classical`` it names a recipient for tools that know no hybrid ones, too."""
        self._need_identity()
        with self._act("identity-card", grants=(GRANT,)) as act:
            card = self._identity(act).card_bytes(date=self.now[:10], classical=classical)
            act.outcome |= {"size": len(card), "digest": hashlib.sha256(card).hexdigest()}
            return card

    def _need_identity(self) -> None:
        """Make the identity, if there is none, by an act of its own: before whatever needs it begins."""
        if self.registry.row(schema.IDENTITY, identity.ONLY) is None:
            with self._act("identity-make") as act:
                made = identity.generate(now=self.now)
                act.also.append(partial(self.registry.put, schema.IDENTITY, made))
        self.certify_generations()

    def _identity(self, act: Act) -> OwnIdentity:
        """The private keys, for an act that was granted ``identity`` and after ``_need_identity``."""
        return OwnIdentity(self.registry, act.receipt)

    # Partners

    def partner_add(self, name: str, *, card: bytes | None = None, age: str | None = None) -> PartnerAdded:
        """Take a card, or an age recipient, under a name that we give.

        Another one than before is kept, and waits until it was compared. Raises ``PartnerChanged`` then; ``BadCard``,
        ``BadValue``, ``PartnerTaken``, and ``Refused`` for our own card.
        """
        name = cards.checked_name(name)
        with self._act("partner-add", counterparty=name) as act:
            if (card is None) == (age is None):
                raise errors.BadValue(field="card", reason="a card or an age recipient is given")
            given = Given.from_card(cards.tidied(card)) if card is not None else Given.from_recipient(age or "")
            if given.fingerprint == identity.own_fingerprint(self.registry):
                raise errors.Refused(reason="this is the card of this vault itself")
            again = partners.by_fingerprint(self.registry, given.fingerprint) is not None
            row = partners.added(self.registry, name, given, now=self.now)
            self._put_partner(act, row, given.fingerprint)
        if row["pending"] is not None:
            raise errors.PartnerChanged(name=text(row, "name"))
        return PartnerAdded(partners.details(row), again)

    def partner_list(self, *, removed: bool = False) -> tuple[PartnerDetails, ...]:
        """The partners, by number; with ``removed`` also those that were removed."""
        with self._act("partner-list"):
            rows = partners.everyone(self.registry) if removed else partners.present(self.registry)
            return tuple(partners.details(row) for row in rows)

    def partner_show(self, name: str) -> PartnerDetails:
        """Everything about a partner. Raises ``NoSuchPartner``."""
        with self._act("partner-show", counterparty=name):
            return partners.details(partners.needed(self.registry, name))

    def partner_verify(
        self, name: str, heard: str, *, groups: tuple[int, ...] = (), in_person: bool = False
    ) -> PartnerVerified:
        """Compare what a partner read out: the groups with these numbers, or everything.

        Raises ``NoSuchPartner``, ``FingerprintDiffers``, ``BadValue``, ``Refused``; nothing changes then.
        """
        with self._act("partner-verify", counterparty=name) as act:
            before = partners.needed(self.registry, name)
            row, took = partners.verified(self.registry, before, heard, groups, in_person=in_person, now=self.now)
            self._put_partner(act, row, blob(row, "fingerprint"))
        return PartnerVerified(partners.details(row), took)

    def partner_remove(self, name: str) -> PartnerDetails:
        """Seal for a partner no more. The row stays, for what they were sent. Raises ``NoSuchPartner``."""
        with self._act("partner-remove", counterparty=name) as act:
            before = partners.needed(self.registry, name)
            row = {**before, "removed": self.now, "pending": None, "pending_since": None}
            self._put_partner(act, row, blob(row, "fingerprint"))
        return partners.details(row)

    def _put_partner(self, act: Act, row: Row, fingerprint: bytes) -> None:
        act.outcome |= {"counterparty": row["name"], "recipients": [fingerprint.hex()]}
        act.also.append(partial(self.registry.put, schema.PARTNERS, row))
