"""The disbursement service in a test: its API, its people, and what the registry's events would
bring.

Partners and watermarks are written where the consumer writes them, in the same form.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

import httpx
from sqlalchemy import insert, update

from common.actor import Actor
from common.aggregate import PARTITIONS
from common.clock import SetClock
from common.http.app import create_app
from common.ids import Uuid7Ids
from common.mirrors.mirror import Outcome
from common.money import Money
from common.uow import UnitOfWork
from disbursement.agreements import commands as agreements
from disbursement.agreements.commands import NewAgreement
from disbursement.agreements.rules import (
    Agreement,
    AgreementType,
    Justification,
    Selection,
    Weighted,
)
from disbursement.grants import commands as grants
from disbursement.grants.codes import Window
from disbursement.grants.commands import NewGrant
from disbursement.grants.rules import Grant, Source
from disbursement.ledger.queries import balances_of_grant
from disbursement.ledger.rules import Purse
from disbursement.mirrors.partners import PARTNERS, partner_mirror
from disbursement.payments import commands as payments
from disbursement.payments.commands import NewPayment
from disbursement.payments.commands.holding import SHARE
from disbursement.payments.commands.outcome import Evidence
from disbursement.payments.queries import payment_by_id
from disbursement.payments.rules.evidence import EvidenceKind
from disbursement.payments.rules.evidence import Outcome as PaymentOutcome
from disbursement.payments.rules.holds import HoldReason
from disbursement.payments.rules.payment import Payment
from disbursement.reactions import follow_eligibility
from disbursement.service import SERVICE
from support.api import NOON, Api, open_service
from support.ground import Ground

T = TypeVar("T")

TODAY = NOON.date()
IDS = Uuid7Ids()
ROLES = frozenset({"payment_approver"})

SUBMITTER = Actor(subject="amina", human=True, roles=frozenset({"payment_submitter"}))
APPROVERS = tuple(
    Actor(subject=name, human=True, roles=ROLES) for name in ("boris", "chen", "dina", "emeka")
)
BORIS, CHEN, DINA, EMEKA = APPROVERS
TREASURY = Actor(subject="tariq", human=True, roles=frozenset({"treasury"}))
MACHINE = Actor(subject="system:importer", human=False, roles=ROLES)
REACTOR = Actor.system("disbursement")


def usd(amount: str | int) -> Money:
    """Dollars."""
    return Money(Decimal(amount), "USD")


@dataclass
class World(Ground):
    """The service, and short ways to what a test starts from."""

    someone = SUBMITTER
    _versions: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    # --- what the registry's events bring ---

    async def partner(self, eligibility: str = "eligible", **facts: Any) -> UUID:
        """A partner that the mirror knows, eligible unless told otherwise; the mirror is fresh."""
        partner = IDS.new()
        known = {
            "legal_name": "Shapla Health Society",
            "kind": "national_ngo",
            "country": "BGD",
            "local": "yes",
            "status": "active",
            "eligible_until": None,
        }

        async def work(uow: UnitOfWork) -> None:
            await uow.db.execute(
                insert(partner_mirror).values(
                    id=partner,
                    sequence=f"0001-{next(self._versions):010d}",
                    eligibility=eligibility,
                    **known | facts,
                )
            )

        await self.run(work)
        await self.watermark()
        return partner

    async def says(self, partner: UUID, **facts: Any) -> None:
        """The registry says something new of a partner; no reaction has run yet."""

        async def work(uow: UnitOfWork) -> None:
            await uow.db.execute(
                update(partner_mirror)
                .where(partner_mirror.c.id == partner)
                .values(sequence=f"0001-{next(self._versions):010d}", **facts)
            )

        await self.run(work)

    async def watermark(self, at: datetime | None = None) -> None:
        """Every partition is read up to `at` (now), and Kafka agrees with our journal."""
        await self.execute(
            "INSERT INTO mirror_partition (cluster_id, topic, partition, next_offset, watermark_at)"
            " SELECT 'a-cluster', $1, number, 1, $2 FROM generate_series(0, $3 - 1) AS number"
            " ON CONFLICT (cluster_id, topic, partition)"
            " DO UPDATE SET watermark_at = excluded.watermark_at",
            PARTNERS.topic,
            at or self.now,
            PARTITIONS,
        )
        await self.agreed(at)

    async def agreed(self, at: datetime | None = None) -> None:
        """Kafka was last seen to agree with the journal `at` (now)."""
        await self.execute(
            "INSERT INTO reader (name, agreed_at) VALUES ('kafka', $1)"
            " ON CONFLICT (name) DO UPDATE SET agreed_at = excluded.agreed_at",
            at or self.now,
        )

    async def react(self, partner: UUID, *, fresh: bool = True, share: int = SHARE) -> Outcome:
        """The reaction to a partner's change, as the reactor runs it once."""
        return await self.run(
            lambda uow: follow_eligibility(uow, partner, fresh, share=share), REACTOR
        )

    # --- what a test starts from ---

    async def grant(self, amount: Money | None = None, *, received: bool = True) -> Grant:
        """A CERF grant for Bangladesh, its money received."""
        amount = amount or usd(3_000_000)
        new = NewGrant(
            source=Source.CERF,
            cerf_window=Window.RAPID_RESPONSE,
            code_text="20-RR-IOM-027",
            title="Front-line health",
            country="BGD",
            emergency="COVID-19",
            amount=amount,
            approved_on=TODAY - timedelta(days=10),
            disbursed_on=TODAY - timedelta(days=3),
        )
        grant = await self.run(lambda uow: grants.register_grant(uow, new))
        if received:
            grant = await self.run(lambda uow: grants.record_receipt(uow, grant.id, amount, TODAY))
        return grant

    async def draft(
        self,
        grant: Grant,
        partner: UUID,
        amount: Money | None = None,
        *,
        tranches: int = 2,
        starts_on: date = TODAY,
    ) -> Agreement:
        """A draft with equal tranches."""
        new = NewAgreement(
            grant_id=grant.id,
            partner_id=partner,
            type=AgreementType.STANDARD,
            amount=amount or Money(Decimal(100_000), grant.amount.currency),
            schedule=Weighted.equal(tranches),
            selection=Selection.DIRECT,
            justification=Justification.TIME_CRITICAL_RESPONSE,
            starts_on=starts_on,
            ends_on=TODAY + timedelta(days=120),
        )
        return await self.run(lambda uow: agreements.draft_agreement(uow, new))

    async def agreement(
        self,
        grant: Grant | None = None,
        partner: UUID | None = None,
        amount: Money | None = None,
        *,
        tranches: int = 2,
        active: bool = True,
    ) -> Agreement:
        """A signed agreement, active unless told otherwise."""
        grant = grant or await self.grant()
        draft = await self.draft(grant, partner or await self.partner(), amount, tranches=tranches)
        await self.run(lambda uow: agreements.submit_agreement_for_review(uow, draft.id))
        await self.run(lambda uow: agreements.pass_agreement_review(uow, draft.id))
        signed = await self.run(lambda uow: agreements.sign_agreement(uow, draft.id, TODAY))
        if not active:
            return signed
        return await self.run(lambda uow: agreements.activate_agreement(uow, draft.id))

    async def submitted(self, agreement: Agreement | None = None, tranche: int = 1) -> Payment:
        """A submitted payment of one tranche, by amina."""
        agreement = agreement or await self.agreement()
        amount = agreement.tranches[tranche - 1].amount
        new = NewPayment(agreement.id, tranche, amount)
        return await self.run(lambda uow: payments.submit_payment(uow, new))

    async def drafted(self, agreement: Agreement | None = None, tranche: int = 1) -> Payment:
        """A payment in draft: submitted once, and revised."""
        return await self.revise(await self.submitted(agreement, tranche))

    async def approved(self, agreement: Agreement | None = None, tranche: int = 1) -> Payment:
        """A payment with every approval that it takes."""
        payment = await self.submitted(agreement, tranche)
        for approver in APPROVERS[: payment.approvals_required]:
            payment = await self.approve(payment, approver)
        return payment

    async def approve(self, payment: Payment, actor: Actor) -> Payment:
        """One approval of the payment as it stands in `payment`."""
        return await self.run(
            lambda uow: payments.approve_payment(uow, payment.id, payment.payload_hash), actor
        )

    async def released(self, agreement: Agreement | None = None, tranche: int = 1) -> Payment:
        """A released payment."""
        payment = await self.approved(agreement, tranche)
        return await self.release(payment)

    async def release(self, payment: Payment) -> Payment:
        """Release it."""
        return await self.run(lambda uow: payments.release_payment(uow, payment.id), TREASURY)

    async def send(self, payment: Payment) -> Payment:
        """Send it."""
        return await self.run(lambda uow: payments.send_payment(uow, payment.id), TREASURY)

    async def sent(self, agreement: Agreement | None = None, tranche: int = 1) -> Payment:
        """A payment that was handed over."""
        return await self.send(await self.released(agreement, tranche))

    async def evidence(
        self,
        payment: Payment,
        outcome: str,
        kind: str = "status_report",
        *,
        on: date = TODAY,
        reason_code: str | None = None,
        actor: Actor = TREASURY,
    ) -> Payment:
        """What the bank says."""
        if outcome == "failed" and reason_code is None:
            reason_code = "AC01"
        statuses = {"settled": "ACCC", "failed": "RJCT"}
        status_code = statuses.get(outcome) if kind == "status_report" else None
        said = Evidence(
            PaymentOutcome(outcome), EvidenceKind(kind), on, "REF-1", reason_code, status_code
        )
        return await self.run(lambda uow: payments.record_evidence(uow, payment.id, said), actor)

    async def confirmed(self, payment: Payment, actor: Actor = BORIS) -> Payment:
        """A second person's word on the newest evidence that waits for one."""
        (row, *_) = await self.fetch(
            "SELECT id FROM payment_evidence WHERE payment_id = $1 AND outcome <> 'unknown'"
            " ORDER BY id DESC",
            payment.id,
        )
        return await self.run(
            lambda uow: payments.confirm_evidence(uow, payment.id, row["id"]), actor
        )

    async def dismissed(self, payment: Payment, outcome: str, actor: Actor = BORIS) -> Payment:
        """A second person's word that the evidence of `outcome` which waits is wrong."""
        (row,) = await self.fetch(
            "SELECT id FROM payment_evidence"
            " WHERE payment_id = $1 AND outcome = $2 AND standing = 'waiting'",
            payment.id,
            outcome,
        )
        return await self.run(
            lambda uow: payments.dismiss_evidence(uow, payment.id, row["id"], "not ours"), actor
        )

    async def settled(self, agreement: Agreement | None = None, tranche: int = 1) -> Payment:
        """A payment that the bank paid."""
        return await self.evidence(await self.sent(agreement, tranche), "settled")

    async def revise(self, payment: Payment, actor: Actor = SUBMITTER) -> Payment:
        """A new revision, back in draft."""
        return await self.run(lambda uow: payments.revise_payment(uow, payment.id, None), actor)

    async def reject(self, payment: Payment, actor: Actor = CHEN) -> Payment:
        """An approver sends it back."""
        return await self.run(
            lambda uow: payments.reject_payment(uow, payment.id, payment.payload_hash, "not yet"),
            actor,
        )

    async def resubmit(self, payment: Payment) -> Payment:
        """Hand a draft to the approvers again."""
        return await self.run(lambda uow: payments.resubmit_payment(uow, payment.id))

    async def withdraw(self, payment: Payment, actor: Actor = SUBMITTER) -> Payment:
        """Give a draft up."""
        return await self.run(
            lambda uow: payments.withdraw_payment(uow, payment.id, "not needed"), actor
        )

    async def hold(self, payment: Payment, actor: Actor = BORIS) -> Payment:
        """A person's hold."""
        return await self.run(
            lambda uow: payments.hold_payment(uow, payment.id, HoldReason.UNDER_REVIEW), actor
        )

    async def lift(self, payment: Payment, actor: Actor = BORIS) -> Payment:
        """Lift a person's hold."""
        return await self.run(lambda uow: payments.lift_hold(uow, payment.id), actor)

    # --- what a test looks at ---

    async def payment(self, payment: Payment) -> Payment:
        """The payment as it stands now."""
        return (await self.read(lambda uow: payment_by_id(uow, payment.id))).payment

    async def balances(self, grant_id: UUID) -> dict[str, str]:
        """The purses of a grant that are not empty, in whole units of its currency."""
        found = await self.read(lambda uow: balances_of_grant(uow, grant_id))
        return {
            purse.value: format(balance.normalize(), "f")
            for purse, balance in found.items()
            if balance and purse is not Purse.RECEIVED
        }


def in_country(actor: Actor, *countries: str) -> Actor:
    """The same person with access to these countries only."""
    return replace(actor, countries=frozenset(countries))


@asynccontextmanager
async def open_world(database_url: str, **settings: Any) -> AsyncIterator[World]:
    """The service at noon, with nothing in it."""
    clock = SetClock(NOON)
    async with open_service(SERVICE, database_url, clock=clock, **settings) as runtime:
        yield World(runtime, clock)


@asynccontextmanager
async def api_of(world: World) -> AsyncIterator[Api]:
    """The API on the world's database."""
    app = create_app(world.runtime)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield Api(client, app, world.runtime, SERVICE)
