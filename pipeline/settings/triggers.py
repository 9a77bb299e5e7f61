"""Settings of the triggers of a security assessment."""

from pydantic import Field, PositiveFloat, PositiveInt

from pipeline.settings.section import Section


class Triggers(Section):
    """Signals that suggest a case of article 3 of the Provisions. No law states these numbers."""

    growth: PositiveFloat = Field(
        0.5, description="growth since the last assessment that suggests case 3(3): 0.5 is half as many again"
    )
    caught_shift: PositiveFloat = Field(
        0.3, description="relative change of the share of caught speech, between two versions, that suggests case 3(2)"
    )
    language_share: float = Field(
        0.01, gt=0, le=1, description="share of the last 30 days' speech from which a language counts as used"
    )
    late_cases: PositiveInt = Field(1, description="illegal cases past their deadline on one day: suggests case 3(4)")
    missed_cases: PositiveInt = Field(
        1, description="upheld illegal cases that the machine had passed, on one day: suggests case 3(4)"
    )
