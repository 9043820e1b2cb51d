"""`/docs` for people, from files of our own: no content delivery network is ever asked.

The browser is told to load nothing from elsewhere, and to send requests nowhere else.
"""

import html
import json
from importlib.resources import files

from fastapi import FastAPI, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.staticfiles import StaticFiles

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'"
)

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{root}/docs/assets/swagger-ui.css">
</head>
<body>
<div id="docs"></div>
<script src="{root}/docs/assets/swagger-ui-bundle.js"></script>
<script src="{root}/docs/start.js"></script>
</body>
</html>
"""

_START = """SwaggerUIBundle({{
  url: {url}, dom_id: "#docs", deepLinking: true, displayRequestDuration: true,
  persistAuthorization: false, tryItOutEnabled: true, filter: true, validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis], layout: "BaseLayout"
}});
"""


def add_docs(app: FastAPI) -> None:
    """Add `/docs` and `/openapi.json`."""
    assets = files("fastapi_offline").joinpath("static")
    policy = {"Content-Security-Policy": POLICY}

    async def page(request: Request) -> Response:
        root = request.scope.get("root_path", "")
        return HTMLResponse(
            _PAGE.format(title=html.escape(app.title), root=html.escape(root)), headers=policy
        )

    async def start(request: Request) -> Response:
        url = json.dumps(request.scope.get("root_path", "") + "/openapi.json")
        return Response(_START.format(url=url), media_type="text/javascript")

    async def document(request: Request) -> Response:
        return JSONResponse(app.openapi())

    app.router.add_route("/docs", page, methods=["GET"], include_in_schema=False)
    app.router.add_route("/docs/start.js", start, methods=["GET"], include_in_schema=False)
    app.router.add_route("/openapi.json", document, methods=["GET"], include_in_schema=False)
    app.mount("/docs/assets", StaticFiles(directory=str(assets)), name="docs assets")
