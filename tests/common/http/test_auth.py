"""Who may in: which tokens are refused, where keys come from, and what a token lets do."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import warnings
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey

from common.clock import SetClock
from common.http.auth import (
    ALGORITHMS,
    CACHED_TOKENS,
    InvalidTokenError,
    MissingTokenError,
    Tokens,
)
from common.http.auth.keys import MAX_BYTES, KeysUnavailableError, RemoteKeys
from support import parcels
from support.api import NOON, Api, problem, token

NOW = int(NOON.timestamp())
CLAIMS = {
    "iss": "https://issuer.example",
    "aud": "post",
    "sub": "amina",
    "exp": NOW + 3600,
    "iat": NOW,
    "scope": "post.parcels.read post.parcels.write",
    "countries": ["BGD"],
    "actor_kind": "human",
}
RSA = RSAKey.generate_key(2048, auto_kid=True)
EC = ECKey.generate_key("P-256", auto_kid=True)
ED = OKPKey.generate_key("Ed25519", auto_kid=True)


class FixedKeys:
    """The issuer's keys, at hand."""

    def __init__(self, *keys: Key) -> None:
        self.keys = keys

    async def find(self, kid: str | None, key_type: str) -> Key | None:
        from common.http.auth.keys import pick

        return pick(self.keys, kid, key_type)


def tokens(*keys: Key, clock: SetClock | None = None) -> Tokens:
    return Tokens(
        FixedKeys(*(keys or (RSA, EC, ED))),
        issuer="https://issuer.example",
        audience="post",
        clock=clock or SetClock(NOON),
    )


def signed(key: Key = RSA, algorithm: str = "RS256", kid: str | None = "", **changes: Any) -> str:
    header = {"alg": algorithm, "kid": key.kid if kid == "" else kid}
    claims = {name: value for name, value in {**CLAIMS, **changes}.items() if value is not None}
    if header["kid"] is None:
        del header["kid"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)
        return "Bearer " + jwt.encode(header, claims, key, algorithms=[algorithm])


def forged(header: Any, claims: Any, signature: bytes = b"") -> str:
    parts = (json.dumps(header).encode(), json.dumps(claims).encode(), signature)
    return "Bearer " + ".".join(base64.urlsafe_b64encode(p).decode().rstrip("=") for p in parts)


def signed_with_the_public_key() -> str:
    """HS256, keyed with the issuer's public key, which everybody has."""
    pem = RSA.as_pem(private=False)
    return "Bearer " + jwt.encode(
        {"alg": "HS256", "kid": RSA.kid},
        CLAIMS,
        OctKey.import_key(base64.b64encode(pem)),
        algorithms=["HS256"],
    )


@pytest.mark.parametrize(
    "key, algorithm",
    [(RSA, "RS256"), (RSA, "PS256"), (EC, "ES256"), (ED, "EdDSA"), (ED, "Ed25519")],
)
async def test_signatures_of_key_pairs_are_accepted(key: Key, algorithm: str) -> None:
    actor = await tokens().actor(signed(key, algorithm))
    assert actor.subject == "amina"
    assert actor.human
    assert actor.countries == {"BGD"}
    assert actor.scopes == {"post.parcels.read", "post.parcels.write"}


REFUSED: dict[str, tuple[Callable[[], str], str]] = {
    "expired": (lambda: signed(exp=NOW - 6), "has expired"),
    "no end": (lambda: signed(exp=None), "no end"),
    "an end that is not a number": (lambda: signed(exp="never"), "not a moment"),
    "an end that is true": (lambda: signed(exp=True), "not a moment"),
    "an end that compares with nothing": (lambda: signed(exp=float("nan")), "not a moment"),
    "an endless end": (lambda: signed(exp=float("inf")), "not a moment"),
    "not valid yet": (lambda: signed(nbf=NOW + 60), "not valid yet"),
    "issued in the future": (lambda: signed(iat=NOW + 60), "not valid yet"),
    "another audience": (lambda: signed(aud="registry"), "another service"),
    "no audience": (lambda: signed(aud=None), "another service"),
    "an audience that only contains ours": (lambda: signed(aud="post-office"), "another service"),
    "another issuer": (lambda: signed(iss="https://evil.example"), "another issuer"),
    "no issuer": (lambda: signed(iss=None), "another issuer"),
    "no subject": (lambda: signed(sub=None), "no subject"),
    "an empty subject": (lambda: signed(sub=""), "no subject"),
    "the name of a service": (lambda: signed(sub="system:disbursement"), "own"),
    "a subject with a line end": (lambda: signed(sub="a\nb"), "no subject"),
    "a partner that is no id": (lambda: signed(partner="seven"), "not an identifier"),
    "countries that are no list": (lambda: signed(countries="BGD"), "not a list"),
    "no algorithm": (lambda: forged({"alg": "none"}, CLAIMS), "the way this service accepts"),
    "algorithm none, spelt otherwise": (lambda: forged({"alg": "nOnE"}, CLAIMS), "accepts"),
    "an algorithm that is a list": (lambda: forged({"alg": ["RS256"]}, CLAIMS), "accepts"),
    "a shared key made of the public one": (signed_with_the_public_key, "accepts"),
    "a header that is a list": (lambda: forged(["alg"], {}), "cannot be read"),
    "a header that is a text": (lambda: forged("alg", {}), "cannot be read"),
    "a header without end": (lambda: "Bearer " + "W1tb" * 1300 + ".e30.", "cannot be read"),
    "an extension that is critical": (
        lambda: forged({"alg": "RS256", "kid": RSA.kid, "crit": ["b64"], "b64": False}, CLAIMS),
        "extension",
    ),
    "nothing that is critical": (
        lambda: forged({"alg": "RS256", "kid": RSA.kid, "crit": None}, CLAIMS),
        "extension",
    ),
    "no signature": (lambda: forged({"alg": "RS256", "kid": RSA.kid}, CLAIMS), "does not hold"),
    "another key's signature": (
        lambda: signed(RSAKey.generate_key(2048), kid=RSA.kid),
        "does not hold",
    ),
    "an unknown key": (lambda: signed(RSAKey.generate_key(2048), kid="unknown"), "not known here"),
    "a key of another type": (
        lambda: forged({"alg": "ES256", "kid": RSA.kid}, CLAIMS, b"x" * 64),
        "not known here",
    ),
    "a stranger's scheme": (lambda: "Basic YTpi", "Bearer <access token>"),
    "no token": (lambda: "Bearer ", "Bearer <access token>"),
    "not a token": (lambda: "Bearer seven", "cannot be read"),
    "letters that are not ASCII": (lambda: "Bearer é.é.é", "Bearer <access token>"),
    "a token without end": (lambda: "Bearer " + "a" * 9000, "longer than"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_a_token_is_refused_for(case: str) -> None:
    make, says = REFUSED[case]
    with pytest.raises(InvalidTokenError, match=says):
        await tokens().actor(make())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
HEADERS = st.dictionaries(
    st.sampled_from(["alg", "kid", "typ", "crit", "b64", "enc", "zip"]),
    st.sampled_from([*ALGORITHMS, RSA.kid, EC.kid, ED.kid]) | JSON,
)
FORGED = st.builds(forged, HEADERS | JSON, st.just(CLAIMS) | JSON, st.binary(max_size=70))


@given(authorization=FORGED | st.text().map("Bearer {}".format) | st.text())
async def test_whatever_is_sent_unsigned_is_refused_and_breaks_nothing(authorization: str) -> None:
    with pytest.raises((InvalidTokenError, MissingTokenError)):
        await tokens().actor(authorization)


async def test_clocks_may_disagree_by_a_few_seconds() -> None:
    await tokens().actor(signed(exp=NOW - 4))
    await tokens().actor(signed(nbf=NOW + 4))


async def test_a_remembered_token_still_ends_when_it_ends() -> None:
    clock = SetClock(NOON)
    check = tokens(clock=clock)
    presented = signed(exp=NOW + 10)
    await check.actor(presented)
    clock.advance(timedelta(seconds=16))
    with pytest.raises(InvalidTokenError, match="expired"):
        await check.actor(presented)


async def test_a_remembered_token_is_verified_again_after_a_minute() -> None:
    clock = SetClock(NOON)
    keys = FixedKeys(RSA)
    check = Tokens(keys, issuer="https://issuer.example", audience="post", clock=clock)
    presented = signed()
    await check.actor(presented)
    keys.keys = ()  # withdrawn by the issuer
    await check.actor(presented)
    clock.advance(timedelta(seconds=61))
    with pytest.raises(InvalidTokenError, match="not known here"):
        await check.actor(presented)


async def test_what_is_remembered_of_tokens_is_bounded() -> None:
    check = tokens()
    actor = await check.actor(signed())
    for n in range(CACHED_TOKENS + 10):
        check._remember(f"token {n}", actor, NOW + 60.0)
    assert len(check._verified) == CACHED_TOKENS


@pytest.mark.parametrize(
    "claims, attribute, value",
    [
        ({"countries": "*"}, "countries", {"*"}),
        ({"countries": None}, "countries", set()),
        ({"actor_kind": None}, "human", False),
        ({"actor_kind": "service"}, "human", False),
        ({"scope": None}, "scopes", set()),
        ({"aud": ["registry", "post"]}, "subject", "amina"),
    ],
)
async def test_what_is_not_claimed_is_not_granted(
    claims: dict[str, Any], attribute: str, value: object
) -> None:
    assert getattr(await tokens().actor(signed(**claims)), attribute) == value


# --- the issuer's keys --------------------------------------------------------------------------


class Issuer:
    """An issuer whose key set can change and whose server can be away."""

    def __init__(self, *keys: Key) -> None:
        self.keys: list[dict[str, Any]] = [dict(key.as_dict(private=False)) for key in keys]
        self.away = False
        self.asked = 0

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        return httpx.Response(503) if self.away else httpx.Response(200, json={"keys": self.keys})


def remote(issuer: Issuer, clock: SetClock) -> RemoteKeys:
    client = httpx.AsyncClient(transport=httpx.MockTransport(issuer.answer))
    return RemoteKeys("https://issuer.example/jwks", clock, client)


def answering(response: httpx.Response, **options: Any) -> RemoteKeys:
    client = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: response))
    return RemoteKeys("https://issuer.example/jwks", SetClock(NOON), client, **options)


async def test_keys_are_fetched_once_and_kept() -> None:
    issuer, clock = Issuer(RSA), SetClock(NOON)
    keys = remote(issuer, clock)
    for _ in range(3):
        assert await keys.find(RSA.kid, "RSA") is not None
    assert issuer.asked == 1


async def test_a_new_key_is_found_by_one_more_fetch() -> None:
    issuer, clock = Issuer(RSA), SetClock(NOON)
    keys = remote(issuer, clock)
    await keys.find(RSA.kid, "RSA")
    issuer.keys.append(dict(EC.as_dict(private=False)))
    clock.advance(timedelta(seconds=31))
    assert await keys.find(EC.kid, "EC") is not None
    assert issuer.asked == 2


async def test_unknown_keys_cause_one_fetch_per_cool_down() -> None:
    issuer, clock = Issuer(RSA), SetClock(NOON)
    keys = remote(issuer, clock)
    for n in range(20):
        assert await keys.find(f"invented {n}", "RSA") is None
    assert issuer.asked == 1
    clock.advance(timedelta(seconds=31))
    for n in range(20):
        await keys.find(f"invented {n}", "RSA")
    assert issuer.asked == 2


async def test_known_keys_hold_while_the_issuer_is_away_but_not_for_ever() -> None:
    issuer, clock = Issuer(RSA), SetClock(NOON)
    keys = remote(issuer, clock)
    await keys.find(RSA.kid, "RSA")
    issuer.away = True
    clock.advance(timedelta(minutes=30))
    assert await keys.find(RSA.kid, "RSA") is not None
    clock.advance(timedelta(minutes=31))
    with pytest.raises(KeysUnavailableError):
        await keys.find(RSA.kid, "RSA")


async def test_without_any_key_nobody_gets_in() -> None:
    issuer = Issuer(RSA)
    issuer.away = True
    with pytest.raises(KeysUnavailableError):
        await remote(issuer, SetClock(NOON)).find(RSA.kid, "RSA")


async def test_a_shared_secret_in_a_key_set_is_no_key() -> None:
    issuer = Issuer(RSA)
    issuer.keys.append({"kty": "oct", "kid": "shared", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQ"})
    issuer.keys.append({"kty": "RSA", "kid": "broken", "n": "?", "e": "AQAB"})
    keys = remote(issuer, SetClock(NOON))
    assert await keys.find("shared", "RSA") is None
    assert await keys.find(RSA.kid, "RSA") is not None


async def test_a_key_set_without_end_is_left_at_the_limit() -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            yield b" " * 65536

    with pytest.raises(KeysUnavailableError):
        await answering(httpx.Response(200, content=endless())).find(RSA.kid, "RSA")
    assert sent <= MAX_BYTES // 65536 + 1


async def test_a_key_set_is_never_unpacked() -> None:
    issuer = Issuer(RSA)
    body = gzip.compress(json.dumps({"keys": issuer.keys}).encode())
    packed = httpx.Response(200, content=body, headers={"Content-Encoding": "gzip"})
    with pytest.raises(KeysUnavailableError):
        await answering(packed).find(RSA.kid, "RSA")


async def test_a_key_set_that_comes_drop_by_drop_is_given_up() -> None:
    async def dripping() -> AsyncIterator[bytes]:
        while True:
            await asyncio.sleep(0.01)
            yield b" "

    keys = answering(httpx.Response(200, content=dripping()), timeout_seconds=0.1)
    async with asyncio.timeout(10):
        with pytest.raises(KeysUnavailableError):
            await keys.find(RSA.kid, "RSA")


@pytest.mark.parametrize(
    "body",
    [b"[" * 100_000, b"[]", b'{"keys": 7}', b"{", b"\xff"],
    ids=["nested without end", "a list", "keys that are a number", "cut off", "no text"],
)
async def test_what_is_no_key_set_lets_nobody_in(body: bytes) -> None:
    with pytest.raises(KeysUnavailableError):
        await answering(httpx.Response(200, content=body)).find(RSA.kid, "RSA")


# --- over HTTP ----------------------------------------------------------------------------------


async def test_a_request_without_a_token_is_asked_for_one(api: Api) -> None:
    answer = await api.client.get("/v1/parcels")
    problem(answer, 401, "missing_token")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="frontline"'


async def test_a_bad_token_is_told_so_before_the_body_is_looked_at(api: Api) -> None:
    answer = await api.client.post(
        "/v1/parcels", content=b"{", headers={"Authorization": "Bearer x.y.z"}
    )
    problem(answer, 401, "invalid_token")
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


async def test_a_missing_scope_is_named(api: Api) -> None:
    answer = await api.post("/v1/parcels", json={}, headers=api.token(parcels.READ))
    document = problem(answer, 403, "missing_scope")
    assert document["scope"] == parcels.WRITE
    assert f'scope="{parcels.WRITE}"' in answer.headers["WWW-Authenticate"]


async def test_the_command_checks_the_country(api: Api) -> None:
    headers = api.token(countries=["SSD"])
    answer = await api.post("/v1/parcels", json=parcels.PACKING, headers=headers)
    assert "SSD" in problem(answer, 403, "forbidden")["detail"]


async def test_a_token_for_another_service_is_refused(api: Api) -> None:
    answer = await api.get("/v1/parcels", headers=token(parcels.READ, audience="registry"))
    problem(answer, 401, "invalid_token")
