"""The API for apps, and its documentation. Apps send appeals, reports, confirmations and their ledger of rooms."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from fastapi.security import HTTPBearer
from msgspec import structs
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from pipeline.base.errors import CaseError, ConfigError
from pipeline.console import console_metrics
from pipeline.console.fields import NO_CONTROL, NO_NUL
from pipeline.console.rendering import page
from pipeline.console.services import Services, TheServices
from pipeline.contract.messages import Action
from pipeline.review.cases import appeals, case_queue, user_reports
from pipeline.review.cases.user_reports import Complaint
from pipeline.review.delivery import enforcements, room_counts
from pipeline.review.delivery.enforcements import Confirmation, Result
from pipeline.review.delivery.room_counts import RoomHour
from pipeline.review.delivery.speech_tallies import HOUR

# The guard checks the token. HTTPBearer only documents it in the OpenAPI schema.
router = APIRouter(prefix="/api/v1", tags=["for apps"], dependencies=[Depends(HTTPBearer(auto_error=False))])

docs_router = APIRouter()
MAX_CLOCK_SKEW = 60.0  # seconds by which an app's clock may be ahead of ours
MAX_LINES = 5_000  # the most lines of the ledger in one request: 200 days of one type of room

Id = Annotated[str, Field(pattern=r"^[0-9a-f-]{1,64}$")]
Name = Annotated[str, Field(min_length=1, max_length=256, pattern=NO_CONTROL)]
Words = Annotated[str, Field(max_length=4_000, pattern=NO_NUL)]
# The limit is the year 10000: Python has no later dates.
Moment = Annotated[float, Field(ge=0, lt=253_402_300_800, allow_inf_nan=False)]


class Body(BaseModel):
    # A field with a misspelt name gives 422. Otherwise it would be lost without a word.
    model_config = ConfigDict(extra="forbid")


class NewAppeal(Body):
    """An appeal against the decision that upheld a case."""

    case: Id = Field(description="id of the case, from the event `case.decided`")
    speaker: Name = Field(description="id of the person who appeals: the speaker of the case")
    statement: Words = Field("", description="the reason, in the speaker's own words")


class AppealState(Body):
    """The state of an appeal. Times are UTC seconds; `settled_at` is null while the appeal is open."""

    id: str
    case: str
    state: appeals.State
    created_at: float
    settled_at: float | None


class NewReport(Body):
    """A report about a speaker or a whole room."""

    room: Name
    speaker: Name | None = Field(None, description="null: the whole room")
    reporter: Name | None = Field(None, description="id of the person who reports; they may not decide the case")
    label: Annotated[str, Field(max_length=64)] = Field("", description="one of the labels, if the reporter chose one")
    text: Words = ""
    at: Moment | None = Field(None, description="the reported moment in UTC seconds; null: now")


class ReportState(Body):
    """A stored report: its id, its case and the state of its clip."""

    id: str
    case: str
    audio: user_reports.Audio


class NewConfirmation(Body):
    """The result of an action that a decision asked for."""

    decision: Id = Field(description="id of the decision, from the event `case.decided`")
    action: Action = Field(description="the action of the decision")
    result: Result = Field(description="`done`, or `failed`: the app has given up")
    at: Moment | None = Field(None, description="when the app carried it out, in UTC seconds; null: now")
    detail: Annotated[str, Field(max_length=500, pattern=NO_NUL)] = Field("", description="why it failed")


class ConfirmationState(Body):
    """The stored confirmation. Times are UTC seconds."""

    decision: str
    action: Action
    result: Result
    at: float
    received_at: float


def _whole_hour(moment: datetime) -> datetime:
    if moment.timestamp() % HOUR:
        raise ValueError("must be the beginning of an hour")
    return moment


class LedgerLine(Body):
    """The rooms of one type that were open in one hour, with or without Voxwarden."""

    hour: Annotated[AwareDatetime, AfterValidator(_whole_hour)] = Field(
        description="the beginning of the hour, as RFC 3339 text with a time zone"
    )
    room_type: Name = "default"
    rooms: Annotated[int, Field(ge=0, le=2**31 - 1)] = Field(description="rooms that were open at any moment of it")
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        description="sum of the seconds for which each room was open, at most 3600 for each"
    )


class RoomLedger(Body):
    """Lines of the app's ledger. A line replaces an earlier line of the same hour and type of room."""

    lines: Annotated[list[LedgerLine], Field(min_length=1, max_length=MAX_LINES)]


class LedgerState(Body):
    """The number of lines that were stored."""

    stored: int


@router.post("/appeals", status_code=201)
def lodge_appeal(services: TheServices, body: NewAppeal, response: Response) -> AppealState:
    """Lodge an appeal. 200 with the existing appeal if there is one. 404 if the case is about another speaker."""
    undo_seconds = services.settings.console.undo_seconds
    with services.database.write() as connection:
        appeal, new = appeals.lodge(connection, body.case, body.speaker, body.statement, services.clock(), undo_seconds)
    if new:
        services.metrics.appeals.labels("lodged").inc()
    response.status_code = 201 if new else 200
    return _state(appeal, services)


@router.get("/appeals/{appeal}")
def appeal_state(services: TheServices, appeal: Annotated[str, Path(pattern=r"^[0-9a-f-]{1,64}$")]) -> AppealState:
    """Return the state of an appeal. The events appeal.upheld and appeal.overturned also announce it.

    It is open until the reviewer can no longer take the decision back.
    """
    with services.database.read() as connection:
        return _state(appeals.get_appeal(connection, appeal), services)


@router.post("/reports", status_code=201)
def file_report(services: TheServices, body: NewReport, response: Response) -> ReportState:
    """File a report. The same report sent again (with the same `at`) gives 200 and changes nothing."""
    now = services.clock()
    complaint = _complaint(services, body, now)
    with services.database.write() as connection:
        report, new = user_reports.file(
            connection, complaint, now, case_queue.ranking_of(services.labels, services.settings)
        )
    response.status_code = 201 if new else 200
    return ReportState(id=report.id, case=report.case, audio=report.audio)


@router.post("/actions", status_code=201)
def confirm_action(services: TheServices, body: NewConfirmation, response: Response) -> ConfirmationState:
    """Confirm an action. 200 with the confirmation that holds if it was confirmed before. 404: unknown decision."""
    now = services.clock()
    at = now if body.at is None else body.at
    if at > now + MAX_CLOCK_SKEW:
        raise CaseError("The time of the action is in the future", "Send UTC seconds, or leave `at` out.")
    given = Confirmation(
        decision=body.decision,
        action=body.action,
        result=body.result,
        at=min(at, now),  # a clock that is ahead must not put a time into the future
        received_at=now,
        detail=body.detail,
    )
    with services.database.write() as connection:
        held, new = enforcements.confirm(connection, given)
        since = console_metrics.decided_at(connection, held.decision)
    if new:
        console_metrics.count_action(services, held, since)
    response.status_code = 201 if new else 200
    return ConfirmationState(**{name: getattr(held, name) for name in ConfirmationState.model_fields})


@router.put("/room-hours")
def store_room_hours(services: TheServices, body: RoomLedger) -> LedgerState:
    """Store lines of the ledger of rooms. The share of moderated room time needs them."""
    lines = [_line(each) for each in body.lines]
    for line in lines:
        if fault := room_counts.ledger_fault(line):
            raise CaseError(fault, "Send at most 3600 s for each room and hour.")
    with services.database.write() as connection:
        room_counts.store_ledger(connection, lines, services.clock())
    return LedgerState(stored=len(lines))


@docs_router.get("/openapi.json", include_in_schema=False)
def api_schema(request: Request) -> Response:
    """Return the OpenAPI schema."""
    return JSONResponse(request.app.openapi())


@docs_router.get("/docs", include_in_schema=False, response_class=HTMLResponse)
def api_docs(request: Request) -> Response:
    """Show all endpoints of the OpenAPI schema."""
    document: dict[str, Any] = request.app.openapi()
    operations = [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    return page(request, "api_docs.html", operations=operations)


def _complaint(services: Services, body: NewReport, now: float) -> Complaint:
    if body.label:
        try:
            services.labels.check([body.label], "label")
        except ConfigError as error:
            raise CaseError(error.what, error.remedy) from error
    at = now if body.at is None else body.at
    if at > now + MAX_CLOCK_SKEW:
        raise CaseError("The reported moment is in the future", "Send UTC seconds, or leave `at` out.")
    return Complaint(
        room=body.room,
        speaker=body.speaker or "",
        reporter=body.reporter or "",
        label=body.label,
        text=body.text,
        at=min(at, now),
    )


def _state(appeal: appeals.Appeal, services: Services) -> AppealState:
    # The app must not tell a speaker a result that the reviewer may still take back.
    if appeal.settled_at is not None and services.clock() <= appeal.settled_at + services.settings.console.undo_seconds:
        appeal = structs.replace(appeal, state="open", settled_at=None)
    names = ("id", "case", "state", "created_at", "settled_at")
    return AppealState(**{name: value for name, value in structs.asdict(appeal).items() if name in names})


def _line(each: LedgerLine) -> RoomHour:
    hour = int(each.hour.timestamp()) // HOUR
    return RoomHour(hour=hour, room_type=each.room_type, rooms=each.rooms, seconds=each.seconds)
