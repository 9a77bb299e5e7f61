"""What happened in a simulated world. The truth is computed from these facts, never from the store.

Times are UTC seconds.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from pipeline.assessment.register import Kind as EntryKind
from pipeline.contract.messages import Action, Mark, SpeechState, Suggestion, Verdict

DAY = 86_400.0
HOUR = 3_600.0

BEGIN = 1_775_001_600.0
"""2026-04-01 00:00 UTC: the first speech of the world."""

MODERATORS = ("ana", "ben", "cai", "dia")
LEADS = ("lea", "leo")

SEVERITIES = {"violence": 3, "fraud": 2, "sexual": 2, "ads_spam": 0}
"""The label abuse has no severity of its own, so it is medium."""
LABELS = ("violence", "fraud", "sexual", "ads_spam", "abuse")
ILLEGAL = frozenset({"violence", "fraud", "sexual", "abuse"})
MEDIUM, HIGH = 1, 2
WORSE: tuple[Suggestion, ...] = ("pass", "review", "block")

Kind = Literal["flagged", "audit", "report", "second", "third", "golden"]
CHECKS: tuple[Kind, ...] = ("second", "third", "golden")


@dataclass
class WorldSpeech:
    """An utterance, the judge's result for it, and what became of it."""

    number: int
    room: str
    room_type: str
    speaker: str
    start: float
    end: float
    language: str
    confidence: float
    policy: str
    model: str
    violates: str = ""
    """The label that a perfect moderator gives. Empty: clean speech."""
    suggestion: Suggestion = "pass"
    flagged: tuple[str, ...] = ()
    terms: tuple[tuple[str, str], ...] = ()
    """Terms of the lexicon in it, each with its label."""
    risk: float = 0.0
    marks: tuple[Mark, ...] = ()
    verified: bool | None = None
    listeners: int | None = None
    drill: str = ""
    fate: tuple[SpeechState, str] | None = None
    """Why it gets no verdict: "skipped" or "failed", and the reason. ("segmented", "") if it disappears."""
    cut: float | None = None
    """When the first message about it was stored. None: the store does not know it yet."""
    told: tuple[SpeechState, str] = ("segmented", "")
    """Its state without a verdict, as far as the store knows."""
    stored: float | None = None
    """When its flag was stored. None: it has no verdict."""

    @property
    def monitored(self) -> bool:
        return self.stored is not None

    @property
    def hour(self) -> int:
        return int(self.start // HOUR)

    @property
    def samples(self) -> int:
        """Its length at 16 kHz."""
        return round(self.end * 16_000) - round(self.start * 16_000)


@dataclass
class Confirmed:
    """A confirmation of the app."""

    result: Literal["done", "failed"]
    at: float
    received: float


@dataclass
class Given:
    """A decision, whether it was undone, and what the app confirmed."""

    id: str
    at: float
    person: str
    verdict: Verdict
    label: str | None = None
    action: Action | None = None
    undone: float | None = None
    confirmed: list[Confirmed] = field(default_factory=list)

    def done(self, until: float) -> float | None:
        """Return the time at which the app carried out the action, if it told so before `until`."""
        return next((one.at for one in self.confirmed if one.result == "done" and one.received < until), None)


@dataclass
class Appealed:
    """An appeal against the decision `against`, and the decisions that settled it: the first one may be undone."""

    at: float
    against: Given
    settlements: list[Given] = field(default_factory=list)

    @property
    def waits(self) -> bool:
        """Whether no settlement holds now."""
        return all(one.undone is not None for one in self.settlements)


@dataclass
class Reported:
    """A user's report."""

    at: float
    room: str
    speaker: str
    about: float
    label: str


@dataclass
class CaseFact:
    """A case as it must be in the store."""

    id: str
    kind: Kind
    created: float
    room: str
    room_type: str
    speaker: str
    start: float
    end: float
    label: str
    severity: int
    language: str
    policy: str
    suggestion: Suggestion
    violates: str
    """The label that a perfect moderator gives. Empty: clean speech."""
    drill: str = ""
    flags: list[WorldSpeech] = field(default_factory=list)
    linked: list[WorldSpeech] = field(default_factory=list)
    """Speech that was flagged again after the decision."""
    decisions: list[Given] = field(default_factory=list)
    original: "CaseFact | None" = None
    probability: float = 1.0
    appeals: list[Appealed] = field(default_factory=list)
    reports: list[Reported] = field(default_factory=list)
    heard: bool = False
    """Whether a report of the case has a clip."""
    clip: bool | None = None
    """Whether its clip is in order. None: it has no clip."""
    deleted: bool = False

    def standing(self, until: float) -> list[Given]:
        """Return the decisions to uphold or dismiss that held at `until`, in order of time."""
        return [
            one
            for one in self.decisions
            if one.at < until and one.verdict != "escalate" and (one.undone is None or one.undone >= until)
        ]

    def decided(self, until: float) -> float | None:
        """Return the time of the first decision that held at `until`."""
        return min((one.at for one in self.standing(until)), default=None)

    def last(self, until: float) -> Given | None:
        """Return the last decision that held at `until`."""
        return max(self.standing(until), key=lambda one: one.at, default=None)

    def upheld(self, until: float) -> bool:
        last = self.last(until)
        return last is not None and last.verdict == "uphold"

    @property
    def open(self) -> bool:
        """Whether it waits for a decision now."""
        kept = [one for one in self.decisions if one.undone is None]
        return not kept or kept[-1].verdict == "escalate"

    def deciders(self) -> set[str]:
        return {one.person for one in self.decisions}

    def reopen(self) -> None:
        """Speech that was linked to a decided case belongs to it when it is open again."""
        if self.open:
            self.flags, self.linked = self.flags + self.linked, []


@dataclass(frozen=True)
class Act:
    """An action of a person in a case: a line of the audit log."""

    at: float
    person: str
    action: str
    case: str


@dataclass(frozen=True)
class LedgerHour:
    """The app's count of its open rooms in an hour."""

    hour: int
    room_type: str
    rooms: int
    seconds: float


@dataclass(frozen=True)
class WorldEntry:
    """An entry of the register."""

    kind: EntryKind
    opened: float
    closed: float | None
    fields: dict[str, Any]
    due: float | None = None
    id: str = ""
    """Its id in the store."""


@dataclass
class StopDrill:
    """A stop drill, and what the app confirmed for each of its rooms. It ends at `ended`."""

    id: str
    at: float
    rooms: dict[str, Confirmed | None]
    broken: frozenset[str] = frozenset()
    """The rooms that the app does not stop."""
    ended: float | None = None


@dataclass(frozen=True)
class DrillSentence:
    """A sentence of a detection drill, and what the machine makes of it. An empty label is clean speech."""

    language: str
    label: str
    suggestions: tuple[Suggestion, ...]
    """One for each utterance into which it is cut. Empty: it is lost."""

    @property
    def right(self) -> bool:
        worst = max(self.suggestions, key=WORSE.index, default=None)
        return worst == "pass" if not self.label else worst in {"review", "block"}


@dataclass
class DetectionDrill:
    """A detection drill with its sentences. It ends at `ended`."""

    id: str
    at: float
    sentences: tuple[DrillSentence, ...]
    ended: float | None = None


@dataclass(frozen=True)
class FinishedAssessment:
    """An assessment with a final report. `until` is the end of its window."""

    id: str
    until: float
    recogniser: str


@dataclass
class WorldHistory:
    """Everything that happened in a world."""

    speech: list[WorldSpeech] = field(default_factory=list)
    arrived: list[WorldSpeech] = field(default_factory=list)
    """The speech that the store knows, in the order of its first messages."""
    cases: list[CaseFact] = field(default_factory=list)
    acts: list[Act] = field(default_factory=list)
    ledger: list[LedgerHour] = field(default_factory=list)
    register: list[WorldEntry] = field(default_factory=list)
    stop_drills: list[StopDrill] = field(default_factory=list)
    detection_drills: list[DetectionDrill] = field(default_factory=list)
    finished: list[FinishedAssessment] = field(default_factory=list)
    lines: list[float] = field(default_factory=list)
    """The times of all lines of the audit log."""
    told: dict[str, float] = field(default_factory=dict)
    """The decisions of which the app knows, and since when."""
    expired: float = 0.0
    """When the retention job ran."""
    clips_deleted: int = 0
    """Clips that the retention job deleted before their case."""
    delivered_again: int = 0
    """Messages that arrived again."""
    aborted: int = 0
    """Transactions that failed midway, and were repeated."""

    def kept(self) -> list[CaseFact]:
        """Return the cases that retention has not deleted."""
        return [case for case in self.cases if not case.deleted]


def worst(flags: Iterable[WorldSpeech]) -> WorldSpeech:
    """Return the utterance that gives a case its label."""
    return max(flags, key=lambda one: (WORSE.index(one.suggestion), one.risk, -one.start, f"f{one.number}"))


def severity(lead: WorldSpeech) -> int:
    """Return the severity of a case, from 0 to 3."""
    if lead.suggestion == "pass":
        return 0
    own = SEVERITIES.get(lead.flagged[0], MEDIUM)
    return max(own, HIGH) if lead.suggestion == "block" else own
