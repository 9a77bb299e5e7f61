"""The pages of the 32 indicators: the table, and one indicator with its parts and its definition."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import HTMLResponse, Response
from msgspec import Struct
from sqlalchemy import Connection

from pipeline.assessment import figure_cases, forms, hazards
from pipeline.assessment.catalogue import INDICATORS, Indicator
from pipeline.assessment.measure import first_counted
from pipeline.assessment.options import DAY_SECONDS
from pipeline.assessment.report import assessments, figure_rows, wording
from pipeline.assessment.report.assessments import Assessment
from pipeline.assessment.report.gather import OF_DRILLS
from pipeline.base.errors import DependencyError
from pipeline.console.assessment.assessment_pages import (
    DAYS,
    TheWindow,
    assessment_page,
    last_weeks,
    report_language,
    report_zone,
)
from pipeline.console.background_figures import Look
from pipeline.console.guard import Refused
from pipeline.console.services import Services, TheServices
from pipeline.console.team.quality_charts import SparkChart, spark
from pipeline.review.cases import reading
from pipeline.review.delivery import room_counts
from pipeline.review.delivery.speech_tallies import HOUR
from pipeline.review.quality.figure import Figure, Window

router = APIRouter(prefix="/assessment")

FigureState = Literal["met", "missed", "inconclusive", "unlimited", "unmeasured"]

STATES: tuple[FigureState, ...] = ("met", "missed", "inconclusive", "unlimited", "unmeasured")
OF_LIMITS: dict[str, FigureState] = {
    "none": "unlimited",
    "inconclusive": "inconclusive",
    "met": "met",
    "missed": "missed",
}
# The order of the tables of parts.
SPLITS = ("label", "language", "room_type", "policy", "model", "source", "severity", "reason")
LIST_SECONDS = 30.0  # a list waits so long for the figures: without them it has no cases to show
OF_LANGUAGES = "I-04"
COUNTED = 10_000  # a list counts its cases up to this number, so that counting stays cheap

StepName = Literal["opened", "forms", "hazards", "final"]
KeyQuery = Annotated[str, Query(pattern="^[a-z0-9_]{1,64}$")]
SplitQuery = Annotated[list[Annotated[str, Query(max_length=256, pattern=r"^[^\x00-\x1f\x7f]+$")]], Query(max_length=4)]
Identity = Annotated[str, Path(pattern=r"^I-\d\d$")]


class FigureRow(Struct, frozen=True):
    """One line of a table. `figure` is for all speech, or for the part `part` of it."""

    indicator: Indicator
    figure: Figure
    main: bool = True
    """False: a further value of the indicator."""
    part: str = ""

    @property
    def state(self) -> FigureState:
        if self.figure.value is None:
            return "unmeasured"
        return OF_LIMITS[figure_rows.state(self.figure)]


class AuditAdvice(Struct, frozen=True):
    """The value of `quality.audit_share` for an interval of recall of 10 percentage points on either side."""

    share: float
    a_day: int
    """The number of audits that it gives a day."""


class AssessmentSteps(Struct, frozen=True):
    """What is done of an assessment. The store knows nothing of its way to the authorities."""

    assessment: Assessment
    answered: int
    """Required fields with an answer."""
    required: int
    hazards: int
    open_hazards: int

    def states(self) -> Iterator[tuple[StepName, Literal["done", "now", ""]]]:
        """Yield the steps: done, the first one that is not, and the later ones."""
        done: dict[StepName, bool] = {
            "opened": True,
            "forms": self.answered == self.required,
            "hazards": self.open_hazards == 0,
            "final": self.assessment.final,
        }
        current = next((name for name, finished in done.items() if not finished), None)
        for name, finished in done.items():
            yield name, "done" if finished or self.assessment.final else "now" if name == current else ""


async def figures_of(services: TheServices, chosen: TheWindow) -> Look[list[Figure]]:
    """Return the figures of the chosen window; none if they take longer than a page may."""
    return await services.background.figures.wait(chosen.window)


Figures = Annotated[Look[list[Figure]], Depends(figures_of)]


@router.get("", response_class=HTMLResponse)
def indicators_page(
    request: Request,
    services: TheServices,
    chosen: TheWindow,
    look: Figures,
    data: Annotated[Literal["operation", "test"], Query()] = "operation",
) -> Response:
    """Show the indicators of a window, of operation or of test data. While they are measured, the page says so."""
    figures = look.kept.value if look.kept else []
    rows = indicator_rows(figures, data == "test")
    with services.database.read() as connection:
        steps, begun = steps_of_newest(connection), first_counted(connection)
    counts = Counter(row.state for row in rows)
    return assessment_page(
        request,
        "assessment_indicators.html",
        look=look,
        groups=by_article(rows),
        articles=wording.texts(report_language(request))["items"],
        steps=steps,
        unaudited=unaudited(figures),
        advice=audit_advice(figures, chosen.window),
        counts=[(state, counts[state]) for state in STATES],
        weeks=weekly(services, rows),
        chosen=chosen,
        begun=begun,
        hour=HOUR,
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
            rooms = room_counts.most_in_other_languages(connection, services.clock())
    return assessment_page(
        request,
        "assessment_indicator.html",
        look=look,
        indicator=indicator,
        rows=values_of(indicator, figures),
        parts=parts_of(indicator, figures),
        rooms=rooms,
        rooms_days=room_counts.DAYS,
        chosen=chosen,
        days=DAYS,
    )


async def listed_figures(services: TheServices, chosen: TheWindow) -> list[Figure]:
    """Return the figures of the chosen window. Raises DependencyError if they take longer than LIST_SECONDS."""
    look = await services.background.figures.wait(chosen.window, LIST_SECONDS)
    if look.kept is None:
        raise DependencyError("The figures are being measured", "Load the page again in a minute.")
    return look.kept.value


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
    row = FigureRow(INDICATORS[identity], figure)
    values = {"row": row, "cases": found, "total": len(behind), "counted": COUNTED}
    return assessment_page(request, "assessment_cases.html", **values, chosen=chosen)


def indicator_rows(figures: Sequence[Figure], drills: bool) -> list[FigureRow]:
    """Return the main value of each indicator, and the further values that have a limit.

    With `drills`: of the indicators that are measured on test data, and no others.
    """
    shown = [each for each in INDICATORS.values() if (OF_DRILLS in each.sources) == drills]
    return [
        row for each in shown for row in _figure_rows(each, figures) if row.main or row.figure.threshold is not None
    ]


def weekly(services: Services, rows: Sequence[FigureRow]) -> dict[tuple[str, str], SparkChart]:
    """Return the charts of the last weeks for the rows with at least two values; none before all weeks are measured."""
    weeks = [services.background.weeks.look(week).kept for week in last_weeks(services.clock(), report_zone(services))]
    measured = [kept.value for kept in weeks if kept]
    if len(measured) < len(weeks):
        return {}
    names = [(row.indicator.id, row.figure.key) for row in rows]
    charts = {name: spark([values.get(name) for values in measured]) for name in names}
    return {name: chart for name, chart in charts.items() if chart}


def by_article(found: Sequence[FigureRow]) -> dict[str, list[FigureRow]]:
    """Return the rows by the first item of article 5 that their indicator belongs to, in the order of the items."""
    groups: dict[str, list[FigureRow]] = {}
    for row in found:
        groups.setdefault(row.indicator.items[0], []).append(row)
    return dict(sorted(groups.items()))


def values_of(indicator: Indicator, figures: Sequence[Figure]) -> list[FigureRow]:
    """Return all values of an indicator, for all speech."""
    return list(_figure_rows(indicator, figures))


def parts_of(indicator: Indicator, figures: Sequence[Figure]) -> dict[tuple[str, str], list[FigureRow]]:
    """Return the values of the parts of the speech, by split and by value of the indicator."""
    found: dict[tuple[str, str], list[FigureRow]] = {}
    for split in SPLITS:
        for figure in figures:
            if figure.indicator == indicator.id and next(iter(figure.split), "") == split:
                row = FigureRow(indicator, figure, part=_part(figure))
                found.setdefault((split, figure.key), []).append(row)
    return found


def unaudited(figures: Sequence[Figure]) -> bool:
    """Tell whether no passed speech was drawn for an audit."""
    return any((each.indicator, each.key, each.n) == ("I-12", "represented", 0) for each in figures)


def audit_advice(figures: Sequence[Figure], window: Window) -> AuditAdvice | None:
    """Return the share of passed speech to audit; None if the window does not tell."""
    for each in figures:
        if (each.indicator, each.key) == ("I-12", "needed") and each.value is not None:
            audits = each.value / 4  # half as many points need four times as many audits
            return AuditAdvice(
                min(1.0, audits / each.n), math.ceil(audits / (window.until - window.since) * DAY_SECONDS)
            )
    return None


def steps_of_newest(connection: Connection) -> AssessmentSteps | None:
    """Return the steps of the assessment that was opened last; None if there is none."""
    found = next(iter(assessments.all_assessments(connection)), None)
    if found is None:
        return None
    needed = [each for each in forms.answers(connection, found.id) if each.field.required]
    known = hazards.all_hazards(connection)
    pending = [each for each in known if each.state != "closed"]
    return AssessmentSteps(found, sum(not each.missing for each in needed), len(needed), len(known), len(pending))


def _figure_rows(indicator: Indicator, figures: Sequence[Figure]) -> Iterator[FigureRow]:
    whole = {each.key: each for each in figures if each.indicator == indicator.id and not each.split}
    for key, value in indicator.values.items():
        # A value that was not measured has a row, too: the report must name each indicator.
        absent = Figure(indicator=indicator.id, key=key, unit=value.unit, unmeasured="no_data")
        yield FigureRow(indicator, whole.get(key, absent), key == next(iter(indicator.values)))


def _part(figure: Figure) -> str:
    return " · ".join(figure.split.values())


def _figure(figures: list[Figure], identity: str, key: str, split: list[str]) -> Figure:
    """Return the figure that has a list of cases."""
    parts = dict(each.partition("=")[::2] for each in split)
    found = (each for each in figures if (each.indicator, each.key, each.split) == (identity, key, parts))
    if (figure := next(found, None)) is None or not figure.cases:
        raise Refused(404, "There is no list of cases behind this figure.", "no_figure")
    return figure
