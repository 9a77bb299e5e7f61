"""The guard runs before every endpoint. It checks the session, the role, and that the request comes from our own page.

A request that changes something must carry the session's CSRF token, as a header (htmx) or as a form field. Another
site can make a browser send our cookie, but it does not know the token. At the login there is no session yet. There the
guard checks the headers in which the browser names the site of the request.
"""

import base64
import binascii
import secrets
from urllib.parse import quote, urlsplit

from fastapi import HTTPException, Request
from starlette.concurrency import run_in_threadpool

from pipeline.console.access_table import ACCESS, ANYBODY, APP_SCOPES, Caller, allowed
from pipeline.console.services import Services, services_of
from pipeline.review.accounts import api_tokens, sign_in
from pipeline.review.accounts.api_tokens import TokenScope
from pipeline.review.accounts.sign_in import TOUCH_SESSION_SECONDS, LoginSession

COOKIE = "voxwarden_session"
HEADER = "x-csrf-token"
FIELD = "csrf"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
PROBES = frozenset({"health", "ready"})  # they answer without the database, so nobody is signed in
# Endpoints that an open page calls without a person. They do not keep the session alive.
BACKGROUND = frozenset(
    {
        "wellness_meter",
        "inbox_due",
        "people_now",
        "queue_live",
        "figures_progress",
        "draft_progress",
        "policy_judges",
        "backtest_progress",
    }
)


class NotSignedIn(HTTPException):
    """401: nobody is signed in. `where` is the page to return to after the sign-in."""

    def __init__(self, where: str) -> None:
        super().__init__(401, "Sign in first.")
        self.login = f"/login?then={quote(where)}"


class Refused(HTTPException):
    """A refused request. `text` is the key of what the page says (section `error` of the catalogues)."""

    def __init__(self, status: int, what: str, text: str) -> None:
        super().__init__(status, what)
        self.text = text


async def guard(request: Request) -> None:
    """Check the request and set `request.state.session`.

    Raises NotSignedIn (401) without a session or token, and HTTPException (403) if the role or the CSRF token is wrong.
    """
    endpoint = endpoint_of(request)
    request.state.session = None  # if the database does not answer now, the page of the error asks no second time
    if endpoint in PROBES:
        return
    # Set before the checks, because the page of an error needs the session, too: its language and its menu.
    request.state.session = session = await session_of(request)
    scopes = await _scopes_of(request)
    caller: Caller | None = "app" if scopes else session.account.role if session else None
    # 401 comes before 403: a person who can still sign in gets the login page and no refusal.
    if ACCESS[endpoint] != ANYBODY and caller is None:
        # A sign-in ends with a GET, so it cannot return to an address that takes only POST.
        raise NotSignedIn(request.url.path if request.method == "GET" else "/")
    if not allowed(endpoint, caller):
        raise Refused(403, "Your role may not do this.", "role")
    if caller == "app" and endpoint in APP_SCOPES and APP_SCOPES[endpoint] not in scopes:
        raise Refused(403, f"The token does not have the scope {APP_SCOPES[endpoint]}.", "role")
    # An app needs no CSRF token: a browser adds cookies by itself, but never a bearer token.
    if request.method not in SAFE and caller != "app":
        await _check_csrf(request, session)


async def session_of(request: Request) -> LoginSession | None:
    """Return the session of the request's cookie, if it has one."""
    token = request.cookies.get(COOKIE)
    return await run_in_threadpool(_session, request, services_of(request), token) if token else None


def endpoint_of(request: Request) -> str:
    """Return the name of the endpoint's function; empty for an unknown path."""
    return getattr(request.scope.get("route"), "name", "")


def masked(token: str) -> str:
    """Return the CSRF token under a new random mask of its length, as each page gets it.

    A page is compressed, and it repeats text of its address, for example a filter. An attacker may make the browser
    open addresses, and measure the sizes of answers. So they could guess a constant token, letter by letter (BREACH).
    """
    mask = secrets.token_bytes(len(token))  # a one-time pad, new for each page
    return base64.urlsafe_b64encode(mask + _xor(mask, token.encode())).decode()


def unmasked(given: str) -> str:
    """Return the token of `masked`, or `given` itself if it is not masked."""
    try:
        raw = base64.b64decode(given, altchars=b"-_", validate=True)
        return _xor(raw[: len(raw) // 2], raw[len(raw) // 2 :]).decode("ascii")
    except (binascii.Error, ValueError):
        return given


async def _scopes_of(request: Request) -> frozenset[TokenScope]:
    """Return what the request's bearer token allows; nothing without a valid one."""
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer" or not given:
        return frozenset()
    return await run_in_threadpool(_app_scopes, services_of(request), given)


def _app_scopes(services: Services, given: str) -> frozenset[TokenScope]:
    """Compare the token with every token of the settings, so that the response time reveals nothing."""
    known = [token.get_secret_value().encode() for token in services.settings.console.api_tokens]
    # A list, not a generator: `any` would stop at the first match, and the time would tell its place.
    found = [secrets.compare_digest(given.encode(), token) for token in known]
    if any(found):
        return frozenset(APP_SCOPES.values())
    return _stored_scopes(services, given)


def _stored_scopes(services: Services, given: str) -> frozenset[TokenScope]:
    now = services.clock()
    with services.database.read() as connection:
        token = api_tokens.find_token(connection, given, now)
    if token and api_tokens.touch_is_due(token, now):
        with services.database.write() as connection:
            api_tokens.touch_token(connection, token, now)
    return token.scopes if token else frozenset()


def _session(request: Request, services: Services, token: str) -> LoginSession | None:
    now = services.clock()
    with services.database.read() as connection:
        session = sign_in.find_session(connection, token, now)
    # Not at each request: a write costs more than a read.
    if session and now - session.seen_at >= TOUCH_SESSION_SECONDS and endpoint_of(request) not in BACKGROUND:
        with services.database.write() as connection:
            sign_in.touch_session(connection, session, now)
    return session


async def _check_csrf(request: Request, session: LoginSession | None) -> None:
    if session is None:
        if not _same_origin(request):
            raise Refused(403, "The request came from another site.", "foreign")
        return
    # Starlette keeps the form that it has read here, so the endpoint can read it again.
    token = request.headers.get(HEADER) or str((await request.form()).get(FIELD, ""))
    if not secrets.compare_digest(unmasked(token).encode(), session.csrf.encode()):
        raise Refused(403, "The request did not come from this page. Load the page again.", "foreign")


def _same_origin(request: Request) -> bool:
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        # A page cannot forge this header. "none": the person typed the address or used a bookmark.
        return site in {"same-origin", "none"}
    # Over plain http, browsers send no Sec-Fetch-Site, but they send Origin with each POST. A request without both
    # comes from a program, and no other site can direct that one.
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))
