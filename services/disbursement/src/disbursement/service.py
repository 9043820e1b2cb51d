"""The disbursement service, as one table: what it owns, copies, reacts to and answers."""

from common.service import Service
from disbursement.agreements.api import routes as agreements
from disbursement.agreements.events import AGREEMENT
from disbursement.cli import own_commands
from disbursement.grants.api import routes as grants
from disbursement.grants.events import GRANT
from disbursement.invariants import INVARIANTS
from disbursement.mirrors.partners import PARTNERS
from disbursement.payments.api import routes as payments
from disbursement.payments.events import PAYMENT
from disbursement.reactions import REACTIONS
from disbursement.settings import Settings, policy
from disbursement.transparency.api import routes as transparency


def _disbursement() -> Service:
    return SERVICE


SERVICE = Service(
    name="disbursement",
    title="Disbursement",
    description="Grants, agreements, payments, their ledger: emergency money, exact and provable.",
    settings=Settings,
    aggregates=(GRANT, AGREEMENT, PAYMENT),
    scopes={
        "disbursement.grants.read": "Read grants, their balances and ledger.",
        "disbursement.grants.write": "Register grants and record what was received.",
        "disbursement.agreements.read": "Read agreements.",
        "disbursement.agreements.write": "Draft agreements and bring them to signature.",
        "disbursement.agreements.sign": "Sign, activate, suspend, resume and terminate agreements.",
        "disbursement.payments.read": "Read payments, approvals, holds and evidence.",
        "disbursement.payments.submit": "Submit and revise payments.",
        "disbursement.payments.approve": "Approve and reject payments; people only.",
        "disbursement.payments.hold": "Hold payments and lift a person's hold; people only.",
        "disbursement.payments.release": "Release and send approved payments.",
        "disbursement.payments.evidence": "Record and confirm what the bank says.",
        "disbursement.payments.confirm": "Confirm, as the recipient, that money arrived.",
        "disbursement.transparency.read": "Read shares, directness and speed.",
    },
    routes=(grants, agreements, *payments, transparency),
    mirrors=(PARTNERS,),
    reactions=REACTIONS,
    invariants=INVARIANTS,
    policy=policy,
    cli=(own_commands(_disbursement),),
)
