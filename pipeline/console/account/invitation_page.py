"""The page behind the link of an invitation: the person chooses a password."""

from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.responses import HTMLResponse, Response

from pipeline.console.account.login import BROWSER, entered
from pipeline.console.fields import SecretForm
from pipeline.console.pages import page
from pipeline.console.services import TheServices
from pipeline.review.accounts import accounts, passwords

router = APIRouter(prefix="/invitation")

LinkToken = Annotated[str, Path(max_length=64, pattern=r"^[\w-]{1,64}$")]


@router.get("/{token}", response_class=HTMLResponse)
def invitation_page(request: Request, services: TheServices, token: LinkToken) -> Response:
    """Show the form for the password. 422 if the link does not work any more. To look uses nothing up."""
    with services.database.read() as connection:
        name = accounts.invited_account(connection, token, services.clock())
    return page(request, "invitation.html", name=name, token=token)


@router.post("/{token}")
def accept_invitation(request: Request, services: TheServices, token: LinkToken, password: SecretForm) -> Response:
    """Set the password and sign the person in. 422 if the link does not work, or the password is easy to guess."""
    now = services.clock()
    with services.database.read() as connection:
        name = accounts.invited_account(connection, token, now)
    stored = passwords.hash_new_password(password, name)
    with services.database.write() as connection:
        accounts.accept_invitation(connection, token, stored, now)
    return entered(services, name, "/", request.cookies.get(BROWSER, ""))
