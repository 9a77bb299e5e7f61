"""The wellness page: how much the person has heard and seen, their limits and breaks. Only they see it."""

from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from pipeline.console.rendering import page
from pipeline.console.services import Services, Signed, TheServices, load_of
from pipeline.review.accounts import accounts, wellness
from pipeline.review.accounts.accounts import ViewingLimits
from pipeline.review.accounts.sign_in import LoginSession
from pipeline.review.cases import leases

router = APIRouter(prefix="/wellness")

LATER = "voxwarden_later"  # cookie of a browser whose reader has put the break off
LATER_SECONDS = 600  # then the console proposes the break again

MinutesForm = Annotated[int, Form(ge=5, le=720)]
CasesForm = Annotated[int, Form(ge=1, le=1_000)]
LabelForm = Annotated[str, Form(max_length=64, pattern=r"^[a-z_]*$")]
Switch = Annotated[Literal["on", "off"], Form()]


@router.get("", response_class=HTMLResponse)
def wellness_page(request: Request, services: TheServices, session: Signed) -> Response:
    """Show the person's load and limits."""
    with services.database.read() as connection:
        meter = load_of(services, connection, session)
    return page(request, "wellness.html", meter=meter, labels=services.labels.labels)


@router.get("/meter", response_class=HTMLResponse)
def wellness_meter(request: Request, services: TheServices, session: Signed) -> Response:
    """Show the person's load in the header of every page."""
    return _meter(request, services, session, later=LATER in request.cookies)


@router.post("/later", response_class=HTMLResponse)
def put_off_break(request: Request, services: TheServices, session: Signed) -> Response:
    """Hide the proposal of a break for LATER_SECONDS in this browser."""
    response = _meter(request, services, session, later=True)
    secure = services.settings.console.is_secure
    response.set_cookie(LATER, "1", max_age=LATER_SECONDS, httponly=True, samesite="lax", secure=secure)
    return response


def _meter(request: Request, services: Services, session: LoginSession, *, later: bool) -> Response:
    with services.database.read() as connection:
        meter = load_of(services, connection, session)
    return page(request, "wellness_meter.html", meter=meter, later=later)


@router.post("/comfort")
def set_comfort(
    services: TheServices,
    session: Signed,
    break_minutes: MinutesForm,
    break_severe: CasesForm,
    most_minutes: MinutesForm,
    most_severe: CasesForm,
    cover: Switch = "off",
    soften: Switch = "off",
    without: Annotated[list[LabelForm], Form(max_length=64)] = [],  # noqa: B006 - FastAPI copies it
) -> Response:
    """Store the person's limits. 422 for an unknown label."""
    services.labels.check(without, "without")
    comfort = ViewingLimits(
        without=tuple(without),
        cover=cover == "on",
        soften=soften == "on",
        break_minutes=break_minutes,
        break_severe=break_severe,
        most_minutes=most_minutes,
        most_severe=most_severe,
    )
    preferences = msgspec.structs.replace(session.account.preferences, comfort=comfort)
    with services.database.write() as connection:
        accounts.store_preferences(connection, session.account.name, preferences)
    return RedirectResponse("/wellness", 303)


@router.post("/listened", status_code=204)
def listened(
    services: TheServices, session: Signed, seconds: Annotated[float, Form(gt=0, le=120, allow_inf_nan=False)]
) -> Response:
    """Record the seconds that the player played since its last request."""
    with services.database.write() as connection:
        wellness.listen(connection, session.account.name, seconds, services.clock())
    return Response(status_code=204)


@router.post("/break")
def take_break(services: TheServices, session: Signed, on: Annotated[Literal["yes", "no"], Form()] = "yes") -> Response:
    """Start or end a break. During the break, the person's lease stays valid for up to 30 minutes.

    After it, the page of that case opens: the list passes over cases that somebody holds.
    """
    name, now = session.account.name, services.clock()
    act = wellness.start_break if on == "yes" else wellness.end_break
    with services.database.write() as connection:
        act(connection, name, now)
        lease = leases.held_by(connection, name, now)
    back = f"/cases/{lease.case_id}" if lease else "/queue"
    return RedirectResponse("/wellness" if on == "yes" else back, 303)
