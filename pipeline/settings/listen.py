"""Settings of the listen stage."""

from pathlib import Path

from pydantic import Field, field_validator, model_validator

from pipeline.contract.messages import OF_YAMNET, EventKind
from pipeline.settings.section import Section


class ListenSettings(Section):
    """What the listen stage recognises."""

    sounds: tuple[EventKind, ...] = Field(
        (), description="sounds to recognise beside banned recordings, e.g. [howl, clipping]; each costs CPU"
    )
    yamnet: Path | None = Field(
        None, description="the file of YAMNet, which scream, moan, crying and gunshot need (docs/sounds.md)"
    )
    ear: str | None = Field(
        None,
        description="a second ear: a transformers audio classifier, as a folder or a hub id (owner/name@commit); "
        "unset: none",
    )
    ear_label_map: Path | None = Field(
        None, description="YAML file that maps the labels of `ear` to the labels of Voxwarden"
    )
    ear_seconds: int = Field(6, ge=2, le=16, description="length of the windows that `ear` hears; they overlap by half")
    ear_floor: float = Field(
        0.5, ge=0, le=1, description="scores of `ear` below this are not sent; not above the lowest limit of a policy"
    )
    ear_device: str = Field("auto", description="device of `ear`: cpu, cuda, cuda:1, or auto")

    dead_air_seconds: int = Field(
        60, ge=15, le=600, description="seconds in which nobody in a room is audible before dead_air is reported"
    )

    @field_validator("sounds")
    @classmethod
    def _once(cls, sounds: tuple[EventKind, ...]) -> tuple[EventKind, ...]:
        if len({*sounds}) < len(sounds):
            raise ValueError("sounds lists a sound twice")
        return sounds

    @model_validator(mode="after")
    def _hears_all(self) -> "ListenSettings":
        if self.yamnet is None and (unheard := [sound for sound in self.sounds if sound in OF_YAMNET]):
            raise ValueError(
                f"sounds has {' and '.join(unheard)}, which YAMNet hears: name its file in listen.yamnet "
                "(docs/sounds.md has the command that downloads it)"
            )
        return self
