"""The settings and options of the product that say the same as the rules of the simulated world."""

from pathlib import Path

from msgspec.structs import replace

from benchmarks.assessment.facts import HOUR
from benchmarks.assessment.truth.rules import Rules
from pipeline.assessment import options as choices
from pipeline.assessment.options import Options
from pipeline.assessment.signals import TriggerLimits
from pipeline.review.evidence.store import EvidenceStore
from pipeline.settings import Kafka, Keep, Retention, Settings

RETENTION = Retention(
    open=Keep(audio_days=90, case_days=180),
    upheld=Keep(audio_days=190, case_days=365),
    dismissed=Keep(audio_days=2, case_days=4),
)
RECOGNISERS = ("large-v3", "large-v3-turbo")


def settings(rules: Rules, recogniser: str = RECOGNISERS[0]) -> Settings:
    """Return the settings. `recogniser` is the model that the operator uses at the time."""
    names, kept = ("low", "medium", "high", "critical"), Kafka().retention_hours.model_dump()
    return Settings.model_validate(
        {
            "data_dir": Path("/nowhere"),
            "asr": {"model": recogniser},
            "kafka": {"retention_hours": dict.fromkeys(kept, rules.settled / HOUR - 24)},
            "console": {"targets_seconds": dict(zip(names, rules.targets, strict=True))},
            "retention": RETENTION,
            "assessment": {
                "limits": {".".join(name): limit.number for name, limit in rules.limits.items()},
                "acknowledge_hours": 1,
                "report_hours": rules.report / HOUR,
                "appeal_hours": rules.appeal / HOUR,
            },
        }
    )


def options(rules: Rules, clips: EvidenceStore | None) -> Options:
    """Return the options of these settings. `clips` are those of the world."""
    return replace(
        choices.build(settings(rules)),
        evidence=clips,
        lease=rules.lease,
        low_confidence=rules.low_confidence,
        languages=frozenset(rules.languages),
        spread_rooms=rules.spread_rooms,
        spread_speakers=rules.spread_speakers,
        spread=rules.spread,
        stable_loss=rules.stable_loss,
    )


def limits(rules: Rules) -> TriggerLimits:
    """Return the limits of the triggers by these rules."""
    names = ("growth", "caught_shift", "language_share", "late_cases", "missed_cases")
    return TriggerLimits(**{name: getattr(rules, name) for name in names})
