"""What can be done to a payment.

submission  submit, revise, submit again, withdraw
decision    approve, reject
holding     hold, lift a hold: one payment by a person, a partner's payments by reaction
release     release, send: everything is checked again, under lock
outcome     evidence from the bank, a second person's word on it, the recipient's confirmation
past        whether this database knows everything that has left
"""

from disbursement.payments.commands.decision import approve_payment, reject_payment
from disbursement.payments.commands.holding import (
    hold_payment,
    hold_payments_of_partner,
    lift_hold,
    lift_ineligibility,
)
from disbursement.payments.commands.outcome import (
    confirm_evidence,
    confirm_receipt,
    dismiss_evidence,
    record_evidence,
)
from disbursement.payments.commands.release import release_payment, send_payment
from disbursement.payments.commands.submission import (
    NewPayment,
    resubmit_payment,
    revise_payment,
    submit_payment,
    withdraw_payment,
)

__all__ = [
    "NewPayment",
    "approve_payment",
    "confirm_evidence",
    "confirm_receipt",
    "dismiss_evidence",
    "hold_payment",
    "hold_payments_of_partner",
    "lift_hold",
    "lift_ineligibility",
    "record_evidence",
    "reject_payment",
    "release_payment",
    "resubmit_payment",
    "revise_payment",
    "send_payment",
    "submit_payment",
    "withdraw_payment",
]
