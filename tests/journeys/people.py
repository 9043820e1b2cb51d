"""The people of the story and how they speak to the services: a token each, over HTTP."""

from dataclasses import dataclass
from typing import Any

import httpx

from common.dev.stack import SERVICES, Stack
from common.ids import Uuid7Ids

IDS = Uuid7Ids()


class RefusedError(Exception):
    """A service said no. `problem` is its problem document."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        super().__init__(f"{status} {problem.get('code')}: {problem.get('detail')}")
        self.status = status
        self.problem = problem
        self.code = str(problem.get("code"))


@dataclass(frozen=True)
class Person:
    """Someone with a token for all three services."""

    name: str
    http: httpx.AsyncClient

    async def get(self, service: str, path: str, **query: Any) -> Any:
        """The answer to a read."""
        answer = await self.http.get(f"{service}{path}", params=query)
        return _content(answer)

    async def post(
        self,
        service: str,
        path: str,
        body: Any = None,
        *,
        seen: str | None = None,
        method: str = "POST",
        key: str | None = None,
    ) -> Any:
        """Do something, once. Raises RefusedError.

        `seen`: the path of what is changed; its version now is the one we decide on.
        """
        headers = {"Idempotency-Key": key or str(IDS.new())}
        if seen is not None:
            headers["If-Match"] = (await self._read(f"{service}{seen}")).headers["etag"]
        answer = await self.http.request(method, f"{service}{path}", json=body, headers=headers)
        return _content(answer)

    async def all(self, service: str, path: str, **query: Any) -> list[Any]:
        """Every item of a list, page by page."""
        items: list[Any] = []
        page = await self.get(service, path, limit=200, **query)
        items += page["items"]
        while page["next"] is not None:
            page = await self.get(service, path, limit=200, cursor=page["next"], **query)
            items += page["items"]
        return items

    async def _read(self, path: str) -> httpx.Response:
        answer = await self.http.get(path)
        _content(answer)
        return answer


def _content(answer: httpx.Response) -> Any:
    if answer.is_success:
        return answer.json() if answer.content else None
    raise RefusedError(answer.status_code, answer.json())


class Crew:
    """Everyone in the story, by name. Close it at the end."""

    def __init__(self, stack: Stack) -> None:
        self.registrar = _person(stack, "registrar", "registry")
        self.verifier = _person(stack, "verifier", "registry")
        self.coordinator = _person(stack, "coordinator", "coordination")
        self.grant_manager = _person(stack, "grant-manager", "disbursement")
        self.submitter = _person(stack, "submitter", "disbursement", roles=["payment_approver"])
        self.first_approver = _person(
            stack, "first-approver", "disbursement", roles=["payment_approver"]
        )
        self.second_approver = _person(stack, "second-approver", "disbursement", roles=["treasury"])
        self.treasurer = _person(stack, "treasurer", "disbursement")
        self.auditor = _person(stack, "auditor", *SERVICES)

    async def __aenter__(self) -> "Crew":
        return self

    async def __aexit__(self, *unused: object) -> None:
        for person in vars(self).values():
            await person.http.aclose()


class _Router(httpx.AsyncBaseTransport):
    """Sends `registry/v1/…` to the registry: the story names services, not ports."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._inner = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        _, service, rest = request.url.raw_path.decode().split("/", 2)
        address = httpx.URL(self._stack.urls[service])
        request.url = request.url.copy_with(
            scheme=address.scheme,
            host=address.host,
            port=address.port,
            raw_path=f"/{rest}".encode(),
        )
        request.headers["Host"] = f"{address.host}:{address.port}"
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


def _person(stack: Stack, name: str, *services: str, roles: list[str] | None = None) -> Person:
    token = stack.token(subject=name, scopes=stack.scopes(*services), roles=roles or [])
    return Person(
        name,
        httpx.AsyncClient(
            base_url="http://frontline/",
            transport=_Router(stack),
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
        ),
    )
