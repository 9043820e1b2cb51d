"""The floor: the same requests and answers at their barest, with the same framework and driver.

One statement per request and typed models, as FastAPI is written everywhere; no authentication, no
checks, no domain, no journal. `…/ready` answers with JSON that lies ready in the table: less than
that cannot be done. `python -m bench.bare PORT DSN`.
"""

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

import asyncpg
import uvicorn
from fastapi import FastAPI, Response
from pydantic import BaseModel

from common.ids import Uuid7Ids

TABLES = """
CREATE TABLE bare_payment (
    id uuid PRIMARY KEY, agreement_id uuid NOT NULL, tranche int NOT NULL,
    amount numeric(19,4) NOT NULL, currency text NOT NULL,
    submitted_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE bare_partner (
    id uuid PRIMARY KEY, kind text, legal_name text, acronym text, names jsonb, country text,
    countries text[], headquarters_id uuid, led_by text[], identifiers jsonb, local text,
    local_evidence text[], status text, eligibility text, eligibility_reasons text[],
    eligible_until date, affiliation text, local_override text, verified boolean, holds_until date,
    registered_at timestamptz, body text NOT NULL);
CREATE INDEX bare_partner_name ON bare_partner (legal_name, id);
"""
INSERT = """
INSERT INTO bare_payment (id, agreement_id, tranche, amount, currency) VALUES ($1, $2, $3, $4, $5)
RETURNING submitted_at
"""
ONE = "SELECT * FROM bare_partner WHERE id = $1"
PAGE = "SELECT * FROM bare_partner ORDER BY legal_name, id LIMIT 50"
ONE_READY = "SELECT body FROM bare_partner WHERE id = $1"
PAGE_READY = "SELECT body FROM bare_partner ORDER BY legal_name, id LIMIT 50"
POOL = 10

ids = Uuid7Ids()


class Submission(BaseModel):
    agreement_id: UUID
    tranche: int
    amount: Decimal
    currency: str


class Payment(Submission):
    id: UUID
    submitted_at: datetime


class Name(BaseModel):
    text: str
    kind: str
    language: str | None
    script: str | None


class Identifier(BaseModel):
    scheme: str
    value: str


class Partner(BaseModel):
    id: UUID
    kind: str
    legal_name: str
    acronym: str | None
    names: list[Name]
    country: str
    countries: list[str]
    headquarters_id: UUID | None
    led_by: list[str]
    identifiers: list[Identifier]
    local: str
    local_evidence: list[str]
    status: str
    eligibility: str
    eligibility_reasons: list[str]
    eligible_until: date | None
    affiliation: str | None
    local_override: str | None
    verified: bool
    holds_until: date | None
    registered_at: datetime


class Partners(BaseModel):
    items: list[Partner]
    next: str | None = None


async def _set_up(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads
    )


@asynccontextmanager
async def _pool(app: FastAPI) -> AsyncIterator[None]:
    async with asyncpg.create_pool(
        sys.argv[2], min_size=POOL, max_size=POOL, init=_set_up
    ) as app.state.pool:
        yield


app = FastAPI(lifespan=_pool)


@app.post("/payments", status_code=201)
async def submit(body: Submission) -> Payment:
    id_ = ids.new()
    at = await app.state.pool.fetchval(
        INSERT, id_, body.agreement_id, body.tranche, body.amount, body.currency
    )
    return Payment(id=id_, submitted_at=at, **dict(body))


@app.get("/partners/{id_}")
async def read(id_: UUID) -> Partner:
    return Partner(**await app.state.pool.fetchrow(ONE, id_))


@app.get("/partners")
async def page() -> Partners:
    return Partners(items=[Partner(**row) for row in await app.state.pool.fetch(PAGE)])


@app.get("/partners/{id_}/ready")
async def read_ready(id_: UUID) -> Response:
    return Response(await app.state.pool.fetchval(ONE_READY, id_), media_type="application/json")


@app.get("/ready")
async def page_ready() -> Response:
    body = ",".join(row["body"] for row in await app.state.pool.fetch(PAGE_READY))
    return Response(f'{{"items":[{body}],"next":null}}', media_type="application/json")


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_config=None, access_log=False)
