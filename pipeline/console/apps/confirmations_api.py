"""The API for apps: they confirm actions and send their ledger of rooms, with a token of `console.api_tokens`."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from fastapi.security import HTTPBearer
from pydantic import AfterValidator, AwareDatetime, Field

from pipeline.assessment import room_hours
from pipeline.assessment.room_hours import RoomHour
from pipeline.base.errors import CaseError
from pipeline.console import console_metrics
from pipeline.console.apps.appeals_api import MAX_CLOCK_SKEW, Body, Id, Moment, Name
from pipeline.console.fields import NO_NUL
from pipeline.console.services import TheServices
from pipeline.contract.messages import Action
from pipeline.review.delivery import confirmations
from pipeline.review.delivery.confirmations import Confirmation, Result
from pipeline.review.delivery.speech_tallies import HOUR

router = APIRouter(prefix="/api/v1", tags=["for apps"], dependencies=[Depends(HTTPBearer(auto_error=False))])

MAX_LINES = 5_000
"""The most lines of the ledger in one request: 200 days of one type of room."""


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
        at=min(at, now),
        received_at=now,
        detail=body.detail,
    )
    with services.database.write() as connection:
        held, new = confirmations.confirm(connection, given)
    if new:
        console_metrics.confirmed(services, held)
    response.status_code = 201 if new else 200
    return ConfirmationState(**{name: getattr(held, name) for name in ConfirmationState.model_fields})


@router.put("/room-hours")
def store_room_hours(services: TheServices, body: RoomLedger) -> LedgerState:
    """Store lines of the ledger of rooms. The share of moderated room time needs them."""
    lines = [_line(each) for each in body.lines]
    for line in lines:
        if fault := room_hours.fault(line):
            raise CaseError(fault, "Send at most 3600 s for each room and hour.")
    with services.database.write() as connection:
        room_hours.store(connection, lines, services.clock())
    return LedgerState(stored=len(lines))


def _line(each: LedgerLine) -> RoomHour:
    hour = int(each.hour.timestamp()) // HOUR
    return RoomHour(hour=hour, room_type=each.room_type, rooms=each.rooms, seconds=each.seconds)
