"""The inbox: what waits for the person. Every page asks for its count, and for news that may become notifications."""

from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from sqlalchemy import Connection

from pipeline.console.access_table import allowed
from pipeline.console.cases.queue_page import Asked, wanted_by
from pipeline.console.pages import page
from pipeline.console.services import Services, Signed, TheServices
from pipeline.review.accounts import accounts, wellness
from pipeline.review.accounts.sign_in import LoginSession
from pipeline.review.appeals import appeals
from pipeline.review.cases import case_queue, inbox, notes
from pipeline.review.cases.inbox import COUNTED, News

router = APIRouter(prefix="/inbox")

SHOWN = 50
"""The most items of a kind on the page."""
OLDEST_SECONDS = 600.0
"""News are at most this old."""


@router.get("", response_class=HTMLResponse)
def inbox_page(request: Request, services: TheServices, session: Signed) -> Response:
    """Show the person's mentions, assigned cases, escalated cases and appeals."""
    name, seconds = session.account.name, case_queue.ESCALATED_SECONDS
    with services.database.read() as connection:
        wanted = wanted_by(services, connection, session, Asked())
        values: dict[str, Any] = {
            "mentions": notes.unread(connection, name, SHOWN),
            "assigned": case_queue.list_queue(connection, msgspec.structs.replace(wanted, view="mine"), limit=SHOWN),
            "escalated": case_queue.list_escalated(connection, wanted, seconds, None, SHOWN)
            if _decides(session)
            else [],
            "due": inbox.due(connection, name, wanted, _decides(session), _leads(session)),
        }
    return page(request, "inbox.html", **values)


@router.get("/due")
def inbox_due(
    services: TheServices, session: Signed, since: Annotated[float | None, Query(ge=0, le=1e12)] = None
) -> Response:
    """Return the number of things that wait, and what is new after `since` (UTC seconds). `at` is the next `since`.

    `queue` and `appeals` are the numbers in the top bar: the open cases that the person may get, and the open appeals.
    Each number is at most 100 (`count`: of each kind), so that counting stays cheap.

    During a break nothing is new; it comes after the break.
    """
    now = services.clock()
    with services.database.read() as connection:
        wanted = wanted_by(services, connection, session, Asked())
        waiting = inbox.due(connection, session.account.name, wanted, _decides(session), _leads(session)).total
        bar = {
            "queue": case_queue.count_queue(connection, wanted, COUNTED),
            "appeals": appeals.open_count(connection, COUNTED),
        }
        quiet = wellness.meter(connection, session.account.name, session.account.preferences.comfort, now).on_break
        if since is None or quiet:
            found, at = News(), now if since is None else since
        else:
            found, at = _news(services, connection, session, max(since, now - OLDEST_SECONDS)), now
    return JSONResponse({"count": waiting, "at": at, "news": msgspec.to_builtins(found)} | bar)


@router.post("/notifications")
def set_notifications(services: TheServices, session: Signed, on: Annotated[Literal["yes", "no"], Form()]) -> Response:
    """Switch the person's browser notifications on or off. The browser asks for permission before."""
    preferences = msgspec.structs.replace(session.account.preferences, notify=on == "yes")
    with services.database.write() as connection:
        accounts.store_preferences(connection, session.account.name, preferences)
    return RedirectResponse("/me", 303)


def _news(services: Services, connection: Connection, session: LoginSession, since: float) -> News:
    wanted, seconds = wanted_by(services, connection, session, Asked()), case_queue.ESCALATED_SECONDS
    return inbox.news(connection, session.account.name, wanted, since, services.clock(), seconds)


def _leads(session: LoginSession) -> bool:
    return allowed("adjudication_page", session.account.role)


def _decides(session: LoginSession) -> bool:
    return allowed("open_case", session.account.role)
