"""Settings of the measures against speakers: which action follows which strike."""

from typing import Literal, Self

from pydantic import Field, PositiveFloat, model_validator

from pipeline.contract.messages import MAX_DURATION, TIMED, Action
from pipeline.settings.section import Section


class LadderStep(Section):
    """The action that the console proposes at one strike."""

    action: Action = Field(description="warn, mute, remove or close_room")
    duration_seconds: float | None = Field(
        None, gt=0, le=MAX_DURATION, description="seconds of a mute or a removal; unset: your app decides"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.duration_seconds is not None and self.action not in TIMED:
            raise ValueError(f"{self.action} has no duration; only {' and '.join(TIMED)} have one")
        return self


Ladder = tuple[LadderStep, ...]


class MeasuresSettings(Section):
    """What the console proposes against a speaker: docs/console.md."""

    strike_days: PositiveFloat = Field(30.0, le=3_650, description="days for which a strike counts")
    ladder: Ladder = Field(
        (
            LadderStep(action="warn"),
            LadderStep(action="mute", duration_seconds=3_600),
            LadderStep(action="mute", duration_seconds=86_400),
        ),
        max_length=20,
        description="proposal at the first strike, the second and so on; the last one repeats; empty: none",
    )
    severities: dict[Literal["low", "medium", "high", "critical"], Ladder] = Field(
        {}, description="ladder of a severity (low, medium, high, critical), where it differs"
    )
    labels: dict[str, Ladder] = Field({}, description="ladder of a label, where it differs; it goes before severities")
    appeal_url: str | None = Field(
        None, pattern="^https?://", max_length=512, description="page for appeals in notices; unset: `in the app`"
    )
