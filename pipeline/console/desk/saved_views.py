"""Saved views: save, rename, share, delete. Each answer leads back to the page of the view."""

from typing import Annotated

from fastapi import APIRouter, Form, Path
from fastapi.responses import RedirectResponse, Response

from pipeline.console.fields import NO_CONTROL
from pipeline.console.services import Signed, TheServices
from pipeline.review.search import views
from pipeline.review.search.views import ViewPage

router = APIRouter(prefix="/views")

ViewId = Annotated[str, Path(max_length=64, pattern=r"^[0-9a-f-]{1,64}$")]
ViewName = Annotated[str, Form(max_length=64, pattern=NO_CONTROL)]
QueryString = Annotated[str, Form(max_length=4_000, pattern=r"^[!-~]*$")]
Shared = Annotated[bool, Form()]


@router.post("")
def save_view(
    services: TheServices,
    session: Signed,
    name: ViewName,
    page: Annotated[ViewPage, Form()],
    query: QueryString = "",
    shared: Shared = False,
) -> Response:
    """Save a search or a filter of the queue under a name."""
    with services.database.write() as connection:
        view = views.save_view(connection, session.account.name, name, page, query, shared, services.clock())
    return RedirectResponse(view.href, 303)


@router.post("/{view}")
def change_view(
    services: TheServices, session: Signed, view: ViewId, name: ViewName, shared: Shared = False
) -> Response:
    """Rename a view of one's own, and share it with the team or not."""
    with services.database.write() as connection:
        changed = views.change_view(connection, view, session.account.name, name, shared)
    return RedirectResponse(changed.href, 303)


@router.post("/{view}/delete")
def delete_view(services: TheServices, session: Signed, view: ViewId) -> Response:
    """Delete a view of one's own."""
    with services.database.write() as connection:
        gone = views.remove_view(connection, view, session.account.name)
    return RedirectResponse(gone.href, 303)
