"""The development issuer: a key in a file, made when missing, and tokens signed with it.

Its tokens go through the very validator that a real issuer's do. It is refused outside the
development profile; nothing here is meant for production.
"""

import json
import os
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from joserfc import jwt
from joserfc.jwk import ECKey, Key

from common.actor import EVERYWHERE
from common.clock import Clock
from common.http.auth.keys import pick

DEV_ISSUER = "urn:frontline:development-issuer"


class LocalKeys:
    """The development issuer's public key, read from its file."""

    def __init__(self, key_file: Path) -> None:
        self._keys: tuple[Key, ...] = (read_or_make_key(key_file),)

    async def find(self, kid: str | None, key_type: str) -> Key | None:
        """The public key `kid`, or None."""
        return pick(self._keys, kid, key_type)


def mint_token(
    key_file: Path,
    *,
    subject: str,
    scopes: Iterable[str],
    audience: str | Iterable[str],
    clock: Clock,
    human: bool = True,
    countries: Iterable[str] = (EVERYWHERE,),
    partner: UUID | None = None,
    ttl: timedelta = timedelta(hours=8),
    roles: Iterable[str] = (),
) -> str:
    """An access token of the development issuer, valid for `ttl`; empty `countries` means none."""
    now = clock.now()
    where = sorted(set(countries))
    claims = {
        "iss": DEV_ISSUER,
        "sub": subject,
        "aud": [audience] if isinstance(audience, str) else sorted(audience),
        "iat": int(now.timestamp()),
        "exp": int((now + ttl).timestamp()),
        "scope": " ".join(sorted(scopes)),
        "countries": EVERYWHERE if EVERYWHERE in where else where,
        "actor_kind": "human" if human else "service",
    }
    if partner is not None:
        claims["partner"] = str(partner)
    if roles:
        claims["roles"] = sorted(roles)
    key = read_or_make_key(key_file)
    return jwt.encode({"alg": "ES256", "kid": key.kid}, claims, key, algorithms=["ES256"])


def read_or_make_key(key_file: Path) -> ECKey:
    """The key in `key_file`, made when the file is missing. Only its owner may read the file.

    Several processes may start at once: the first to link its file in place wins.
    """
    if not key_file.exists():
        key_file.parent.mkdir(parents=True, exist_ok=True)
        made = ECKey.generate_key("P-256", private=True, auto_kid=True)
        draft = key_file.with_name(f".{key_file.name}.{os.getpid()}")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            json.dump(made.as_dict(private=True), file)
        try:
            os.link(draft, key_file)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return ECKey.import_key(json.loads(key_file.read_text()))
