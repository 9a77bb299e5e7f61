"""What the operator decides about the indicators, from the settings and the label file."""

from typing import Any

import msgspec
from msgspec import Struct
from pydantic import BaseModel

from pipeline.assessment.catalogue import INDICATORS
from pipeline.assessment.workdays import zone_of
from pipeline.base.errors import ConfigError
from pipeline.judge import labels
from pipeline.judge.labels import Labels
from pipeline.review.cases.case_queue import TARGETS
from pipeline.review.cases.leases import LEASE_SECONDS
from pipeline.review.evidence.evidence_store import EvidenceStore, open_evidence
from pipeline.settings import Retention, Settings

DAY_SECONDS = 86_400.0
HOUR_SECONDS = 3_600.0


class Options(Struct, frozen=True, kw_only=True):
    """What the indicators of the assessment count by. Times are seconds.

    No law states the numbers that no setting changes. They are fixed, so that reports of all operators compare.
    """

    limits: dict[str, float] = {}
    """The operator's limits by figure, e.g. {"I-02.share": 0.99}."""
    low_confidence: float = 0.5
    """Transcript confidence below which speech counts as hard to hear. The store counts it in tenths."""
    languages: frozenset[str] = frozenset({"en", "zh"})
    """The languages that the operator moderates: those recognised that have a lexicon."""
    illegal: frozenset[str] = frozenset()
    """Labels of illegal information: article 6 of the Provisions on the Governance of Online Information Content."""
    targets: tuple[float, float, float, float] = TARGETS
    """Time to decide a case, by severity."""
    settled: float = 8 * DAY_SECONDS
    """Speech of this age has its final state: its messages are no longer on any topic."""
    lease: float = LEASE_SECONDS
    """A moderator counts as active for this long after each action in a case."""
    acknowledge: float | None = None
    """Stated time to acknowledge a user's report. None: none is stated."""
    report: float | None = None
    """Stated time to close a user's report."""
    appeal: float | None = None
    """Stated time to settle an appeal."""
    spread_rooms: int = 3
    spread_speakers: int = 3
    spread: float = 3_600.0
    """Time within which rooms and speakers with the same phrase are counted."""
    stable_loss: float = 0.001
    """Share of lost utterances up to which an hour counts as stable."""
    zone: str = "UTC"
    """Time zone of the days and times that people read."""
    retention: Retention = Retention()
    """How long cases are kept."""
    evidence: EvidenceStore | None = None
    """The clips. None: they are not at hand, and I-23 has no value."""


def build(settings: Settings) -> Options:
    """Return the options of the settings and of the label file that they name. Raises ConfigError."""
    return of(settings, labels.load_labels(settings.judge.labels))


def of(settings: Settings, known: Labels) -> Options:
    """Return the options of these settings and labels. Raises ConfigError for an unknown figure or a wrong zone."""
    chosen, targets = settings.assessment, settings.console.targets_seconds
    _check(chosen.limits)
    zone_of(chosen.zone)
    return Options(
        limits=dict(chosen.limits),
        languages=frozenset(set(settings.asr.languages) & set(settings.judge.lexicons)),
        illegal=illegal(known),
        targets=(targets.low, targets.medium, targets.high, targets.critical),
        # A day more: Kafka deletes whole segments, so messages last longer than their retention.
        settled=settings.kafka.longest_retention_seconds + DAY_SECONDS,
        acknowledge=_seconds(chosen.acknowledge_hours),
        report=_seconds(chosen.report_hours),
        appeal=_seconds(chosen.appeal_hours),
        zone=chosen.zone,
        retention=settings.retention,
        evidence=open_evidence(settings),
    )


def illegal(known: Labels) -> frozenset[str]:
    """Return the labels that cover an item of article 6."""
    return frozenset(name for name, label in known.labels.items() if any(item.startswith("6") for item in label.law))


def _check(limits: dict[str, float]) -> None:
    for name in limits:
        indicator, _, key = name.partition(".")
        if indicator not in INDICATORS:
            raise ConfigError(
                f"Setting assessment.limits: there is no indicator {indicator}", "There are I-01 to I-32."
            )
        if key not in (values := INDICATORS[indicator].values):
            raise ConfigError(
                f"Setting assessment.limits: {indicator} has no value {key}", f"Its values are {', '.join(values)}."
            )


def _seconds(hours: float | None) -> float | None:
    return None if hours is None else hours * HOUR_SECONDS


def to_plain(options: Options) -> dict[str, object]:
    """Return the options as JSON-like data."""
    without = msgspec.structs.replace(options, evidence=None)  # the store of clips is a place, not a choice
    plain: dict[str, object] = msgspec.to_builtins(without, order="sorted", enc_hook=_encode)
    plain.pop("evidence", None)
    return plain


def from_plain(plain: dict[str, object]) -> Options:
    """Return the options of a report. Figures that need clips have no value with them."""
    return msgspec.convert(plain, Options, dec_hook=_decode)


# msgspec knows no pydantic models, and `Options.retention` is one.
def _encode(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise NotImplementedError(f"{type(value).__name__} has no plain form")


def _decode(kind: type[Any], value: Any) -> Any:
    if issubclass(kind, BaseModel):
        return kind.model_validate(value)
    raise NotImplementedError(f"{kind.__name__} has no plain form")
