"""The inbox: what waits for the person. Every page asks for its count, and for news that may become notifications."""

from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Connection, Select, exists, func, select

from pipeline.console.access_table import allowed
from pipeline.console.cases.queue_page import Asked, rows_of, wanted_by
from pipeline.console.rendering import page
from pipeline.console.services import Signed, TheServices, load_of
from pipeline.review.accounts import accounts
from pipeline.review.accounts.sign_in import LoginSession
from pipeline.review.accounts.wellness import SEVERE
from pipeline.review.cases import appeals, case_queue, notes
from pipeline.review.cases.case_queue import QueueFilter
from pipeline.review.tables.case_tables import APPEALS, CHECKS
from pipeline.review.tables.core import CASES, DECISIONS, OPEN
from pipeline.review.tables.people_tables import ASSIGNMENTS, MENTIONS, UNREAD

router = APIRouter(prefix="/inbox")

SHOWN = 50  # the most items of a kind on the page
OLDEST_SECONDS = 600.0  # older news make no notifications: a laptop may wake up after hours
COUNTED = 100  # counting stops here, because every open page asks for the counts again and again
NEAR_SECONDS = 300.0  # a deadline is near when less than this is left


class WaitingWork(Struct, frozen=True):
    """The numbers of things that wait for a person, each at most COUNTED."""

    mentions: int
    assigned: int
    escalated: int
    appeals: int
    disputes: int

    @property
    def total(self) -> int:
        return self.mentions + self.assigned + self.escalated + self.appeals + self.disputes


class News(Struct, frozen=True):
    """The numbers of new things for a person. `near` counts the deadlines of cases that they should decide."""

    severe: int = 0
    near: int = 0
    mentions: int = 0
    assigned: int = 0


@router.get("", response_class=HTMLResponse)
def inbox_page(request: Request, services: TheServices, session: Signed) -> Response:
    """Show the person's mentions, assigned cases, escalated cases and appeals."""
    name = session.account.name
    with services.database.read() as connection:
        wanted = wanted_by(services, connection, session, Asked())
        assigned = case_queue.list_queue(connection, replace(wanted, view="mine"), limit=SHOWN)
        escalated = case_queue.list_escalated(connection, wanted, None, SHOWN) if _decides(session) else []
        values: dict[str, Any] = {
            "mentions": notes.unread(connection, name, SHOWN),
            "assigned": rows_of(assigned),
            "escalated": rows_of(escalated),
            "escalated_by": case_queue.escalators(connection, [case.id for case in (*assigned, *escalated)]),
            "due": due(connection, name, wanted, _decides(session), _leads(session)),
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
        waiting = due(connection, session.account.name, wanted, _decides(session), _leads(session)).total
        bar = {
            "queue": case_queue.count_queue(connection, wanted, COUNTED),
            "appeals": appeals.open_count(connection, COUNTED),
        }
        quiet = load_of(services, connection, session).on_break
        # A page without `since` was just opened. Its first answer sets `at`, so old news make no notifications. During
        # a break `at` stays, so that the news come afterwards.
        if since is None or quiet:
            found, at = News(), now if since is None else since
        else:
            found, at = news(connection, session.account.name, wanted, max(since, now - OLDEST_SECONDS), now), now
    return JSONResponse({"count": waiting, "at": at, "news": msgspec.to_builtins(found)} | bar)


@router.post("/notifications")
def set_notifications(services: TheServices, session: Signed, on: Annotated[Literal["yes", "no"], Form()]) -> Response:
    """Switch the person's browser notifications on or off. The browser asks for permission before."""
    preferences = replace(session.account.preferences, notify=on == "yes")
    with services.database.write() as connection:
        accounts.store_preferences(connection, session.account.name, preferences)
    return RedirectResponse("/me", 303)


def _leads(session: LoginSession) -> bool:
    return allowed("adjudication_page", session.account.role)


def _decides(session: LoginSession) -> bool:
    return allowed("open_case", session.account.role)


def due(connection: Connection, account: str, wanted: QueueFilter, decides: bool, leads: bool) -> WaitingWork:
    """Count what waits for `account`. `wanted` is the queue as this person gets it.

    Only mentions wait for a person who does not decide, and disputes only for one who leads.
    """
    mentions = _count(connection, _mentions(account))
    if not decides:
        return WaitingWork(mentions, 0, 0, 0, 0)
    return WaitingWork(
        mentions=mentions,
        assigned=case_queue.count_queue(connection, replace(wanted, view="mine"), COUNTED),
        escalated=case_queue.count_queue(connection, replace(wanted, view="escalated"), COUNTED),
        appeals=_count(connection, _appeals(account)),
        disputes=_count(connection, _disputes(wanted)) if leads else 0,
    )


def news(connection: Connection, account: str, wanted: QueueFilter, since: float, at: float) -> News:
    """Count what came after `since`, until `at`, for `account`. `wanted` is the queue as this person gets it."""
    given = select(ASSIGNMENTS.c.case_id).where(ASSIGNMENTS.c.account == account, ASSIGNMENTS.c.at > since)
    theirs = case_queue.list_queue(connection, replace(wanted, view="mine"), limit=COUNTED)
    theirs += case_queue.list_escalated(connection, wanted, None, COUNTED)
    return News(
        severe=case_queue.arrived(connection, wanted, since, SEVERE, COUNTED),
        # Each deadline comes near once, between two requests.
        near=sum(since < case.due_at - NEAR_SECONDS <= at for case in theirs),
        mentions=_count(connection, _mentions(account).where(MENTIONS.c.at > since)),
        assigned=_count(connection, given.join(CASES, CASES.c.id == ASSIGNMENTS.c.case_id).where(OPEN)),
    )


def _mentions(account: str) -> Select[tuple[str]]:
    return select(MENTIONS.c.note).where(MENTIONS.c.account == account, UNREAD)


def _appeals(account: str) -> Select[tuple[str]]:
    """Select the cases with an open appeal that `account` did not decide."""
    decided = exists().where(DECISIONS.c.case_id == APPEALS.c.case_id, DECISIONS.c.moderator == account)
    return appeals.open_cases().where(~decided.correlate(APPEALS))


def _disputes(wanted: QueueFilter) -> Select[tuple[str]]:
    """Select the open cases on which two people differ, without those that the person may not decide."""
    query = select(CHECKS.c.case_id).join(CASES, CASES.c.id == CHECKS.c.case_id)
    return query.where(CHECKS.c.kind == "third", OPEN, CASES.c.id.not_in(wanted.without.cases))


def _count(connection: Connection, query: Select[tuple[str]]) -> int:
    found = query.limit(COUNTED).subquery()  # the database stops at the limit
    return int(connection.execute(select(func.count()).select_from(found)).scalar_one())
