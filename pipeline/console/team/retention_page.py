"""The page of retention: the rules, legal holds, erasures and the last run of the job."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Form, Path, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from pipeline.base.errors import CaseError
from pipeline.console.fields import NameForm
from pipeline.console.rendering import explain, page, reader_language
from pipeline.console.services import Services, Signed, TheServices
from pipeline.review.privacy import erasure, holds, retention_job

router = APIRouter(prefix="/keeping")


@router.get("", response_class=HTMLResponse)
def retention_page(request: Request, services: TheServices) -> Response:
    """Show the retention rules, active legal holds and open erasures."""
    return _page(request, services)


@router.post("/holds", response_class=HTMLResponse)
def place_hold(
    request: Request,
    services: TheServices,
    session: Signed,
    kind: Annotated[holds.Kind, Form()],
    subject: NameForm = "",
    reason: NameForm = "",
) -> Response:
    """Place a legal hold on a case, a speaker or a room. 422 for an empty field or an unknown case."""
    try:
        holds.place_and_lock(
            services.database, services.evidence, kind, subject, reason, session.account.name, services.clock()
        )
    except CaseError as error:
        field = "reason" if subject.strip() and not reason.strip() else "subject"
        typed = {"kind": kind, "subject": subject, "reason": reason}
        return _page(request, services, {field: explain(request, error)}, typed)
    return RedirectResponse("/keeping", 303)


@router.post("/holds/{hold}/release")
def release_hold(
    services: TheServices, session: Signed, hold: Annotated[str, Path(max_length=64, pattern=r"^[0-9a-f-]{1,64}$")]
) -> Response:
    """Release a legal hold. 404 if it is not active."""
    holds.release_and_unlock(services.database, services.evidence, hold, session.account.name, services.clock())
    return RedirectResponse("/keeping", 303)


@router.post("/erasures", response_class=HTMLResponse)
def erase_speaker(
    request: Request, services: TheServices, session: Signed, speaker: NameForm = "", again: NameForm = ""
) -> Response:
    """Erase a speaker, except cases on legal hold. There is no undo, so the page asks for the id twice.

    It is done at once, or by the retention job if that runs elsewhere (`retention.in_console`). 422 without an id, or
    if the two differ.
    """
    typed = {"speaker": speaker, "again": again}
    if speaker != again:
        differs = services.texts.say(reader_language(request), "keeping.differs")
        return _page(request, services, {"again": differs}, typed)
    name, now = session.account.name, services.clock()
    # The request is stored first. If the erasure fails, the retention job carries it out later.
    try:
        with services.database.write() as connection:
            asked = erasure.ask_erasure(connection, speaker, name, now)
    except CaseError as error:
        return _page(request, services, {"speaker": explain(request, error)}, typed)
    if services.settings.retention.in_console:
        erasure.carry_out(services.database, services.evidence, asked, name, now)
    return RedirectResponse("/keeping", 303)


def _page(
    request: Request,
    services: Services,
    wrong: Mapping[str, str] | None = None,
    typed: Mapping[str, str] | None = None,
) -> Response:
    """Show the page. `wrong` has the reason by refused field, and `typed` what stood in a refused form."""
    with services.database.read() as connection:
        held, asked = holds.active(connection), erasure.requests(connection)
        last = retention_job.last_run(connection)
    values: dict[str, Any] = {
        "rules": list(retention_job.rules(services.settings.retention)),
        "logs": services.settings.retention.logs_days,
        "holds": held,
        "asked": asked,
        "last": last,
        "kinds": holds.KINDS,
        "wrong": wrong or {},
        "typed": dict.fromkeys(("kind", "subject", "reason", "speaker", "again"), "") | dict(typed or {}),
    }
    return page(request, "retention.html", 422 if wrong else 200, **values)
