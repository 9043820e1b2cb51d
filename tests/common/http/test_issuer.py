"""Whom a service trusts: refusing to start without an issuer, and the one of development."""

from __future__ import annotations

import asyncio
import json
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from pydantic import ValidationError

from common.clock import SetClock
from common.http.app import create_app
from common.http.auth.dev import DEV_ISSUER, mint_token, read_or_make_key
from support import parcels
from support.api import NOON, open_service, settings_of

NOW = int(NOON.timestamp())


async def test_the_line_to_the_issuer_is_closed_with_the_service(post_url: str) -> None:
    key = RSAKey.generate_key(2048, auto_kid=True)
    body = json.dumps({"keys": [key.as_dict(private=False)]}).encode()
    closed = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        await reader.read()
        closed.set()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1") as server:
        port = server.sockets[0].getsockname()[1]
        issuer, url = "https://issuer.example", f"http://127.0.0.1:{port}/"
        async with open_service(parcels.SERVICE, post_url, issuer=issuer, jwks_url=url) as runtime:
            tokens = create_app(runtime).state.site.tokens
            claims = {"iss": issuer, "aud": "post", "sub": "amina", "exp": NOW + 60}
            token = jwt.encode({"alg": "RS256", "kid": key.kid}, claims, key)
            assert (await tokens.actor(f"Bearer {token}")).subject == "amina"
            assert not closed.is_set()
        async with asyncio.timeout(10):
            await closed.wait()


async def test_a_service_refuses_to_start_without_an_issuer(post_url: str) -> None:
    async with open_service(parcels.SERVICE, post_url, dev_issuer_key_file=None) as runtime:
        with pytest.raises(ValueError, match="no token issuer"):
            create_app(runtime)


@pytest.mark.parametrize("url", ["http://issuer.example/jwks", "file:///keys", "issuer.example"])
def test_keys_come_over_a_line_that_nobody_can_change(post_url: str, url: str) -> None:
    with pytest.raises(ValidationError, match="JWKS_URL must begin with https"):
        settings_of(
            parcels.SERVICE,
            post_url,
            profile="production",
            dev_issuer_key_file=None,
            issuer="https://issuer.example",
            jwks_url=url,
            journal_key="x",
        )


def test_the_local_issuer_is_refused_outside_development(post_url: str) -> None:
    with pytest.raises(ValidationError, match="development"):
        settings_of(
            parcels.SERVICE,
            post_url,
            profile="production",
            issuer="https://issuer.example",
            jwks_url="https://issuer.example/jwks",
            journal_key="x",
        )


def test_the_local_issuers_key_is_for_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "made" / "issuer.json"
    first = read_or_make_key(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert read_or_make_key(file).kid == first.kid
    assert [each.name for each in file.parent.iterdir()] == ["issuer.json"]


def test_the_local_issuer_mints_what_was_asked(tmp_path: Path) -> None:
    file = tmp_path / "issuer.json"
    minted = mint_token(
        file,
        subject="robot",
        scopes=["b", "a"],
        audience=["post"],
        human=False,
        countries=["BGD"],
        ttl=timedelta(minutes=1),
        clock=SetClock(NOON),
    )
    claims = jwt.decode(minted, read_or_make_key(file), algorithms=["ES256"]).claims
    assert claims == {
        "iss": DEV_ISSUER,
        "sub": "robot",
        "aud": ["post"],
        "iat": NOW,
        "exp": NOW + 60,
        "scope": "a b",
        "countries": ["BGD"],
        "actor_kind": "service",
    }
