"""Agreements over HTTP."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from common.codes import Country, Day
from common.errors import IllegalMoveError, NotFoundError
from common.http import Key, Page, PageQuery, Reply, Routes
from common.models import InputModel
from common.money import Currency, PositiveAmount
from common.sequence import Sequence
from common.text import Paragraph
from common.uow import UnitOfWork
from disbursement.agreements import commands, queries
from disbursement.agreements.commands import NewAgreement
from disbursement.agreements.events import AGREEMENT, AgreementState
from disbursement.agreements.rules import (
    MAX_TRANCHES,
    Agreement,
    AgreementStatus,
    AgreementType,
    Explicit,
    Justification,
    Selection,
    Weighted,
)
from disbursement.amounts import exact
from disbursement.errors import (
    CurrencyMismatchError,
    DatesError,
    InexactAmountError,
    NotCoveredError,
    PartnerIneligibleError,
    PartnerUnknownError,
    PaymentsOpenError,
    ScheduleError,
    SelectionError,
    UnknownTermError,
)

READ = "disbursement.agreements.read"
WRITE = "disbursement.agreements.write"
SIGN = "disbursement.agreements.sign"

routes = Routes(
    tag="agreements", description="What a partner and we sign, and in which tranches it is paid."
)

_NEW: dict[str, Any] = {
    "grant_id": "0197a1b2-0000-7000-8000-000000000001",
    "partner_id": "0197a1b2-0000-7000-8000-0000000000a1",
    "type": "standard",
    "amount": "500000.00",
    "currency": "USD",
    "schedule": {"kind": "equal", "parts": 2},
    "selection": "direct",
    "justification": "time_critical_response",
    "starts_on": "2020-07-01",
    "ends_on": "2020-12-15",
}


class TrancheInput(InputModel):
    """One instalment."""

    amount: PositiveAmount
    planned_on: Day | None = None


class ExplicitSchedule(InputModel):
    """Tranches named one by one; they must sum to the amount exactly."""

    kind: Literal["explicit"]
    tranches: list[TrancheInput] = Field(min_length=1, max_length=MAX_TRANCHES)


class WeightedSchedule(InputModel):
    """Tranches in proportion to `weights`; what does not divide goes by largest remainder."""

    kind: Literal["weighted"]
    weights: list[PositiveAmount] = Field(min_length=1, max_length=MAX_TRANCHES)


class EqualSchedule(InputModel):
    """As many equal tranches as `parts`; what does not divide goes to the first ones."""

    kind: Literal["equal"]
    parts: int = Field(ge=1, le=MAX_TRANCHES, strict=True)


class AgreementDraft(InputModel):
    """What is agreed with a partner under a grant."""

    model_config = ConfigDict(json_schema_extra={"examples": [_NEW]})

    grant_id: UUID
    partner_id: UUID
    type: AgreementType
    amount: PositiveAmount
    currency: Currency
    schedule: Annotated[
        ExplicitSchedule | WeightedSchedule | EqualSchedule, Field(discriminator="kind")
    ]
    selection: Selection
    justification: Justification | None = Field(
        None, description="needed exactly when the partner was selected directly"
    )
    starts_on: Day
    ends_on: Day

    def new_agreement(self) -> NewAgreement:
        """The command's input. Raises InexactAmountError."""
        return NewAgreement(
            grant_id=self.grant_id,
            partner_id=self.partner_id,
            type=self.type,
            amount=exact(self.amount, self.currency),
            schedule=self._schedule(),
            selection=self.selection,
            justification=self.justification,
            starts_on=self.starts_on,
            ends_on=self.ends_on,
        )

    def _schedule(self) -> Explicit | Weighted:
        if isinstance(self.schedule, EqualSchedule):
            return Weighted.equal(self.schedule.parts)
        if isinstance(self.schedule, WeightedSchedule):
            return Weighted(tuple(self.schedule.weights))
        parts = self.schedule.tranches
        return Explicit(
            tuple(
                exact(part.amount, self.currency, pointer=f"/schedule/tranches/{index}/amount")
                for index, part in enumerate(parts)
            ),
            tuple(part.planned_on for part in parts),
        )


class Signature(InputModel):
    """When both sides signed."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"signed_on": "2020-06-30"}]})

    signed_on: Day


class Comment(InputModel):
    """Why, in words; kept for auditors, never published."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"comment": "The budget lines do not match annex B."}]}
    )

    comment: Annotated[str, Paragraph(2000)]


class AgreementView(AgreementState):
    """An agreement."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {key: value for key, value in _NEW.items() if key != "schedule"}
                | {
                    "id": "0197a1b2-0000-7000-8000-0000000000b1",
                    "country": "BGD",
                    "status": "active",
                    "tranches": [
                        {"number": 1, "amount": "250000.00", "planned_on": None},
                        {"number": 2, "amount": "250000.00", "planned_on": None},
                    ],
                    "signed_on": "2020-06-30",
                    "activated_on": "2020-07-01",
                }
            ]
        }
    )

    @classmethod
    def view(cls, agreement: Agreement) -> "AgreementView":
        """The view of `agreement`."""
        return cls(**dict(AgreementState.of(agreement)))


_MOVES = (IllegalMoveError,)
_PARTNER = (PartnerUnknownError, PartnerIneligibleError)


@routes.command(
    "POST",
    "/agreements",
    scope=WRITE,
    key=Key.REQUIRED,
    refuses=(
        NotFoundError,
        InexactAmountError,
        CurrencyMismatchError,
        ScheduleError,
        SelectionError,
        DatesError,
        UnknownTermError,
    ),
)
async def draft_agreement(uow: UnitOfWork, body: AgreementDraft) -> Reply[AgreementView]:
    """Draft an agreement with a partner under a grant.

    Its tranches sum to its amount to the last coin. Nothing is promised before it is signed.
    """
    agreement = await commands.draft_agreement(uow, body.new_agreement())
    return Reply.created(
        AgreementView.view(agreement),
        at=f"/v1/agreements/{agreement.id}",
        sequence=agreement.sequence,
    )


@routes.command(
    "POST",
    "/agreements/{agreement_id}/submit",
    scope=WRITE,
    match=True,
    refuses=(IllegalMoveError, *_PARTNER),
)
async def submit_agreement_for_review(
    uow: UnitOfWork, agreement_id: UUID, expected: Sequence
) -> Reply[AgreementView]:
    """Hand a draft to the reviewers; the partner must be eligible now."""
    return _reply(await commands.submit_agreement_for_review(uow, agreement_id, expected=expected))


@routes.command(
    "POST",
    "/agreements/{agreement_id}/pass-review",
    scope=WRITE,
    match=True,
    refuses=(IllegalMoveError, *_PARTNER),
)
async def pass_agreement_review(
    uow: UnitOfWork, agreement_id: UUID, expected: Sequence
) -> Reply[AgreementView]:
    """Let a reviewed agreement be signed; the partner must be eligible now."""
    return _reply(await commands.pass_agreement_review(uow, agreement_id, expected=expected))


@routes.command(
    "POST", "/agreements/{agreement_id}/return", scope=WRITE, match=True, refuses=_MOVES
)
async def return_agreement_to_draft(
    uow: UnitOfWork, agreement_id: UUID, body: Comment, expected: Sequence
) -> Reply[AgreementView]:
    """Send an agreement back to draft."""
    return _reply(
        await commands.return_agreement_to_draft(uow, agreement_id, body.comment, expected=expected)
    )


@routes.command(
    "POST",
    "/agreements/{agreement_id}/sign",
    scope=SIGN,
    key=Key.REQUIRED,
    match=True,
    refuses=(IllegalMoveError, DatesError, UnknownTermError, NotCoveredError, *_PARTNER),
)
async def sign_agreement(
    uow: UnitOfWork, agreement_id: UUID, body: Signature, expected: Sequence
) -> Reply[AgreementView]:
    """Record the signatures and commit the grant's money.

    The partner must be eligible now, and the grant must have the whole amount available.
    """
    return _reply(
        await commands.sign_agreement(uow, agreement_id, body.signed_on, expected=expected)
    )


@routes.command(
    "POST",
    "/agreements/{agreement_id}/activate",
    scope=SIGN,
    match=True,
    refuses=(IllegalMoveError, *_PARTNER),
)
async def activate_agreement(
    uow: UnitOfWork, agreement_id: UUID, expected: Sequence
) -> Reply[AgreementView]:
    """Let payments be made under a signed agreement; the partner must be eligible now."""
    return _reply(await commands.activate_agreement(uow, agreement_id, expected=expected))


@routes.command(
    "POST", "/agreements/{agreement_id}/suspend", scope=SIGN, match=True, refuses=_MOVES
)
async def suspend_agreement(
    uow: UnitOfWork, agreement_id: UUID, body: Comment, expected: Sequence
) -> Reply[AgreementView]:
    """Stop payments under an agreement: none is submitted, released or sent until it is resumed."""
    return _reply(
        await commands.suspend_agreement(uow, agreement_id, body.comment, expected=expected)
    )


@routes.command(
    "POST",
    "/agreements/{agreement_id}/resume",
    scope=SIGN,
    match=True,
    refuses=(IllegalMoveError, *_PARTNER),
)
async def resume_agreement(
    uow: UnitOfWork, agreement_id: UUID, expected: Sequence
) -> Reply[AgreementView]:
    """Let payments go on under a suspended agreement; the partner must be eligible now."""
    return _reply(await commands.resume_agreement(uow, agreement_id, expected=expected))


@routes.command(
    "POST",
    "/agreements/{agreement_id}/terminate",
    scope=SIGN,
    key=Key.REQUIRED,
    match=True,
    refuses=(IllegalMoveError, PaymentsOpenError),
)
async def terminate_agreement(
    uow: UnitOfWork, agreement_id: UUID, body: Comment, expected: Sequence
) -> Reply[AgreementView]:
    """End an agreement before its time.

    What was not paid goes back to the grant. Refused while money of it is on its way.
    """
    return _reply(
        await commands.terminate_agreement(uow, agreement_id, body.comment, expected=expected)
    )


@routes.command(
    "POST", "/agreements/{agreement_id}/cancel", scope=WRITE, match=True, refuses=_MOVES
)
async def cancel_agreement(
    uow: UnitOfWork, agreement_id: UUID, body: Comment, expected: Sequence
) -> Reply[AgreementView]:
    """Give up an agreement that was not signed."""
    return _reply(
        await commands.cancel_agreement(uow, agreement_id, body.comment, expected=expected)
    )


@routes.query("/agreements", scope=READ, of=AGREEMENT)
async def list_agreements(
    uow: UnitOfWork,
    page: PageQuery,
    grant_id: UUID | None = None,
    partner_id: UUID | None = None,
    status: AgreementStatus | None = None,
    country: Country | None = None,
) -> Reply[Page[AgreementView]]:
    """List agreements, oldest first."""
    rows = await queries.agreements(
        uow,
        page,
        grant_id=grant_id,
        partner_id=partner_id,
        status=status,
        country=country,
    )
    return Reply.page(Page.of(rows, page, key=lambda row: (row.id,), view=AgreementView.view))


@routes.query("/agreements/{agreement_id}", scope=READ)
async def read_agreement(uow: UnitOfWork, agreement_id: UUID) -> Reply[AgreementView]:
    """Read one agreement."""
    return _reply(await queries.agreement_by_id(uow, agreement_id))


def _reply(agreement: Agreement) -> Reply[AgreementView]:
    return Reply.ok(AgreementView.view(agreement), sequence=agreement.sequence)
