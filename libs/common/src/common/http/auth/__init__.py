"""Who asks: bearer tokens (JWT) of one trusted issuer, and what they let their holder do.

Claims read: `sub`; `scope` (separated by blanks); `countries` (list of ISO alpha-3 codes, or "*"
for all; missing means none, so the holder may act nowhere); `partner` (binds the token to one
partner); `actor_kind` ("human", anything else is a system); `roles`. Only the signatures of key
pairs are accepted.
Whatever cannot be verified is refused, also while the issuer's keys cannot be had.
"""

import math
import warnings
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Protocol
from uuid import UUID

from joserfc import jws, jwt
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import Key

from common.actor import EVERYWHERE, SYSTEM, Actor
from common.clock import Clock
from common.errors import ForbiddenError, UnauthenticatedError

ALGORITHMS = {"RS256": "RSA", "PS256": "RSA", "ES256": "EC", "Ed25519": "OKP", "EdDSA": "OKP"}
"""The signatures accepted, with the key type each needs. Never `none`, never a shared key."""

MAX_TOKEN_LENGTH = 8192
CACHED_TOKENS = 2048
CACHED_SECONDS = 60.0


class MissingTokenError(UnauthenticatedError):
    code = "missing_token"


class InvalidTokenError(UnauthenticatedError):
    code = "invalid_token"


class MissingScopeError(ForbiddenError):
    code = "missing_scope"
    title = "Your token lacks a scope"


class Keys(Protocol):
    """Where the issuer's public keys come from."""

    async def find(self, kid: str | None, key_type: str) -> Key | None:
        """The public key `kid`. Raises KeysUnavailableError when the keys cannot be had."""


class Tokens:
    """Verifies bearer tokens and says who they speak for.

    A verified token is remembered for at most a minute, so that a busy client costs one signature
    check per minute; what is remembered is bounded.
    """

    def __init__(
        self, keys: Keys, *, issuer: str, audience: str, clock: Clock, leeway_seconds: float = 5.0
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._clock = clock
        self._leeway = leeway_seconds
        self._verified: OrderedDict[str, tuple[Actor, float]] = OrderedDict()

    async def actor(self, authorization: str | None) -> Actor:
        """Who sent this `Authorization` header.

        Raises MissingTokenError, InvalidTokenError, KeysUnavailableError (transient).
        """
        token = _bearer(authorization)
        now = self._clock.now().timestamp()
        known = self._verified.get(token)
        if known is not None and now < known[1]:
            return known[0]
        claims = await self._verify(token)
        actor, expires = self._read(claims, now)
        self._remember(token, actor, min(expires, now + CACHED_SECONDS))
        return actor

    def _remember(self, token: str, actor: Actor, until: float) -> None:
        self._verified[token] = (actor, until)
        self._verified.move_to_end(token)
        while len(self._verified) > CACHED_TOKENS:
            self._verified.popitem(last=False)

    async def _verify(self, token: str) -> Mapping[str, Any]:
        """The claims of `token`, once its signature has been checked against the issuer's key."""
        try:
            header: object = jws.extract_compact(token.encode("ascii")).headers()
        except (JoseError, ValueError, RecursionError) as error:
            raise InvalidTokenError("The access token cannot be read.") from error
        if not isinstance(header, dict):  # a list or a text is JSON too
            raise InvalidTokenError("The access token cannot be read.")
        if "crit" in header:
            raise InvalidTokenError("The access token needs an extension that is not known here.")
        algorithm, kid = header.get("alg"), header.get("kid")
        key_type = ALGORITHMS.get(algorithm) if isinstance(algorithm, str) else None
        readable = isinstance(algorithm, str) and (kid is None or isinstance(kid, str))
        if key_type is None or not readable:
            raise InvalidTokenError("The access token is not signed the way this service accepts.")
        key = await self._keys.find(kid, key_type)
        if key is None:
            raise InvalidTokenError("The access token is signed with a key that is not known here.")
        try:
            with warnings.catch_warnings():  # EdDSA is the older name of Ed25519 (RFC 9864)
                warnings.simplefilter("ignore", SecurityWarning)
                return jwt.decode(token, key, algorithms=[str(algorithm)]).claims
        except (JoseError, ValueError) as error:
            raise InvalidTokenError("The access token's signature does not hold.") from error

    def _read(self, claims: Mapping[str, Any], now: float) -> tuple[Actor, float]:
        """The actor in verified `claims`, and when the token ends (seconds since 1970)."""
        if claims.get("iss") != self._issuer:
            raise InvalidTokenError("The access token comes from another issuer.")
        audience = claims.get("aud")
        if self._audience not in (audience if isinstance(audience, list) else [audience]):
            raise InvalidTokenError("The access token is meant for another service.")
        expires = _moment(claims, "exp")
        if expires is None:
            raise InvalidTokenError("The access token has no end (exp).")
        if expires + self._leeway <= now:
            raise InvalidTokenError("The access token has expired. Get a new one.")
        for name in ("nbf", "iat"):
            begins = _moment(claims, name)
            if begins is not None and begins - self._leeway > now:
                raise InvalidTokenError("The access token is not valid yet.")
        return _actor(claims), expires + self._leeway


def must_have_scope(actor: Actor, scope: str) -> None:
    """Raises MissingScopeError naming the scope."""
    if scope not in actor.scopes:
        raise MissingScopeError(f"This needs the scope {scope}.", scope=scope)


def _bearer(authorization: str | None) -> str:
    if not authorization:
        raise MissingTokenError("Send an access token: Authorization: Bearer …")
    scheme, _, token = authorization.partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token or not token.isascii():
        raise InvalidTokenError("The Authorization header must be: Bearer <access token>.")
    if len(token) > MAX_TOKEN_LENGTH:
        raise InvalidTokenError(f"The access token is longer than {MAX_TOKEN_LENGTH} characters.")
    return token


def _moment(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    # NaN would compare as "not yet over" for ever
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise InvalidTokenError(f"The access token's {name} is not a moment.")
    return float(value)


def _actor(claims: Mapping[str, Any]) -> Actor:
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 1 <= len(subject) <= 200 or not subject.isprintable():
        raise InvalidTokenError("The access token names no subject.")
    if subject.startswith(SYSTEM):
        raise InvalidTokenError("The access token's subject is a name of the services' own.")
    scopes = claims.get("scope", "")
    if not isinstance(scopes, str):
        raise InvalidTokenError("The access token's scope is not text.")
    everywhere = claims.get("countries") == EVERYWHERE
    return Actor(
        subject=subject,
        human=claims.get("actor_kind") == "human",
        scopes=frozenset(scopes.split()),
        countries=frozenset([EVERYWHERE] if everywhere else _texts(claims, "countries")),
        partner=_partner(claims.get("partner")),
        roles=frozenset(_texts(claims, "roles")),
    )


def _texts(claims: Mapping[str, Any], name: str) -> list[str]:
    values = claims.get(name, [])
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise InvalidTokenError(f"The access token's {name} are not a list of texts.")
    return values


def _partner(value: object) -> UUID | None:
    if value is None:
        return None
    try:
        return UUID(value if isinstance(value, str) else "")
    except ValueError as error:
        raise InvalidTokenError("The access token's partner is not an identifier.") from error


__all__ = [
    "ALGORITHMS",
    "InvalidTokenError",
    "Keys",
    "MissingScopeError",
    "MissingTokenError",
    "Tokens",
    "must_have_scope",
]
