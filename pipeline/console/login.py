"""Sign-in with a password, by an invitation, or at an OpenID provider; sign-out; the first login of an empty store."""

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Annotated, TypeVar

import msgspec
from anyio import to_thread
from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from pipeline.base.errors import AccountError, TooManyTries
from pipeline.base.json_reading import read_json
from pipeline.console.fields import CodeForm, NameForm, NameQuery, SecretForm
from pipeline.console.guard import COOKIE
from pipeline.console.rendering import explain, page
from pipeline.console.services import Services, Signed, TheServices
from pipeline.review.accounts import accounts, login_limits, oidc_provider, passwords, sign_in
from pipeline.review.accounts.oidc_provider import Attempt, Provider
from pipeline.review.accounts.sign_in import Visitor
from pipeline.review.database import Database

router = APIRouter()
T = TypeVar("T")

OF_ONE_PERSON = 64  # Bits of an IPv6 address that name a network. One person has all addresses in it.
# Seconds for which a refused try is held. A client that waits for its answers sends fewer; holding costs nothing.
HELD_SECONDS = 1.0
BROWSER = "voxwarden_browser"  # cookie of a browser in which somebody has signed in before (`accounts/login_limits.py`)
FIRST_NAME = "admin"
OIDC_COOKIE = "voxwarden_oidc"
MINUTES = 10  # minutes that a person may take to sign in at the provider
BACK = "/login/oidc/back"

LinkToken = Annotated[str, Path(max_length=64, pattern=r"^[\w-]{1,64}$")]


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
        account = await run_in_threadpool(services.password_checker.sign_in, name, password, code, visitor)
    except TooManyTries as error:
        await asyncio.sleep(HELD_SECONDS)
        return _form(request, then, name, 429, error.seconds)
    if not account:
        # The same answer for an unknown name and for a wrong password: it must not tell which names exist.
        return _form(request, then, name, 401)
    return await run_in_threadpool(signed_in_response, services, account.name, then, browser)


@router.post("/logout")
def logout(services: TheServices, session: Signed) -> Response:
    """End the session."""
    with services.database.write() as connection:
        sign_in.end_session(connection, session)
    response = RedirectResponse("/login", 303)
    response.delete_cookie(COOKIE)
    return response


@router.get("/invitation/{token}", response_class=HTMLResponse)
def invitation_page(request: Request, services: TheServices, token: LinkToken) -> Response:
    """Show the form for the password. 422 if the link does not work any more. To look uses nothing up."""
    with services.database.read() as connection:
        name = accounts.invited_account(connection, token, services.clock())
    return page(request, "invitation.html", name=name, token=token)


@router.post("/invitation/{token}", response_class=HTMLResponse)
def accept_invitation(request: Request, services: TheServices, token: LinkToken, password: SecretForm) -> Response:
    """Set the password and sign the person in. 422 if the link does not work, or the password is easy to guess."""
    now = services.clock()
    with services.database.read() as connection:
        name = accounts.invited_account(connection, token, now)
    # Hashing is slow on purpose. It happens before the transaction, which locks the store for other writers.
    try:
        stored = passwords.hash_new_password(password, name)
    except AccountError as error:
        return page(
            request, "invitation.html", 422, name=name, token=token, wrong={"password": explain(request, error)}
        )
    with services.database.write() as connection:
        accounts.accept_invitation(connection, token, stored, now)
    return signed_in_response(services, name, "/", browser="")  # the browser sends that cookie to the login only


@router.get("/login/oidc")
async def oidc_login(request: Request, services: TheServices, then: NameQuery = "/") -> Response:
    """Send the browser to the OpenID provider. 422 if none is configured."""
    trying = oidc_provider.attempt(own_path(then))
    response = RedirectResponse(await _asked(request, lambda provider: provider.address(trying)), 303)
    response.set_cookie(
        OIDC_COOKIE,
        msgspec.json.encode(trying).hex(),
        max_age=MINUTES * 60,
        # "strict" would withhold the cookie: the browser comes back from the site of the provider.
        path=BACK,
        httponly=True,
        samesite="lax",
        secure=services.settings.console.is_secure,
    )
    return response


@router.get("/login/oidc/back")
async def oidc_back(
    request: Request,
    services: TheServices,
    code: Annotated[str, Query(max_length=2_048)] = "",
    state: Annotated[str, Query(max_length=256)] = "",
) -> Response:
    """Sign in the person who returns from the provider. 422 if the answer is not valid."""
    trying = _attempt_of(request.cookies.get(OIDC_COOKIE, ""))
    # The state binds the answer to this browser. Otherwise a link could sign a person in to the account of an attacker.
    if trying is None or not code or not secrets.compare_digest(state.encode(), trying.state.encode()):
        raise AccountError(
            "This answer belongs to no sign-in that began in this browser", "Sign in again.", text="oidc_other"
        )
    identity = await _asked(request, lambda provider: provider.identity(code, trying))
    token = await run_in_threadpool(_begin, services, identity)
    response = with_cookie(RedirectResponse(own_path(trying.then), 303), services, token)
    response.delete_cookie(OIDC_COOKIE, path=BACK)
    return response


def network_of(request: Request, proxies: Sequence[IPv4Network | IPv6Network]) -> str:
    """Return the client's IPv4 address or IPv6 network; empty if it is unknown.

    Each proxy adds the address of its client at the end of X-Forwarded-For. A line counts only if one of `proxies`
    added it, because a client can write the rest.
    """
    found = _parsed(request.client.host) if request.client else None
    hops = ",".join(request.headers.getlist("x-forwarded-for")).split(",")
    while found and hops and any(found in proxy for proxy in proxies):
        # From the end: the last line is from the nearest proxy, and the first ones are from the client.
        before = _parsed(hops.pop())
        if before is None:
            break
        found = before
    return _shared_network(found) if found else ""


def signed_in_response(services: Services, name: str, then: str, browser: str) -> Response:
    """Begin a session, and remember the browser."""
    now = services.clock()
    with services.database.write() as connection:
        token = sign_in.begin_session(connection, name, now)
        browser = login_limits.remember_browser(connection, browser, name, now)
    response = with_cookie(RedirectResponse(own_path(then), 303), services, token)
    secure, kept = services.settings.console.is_secure, int(login_limits.BROWSER_KEPT_SECONDS)
    # Only the login reads this cookie, so other requests do not carry it.
    response.set_cookie(BROWSER, browser, max_age=kept, path="/login", httponly=True, samesite="lax", secure=secure)
    return response


def with_cookie(response: Response, services: Services, token: str) -> Response:
    """Add the session's cookie to a response."""
    # "lax": a link in a chat opens a case signed in, but a form of another site is sent without the cookie.
    secure = services.settings.console.is_secure
    response.set_cookie(
        COOKIE, token, max_age=int(sign_in.LONGEST_SESSION_SECONDS), httponly=True, samesite="lax", secure=secure
    )
    return response


def own_path(then: str) -> str:
    """Return `then` if it is a path of this console; otherwise "/". So a link cannot lead to another site."""
    # Browsers read `//name` and `/\name` as the address of another site.
    return then if then.startswith("/") and not then.startswith(("//", "/\\")) else "/"


def first_login(database: Database, clock: Callable[[], float] = time.time) -> tuple[str, str] | None:
    """Create an admin account if there are no accounts. Return its name and password; None if there are accounts."""
    with database.read() as connection:
        if not accounts.has_no_accounts(connection):
            return None
    password = passwords.generate_password()
    stored = passwords.hash_new_password(password, FIRST_NAME)
    try:
        with database.write() as connection:
            if not accounts.has_no_accounts(connection):
                return None
            accounts.add_account(connection, FIRST_NAME, "admin", clock(), "voxwarden", password=stored)
    except AccountError:
        return None  # another process made the account at the same moment
    return FIRST_NAME, password


def open_provider(services: Services) -> Provider | None:
    """Return the provider of the settings; None if `console.oidc` is not set."""
    console = services.settings.console
    if console.oidc is None:
        return None
    return Provider(console.oidc, console.public_url.rstrip("/") + BACK, services.clock)


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text.strip())
    except ValueError:
        return None
    # A socket for IPv6 shows an IPv4 client as ::ffff:192.0.2.1. Limits and `proxies` mean the IPv4 address.
    return getattr(address, "ipv4_mapped", None) or address


def _shared_network(address: IPv4Address | IPv6Address) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    return str(ip_network((int(address), OF_ONE_PERSON), strict=False))


def _form(request: Request, then: str, name: str = "", status: int = 200, wait: int = 0) -> Response:
    """Show the form. With `wait`, it says for how many seconds no try is allowed."""
    offers_oidc = request.app.state.oidc is not None
    values = {"then": own_path(then), "name": name, "refused": status != 200, "wait": wait, "oidc": offers_oidc}
    answer = page(request, "login.html", status, **values)
    if wait:
        answer.headers["retry-after"] = str(wait)
    return answer


def _begin(services: Services, identity: oidc_provider.Identity) -> str:
    now = services.clock()
    with services.database.write() as connection:
        account = accounts.account_of_identity(connection, identity.subject, identity.name, identity.role, now)
        return sign_in.begin_session(connection, account.name, now)


async def _asked(request: Request, question: Callable[[Provider], T]) -> T:
    """Ask the provider. Raises AccountError if none is configured."""
    provider: Provider | None = request.app.state.oidc
    if provider is None:
        raise AccountError(
            "No OpenID provider is configured", "Set console.oidc, or sign in with a password.", text="oidc_none"
        )
    return await to_thread.run_sync(question, provider, limiter=provider.questions)


def _attempt_of(cookie: str) -> Attempt | None:
    try:
        return read_json(bytes.fromhex(cookie), Attempt)
    except (ValueError, msgspec.DecodeError):
        return None
