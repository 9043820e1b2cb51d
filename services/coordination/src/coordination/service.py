"""The coordination service, as one table: what it owns, copies, reacts to and answers."""

from common.service import Service
from coordination.chores import CHORES
from coordination.clusters.api import routes as clusters
from coordination.clusters.events import CLUSTER
from coordination.commitments.api import routes as commitments
from coordination.crises.api import routes as crises
from coordination.crises.events import CRISIS
from coordination.invariants import INVARIANTS
from coordination.memberships.api import routes as memberships
from coordination.memberships.events import MEMBERSHIP
from coordination.mirrors.partners import PARTNERS
from coordination.reactions import REACTIONS
from coordination.settings import Settings, policy

SERVICE = Service(
    name="coordination",
    title="Coordination",
    description="Crises, the clusters that answer them, and which partner sits at which table.",
    settings=Settings,
    aggregates=(CRISIS, CLUSTER, MEMBERSHIP),
    scopes={
        "coordination.crises.read": "Read crises.",
        "coordination.crises.write": "Declare, close and reopen crises.",
        "coordination.clusters.read": "Read the cluster catalogue, clusters and commitments.",
        "coordination.clusters.write": "Activate, arrange and end clusters.",
        "coordination.memberships.read": "Read memberships, tables and gaps.",
        "coordination.memberships.request": "Ask, accept, decline and leave, for a partner.",
        "coordination.memberships.decide": "Invite, admit, reject and suspend, for a cluster.",
    },
    routes=(crises, clusters, commitments, *memberships),
    mirrors=(PARTNERS,),
    reactions=REACTIONS,
    invariants=INVARIANTS,
    policy=policy,
    chores=CHORES,
)
