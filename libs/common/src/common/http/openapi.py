"""What the OpenAPI says beyond FastAPI's own: scopes, headers, and every refusal."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, get_args, get_type_hints

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from common.errors import (
    DomainError,
    ForbiddenError,
    InvalidError,
    MalformedError,
    NotFoundError,
    StaleVersionError,
    UnavailableError,
)
from common.http.auth import InvalidTokenError, MissingScopeError, MissingTokenError
from common.http.endpoint import Operation
from common.http.etags import PreconditionRequiredError
from common.http.export import Form, TooManyExportsError, columns
from common.http.idempotency import Key, KeyInUseError, KeyMissingError, KeyReusedError
from common.http.problems import STATUS, TooLargeError, UnsupportedMediaTypeError, type_of
from common.http.replies import PROBLEM
from common.journal.position import PositionAheadError

DESCRIPTIONS = {200: "Here it is.", 201: "Made.", 204: "Done.", 304: "You have this version."}

_POSITION = {
    False: "on the first page: follow the event feed from here",
    True: "on the first page: follow the event feed from here, or give it as `changed_since`",
}
_SEQUENCE_TAG = r'^"\d{4}-\d{10}"$'

PROBLEM_SCHEMA: dict[str, Any] = {
    "title": "Problem",
    "description": "A refusal (RFC 9457). Other members are facts of this kind of problem.",
    "type": "object",
    "required": ["type", "title", "status", "detail", "code"],
    "additionalProperties": True,
    "properties": {
        "type": {"type": "string", "format": "uri", "description": "stable name of the problem"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "description": "what happened and what would help"},
        "code": {"type": "string", "description": "the last part of `type`"},
        "trace_id": {"type": ["string", "null"], "description": "tell the operators this"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "message", "code"],
                "properties": {
                    "pointer": {
                        "type": "string",
                        "description": "`#/amount` in the body (RFC 6901), else `query:limit`",
                    },
                    "message": {"type": "string"},
                    "code": {"type": "string"},
                },
            },
        },
    },
}


_PAGE_NAME = re.compile(r"\bPage_(\w+?)_(?![A-Za-z0-9])")  # pydantic's name for Page[PartnerView]


def responses(
    operation: Operation,
    answer: Any,
    refuses: Iterable[type[DomainError]],
    media_type: str | None,
    headers: Mapping[str, str],
) -> dict[int | str, dict[str, Any]]:
    """Every response of `operation`: its answers, and its refusals by status.

    `headers`: those that it sends beside ours, and what they tell.
    """
    own = {name: _shown(description) for name, description in headers.items()}
    made: dict[int | str, dict[str, Any]] = {}
    for status in operation.statuses:
        made[status] = {
            "description": DESCRIPTIONS[status],
            "headers": _headers(operation, status) | own,
        }
        if answer is not None and status != 204:
            made[status]["model"] = answer
        if media_type is not None:
            made[status]["content"] = {media_type: {}}
        if operation.lists is not None:
            made[status]["content"] = _exported(operation.lists[1])
    if _is_conditional(operation):
        made[304] = {"description": DESCRIPTIONS[304], "headers": _headers(operation, 304)}
    by_status: dict[int, list[type[DomainError]]] = {}
    for error in (*_inherent(operation), *refuses):
        listed = by_status.setdefault(STATUS[error.kind], [])
        if error not in listed:
            listed.append(error)
    for status in sorted(by_status):
        made[status] = _refusal(status, by_status[status])
    return made


def additions(operation: Operation) -> dict[str, Any]:
    """Security and the headers that are read by hand."""
    made: dict[str, Any] = {"security": [{"oauth2": [operation.scope]}, {"bearer": []}]}
    parameters = []
    if operation.key is not Key.NONE:
        parameters.append(
            _header(
                "Idempotency-Key",
                "The same on every retry of one request; it is then carried out once.",
                {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[\\x21-\\x7e]+$"},
                required=operation.key is Key.REQUIRED,
            )
        )
    if operation.match:
        parameters.append(
            _header(
                "If-Match",
                "The ETag of the version that you decided on.",
                {"type": "string", "pattern": _SEQUENCE_TAG},
                required=True,
            )
        )
    if _is_conditional(operation):
        parameters.append(
            _header("If-None-Match", "The ETag of the version that you hold.", {"type": "string"})
        )
    if parameters:
        made["parameters"] = parameters
    return made


def document(app: FastAPI, scopes: Mapping[str, str], token_url: str) -> dict[str, Any]:
    """The OpenAPI 3.1 document of `app`."""
    made: dict[str, Any] = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
        tags=app.openapi_tags,
        license_info=app.license_info,
    )
    made = json.loads(_PAGE_NAME.sub(r"\1Page", json.dumps(made)))
    components = made.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    schemas["Problem"] = PROBLEM_SCHEMA
    _put_back_examples(schemas, app)
    components["schemas"] = dict(sorted(schemas.items()))
    components["securitySchemes"] = {
        "oauth2": {
            "type": "oauth2",
            "description": "Tokens of the configured OpenID Connect issuer.",
            "flows": {
                "clientCredentials": {"tokenUrl": token_url, "scopes": dict(sorted(scopes.items()))}
            },
        },
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    }
    return made


def _put_back_examples(schemas: dict[str, Any], app: FastAPI) -> None:
    """FastAPI drops every null of the document, also those in examples, where they tell."""
    models: dict[str, set[type[BaseModel]]] = {}
    for route in app.routes:
        operation = getattr(route, "operation", None)
        if isinstance(operation, Operation):
            for hint in get_type_hints(operation.work, include_extras=True).values():
                for model in _models_in(hint):
                    models.setdefault(model.__name__, set()).add(model)
    for schema in schemas.values():
        named = models.get(schema.get("title", ""), set())
        extras = [model.model_config.get("json_schema_extra") for model in named]
        if len(extras) == 1 and isinstance(extras[0], dict) and "examples" in extras[0]:
            schema["examples"] = extras[0]["examples"]


def _models_in(hint: Any, seen: frozenset[Any] = frozenset()) -> Iterator[type[BaseModel]]:
    """Every model that `hint` names, and those that they name."""
    for part in get_args(hint):
        yield from _models_in(part, seen)
    if isinstance(hint, type) and issubclass(hint, BaseModel) and hint not in seen:
        yield hint
        for field in hint.model_fields.values():
            yield from _models_in(field.annotation, seen | {hint})


def _inherent(operation: Operation) -> Iterable[type[DomainError]]:
    """What any operation of this form can refuse."""
    yield from (MalformedError, MissingTokenError, InvalidTokenError)
    yield from (MissingScopeError, ForbiddenError)
    if "{" in operation.path:
        yield NotFoundError
    if operation.method in ("POST", "PUT", "PATCH"):
        yield from (TooLargeError, UnsupportedMediaTypeError)
    yield from (InvalidError, UnavailableError)
    if operation.lists is not None:
        yield from (PositionAheadError, TooManyExportsError)
    if operation.key is not Key.NONE:
        yield from (KeyInUseError, KeyReusedError)
    if operation.key is Key.REQUIRED:
        yield KeyMissingError
    if operation.match:
        yield from (StaleVersionError, PreconditionRequiredError)


def _refusal(status: int, errors: list[type[DomainError]]) -> dict[str, Any]:
    described = "\n".join(f"- `{error.code}`: {error.title}" for error in errors)
    examples = {
        error.code: {
            "value": {
                "type": type_of(error.code),
                "title": error.title,
                "status": status,
                "detail": error.title + ".",
                "code": error.code,
            }
        }
        for error in errors
    }
    content = {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": examples}
    made: dict[str, Any] = {"description": described, "content": {PROBLEM: content}}
    if any(error.retry_after_seconds is not None for error in errors):
        made["headers"] = {
            "Retry-After": {"schema": {"type": "integer"}, "description": "seconds to wait"}
        }
    return made


def _is_conditional(operation: Operation) -> bool:
    """Whether a client can ask for what it does not have yet (If-None-Match)."""
    return operation.method == "GET" and operation.versioned


def _exported(item: type[BaseModel]) -> dict[str, Any]:
    """The other forms of a list, which hold all of it."""
    whole = "All of the list, whatever its length; if it breaks off, it is not complete."
    of_csv = ",".join(".".join(path) for path in columns(item))
    return {
        Form.NDJSON: {
            "schema": {
                "type": "string",
                "description": f"{whole} One `{item.__name__}` in JSON per line.",
            }
        },
        Form.CSV: {
            "schema": {
                "type": "string",
                "description": f"{whole} RFC 4180 in UTF-8, with a header line. Lists are a cell of"
                " JSON. Text that a spreadsheet would take for a formula, or such text behind"
                " apostrophes, has one apostrophe in front of it.",
                "examples": [f"{of_csv}\r\n"],
            }
        },
    }


def _headers(operation: Operation, status: int) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if operation.paged:
        made["Link"] = _shown("the next page: rel=next")
        made["Journal-Position"] = _shown(_POSITION[operation.lists is not None])
    if operation.versioned:
        made["ETag"] = _shown("the version, for If-Match and If-None-Match")
    if status == 201:
        made["Location"] = _shown("where it is found from now on")
    if operation.key is not Key.NONE:
        made["Idempotency-Replayed"] = _shown("`true` when this is the stored answer")
    return made


def _shown(description: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"}}


def _header(
    name: str, description: str, schema: dict[str, Any], *, required: bool = False
) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": required,
        "description": description,
        "schema": schema,
    }
