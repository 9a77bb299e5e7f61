"""Who has a case: a moderator takes, renews and skips it; a lead gives cases to a person and takes them back."""

import json
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Path, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from sqlalchemy import Connection

from pipeline.base.errors import CaseError, Missing, Stale, Taken
from pipeline.console.cases.case_page import case_values
from pipeline.console.cases.queue_page import Asked, Filters, wanted_by
from pipeline.console.fields import IdForm, NameForm, WordForm
from pipeline.console.rendering import explain, page, reader_language
from pipeline.console.services import Services, Signed, TheCase, TheServices, load_of
from pipeline.review import audit_log
from pipeline.review.accounts import wellness
from pipeline.review.cases import assigning, case_queue, leases, reading
from pipeline.review.cases.assigning import MOST_MOVED, MoveReason

router = APIRouter()

TRIES = 20  # tries to find a free case while other moderators take cases, too
PROPOSED = 20  # cases that the form proposes to move
MOVED = {"HX-Trigger": "moved"}  # the event that lets the page load its list again

CaseQuery = Annotated[str, Query(max_length=64, pattern=r"^[0-9a-f-]*$", description="Only this case.")]
MoveId = Annotated[str, Path(max_length=64, pattern=r"^[0-9a-f-]{1,64}$")]


@router.post("/cases/{case}/open", response_class=HTMLResponse)
def open_case(
    request: Request,
    services: TheServices,
    session: Signed,
    case: TheCase,
    leaving: IdForm = "",
    instead: Annotated[Literal["", "yes"], Form()] = "",
    step: Annotated[Literal["", "yes"], Form()] = "",
) -> Response:
    """Take the case and show it. If another moderator holds it, show it without the form for a decision.

    A person holds one case. `leaving` is the lease of this tab, which moves on to this case. If another tab holds a
    case, this one is shown without the form; with `instead`, the person gives the other case up. A `step` to the next
    case takes none during a break. To claim a case that one chose ends the break.
    """
    name, now = session.account.name, services.clock()
    if step:
        with services.database.read() as connection:
            if wellness.is_resting(connection, name, now):
                return with_event(Response(status_code=204), "resting", [])
    with services.database.write() as connection:
        # `claim` would end the lease of the other tab, and the person might lose what they typed there.
        other = leases.held_by(connection, name, now)
        elsewhere = other is not None and other.case_id != case and other.id != leaving and not instead
        try:
            if elsewhere:
                lease, refused = None, services.texts.say(reader_language(request), "desk.elsewhere")
            else:
                wellness.allow(load_of(services, connection, session))
                lease, refused = leases.claim(connection, case, name, now, leases.LEASE_SECONDS), ""
        except Missing:  # a CaseError, too, but there is no case to show
            raise
        except CaseError as error:
            lease, refused = None, explain(request, error)
        if lease is None:
            wellness.end_break(connection, name, now)
            audit_log.append(connection, now, name, "case.view", case)  # `claim` writes its own line
    return page(request, "case.html", refused=refused, **case_values(services, case, lease, elsewhere))


@router.post("/next", response_class=HTMLResponse)
def open_next(request: Request, services: TheServices, session: Signed, asked: Filters) -> Response:
    """Take the most urgent free case and show it. Return an empty page if there is none."""
    for _ in range(TRIES):
        try:
            with services.database.write() as connection:
                load = load_of(services, connection, session)
                wellness.allow(load)
                wanted = wanted_by(services, connection, session, asked, load)
                case = case_queue.next_free(connection, session.account.name, services.clock(), wanted)
                if case is None:
                    break
                lease = leases.claim(connection, case, session.account.name, services.clock(), leases.LEASE_SECONDS)
            return page(request, "case.html", **case_values(services, case, lease))
        # Another moderator was faster. The transaction is rolled back, so the next try sees the new lease.
        except Taken:
            continue
    return page(request, "no_case.html")


@router.post("/cases/{case}/retake", response_class=HTMLResponse)
def retake_case(request: Request, services: TheServices, session: Signed, case: TheCase) -> Response:
    """Take a case again after a conflict. The page gets the new lease and keeps the version that the person saw."""
    with services.database.write() as connection:
        lease = leases.claim(connection, case, session.account.name, services.clock(), leases.LEASE_SECONDS)
    return with_event(page(request, "new_lease.html", lease=lease), "retaken", [case])


@router.post("/leases/{lease}/renew")
def renew_lease(
    services: TheServices,
    session: Signed,
    lease: Annotated[str, Path(max_length=64, pattern=r"^[0-9a-f-]+$")],
    case: IdForm = "",
) -> Response:
    """Extend the lease on a case. 409 if it ended; the answer names the moderator who has the `case` now, if any.

    A lease also ends when it has reached its longest time.
    """
    name, now = session.account.name, services.clock()
    try:
        with services.database.write() as connection:
            held = leases.renew(connection, lease, name, now, leases.LEASE_SECONDS, leases.LONGEST_SECONDS)
    except Stale:
        with services.database.read() as connection:
            holder = leases.holders(connection, now).get(case, "")
        return JSONResponse({"holder": "" if holder == name else holder}, 409)
    return JSONResponse({"expires_at": held.expires_at, "seconds": held.expires_at - now})


@router.post("/cases/{case}/skip", response_class=HTMLResponse)
def skip_case(
    request: Request, services: TheServices, session: Signed, case: TheCase, lease: IdForm = "", reason: WordForm = ""
) -> Response:
    """Release the lease on a case without a decision."""
    name = session.account.name
    with services.database.write() as connection:
        leases.release_lease(connection, lease, name)
        audit_log.append(connection, services.clock(), name, "case.skip", case, {"reason": reason})
    return with_event(page(request, "skipped.html"), "skipped", [case])


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
    return page(request, "move_form.html", **values)


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
    now, seconds = services.clock(), assigning.OFFERED_SECONDS
    with services.database.write() as connection:
        chosen = assigning.candidates(connection, account, asked.wanted, now, count, case)
        made = assigning.move(connection, chosen, account, session.account.name, reason, now, seconds)
        values = _form(services, connection, asked, case)
    response = page(request, "move_form.html", made=made, **values)
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


def with_event(response: Response, event: str, cases: list[str], verdict: str = "") -> Response:
    """Add htmx's header HX-Trigger, so that the page's script gets `event` with the case ids and the verdict."""
    response.headers["HX-Trigger"] = json.dumps({event: {"cases": cases} | ({"verdict": verdict} if verdict else {})})
    return response


def _form(services: Services, connection: Connection, asked: Asked, case: str, count: int = PROPOSED) -> dict[str, Any]:
    """Return the values for `move_form.html`. Raises Missing if there is no such case."""
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
