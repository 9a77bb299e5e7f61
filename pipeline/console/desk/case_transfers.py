"""Moving cases: a lead gives cases of the queue, or one case, to a person; and takes a move back."""

from typing import Annotated, Any, get_args
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Path, Query, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy import Connection

from pipeline.console.desk.queue_page import Asked, Filters
from pipeline.console.fields import NameForm
from pipeline.console.pages import page
from pipeline.console.services import Services, Signed, TheServices
from pipeline.review.cases import assigning, case_queue, reading
from pipeline.review.cases.assigning import MOST_MOVED, MoveReason

router = APIRouter()

PROPOSED = 20
"""Cases that the form proposes to move."""
MOVED = {"HX-Trigger": "moved"}
"""The event that lets the page load its list again."""

CaseQuery = Annotated[str, Query(max_length=64, pattern=r"^[0-9a-f-]*$", description="Only this case.")]
MoveId = Annotated[str, Path(max_length=64, pattern=r"^[0-9a-f-]{1,64}$")]


@router.get("/queue/move", response_class=HTMLResponse)
def move_form(
    request: Request,
    services: TheServices,
    asked: Filters,
    case: CaseQuery = "",
    count: Annotated[int, Query(ge=1, le=MOST_MOVED)] = PROPOSED,
) -> Response:
    """Show the form that gives the first `count` cases of the filtered queue, or one case, to a person."""
    with services.database.read() as connection:
        values = _form(services, connection, asked, case, count)
    return page(request, "move.html", **values)


@router.post("/queue/move", response_class=HTMLResponse)
def move_cases(
    request: Request,
    services: TheServices,
    session: Signed,
    asked: Filters,
    account: NameForm,
    reason: Annotated[MoveReason, Form()],
    count: Annotated[int, Form(ge=1, le=MOST_MOVED)] = 1,
    case: CaseQuery = "",
) -> Response:
    """Give cases to a person, in the order of the queue. Cases that the person may not get are left out."""
    now, seconds = services.clock(), services.settings.console.assigned_seconds
    with services.database.write() as connection:
        chosen = assigning.candidates(connection, account, asked.wanted, now, count, case)
        made = assigning.move(connection, chosen, account, session.account.name, reason, now, seconds)
        values = _form(services, connection, asked, case)
    response = page(request, "move.html", made=made, **values)
    response.headers.update(MOVED)
    return response


@router.post("/moves/{move}/undo", response_class=HTMLResponse)
def undo_move(request: Request, services: TheServices, session: Signed, move: MoveId) -> Response:
    """Take a move back. 409 if all its cases were decided or moved again."""
    with services.database.write() as connection:
        back = assigning.undo(connection, move, session.account.name, services.clock())
    response = page(request, "move_undone.html", count=len(back))
    response.headers.update(MOVED)
    return response


def _form(services: Services, connection: Connection, asked: Asked, case: str, count: int = PROPOSED) -> dict[str, Any]:
    """Return the values for `move.html`. Raises Missing if there is no such case."""
    if case:
        reading.case(connection, case)
    return {
        "asked": asked,
        "case": case,
        "count": count,
        "query": urlencode(asked.given | ({"case": case} if case else {})),
        "total": 1 if case else case_queue.count_queue(connection, asked.wanted, MOST_MOVED),
        "most": MOST_MOVED,
        "people": assigning.people(connection, services.clock()),
        "reasons": get_args(MoveReason),
    }
