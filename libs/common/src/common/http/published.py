"""The contracts over HTTP: where an event's `dataschema` resolves, and the AsyncAPI document.

They are public, as the OpenAPI is: whoever wants to follow our events reads them first.
"""

from fastapi import FastAPI, Request
from starlette.responses import JSONResponse, Response

from common.contracts.events import asyncapi, event_schemas
from common.errors import NotFoundError
from common.service import Service


def add_contracts(app: FastAPI, service: Service) -> None:
    """Add `/schemas/{event_type}.json` and `/asyncapi.json`."""
    schemas = event_schemas(service)
    document = asyncapi(service, schemas_at="/schemas", version=app.version)

    async def schema(request: Request) -> Response:
        found = schemas.get(request.path_params["event_type"])
        if found is None:
            raise NotFoundError(f"{service.title} publishes no such event.")
        return JSONResponse(found, media_type="application/schema+json")

    async def described(request: Request) -> Response:
        return JSONResponse(document)

    app.router.add_route(
        "/schemas/{event_type}.json", schema, methods=["GET"], include_in_schema=False
    )
    app.router.add_route("/asyncapi.json", described, methods=["GET"], include_in_schema=False)
