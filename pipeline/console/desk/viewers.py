"""Open pages say which case they show, and hear who else has it open."""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Form
from fastapi.responses import Response

from pipeline.console.fields import IdForm
from pipeline.console.live import viewed
from pipeline.console.services import Signed, TheServices
from pipeline.review.accounts import presence
from pipeline.review.cases import eligibility, leases, reading

router = APIRouter()

PageForm = Annotated[str, Form(pattern=r"^[0-9a-f]{32}$", description="A random id of the open page.")]


@router.post("/viewing")
def note_viewing(services: TheServices, session: Signed, page: PageForm, case: IdForm = "") -> Response:
    """Record which case an open page shows, and return who else has it open. Without a `case`, it shows none any more.

    403 if the reader speaks in the case, or reported it: then they learn nothing.
    """
    name, now = session.account.name, services.clock()
    with services.database.write() as connection:
        if not case:
            presence.end_viewing(connection, name, page)
            return Response(status_code=204)
        eligibility.check_party(connection, reading.case(connection, case), name)
        presence.note_viewer(connection, name, page, case, now)
        found = viewed(presence.all_viewers(connection, now), leases.holders(connection, now))[case]
    return Response(msgspec.json.encode(found), media_type="application/json")
