"""Pages about checks: golden cases, adjudication for leads, and each person's own feedback."""

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from pipeline.console.fields import CaseId
from pipeline.console.pages import page
from pipeline.console.services import Signed, TheServices
from pipeline.contract.messages import Verdict
from pipeline.review import audit_log
from pipeline.review.quality import adjudication, quality_checks
from pipeline.review.quality.lead_figures import WINDOW

router = APIRouter()


@router.get("/quality/golden", response_class=HTMLResponse)
def golden_page(request: Request, services: TheServices) -> Response:
    """Show the golden cases with their answers, and proposals for new ones."""
    with services.database.read() as connection:
        found, proposals = (
            adjudication.golden_cases(connection, services.clock()),
            adjudication.golden_proposals(connection, services.clock()),
        )
    return page(request, "golden_list.html", golden=found, proposals=proposals)


@router.get("/quality/adjudication", response_class=HTMLResponse)
def adjudication_page(request: Request, services: TheServices) -> Response:
    """Show what two people saw differently. The opinions are hidden until a third person has decided."""
    since = services.clock() - WINDOW
    with services.database.read() as connection:
        waiting = adjudication.disputes(connection, since, settled=False)
        settled = adjudication.disputes(connection, since, settled=True)
    return page(request, "adjudication.html", waiting=waiting, settled=settled)


@router.get("/quality/feedback", response_class=HTMLResponse)
def feedback_page(request: Request, services: TheServices, session: Signed) -> Response:
    """Show the person's own decisions that a check saw differently. Nobody else sees this page."""
    name, since = session.account.name, services.clock() - WINDOW
    with services.database.read() as connection:
        remarks = adjudication.feedback(connection, name, since)
        checked = adjudication.count_checked(connection, name, since)
    return page(request, "feedback.html", remarks=remarks, checked=checked)


@router.post("/cases/{case}/golden")
def mark_golden(
    services: TheServices,
    session: Signed,
    case: CaseId,
    verdict: Annotated[Verdict | None, Form()] = None,
    then: Annotated[Literal["case", "list"], Form()] = "case",
) -> Response:
    """Make a decided case golden, with the right verdict. Without a verdict, the case is no longer golden."""
    now, name = services.clock(), session.account.name
    with services.database.write() as connection:
        if verdict:
            quality_checks.mark_golden(connection, case, name, verdict, now)
        else:
            quality_checks.unmark_golden(connection, case)
        audit_log.append(connection, now, name, "case.golden", case, {"verdict": verdict})
    return RedirectResponse("/quality/golden" if then == "list" else f"/cases/{case}", 303)
