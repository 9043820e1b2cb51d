"""The issuer's public keys, fetched from its JWKS address and kept for a while."""

import asyncio
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
MAX_BYTES = 256 * 1024

_TYPES = {"RSA", "EC", "OKP"}


class KeysUnavailableError(UnavailableError):
    code = "issuer_unavailable"
    title = "Tokens cannot be verified right now"
    retry_after_seconds = 5


class RemoteKeys:
    """The keys at `url`. An unknown key id causes one fetch per cool-down."""

    def __init__(self, url: str, clock: Clock, client: httpx.AsyncClient | None = None) -> None:
        self._url = url
        self._clock = clock
        self._client = client
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
            except (httpx.HTTPError, JoseError, ValueError, TypeError, KeyError):
                return False
            self._fetched_at = now
            return True

    async def _fetch(self) -> tuple[Key, ...]:
        if self._client is None:
            self._client = httpx.AsyncClient(timeout=TIMEOUT_SECONDS, follow_redirects=False)
        response = await self._client.get(self._url, headers={"Accept": "application/json"})
        response.raise_for_status()
        if len(response.content) > MAX_BYTES:
            raise ValueError("the issuer's key set is too large")
        keys = tuple(_usable(response.json()["keys"]))
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
