"""What the assessment pages share: rendering, the window of the figures, and how old the figures are."""

import itertools
import json
from datetime import date, datetime, timedelta, tzinfo
from functools import partial
from typing import Annotated, Any, Literal
from urllib.parse import urlencode, urlsplit

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from msgspec import Struct

from pipeline.assessment.report import assessments, html, svg_charts, wording
from pipeline.assessment.report.assessments import default_window
from pipeline.assessment.report.wording import Language
from pipeline.assessment.workdays import zone_of
from pipeline.base.errors import InputError
from pipeline.console.background_figures import Look
from pipeline.console.rendering import page, reader_language
from pipeline.console.services import Services, TheServices, services_of
from pipeline.review.delivery.speech_tallies import HOUR
from pipeline.review.quality.figure import Unit, Window
from pipeline.review.quality.statistics import Interval

router = APIRouter(prefix="/assessment/measuring")
DAYS = ("30", "90")
WEEKS = 13  # a quarter

AssessmentId = Annotated[str, Path(pattern=r"^\d{4}-\d{1,6}$")]
Day = Annotated[date | None, Query(ge=date(2000, 1, 1), lt=date(2100, 1, 1))]
ShownQuery = Annotated[float, Query(ge=0, le=1e12, description="When the figures of the page were measured; 0: none.")]


class ChosenWindow(Struct, frozen=True):
    """A window, and the parameters that choose it."""

    window: Window
    days: str
    """One of DAYS. Empty: the reader chose dates."""
    since: date
    until: date
    """The last day of the window, as in the form."""

    @property
    def query(self) -> str:
        """Return the parameters of a link that keeps the window."""
        chosen = {"days": self.days} if self.days else {"since": self.since, "until": self.until}
        return urlencode(chosen)


def chosen_window(
    services: TheServices, days: Literal["30", "90"] = "90", since: Day = None, until: Day = None
) -> ChosenWindow:
    """Return the window of a request. Days are those of the report, and `until` belongs to the window.

    Raises InputError for a window that is empty or has not begun.
    """
    now, zone = services.clock(), report_zone(services)
    if since is None or until is None:
        window = default_window(now, int(days))
        return ChosenWindow(window, days, _day_of(window.since, zone), _day_of(window.until - 1, zone))
    return ChosenWindow(window_of(since, until, now, zone), "", since, until)


TheWindow = Annotated[ChosenWindow, Depends(chosen_window)]


@router.get("", response_class=HTMLResponse)
def figures_progress(request: Request, services: TheServices, chosen: TheWindow, shown: ShownQuery = 0.0) -> Response:
    """Tell about the figures of a window."""
    return _progress(
        request, services.background.figures.look(chosen.window), f"/assessment/measuring?{chosen.query}", shown
    )


@router.post("")
def measure_figures(services: TheServices, chosen: TheWindow) -> Response:
    """Measure a window now, unless nothing has changed since the last time."""
    services.background.figures.again(chosen.window)
    return Response(headers={"HX-Refresh": "true"})


@router.get("/{assessment}", response_class=HTMLResponse)
def draft_progress(
    request: Request, services: TheServices, assessment: AssessmentId, shown: ShownQuery = 0.0
) -> Response:
    """Tell about the figures of a draft report."""
    look = services.background.drafts.look(_window(services, assessment))
    return _progress(request, look, f"/assessment/measuring/{assessment}?", shown)


@router.post("/{assessment}")
def measure_draft(services: TheServices, assessment: AssessmentId) -> Response:
    """Measure a draft report now, unless nothing has changed since the last time."""
    services.background.drafts.again(_window(services, assessment))
    return Response(headers={"HX-Refresh": "true"})


def assessment_page(request: Request, template: str, **values: Any) -> HTMLResponse:
    """Render a template of the assessment."""
    language, services = report_language(request), services_of(request)
    zone = report_zone(services)
    tools: dict[str, Any] = {
        "zh": language == "zh",
        "number": partial(_number, language),
        "between": partial(_between, language),
        "day": partial(wording.day, zone=zone),
        "moment": partial(wording.moment, zone=zone),
        "zone_name": wording.zone_name(services.settings.assessment.zone, language),
        "scale_of": svg_charts.scale_of,
        "signal": lambda trigger: wording.signal(trigger.signal, language),
        "detail": lambda name, value: html.detail(name, value, language, zone),
    }
    return page(request, template, **tools, **values)


def go(request: Request, path: str) -> Response:
    """Show the page `path` after a form was sent. The page that sent it is only updated, and keeps its place."""
    if request.headers.get("hx-request") != "true":
        return RedirectResponse(path, 303)  # a form that the browser sent itself, without htmx
    if urlsplit(request.headers.get("hx-current-url", "")).path != path:
        return Response(headers={"HX-Redirect": path})
    # Only the pane is loaded again, so the page does not scroll to its top.
    update = {"path": path, "target": "#pane", "select": "#pane", "swap": "outerHTML"}
    return Response(headers={"HX-Location": json.dumps(update)})


def report_language(request: Request) -> Language:
    """Return the language of the reader, as far as the assessment has its texts: Chinese, or else English."""
    return "zh" if reader_language(request) == "zh" else "en"


def report_zone(services: Services) -> tzinfo:
    """Return the time zone of the report's days and times. Raises ConfigError."""
    return zone_of(services.settings.assessment.zone)


def window_of(since: date, until: date, now: float, zone: tzinfo) -> Window:
    """Return the window of these days of `zone`. It ends with the last full hour at the latest. Raises InputError."""
    # Figures count full hours, so that two readers of the same day get the same window and one measurement.
    window = Window(_midnight(since, zone), min(_midnight(until + timedelta(days=1), zone), now // HOUR * HOUR))
    if window.since >= window.until:
        raise InputError(
            "The window is empty",
            "Choose a first day that is past and not later than the last day.",
            text="window_empty",
        )
    return window


def last_weeks(now: float, zone: tzinfo) -> list[Window]:
    """Return the WEEKS last weeks that have ended, the oldest first. A week begins on Monday."""
    today = _day_of(now, zone)
    mondays = [today - timedelta(days=today.weekday() + 7 * n) for n in range(WEEKS, -1, -1)]
    return [Window(_midnight(first, zone), _midnight(after, zone)) for first, after in itertools.pairwise(mondays)]


def _number(language: Language, value: float, unit: Unit) -> str:
    return wording.shown(value, unit, language)


def _between(language: Language, interval: Interval, unit: Unit) -> str:
    return wording.interval(interval, unit, language)


def _midnight(day: date, zone: tzinfo) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()


def _day_of(at: float, zone: tzinfo) -> date:
    return datetime.fromtimestamp(at, zone).date()


def _window(services: Services, assessment: str) -> Window:
    with services.database.read() as connection:
        return assessments.find(connection, assessment).window


def _progress(request: Request, look: Look[Any], href: str, shown: float) -> Response:
    """Return the line. A page without figures loads again when they are there."""
    # The page had no figures, so every part of it changes.
    if look.kept and not look.running and not shown:
        return Response(headers={"HX-Refresh": "true"})
    return assessment_page(request, "assessment_progress.html", look=look, href=href, shown=shown)
