"""The page of hazards (安全隐患): found, assigned, fixed, and closed with a proof."""

import math
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Path, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from pipeline.assessment import hazards
from pipeline.assessment.figure import Figure, Window
from pipeline.assessment.hazards import Finding, Hazard
from pipeline.assessment.proofs import FileProof, Proof
from pipeline.assessment.report.assessments import default_window
from pipeline.console.assessment_view import show
from pipeline.console.desk import Desk, Signed, TheDesk
from pipeline.console.fields import DayForm, HashForm, NameForm, NoteForm
from pipeline.errors import CaseError, DependencyError, InputError
from pipeline.review.delivery.tallies import HOUR

router = APIRouter(prefix="/assessment/hazards")

MEASURE_SECONDS = 60.0
"""Seconds that an action waits for figures."""

HazardId = Annotated[str, Path(pattern="^[0-9a-f]{1,64}$")]
AboutForm = Annotated[str, Form(max_length=128, pattern=r"^[IA0-9a-zA-Z_.:()=, -]+$")]


@router.get("", response_class=HTMLResponse)
def hazards_page(request: Request, desk: TheDesk) -> Response:
    """Show the hazards with their history, open ones first."""
    with desk.database.read() as connection:
        found = hazards.all_of(connection)
    found.sort(key=lambda each: ("open", "fixed", "closed").index(each.state))
    return show(request, "assessment_hazards.html", hazards=found)


@router.post("")
def report_hazard(
    desk: TheDesk,
    session: Signed,
    about: AboutForm,
    title: NameForm,
    owner: NameForm = "",
    due: DayForm = None,
) -> Response:
    """Record a hazard that a person found."""
    finding = Finding(source="person", about=about, title=title, owner=owner.strip(), due=due)
    with desk.database.write() as connection:
        found = hazards.find_all(connection, [finding], session.account.name, desk.clock())
    if not found:
        raise CaseError("This hazard is already recorded", "Add a step to it.")
    return RedirectResponse(f"/assessment/hazards#{finding.id}", 303)


@router.post("/find")
def find_hazards(desk: TheDesk, session: Signed) -> Response:
    """Record the figures of the last 90 days that miss their limit as hazards."""
    findings = hazards.of_figures(_figures(desk, default_window(desk.clock())))
    with desk.database.write() as connection:
        hazards.find_all(connection, findings, session.account.name, desk.clock())
    return RedirectResponse("/assessment/hazards", 303)


@router.post("/{hazard}/assign")
def assign_hazard(desk: TheDesk, session: Signed, hazard: HazardId, owner: NameForm, due: DayForm = None) -> Response:
    """Set the owner and the due date."""
    with desk.database.write() as connection:
        hazards.assign(connection, hazard, owner, due, session.account.name, desk.clock())
    return _to(hazard)


@router.post("/{hazard}/recheck")
def recheck_hazard(desk: TheDesk, session: Signed, hazard: HazardId) -> Response:
    """Close a fixed hazard if its figure keeps the limit since the fix. 409 if it does not."""
    with desk.database.read() as connection:
        window = _since_fix(hazards.get(connection, hazard), desk.clock())
    figures = _figures(desk, window)
    with desk.database.write() as connection:
        closed = hazards.recheck(connection, figures, window, session.account.name, desk.clock())
    if hazard not in {each.id for each in closed}:
        raise CaseError(f"Hazard {hazard} stays fixed", "Its figure does not keep the limit since the fix.")
    return _to(hazard)


@router.post("/{hazard}/{step}")
def step_hazard(
    desk: TheDesk,
    session: Signed,
    hazard: HazardId,
    step: Literal["fix", "close", "reopen"],
    note: NoteForm,
    scan: NameForm = "",
    sha256: HashForm = "",
) -> Response:
    """Record that a hazard is fixed, closed or open again. To close it, name a file that proves it."""
    by, now = session.account.name, desk.clock()
    with desk.database.write() as connection:
        if step == "reopen":
            hazards.reopen(connection, hazard, note, by, now)
        else:
            change = hazards.fix if step == "fix" else hazards.close
            change(connection, hazard, note, by, now, _proofs(scan, sha256))
    return _to(hazard)


def _since_fix(hazard: Hazard, now: float) -> Window:
    """Return the window of full hours since the fix."""
    window = Window(math.ceil(hazard.steps[-1].at / HOUR) * HOUR, now // HOUR * HOUR)
    if window.since >= window.until:
        raise InputError("The fix is not older than one full hour", "Try again later.")
    return window


def _figures(desk: Desk, window: Window) -> list[Figure]:
    figures = desk.measured.figures(window, MEASURE_SECONDS)
    if figures is None:
        raise DependencyError("The figures are still being computed", "Try again in a minute.")
    return figures


def _proofs(scan: str, sha256: str) -> list[Proof]:
    """Return the proof that a form names; nothing if both fields are empty. Raises InputError for one alone."""
    if bool(scan) != bool(sha256):
        raise InputError("A proof needs the name of the file and its SHA-256", "Give both.")
    return [FileProof(scan, sha256)] if scan else []


def _to(hazard: str) -> Response:
    return RedirectResponse(f"/assessment/hazards#{hazard}", 303)
