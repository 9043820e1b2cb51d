"""The HTTP application of a service, put together from its declaration."""

import hashlib
import hmac
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from common.errors import DomainError
from common.http import openapi
from common.http.auth import Tokens
from common.http.auth.dev import DEV_ISSUER, LocalKeys
from common.http.auth.keys import RemoteKeys
from common.http.docs import add_docs
from common.http.edge import Edge
from common.http.endpoint import Site
from common.http.health import add_health
from common.http.paging import Cursors
from common.http.problems import on_http_exception, on_invalid_request, on_refusal
from common.http.published import add_contracts
from common.http.routes import Routes
from common.journal.feed import feed_routes
from common.mirrors.api import mirror_routes
from common.service import Service
from common.settings import CommonSettings

if TYPE_CHECKING:
    from common.runtime import Runtime

API_VERSION = "1.0.0"
_TOKEN_URL = "https://issuer.example/token"  # noqa: S105 - an address for the reader


def create_app(runtime: "Runtime") -> FastAPI:
    """The app of `runtime.service`, ready to serve.

    Raises ValueError when no issuer is set outside the development profile: a service that does not
    know whom to trust does not start.
    """
    app = describe(runtime.service, runtime.settings)
    app.state.site = Site(
        units=runtime.units,
        tokens=_tokens(runtime),
        cursors=Cursors(_cursor_key(runtime)),
        runtime=runtime,
    )
    add_health(app, runtime)
    add_docs(app)
    add_contracts(app, runtime.service)
    app.add_middleware(Edge, ids=runtime.ids, registry=runtime.registry)
    app.add_exception_handler(DomainError, on_refusal)
    app.add_exception_handler(RequestValidationError, on_invalid_request)
    app.add_exception_handler(HTTPException, on_http_exception)
    return app


def describe(service: Service, settings: CommonSettings | None = None) -> FastAPI:
    """The routes of `service` and its OpenAPI, without anything that serves them.

    Raises ValueError when an operation needs a scope that the service does not declare.
    """
    every = (*service.routes, *_common_routes(service, settings))
    app = FastAPI(
        title=service.title,
        version=API_VERSION,
        description=service.description,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # the edge measures
        license_info={"name": "MIT", "identifier": "MIT"},
        openapi_tags=[_tag(routes) for routes in every],
    )
    for routes in every:
        routes.mount(app)
    scopes = _declared_scopes(service, every)
    made: dict[str, Any] = {}

    def document() -> dict[str, Any]:
        if not made:
            made.update(openapi.document(app, scopes, _TOKEN_URL))
        return made

    app.openapi = document  # type: ignore[method-assign]
    return app


def scopes_of(service: Service) -> dict[str, str]:
    """Every scope of `service` with its sentence, those of what all services offer included."""
    common = {
        f"{service.name}.events.read": "Follow the event feed.",
        f"{service.name}.journal.read": "Read trails with their written reasons (auditors).",
        f"{service.name}.mirrors.read": "See how fresh the copies of other services' state are.",
    }
    return {**common, **service.scopes}


def _common_routes(service: Service, settings: CommonSettings | None) -> tuple[Routes, ...]:
    """What every service offers: its event feed, and how fresh its mirrors are."""
    feed = feed_routes(service)
    if settings is None:
        return (feed, mirror_routes(service))
    mirrors = mirror_routes(
        service,
        max_age_seconds=settings.mirror_max_age_seconds,
        skew_seconds=settings.clock_skew_seconds,
    )
    return (feed, mirrors)


def _declared_scopes(service: Service, every: tuple[Routes, ...]) -> dict[str, str]:
    """The scopes. Raises ValueError when an operation uses one that is not declared."""
    declared = scopes_of(service)
    used = {each.operation.scope for routes in every for each in routes.declared}
    undeclared = sorted(used - set(declared))
    if undeclared:
        raise ValueError(f"{service.name}: declare the scopes {', '.join(undeclared)}")
    return declared


def _tag(routes: Routes) -> dict[str, str]:
    tag = {"name": routes.tag}
    if routes.description:
        tag["description"] = routes.description
    return tag


def _tokens(runtime: "Runtime") -> Tokens:
    settings = runtime.settings
    audience = settings.audience or runtime.service.name
    if settings.issuer:
        if not settings.jwks_url:
            raise ValueError("set the address of the issuer's keys (JWKS_URL) with the issuer")
        keys: Any = RemoteKeys(settings.jwks_url, runtime.clock)
        runtime.opened.push_async_callback(keys.close)
        issuer = settings.issuer
    elif settings.development and settings.dev_issuer_key_file is not None:
        keys, issuer = LocalKeys(settings.dev_issuer_key_file), DEV_ISSUER
    else:
        raise ValueError(
            "no token issuer: set ISSUER and JWKS_URL, or in the development profile "
            "DEV_ISSUER_KEY_FILE"
        )
    return Tokens(
        keys,
        issuer=issuer,
        audience=audience,
        clock=runtime.clock,
        leeway_seconds=settings.clock_skew_seconds,
    )


def _cursor_key(runtime: "Runtime") -> bytes:
    """Drawn from the service's own secret, so that it is the same on every replica."""
    secret = runtime.settings.journal_key.get_secret_value() or runtime.service.name
    return hmac.new(secret.encode(), b"page cursors", hashlib.sha256).digest()
