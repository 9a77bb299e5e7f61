"""The values that the review store keeps: cases, evidence, choices and filters."""

import re
import uuid
from collections.abc import Sequence
from typing import Any, Literal, get_args

from msgspec import MsgspecError, Struct, json, to_builtins

from pipeline.base.errors import BadMessage, CaseError
from pipeline.contract.messages import NAMESPACE, Action, Decision, Flag, Hit, Source, SpeechStatus, Suggestion, Verdict

CHILD_SAFETY = "minor_safety"
"""The label whose cases come first in the queue, whatever their severity and deadline."""

Status = Literal["pending", "escalated", "decided"]
"""An escalated case has a decision, but waits for another decision by a more senior person."""

OPEN: tuple[Status, ...] = ("pending", "escalated")

Result = Literal["created", "merged", "linked", "repeated", "updated", "worsened", "muted"]

SEVERITY: dict[Suggestion, int] = {"pass": 0, "review": 1, "block": 2}


def weight_of(flag: Flag) -> tuple[int, bool]:
    """Return what makes a flag worse for an app: its suggestion, and whether it is fit for an automatic action."""
    return SEVERITY[flag.suggestion], bool(flag.act)


RANKS: dict[Source, int] = {"reader": 0, "sound": 1, "ear": 1, "words": 2}
"""Which source represents a case, if flags are equally severe."""

REPORTED = "report"
"""The `policy` of a case that users' reports opened. Flags never join such a case."""

WHOLE_ROOM = ""
"""The speaker of a case that is about a whole room."""

Reason = Literal[
    "confirmed", "wrong_label", "misheard", "quote", "joke", "context", "not_speech", "unsure", "legal", "other"
]
REASONS: tuple[Reason, ...] = get_args(Reason)

MAX_ID = 128
"""The most characters of an id. An index of PostgreSQL cannot hold a longer one."""


NOT_STORED = frozenset({"withheld", "released", "early"})
"""Fields of a flag that other stages need. For people, the first two are among its reasons."""

NUL = re.compile(rb"(?<!\\)(\\\\)*\\u0000")
"""A NUL character in JSON. With an even number of backslashes, "u0000" is text."""


Place = tuple[int, float, str]
"""The place of a case in the queue: its rank, deadline and id, lowest first."""


class Outcome(Struct, frozen=True):
    """The result of storing a flag.

    "created": it opened a case. "merged": it joined an open case. "linked": its speech was decided before, in the case
    here. "repeated": it was already stored. "updated": it replaced the flag of its first words. "worsened": so, and its
    suggestion is worse. "muted": it has no case, because a lead muted its phrases in the room.
    """

    flag: str
    case: str
    result: Result


class ClipPiece(Struct, frozen=True):
    """The place of a piece of speech in a clip.

    It begins at `offset` seconds of the clip, was spoken from `start` (UTC seconds) on, and lasts `seconds`.
    """

    offset: float
    start: float
    seconds: float


class Evidence(Struct, frozen=True, kw_only=True):
    """A clip of a case. It was cut for the time from `start` to `end` (UTC seconds) and plays for `seconds`."""

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
    """Speech of one speaker, or of a whole room, for a moderator to decide.

    `label`, `risk`, `language` and `text` come from its worst flag. `start` and `end` are UTC seconds.
    """

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
    """Grows with every change, so that the store can refuse a decision on an old view."""
    created_at: float
    hits: tuple[Hit, ...] = ()
    """Lexicon terms in `text`."""
    policy: str = ""
    """Name and version of the policy that flagged it."""
    severity: int = 1
    """From 0 (low) to 3 (critical), see `pipeline/review/cases/case_queue.py`."""
    rank: int = 3
    """Its rank in the queue, lowest first: 0 child safety, then 1 critical to 4 low."""
    due_at: float = 0.0
    """Deadline for the decision, in UTC seconds."""
    verdict: Verdict | None = None
    """The verdict of the decision that holds; None if there is none."""
    drill: str = ""
    """Id of the drill that the case belongs to; empty for real speech."""
    source: Source = "words"
    """What led to its worst flag. For a sound, `text` is its name or kind."""

    @property
    def key(self) -> tuple[float, str]:
        """Its place in the list of cases, newest first. The next page starts `after` it."""
        return self.created_at, self.id

    @property
    def place(self) -> Place:
        """Its place in the queue, most urgent first. The next page starts `after` it."""
        return self.rank, self.due_at, self.id


class CaseFile(Struct, frozen=True, kw_only=True):
    """A case with its flags and decisions, by time, and its evidence, longest clip first.

    `linked` holds flags of the same speech that came after the decision.
    """

    case: Case
    flags: tuple[Flag, ...]
    evidence: tuple[Evidence, ...]
    decisions: tuple[Decision, ...]
    linked: tuple[Flag, ...] = ()

    @property
    def covered(self) -> bool:
        """Whether one clip was cut for the whole time of the case, as it is now."""
        return any(clip.start <= self.case.start and self.case.end <= clip.end for clip in self.evidence)


class Choice(Struct, frozen=True, kw_only=True):
    """The content of a moderator's decision. With a case, a moderator and a time it becomes a Decision."""

    verdict: Verdict
    label: str | None = None
    reason: str = ""
    note: str = ""
    action: Action | None = None
    duration_seconds: float | None = None
    """Seconds for which a speaker stays muted or removed. None: the app decides."""


class Filters(Struct, frozen=True, kw_only=True):
    """A filter of listed cases. A field that is None does not filter.

    `since` (UTC seconds) is the earliest time at which a case was stored.
    """

    status: Status | None = None
    label: str | None = None
    suggestion: Suggestion | None = None
    room: str | None = None
    speaker: str | None = None
    since: float | None = None


def case_id(flag: Flag) -> str:
    """Return the id of the case that `flag` would open. A replay gives the same id."""
    return str(uuid.uuid5(NAMESPACE, f"case\x1f{flag.id}"))


def decision_id(choice: "Choice", case: str, moderator: str, attempt: int) -> str:
    """Return the id of a decision. The same decision sent twice has the same id, because its time is no part of it.

    `attempt` is the number of undone decisions in the case. So the same choice after an undo gets a new id.
    """
    parts = [choice.verdict, choice.label, choice.reason, choice.note, choice.action, str(attempt)]
    # Only if there is one: decisions without a duration keep the ids that they had before durations existed.
    if choice.duration_seconds is not None:
        parts.append(f"{choice.duration_seconds:g}")
    return str(uuid.uuid5(NAMESPACE, "\x1f".join(("decision", case, moderator, *(part or "" for part in parts)))))


def worst(flags: Sequence[Flag]) -> Flag:
    """Return the flag that represents a case. The order in which the flags arrived does not matter.

    A flag for the safety of a child does, whatever the others suggest: its case is the first in the queue.

    Of flags that are equally severe, one of words represents it: words say most, and scores of sounds are on other
    scales. One of the second reader does so last, so its cases are those that only it found. Of sounds, one with a
    label comes first: each kind has its own scale, and without the label the case would reach the wrong people.
    """
    return max(flags, key=_weight)


def label_of(flag: Flag) -> str:
    """Return the label of a case that this flag represents; empty if the flag has none."""
    return CHILD_SAFETY if CHILD_SAFETY in flag.flagged else next(iter(flag.flagged), "")


def _weight(flag: Flag) -> tuple[bool, int, int, bool, float, float, str]:
    safety = CHILD_SAFETY in flag.flagged and flag.suggestion != "pass"
    labelled = flag.source != "words" and bool(flag.flagged)
    # The id is last: it decides between equal flags, whatever their order.
    return safety, SEVERITY[flag.suggestion], RANKS[flag.source], labelled, flag.risk, -flag.start, flag.id


def check_storable(message: Flag | SpeechStatus) -> None:
    """Raise BadMessage if a database could not store `message`, or if a stored flag could not be read.

    So the message becomes one dead letter. Otherwise its whole batch would fail at every retry.
    """
    _check_contract(message)
    name = type(message).__name__.lower()
    if message.start > message.end:
        raise BadMessage(
            f"The {name} starts at {message.start}, after its end at {message.end}", "Send start before end."
        )
    longest = max(len(message.id), len(message.utterance))
    if longest > MAX_ID:
        raise BadMessage(f"The {name} has an id of {longest} characters", f"Use at most {MAX_ID} characters.")


def check_decision(decision: Decision) -> None:
    """Raise CaseError if `decision` breaks the contract of docs/contract.md."""
    try:
        _check_contract(decision)
    except BadMessage as error:
        raise CaseError(error.what, error.remedy, text=error.text) from error


def _check_contract(value: Flag | SpeechStatus | Decision) -> None:
    kind = type(value)
    try:
        # msgspec checks types and limits only when it decodes.
        encoded = json.encode(value)
        json.decode(encoded, type=kind)
    except (MsgspecError, ValueError) as error:
        raise BadMessage(
            f"The {kind.__name__.lower()} breaks its contract: {error}", "See docs/contract.md."
        ) from error
    if NUL.search(encoded):
        raise BadMessage(
            f"The {kind.__name__.lower()} has a NUL character", "Leave it out: PostgreSQL cannot store it."
        )


def all_fields(value: Struct) -> dict[str, Any]:
    """Return every field as plain data, defaults too."""
    return {name: to_builtins(getattr(value, name)) for name in value.__struct_fields__}


def columns(value: Struct) -> dict[str, Any]:
    """Return the fields as plain data, by column: the field `case` is the column `case_id`."""
    stored = {name: field for name, field in all_fields(value).items() if name not in NOT_STORED}
    return {"case_id" if name == "case" else name: field for name, field in stored.items()}
