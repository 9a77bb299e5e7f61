"""The line that says how old figures are, and how far their next measurement is. An open page asks for it."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response

from pipeline.assessment.report import assessments
from pipeline.console.assessment.assessment_pages import show
from pipeline.console.assessment.forms_page import AssessmentId
from pipeline.console.assessment.window_choice import TheWindow
from pipeline.console.background_figures import Look
from pipeline.console.services import Services, TheServices
from pipeline.review.quality.figure import Window

router = APIRouter(prefix="/assessment/measuring")

ShownQuery = Annotated[float, Query(ge=0, le=1e12, description="When the figures of the page were measured; 0: none.")]


@router.get("", response_class=HTMLResponse)
def figures_progress(request: Request, services: TheServices, chosen: TheWindow, shown: ShownQuery = 0.0) -> Response:
    """Tell about the figures of a window."""
    return _progress(
        request, services.measured.figures.look(chosen.window), f"/assessment/measuring?{chosen.query}", shown
    )


@router.post("")
def measure_figures(services: TheServices, chosen: TheWindow) -> Response:
    """Measure a window now, unless nothing has changed since the last time."""
    services.measured.figures.again(chosen.window)
    return Response(headers={"HX-Refresh": "true"})


@router.get("/{assessment}", response_class=HTMLResponse)
def draft_progress(
    request: Request, services: TheServices, assessment: AssessmentId, shown: ShownQuery = 0.0
) -> Response:
    """Tell about the figures of a draft report."""
    look = services.measured.drafts.look(_window(services, assessment))
    return _progress(request, look, f"/assessment/measuring/{assessment}?", shown)


@router.post("/{assessment}")
def measure_draft(services: TheServices, assessment: AssessmentId) -> Response:
    """Measure a draft report now, unless nothing has changed since the last time."""
    services.measured.drafts.again(_window(services, assessment))
    return Response(headers={"HX-Refresh": "true"})


def _window(services: Services, assessment: str) -> Window:
    with services.database.read() as connection:
        return assessments.find(connection, assessment).window


def _progress(request: Request, look: Look[Any], href: str, shown: float) -> Response:
    """Return the line. A page without figures loads again when they are there."""
    if look.kept and not look.running and not shown:
        return Response(headers={"HX-Refresh": "true"})
    return show(request, "assessment_progress.html", look=look, href=href, shown=shown)
