"""Reading payments, and what stands behind them."""

import base64
from uuid import UUID

from common.codes import Country
from common.http import Page, PageQuery, Reply, Routes
from common.uow import UnitOfWork
from disbursement.approvals.queries import actions_on
from disbursement.payments import queries
from disbursement.payments.api.views import (
    ApprovalsView,
    ApprovalView,
    EvidenceListView,
    EvidenceView,
    HoldsView,
    HoldView,
    InstructionView,
    PaymentView,
)
from disbursement.payments.events import PAYMENT
from disbursement.payments.rules.lifecycle import PaymentStatus

READ = "disbursement.payments.read"

routes = Routes(tag="payments")


@routes.query("/payments", scope=READ, of=PAYMENT)
async def list_payments(
    uow: UnitOfWork,
    page: PageQuery,
    grant_id: UUID | None = None,
    agreement_id: UUID | None = None,
    partner_id: UUID | None = None,
    status: PaymentStatus | None = None,
    country: Country | None = None,
) -> Reply[Page[PaymentView]]:
    """List payments, oldest first."""
    rows = await queries.payments(
        uow,
        page,
        grant_id=grant_id,
        agreement_id=agreement_id,
        partner_id=partner_id,
        status=status,
        country=country,
    )
    return Reply.page(
        Page.of(rows, page, key=lambda shown: (shown.payment.id,), view=PaymentView.shown)
    )


@routes.query("/payments/{payment_id}", scope=READ)
async def read_payment(uow: UnitOfWork, payment_id: UUID) -> Reply[PaymentView]:
    """Read one payment, with the hash that approvers send back."""
    shown = await queries.payment_by_id(uow, payment_id)
    return Reply.ok(PaymentView.shown(shown), sequence=shown.payment.sequence)


@routes.query("/payments/{payment_id}/approvals", scope=READ)
async def list_payment_approvals(uow: UnitOfWork, payment_id: UUID) -> Reply[ApprovalsView]:
    """List who decided what, revision by revision."""
    await queries.payment_by_id(uow, payment_id)
    rows = await actions_on(uow, payment_id)
    return Reply.ok(
        ApprovalsView(
            items=[
                ApprovalView(
                    revision=row.revision,
                    person=row.person,
                    action=row.action,
                    payload_hash=row.payload_hash,
                    acted_at=row.acted_at,
                )
                for row in rows
            ]
        )
    )


@routes.query("/payments/{payment_id}/holds", scope=READ)
async def list_payment_holds(uow: UnitOfWork, payment_id: UUID) -> Reply[HoldsView]:
    """List what held the payment, and what came too late to."""
    await queries.payment_by_id(uow, payment_id)
    rows = await queries.holds_of(uow, payment_id)
    fields = HoldView.model_fields
    return Reply.ok(
        HoldsView(items=[HoldView(**{name: row._mapping[name] for name in fields}) for row in rows])
    )


@routes.query("/payments/{payment_id}/evidence", scope=READ)
async def list_payment_evidence(uow: UnitOfWork, payment_id: UUID) -> Reply[EvidenceListView]:
    """List what was recorded of the payment's outcome."""
    await queries.payment_by_id(uow, payment_id)
    rows = await queries.evidence_of(uow, payment_id)
    fields = EvidenceView.model_fields
    return Reply.ok(
        EvidenceListView(
            items=[EvidenceView(**{name: row._mapping[name] for name in fields}) for row in rows]
        )
    )


@routes.query("/payments/{payment_id}/instruction", scope=READ)
async def read_payment_instruction(uow: UnitOfWork, payment_id: UUID) -> Reply[InstructionView]:
    """Read what was handed over for a payment, byte for byte."""
    await queries.payment_by_id(uow, payment_id)
    row = await queries.instruction_of(uow, payment_id)
    return Reply.ok(
        InstructionView(
            payment_id=row.payment_id,
            message_id=row.message_id,
            payload_hash=row.payload_hash,
            content_base64=base64.b64encode(row.content).decode("ascii"),
            handed_over_at=row.handed_over_at,
            handed_over_by=row.handed_over_by,
        )
    )
