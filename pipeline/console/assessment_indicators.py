"""The pages of the 32 indicators: the table, and one indicator with its parts and its definition."""

from collections import Counter
from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Path, Query, Request
from fastapi.responses import HTMLResponse, Response

from pipeline.assessment.catalogue import INDICATORS
from pipeline.console import assessment_rows
from pipeline.console.assessment_view import show
from pipeline.console.assessment_window import DAYS, TheWindow
from pipeline.console.desk import TheDesk

router = APIRouter(prefix="/assessment")

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
