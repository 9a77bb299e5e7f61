"""The API for apps: they send appeals and reports as JSON, with a bearer token of `console.api_tokens`."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response
from fastapi.security import HTTPBearer
from msgspec import structs
from pydantic import BaseModel, ConfigDict, Field

from pipeline.base.errors import CaseError, ConfigError
from pipeline.console.fields import NO_CONTROL, NO_NUL
from pipeline.console.services import Services, TheServices
from pipeline.review.appeals import appeals, reports
from pipeline.review.appeals.reports import Complaint
from pipeline.review.cases import ranking

# The guard checks the token. HTTPBearer only documents it in the OpenAPI schema.
router = APIRouter(prefix="/api/v1", tags=["for apps"], dependencies=[Depends(HTTPBearer(auto_error=False))])

MAX_CLOCK_SKEW = 60.0
"""Seconds by which an app's clock may be ahead of ours."""

Id = Annotated[str, Field(pattern=r"^[0-9a-f-]{1,64}$")]
Name = Annotated[str, Field(min_length=1, max_length=256, pattern=NO_CONTROL)]
Words = Annotated[str, Field(max_length=4_000, pattern=NO_NUL)]
Moment = Annotated[float, Field(ge=0, lt=253_402_300_800, allow_inf_nan=False)]


class Body(BaseModel):
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
    audio: reports.Audio


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
        seconds = services.settings.store.report_seconds
        report, new = reports.file(
            connection, complaint, now, ranking.ranking_of(services.labels, services.settings), seconds
        )
    response.status_code = 201 if new else 200
    return ReportState(id=report.id, case=report.case, audio=report.audio)


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
    if appeal.settled_at is not None and services.clock() <= appeal.settled_at + services.settings.console.undo_seconds:
        appeal = structs.replace(appeal, state="open", settled_at=None)
    names = ("id", "case", "state", "created_at", "settled_at")
    return AppealState(**{name: value for name, value in structs.asdict(appeal).items() if name in names})
