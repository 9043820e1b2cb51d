"""What can be done to an agreement.

drafting    draft, hand to the reviewers, pass the review, return, cancel
signing     sign, activate, suspend, resume, terminate: what moves the grant's money or lets it move
"""

from disbursement.agreements.commands.drafting import (
    NewAgreement,
    cancel_agreement,
    draft_agreement,
    pass_agreement_review,
    return_agreement_to_draft,
    submit_agreement_for_review,
)
from disbursement.agreements.commands.signing import (
    activate_agreement,
    resume_agreement,
    sign_agreement,
    suspend_agreement,
    terminate_agreement,
)

__all__ = [
    "NewAgreement",
    "activate_agreement",
    "cancel_agreement",
    "draft_agreement",
    "pass_agreement_review",
    "resume_agreement",
    "return_agreement_to_draft",
    "sign_agreement",
    "submit_agreement_for_review",
    "suspend_agreement",
    "terminate_agreement",
]
