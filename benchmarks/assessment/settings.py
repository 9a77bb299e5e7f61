"""The settings and options of the product that say the same as the rules of the simulated world."""

from pathlib import Path

from msgspec.structs import replace

from benchmarks.assessment.facts import HOUR
from benchmarks.assessment.truth.rules import Rules
from pipeline.assessment import options as choices
from pipeline.assessment.options import Options
from pipeline.contract.topology import TOPICS
from pipeline.review.evidence.evidence_store import EvidenceStore
from pipeline.settings import Keep, Retention, Settings

RETENTION = Retention(
    open=Keep(audio_days=90, case_days=180),
    upheld=Keep(audio_days=190, case_days=365),
    dismissed=Keep(audio_days=2, case_days=4),
)
RECOGNISERS = ("large-v3", "large-v3-turbo")


def settings(rules: Rules, recogniser: str = RECOGNISERS[0]) -> Settings:
    """Return the settings. `recogniser` is the model that the operator uses at the time."""
    names = ("low", "medium", "high", "critical")
    return Settings.model_validate(
        {
            "data_dir": Path("/nowhere"),
            "asr": {"model": recogniser},
            "kafka": {"retention_hours": {topic.key: rules.settled / HOUR - 24 for topic in TOPICS}},
            "console": {
                "lease_seconds": rules.lease,
                "targets_seconds": dict(zip(names, rules.targets, strict=True)),
            },
            "retention": RETENTION,
            "assessment": {
                "limits": {".".join(name): limit.number for name, limit in rules.limits.items()},
                "low_confidence": rules.low_confidence,
                "languages": sorted(rules.languages),
                "acknowledge_hours": 1,
                "report_hours": rules.report / HOUR,
                "appeal_hours": rules.appeal / HOUR,
                "spread_rooms": rules.spread_rooms,
                "spread_speakers": rules.spread_speakers,
                "spread_minutes": rules.spread / 60,
                "stable_loss": rules.stable_loss,
                "triggers": {
                    "growth": rules.growth,
                    "caught_shift": rules.caught_shift,
                    "language_share": rules.language_share,
                    "late_cases": rules.late_cases,
                    "missed_cases": rules.missed_cases,
                },
            },
        }
    )


def options(rules: Rules, clips: EvidenceStore | None) -> Options:
    """Return the options of these settings. `clips` are those of the world."""
    return replace(choices.build(settings(rules)), evidence=clips)
