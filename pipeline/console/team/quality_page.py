"""The page of quality: how precise the machine is and how well people agree, over time, as charts, tables and CSV."""

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from pipeline.base.errors import Missing
from pipeline.console import rendering
from pipeline.console.fields import WordQuery
from pipeline.console.rendering import page, reader_language
from pipeline.console.services import Services, Signed, TheCase, TheServices
from pipeline.console.team import quality_charts
from pipeline.console.team.team_page import team_figures
from pipeline.contract.messages import Verdict
from pipeline.review import audit_log
from pipeline.review.quality import adjudication, agreement_figures, quality_checks
from pipeline.review.quality.lead_figures import WINDOW
from pipeline.review.quality.statistics import Interval, Share
from pipeline.review.quality.trends import PERIODS, WEEK, Period, QualityFigures, QualityQuestion, WeekQuality

router = APIRouter()

LOW_KAPPA = 0.0  # the axis begins at agreement by chance; lower values stand on its edge
COLUMNS = ("figure", "name", "from", "to", "value", "low", "high", "n", "period", "label")


def question_of(period: Annotated[Period, Query()] = "month", label: WordQuery = "") -> QualityQuestion:
    """Return what a request asks for."""
    return QualityQuestion(period, label)


Asked = Annotated[QualityQuestion, Depends(question_of)]


@router.get("/quality", response_class=HTMLResponse)
async def quality_page(request: Request, services: TheServices, question: Asked) -> Response:
    """Show the figures of a period, of all labels or of one."""
    look, team = await services.background.quality.wait(question), await team_figures(services)
    found = look.kept.value if look.kept else None
    return page(
        request,
        "quality.html",
        found=found,
        measured_at=look.kept.at if look.kept else None,
        team=team.kept.value if team.kept else None,
        question=question,
        periods=tuple(PERIODS),
        labels=list(services.labels.labels),
        enough=agreement_figures.ENOUGH,
        limits=services.settings.assessment.limits,
        **(charts(request, services, found) if found else {}),
    )


@router.get("/quality/figures.csv", response_class=Response)
async def quality_csv(services: TheServices, question: Asked) -> Response:
    """Return the figures as CSV. Each line has the period and the label that were asked for."""
    look = await services.background.quality.wait(question)
    # A file cannot say "try again" as the page does, so this is an error.
    if look.kept is None:
        raise Missing("These figures are being measured", "Load the page again in some seconds.")
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for line in csv_lines(look.kept.value):
        writer.writerow([*line, question.period, question.label])
    headers = {"content-disposition": f'attachment; filename="quality-{question.period}.csv"'}
    return Response(text.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/quality/golden", response_class=HTMLResponse)
def golden_page(request: Request, services: TheServices) -> Response:
    """Show the golden cases with their answers, and proposals for new ones."""
    with services.database.read() as connection:
        found = adjudication.golden_cases(connection, services.clock())
        proposals = adjudication.golden_proposals(connection, services.clock())
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
    case: TheCase,
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


def charts(request: Request, services: Services, found: QualityFigures) -> dict[str, Any]:
    """Return the charts of the page."""
    limits, labels = services.settings.assessment.limits, services.labels.labels
    language = reader_language(request)

    def named(shares: dict[str, Share]) -> list[tuple[str, Share]]:
        return [(labels[name].name(language) if name in labels else name, share) for name, share in shares.items()]

    by_label = sorted(
        # Labels with too few items have no dot, so they come last. Then the most precise label comes first.
        found.precision.items(),
        key=lambda item: (item[1].n < agreement_figures.ENOUGH, -_value(item[1]), item[0]),
    )
    agreed = {name: one.share for name, one in found.agreements.items()}
    places = [(change.at - found.weeks[0].at) / WEEK for change in found.changes]
    precision = [one.precision for one in found.weeks]
    zone, say = rendering.zone_of(request), lambda key: services.texts.say(language, key)
    return {
        "flow": quality_charts.pair([one.arrived for one in found.flow], [one.decided for one in found.flow]),
        "precision": quality_charts.dots(named(dict(by_label)), agreement_figures.ENOUGH, limits.get("I-10.share")),
        "agreement": quality_charts.dots(named(agreed), agreement_figures.ENOUGH, None),
        "precision_weeks": quality_charts.band(*_series(precision), places),
        "kappa_weeks": quality_charts.band(*_kappas(found.weeks), places, LOW_KAPPA),
        "at": lambda at: _short(at, found.step, zone, say),
        "day": lambda at: _short(at, WEEK, zone, say),
    }


def csv_lines(found: QualityFigures) -> Iterator[tuple[Any, ...]]:
    """Yield the lines of the CSV without the question. Times are ISO 8601 in UTC; shares are 0 to 1."""
    since, until = found.since, found.until
    for one in found.flow:
        span = (_iso(one.at), _iso(one.at + found.step))
        yield "arrived", "", *span, one.arrived, "", "", ""
        yield "decided", "", *span, one.decided, "", "", ""
    shares = {"in_time": found.in_time, "overturned": found.overturned, "golden": found.golden}
    for name, share in (shares | {"agreement": found.agreement.share}).items():
        yield _line(name, "", since, until, share)
    for label, share in found.precision.items():
        yield _line("precision", label, since, until, share)
    for label, agreement in found.agreements.items():
        yield _line("agreement", label, since, until, agreement.share)
    for week in found.weeks:
        yield _line("precision_week", "", week.at, week.at + WEEK, week.precision)
        kappa = week.agreement.kappa
        low, high = kappa.interval or ("", "")
        value = "" if kappa.value is None else kappa.value
        yield "kappa_week", "", _iso(week.at), _iso(week.at + WEEK), value, low, high, kappa.n
    yield "muted_flags", "", _iso(since), _iso(until), found.muted, "", "", ""


def _line(name: str, label: str, since: float, until: float, share: Share) -> tuple[Any, ...]:
    return name, label, _iso(since), _iso(until), share.value if share.n else "", *share.interval, share.n


def _iso(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _value(share: Share) -> float:
    return share.value if share.n else 0.0


def _series(shares: list[Share]) -> tuple[list[float | None], list[Interval | None]]:
    """Return the values and the intervals; None for weeks with too few items."""
    enough = [share if share.n >= agreement_figures.ENOUGH else None for share in shares]
    return [one.value if one else None for one in enough], [one.interval if one else None for one in enough]


def _kappas(weeks: tuple[WeekQuality, ...]) -> tuple[list[float | None], list[Interval | None]]:
    kappas = [week.agreement.kappa if week.agreement.enough else None for week in weeks]
    return [one.value if one else None for one in kappas], [one.interval if one else None for one in kappas]


def _short(at: float, step: int, zone: Any, say: Any) -> str:
    """Return the time of a bucket: the hour within a day, else the date."""
    return datetime.fromtimestamp(at, zone).strftime(say("time.today" if step < 6 * 3_600 else "quality.date"))
