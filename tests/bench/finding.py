"""How long a large import takes and how much memory, and how soon a partner is found afterwards."""

import asyncio
import csv
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from time import perf_counter
from urllib.parse import quote

import psutil

from bench.figures import Figure, at_most
from bench.scene import Scene, Target, execute, request
from common.process import Child

PARTNERS = 100_000
IMPORT_SECONDS = 300.0
READ = "registry.partners.read"

ADJECTIVES = (
    "Rural Coastal Northern Southern Eastern Western Highland Riverine United National Local "
    "Community Green Blue Golden Silver Hopeful Caring Helping Bright New First Free Open"
)
NOUNS = (
    "Women Youth Farmers Fishers Teachers Nurses Health Water Education Shelter Nutrition Children "
    "Families Refugees Elders Artisans Weavers Builders Doctors Volunteers Neighbours Harvest"
)
BODIES = (
    "Association Society Foundation Network Alliance Trust Union Council Initiative Committee "
    "Federation Movement Collective Circle Centre Organisation Forum Partnership Mission Fund"
)
SYLLABLES = "ba de ki lo mu na pe ra si to va we ya zo chi gha sho ndu ora bel"
TYPES = ("441", "437", "431", "444", "439")

SOME_ACTIVE = """
SET session_replication_role = replica;
UPDATE partner SET status = 'active', verified = true, eligibility = 'eligible',
    eligibility_reasons = '{}', holds_until = '2039-06-30', local = 'yes'
WHERE hashtext(id::text) % 5 = 0;
VACUUM ANALYZE
"""


async def search(scene: Scene) -> list[Figure]:
    """Import a file of organisations, then find them by mistyped names and by facets."""
    count = scene.scaled(PARTNERS)
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(scene.database("search", "registry"))
        file = scene.folder / "organisations.csv"
        _write(file, count)
        seconds, early_mb, peak_mb = await _import(scene, url, file)
        for statement in SOME_ACTIVE.split(";"):
            await execute(url, statement)
        api = await stack.enter_async_context(scene.service("registry", "serve", url))
        token = scene.token("registry", scopes=[READ])
        typed = [
            request("GET", f"/v1/partners?limit=20&name={quote(_mistyped(_name(n)))}", token)
            for n in range(0, count, max(1, count // 500))
        ]
        facets = [request("GET", f"/v1/partners?limit=20&{each}", token) for each in _facets()]
        by_name, by_facet = await scene.compare(
            Target(api.port, typed, 200, again=True),
            Target(api.port, facets, 200, again=True),
            connections=1,
            rounds=3,
        )
    return [
        at_most(f"import of {count:,} organisations", seconds, 60, "s", places=1),
        at_most(
            "  its memory at most ÷ after a third of it", peak_mb / early_mb, 1.25, "×", places=2
        ),
        Figure("  its memory at most", f"{peak_mb:,.0f} MB"),
        at_most(f"{count:,} partners by a mistyped name, p99", by_name.p99_ms, 80, "ms", places=1),
        at_most(f"{count:,} partners by facet, p99", by_facet.p99_ms, 15, "ms", places=1),
    ]


def _write(file: Path, count: int) -> None:
    with file.open("w", encoding="utf-8", newline="") as opened:
        rows = csv.writer(opened)
        rows.writerow(("acronym", "name", "org_type_code", "org_type_description"))
        for number in range(count):
            name = _name(number)
            acronym = "".join(word[0] for word in name.split())
            rows.writerow((acronym, name, TYPES[number % len(TYPES)], ""))


def _name(number: int) -> str:
    """A name that no other number has: its place is spelt from the number."""
    place, rest = "", number
    while not place or rest:
        rest, syllable = divmod(rest, len(SYLLABLES.split()))
        place += _nth(SYLLABLES, syllable)
    return " ".join(
        (
            place.capitalize(),
            _nth(ADJECTIVES, number),
            _nth(NOUNS, number // 7),
            _nth(BODIES, number // 3),
        )
    )


def _nth(words: str, number: int) -> str:
    listed = words.split()
    return listed[number % len(listed)]


def _mistyped(name: str) -> str:
    """Two letters of its longest word the wrong way round."""
    longest = max(name.split(), key=len)
    middle = len(longest) // 2
    slip = longest[: middle - 1] + longest[middle] + longest[middle - 1] + longest[middle + 1 :]
    return name.replace(longest, slip)


def _facets() -> Iterator[str]:
    for kind in ("national_ngo", "international_ngo", "university_research"):
        yield f"kind={kind}"
        yield f"kind={kind}&status=active&local=yes"
        yield f"eligibility=eligible&kind={kind}&country=BGD"
    yield "status=draft"
    yield "country=BGD&eligibility=ineligible"


async def _import(scene: Scene, url: str, file: Path) -> tuple[float, float, float]:
    """Seconds, and the process's memory in MB after a third of them and at most."""
    child = Child(
        "registry import",
        [sys.executable, "-m", "registry", "import", str(file), "--country", "BGD"],
        log=scene.folder / "logs" / "import.log",
        env=scene.environment("registry", url),
    )
    began = perf_counter()
    child.start()
    seen: list[float] = []
    try:
        process = psutil.Process(child.pid)
        while child.alive and perf_counter() - began < IMPORT_SECONDS:
            with suppress(psutil.NoSuchProcess):
                seen.append(process.memory_info().rss / 1e6)
            await asyncio.sleep(0.05)
        seconds = perf_counter() - began
    finally:
        child.stop()
    if child.returncode:
        raise RuntimeError(f"the import ended with {child.returncode}.\n{child.tail()}")
    return seconds, max(seen[: len(seen) // 3 + 1]), max(seen)
