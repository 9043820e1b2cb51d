"""The whole story over HTTP and real Kafka, with the three services as three processes."""

from pathlib import Path

import pytest
from rich.console import Console

from common.clock import SystemClock
from common.dev.audit import report
from common.dev.stack import Stack
from journeys.demo import ENVIRONMENT, answers
from journeys.people import Crew
from journeys.story import tell
from journeys.world import Step, World


@pytest.mark.timeout(240)
async def test_a_partner_is_verified_seated_suspended_reinstated_and_paid(tmp_path: Path) -> None:
    console = Console(quiet=True)
    async with Stack(tmp_path, environment=ENVIRONMENT, console=console) as stack:
        async with Crew(stack) as crew:
            world = World(stack, crew, SystemClock().now().date())
            steps = [step async for step in tell(world)]
            tables = await answers(world)
            seats = await crew.registrar.get(
                "registry", f"/v1/partners/{world.suspended.id}/memberships"
            )
        assert await report(console, stack.state())
    assert _outcomes(steps, "is paid") == ["settled"] * 4
    assert _outcomes(steps, "refused, nothing moves") == [
        "partner_state_too_old; still reserved: 549,000.00"
    ]
    assert _outcomes(steps, "seat in HEA is") == ["suspended", "active"]
    assert [seat["status"] for seat in seats["items"]] == ["active"]
    assert all(table.row_count for table in tables)


def _outcomes(steps: list[Step], words: str) -> list[str]:
    return [step.outcome for step in steps if words in step.what]
