"""The leads' page: figures, each with a link to the cases behind it. It also marks golden cases."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from pipeline.assessment import audits, snapshot
from pipeline.assessment.figure import Window
from pipeline.console.desk import Signed, TheDesk
from pipeline.console.fields import CaseId, NameQuery
from pipeline.console.pages import page
from pipeline.messages import Verdict
from pipeline.review import audit
from pipeline.review.quality import checks, figures, lead_figures
from pipeline.review.quality.lead_figures import DAY, MOST, WINDOW, What

router = APIRouter()


@router.get("/leads", response_class=HTMLResponse)
def leads_page(request: Request, desk: TheDesk) -> Response:
    """Show the figures of the queue, the team and the quality."""
    now = desk.clock()
    with desk.database.read() as connection:
        snapshot.take(connection, now, now - WINDOW)
        pairs = figures.pairs(connection, now - WINDOW)
        answers = figures.answers(connection, now - WINDOW)
        values: dict[str, Any] = {
            "backlog": lead_figures.backlog(connection, now),
            "forecast": lead_figures.forecast(connection, now),
            "in_time": lead_figures.in_time(connection, now - DAY),
            "loads": lead_figures.loads(connection, now),
            "overturned": lead_figures.overturned(connection, now - WINDOW),
            "confirmed": figures.confirmed(connection, now - WINDOW),
            "recall": audits.recall(audits.read(connection, Window(now - WINDOW, now))),
        }
    return page(
        request,
        "leads.html",
        agreement=figures.agreement(pairs),
        by_label=figures.by_label(pairs),
        golden=figures.correct(answers),
        enough=figures.ENOUGH,
        **values,
    )


@router.get("/leads/cases", response_class=HTMLResponse)
def leads_cases(
    request: Request,
    desk: TheDesk,
    what: Annotated[What, Query()],
    severity: Annotated[int | None, Query(ge=0, le=3)] = None,
    account: NameQuery = "",
    label: NameQuery = "",
) -> Response:
    """Show the cases behind a figure."""
    with desk.database.read() as connection:
        cases = lead_figures.found(connection, what, desk.clock(), severity=severity, account=account, label=label)
    return page(request, "found.html", cases=cases, what=what, severity=severity, by=account, label=label, most=MOST)


@router.post("/cases/{case}/golden")
def mark_golden(
    desk: TheDesk, session: Signed, case: CaseId, verdict: Annotated[Verdict | None, Form()] = None
) -> Response:
    """Make a decided case golden, with the right verdict. Without a verdict, the case is no longer golden."""
    now, name = desk.clock(), session.account.name
    with desk.database.write() as connection:
        if verdict:
            checks.mark_golden(connection, case, name, verdict, now)
        else:
            checks.unmark_golden(connection, case)
        audit.append(connection, now, name, "case.golden", case, {"verdict": verdict})
    return RedirectResponse(f"/cases/{case}", 303)
