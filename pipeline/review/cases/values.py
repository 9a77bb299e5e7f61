"""What the review store keeps: cases, their flags, evidence and decisions, as plain values."""

import uuid
from collections.abc import Sequence
from typing import Literal

from msgspec import MsgspecError, Struct, json

from pipeline.errors import BadMessage, CaseError
from pipeline.messages import NAMESPACE, Action, Decision, Flag, Hit, Suggestion, Verdict

Status = Literal["pending", "escalated", "decided"]
"""An escalated case has a decision, but waits for another one by somebody senior."""

OPEN: tuple[Status, ...] = ("pending", "escalated")

Result = Literal["created", "merged", "linked", "repeated"]

SEVERITY: dict[Suggestion, int] = {"pass": 0, "review": 1, "block": 2}

REPORTED = "report"
"""The `policy` of a case that users' reports opened; flags never join one."""

WHOLE_ROOM = ""
"""The speaker of a case that is about everybody in a room."""

MAX_ID = 128
"""Characters of an id; a longer one does not fit an index of PostgreSQL."""


class Outcome(Struct, frozen=True):
    """What became of a flag: a new case, part of an open one, a note in a decided one, or nothing as it is known."""

    flag: str
    case: str
    result: Result


class ClipPiece(Struct, frozen=True):
    """Where a stretch of speech lies in a clip: at `offset` seconds of the clip, from `start` (UTC) on."""

    offset: float
    start: float
    seconds: float


class Evidence(Struct, frozen=True, kw_only=True):
    """A clip of a case. `start` and `end` are what it was cut for; `seconds` is how long it plays."""

    path: str
    """Relative to the evidence folder."""
    case: str
    codec: str = "opus"
    start: float
    end: float
    seconds: float
    bytes: int
    sha256: str
    timeline: tuple[ClipPiece, ...] = ()


class Case(Struct, frozen=True, kw_only=True):
    """Speech of one speaker that somebody has to look at. Label, risk, language and text are of its worst flag."""

    id: str
    room: str
    speaker: str
    room_type: str
    start: float
    end: float
    label: str
    suggestion: Suggestion
    risk: float
    language: str
    text: str
    status: Status = "pending"
    version: int = 1
    """Rises with every change, so that a decision on a stale view is seen."""
    created_at: float
    hits: tuple[Hit, ...] = ()
    """Lexicon terms in `text`."""
    policy: str = ""
    """Name and version of what judged it."""
    severity: int = 1
    """0 low to 3 critical, as `pipeline/review/cases/ranking.py` has it."""
    due_at: float = 0.0
    """UTC seconds by which it should be decided."""
    urgency: float = 0.0
    """Its place in the queue, lowest first: `due_at` less the head start of its severity."""
    verdict: Verdict | None = None
    """The one that holds."""

    @property
    def key(self) -> tuple[float, str]:
        """Its place in the list, newest first: what the next page starts `after`."""
        return self.created_at, self.id

    @property
    def place(self) -> tuple[float, str]:
        """Its place in the queue, most urgent first: what the next page starts `after`."""
        return self.urgency, self.id


class CaseFile(Struct, frozen=True, kw_only=True):
    """A case with all that hangs on it: flags by time, decisions by time, evidence the longest first.

    `linked` are flags of the same speech that came after it was decided.
    """

    case: Case
    flags: tuple[Flag, ...]
    evidence: tuple[Evidence, ...]
    decisions: tuple[Decision, ...]
    linked: tuple[Flag, ...] = ()

    @property
    def covered(self) -> bool:
        """Some clip was cut for all of the case, as it is now."""
        return any(clip.start <= self.case.start and self.case.end <= clip.end for clip in self.evidence)


class Choice(Struct, frozen=True, kw_only=True):
    """What a moderator chooses; with a case, a name and a time it becomes a Decision."""

    verdict: Verdict
    label: str | None = None
    reason: str = ""
    note: str = ""
    action: Action | None = None


class Filters(Struct, frozen=True, kw_only=True):
    """Which cases to list; None does not filter. `since` is UTC seconds of when the case was stored."""

    status: Status | None = None
    label: str | None = None
    suggestion: Suggestion | None = None
    room: str | None = None
    speaker: str | None = None
    since: float | None = None


def case_id(flag: Flag) -> str:
    """The id of the case that `flag` would open: the same after any replay."""
    return str(uuid.uuid5(NAMESPACE, f"case\x1f{flag.id}"))


def decision_id(choice: "Choice", case: str, moderator: str, attempt: int) -> str:
    """The same decision sent twice has the same id; its time is not part of it.

    `attempt` counts the case's decisions that were taken back: to decide the same after an undo is another decision.
    """
    parts = (choice.verdict, choice.label, choice.reason, choice.note, choice.action, str(attempt))
    return str(uuid.uuid5(NAMESPACE, "\x1f".join(("decision", case, moderator, *(part or "" for part in parts)))))


def worst(flags: Sequence[Flag]) -> Flag:
    """The flag that a case is known by; which one it is does not depend on the order they came in."""
    return max(flags, key=lambda flag: (SEVERITY[flag.suggestion], flag.risk, -flag.start, flag.id))


def check(flag: Flag) -> None:
    """Raise BadMessage if a database would never take `flag`, or never give it back.

    One dead letter is better than a batch that no retry gets through.
    """
    _sound(flag)
    if flag.start > flag.end:
        raise BadMessage(f"A flag from {flag.start} to {flag.end}", "The start comes before the end.")
    if max(len(flag.id), len(flag.utterance)) > MAX_ID:
        raise BadMessage(f"A flag with an id of {len(flag.id)} characters", f"Ids have {MAX_ID} at most.")


def check_decision(decision: Decision) -> None:
    """Raise CaseError if `decision` is not as the contract has it."""
    try:
        _sound(decision)
    except BadMessage as error:
        raise CaseError(error.what, error.remedy) from error


def _sound(value: Flag | Decision) -> None:
    kind = type(value)
    try:
        encoded = json.encode(value)
        json.decode(encoded, type=kind)
    except (MsgspecError, ValueError) as error:
        raise BadMessage(
            f"A {kind.__name__.lower()} that breaks its contract: {error}", "See docs/contract.md."
        ) from error
    if b"\\u0000" in encoded:
        raise BadMessage(f"A {kind.__name__.lower()} with a NUL character", "PostgreSQL keeps none; leave it out.")
