"""The notes on a case, and who has it. The case page loads them after the case."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy import Connection

from pipeline.console.fields import NO_NUL, CaseId
from pipeline.console.pages import page
from pipeline.console.services import Signed, TheServices
from pipeline.review.accounts import accounts
from pipeline.review.cases import assigning, notes, reading
from pipeline.review.cases.notes import LONGEST

router = APIRouter(prefix="/cases")

NoteText = Annotated[str, Form(max_length=LONGEST, pattern=NO_NUL)]


@router.get("/{case}/notes", response_class=HTMLResponse)
def case_notes(request: Request, services: TheServices, session: Signed, case: CaseId) -> Response:
    """Show the notes on a case. The reader's mentions in them count as read."""
    with services.database.write() as connection:
        reading.case(connection, case)
        notes.mark_read(connection, session.account.name, case)
        return _notes(request, connection, case)


@router.post("/{case}/notes", response_class=HTMLResponse)
def write_note(request: Request, services: TheServices, session: Signed, case: CaseId, text: NoteText) -> Response:
    """Write a note. `@name` tells a person to look."""
    with services.database.write() as connection:
        notes.add_note(connection, case, session.account.name, text, services.clock())
        return _notes(request, connection, case)


def _notes(request: Request, connection: Connection, case: str) -> Response:
    people = [one.name for one in accounts.all_accounts(connection) if not one.disabled]
    return page(
        request,
        "notes.html",
        case_id=case,
        notes=notes.notes_of(connection, case),
        assigned=assigning.assignment_of(connection, case),
        people=people,
        longest=LONGEST,
    )
