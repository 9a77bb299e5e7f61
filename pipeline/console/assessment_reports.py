"""The pages of the reports: open an assessment, see what it lacks, read the draft, make it final, get its files."""

from base64 import b64encode
from collections import Counter
from hashlib import sha256
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from pipeline.assessment import forms, hazards, triggers
from pipeline.assessment.report import assessments, bundle, gather, html, keys, pdf
from pipeline.assessment.report.assessments import Assessment
from pipeline.assessment.report.content import AssessmentReport
from pipeline.assessment.report.numbers import Language
from pipeline.console import assessment_rows
from pipeline.console.assessment_forms import AssessmentId
from pipeline.console.assessment_view import show
from pipeline.console.assessment_window import window_of
from pipeline.console.desk import Desk, Signed, TheDesk
from pipeline.console.fields import DayForm, NameForm
from pipeline.review import audit

router = APIRouter(prefix="/assessment/reports")

NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""The content policy of a page that loads nothing."""
File = Literal["report.zh.pdf", "report.en.pdf", "report.json", "figures.csv"]
TYPES = {
    "pdf": "application/pdf",
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "zip": "application/zip",
}


@router.get("", response_class=HTMLResponse)
def reports_page(request: Request, desk: TheDesk) -> Response:
    """List the assessments, newest first."""
    with desk.database.read() as connection:
        found = assessments.all_of(connection)
    return show(request, "assessment_reports.html", assessments=found)


@router.post("")
def open_assessment(
    desk: TheDesk, session: Signed, title: NameForm, since: DayForm = None, until: DayForm = None
) -> Response:
    """Open an assessment. Without dates, its window is the last 90 days."""
    now = desk.clock()
    window = window_of(since, until, now) if since and until else assessments.default_window(now)
    with desk.database.write() as connection:
        made = assessments.open_one(connection, title, window, session.account.name, now)
    return RedirectResponse(f"/assessment/reports/{made.id}", 303)


@router.get("/{assessment}", response_class=HTMLResponse)
def report_page(request: Request, desk: TheDesk, assessment: AssessmentId) -> Response:
    """Show the state of an assessment, what it lacks, its files, and the anchor of a final report."""
    found = _find(desk, assessment)
    values = _final(desk, found) if found.final else _draft(desk, found)
    return show(request, "assessment_report.html", assessment=found, **values)


@router.get("/{assessment}/report.{language}.html", response_class=HTMLResponse)
def report_preview(desk: TheDesk, assessment: AssessmentId, language: Literal["zh", "en"]) -> Response:
    """Return the report as one page: the final one, or a draft with the figures of this moment."""
    made = html.render(_report(desk, assessment), language)
    return HTMLResponse(made, headers={"content-security-policy": _policy(made)})


@router.get("/{assessment}/files/{name}", response_class=Response)
def report_file(desk: TheDesk, assessment: AssessmentId, name: File) -> Response:
    """Return a file of the report: PDF, content as JSON, or the figures as CSV."""
    return _download(f"{assessment}-{name}", _file(_report(desk, assessment), name))


@router.get("/{assessment}/bundle.zip", response_class=Response)
def report_bundle(desk: TheDesk, session: Signed, assessment: AssessmentId) -> Response:
    """Return the signed evidence bundle of a final report, without audio. The audit log records it."""
    found, signer = _find(desk, assessment), keys.load(keys.of(desk.settings))
    with desk.database.read() as connection:
        data = bundle.build(connection, found, signer)
    with desk.database.write() as connection:
        audit.append(connection, desk.clock(), session.account.name, "assessment.bundle", assessment, {"clips": []})
    return _download(f"assessment-{assessment}.zip", data)


@router.post("/{assessment}/final")
def finish_report(
    desk: TheDesk, session: Signed, assessment: AssessmentId, sure: Annotated[Literal["yes"], Form()]
) -> Response:
    """Freeze the report. 409 if required fields are empty, or if it is final already."""
    with desk.database.read() as connection:
        found = assessments.find(connection, assessment)
        assessments.check_open(found)
        draft = gather.draft(connection, found, desk.settings)
    made = gather.finish(draft, session.account.name, desk.clock())
    with desk.database.write() as connection:
        assessments.freeze(connection, made)
    return RedirectResponse(f"/assessment/reports/{assessment}", 303)


def _find(desk: Desk, assessment: str) -> Assessment:
    with desk.database.read() as connection:
        return assessments.find(connection, assessment)


def _report(desk: Desk, assessment: str) -> AssessmentReport:
    with desk.database.read() as connection:
        return gather.gather(connection, assessments.find(connection, assessment), desk.settings)


def _draft(desk: Desk, assessment: Assessment) -> dict[str, Any]:
    """Return what a draft lacks."""
    with desk.database.read() as connection:
        missing = forms.missing(connection, assessment.id)
        undecided = triggers.all_of(connection, "suggested")
        pending = [each for each in hazards.all_of(connection) if each.state != "closed"]
    figures = desk.measured.figures(assessment.window)
    counts = Counter(row.state for row in assessment_rows.rows(figures or [], drills=False))
    return {
        "missing": missing,
        "undecided": undecided,
        "pending": pending,
        "counts": [(state, counts[state]) for state in assessment_rows.STATES] if figures is not None else [],
    }


def _final(desk: Desk, assessment: Assessment) -> dict[str, Any]:
    """Return the anchor of a final report in the audit log."""
    with desk.database.read() as connection:
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
    css = page.partition("<style>")[2].partition("</style>")[0]
    digest = b64encode(sha256(css.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
