"""Sign-in at an OpenID provider: a redirect to the provider, and the return with a code."""

import secrets
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from pipeline.base.errors import AccountError
from pipeline.console.account.login import own, with_cookie
from pipeline.console.fields import NameQuery
from pipeline.console.services import Services, TheServices
from pipeline.review.accounts import accounts, oidc, sign_in
from pipeline.review.accounts.oidc import Attempt, Provider

router = APIRouter(prefix="/login/oidc")

COOKIE = "voxwarden_oidc"
MINUTES = 10
"""Minutes that a person may take to sign in at the provider."""
BACK = "/login/oidc/back"


@router.get("")
def oidc_login(request: Request, services: TheServices, then: NameQuery = "/") -> Response:
    """Send the browser to the OpenID provider. 422 if none is configured."""
    trying = oidc.attempt(own(then))
    response = RedirectResponse(_provider(request).address(trying), 303)
    response.set_cookie(
        COOKIE,
        msgspec.json.encode(trying).hex(),
        max_age=MINUTES * 60,
        path=BACK,
        httponly=True,
        samesite="lax",
        secure=services.settings.console.secure_cookies,
    )
    return response


@router.get("/back")
def oidc_back(
    request: Request,
    services: TheServices,
    code: Annotated[str, Query(max_length=2_048)] = "",
    state: Annotated[str, Query(max_length=256)] = "",
) -> Response:
    """Sign in the person who returns from the provider. 422 if the answer is not valid."""
    trying = _attempt_of(request.cookies.get(COOKIE, ""))
    if trying is None or not code or not secrets.compare_digest(state.encode(), trying.state.encode()):
        raise AccountError(
            "This answer belongs to no sign-in that began in this browser", "Sign in again.", text="oidc_other"
        )
    token = _begin(services, _provider(request).identity(code, trying))
    response = with_cookie(RedirectResponse(own(trying.then), 303), services, token)
    response.delete_cookie(COOKIE, path=BACK)
    return response


def open_provider(services: Services) -> Provider | None:
    """Return the provider of the settings; None if `console.oidc` is not set."""
    console = services.settings.console
    if console.oidc is None:
        return None
    return Provider(console.oidc, console.public_url.rstrip("/") + BACK, services.clock)


def _begin(services: Services, identity: oidc.Identity) -> str:
    now = services.clock()
    with services.database.write() as connection:
        account = accounts.account_of_identity(connection, identity.subject, identity.name, identity.role, now)
        return sign_in.begin_session(connection, account.name, now)


def _provider(request: Request) -> Provider:
    provider: Provider | None = request.app.state.oidc
    if provider is None:
        raise AccountError(
            "No OpenID provider is configured", "Set console.oidc, or sign in with a password.", text="oidc_none"
        )
    return provider


def _attempt_of(cookie: str) -> Attempt | None:
    try:
        return msgspec.json.decode(bytes.fromhex(cookie), type=Attempt)
    except (ValueError, msgspec.MsgspecError):
        return None
