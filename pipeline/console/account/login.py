"""Sign-in with a password, and sign-out."""

import asyncio

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from pipeline.base.errors import TooManyTries
from pipeline.console.client_address import network_of
from pipeline.console.fields import CodeForm, NameForm, NameQuery, SecretForm
from pipeline.console.guard import COOKIE
from pipeline.console.pages import page
from pipeline.console.services import Services, Signed, TheServices
from pipeline.review.accounts import login_limits, sign_in
from pipeline.review.accounts.sign_in import Visitor

router = APIRouter()

HELD_SECONDS = 1.0
"""Seconds for which a refused try is held. A client that waits for its answers sends fewer; holding costs nothing."""
BROWSER = "voxwarden_browser"
"""Cookie of a browser in which somebody has signed in before (`accounts/login_limits.py`)."""


@router.get("/login", response_class=HTMLResponse)
def login_page(request: Request, then: NameQuery = "/") -> Response:
    """Show the login form."""
    return _form(request, then)


@router.post("/login", response_class=HTMLResponse)
async def login(
    request: Request,
    services: TheServices,
    name: NameForm,
    password: SecretForm,
    code: CodeForm = "",
    then: NameForm = "/",
) -> Response:
    """Sign in with name, password and one-time code. 401 if one of them is wrong, 429 after too many wrong ones."""
    # The page is rendered in the event loop: a flood of refused sign-ins must not take the threads of other pages.
    browser = request.cookies.get(BROWSER, "")
    visitor = Visitor(network_of(request, services.settings.console.proxies), browser)
    try:
        account = await run_in_threadpool(services.door.sign_in, name, password, code, visitor)
    except TooManyTries as error:
        await asyncio.sleep(HELD_SECONDS)
        return _form(request, then, name, 429, error.seconds)
    if not account:
        return _form(request, then, name, 401)
    return await run_in_threadpool(entered, services, account.name, then, browser)


@router.post("/logout")
def logout(services: TheServices, session: Signed) -> Response:
    """End the session."""
    with services.database.write() as connection:
        sign_in.end_session(connection, session)
    response = RedirectResponse("/login", 303)
    response.delete_cookie(COOKIE)
    return response


def entered(services: Services, name: str, then: str, browser: str) -> Response:
    """Begin a session, and remember the browser."""
    now = services.clock()
    with services.database.write() as connection:
        token = sign_in.begin_session(connection, name, now)
        browser = login_limits.remember_browser(connection, browser, name, now)
    response = with_cookie(RedirectResponse(own(then), 303), services, token)
    secure, kept = services.settings.console.secure_cookies, int(login_limits.BROWSER_KEPT_SECONDS)
    response.set_cookie(BROWSER, browser, max_age=kept, path="/login", httponly=True, samesite="lax", secure=secure)
    return response


def with_cookie(response: Response, services: Services, token: str) -> Response:
    """Add the session's cookie to a response."""
    secure = services.settings.console.secure_cookies
    response.set_cookie(
        COOKIE, token, max_age=int(sign_in.LONGEST_SESSION_SECONDS), httponly=True, samesite="lax", secure=secure
    )
    return response


def own(then: str) -> str:
    """Return `then` if it is a path of this console; otherwise "/". So a link cannot lead to another site."""
    return then if then.startswith("/") and not then.startswith(("//", "/\\")) else "/"


def _form(request: Request, then: str, name: str = "", status: int = 200, wait: int = 0) -> Response:
    """Show the form. With `wait`, it says for how many seconds no try is allowed."""
    oidc = request.app.state.oidc is not None
    values = {"then": own(then), "name": name, "refused": status != 200, "wait": wait, "oidc": oidc}
    answer = page(request, "login.html", status, **values)
    if wait:
        answer.headers["retry-after"] = str(wait)
    return answer
