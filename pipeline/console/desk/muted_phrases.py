"""Muted phrases in the console: moderators ask after a dismissal, leads approve and end."""

from typing import Annotated

from fastapi import APIRouter, Form, Path, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from pipeline.console.access import allowed
from pipeline.console.fields import NO_CONTROL, CaseId, WordForm
from pipeline.console.pages import page
from pipeline.console.services import Signed, TheServices
from pipeline.review.cases import phrase_muting

router = APIRouter()

MutedId = Annotated[str, Path(max_length=64, pattern=r"^[0-9a-f-]{1,64}$", description="Id of the muted phrase.")]
TermForm = Annotated[str, Form(min_length=1, max_length=512, pattern=NO_CONTROL)]


@router.post("/cases/{case}/mute", response_class=HTMLResponse)
def mute_phrase(
    request: Request, services: TheServices, session: Signed, case: CaseId, label: WordForm, term: TermForm
) -> Response:
    """Mute a phrase of a dismissed case in its room. A moderator asks, and a lead mutes at once."""
    account, now = session.account, services.clock()
    with services.database.write() as connection:
        approve = allowed("approve_phrase", account.role)
        phrase_muting.ask_to_mute(connection, case, label, term, account.name, now, approve=approve)
        offers = phrase_muting.offered(connection, case, now)
    return page(request, "mute_offer.html", case_id=case, offers=offers)


@router.post("/phrases/{muted}/approve")
def approve_phrase(services: TheServices, session: Signed, muted: MutedId) -> Response:
    """Mute the phrase that a moderator asked for."""
    with services.database.write() as connection:
        phrase_muting.approve_mute(connection, muted, session.account.name, services.clock())
    return RedirectResponse("/team#phrases", 303)


@router.post("/phrases/{muted}/end")
def end_phrase(services: TheServices, session: Signed, muted: MutedId) -> Response:
    """End the mute of a phrase, or refuse a wish."""
    with services.database.write() as connection:
        phrase_muting.end_mute(connection, muted, session.account.name, services.clock())
    return RedirectResponse("/team#phrases", 303)
