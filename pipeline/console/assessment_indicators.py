"""The pages of the 32 indicators: the table, and one indicator with its parts and its definition."""

from collections import Counter
from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Path, Query, Request
from fastapi.responses import HTMLResponse, Response

from pipeline.assessment import cases
from pipeline.assessment.catalogue import INDICATORS
from pipeline.assessment.figure import Figure
from pipeline.console import assessment_rows
from pipeline.console.assessment_view import show
from pipeline.console.assessment_window import DAYS, TheWindow
from pipeline.console.desk import TheDesk
from pipeline.errors import DependencyError
from pipeline.review.cases import reading

router = APIRouter(prefix="/assessment")

LIST_SECONDS = 30.0
"""Seconds that a list of cases waits for the figures."""

KeyQuery = Annotated[str, Query(pattern="^[a-z0-9_]{1,64}$")]
SplitQuery = Annotated[list[Annotated[str, Query(max_length=256, pattern=r"^[^\x00-\x1f\x7f]+$")]], Query(max_length=4)]
Identity = Annotated[str, Path(pattern=r"^I-\d\d$")]


@router.get("", response_class=HTMLResponse)
def indicators_page(
    request: Request,
    desk: TheDesk,
    chosen: TheWindow,
    data: Annotated[Literal["operation", "test"], Query()] = "operation",
) -> Response:
    """Show the indicators of a window, of operation or of test data. While they are computed, the page says so."""
    figures = desk.measured.figures(chosen.window)
    rows = assessment_rows.rows(figures or [], data == "test")
    counts = Counter(row.state for row in rows)
    return show(
        request,
        "assessment_indicators.html",
        ready=figures is not None,
        rows=rows,
        counts=[(state, counts[state]) for state in assessment_rows.STATES],
        chosen=chosen,
        days=DAYS,
        data=data,
    )


@router.get("/indicators/{identity}", response_class=HTMLResponse)
def indicator_page(request: Request, desk: TheDesk, chosen: TheWindow, identity: Identity) -> Response:
    """Show one indicator: values, definition, formula, sources, and the values of parts of the speech."""
    if identity not in INDICATORS:
        raise HTTPException(404, "There is no such indicator.")
    figures = desk.measured.figures(chosen.window)
    indicator = INDICATORS[identity]
    return show(
        request,
        "assessment_indicator.html",
        ready=figures is not None,
        indicator=indicator,
        rows=assessment_rows.values(indicator, figures or []),
        parts=assessment_rows.parts(indicator, figures or []),
        chosen=chosen,
        days=DAYS,
    )


@router.get("/indicators/{identity}/cases", response_class=HTMLResponse)
def indicator_cases(
    request: Request,
    desk: TheDesk,
    chosen: TheWindow,
    identity: Identity,
    key: KeyQuery,
    split: SplitQuery = [],  # noqa: B006 - FastAPI copies it
) -> Response:
    """List the cases behind a figure, newest first. `split` has the figure's part of the speech, as `name=value`."""
    figure = _figure(desk.measured.figures(chosen.window, LIST_SECONDS), identity, key, split)
    with desk.database.read() as connection:
        found = [reading.case(connection, each) for each in cases.listed(connection, figure, chosen.window)]
    row = assessment_rows.FigureRow(INDICATORS[identity], figure)
    return show(request, "assessment_cases.html", row=row, cases=found, most=cases.MOST, chosen=chosen)


def _figure(figures: list[Figure] | None, identity: str, key: str, split: list[str]) -> Figure:
    """Return the figure that has a list of cases."""
    if figures is None:
        raise DependencyError("The figures are still being computed", "Load the page again in a minute.")
    parts = dict(each.partition("=")[::2] for each in split)
    found = (each for each in figures if (each.indicator, each.key, each.split) == (identity, key, parts))
    if (figure := next(found, None)) is None or not figure.cases:
        raise HTTPException(404, "There is no list of cases behind this figure.")
    return figure
