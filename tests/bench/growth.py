"""What years of use cost: the same requests on a small history and on a hundred times as much."""

from collections.abc import Iterator
from contextlib import AsyncExitStack

from bench import fill
from bench.figures import Figure, times
from bench.scene import CONNECTIONS, Load, Process, Scene, Target, request
from bench.writing import submissions

SMALL, LARGE = 10_000, 1_000_000
FRESH_AGREEMENTS = 400
AGREEMENTS_PER_GRANT = 50
PAGE = 100
SCOPES = (
    "disbursement.payments.submit",
    "disbursement.payments.read",
    "disbursement.grants.read",
    "disbursement.events.read",
)


async def growth(scene: Scene) -> list[Figure]:
    """Milliseconds per request (16 connections) at 10 thousand and at 1 million journal rows."""
    sizes = (scene.scaled(SMALL, 5_000), scene.scaled(LARGE))
    async with AsyncExitStack() as stack:
        apis: list[Process] = []
        used = [fill.used_after(rows) for rows in sizes]
        for rows, first in zip(sizes, used, strict=True):
            name, grants = f"growth_{rows}", _grants(first)
            url = await stack.enter_async_context(scene.database(name, "disbursement"))
            await fill.history(url, rows, grants=grants)
            await fill.agreements(
                url, first=first + 1, last=first + FRESH_AGREEMENTS, grants=grants
            )
            api = scene.service("disbursement", "serve", url)
            apis.append(await stack.enter_async_context(api))
        token = scene.token("disbursement", scopes=SCOPES)
        fresh = [list(submissions(token, range(n + 1, n + FRESH_AGREEMENTS))) for n in used]
        figures = [await _figure(scene, "submit", apis, fresh, status=201)]
        for what, asked in (
            ("list page", [[request("GET", "/v1/payments?limit=50", token)]] * 2),
            ("feed page", [list(_feed(token, rows)) for rows in sizes]),
            ("balance", [list(_balances(token, n)) for n in used]),
        ):
            figures.append(await _figure(scene, what, apis, asked, status=200))
    return figures


async def _figure(
    scene: Scene, what: str, apis: list[Process], asked: list[list[bytes]], *, status: int
) -> Figure:
    small, large = await scene.compare(
        *(
            Target(api.port, requests, status, again=status == 200)
            for api, requests in zip(apis, asked, strict=True)
        ),
        rounds=3,
        seconds=1.5,
        warm_seconds=0.5,
    )
    return times(
        f"{what} at 1 million journal rows ÷ at 10 thousand",
        _each(large),
        _each(small),
        1 / large.over(small),
        1.3,
    )


def _each(load: Load) -> str:
    return f"{1000 * CONNECTIONS / load.rate:.1f} ms"


def _feed(token: str, rows: int) -> Iterator[bytes]:
    """Pages from all over the journal."""
    for position in range(0, rows - PAGE, max(PAGE, rows // 200)):
        yield request("GET", f"/v1/events?after=1-{position}&limit={PAGE}", token)


def _balances(token: str, used: int) -> Iterator[bytes]:
    for number in range(1, _grants(used) + 1):
        yield request("GET", f"/v1/grants/{fill.made_of('grant', number)}/balance", token)


def _grants(agreements: int) -> int:
    """As many agreements under each grant, however long the history."""
    return max(1, agreements // AGREEMENTS_PER_GRANT)
