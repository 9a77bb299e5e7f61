"""The pages of the 32 indicators: the table, and one indicator with its parts and its definition."""

from collections import Counter
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import HTMLResponse, Response

from pipeline.assessment import figure_cases
from pipeline.assessment.catalogue import INDICATORS
from pipeline.assessment.report import wording
from pipeline.base.errors import DependencyError
from pipeline.console.assessment import assessment_steps, indicator_rows
from pipeline.console.assessment.assessment_pages import reader_language, show
from pipeline.console.assessment.window_choice import DAYS, TheWindow
from pipeline.console.background_figures import Look
from pipeline.console.guard import Refused
from pipeline.console.services import TheServices
from pipeline.review.cases import reading
from pipeline.review.delivery import room_speech
from pipeline.review.quality.figure import Figure

router = APIRouter(prefix="/assessment")

LIST_SECONDS = 30.0
"""Seconds that a list of cases waits for the figures."""

OF_LANGUAGES = "I-04"

COUNTED = 10_000
"""A list counts its cases up to this number."""

KeyQuery = Annotated[str, Query(pattern="^[a-z0-9_]{1,64}$")]
SplitQuery = Annotated[list[Annotated[str, Query(max_length=256, pattern=r"^[^\x00-\x1f\x7f]+$")]], Query(max_length=4)]
Identity = Annotated[str, Path(pattern=r"^I-\d\d$")]


async def figures_of(services: TheServices, chosen: TheWindow) -> Look[list[Figure]]:
    """Return the figures of the chosen window; none if they take longer than a page may."""
    return await services.measured.figures.wait(chosen.window)


Figures = Annotated[Look[list[Figure]], Depends(figures_of)]


async def listed_figures(services: TheServices, chosen: TheWindow) -> list[Figure]:
    """Return the figures of the chosen window. Raises DependencyError if they take longer than LIST_SECONDS."""
    look = await services.measured.figures.wait(chosen.window, LIST_SECONDS)
    if look.kept is None:
        raise DependencyError("The figures are being measured", "Load the page again in a minute.")
    return look.kept.value


@router.get("", response_class=HTMLResponse)
def indicators_page(
    request: Request,
    services: TheServices,
    chosen: TheWindow,
    look: Figures,
    data: Annotated[Literal["operation", "test"], Query()] = "operation",
) -> Response:
    """Show the indicators of a window, of operation or of test data. While they are measured, the page says so."""
    rows = indicator_rows.rows(look.kept.value if look.kept else [], data == "test")
    with services.database.read() as connection:
        steps = assessment_steps.newest(connection)
    counts = Counter(row.state for row in rows)
    return show(
        request,
        "assessment_indicators.html",
        look=look,
        groups=indicator_rows.by_article(rows),
        articles=wording.texts(reader_language(request))["items"],
        steps=steps,
        counts=[(state, counts[state]) for state in indicator_rows.STATES],
        chosen=chosen,
        days=DAYS,
        data=data,
    )


@router.get("/indicators/{identity}", response_class=HTMLResponse)
def indicator_page(
    request: Request, services: TheServices, chosen: TheWindow, look: Figures, identity: Identity
) -> Response:
    """Show one indicator: values, definition, formula, sources, and the values of parts of the speech.

    OF_LANGUAGES also has the rooms with the most speech in other languages, of the last days and not of the window.
    """
    if identity not in INDICATORS:
        raise Refused(404, "There is no such indicator.", "no_figure")
    indicator, figures, rooms = INDICATORS[identity], look.kept.value if look.kept else [], None
    if identity == OF_LANGUAGES:
        with services.database.read() as connection:
            rooms = room_speech.most_in_other_languages(connection, services.clock())
    return show(
        request,
        "assessment_indicator.html",
        look=look,
        indicator=indicator,
        rows=indicator_rows.values(indicator, figures),
        parts=indicator_rows.parts(indicator, figures),
        rooms=rooms,
        rooms_days=room_speech.DAYS,
        chosen=chosen,
        days=DAYS,
    )


@router.get("/indicators/{identity}/cases", response_class=HTMLResponse)
def indicator_cases(
    request: Request,
    services: TheServices,
    chosen: TheWindow,
    figures: Annotated[list[Figure], Depends(listed_figures)],
    identity: Identity,
    key: KeyQuery,
    split: SplitQuery = [],  # noqa: B006 - FastAPI copies it
) -> Response:
    """List the cases behind a figure, newest first, with their number up to COUNTED.

    `split` has the figure's part of the speech, as `name=value`.
    """
    figure = _figure(figures, identity, key, split)
    with services.database.read() as connection:
        behind = figure_cases.listed(connection, figure, chosen.window, COUNTED)
        found = [reading.case(connection, each) for each in behind[: figure_cases.MOST]]
    row = indicator_rows.FigureRow(INDICATORS[identity], figure)
    values = {"row": row, "cases": found, "total": len(behind), "counted": COUNTED}
    return show(request, "assessment_cases.html", **values, chosen=chosen)


def _figure(figures: list[Figure], identity: str, key: str, split: list[str]) -> Figure:
    """Return the figure that has a list of cases."""
    parts = dict(each.partition("=")[::2] for each in split)
    found = (each for each in figures if (each.indicator, each.key, each.split) == (identity, key, parts))
    if (figure := next(found, None)) is None or not figure.cases:
        raise Refused(404, "There is no list of cases behind this figure.", "no_figure")
    return figure
