"""Answers for errors: a page for a person, a fragment for an open page, JSON for a program."""

from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from pipeline.console.desk import desk_of
from pipeline.console.guard import SignIn
from pipeline.console.pages import language_of, page
from pipeline.errors import AccountError, CaseError, DependencyError, Involved, Missing, TooManyTries, VoxwardenError

STATUS: tuple[tuple[type[VoxwardenError], int], ...] = (
    (Missing, 404),
    (Involved, 403),
    (CaseError, 409),
    (AccountError, 422),
    (DependencyError, 503),
    (VoxwardenError, 422),
)


def install(app: FastAPI) -> None:
    """Add the handlers of errors to the app."""
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(TooManyTries, _too_many)
    app.add_exception_handler(VoxwardenError, _ours)


def answer(request: Request, status: int, what: str) -> Response:
    """Answer a request with a status and a text: JSON under `/api/`, else a page or a fragment."""
    if request.url.path.startswith("/api/"):
        return JSONResponse({"detail": what}, status)
    fragment = request.headers.get("hx-request") == "true"
    return page(request, "problem_fragment.html" if fragment else "problem.html", status, what=what, code=status)


async def _refused(request: Request, error: Exception) -> Response:
    if isinstance(error, SignIn):
        return _sign_in(request, error)
    status, what = (error.status_code, str(error.detail)) if isinstance(error, HTTPException) else (500, "")
    return answer(request, status, what)


def _sign_in(request: Request, error: SignIn) -> Response:
    """Send a browser to the login page, and an open page, too. Answer 401 in JSON to a program."""
    if request.headers.get("hx-request") == "true":
        open_page = urlsplit(request.headers.get("hx-current-url", "")).path
        return Response(status_code=401, headers={"HX-Redirect": SignIn(open_page or "/").login})
    if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
        return RedirectResponse(error.login, 303)
    return JSONResponse({"detail": error.detail}, 401)


async def _invalid(request: Request, error: Exception) -> Response:
    problems = error.errors() if isinstance(error, RequestValidationError) else []
    what = "; ".join(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in problems)
    return answer(request, 422, what)


async def _too_many(request: Request, error: Exception) -> Response:
    seconds = error.seconds if isinstance(error, TooManyTries) else 1
    what = desk_of(request).texts.say(language_of(request), "login.wait", n=seconds)
    limited = answer(request, 429, what)
    limited.headers["retry-after"] = str(seconds)
    return limited


async def _ours(request: Request, error: Exception) -> Response:
    status = next(status for kind, status in STATUS if isinstance(error, kind))
    return answer(request, status, str(error))
