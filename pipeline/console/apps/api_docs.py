"""The OpenAPI schema, and a page that shows it without scripts of other sites."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response

from pipeline.console.pages import page

router = APIRouter()


@router.get("/openapi.json", include_in_schema=False)
def api_schema(request: Request) -> Response:
    """Return the OpenAPI schema."""
    return JSONResponse(request.app.openapi())


@router.get("/docs", include_in_schema=False, response_class=HTMLResponse)
def api_docs(request: Request) -> Response:
    """Show all endpoints of the OpenAPI schema."""
    document: dict[str, Any] = request.app.openapi()
    operations = [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    return page(request, "docs.html", operations=operations)
