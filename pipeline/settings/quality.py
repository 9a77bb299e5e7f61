"""Settings of the quality checks that are mixed into the queue."""

from pydantic import Field, PositiveFloat

from pipeline.settings.section import Section


class Quality(Section):
    """Quality checks that are mixed into the queue: docs/console-quality.md."""

    audit_share: float = Field(
        0.0, ge=0, le=1, description="share of passed speech that moderators check for missed violations"
    )
    second_share: float = Field(
        0.05, ge=0, le=1, description="share of decisions that a second moderator checks without seeing the first"
    )
    golden_share: float = Field(
        0.03, ge=0, le=1, description="golden cases shown per decision, if leads have marked any"
    )
    precision_limit: float | None = Field(
        None, gt=0, lt=1, description="your lower limit for the share of flags that moderators confirm; unset: none"
    )
    kappa_limit: float | None = Field(
        None, gt=0, lt=1, description="your lower limit for Cohen's kappa of second opinions; unset: none"
    )
    in_time_limit: float | None = Field(
        None, gt=0, lt=1, description="your lower limit for the share of cases decided in time; unset: none"
    )
    draw_seconds: PositiveFloat = Field(15.0, description="seconds between two draws of checks")
