"""The registry, as one table: what it owns, copies, reacts to and answers."""

from common.chores import Chore
from common.service import Service
from registry.cli import own_commands
from registry.due_diligence.api import routes as due_diligence
from registry.due_diligence.commands import MAX_LAPSING, expire_lapsed
from registry.imports.api import routes as imports
from registry.invariants import INVARIANTS
from registry.memberships.api import routes as memberships
from registry.mirrors.memberships import MEMBERSHIPS
from registry.partners.api import routes as partners
from registry.partners.events import PARTNER
from registry.reactions import REACTIONS
from registry.search.api import routes as search
from registry.settings import Settings, policy


def _registry() -> Service:
    return SERVICE


SERVICE = Service(
    name="registry",
    title="Registry",
    description="Who our partners are, and whether we may work with them.",
    settings=Settings,
    aggregates=(PARTNER,),
    scopes={
        "registry.partners.read": "Find and read partners.",
        "registry.partners.write": "Register and revise partners.",
        "registry.partners.localise": "Decide whether a partner is local.",
        "registry.partners.suspend": "Suspend and reinstate partners.",
        "registry.partners.lock": "Lock partners; unlock them, for headquarters.",
        "registry.due_diligence.read": "Read documents, profile and verifications.",
        "registry.due_diligence.write": "Show documents, fill in the profile, submit.",
        "registry.due_diligence.review": "Review, verify and decide.",
        "registry.imports.read": "Read what an import did.",
        "registry.imports.write": "Import files of organisations.",
    },
    routes=(partners, search, due_diligence, memberships, imports),
    mirrors=(MEMBERSHIPS,),
    reactions=REACTIONS,
    invariants=INVARIANTS,
    policy=policy,
    deletes_from=("partner_identifier",),
    chores=(Chore("expire lapsed due diligence", expire_lapsed, MAX_LAPSING),),
    cli=(own_commands(_registry),),
)
