"""Settings of the retention of cases: how long clips, cases and logs are kept."""

from pydantic import Field, model_validator

from pipeline.settings.section import Section


class Keep(Section):
    """Days to keep a case. With 0, the next run of the retention job deletes it."""

    audio_days: float = Field(ge=0, description="days to keep the clip")
    case_days: float = Field(ge=0, description="days to keep the case: transcript, flags and decisions")

    @model_validator(mode="after")
    def _check(self) -> "Keep":
        if self.audio_days > self.case_days:
            raise ValueError("audio_days must not be more than case_days: a clip belongs to a case")
        return self


class KeepLabel(Section):
    """Retention for one label. Unset fields have the values that hold for all labels."""

    open: Keep | None = Field(None, description="retention of undecided cases with this label")
    upheld: Keep | None = Field(None, description="retention of upheld cases with this label")
    dismissed: Keep | None = Field(None, description="retention of dismissed cases with this label")


class Retention(Section):
    """How long cases are kept, counted from the last decision; undecided cases count from their arrival."""

    open: Keep = Keep(audio_days=90, case_days=180)
    upheld: Keep = Keep(audio_days=190, case_days=365)
    dismissed: Keep = Keep(audio_days=14, case_days=90)
    labels: dict[str, KeepLabel] = Field({}, description="retention by label, where it differs")
    logs_days: float = Field(365.0, ge=183, description="days to keep the audit log; at least half a year")
    every_hours: float = Field(
        24.0, gt=0, le=168, description="hours between two runs of the retention job in the console's process"
    )
    in_console: bool = Field(
        True, description="whether the console's process runs the job; false: run `voxwarden retention run` each day"
    )

    @model_validator(mode="after")
    def _check(self) -> "Retention":
        """Refuse to delete open cases within a day: moderators must see a case before it is deleted."""
        for name, kept in (("open", self.open), *((f"labels.{name}.open", k.open) for name, k in self.labels.items())):
            if kept and kept.case_days < 1:
                raise ValueError(
                    f"{name}.case_days must be at least 1: moderators must see a case before it is deleted"
                )
        return self
