"""The page of retention: the rules, legal holds, erasures and the last run of the job."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Path, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from pipeline.console.fields import NO_CONTROL
from pipeline.console.rendering import page
from pipeline.console.services import Signed, TheServices
from pipeline.review.privacy import erasure, holds, retention_job

router = APIRouter(prefix="/keeping")

NamedForm = Annotated[str, Form(min_length=1, max_length=256, pattern=NO_CONTROL)]


@router.get("", response_class=HTMLResponse)
def retention_page(request: Request, services: TheServices, differs: bool = False) -> Response:
    """Show the retention rules, active legal holds and open erasures."""
    with services.database.read() as connection:
        held, asked = holds.active(connection), erasure.requests(connection)
        last = retention_job.last_run(connection)
    rules = list(retention_job.rules(services.settings.retention))
    logs = services.settings.retention.logs_days
    values: dict[str, Any] = {
        "rules": rules,
        "logs": logs,
        "holds": held,
        "asked": asked,
        "last": last,
        "kinds": holds.KINDS,
    }
    return page(request, "retention.html", differs=differs, **values)


@router.post("/holds")
def place_hold(
    services: TheServices, session: Signed, kind: Annotated[holds.Kind, Form()], subject: NamedForm, reason: NamedForm
) -> Response:
    """Place a legal hold on a case, a speaker or a room."""
    holds.place_and_lock(
        services.database, services.evidence, kind, subject, reason, session.account.name, services.clock()
    )
    return RedirectResponse("/keeping", 303)


@router.post("/holds/{hold}/release")
def release_hold(
    services: TheServices, session: Signed, hold: Annotated[str, Path(max_length=64, pattern=r"^[0-9a-f-]{1,64}$")]
) -> Response:
    """Release a legal hold. 404 if it is not active."""
    holds.release_and_unlock(services.database, services.evidence, hold, session.account.name, services.clock())
    return RedirectResponse("/keeping", 303)


@router.post("/erasures")
def erase_speaker(services: TheServices, session: Signed, speaker: NamedForm, again: NamedForm) -> Response:
    """Erase a speaker, except cases on legal hold. There is no undo, so the page asks for the id twice.

    It is done at once, or by the retention job if that runs elsewhere (`retention.in_console`).
    """
    if speaker != again:
        return RedirectResponse("/keeping?differs=1", 303)
    name, now = session.account.name, services.clock()
    # The request is stored first. If the erasure fails, the retention job carries it out later.
    with services.database.write() as connection:
        request = erasure.ask_erasure(connection, speaker, name, now)
    if services.settings.retention.in_console:
        erasure.carry_out(services.database, services.evidence, request, name, now)
    return RedirectResponse("/keeping", 303)
