"""A payment as it stands, and its payload: the one form in which people approve it and the bank is
told.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from common.money import Money
from disbursement.ledger.rules import Movement, MovementKind
from disbursement.payments.rules.lifecycle import PaymentStatus

_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


@dataclass(frozen=True)
class AccountReference:
    """Which account, in which version, by reference only: the account itself is kept elsewhere."""

    id: UUID
    version: int


@dataclass(frozen=True)
class Payment:
    """A payment as it stands."""

    id: UUID
    sequence: str
    agreement_id: UUID
    tranche: int
    grant_id: UUID
    partner_id: UUID
    country: str
    amount: Money
    status: PaymentStatus
    held_from: PaymentStatus | None
    revision: int
    payload_hash: str
    account: AccountReference | None
    approvals_required: int
    approvals_given: int
    submitted_at: datetime
    released_at: datetime | None = None
    sent_at: datetime | None = None
    settled_on: date | None = None
    returned_on: date | None = None
    failure_code: str | None = None
    confirmed_on: date | None = None

    @classmethod
    def of(cls, row: Any) -> "Payment":
        """From a row by column names: SQLAlchemy's mapping or the driver's record."""
        account = (
            None
            if row["account_id"] is None
            else AccountReference(row["account_id"], row["account_version"])
        )
        return cls(
            id=row["id"],
            sequence=row["sequence"],
            agreement_id=row["agreement_id"],
            tranche=row["tranche"],
            grant_id=row["grant_id"],
            partner_id=row["partner_id"],
            country=row["country"],
            amount=Money(row["amount"], row["currency"]),
            status=PaymentStatus(row["status"]),
            held_from=None if row["held_from"] is None else PaymentStatus(row["held_from"]),
            revision=row["revision"],
            payload_hash=row["payload_hash"],
            account=account,
            approvals_required=row["approvals_required"],
            approvals_given=row["approvals_given"],
            submitted_at=row["submitted_at"],
            released_at=row["released_at"],
            sent_at=row["sent_at"],
            settled_on=row["settled_on"],
            returned_on=row["returned_on"],
            failure_code=row["failure_code"],
            confirmed_on=row["confirmed_on"],
        )

    def moves(self, kind: MovementKind) -> Movement:
        """This payment's amount, moved in the ledger."""
        return Movement(kind, self.amount, self.grant_id, self.agreement_id, self.id)


def payload(
    *,
    partner_id: UUID,
    agreement_id: UUID,
    tranche: int,
    amount: Money,
    account: AccountReference | None,
    revision: int,
) -> bytes:
    """What people approve and the bank is told, in one canonical form: sorted keys, no blanks,
    ASCII.
    """
    facts = {
        "account": None if account is None else str(account.id),
        "account_version": None if account is None else account.version,
        "agreement": str(agreement_id),
        "amount": format(amount.amount, "f"),
        "currency": amount.currency,
        "partner": str(partner_id),
        "revision": revision,
        "tranche": tranche,
    }
    return _canonical(facts).encode("ascii")


def hash_of(payload_: bytes) -> str:
    """SHA-256 of a payload, in hexadecimal."""
    return hashlib.sha256(payload_).hexdigest()


def payload_of(payment: Payment) -> bytes:
    """The payload of `payment` as it stands."""
    return payload(
        partner_id=payment.partner_id,
        agreement_id=payment.agreement_id,
        tranche=payment.tranche,
        amount=payment.amount,
        account=payment.account,
        revision=payment.revision,
    )


def message_id(payment_id: UUID) -> str:
    """The end-to-end id of a payment: always the same, at most 35 characters (ISO 20022)."""
    return f"FL{payment_id.hex}"
