"""Answers for errors, in the shape that OpenAI's clients know: {"error": {"message", "type", "param", "code"}}."""

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from pipeline.base.errors import CaseError, DependencyError, Missing, ParameterError, ReusedKey, VoxwardenError
from pipeline.base.logs import REQUEST

KINDS = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}


class ErrorDetail(BaseModel):
    """What is wrong. `message` also says what to do."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ErrorAnswer(BaseModel):
    error: ErrorDetail


# The errors of every endpoint, for the OpenAPI document.
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorAnswer} for status in (400, 401, 403, 404, 409, 413, 414, "4XX", 429, 503)
}


class TooManyError(VoxwardenError):
    """A program has too much work in hand. It may try again after `retry_seconds`."""

    def __init__(self, what: str, remedy: str, retry_seconds: int = 1) -> None:
        super().__init__(what, remedy)
        self.retry_seconds = retry_seconds


def problem(message: str, status: int, retry_seconds: int = 1, param: str | None = None) -> JSONResponse:
    """Return the answer for an error. `param` is the parameter that is wrong."""
    kind = KINDS.get(status, "server_error" if status >= 500 else "invalid_request_error")
    headers = {429: {"retry-after": str(retry_seconds)}, 401: {"www-authenticate": "Bearer"}}.get(status)
    detail = ErrorDetail(message=message, type=kind, param=param)
    return JSONResponse(ErrorAnswer(error=detail).model_dump(), status, headers)


def install(app: FastAPI) -> None:
    """Add the handlers of errors to the app."""
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(VoxwardenError, _ours)
    app.add_exception_handler(Exception, _unexpected)


async def _refused(request: Request, error: Exception) -> JSONResponse:
    del request
    return problem(str(error.detail), error.status_code) if isinstance(error, HTTPException) else problem("", 500)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    del request
    faults = error.errors() if isinstance(error, RequestValidationError) else []
    wrong: dict[str, Any] = {}
    for fault in faults:
        # For one parameter, pydantic names a fault of each type that it tried. The deepest is about the type that was
        # sent.
        name = _parameter(fault["loc"])
        wrong[name] = max(wrong.get(name, fault), fault, key=lambda one: len(one["loc"]))
    message = "; ".join(f"{name}: {fault['msg']}" for name, fault in wrong.items())
    return problem(message, 400, param=next(iter(wrong), None))


def _parameter(place: Sequence[str | int]) -> str:
    """Return the name of the parameter at a place such as ("body", "input", "list[str]", 2)."""
    return next((part for part in place[1:2] if isinstance(part, str)), str(place[0]))


async def _ours(request: Request, error: Exception) -> JSONResponse:
    del request
    if isinstance(error, TooManyError):
        return problem(str(error), 429, error.retry_seconds)
    # Not 409 for the key: clients send a request with this answer again.
    known = ((Missing, 404), (CaseError, 409), (ReusedKey, 422), (DependencyError, 503))
    status = next((status for kind, status in known if isinstance(error, kind)), 400)
    return problem(str(error), status, param=error.name if isinstance(error, ParameterError) else None)


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    del request
    # The error's text may contain speech. This answer passes no middleware, so it has to name the request itself.
    answer = problem(f"An unexpected {type(error).__name__}; see the log of the API", 500)
    if identity := REQUEST.get():
        answer.headers["x-request-id"] = identity
    return answer
