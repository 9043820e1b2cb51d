"""The trail of one thing over HTTP: every change with its reasons, for auditors of its country."""

from __future__ import annotations

import pytest

from common.db.driver import borrowed
from common.journal import trail
from journal_kit import EDITOR, IDS, add, erase, rename
from support.api import Api

MADE = "int.iom.test.thing.made.v1"


async def test_a_trail_tells_every_change_with_its_written_reasons(api: Api) -> None:
    (lamp,) = await add(api, "lamp", private={"reason": "asked by phone"})
    await api.units.run(lambda uow: rename(uow, lamp, "lantern"), actor=EDITOR)
    first, second = (await api.get(f"/v1/journal/{lamp}")).json()["items"]
    assert (first["type"], first["sequence"], first["position"]) == (MADE, "0001-0000000001", 1)
    assert (first["actor"], first["reason"]) == ("editor@test", "made_by_hand")
    assert (first["secrecy"], first["private"]) == ("open", {"reason": "asked by phone"})
    assert (second["secrecy"], second["private"], second["position"]) == ("none", None, None)
    assert second["data"]["change"] == {"before": "lamp"}


async def test_an_erased_trail_keeps_what_happened_and_loses_why(api: Api) -> None:
    (lamp,) = await add(api, "lamp", private={"reason": "asked by phone"})
    await api.units.run(lambda uow: erase(uow, lamp), actor=EDITOR)
    first, last = (await api.get(f"/v1/journal/{lamp}")).json()["items"]
    assert (first["secrecy"], first["private"]) == ("erased", None)
    assert last["type"] == "int.iom.test.thing.erased.v1"


async def test_a_private_part_that_does_not_open_is_told_and_harms_nothing(api: Api) -> None:
    (lamp,) = await add(api, "lamp", private={"reason": "x"})
    async with borrowed(api.runtime.engine) as driver:
        await driver.execute("UPDATE stream_key SET wrapped = sha256('another') || sha256('key')")
    (first,) = (await api.get(f"/v1/journal/{lamp}")).json()["items"]
    assert (first["secrecy"], first["private"]) == ("unreadable", None)


async def test_a_trail_comes_in_pages(api: Api) -> None:
    (lamp,) = await add(api, "lamp")
    for number in range(4):
        await api.units.run(lambda u, n=number: rename(u, lamp, f"n{n}"), actor=EDITOR)  # type: ignore[misc]
    found, path = [], f"/v1/journal/{lamp}?limit=2"
    while True:
        page = (await api.get(path)).json()
        found += [entry["sequence"] for entry in page["items"]]
        if page["next"] is None:
            break
        path = f"/v1/journal/{lamp}?limit=2&cursor={page['next']}"
    assert found == [f"0001-{version:010d}" for version in range(1, 6)]


async def test_a_trail_needs_its_own_scope(api: Api) -> None:
    (lamp,) = await add(api, "lamp")
    headers = api.token("test.events.read")
    assert (await api.get(f"/v1/journal/{lamp}", headers=headers)).status_code == 403


async def test_a_trail_of_another_country_or_for_a_bound_token_is_refused(api: Api) -> None:
    (lamp,) = await add(api, "lamp", country="SSD")
    scope = "test.journal.read"
    for claims in ({"countries": ["BGD"]}, {"partner": str(lamp)}):
        headers = api.token(scope, **claims)
        assert (await api.get(f"/v1/journal/{lamp}", headers=headers)).status_code == 403
    headers = api.token(scope, countries=["SSD"])
    assert (await api.get(f"/v1/journal/{lamp}", headers=headers)).status_code == 200


async def test_a_trail_of_nothing_is_not_found(api: Api) -> None:
    assert (await api.get(f"/v1/journal/{IDS.new()}")).status_code == 404


async def test_a_trail_of_something_erased_stays_a_matter_of_its_country(api: Api) -> None:
    (lamp,) = await add(api, "lamp", country="SSD")
    await api.units.run(lambda uow: erase(uow, lamp), actor=EDITOR)
    for countries, status in ((["BGD"], 403), (["SSD"], 200)):
        headers = api.token("test.journal.read", countries=countries)
        assert (await api.get(f"/v1/journal/{lamp}", headers=headers)).status_code == status


async def test_a_page_of_a_trail_is_bounded_in_bytes_and_misses_nothing(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trail, "MAX_BYTES", 1000)
    (lamp,) = await add(api, "x" * 900, private={"reason": "y" * 900})
    for number in range(4):
        await api.units.run(lambda u, n=number: rename(u, lamp, str(n) * 400), actor=EDITOR)  # type: ignore[misc]
    sizes, found, path = [], [], f"/v1/journal/{lamp}?limit=3"
    while path:
        page = (await api.get(path)).json()
        sizes.append(len(page["items"]))
        found += [entry["sequence"] for entry in page["items"]]
        path = page["next"] and f"/v1/journal/{lamp}?limit=3&cursor={page['next']}"
    assert found == [f"0001-{version:010d}" for version in range(1, 6)]
    assert sizes == [1, 1, 2, 1]
