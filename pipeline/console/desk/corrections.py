"""Endpoints with which leads correct decided cases: another decision, or the case again in the queue."""

from typing import Annotated, Literal

from fastapi import APIRouter, Form
from fastapi.responses import RedirectResponse, Response

from pipeline.console import console_metrics
from pipeline.console.desk.case_actions import ActionForm, VersionForm, choice_of
from pipeline.console.fields import CaseId, NoteForm, WordForm
from pipeline.console.services import Signed, TheServices
from pipeline.review.cases import correcting, ranking

router = APIRouter(prefix="/cases")


@router.post("/{case}/correct")
def correct_case(
    services: TheServices,
    session: Signed,
    case: CaseId,
    verdict: Annotated[Literal["uphold", "dismiss"], Form()],
    version: VersionForm,
    reason: WordForm,
    label: WordForm = "",
    note: NoteForm = "",
    action: ActionForm = "",
) -> Response:
    """Replace the decision of a case, with a reason. 409 if the case has changed or has an open appeal."""
    choice = choice_of(services, verdict, label, reason, note, action)
    undo_seconds = services.settings.console.undo_seconds
    with services.database.write() as connection:
        made = correcting.correct(
            connection,
            case,
            session.account.name,
            choice,
            services.clock(),
            version=version,
            undo_seconds=undo_seconds,
            measures=services.measures,
        )
    console_metrics.decided(services, [made])
    return RedirectResponse(f"/cases/{case}", 303)


@router.post("/{case}/reopen")
def reopen_case(
    services: TheServices, session: Signed, case: CaseId, version: VersionForm, reason: WordForm
) -> Response:
    """Take the decision of a case back, with a reason, and put the case into the queue. 409 as for a correction."""
    choice_of(services, "dismiss", "", reason, "", "")
    order = ranking.ranking_of(services.labels, services.settings)
    with services.database.write() as connection:
        correcting.reopen_case(
            connection, case, session.account.name, reason, services.clock(), version=version, ranking=order
        )
    return RedirectResponse(f"/cases/{case}", 303)
