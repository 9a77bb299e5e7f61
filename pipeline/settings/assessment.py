"""Settings of the security assessment: limits, stated times, and the key of its bundles."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, PositiveFloat

from pipeline.settings.section import Section


class AssessmentSettings(Section):
    """The security assessment: docs/assessment.md."""

    limits: dict[Annotated[str, Field(pattern=r"^I-\d\d\.[a-z0-9_]+$")], float] = Field(
        {}, description="your limit for a figure of all speech, e.g. I-02.share: 0.99; no law sets one"
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
    key: Path | None = Field(None, description="the key that signs bundles; unset: assessment.key in data_dir")
