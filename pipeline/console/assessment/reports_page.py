"""The pages of the reports: open an assessment, see what it lacks, read the draft, make it final, get its files."""

from base64 import b64encode
from collections import Counter
from collections.abc import Mapping
from hashlib import sha256
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, Response
from msgspec import Struct
from starlette.concurrency import run_in_threadpool

from pipeline.assessment import forms, hazards, triggers
from pipeline.assessment.report import assessments, bundle, gather, html, pdf
from pipeline.assessment.report.assessments import Assessment
from pipeline.assessment.report.content import AssessmentReport
from pipeline.assessment.report.gather import Measurement
from pipeline.assessment.report.wording import Language
from pipeline.base import signing
from pipeline.base.errors import DependencyError, InputError
from pipeline.console.assessment import indicators_page
from pipeline.console.assessment.assessment_pages import AssessmentId, assessment_page, go, report_zone, window_of
from pipeline.console.background_figures import Look
from pipeline.console.fields import DayForm, NameForm, NoteForm
from pipeline.console.rendering import explain
from pipeline.console.services import Services, Signed, TheServices
from pipeline.review import audit_log

router = APIRouter(prefix="/assessment/reports")

# *Make the report final* waits so many seconds for newer figures. Proxies end a request after a minute.
FINISH_SECONDS = 30.0
TYPES = {
    "pdf": "application/pdf",
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "sql": "application/sql",
    "zip": "application/zip",
}

File = Literal["report.zh.pdf", "report.en.pdf", "report.json", "figures.csv", "queries.sql"]


class Opened(Struct, frozen=True):
    """An assessment, and the measurement of its window. A final report needs none."""

    assessment: Assessment
    look: Look[Measurement] | None


@router.get("", response_class=HTMLResponse)
def reports_page(request: Request, services: TheServices) -> Response:
    """List the assessments, newest first."""
    return _list(request, services)


@router.post("", response_class=HTMLResponse)
def open_assessment(
    request: Request,
    services: TheServices,
    session: Signed,
    title: NameForm = "",
    since: DayForm = None,
    until: DayForm = None,
) -> Response:
    """Open an assessment of the service `title`. Without dates, its window is the last 90 days.

    422 without a title, with one day only, and for an empty window.
    """
    now, zone = services.clock(), report_zone(services)
    try:
        if not title.strip():
            raise InputError("The service has no name", "Give its name.", text="service_name")
        if (since is None) != (until is None):
            raise InputError("The window has one day", "Give both days, or neither.", text="window_half")
        window = window_of(since, until, now, zone) if since and until else assessments.default_window(now)
    except InputError as error:
        field = "title" if error.text == "service_name" else "since" if until or not since else "until"
        return _list(
            request, services, {field: explain(request, error)}, {"title": title, "since": since, "until": until}
        )
    with services.database.write() as connection:
        made = assessments.open_one(connection, title, window, session.account.name, now, zone)
        forms.answer(connection, made.id, {"service_name": title}, session.account.name, now)
    return go(request, f"/assessment/reports/{made.id}")


async def opened_assessment(services: TheServices, assessment: AssessmentId) -> Opened:
    """Return an assessment; without a measurement if that takes longer than a page may. Raises Missing."""
    return await _opened(services, assessment)


TheAssessment = Annotated[Opened, Depends(opened_assessment)]


@router.get("/{assessment}", response_class=HTMLResponse)
def report_page(request: Request, services: TheServices, found: TheAssessment) -> Response:
    """Show the state of an assessment, what it lacks, its files, and the anchor of a final report."""
    made = found.assessment
    values = _final(services, made) if found.look is None else _draft(services, made, found.look)
    return assessment_page(request, "assessment_report.html", assessment=made, **values)


@router.get("/{assessment}/report.{language}.html", response_class=HTMLResponse)
def report_preview(
    request: Request, services: TheServices, found: TheAssessment, language: Literal["zh", "en"]
) -> Response:
    """Return the report as one page: the final one, or a draft. While it is measured, the page says so."""
    if (report := _report(services, found)) is None:
        return _measuring(request, found)
    made = html.render(report, language)
    # The report is one file with its own style sheet, which the policy of the console would block.
    return HTMLResponse(made, headers={"content-security-policy": _policy(made)})


@router.get("/{assessment}/files/{name}", response_class=Response)
def report_file(request: Request, services: TheServices, found: TheAssessment, name: File) -> Response:
    """Return a file of the report: PDF, JSON, CSV or SQL. While it is measured, a page says so."""
    if (report := _report(services, found)) is None:
        return _measuring(request, found)
    return _download(f"{report.id}-{name}", _file(report, name))


@router.get("/{assessment}/bundle.zip", response_class=Response)
def report_bundle(services: TheServices, session: Signed, assessment: AssessmentId) -> Response:
    """Return the signed evidence bundle of a final report, without audio. The audit log records it."""
    found, signer = _find(services, assessment), signing.load_key(bundle.key_file(services.settings))
    with services.database.read() as connection:
        data = bundle.build(connection, found, signer)
    with services.database.write() as connection:
        audit_log.append(
            connection, services.clock(), session.account.name, "assessment.bundle", assessment, {"clips": []}
        )
    return _download(f"assessment-{assessment}.zip", data)


async def newest_assessment(services: TheServices, assessment: AssessmentId) -> Opened:
    """Return an assessment with a measurement that is not out of date.

    Raises Missing, CaseError if the report is final, and DependencyError if the measurement takes too long.
    """
    found = await _opened(services, assessment, FINISH_SECONDS, newest=True)
    assessments.check_open(found.assessment)
    # A final report must not have older figures than the store at this moment.
    if found.look is None or found.look.kept is None or found.look.running:
        raise DependencyError("The report is being measured", "Read the draft when it is ready, then try again.")
    return found


@router.post("/{assessment}/final")
def finish_report(
    request: Request,
    services: TheServices,
    session: Signed,
    found: Annotated[Opened, Depends(newest_assessment)],
    sure: Annotated[Literal["yes"], Form()],
    open_reason: NoteForm = "",
) -> Response:
    """Freeze the report. 409 if required fields are empty, it is final already, or open things have no reason."""
    del sure  # FastAPI has checked that it is there: a final report cannot be changed
    draft = _report(services, found)
    assert draft and found.look and found.look.kept  # noqa: S101, PT018 - `newest_assessment` has measured it
    made = gather.finish(draft, session.account.name, services.clock(), open_reason)
    with services.database.write() as connection:
        assessments.freeze(connection, made, found.look.kept.value.frozen())
    return go(request, f"/assessment/reports/{made.id}")


def _list(
    request: Request,
    services: Services,
    wrong: Mapping[str, str] | None = None,
    typed: Mapping[str, Any] | None = None,
) -> Response:
    """Show the list. `wrong` has the reason by refused field, and `typed` what stood in a refused form."""
    with services.database.read() as connection:
        found = assessments.all_assessments(connection)
    values = {"assessments": found, "wrong": wrong or {}, "typed": typed or {"title": "", "since": None, "until": None}}
    shown = assessment_page(request, "assessment_reports.html", status=422 if wrong else 200, **values)
    if wrong:  # only the pane changes, because htmx sent the form
        shown.headers.update({"HX-Retarget": "#pane", "HX-Reselect": "#pane", "HX-Reswap": "outerHTML"})
    return shown


def _find(services: Services, assessment: str) -> Assessment:
    with services.database.read() as connection:
        return assessments.find(connection, assessment)


async def _opened(services: Services, assessment: str, seconds: float | None = None, *, newest: bool = False) -> Opened:
    found = await run_in_threadpool(_find, services, assessment)
    if found.final:
        return Opened(found, None)
    return Opened(found, await services.background.drafts.wait(found.window, seconds, newest=newest))


def _report(services: Services, found: Opened) -> AssessmentReport | None:
    """Return the report; None if it is a draft that is not measured yet."""
    if found.look is None:
        return found.assessment.report()
    if found.look.kept is None:
        return None
    with services.database.read() as connection:
        return gather.draft(connection, found.assessment, services.settings, found.look.kept.value)


def _measuring(request: Request, found: Opened) -> Response:
    return assessment_page(request, "assessment_waiting.html", assessment=found.assessment, look=found.look)


def _draft(services: Services, assessment: Assessment, look: Look[Measurement]) -> dict[str, Any]:
    """Return what a draft lacks."""
    with services.database.read() as connection:
        missing = forms.missing(connection, assessment.id)
        undecided = triggers.all_triggers(connection, "suggested")
        pending = [each for each in hazards.all_hazards(connection) if each.state != "closed"]
    counts = (
        Counter(row.state for row in indicators_page.indicator_rows(look.kept.value.figures, False))
        if look.kept
        else {}
    )
    return {
        "look": look,
        "missing": missing,
        "undecided": undecided,
        "pending": pending,
        "counts": [(state, counts[state]) for state in indicators_page.STATES] if look.kept else [],
    }


def _final(services: Services, assessment: Assessment) -> dict[str, Any]:
    """Return the anchor of a final report in the audit log."""
    with services.database.read() as connection:
        return {"anchor": bundle.anchor(connection, assessment.id), "report": assessment.report()}


def _file(report: AssessmentReport, name: File) -> bytes:
    if name.endswith(".pdf"):
        language: Language = "zh" if name == "report.zh.pdf" else "en"
        return pdf.render(html.render(report, language))
    return bundle.parts(report)[name]


def _download(name: str, data: bytes) -> Response:
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(data, media_type=TYPES[name.rpartition(".")[2]], headers=headers)


def _policy(page: str) -> str:
    """Return the content policy of a report: nothing but its own style sheet, by hash."""
    # A hash, not "unsafe-inline": text of a user that became a style would be blocked.
    css = page.partition("<style>")[2].partition("</style>")[0]
    digest = b64encode(sha256(css.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
