"""/v1/cases: read cases, and decide them."""

import time
from typing import Annotated

from fastapi import APIRouter, Path, Query
from msgspec import structs
from pydantic import BaseModel, ConfigDict, Field

from pipeline.base.errors import Missing
from pipeline.base.http_problems import ERRORS
from pipeline.connect.api.backend import TheBackend
from pipeline.connect.api.moderation_answers import TimesAsText
from pipeline.contract.messages import MAX_DURATION, Action, Suggestion, Verdict
from pipeline.judge import labels
from pipeline.review.cases import deciding, reading, speaker_measures
from pipeline.review.cases.case_values import Choice, Filters, Reason, Status

cases_router = APIRouter(prefix="/v1/cases", tags=["cases"], responses=ERRORS)

NO_CONTROL = r"^[^\x00-\x1f\x7f]*$"
# Not the form of an id: another text is the id of no case, and the answer is 404.
Identity = Annotated[str, Path(max_length=64, pattern=NO_CONTROL, description="id of the case")]
Name = Annotated[str, Query(min_length=1, max_length=256, pattern=NO_CONTROL)]


class CaseAnswer(TimesAsText):
    """Speech of one speaker, or of a whole room, for a moderator to decide. Times are UTC seconds."""

    id: str
    room: str
    speaker: str = Field(description="empty: the whole room")
    room_type: str
    start: float
    start_iso: str = ""
    end: float
    end_iso: str = ""
    label: str
    suggestion: Suggestion
    risk: float
    language: str
    text: str
    status: Status
    verdict: Verdict | None = Field(description="the verdict of the decision that holds")
    version: int = Field(description="grows with every change")
    created_at: float
    created_at_iso: str = ""
    due_at: float
    due_at_iso: str = ""
    policy: str
    drill: str


class DecisionAnswer(TimesAsText):
    """The decision of a case that holds. `at` is UTC seconds."""

    id: str
    verdict: Verdict
    label: str | None = Field(description="the label, if the moderator corrected it")
    action: Action | None
    duration_seconds: float | None = Field(description="seconds of a mute or a removal; null: the app decides")
    strikes: int | None = Field(description="the speaker's strikes, this one included; null: not counted")
    notice: str = Field(description="text for the speaker, in the speaker's language; empty: there is no action")
    at: float
    at_iso: str = ""


class DecisionRequest(BaseModel):
    """What a moderator decides."""

    model_config = ConfigDict(extra="forbid")

    moderator: str = Field(
        min_length=1, max_length=256, pattern=NO_CONTROL, description="who decides, as your tool names them"
    )
    verdict: Verdict
    label: str | None = Field(None, max_length=64, description="the right label, if the flag has a wrong one")
    reason: Reason | None = None
    note: str = Field("", max_length=4_000, pattern=r"^[^\x00]*$")
    action: Action | None = Field(None, description="only with `uphold`")
    duration_seconds: float | None = Field(None, gt=0, le=MAX_DURATION, description="only of `mute` and `remove`")
    version: int | None = Field(None, ge=1, le=2**31 - 1, description="409 if the case has another one by now")


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
    after: Annotated[str, Query(max_length=64, pattern=NO_CONTROL, description="`next` of the page before")]
    | None = None,
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
    # An answer has the documented fields only, so that a new internal field does not become part of the API.
    answers = [CaseAnswer.model_validate(structs.asdict(case)) for case in page]
    return CasePage(data=answers, next=page[-1].id if len(found) > limit else None)


@cases_router.get("/{case}")
def read_case(backend: TheBackend, case: Identity) -> OneCaseAnswer:
    """Return one case, with the decision that holds."""
    with backend.database.read() as connection:
        found = reading.case(connection, case)
        # A corrected case has several decisions. The newest one that nobody undid holds.
        standing = [one for one in reading.decisions(connection, case) if one.undone is None]
    decision = structs.asdict(standing[-1]) if standing else None
    return OneCaseAnswer.model_validate(structs.asdict(found) | {"decision": decision})


@cases_router.post("/{case}/decisions")
def decide_case(backend: TheBackend, case: Identity, given: DecisionRequest) -> DecisionAnswer:
    """Decide a case. The app is told after `console.undo_seconds`. The same request again gives the same answer."""
    if given.label:
        labels.load_labels(backend.settings.judge.labels).check([given.label], "label")
    choice = Choice(
        verdict=given.verdict,
        label=given.label,
        reason=given.reason or "",
        note=given.note,
        action=given.action,
        duration_seconds=given.duration_seconds,
    )
    with backend.database.write() as connection:
        made = deciding.decide(
            connection,
            case,
            given.moderator,
            choice,
            time.time(),
            version=given.version,
            undo_seconds=backend.settings.console.undo_seconds,
            measures=speaker_measures.build_measures(backend.settings),
        )
    return DecisionAnswer.model_validate(structs.asdict(made))


@cases_router.delete("/{case}/decisions/{decision}")
def undo_decision(backend: TheBackend, case: Identity, decision: Identity, moderator: Name) -> OneCaseAnswer:
    """Undo the moderator's own last decision of a case, within `console.undo_seconds`. Return the case."""
    with backend.database.write() as connection:
        if decision not in {one.id for one in reading.decisions(connection, case)}:
            raise Missing(f"Case {case} has no decision {decision}", "Nothing was undone.")
        deciding.undo(connection, decision, moderator, time.time(), backend.settings.console.undo_seconds)
    return read_case(backend, case)
