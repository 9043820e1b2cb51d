"""How fast payments are submitted, spread over grants or all on one, and keys are replayed.

The API runs alone (`serve`); what the worker costs beside it is shown by the line that runs both in
one process. Every request is a payment of its own: a tranche is paid once.
"""

from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack

from bench import bare, fill
from bench.figures import Figure, at_most, ratio
from bench.scene import CONNECTIONS, Scene, Target, dsn_of, execute, request
from common.ids import Uuid7Ids

GRANTS = 200
HISTORY = 10_000
SUBMIT = "disbursement.payments.submit"

_ids = Uuid7Ids()


async def submit(scene: Scene) -> list[Figure]:
    """Submitting, spread and on one grant, and replaying, each beside the bare insert."""
    fresh = scene.scaled(4_000)
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(scene.database("submit", "disbursement"))
        used = await fill.history(url, HISTORY, grants=GRANTS)
        await fill.agreements(url, first=used + 1, last=used + fresh, grants=GRANTS)
        await execute(url, bare.TABLES)
        await scene.kafka()
        floor = await stack.enter_async_context(scene.bare(dsn_of(url)))
        token = scene.token("disbursement", scopes=[SUBMIT])
        quarters = [
            range(used + 1 + n * fresh // 4, used + 1 + (n + 1) * fresh // 4) for n in range(4)
        ]
        spread = list(submissions(token, quarters[0]))
        hot = list(_one_after_another(token, quarters[1]))
        both = list(submissions(token, quarters[2]))
        inserts = list(_inserts())
        async with scene.service("disbursement", "serve", url) as api:
            bare_load, load = await scene.compare(
                Target(floor.port, inserts, 201, again=True), Target(api.port, spread, 201)
            )
            spread_load, hot_load = await scene.compare(
                Target(api.port, list(submissions(token, quarters[3])), 201),
                Target(api.port, hot, 201),
                rounds=3,
            )
            known = spread[: 10 * CONNECTIONS]
            floor_again, replay = await scene.compare(
                Target(floor.port, inserts, 201, again=True),
                Target(api.port, known, 201, again=True),
                rounds=3,
            )
        async with scene.service("disbursement", "run", url) as whole:
            beside, with_worker = await scene.compare(
                Target(floor.port, inserts, 201, again=True),
                Target(whole.port, both, 201),
                rounds=3,
            )
    return [
        ratio("payment submit ÷ bare insert", load.rate, bare_load.rate, 0.30,
              of_rounds=load.over(bare_load)),
        at_most("payment submit, p99 with 16 connections", load.p99_ms, 60, "ms"),
        Figure("  with sealing and publishing in the same process", f"{with_worker.rate:,.0f}/s",
               f"{beside.rate:,.0f}/s", f"{with_worker.over(beside):.2f}"),
        ratio("one hot grant, 16 writers ÷ spread", hot_load.rate, spread_load.rate, 0.5,
              of_rounds=hot_load.over(spread_load)),
        ratio("replay of a known key ÷ bare insert", replay.rate, floor_again.rate, 0.45,
              of_rounds=replay.over(floor_again)),
    ]  # fmt: skip


def submissions(token: str, agreements: Sequence[int]) -> Iterator[bytes]:
    """Every tranche of these agreements, so that neighbours are of other grants."""
    for tranche in range(1, fill.TRANCHES + 1):
        for number in agreements:
            yield _submission(token, number, tranche)


def _one_after_another(token: str, agreements: Sequence[int]) -> Iterator[bytes]:
    """The same, agreement by agreement: whoever writes at one moment writes on the same purses."""
    for number in agreements:
        for tranche in range(1, fill.TRANCHES + 1):
            yield _submission(token, number, tranche)


def _submission(token: str, agreement: int, tranche: int) -> bytes:
    return request(
        "POST", "/v1/payments", token, _body(agreement, tranche), Idempotency_Key=str(_ids.new())
    )


def _inserts() -> Iterator[bytes]:
    for number in range(1, 1_000):
        yield request("POST", "/payments", body=_body(number, 1))


def _body(agreement: int, tranche: int) -> dict[str, object]:
    return {
        "agreement_id": str(fill.made_of("agreement", agreement)),
        "tranche": tranche,
        "amount": "1000.00",
        "currency": "USD",
    }
