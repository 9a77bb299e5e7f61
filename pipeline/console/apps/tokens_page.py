"""The page of the tokens of programs, for admins."""

from datetime import UTC, datetime, time, timedelta
from typing import Annotated, get_args

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from pipeline.console.fields import DayForm, NameForm
from pipeline.console.pages import page
from pipeline.console.services import Services, Signed, TheServices
from pipeline.review.accounts import api_tokens
from pipeline.review.accounts.api_tokens import TokenScope

router = APIRouter(prefix="/accounts/tokens")

PROPOSED = timedelta(days=90)
"""How long a new token works, unless the admin chooses another day."""


@router.get("", response_class=HTMLResponse)
def tokens_page(request: Request, services: TheServices) -> Response:
    """Show all tokens, without their secrets."""
    return _page(request, services)


@router.post("", response_class=HTMLResponse)
def make_token(
    request: Request,
    services: TheServices,
    session: Signed,
    name: NameForm,
    scopes: Annotated[list[TokenScope], Form()],
    until: DayForm = None,
) -> Response:
    """Make a token, and show it once. It works until the end of the day `until` (UTC); without it, for ever."""
    end = datetime.combine(until, time.max, UTC).timestamp() if until else None
    with services.database.write() as connection:
        token = api_tokens.make_token(connection, name, scopes, end, services.clock(), session.account.name)
    return _page(request, services, token)


@router.post("/revoke")
def revoke_token(
    services: TheServices, session: Signed, token: Annotated[str, Form(pattern=r"^vw_[0-9a-f]{8}$")]
) -> Response:
    """Refuse a token from now on."""
    with services.database.write() as connection:
        api_tokens.revoke_token(connection, token, services.clock(), session.account.name)
    return RedirectResponse("/accounts/tokens", 303)


def _page(request: Request, services: Services, made: str = "") -> Response:
    with services.database.read() as connection:
        found = api_tokens.all_tokens(connection)
    until = datetime.fromtimestamp(services.clock(), UTC).date() + PROPOSED
    return page(request, "tokens.html", tokens=found, made=made, scopes=get_args(TokenScope), until=until)
