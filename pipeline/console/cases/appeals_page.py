"""Pages of appeals: the list of open appeals, and the page that settles one."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Path, Query, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy import Connection

from pipeline.base.errors import CaseError, Involved
from pipeline.console.cases.case_decisions import choice_of
from pipeline.console.cases.case_page import case_values
from pipeline.console.fields import NoteForm, WordForm
from pipeline.console.rendering import page
from pipeline.console.services import Signed, TheServices
from pipeline.review import audit_log
from pipeline.review.cases import appeals, deciding, eligibility, reading
from pipeline.review.cases.appeals import Appeal
from pipeline.review.cases.case_values import Case

router = APIRouter(prefix="/appeals")

PAGE = 25

AppealId = Annotated[str, Path(max_length=64, pattern=r"^[0-9a-f-]{1,64}$")]


@router.get("", response_class=HTMLResponse)
def appeals_page(
    request: Request,
    services: TheServices,
    session: Signed,
    since: Annotated[float, Query(ge=0, le=1e12)] = 0.0,
    after: Annotated[str, Query(max_length=64, pattern=r"^[0-9a-f-]*$")] = "",
) -> Response:
    """Show open appeals, oldest first. The reader cannot settle an appeal if they had a part in its case."""
    name, now, window = session.account.name, services.clock(), services.settings.console.undo_seconds
    with services.database.read() as connection:
        found = appeals.list_open_appeals(connection, (since, after), PAGE)
        rows = [(appeal, case, _free(connection, case, name)) for appeal, case in found]
        last = [one for one in deciding.last_of(connection, name, now - window) if _settles(connection, one.id)]
        total = appeals.open_count(connection)
    more = len(found) == PAGE  # another page may follow a full one
    seconds = last[0].at + window - now if last else 0
    return page(request, "appeals.html", rows=rows, total=total, last=last, seconds=seconds, more=more)


@router.get("/{appeal}", response_class=HTMLResponse)
def appeal_page(request: Request, services: TheServices, session: Signed, appeal: AppealId) -> Response:
    """Show an appeal: the statement, the decision that it is against, and the case with its audio.

    403 if the reader speaks in the case, or reported it.
    """
    with services.database.write() as connection:
        found = appeals.get_appeal(connection, appeal)
        eligibility.check_party(connection, reading.case(connection, found.case), session.account.name)
        about = _about(connection, found, session.account.name)
        # In the same transaction: nobody sees an appeal without a line about it.
        audit_log.append(
            connection, services.clock(), session.account.name, "appeal.view", found.case, {"appeal": appeal}
        )
    return page(request, "appeal.html", **case_values(services, found.case), **about)


@router.post("/undo")
def undo_appeal(services: TheServices, session: Signed) -> Response:
    """Undo the last appeal that the reader settled. 409 if the undo window is over."""
    name, now, window = session.account.name, services.clock(), services.settings.console.undo_seconds
    with services.database.write() as connection:
        last = [one for one in deciding.last_of(connection, name, now - window) if _settles(connection, one.id)]
        if not last:
            raise CaseError(
                "There is nothing to undo",
                "After the time to undo, a settled appeal stays settled.",
                text="nothing_to_undo",
            )
        deciding.undo(connection, last[0].id, name, now, window)
    services.metrics.appeals.labels("reopened").inc()
    return _to_list()


@router.post("/{appeal}")
def settle_appeal(
    services: TheServices,
    session: Signed,
    appeal: AppealId,
    verdict: Annotated[Literal["uphold", "dismiss"], Form()],
    reason: WordForm = "",
    note: NoteForm = "",
) -> Response:
    """Settle an appeal: uphold the decision, or overturn it (dismiss).

    403 if the reader had a part in the case. 409 if the appeal is already settled.
    """
    choice = choice_of(services, verdict, "", reason, note, "")
    name, window = session.account.name, services.settings.console.undo_seconds
    with services.database.write() as connection:
        appeals.settle(connection, appeal, name, choice, services.clock(), window)
    services.metrics.appeals.labels("upheld" if verdict == "uphold" else "overturned").inc()
    return _to_list()


def _about(connection: Connection, appeal: Appeal, account: str) -> dict[str, Any]:
    case = reading.case(connection, appeal.case)
    against = next(one for one in reading.decisions(connection, case.id) if one.id == appeal.decision)
    return {"appeal": appeal, "against": against, "free": _free(connection, case, account)}


def _free(connection: Connection, case: Case, account: str) -> bool:
    try:
        eligibility.check_fresh(connection, case, account)
    except Involved:
        return False
    return True


def _settles(connection: Connection, decision: str) -> bool:
    return appeals.settled_by(connection, decision) is not None


def _to_list() -> Response:
    """Make the page's htmx load the list of appeals."""
    # htmx would follow a 303 and put the list into a part of the page.
    return Response(status_code=204, headers={"HX-Redirect": "/appeals"})
