"""Whether a partner may be paid, by what the mirror holds of it."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

import pytest

from disbursement.errors import PartnerIneligibleError, PartnerUnknownError
from disbursement.mirrors.partners import (
    NotPayable,
    Partner,
    PartnerSeen,
    must_be_payable,
)

TODAY = date(2020, 6, 22)
FACTS: dict[str, Any] = {
    "id": UUID(int=1),
    "readable": True,
    "gone": False,
    "eligibility": "eligible",
    "eligible_until": None,
}


@pytest.mark.parametrize(
    "facts, reason",
    [
        ({}, None),
        ({"eligible_until": TODAY}, None),
        ({"eligible_until": date(2020, 6, 21)}, "lapsed"),
        ({"eligibility": "ineligible"}, "ineligible"),
        ({"eligibility": "provisional"}, "provisional"),
        ({"eligibility": "a new word"}, "ineligible"),
        ({"eligibility": None}, "ineligible"),
        ({"readable": False}, "unreadable"),
        ({"gone": True}, "gone"),
    ],
)
def test_only_an_eligible_partner_of_today_is_payable(
    facts: dict[str, Any], reason: str | None
) -> None:
    partner = Partner(**FACTS | facts)
    assert partner.not_payable(TODAY) == (reason and NotPayable(reason))


def test_a_partner_that_is_not_payable_is_refused_with_the_reason() -> None:
    with pytest.raises(PartnerIneligibleError) as refused:
        must_be_payable(Partner(**FACTS | {"gone": True}), TODAY)
    assert refused.value.facts["reason"] == "gone"


def test_a_partner_that_we_never_heard_of_is_refused() -> None:
    with pytest.raises(PartnerUnknownError):
        must_be_payable(None, TODAY)


def test_what_we_do_not_need_of_a_partner_is_ignored() -> None:
    seen = PartnerSeen.model_validate(
        {"eligibility": "eligible", "eligible_until": "2029-06-30", "acronym": "SHS", "new": 1}
    )
    assert seen.eligible_until == date(2029, 6, 30)
