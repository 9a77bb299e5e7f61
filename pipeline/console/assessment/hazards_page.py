"""The page of hazards (安全隐患): found, assigned, fixed, and closed with a proof."""

import math
from typing import Annotated, Literal, NamedTuple

from fastapi import APIRouter, Depends, Form, Path, Request
from fastapi.responses import HTMLResponse, Response
from starlette.concurrency import run_in_threadpool

from pipeline.assessment import drills, hazards, register
from pipeline.assessment.catalogue import INDICATORS
from pipeline.assessment.hazards import FileProof, Finding, Hazard, Proof
from pipeline.assessment.report import gather, html, rules_in_force
from pipeline.assessment.report.assessments import default_window
from pipeline.base.errors import CaseError, DependencyError, InputError
from pipeline.console.assessment.assessment_pages import assessment_page, go, report_language
from pipeline.console.fields import DayForm, HashForm, NameForm, NoteForm
from pipeline.console.services import Services, Signed, TheServices
from pipeline.review.delivery.speech_tallies import HOUR
from pipeline.review.quality.figure import Figure, Window

PAGE = "/assessment/hazards"
router = APIRouter(prefix=PAGE)

MEASURE_SECONDS = 30.0  # an action waits so long for figures: proxies end a request after a minute

HazardId = Annotated[str, Path(pattern="^[0-9a-f]{1,64}$")]
AboutForm = Annotated[str, Form(max_length=128, pattern=r"^[IA0-9a-zA-Z_.:()=, -]+$")]


class Recheck(NamedTuple):
    """The figures of the full hours since a hazard was fixed."""

    window: Window
    figures: list[Figure]


# Dependencies, so that a slow measurement waits in the event loop and takes no thread from other pages.
async def recent_figures(services: TheServices) -> list[Figure]:
    """Return the figures of the last 90 days. Raises DependencyError if they take too long."""
    return await _figures(services, default_window(services.clock()))


async def figures_since_fix(services: TheServices, hazard: HazardId) -> Recheck | None:
    """Return what a new check of a hazard needs; nothing if it is not about a figure.

    Raises Missing, InputError if the fix is too young, and DependencyError if the figures take too long.
    """
    found = await run_in_threadpool(_find, services, hazard)
    if found.source != "threshold":
        return None
    window = _since_fix(found, services.clock())
    return Recheck(window, await _figures(services, window))


@router.get("", response_class=HTMLResponse)
def hazards_page(request: Request, services: TheServices) -> Response:
    """Show the hazards with their history, open ones first."""
    with services.database.read() as connection:
        found = hazards.all_hazards(connection)
    found.sort(key=lambda each: ("open", "fixed", "closed").index(each.state))
    language, names = report_language(request), rules_in_force.label_names(services.labels)
    definitions = list(map(gather.definition, INDICATORS.values()))
    return assessment_page(
        request,
        "assessment_hazards.html",
        hazards=found,
        title_of=lambda hazard: html.hazard_title(hazard, definitions, names, language),
    )


@router.post("")
def report_hazard(
    request: Request,
    services: TheServices,
    session: Signed,
    about: AboutForm,
    title: NameForm,
    owner: NameForm = "",
    due: DayForm = None,
) -> Response:
    """Record a hazard that a person found."""
    finding = Finding(source="person", about=about, title=title, owner=owner.strip(), due=due)
    with services.database.write() as connection:
        found = hazards.find_all(connection, [finding], session.account.name, services.clock())
    if not found:
        raise CaseError("This hazard is already recorded", "Add a step to it.", text="hazard_known")
    return go(request, PAGE)


@router.post("/find")
def find_hazards(
    request: Request, services: TheServices, session: Signed, figures: Annotated[list[Figure], Depends(recent_figures)]
) -> Response:
    """Record the figures of the last 90 days that miss their limit, incidents, and failures of the last drills."""
    with services.database.write() as connection:
        findings = [*hazards.of_figures(figures), *register.incidents(connection), *drills.failures(connection)]
        hazards.find_all(connection, findings, session.account.name, services.clock())
    return go(request, PAGE)


@router.post("/{hazard}/assign")
def assign_hazard(
    request: Request, services: TheServices, session: Signed, hazard: HazardId, owner: NameForm, due: DayForm = None
) -> Response:
    """Set the owner and the due date."""
    with services.database.write() as connection:
        hazards.assign(connection, hazard, owner, due, session.account.name, services.clock())
    return go(request, PAGE)


@router.post("/{hazard}/recheck")
def recheck_hazard(
    request: Request,
    services: TheServices,
    session: Signed,
    hazard: HazardId,
    found: Annotated[Recheck | None, Depends(figures_since_fix)],
) -> Response:
    """Close a fixed hazard if its figure keeps the limit since the fix, or a later drill went right. 409 if not."""
    by, now = session.account.name, services.clock()
    with services.database.write() as connection:
        closed = hazards.recheck(connection, found.figures, found.window, by, now) if found else []
        closed += drills.recheck(connection, by, now)
    if hazard not in {each.id for each in closed}:
        raise CaseError(
            f"Hazard {hazard} stays as it is", "Nothing since the fix proves that it is gone.", text="hazard_stays"
        )
    return go(request, PAGE)


@router.post("/{hazard}/{step}")
def step_hazard(
    request: Request,
    services: TheServices,
    session: Signed,
    hazard: HazardId,
    step: Literal["fix", "close", "reopen"],
    note: NoteForm,
    scan: NameForm = "",
    sha256: HashForm = "",
) -> Response:
    """Record that a hazard is fixed, closed or open again. To close it, name a file that proves it."""
    by, now = session.account.name, services.clock()
    with services.database.write() as connection:
        if step == "reopen":
            hazards.reopen(connection, hazard, note, by, now)
        else:
            change = hazards.fix if step == "fix" else hazards.close
            change(connection, hazard, note, by, now, _proofs(scan, sha256))
    return go(request, PAGE)


def _since_fix(hazard: Hazard, now: float) -> Window:
    """Return the window of full hours since the fix."""
    # The hour of the fix is left out: a part of it was before the fix.
    window = Window(math.ceil(hazard.since / HOUR) * HOUR, now // HOUR * HOUR)
    if window.since >= window.until:
        raise InputError("The fix is not older than one full hour", "Try again later.", text="fix_too_new")
    return window


def _find(services: Services, hazard: str) -> Hazard:
    with services.database.read() as connection:
        return hazards.get(connection, hazard)


async def _figures(services: Services, window: Window) -> list[Figure]:
    look = await services.background.figures.wait(window, MEASURE_SECONDS, newest=True)
    if look.kept is None:
        raise DependencyError("The figures are being measured", "Try again in a minute.")
    return look.kept.value


def _proofs(scan: str, sha256: str) -> list[Proof]:
    """Return the proof that a form names; nothing if both fields are empty. Raises InputError for one alone."""
    if bool(scan) != bool(sha256):
        raise InputError("A proof needs the name of the file and its SHA-256", "Give both.", text="proof_needs")
    return [FileProof(scan, sha256)] if scan else []
