"""How many statements an operation sends: each is a round trip."""

from __future__ import annotations

from support.registry import REASON, SHAPLA, Registry, done, made
from support.statements import counted


async def test_a_registration_sends_six(registry: Registry) -> None:
    await registry.register()  # the first one also learns the epoch
    numbers = [{"scheme": "fts", "value": "12"}]
    body = {**SHAPLA, "legal_name": "Lotus", "identifiers": numbers}
    async with counted(registry.api.runtime.engine) as sent:
        made(await registry.api.post("/v1/partners", json=body))
    assert len(sent) == 6, sent  # begin, partner, identifiers, words, journal, commit


async def test_a_read_sends_one(registry: Registry) -> None:
    partner = await registry.register()
    async with counted(registry.api.runtime.engine) as sent:
        done(await registry.api.get(f"/v1/partners/{partner['id']}"))
    assert len(sent) == 1, sent


async def test_a_page_sends_two(registry: Registry) -> None:
    await registry.register()
    async with counted(registry.api.runtime.engine) as sent:
        assert await registry.found(country="BGD") != []
    assert len(sent) == 2, sent  # the feed's position, the page


async def test_a_search_by_name_sends_three_or_four(registry: Registry) -> None:
    await registry.register()
    async with counted(registry.api.runtime.engine) as sent:
        assert await registry.found(name="shapla") != []
    assert len(sent) == 3, sent  # the feed's position, words alike, the partners
    async with counted(registry.api.runtime.engine) as sent:
        assert await registry.found(name="shapla health") != []
    assert len(sent) == 4, sent  # and once more with one word left out


async def test_a_suspension_sends_six(registry: Registry) -> None:
    partner = await registry.active()
    tag = (await registry.api.get(f"/v1/partners/{partner['id']}")).headers["etag"]
    async with counted(registry.api.runtime.engine) as sent:
        done(
            await registry.api.post(
                f"/v1/partners/{partner['id']}/suspend", json=REASON, headers={"If-Match": tag}
            )
        )
    assert len(sent) == 6, sent  # begin, lock, update, the stream's key, journal, commit
