"""Settings of load shedding: which utterances are skipped under overload."""

from pydantic import Field, PositiveFloat, model_validator

from pipeline.settings.section import Section


class RoomShare(Section):
    """The minimum share of a room type that is transcribed under overload."""

    name: str = Field(
        min_length=1, max_length=256, description="a room type; `other` means each room type that is not listed"
    )
    share: float = Field(0.1, ge=0, le=1, description="minimum share of its utterances that is transcribed")


class Overload(Section):
    """Which utterances are skipped when more arrive than the workers can transcribe."""

    enabled: bool = Field(
        True, description="skip utterances under overload; off: all of them wait, e.g. a backlog of recordings"
    )
    start_seconds: PositiveFloat = Field(
        60.0, description="seconds that the oldest utterance must wait before any utterance is skipped"
    )
    full_seconds: PositiveFloat = Field(
        300.0, description="seconds of waiting at which only the minimum shares are transcribed"
    )
    catch_up_seconds: PositiveFloat = Field(
        7_200.0, description="nothing is skipped if the worker can clear the backlog within these seconds"
    )
    recover_seconds: float = Field(
        60.0, gt=0, le=3600, description="shortest time in seconds from the minimum shares back to all utterances"
    )
    room_types: tuple[RoomShare, ...] = Field(
        (
            RoomShare(name="game"),
            RoomShare(name="default"),
            RoomShare(name="other"),
            RoomShare(name="kids", share=0.5),
        ),
        description="room types, the first is skipped first; if `other` is absent, unlisted types are never skipped",
    )

    @model_validator(mode="after")
    def _check(self) -> "Overload":
        if self.full_seconds <= self.start_seconds:
            raise ValueError("full_seconds must be more than start_seconds")
        if len({kind.name for kind in self.room_types}) < len(self.room_types):
            raise ValueError("room_types lists a room type twice")
        return self
