"""The page of the cases of article 3: suggestions that people accept or reject, written notices, and proofs."""

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Path, Request
from fastapi.responses import HTMLResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from pipeline.assessment import article3_signals, hazards, triggers, workdays
from pipeline.assessment.hazards import FileProof
from pipeline.base.errors import InputError
from pipeline.console.assessment.assessment_pages import assessment_page, go
from pipeline.console.fields import HashForm, NameForm, NeededDayForm, NoteForm
from pipeline.console.services import Signed, TheServices

router = APIRouter()

PAGE = "/assessment/triggers"
PROOF_PAGE = "/assessment/proofs"
MAX_MIB = 64  # The largest upload. The name and hash of a larger file can be written by hand.
MAX_NAME = 256

TriggerId = Annotated[str, Path(pattern=r"^[0-9a-f.-]{1,64}$")]


@router.get("/assessment/triggers", response_class=HTMLResponse)
def triggers_page(request: Request, services: TheServices) -> Response:
    """Show the cases of article 3, undecided ones first, with due dates."""
    with services.database.read() as connection:
        found = triggers.all_triggers(connection)
    calendar = workdays.calendar()
    # Deadlines count workdays. Without the calendar of a year there is no due date, and the page says so.
    without = {triggers.due_of(each, calendar).without for each in found if not each.due}
    missing = {year: calendar.file(year) for year in without if year}
    found.sort(key=lambda each: each.state != "suggested")
    after = request.headers.get("hx-request") == "true"  # a decision was sent, so the next one gets the focus
    values = {"triggers": found, "missing": missing, "most": triggers.MAX_REASON, "after": after}
    return assessment_page(request, "assessment_triggers.html", **values)


@router.post("/assessment/triggers/watch")
def watch_triggers(request: Request, services: TheServices) -> Response:
    """Look for new signals now."""
    article3_signals.watch(services.database, services.settings, workdays.calendar(), services.clock())
    return go(request, PAGE)


@router.post("/assessment/triggers/{trigger}")
def decide_trigger(
    request: Request,
    services: TheServices,
    session: Signed,
    trigger: TriggerId,
    answer: Annotated[Literal["accept", "reject"], Form()],
    reason: NoteForm,
) -> Response:
    """Accept or reject a suggestion. 409 if it is decided already, 422 without a reason."""
    with services.database.write() as connection:
        triggers.decide(connection, trigger, answer == "accept", reason, session.account.name, services.clock())
    return go(request, PAGE)


@router.post("/assessment/triggers")
def record_notice(
    request: Request,
    services: TheServices,
    session: Signed,
    authority: NameForm,
    day: NeededDayForm,
    scan: NameForm,
    sha256: HashForm,
) -> Response:
    """Record the written notice of an authority, case 3(5), with the name and hash of its scan."""
    proof, calendar = FileProof(scan, sha256), workdays.calendar()
    with services.database.write() as connection:
        triggers.record_notice(connection, authority, day, proof, session.account.name, calendar, services.clock())
    return go(request, PAGE)


@router.post("/assessment/proofs", response_class=HTMLResponse)
async def hash_file(request: Request) -> Response:
    """Return the fields of a proof, filled in for the uploaded file."""
    # There is no parameter for the file, so that nothing is read from the body before the guard has let it pass.
    async with request.form(max_files=1, max_fields=1) as form:
        file = form.get("file")
        if not isinstance(file, UploadFile) or not file.filename:
            raise InputError("There is no file", "Choose one.", text="no_file")
        proof = await run_in_threadpool(_proof, file, file.filename)
    return assessment_page(request, "assessment_proof.html", hashed=proof, required=True)


def _proof(file: UploadFile, name: str) -> FileProof:
    # The end of a long name stays, because it has the file type. Control characters do not fit into a line.
    plain = "".join(letter for letter in name if letter.isprintable())
    return hazards.of_stream(file.file, plain[-MAX_NAME:])
