"""The issuer's public keys, fetched from its JWKS address and kept for a while."""

import asyncio
import json
from collections.abc import Iterable
from typing import Any

import httpx
from joserfc.errors import JoseError
from joserfc.jwk import Key, import_key

from common.clock import Clock
from common.errors import UnavailableError

FRESH_SECONDS = 600.0
"""How old the keys may get before they are fetched again."""
TRUSTED_SECONDS = 3600.0
"""How long keys are trusted when the issuer cannot be reached; after that nothing is accepted."""
COOLDOWN_SECONDS = 30.0
"""At most one fetch in this time, however many unknown keys are asked for."""
TIMEOUT_SECONDS = 5.0
"""How long a whole fetch may take, however the issuer sends."""
MAX_BYTES = 256 * 1024
"""No more than this is read of what the issuer sends."""

_TYPES = {"RSA", "EC", "OKP"}
_AS_IT_IS = {"Accept": "application/json", "Accept-Encoding": "identity"}
"""Never compressed: a few bytes of that can become any number."""
_UNUSABLE = (
    httpx.HTTPError,
    TimeoutError,
    JoseError,
    ValueError,
    TypeError,
    KeyError,
    RecursionError,
)
"""What a fetch raises when the issuer is away or sends no key set."""


class KeysUnavailableError(UnavailableError):
    code = "issuer_unavailable"
    title = "Tokens cannot be verified right now"
    retry_after_seconds = 5


class RemoteKeys:
    """The keys at `url`. An unknown key id causes one fetch per cool-down.

    Whoever makes it closes it.
    """

    def __init__(
        self,
        url: str,
        clock: Clock,
        client: httpx.AsyncClient | None = None,
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self._url = url
        self._clock = clock
        self._client = client
        self._timeout = timeout_seconds
        self._keys: tuple[Key, ...] = ()
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._lock = asyncio.Lock()

    async def find(self, kid: str | None, key_type: str) -> Key | None:
        """The public key `kid`. Raises KeysUnavailableError when there are none to trust."""
        if self._age() > FRESH_SECONDS:
            await self._refresh()
        if self._age() > TRUSTED_SECONDS:
            raise KeysUnavailableError("The token issuer's keys cannot be fetched.")
        found = pick(self._keys, kid, key_type)
        if found is None and await self._refresh():
            found = pick(self._keys, kid, key_type)
        return found

    async def close(self) -> None:
        """Close the connections to the issuer."""
        if self._client is not None:
            await self._client.aclose()

    def _age(self) -> float:
        if self._fetched_at is None:
            return float("inf")
        return self._clock.now().timestamp() - self._fetched_at

    async def _refresh(self) -> bool:
        """Fetch the keys unless that was tried just now. Whether they are new."""
        async with self._lock:
            now = self._clock.now().timestamp()
            if self._tried_at is not None and now - self._tried_at < COOLDOWN_SECONDS:
                return False
            self._tried_at = now
            try:
                self._keys = await self._fetch()
            except _UNUSABLE:
                return False
            self._fetched_at = now
            return True

    async def _fetch(self) -> tuple[Key, ...]:
        if self._client is None:
            self._client = httpx.AsyncClient(timeout=self._timeout, follow_redirects=False)
        async with (
            asyncio.timeout(self._timeout),  # the client's own is for each step alone
            self._client.stream("GET", self._url, headers=_AS_IT_IS) as response,
        ):
            response.raise_for_status()
            if response.headers.get("Content-Encoding", "identity") != "identity":
                raise ValueError("the issuer's key set is compressed")
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_BYTES:
                    raise ValueError("the issuer's key set is too large")
        keys = tuple(_usable(json.loads(body)["keys"]))
        if not keys:
            raise ValueError("the issuer publishes no usable key")
        return keys


def pick(keys: Iterable[Key], kid: str | None, key_type: str) -> Key | None:
    """The key `kid` of `key_type`; without an id, the only key of that type."""
    fitting = [key for key in keys if key.key_type == key_type]
    if kid is None:
        return fitting[0] if len(fitting) == 1 else None
    return next((key for key in fitting if key.kid == kid), None)


def _usable(published: Iterable[dict[str, Any]]) -> Iterable[Key]:
    """Public signature keys; a shared secret or an encryption key is none."""
    for each in published:
        if each.get("kty") in _TYPES and each.get("use", "sig") == "sig":
            try:
                yield import_key(each)
            except (JoseError, ValueError):
                continue
