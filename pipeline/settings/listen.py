"""Settings of the listen stage."""

from pydantic import Field, field_validator

from pipeline.messages import EventKind
from pipeline.settings.section import Section


class ListenSettings(Section):
    """What the listen stage recognises."""

    sounds: tuple[EventKind, ...] = Field(
        (), description="sounds to recognise beside banned recordings, e.g. [howl, clipping]; each costs CPU"
    )

    dead_air_seconds: int = Field(
        60, ge=15, le=600, description="seconds in which nobody in a room is audible before dead_air is reported"
    )

    @field_validator("sounds")
    @classmethod
    def _once(cls, sounds: tuple[EventKind, ...]) -> tuple[EventKind, ...]:
        if len({*sounds}) < len(sounds):
            raise ValueError("sounds lists a sound twice")
        return sounds
