"""The client of a soak: it asks any replica, repeats under the same key until it is answered, and
keeps every answer for the audit.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from random import Random  # noqa: TID251 - from a printed seed, so that it can be done again
from types import TracebackType
from typing import Any, Self

import httpx

from faults.client import PASSING
from soak.fleet import Fleet

PER_SECOND = 25
"""Requests sent in a second at most, repetitions included."""
TIMEOUT_SECONDS = 6.0
PATIENCE_SECONDS = 45.0
MOST_TRIES = 100
LONGEST_PAUSE_SECONDS = 1.0
TWINS = 0.06
"""The share of changes that are sent to two replicas at once under one key."""


class RefusedError(Exception):
    """The service said no, for good. `code` says why."""

    def __init__(self, request: Request) -> None:
        super().__init__(f"{request.operation}: {request.answer}")
        self.code = request.code


class UnansweredError(Exception):
    """There is no answer: patience is at its end, or the soak is."""


@dataclass(frozen=True)
class Answer:
    """What came back once. `status`: of HTTP."""

    status: int
    body: bytes
    etag: str | None = None


@dataclass
class Request:
    """A request under its key, and every answer to it. `answer` is the one that its client took.

    `key`: empty where it takes none (only POST does). `trace`: 32 hexadecimal digits, the same for
    every sending; what it wrote carries it. `met`: each sending's fate, by status and code or the
    transport's error.
    """

    service: str
    operation: str
    method: str
    path: str
    key: str
    trace: str
    headers: Mapping[str, str]
    body: Any = None
    answers: list[Answer] = field(default_factory=list)
    met: list[str] = field(default_factory=list)
    answer: Answer | None = None

    @property
    def accepted(self) -> bool:
        return self.answer is not None and self.answer.status < 300

    @property
    def changes(self) -> bool:
        """Whether it asks for more than to read."""
        return self.method != "GET"

    @property
    def uncertain(self) -> bool:
        """Whether its client cannot know what became of it: it has no answer, or a refusal of one
        sending while another one was lost, and may have been carried out later.
        """
        if self.answer is None:
            return True
        return not self.accepted and len(self.answers) < len(self.met)

    @property
    def in_doubt(self) -> bool:
        """Whether nobody can tell: it has no key, and after a lost sending its version had changed,
        by itself or by others.
        """
        return self.uncertain and not self.key

    @property
    def json(self) -> Any:
        assert self.answer is not None
        return httpx.Response(200, content=self.answer.body).json()

    @property
    def etag(self) -> str:
        assert self.answer is not None
        assert self.answer.etag is not None, self.operation
        return self.answer.etag

    @property
    def code(self) -> str:
        """Of a refusal, why."""
        return "" if self.answer is None or self.accepted else str(self.json.get("code"))


class Client:
    """Everyone who asks something. `asked` has every request, `sent` counts the sendings."""

    def __init__(self, fleet: Fleet, random: Random, people: Mapping[str, Iterable[str]]) -> None:
        """`people`: their names, each with the roles in its token."""
        self.asked: list[Request] = []
        self.sent = 0
        self.most = 0
        self._fleet = fleet
        self._random = random
        self._run = random.getrandbits(64) | 1
        self._tokens = {
            name: fleet.token(subject=name, scopes=fleet.scopes(), roles=roles)
            for name, roles in people.items()
        }
        self._http = httpx.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False)
        self._next_at = 0.0
        self._ends_at = float("inf")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    def stop_after(self, seconds: float) -> None:
        """From then on nothing new is asked, and no more than the rate allows until then."""
        self._ends_at = asyncio.get_running_loop().time() + seconds
        self.most = self.sent + int(seconds * PER_SECOND)

    @property
    def over(self) -> bool:
        """Whether the time is up or enough was sent."""
        ended = asyncio.get_running_loop().time() >= self._ends_at
        return ended or bool(self.most and self.sent >= self.most)

    @property
    def fates(self) -> Counter[str]:
        """How often each answer, or none, came of a sending."""
        return Counter(met for request in self.asked for met in request.met)

    # --- asking -----------------------------------------------------------------------------------

    async def ask(
        self,
        person: str,
        service: str,
        path: str,
        body: Any = None,
        *,
        method: str = "POST",
        match: str | None = None,
    ) -> Request:
        """Send until there is an answer that is not to pass.

        Raises RefusedError, and UnansweredError when none comes in time.
        """
        if self.over:
            raise UnansweredError
        request = self._new(person, service, path, body, method, match)
        self.asked.append(request)
        request.answer = await self._pursue(request, lambda: self.over)
        if request.answer is None:
            raise UnansweredError
        if not request.accepted:
            raise RefusedError(request)
        return request

    async def read(self, service: str, path: str) -> Request:
        """What stands at `path`."""
        return await self.ask("auditor", service, path, method="GET")

    async def answer_what_is_open(self) -> int:
        """Ask once more, under the same keys, wherever it is not certain what was done.

        Everything must be up. Returns how many requests these were.
        """
        still_open = [request for request in self.asked if request.uncertain]
        for request in still_open:
            request.answer = await self._pursue(request, lambda: False)
            if request.answer is None and request.met[-1].startswith("409"):
                request.answer = request.answers[-1]  # it waits for what does not come: a refusal
        return len(still_open)

    async def repeat_some(self, most: int) -> None:
        """Send up to `most` accepted requests once more; the audit compares the answers."""
        keyed = [request for request in self.asked if request.key and request.accepted]
        for request in self._random.sample(keyed, min(most, len(keyed))):
            url = self._random.choice(self._fleet.replicas[request.service])
            await self._send(request, url)

    def _new(
        self, person: str, service: str, path: str, body: Any, method: str, match: str | None
    ) -> Request:
        number = len(self.asked) + 1
        trace = f"{self._run:016x}{number:016x}"
        headers = {"Authorization": f"Bearer {self._tokens[person]}"}
        key = ""
        if method != "GET":
            headers["traceparent"] = f"00-{trace}-{number:016x}-01"
        if method == "POST":
            headers["Idempotency-Key"] = key = f"soak-{trace}"
        if match is not None:
            headers["If-Match"] = match
        operation = f"{method} {service}{'/'.join(_without_ids(path))}"
        return Request(service, operation, method, path, key, trace, headers, body)

    async def _pursue(self, request: Request, given_up: Callable[[], bool]) -> Answer | None:
        """Send `request` until it is answered, bounded in tries and in time; the answer."""
        clock = asyncio.get_running_loop().time
        ends = clock() + PATIENCE_SECONDS
        pause = 0.1
        for number in range(MOST_TRIES):
            replicas = list(self._fleet.replicas[request.service])
            self._random.shuffle(replicas)
            twice = number == 0 and request.changes and self._random.random() < TWINS
            answers = await asyncio.gather(
                *(self._send(request, url) for url in replicas[: 2 if twice else 1])
            )
            last = [answer for answer in answers if answer is not None and not _passes(answer)]
            if last:
                # of a pair one may be refused for the other's sake: the key's own answer counts
                return min(last, key=lambda answer: answer.status)
            if given_up() or clock() > ends:
                break
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        return None

    async def _send(self, request: Request, url: str) -> Answer | None:
        await self._turn()
        self.sent += 1
        try:
            got = await self._http.request(
                request.method, f"{url}{request.path}", json=request.body, headers=request.headers
            )
        except httpx.TransportError as error:
            request.met.append(type(error).__name__)
            return None
        answer = Answer(got.status_code, got.content, got.headers.get("etag"))
        request.answers.append(answer)
        request.met.append(_said(got))
        return answer

    async def _turn(self) -> None:
        """Wait until the rate allows another sending."""
        now = asyncio.get_running_loop().time()
        self._next_at = max(now, self._next_at) + 1 / PER_SECOND
        await asyncio.sleep(self._next_at - 1 / PER_SECOND - now)


def _passes(answer: Answer) -> bool:
    if answer.status == 503:
        return True
    return answer.status == 409 and httpx.Response(200, content=answer.body).json()["code"] in (
        PASSING
    )


def _said(got: httpx.Response) -> str:
    if got.is_success:
        return str(got.status_code)
    try:
        return f"{got.status_code} {got.json()['code']}"
    except ValueError:
        return f"{got.status_code} in no form of ours"


def _without_ids(path: str) -> list[str]:
    return ["…" if len(part) == 36 else part for part in path.split("?")[0].split("/")]
