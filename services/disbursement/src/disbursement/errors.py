"""Every refusal of this service, as one tree (see `common.errors` for the branches).

DomainError
├── InvalidError
│   ├── CurrencyMismatchError        two currencies where one is meant
│   ├── InexactAmountError           finer than the currency's smallest coin
│   ├── CodeMismatchError            the code's window is not the grant's
│   ├── ChainError                   the funders do not lead from a donor to us
│   ├── ScheduleError                tranches that do not make up the amount
│   ├── DatesError                   an order of dates that cannot be, a future or a missing one
│   ├── SelectionError               a direct selection without its justification, or the reverse
│   ├── TrancheMismatchError         not the tranche's exact amount
│   └── EvidenceError                this kind of evidence does not prove that outcome
├── ForbiddenError
│   ├── FourEyesError                the same person twice
│   └── ApproverRoleError            the amount asks for another role
└── ConflictError
    ├── NotCoveredError              a purse would be overdrawn
    ├── BeyondGrantError             more received than was granted
    ├── TrancheTakenError            the tranche has a live payment
    ├── TrancheTooEarlyError         an earlier tranche is not paid yet
    ├── AgreementNotActiveError      only an active agreement is paid
    ├── PaymentsOpenError            the agreement still has payments on their way
    ├── PayloadChangedError          approved something else than what stands there now
    ├── RevisionNeededError          rejected as it stands; revise it first
    ├── AlreadyActedError            one action per person and revision
    ├── AlreadyHeldError             this cause holds it already
    ├── NotHeldError                 nothing of this cause to lift
    ├── StillHeldError               a draft that was held, and is not let go yet
    ├── AlreadyConfirmedError        confirmed before
    ├── NotWaitingError              that evidence waits for nobody
    ├── ContradictingEvidenceError   other evidence that waits names another outcome
    ├── AlreadySentError             too late to hold
    ├── UnknownTermError             no configured term covers that day
    ├── PastUncertainError           what has left may be more than this database knows
    └── PartnerStateError            decided on the registry's state, as we know it (from a mirror)
        ├── PartnerUnknownError          no record of the partner has reached us
        ├── PartnerIneligibleError       the registry says no, or its yes has lapsed
        └── PartnerStateTooOldError      what we know is older than money may rest on
"""

from common.errors import ConflictError, ForbiddenError, InvalidError


class CurrencyMismatchError(InvalidError):
    code = "currency_mismatch"
    title = "The currencies differ"


class InexactAmountError(InvalidError):
    code = "inexact_amount"
    title = "Finer than the currency's smallest coin"


class CodeMismatchError(InvalidError):
    code = "code_mismatch"
    title = "The code belongs to another window"


class ChainError(InvalidError):
    code = "funding_chain"
    title = "The chain of funders does not hold together"


class ScheduleError(InvalidError):
    code = "schedule"
    title = "The tranches do not make up the amount"


class DatesError(InvalidError):
    code = "dates"
    title = "The dates cannot be"


class SelectionError(InvalidError):
    code = "selection"
    title = "The selection is not justified as it must be"


class TrancheMismatchError(InvalidError):
    code = "tranche_mismatch"
    title = "Not the tranche's exact amount"


class EvidenceError(InvalidError):
    code = "evidence"
    title = "That evidence does not prove that outcome"


class FourEyesError(ForbiddenError):
    code = "four_eyes"
    title = "It takes another person"


class ApproverRoleError(ForbiddenError):
    code = "approver_role"
    title = "The amount asks for another role"


class NotCoveredError(ConflictError):
    code = "not_covered"
    title = "The money is not there"


class BeyondGrantError(ConflictError):
    code = "beyond_grant"
    title = "More than the grant"


class TrancheTakenError(ConflictError):
    code = "tranche_taken"
    title = "The tranche has a payment already"


class TrancheTooEarlyError(ConflictError):
    code = "tranche_too_early"
    title = "An earlier tranche comes first"


class AgreementNotActiveError(ConflictError):
    code = "agreement_not_active"
    title = "The agreement is not active"


class PaymentsOpenError(ConflictError):
    code = "payments_open"
    title = "Payments are still on their way"


class PayloadChangedError(ConflictError):
    code = "payload_changed"
    title = "It is not what was seen"


class RevisionNeededError(ConflictError):
    code = "revision_needed"
    title = "It was rejected as it stands"


class AlreadyActedError(ConflictError):
    code = "already_acted"
    title = "One action per person and revision"


class AlreadyHeldError(ConflictError):
    code = "already_held"
    title = "It is held already"


class NotHeldError(ConflictError):
    code = "not_held"
    title = "There is no such hold"


class StillHeldError(ConflictError):
    code = "still_held"
    title = "Something still holds it"


class AlreadyConfirmedError(ConflictError):
    code = "already_confirmed"
    title = "It is confirmed already"


class NotWaitingError(ConflictError):
    code = "not_waiting"
    title = "That evidence waits for nobody"


class ContradictingEvidenceError(ConflictError):
    code = "contradicting_evidence"
    title = "The evidence contradicts itself"


class AlreadySentError(ConflictError):
    code = "already_sent"
    title = "It has left already"


class UnknownTermError(ConflictError):
    code = "unknown_term"
    title = "No configured term covers that day"


class PastUncertainError(ConflictError):
    code = "past_uncertain"
    title = "It is not certain what has left already"
    transient = True
    retry_after_seconds = 5


class PartnerStateError(ConflictError):
    code = "partner_state"
    title = "The partner's state forbids it"
    from_mirror = True


class PartnerUnknownError(PartnerStateError):
    code = "partner_unknown"
    title = "The registry has told us nothing of this partner"
    transient = True
    retry_after_seconds = 5


class PartnerIneligibleError(PartnerStateError):
    code = "partner_ineligible"
    title = "The partner may not be paid now"


class PartnerStateTooOldError(PartnerStateError):
    code = "partner_state_too_old"
    title = "What we know of partners is too old"
    transient = True
    retry_after_seconds = 5
