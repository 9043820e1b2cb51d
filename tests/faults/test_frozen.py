"""SIGSTOP in the middle of a batch: another process takes over, and the frozen one wakes up late.

The frozen process knows nothing of what happened meanwhile. It must not add, move or overwrite
anything, and it must find out by itself that it was superseded.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import psutil
import pytest

from common.points import Point
from common.process import Child, free_port
from faults.scene import Scene
from faults.topics import newest_is_last, order_is_kept

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("faults"),
    pytest.mark.timeout(180),
]

PARTNERS = "registry.partner.v1"

# Whatever goes back is written down by the database itself, however short it lasts.
WATCH = """
CREATE TABLE went_back (what text);
CREATE FUNCTION note_offset() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO went_back VALUES (format('%s/%s from offset %s to %s', OLD.topic, OLD.partition,
                                         OLD.next_offset, NEW.next_offset));
    RETURN NULL;
END $$;
CREATE FUNCTION note_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO went_back VALUES (format('%s from %s to %s', OLD.id, OLD.sequence, NEW.sequence));
    RETURN NULL;
END $$;
CREATE TRIGGER note_offset AFTER UPDATE ON mirror_partition
    FOR EACH ROW WHEN (NEW.next_offset < OLD.next_offset) EXECUTE FUNCTION note_offset();
CREATE TRIGGER note_row AFTER UPDATE ON partner_mirror
    FOR EACH ROW WHEN (NEW.sequence < OLD.sequence) EXECUTE FUNCTION note_row();
"""
UNWATCH = "DROP FUNCTION note_offset, note_row CASCADE; DROP TABLE went_back;"


async def test_a_publisher_frozen_in_a_batch_and_superseded_leaves_the_newest_record_last(
    scene: Scene,
) -> None:
    partner = await scene.new_partner()
    await scene.published("registry")
    await scene.restart("registry", PAUSE_AT=Point.IN_KAFKA_TRANSACTION)
    old, address = scene.stack.processes["registry"], scene.stack.urls["registry"]
    await scene.until(lambda: leads(address))
    async with another(scene, "registry") as successor:
        # It freezes with the suspension in an open transaction, perhaps before it could answer.
        suspending = asyncio.create_task(scene.suspend(partner, timeout=3.0))
        await scene.until(lambda: is_frozen(old))
        scene.stack.urls["registry"] = successor
        await suspending
        await scene.is_eligible(partner, "ineligible")
        await scene.reinstate(partner)
        await scene.is_eligible(partner)
        old.resume()
        await scene.until(lambda: has_broken_off(address))
        assert not await leads(address)
        await newest_is_last(scene, PARTNERS)
        scene.stack.urls["registry"] = address
    # The other one has gone. The old one stood for election again, and publishes.
    await scene.suspend(partner)
    await scene.is_eligible(partner, "ineligible")
    await scene.holds_together()
    await order_is_kept(scene, PARTNERS, [partner])


async def test_a_consumer_frozen_with_a_batch_and_superseded_moves_nothing_back(
    scene: Scene,
) -> None:
    partner = await scene.new_partner()
    payment = (await scene.submit(await scene.new_agreement(partner, 1), 1)).json["id"]
    await scene.restart("disbursement", PAUSE_AT=Point.AFTER_POLL)
    await scene.execute("disbursement", WATCH)
    old, address = scene.stack.processes["disbursement"], scene.stack.urls["disbursement"]
    await scene.suspend(partner)
    await scene.until(lambda: is_frozen(old))
    async with another(scene, "disbursement") as successor:
        scene.stack.urls["disbursement"] = successor
        await scene.is_at(payment, "held")
        await scene.reinstate(partner)
        await scene.is_at(payment, "submitted")
        old.resume()
        await scene.until(lambda: has_said(old, "offsets_moved"))
        scene.stack.urls["disbursement"] = address
    await scene.suspend(partner)
    await scene.is_at(payment, "held")
    assert await scene.sql("disbursement", "SELECT what FROM went_back") == []
    await scene.execute("disbursement", UNWATCH)
    await scene.holds_together()
    assert await scene.changes("disbursement", payment) == ["submitted", "held", "resumed", "held"]


@asynccontextmanager
async def another(scene: Scene, service: str) -> AsyncIterator[str]:
    """One more process of `service`, on the same database and broker, at an address of its own."""
    prefix, port = service.upper(), free_port()
    address = f"http://127.0.0.1:{port}"
    child = Child(
        f"another {service}",
        [sys.executable, "-m", service, "run"],
        log=scene.stack.folder / "logs" / f"another-{service}.log",
        env={**scene.stack.service_environment(service), f"{prefix}_PORT": str(port)},
    )
    child.start()
    try:
        await scene.until(lambda: answers(address))
        yield address
    finally:
        await asyncio.to_thread(child.stop)


async def answers(address: str) -> bool:
    """Whether a process is ready there."""
    async with httpx.AsyncClient(trust_env=False) as http:
        try:
            return (await http.get(f"{address}/readyz")).status_code == 200
        except httpx.TransportError:
            return False


async def leads(address: str) -> bool:
    """Whether the process there says that it publishes."""
    return "frontline_publisher_leading 1.0" in await metrics(address)


async def has_broken_off(address: str) -> bool:
    """Whether the process there has ended a term because of an error."""
    return "frontline_publisher_failures_total{" in await metrics(address)


async def metrics(address: str) -> str:
    async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
        return (await http.get(f"{address}/metrics")).text


async def is_frozen(child: Child) -> bool:
    return psutil.Process(child.pid).status() == psutil.STATUS_STOPPED


async def has_said(child: Child, event: str) -> bool:
    return event in child.output()
