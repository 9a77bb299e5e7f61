"""Every event that an app gets, and its fields. `EVENTS` lists them all.

To add an event: write its fields here, and put it into `EventKind` and `EVENTS`. Call `event_outbox.store_event` in the
transaction that causes it. Describe it in docs/console.md or docs/integrate.md.

`webhook_sender.py` sends events. Events about flags also go to the feed of verdicts (`feed.py`).
"""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from pipeline.contract.messages import NAMESPACE, Action, Decision, Flag, Hit, Suggestion
from pipeline.review.cases.case_values import Case, all_fields

EventKind = Literal[
    "flag.raised",
    "case.decided",
    "case.corrected",
    "case.undone",
    "appeal.upheld",
    "appeal.overturned",
    "recording.ended",
]


class RaisedFlag(Struct, frozen=True, kw_only=True):
    """`flag.raised`: a flag was stored. Times are UTC seconds.

    The event has all fields of `Flag`, except LEFT_OUT, and `case` and `shortened`. These are the fields that the
    formats of vendors use. `raised_at` is the time of the event.
    """

    id: str
    case: str
    room: str
    speaker: str
    start: float
    end: float
    text: str
    language: str
    suggestion: Suggestion
    risk: float
    raised_at: float
    labels: dict[str, float] = {}
    flagged: tuple[str, ...] = ()
    hits: tuple[Hit, ...] = ()
    drill: str = ""

    @property
    def stream(self) -> str:
        """The id of the speaker's stream in the room. At vendors, it is the id of a task for one stream."""
        return str(uuid.uuid5(NAMESPACE, f"stream\x1f{self.room}\x1f{self.speaker}"))

    @property
    def words(self) -> list[str]:
        """The lexicon terms in the text, each once."""
        return list(dict.fromkeys(hit.term for hit in self.hits))

    def score(self, label: str) -> float:
        """Return the score of a label from 0 to 1, or else the risk."""
        return self.labels.get(label, self.risk)


class DecisionEvent(Struct, frozen=True, kw_only=True):
    """The fields of all events about a decision."""

    decision: Decision
    room: str
    """The events of one room arrive in order."""
    speaker: str
    """Empty: the whole room."""
    room_type: str

    def payload(self) -> dict[str, Any]:
        """Return the fields as plain data. A field that is UNSET is left out."""
        fields = {name: getattr(self, name) for name in self.__struct_fields__}
        return {
            name: all_fields(value) if isinstance(value, Decision) else value
            for name, value in fields.items()
            if value is not UNSET
        }


class CaseDecided(DecisionEvent, frozen=True, kw_only=True):
    """`case.decided`: a moderator decided a case. It leaves after the undo time."""

    start: float
    """The speech that the decision is about, in UTC seconds."""
    end: float
    label: str
    """The label of the decision, or else of the case."""
    drill: str | UnsetType = UNSET
    """Id of the drill. Left out for real speech."""


class CaseCorrected(CaseDecided, frozen=True, kw_only=True):
    """`case.corrected`: a lead replaced the decision `against`."""

    against: Decision
    reverse: Action | None
    """The action that the app takes back."""


class AppealSettled(DecisionEvent, frozen=True, kw_only=True):
    """`appeal.upheld` keeps the decision `against`, `appeal.overturned` overturns it. `decision` settled the appeal."""

    appeal: str
    appellant: str
    against: Decision
    reverse: Action | None
    """The action that the app takes back."""


class RecordingEnded(Struct, frozen=True, kw_only=True):
    """`recording.ended`: a recording that a program sent to the HTTP API is moderated, or has failed. No speech."""

    id: str
    status: Literal["done", "failed"]
    suggestion: Suggestion | None
    seconds: float | None
    speech_seconds: float | None
    error: str | None


EVENTS: Mapping[EventKind, tuple[type[Struct], ...]] = {
    "flag.raised": (RaisedFlag,),
    "case.decided": (CaseDecided,),
    "case.corrected": (CaseCorrected,),
    # It takes an earlier event back, which the app may have, and has the fields of that event.
    "case.undone": (CaseDecided, CaseCorrected, AppealSettled),
    "appeal.upheld": (AppealSettled,),
    "appeal.overturned": (AppealSettled,),
    "recording.ended": (RecordingEnded,),
}
"""The fields of each event."""

RAISED: EventKind = "flag.raised"
UNDONE: EventKind = "case.undone"
ENDED: EventKind = "recording.ended"

LEFT_OUT = frozenset({"words", "address"})
"""Fields of a flag that no event has: the app has no use for them, or they are large."""

MAX_BYTES = 19_000
"""The most bytes of the fields of `flag.raised`. With its envelope, a webhook stays below 20 kB."""

SHORTENED = ("reasons", "hits", "labels")
"""Lists that are emptied, in this order, if the fields are too large."""


class Rendered(Struct, frozen=True):
    """A request to send, without its URL and the headers of Standard Webhooks."""

    body: bytes
    content_type: str = "application/json"
    headers: dict[str, str] = {}


def about_case(case: Case, decision: Decision) -> dict[str, Any]:
    """Return the fields of CaseDecided for a decision on a case."""
    fields: dict[str, Any] = {"decision": decision, "label": decision.label or case.label}
    fields |= {name: getattr(case, name) for name in ("room", "speaker", "room_type", "start", "end")}
    return fields | ({"drill": case.drill} if case.drill else {})


def flag_payload(flag: Flag, case: str) -> dict[str, Any]:
    """Return the fields of `flag.raised` as plain data: at most MAX_BYTES as JSON. `case` is the id of the flag's case.

    If it would be larger, `shortened` is true: lists are empty, and at last the text is cut.
    """
    found = {"case": case} | {name: value for name, value in all_fields(flag).items() if name not in LEFT_OUT}
    found["shortened"] = _size(found) > MAX_BYTES
    for name in SHORTENED:
        if _size(found) > MAX_BYTES:
            found[name] = type(found[name])()  # an empty list or mapping
    if (over := _size(found) - MAX_BYTES) > 0:
        text = flag.text.encode()
        # ignore: the cut may split a character.
        found["text"] = text[: max(0, len(text) - over)].decode(errors="ignore")
    return found


def envelope(kind: str, at: float, data: Mapping[str, Any]) -> bytes:
    """Return the JSON body of an event of `kind` that happened at `at` (UTC seconds)."""
    return encoded({"type": kind, "timestamp": iso(at, "auto"), "data": data})


def iso(at: float, timespec: str = "seconds") -> str:
    """Return a time (UTC seconds) as RFC 3339 text."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec=timespec).replace("+00:00", "Z")


def encoded(body: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode(body)


def _size(found: dict[str, Any]) -> int:
    return len(encoded(found))
