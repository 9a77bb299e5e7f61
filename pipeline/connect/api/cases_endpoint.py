"""GET /v1/cases: read cases."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from msgspec import structs
from pydantic import BaseModel, Field

from pipeline.base.http_problems import ERRORS
from pipeline.connect.api.backend import TheBackend
from pipeline.contract.messages import Action, Decision, Suggestion, Verdict
from pipeline.review.cases import reading
from pipeline.review.cases.case_values import Case, Filters, Status

cases_router = APIRouter(prefix="/v1/cases", tags=["cases"], responses=ERRORS)

Identity = Annotated[str, Path(pattern="^[0-9a-f-]{1,64}$", description="id of the case")]
Name = Annotated[str, Query(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]*$")]


class CaseAnswer(BaseModel):
    """Speech of one speaker, or of a whole room, for a moderator to decide. Times are UTC seconds."""

    id: str
    room: str
    speaker: str = Field(description="empty: the whole room")
    room_type: str
    start: float
    end: float
    label: str
    suggestion: Suggestion
    risk: float
    language: str
    text: str
    status: Status
    verdict: Verdict | None = Field(description="the verdict of the decision that holds")
    version: int = Field(description="grows with every change")
    created_at: float
    due_at: float
    policy: str
    drill: str


class DecisionAnswer(BaseModel):
    """The decision of a case that holds. `at` is UTC seconds."""

    id: str
    verdict: Verdict
    label: str | None = Field(description="the label, if the moderator corrected it")
    action: Action | None
    duration_seconds: float | None = Field(description="seconds of a mute or a removal; null: the app decides")
    strikes: int | None = Field(description="the speaker's strikes, this one included; null: not counted")
    notice: str = Field(description="text for the speaker, in the speaker's language; empty: there is no action")
    at: float


class OneCaseAnswer(CaseAnswer):
    """A case with the decision that holds."""

    decision: DecisionAnswer | None


class CasePage(BaseModel):
    """Cases, newest first. `next` is the value of `after` for the next page; null: this is the last page."""

    data: list[CaseAnswer]
    next: str | None


@cases_router.get("")
def list_cases(
    backend: TheBackend,
    status: Status | None = None,
    label: Annotated[str, Query(max_length=64, pattern="^[a-z_]+$")] | None = None,
    suggestion: Suggestion | None = None,
    room: Name | None = None,
    speaker: Name | None = None,
    # Below the year 10000: later times are no dates of Python.
    since: Annotated[float, Query(ge=0, lt=253_402_300_800, description="stored at or after this UTC time")]
    | None = None,
    after: Annotated[str, Query(pattern="^[0-9a-f-]{1,64}$", description="`next` of the page before")] | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> CasePage:
    """List cases, newest first."""
    filters = Filters(status=status, label=label, suggestion=suggestion, room=room, speaker=speaker, since=since)
    with backend.database.read() as connection:
        # The page begins after a case, not at a number: new cases would move the numbers.
        place = reading.case(connection, after).key if after else None
        # One case more than the page has: it tells whether there is a next page, without a count.
        found = reading.cases(connection, filters, place, limit + 1)
    page = found[:limit]
    return CasePage(data=[_answer(case) for case in page], next=page[-1].id if len(found) > limit else None)


@cases_router.get("/{case}")
def read_case(backend: TheBackend, case: Identity) -> OneCaseAnswer:
    """Return one case, with the decision that holds."""
    with backend.database.read() as connection:
        found = reading.case(connection, case)
        # A corrected case has several decisions. The newest one that nobody undid holds.
        standing = [one for one in reading.decisions(connection, case) if one.undone is None]
    decision = _decision(standing[-1]) if standing else None
    return OneCaseAnswer(**_answer(found).model_dump(), decision=decision)


def _decision(decision: Decision) -> DecisionAnswer:
    fields = structs.asdict(decision)
    # Copy only the documented fields, so that a new internal field does not become part of the API.
    return DecisionAnswer(**{name: fields[name] for name in DecisionAnswer.model_fields})


def _answer(case: Case) -> CaseAnswer:
    fields = structs.asdict(case)
    return CaseAnswer(**{name: fields[name] for name in CaseAnswer.model_fields})
