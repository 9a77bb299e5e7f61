"""Settings of the security assessment: limits, stated times, and the meaning of some indicators."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt

from pipeline.settings.drills import Drills
from pipeline.settings.section import Section
from pipeline.settings.speech import LanguageCode
from pipeline.settings.triggers import Triggers


def _tenth(value: float) -> float:
    """Check for a multiple of 0.1: the store counts confidence in tenths."""
    if round(value * 10) / 10 != value:
        raise ValueError("must be a multiple of 0.1")
    return value


class AssessmentSettings(Section):
    """The security assessment: docs/assessment.md."""

    limits: dict[Annotated[str, Field(pattern=r"^I-\d\d\.[a-z0-9_]+$")], float] = Field(
        {}, description="your limit for a figure of all speech, e.g. I-02.share: 0.99; no law sets one"
    )
    low_confidence: Annotated[float, AfterValidator(_tenth)] = Field(
        0.5, ge=0, le=1, description="transcript confidence below which speech counts as hard to hear, in steps of 0.1"
    )
    languages: tuple[LanguageCode, ...] | None = Field(
        None, description="languages that you moderate; unset: those of asr.languages with a lexicon"
    )
    acknowledge_hours: PositiveFloat | None = Field(
        None, description="stated hours to acknowledge a user's report; unset: none is stated"
    )
    report_hours: PositiveFloat | None = Field(
        None, description="stated hours to close a user's report; unset: none is stated"
    )
    appeal_hours: PositiveFloat | None = Field(
        None, description="stated hours to settle an appeal; unset: none is stated"
    )
    spread_rooms: PositiveInt = Field(3, description="rooms with the same illegal phrase that count as spread")
    spread_speakers: PositiveInt = Field(3, description="speakers of the same illegal phrase that count as spread")
    spread_minutes: PositiveFloat = Field(60.0, description="minutes within which these rooms or speakers are counted")
    stable_loss: float = Field(
        0.001, ge=0, lt=1, description="share of lost utterances up to which an hour counts as stable"
    )
    key: Path | None = Field(None, description="the key that signs bundles; unset: assessment.key in data_dir")
    triggers: Triggers = Triggers()
    drills: Drills = Drills()
