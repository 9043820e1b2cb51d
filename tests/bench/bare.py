"""The floor: the same work at its barest, with the same web framework, server and driver.

One statement per request, no authentication, no checks, no journal; the reads answer with JSON that
lies ready in the table. `python -m bench.bare PORT DSN`.
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
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
CREATE TABLE bare_partner (id uuid PRIMARY KEY, name text NOT NULL, body text NOT NULL);
CREATE INDEX bare_partner_name ON bare_partner (name, id);
"""
INSERT = """
INSERT INTO bare_payment (id, agreement_id, tranche, amount, currency) VALUES ($1, $2, $3, $4, $5)
RETURNING submitted_at
"""
ONE = "SELECT body FROM bare_partner WHERE id = $1"
PAGE = "SELECT body FROM bare_partner ORDER BY name, id LIMIT 50"
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


@asynccontextmanager
async def _pool(app: FastAPI) -> AsyncIterator[None]:
    async with asyncpg.create_pool(sys.argv[2], min_size=POOL, max_size=POOL) as app.state.pool:
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
async def read(id_: UUID) -> Response:
    return Response(await app.state.pool.fetchval(ONE, id_), media_type="application/json")


@app.get("/partners")
async def page() -> Response:
    rows = await app.state.pool.fetch(PAGE)
    body = ",".join(row["body"] for row in rows)
    return Response(f'{{"items":[{body}],"next":null}}', media_type="application/json")


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_config=None, access_log=False)
