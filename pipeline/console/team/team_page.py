"""The team's page: what is open against its target, who works on it, and which phrases are muted."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response

from pipeline.console.background_figures import Look
from pipeline.console.fields import NameQuery
from pipeline.console.pages import page
from pipeline.console.services import TheServices
from pipeline.review.cases import phrase_muting
from pipeline.review.quality import lead_figures
from pipeline.review.quality.lead_figures import MOST, What
from pipeline.review.quality.trends import TeamFigures

router = APIRouter()

NOW = "now"
"""The only key of the team's figures."""


async def team_figures(services: TheServices) -> Look[TeamFigures]:
    """Return the newest figures of the team. The first reader after a pause waits for them."""
    return await services.measured.team.wait(NOW, newest=True)


@router.get("/team", response_class=HTMLResponse)
async def team_page(request: Request, services: TheServices) -> Response:
    """Show the queue against its targets, the load of each person, and the muted phrases."""
    look = await team_figures(services)
    with services.database.read() as connection:
        muted = phrase_muting.everywhere(connection, services.clock())
    return page(
        request,
        "team.html",
        team=look.kept.value if look.kept else None,
        phrases=muted,
        limits=services.settings.quality,
    )


@router.get("/team/cases", response_class=HTMLResponse)
def team_cases(
    request: Request,
    services: TheServices,
    what: Annotated[What, Query()],
    severity: Annotated[int | None, Query(ge=0, le=3)] = None,
    account: NameQuery = "",
    label: NameQuery = "",
) -> Response:
    """Show the cases behind a figure."""
    with services.database.read() as connection:
        cases = lead_figures.found(connection, what, services.clock(), severity=severity, account=account, label=label)
    return page(request, "found.html", cases=cases, what=what, severity=severity, by=account, label=label, most=MOST)
