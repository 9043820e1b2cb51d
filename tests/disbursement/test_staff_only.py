"""Access that is bound to a partner handles no money, whatever its scopes say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from common.errors import ForbiddenError
from common.http import PageQuery
from disbursement.agreements import commands as agreements
from disbursement.errors import EvidenceError, FourEyesError
from disbursement.grants.queries import grant_by_id, grants
from disbursement.payments import commands
from disbursement.payments.commands.outcome import Evidence
from disbursement.payments.rules.evidence import EvidenceKind, Outcome
from disbursement.payments.rules.holds import HoldReason
from support.disbursement import BORIS, SUBMITTER, TODAY, TREASURY, World


async def test_a_partner_decides_on_no_payment_not_even_its_own(world: World) -> None:
    payment = await world.approved()
    partner = replace(BORIS, partner=payment.partner_id)
    hash_ = payment.payload_hash
    evidence = Evidence(Outcome.SETTLED, EvidenceKind.STATUS_REPORT, TODAY, "REF-1")
    for deed in (
        lambda uow: commands.approve_payment(uow, payment.id, hash_),
        lambda uow: commands.reject_payment(uow, payment.id, hash_, "no"),
        lambda uow: commands.hold_payment(uow, payment.id, HoldReason.OTHER),
        lambda uow: commands.lift_hold(uow, payment.id),
        lambda uow: commands.revise_payment(uow, payment.id, None),
        lambda uow: commands.withdraw_payment(uow, payment.id, "no"),
        lambda uow: commands.dismiss_evidence(uow, payment.id, payment.id, "no"),
        lambda uow: commands.release_payment(uow, payment.id),
        lambda uow: commands.send_payment(uow, payment.id),
        lambda uow: commands.record_evidence(uow, payment.id, evidence),
        lambda uow: agreements.suspend_agreement(uow, payment.agreement_id, "no"),
        lambda uow: grant_by_id(uow, payment.grant_id),
        lambda uow: grants(uow, PageQuery()),
    ):
        with pytest.raises(ForbiddenError):
            await world.run(deed, partner)


async def test_whoever_submitted_a_payment_does_not_release_it(world: World) -> None:
    payment = await world.approved()
    with pytest.raises(FourEyesError):
        await world.run(lambda uow: commands.release_payment(uow, payment.id), SUBMITTER)


async def test_a_failure_that_nobody_can_look_up_is_refused(world: World) -> None:
    payment = await world.sent()
    said = Evidence(Outcome.FAILED, EvidenceKind.BANK_CONFIRMATION, TODAY, None, "AC01")
    with pytest.raises(EvidenceError):
        await world.run(lambda uow: commands.record_evidence(uow, payment.id, said), TREASURY)
