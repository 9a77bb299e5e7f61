"""The page of the audit log."""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta, tzinfo
from functools import partial
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response

from pipeline.console.fields import DayQuery, NameQuery
from pipeline.console.rendering import page, zone_of
from pipeline.console.services import TheServices
from pipeline.review import audit_log
from pipeline.review.accounts import accounts

router = APIRouter()

MOST = 100  # lines of a page

ActionQuery = Annotated[str, Query(max_length=64, pattern=r"^[a-z_.]*$")]
LineQuery = Annotated[int, Query(ge=0, le=2**31 - 1)]


@router.get("/audit", response_class=HTMLResponse)
def audit_page(
    request: Request,
    services: TheServices,
    actor: NameQuery = "",
    action: ActionQuery = "",
    subject: NameQuery = "",
    since: DayQuery = None,
    until: DayQuery = None,
    before: LineQuery = 0,
) -> Response:
    """Show the audit log, newest line first, by actor, action, subject and days; before the line number `before`.

    Days begin in the reader's time zone. The day `until` is included.
    """
    sought = {"action": action, "actor": actor, "subject": subject, "since": since, "until": until}
    zone = zone_of(request)
    with services.database.read() as connection:
        lines = audit_log.newest_lines(
            connection,
            actor,
            subject.removeprefix("#").removesuffix("…"),
            before,
            MOST,
            action=action,
            since=_begin(since, zone),
            until=_begin(until, zone, days=1),  # the day `until` is included
        )
        actions = audit_log.actions(connection)
        people = [one.name for one in accounts.all_accounts(connection)]
    values: dict[str, Any] = {
        "lines": lines,
        "most": MOST,
        "sought": sought,
        "also": partial(_address, sought),
        "actions": actions,
        "people": people,
        "chain": services.audit_watch.report,
        "checked_at": services.audit_watch.at,
        "anchor": services.anchoring.newest,
    }
    return page(request, "audit.html", **values)


def _address(sought: Mapping[str, object], name: str, value: object) -> str:
    """Return the address of the page with one more filter, or a changed one."""
    return f"/audit?{urlencode({key: wanted for key, wanted in {**sought, name: value}.items() if wanted})}"


def _begin(day: date | None, zone: tzinfo, days: int = 0) -> float | None:
    """Return when a day begins, or the one `days` later, in UTC seconds; None for no day."""
    return datetime.combine(day + timedelta(days=days), time.min, zone).timestamp() if day else None
