"""Before every endpoint: who is it, may he, and did the request come from our own page.

An unsafe request must carry the session's token, as a header (htmx) or as a field (a plain form): a foreign page can
send our cookie along, but cannot know the token. Without a session (login), the browser's word for where it comes from
must do.
"""

import secrets
from urllib.parse import quote, urlsplit

from fastapi import HTTPException, Request
from starlette.concurrency import run_in_threadpool

from pipeline.console.access import ACCESS, ANYBODY, Caller, allowed
from pipeline.console.desk import Desk, desk_of
from pipeline.review.accounts import sessions
from pipeline.review.accounts.sessions import TOUCH_SECONDS, LoginSession

COOKIE = "voxwarden_session"
HEADER = "x-csrf-token"
FIELD = "csrf"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
BY_ITSELF = frozenset({"wellness_meter", "queue_live"})
"""What an open page asks for while nobody is there: no sign of life, or no session would ever be idle."""


class SignIn(HTTPException):
    """Nobody is signed in; `where` is the page to come back to."""

    def __init__(self, where: str) -> None:
        super().__init__(401, "Sign in first.")
        self.login = f"/login?then={quote(where)}"


async def guard(request: Request) -> None:
    """Let the request pass with `request.state.session`, or raise 401 or 403."""
    endpoint = request.scope["route"].name
    request.state.session = session = await run_in_threadpool(_session, request, desk_of(request))
    caller: Caller | None = "app" if _app(request) else session.account.role if session else None
    if ACCESS[endpoint] != ANYBODY and caller is None:
        raise SignIn(request.url.path if request.method == "GET" else "/")
    if not allowed(endpoint, caller):
        raise HTTPException(403, "Your role may not do this.")
    # A browser sends cookies by itself, but never a token of ours.
    if request.method not in SAFE and caller != "app":
        await _ours(request, session)


def _app(request: Request) -> bool:
    """Whether it carries a token that apps have; every one is compared, so that time tells nothing."""
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    known = [token.get_secret_value().encode() for token in desk_of(request).settings.console.api_tokens]
    found = [secrets.compare_digest(given.encode(), token) for token in known]
    return kind.lower() == "bearer" and bool(given) and any(found)


def _session(request: Request, desk: Desk) -> LoginSession | None:
    token = request.cookies.get(COOKIE)
    if not token:
        return None
    now = desk.clock()
    with desk.database.read() as connection:
        session = sessions.find(connection, token, now)
    if session and now - session.seen_at >= TOUCH_SECONDS and request.scope["route"].name not in BY_ITSELF:
        with desk.database.write() as connection:
            sessions.touch(connection, session, now)
    return session


async def _ours(request: Request, session: LoginSession | None) -> None:
    if session is None:
        if not _same_origin(request):
            raise HTTPException(403, "The request came from another site.")
        return
    token = request.headers.get(HEADER) or str((await request.form()).get(FIELD, ""))
    if not secrets.compare_digest(token.encode(), session.csrf.encode()):
        raise HTTPException(403, "The request did not come from this page; load it again.")


def _same_origin(request: Request) -> bool:
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in {"same-origin", "none"}
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")
