"""A client that does not give up.

It repeats its request under the same key until it gets an answer, as clients do: after a cut
connection, a 503, or a refusal that says it will pass.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import httpx

from journeys.people import IDS, Person
from journeys.world import NOT_KNOWN_YET

PATIENCE_SECONDS = 60.0
PASSING = {"idempotency_key_in_use", "partner_unknown", *NOT_KNOWN_YET}
"""Refusals that say: the same request may succeed shortly."""


@dataclass
class Asked:
    """A request and the answer that its client got in the end. `met`: everything before it, too."""

    person: Person
    method: str
    path: str
    body: Any
    headers: dict[str, str]
    answer: httpx.Response
    met: list[int | str]

    @property
    def json(self) -> Any:
        return self.answer.json()

    @property
    def etag(self) -> str:
        return self.answer.headers["etag"]

    async def again(self) -> httpx.Response:
        """The answer to the same request, sent once more under the same key."""
        return await self.person.http.request(
            self.method, self.path, json=self.body, headers=self.headers
        )


async def ask(
    person: Person,
    path: str,
    body: Any = None,
    *,
    match: str | None = None,
    method: str = "POST",
    timeout: float = 30.0,
    key: str | None = None,
) -> Asked:
    """Send until there is an answer that is not to pass. Raises TimeoutError when none comes."""
    headers = {"Idempotency-Key": key or str(IDS.new())}
    if match is not None:
        headers["If-Match"] = match
    met: list[int | str] = []
    answer = None
    async with asyncio.timeout(PATIENCE_SECONDS):
        while answer is None or _passes(answer):
            if met:
                await asyncio.sleep(0.1)
            try:
                answer = await person.http.request(
                    method, path, json=body, headers=headers, timeout=timeout
                )
                met.append(answer.status_code)
            except httpx.TransportError as error:
                answer = None
                met.append(type(error).__name__)
    return Asked(person, method, path, body, headers, answer, met)


def _passes(answer: httpx.Response) -> bool:
    if answer.status_code == 503:
        assert "retry-after" in answer.headers, "a 503 says when to come back"
        return True
    return answer.status_code == 409 and answer.json()["code"] in PASSING
