"""What the story knows: its people, its organisations, and how long it waits for things."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from common.dev.audit import compare_mirrors
from common.dev.stack import Stack
from journeys.people import Crew, RefusedError

COUNTRY = "BGD"
GRANT = Decimal("3000000.00")
BOUND_SECONDS = 4.0
"""How old the mirror of partners may be before money stops, in the demonstration: a short one."""

PATIENCE_SECONDS = 30.0


@dataclass
class Ngo:
    """An organisation of the story. `amount`: illustrative. `seats`: the clusters it sits in."""

    name: str
    acronym: str | None
    kind: str
    country: str
    affiliation: str
    amount: str
    seats: tuple[str, ...]
    id: str = ""
    local: str = ""
    agreement: str = ""
    payment: str = ""


def cast() -> list[Ngo]:
    """The five NGOs that were named, with illustrative amounts."""
    return [
        Ngo("BRAC", None, "national_ngo", COUNTRY, "none", "845000.00", ("HEA", "WSH")),
        Ngo("Friendship", None, "national_ngo", COUNTRY, "none", "640000.00", ("HEA",)),
        Ngo(
            "Reaching People in Need", "RPN", "national_ngo", COUNTRY, "none", "275000.00", ("WSH",)
        ),
        Ngo(
            "Save the Children International", "SCI", "international_ngo", "GBR", "none",
            "760000.00", ("HEA",),
        ),
        Ngo(
            "World Vision International", "WVI", "international_ngo", "USA", "none",
            "480000.00", ("HEA", "WSH"),
        ),
    ]  # fmt: skip


@dataclass(frozen=True)
class Step:
    """Something that happened: in which service, what, and what came of it."""

    service: str
    what: str
    outcome: str


@dataclass
class World:
    """What the story has come to know."""

    stack: Stack
    crew: Crew
    today: date
    ngos: list[Ngo] = field(default_factory=cast)
    crisis: str = ""
    clusters: dict[str, str] = field(default_factory=dict)
    grant: str = ""

    @property
    def suspended(self) -> Ngo:
        """The national NGO that is suspended halfway."""
        return self.ngos[1]

    @property
    def delayed(self) -> Ngo:
        """The NGO whose payment meets a stale mirror."""
        return self.ngos[2]


# --- waiting ------------------------------------------------------------------------------------


async def payment_status(world: World, ngo: Ngo) -> str:
    payment = await world.crew.auditor.get("disbursement", f"/v1/payments/{ngo.payment}")
    return str(payment["status"])


async def seat_status(world: World, ngo: Ngo) -> str:
    seats = await world.crew.auditor.get(
        "coordination", "/v1/memberships", partner_id=ngo.id, code="HEA"
    )
    return str(seats["items"][0]["status"])


async def mirror_problem(world: World) -> str:
    mirrors = await world.crew.auditor.get("disbursement", "/v1/mirrors")
    return str(mirrors["mirrors"][0]["problem"])


async def until(read: Callable[[], Any], wanted: str) -> None:
    """Wait until `read` gives `wanted`. Raises TimeoutError naming what it gave last."""
    found = await read()
    for _ in range(int(PATIENCE_SECONDS / 0.1)):
        if found == wanted:
            return
        await asyncio.sleep(0.1)
        found = await read()
    raise TimeoutError(f"waited {PATIENCE_SECONDS:g} s for {wanted!r}; it is {found!r}")


NOT_KNOWN_YET = ("partner_state_too_old", "past_uncertain")
"""Refusals that pass: of the partner's state, and of our own publisher's sight of Kafka."""


async def eventually(act: Callable[[], Any]) -> Any:
    """Try `act` again, as a client does, while the refusal says that something is not known yet."""
    for _ in range(int(PATIENCE_SECONDS / 0.25)):
        try:
            return await act()
        except RefusedError as refused:
            if refused.code not in NOT_KNOWN_YET and refused.status != 503:
                raise
        await asyncio.sleep(0.25)
    return await act()


async def settled(world: World) -> None:
    """Wait until every mirror equals its owner."""

    async def same() -> str:
        rows = await compare_mirrors(world.crew.auditor.http, {s: s for s in world.stack.urls})
        return str(all(equal for *_, equal in rows))

    await until(same, "True")


async def refusal(act: Any) -> str:
    """The code with which `act` is refused; a success is an error."""
    try:
        await act
    except RefusedError as refused:
        return refused.code
    raise AssertionError("this should have been refused")
