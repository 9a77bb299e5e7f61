"""Answers for errors: a page for a person, a fragment for an open page, JSON for a program.

A person reads the error in the own language, and keeps navigation, language and theme. A program reads English.
"""

import logging
import secrets
from contextlib import suppress
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from pipeline.base.errors import (
    AccountError,
    CaseError,
    DependencyError,
    Involved,
    Missing,
    TooManyTries,
    VoxwardenError,
)
from pipeline.base.http_server import HEADERS
from pipeline.console.guard import NotSignedIn, Refused, session_of
from pipeline.console.rendering import explain, page
from pipeline.review.accounts.sign_in import LoginSession

log = logging.getLogger(__name__)

STATUS: tuple[tuple[type[VoxwardenError], int], ...] = (
    # The first class that fits counts, so a class stands before the one that it derives from.
    (Missing, 404),
    (Involved, 403),
    (CaseError, 409),
    (AccountError, 422),
    (DependencyError, 503),
    (VoxwardenError, 422),
)
# The text of a status that FastAPI answers itself (section `error` of the catalogues).
TEXTS = {400: "invalid", 403: "role", 404: "page", 405: "method", 413: "too_large", 414: "too_large"}


def install(app: FastAPI) -> None:
    """Add the handlers of errors to the app."""
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(TooManyTries, _too_many)
    app.add_exception_handler(VoxwardenError, _ours)
    app.add_exception_handler(Exception, _broken)


async def answer(request: Request, status: int, error: VoxwardenError) -> Response:
    """Answer a request with a status and an error: JSON under `/api/`, else a page or a fragment."""
    if request.url.path.startswith("/api/"):
        return JSONResponse({"detail": str(error)}, status)
    if not hasattr(request.state, "session"):  # the guard does not run for an unknown path
        request.state.session = await _session_if_known(request)
    # An open page shows a fragment in its place for errors, and keeps what the person typed.
    fragment = request.headers.get("hx-request") == "true"
    template = "error_fragment.html" if fragment else "error_page.html"
    # An outage passes, so the page offers to load it again. A form must be sent by the person.
    again = str(request.url.replace(scheme="", netloc="")) if status == 503 and request.method == "GET" else ""
    return page(request, template, status, what=explain(request, error), code=status, again=again)


async def _session_if_known(request: Request) -> LoginSession | None:
    with suppress(DependencyError):  # the page of an error needs no database
        return await session_of(request)
    return None


async def _refused(request: Request, error: Exception) -> Response:
    if isinstance(error, NotSignedIn):
        return _sign_in(request, error)
    assert isinstance(error, HTTPException)  # noqa: S101 - Starlette calls the handler only for its class
    text = error.text if isinstance(error, Refused) else TEXTS.get(error.status_code, "other")
    return await answer(request, error.status_code, VoxwardenError(str(error.detail), text=text))


def _sign_in(request: Request, error: NotSignedIn) -> Response:
    """Send a browser to the login page, and an open page, too. Answer 401 in JSON to a program."""
    if request.headers.get("hx-request") == "true":
        # The browser follows a 303 within the request, so htmx would put the login page into a part of this page.
        open_page = urlsplit(request.headers.get("hx-current-url", "")).path
        return Response(status_code=401, headers={"HX-Redirect": NotSignedIn(open_page or "/").login})
    if "text/html" in request.headers.get("accept", ""):
        return RedirectResponse(error.login, 303)
    return JSONResponse({"detail": error.detail}, 401)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - Starlette calls the handler only for its class
    problems = error.errors()
    what = "; ".join(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in problems)
    # A person reads only the name of the field. The details are in English, for programs.
    field = str(problems[0]["loc"][-1]) if problems else ""
    return await answer(request, 422, VoxwardenError(what, text="invalid_field", field=field))


async def _too_many(request: Request, error: Exception) -> Response:
    assert isinstance(error, TooManyTries)  # noqa: S101 - Starlette calls the handler only for its class
    limited = await answer(request, 429, error)
    limited.headers["retry-after"] = str(error.seconds)
    return limited


async def _ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, VoxwardenError)  # noqa: S101 - Starlette calls the handler only for its class
    status = next(status for kind, status in STATUS if isinstance(error, kind))
    return await answer(request, status, error)


async def _broken(request: Request, error: Exception) -> Response:
    """Answer 500. The reference stands on the page and in the log, where the server writes the traceback below it."""
    reference = secrets.token_hex(4)
    log.error("The request broke (reference %s): %s", reference, type(error).__name__)
    broken = VoxwardenError("Something broke. Nothing was changed", text="broken", reference=reference)
    response = await answer(request, 500, broken)
    response.headers.update(HEADERS | {"cache-control": "no-store"})  # this answer does not pass the shield
    return response
