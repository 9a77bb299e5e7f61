"""The page of the audit log."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response

from pipeline.console.desk import TheDesk
from pipeline.console.fields import NameQuery
from pipeline.console.pages import page
from pipeline.review import audit

router = APIRouter()


@router.get("/audit", response_class=HTMLResponse)
def audit_page(
    request: Request,
    desk: TheDesk,
    actor: NameQuery = "",
    subject: NameQuery = "",
    before: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
) -> Response:
    """Show the audit log, newest line first. Filter by actor or subject; start before the line number `before`."""
    with desk.database.read() as connection:
        lines = audit.newest(connection, actor, subject, before)
    state: dict[str, Any] = {"chain": desk.chain.report, "checked_at": desk.chain.at, "anchor": desk.anchoring.newest}
    return page(request, "audit.html", lines=lines, actor=actor, subject=subject, **state)
