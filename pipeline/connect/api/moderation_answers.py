"""The results of moderation in the shape of OpenAI's moderation API, with our fields beside theirs."""

from typing import Any, Literal

from pydantic import BaseModel, Field, model_validator

from pipeline.contract.messages import Flag, Hit, SpeechStatus, Suggestion
from pipeline.judge.labels import Labels, Severity
from pipeline.review.delivery.events_for_apps import iso

CATEGORIES = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)
"""OpenAI's categories. `elsewhere.openai` in `configs/labels.yaml` maps our labels to them."""


ISO = "_iso"


class TimesAsText(BaseModel):
    """An answer with times in UTC seconds. A field `x_iso` is the time `x` in ISO 8601."""

    @model_validator(mode="before")
    @classmethod
    def _write_times(cls, given: dict[str, Any]) -> dict[str, Any]:
        seconds = {name: given.get(name.removesuffix(ISO)) for name in cls.model_fields if name.endswith(ISO)}
        return given | {name: None if at is None else iso(at, "milliseconds") for name, at in seconds.items()}


class HitAnswer(BaseModel):
    """A lexicon term in the text: characters `start` to `end`, half open."""

    term: str
    label: str
    level: Severity
    start: int
    end: int


class ModerationResult(BaseModel):
    """The result for one text. The first four fields are OpenAI's."""

    flagged: bool = Field(description="whether the suggestion is not `pass`")
    categories: dict[str, bool] = Field(description="OpenAI's categories; true if a flagged label maps to it")
    category_scores: dict[str, float] = Field(description="the highest score of the labels that map to a category")
    category_applied_input_types: dict[str, list[Literal["text"]]]
    suggestion: Suggestion | None = Field(
        description="`pass`, `review` by a moderator, or `block` at once; null: `language` is `unsupported`, no verdict"
    )
    risk: float = Field(description="probability that at least one label applies")
    labels: dict[str, float] = Field(description="score of each label that the policy turns on")
    flagged_labels: list[str] = Field(description="labels that led to the suggestion, the worst one first")
    act: list[str] = Field(description="flagged labels that the policy calls fit for an automatic action")
    reasons: list[str] = Field(description="rules of the policy that led to the suggestion")
    hits: list[HitAnswer]
    language: str
    policy: str


class Moderations(BaseModel):
    """One result for each text, in order."""

    id: str
    model: str = Field(description="name of the classifier")
    results: list[ModerationResult]


class Model(BaseModel):
    """A model that answers use, in OpenAI's shape."""

    id: str = Field(description="name and version, as in answers and flags")
    object: Literal["model"] = "model"
    created: int = Field(description="when this process loaded it, in UTC seconds")
    owned_by: str = "voxwarden"


class ModelList(BaseModel):
    """The classifier, then the recogniser."""

    object: Literal["list"] = "list"
    data: list[Model]


class UtteranceResult(ModerationResult):
    """The result for an utterance of a recording. Times are seconds from its start."""

    start: float
    end: float
    text: str
    confidence: float = Field(description="confidence of the recogniser in the text")


class UnheardResult(BaseModel):
    """An utterance of a recording that was not judged. Times are seconds from its start."""

    start: float
    end: float
    state: Literal["skipped", "failed"]
    reason: str = Field(description="`language`, `no_words`, or the stage that failed")
    language: str = Field(description="for the reason `language`: its language; else empty")


Status = Literal["queued", "running", "done", "failed"]


class RecordingState(TimesAsText):
    """A recording without its utterances. `created_at` and `ended_at` are UTC seconds."""

    id: str
    status: Status
    progress: float = Field(description="share of the recording that is done, from 0 to 1")
    suggestion: Suggestion | None = Field(description="the worst suggestion of its utterances; null: none is judged")
    seconds: float | None = Field(description="length of the recording; null: not known yet")
    speech_seconds: float | None
    error: str | None = Field(description="why the recording, or the rest of it, could not be read")
    created_at: float
    created_at_iso: str = ""
    ended_at: float | None
    ended_at_iso: str | None = None


class RecordingPage(BaseModel):
    """Recordings, newest first. `next` is the value of `after` for the next page; null: this is the last page."""

    data: list[RecordingState]
    next: str | None


class AudioModeration(RecordingState):
    """A recording and its result. Until `status` is `done`, the utterances are those that are judged so far."""

    utterances: list[UtteranceResult]
    unheard: list[UnheardResult] = Field(description="the utterances that were not judged: nobody calls them clean")


class Categories:
    """Maps labels to OpenAI's categories."""

    def __init__(self, labels: Labels) -> None:
        self._labels = {
            category: [name for name, label in labels.labels.items() if category in label.elsewhere.openai]
            for category in CATEGORIES
        }

    def result(self, flag: Flag) -> ModerationResult:
        """Return the result for a judged text."""
        return ModerationResult(**self._fields(flag))

    def utterance(self, flag: Flag) -> UtteranceResult:
        """Return the result for an utterance of a recording."""
        times = {"start": round(flag.start, 3), "end": round(flag.end, 3)}
        return UtteranceResult(**self._fields(flag), **times, text=flag.text, confidence=round(flag.confidence, 4))

    def _fields(self, flag: Flag) -> dict[str, object]:
        # OpenAI's `flagged` and `categories` must agree: a text that passes has no true category.
        flagged = set(flag.flagged) if flag.suggestion != "pass" else set()
        scores = {
            category: max((flag.labels.get(name, 0.0) for name in names), default=0.0)
            for category, names in self._labels.items()
        }
        return {
            "flagged": flag.suggestion != "pass",
            "categories": {name: not flagged.isdisjoint(mine) for name, mine in self._labels.items()},
            "category_scores": scores,
            # OpenAI's client requires it. Speech is judged as text, so it is always the same.
            "category_applied_input_types": {category: ["text"] for category in CATEGORIES},
            "suggestion": flag.verdict,
            "risk": flag.risk,
            "labels": flag.labels,
            "flagged_labels": list(flag.flagged),
            "act": list(flag.act),
            "reasons": list(flag.reasons),
            "hits": [_hit(hit) for hit in flag.hits],
            "language": flag.language,
            "policy": flag.policy,
        }


def _hit(hit: Hit) -> HitAnswer:
    return HitAnswer(term=hit.term, label=hit.label, level=hit.level, start=hit.start, end=hit.end)


def unheard_result(status: SpeechStatus) -> UnheardResult:
    """Return the result for an utterance of a recording that was not judged."""
    times = {"start": round(status.start, 3), "end": round(status.end, 3)}
    why = {name: getattr(status, name) for name in ("state", "reason", "language")}
    return UnheardResult.model_validate(times | why)
