"""Answers for errors, in the shape that OpenAI's clients know: {"error": {"message", "type", "param", "code"}}."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from pipeline.base.errors import CaseError, DependencyError, Missing, ParameterError, ReusedKey, VoxwardenError
from pipeline.base.logs import REQUEST

KINDS = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}

WHERE = "`GET /openapi.json` lists the addresses and their methods."


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
    if not isinstance(error, HTTPException):
        return problem("", 500)
    path = request.url.path
    # Starlette's own texts for these two do not say what to do.
    known = {404: f"There is nothing at {path}", 405: f"{path} does not take the method {request.method}"}
    if error.status_code in known:
        return problem(f"{known[error.status_code]}. {WHERE}", error.status_code)
    return problem(str(error.detail), error.status_code)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    del request
    faults = error.errors() if isinstance(error, RequestValidationError) else []
    wrong: dict[str, Any] = {}
    for fault in faults:
        # For one parameter, pydantic names a fault of each type that it tried.
        name = _parameter(fault["loc"])
        wrong[name] = max(wrong.get(name, fault), fault, key=_nearness)
    message = "; ".join(f"{name}: {_mistake(name, fault)}" for name, fault in wrong.items())
    return problem(message, 400, param=next(iter(wrong), None))


def _nearness(fault: Mapping[str, Any]) -> tuple[int, bool]:
    """Order faults: the deepest, and one about another thing than the type, is about the type that was sent."""
    return len(fault["loc"]), not fault["type"].endswith("_type")


def _mistake(name: str, fault: Mapping[str, Any]) -> str:
    """Return the mistake in words for the developer of a program, where pydantic's are about its own classes."""
    kind = fault["type"]
    if kind == "json_invalid":
        return f"it is not valid JSON: {fault['ctx']['error']}, at character {fault['loc'][-1]}"
    if name == "body":
        return "it is no JSON object. Send one, with the header Content-Type: application/json."
    if kind == "extra_forbidden":
        return "there is no such field. Check its spelling, or leave it out."
    if kind == "value_error" and "UploadFile" in fault["msg"]:
        return "it is a text. Send a file; with curl: -F file=@NAME."
    return str(fault["msg"])


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
