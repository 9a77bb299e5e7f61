"""What the detectors of the listener have in common."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from pipeline.audio.resample import Samples
from pipeline.messages import HeardSound

Key = tuple[str, str]
"""Room and speaker."""


class SoundSpan(NamedTuple):
    """A sound in a stream, from `start` to `end` in 16 kHz samples since 1970 UTC."""

    heard: HeardSound
    label: str
    """The label that the sound itself has; empty if it has none."""
    start: int
    end: int
    model: str
    """Name and version of the detector."""

    @property
    def key(self) -> tuple[str, str]:
        """The same for all parts of one sound."""
        return self.heard.kind, self.heard.reference or self.heard.name


class SoundDetector(Protocol):
    """Listens to one stream of one speaker. Its memory does not grow."""

    def push(self, samples: Samples) -> Sequence[SoundSpan]:
        """Return what sounds by the next second, shape (samples,). A sound that goes on is named again each time."""

    def flush(self) -> Sequence[SoundSpan]:
        """Return what sounds by the end of the stream. The detector is not used afterwards."""


class Ear(Protocol):
    """Makes the detectors of one kind. All speakers share it."""

    @property
    def edition(self) -> int:
        """Grows when the detectors must be made again."""

    @property
    def awake(self) -> bool:
        """Whether there is anything to listen for."""

    def look(self) -> None:
        """Notice changes outside of the process. Called before each batch; returns at once."""

    def detector(self, start: int, key: Key) -> SoundDetector:
        """Return a detector for a stream of `key` that begins at `start` (16 kHz samples since 1970 UTC)."""
