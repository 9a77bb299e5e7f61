"""What the detectors of the listener have in common."""

import math
from collections.abc import Iterable
from typing import NamedTuple, Protocol

from pipeline.contract.messages import SAMPLE_RATE, HeardSound
from pipeline.sound.together import DueWindow
from pipeline.speech.audio.resample import Samples
from pipeline.speech.audio.speaker_tracks import Key

PAUSE = 10 * SAMPLE_RATE
"""After a longer pause, in samples, it is a new sound."""


class SoundSpan(NamedTuple):
    """A sound in a stream, from `start` to `end` in 16 kHz samples since 1970 UTC."""

    heard: HeardSound
    label: str
    """The label that the sound itself has; empty if it has none."""
    start: int
    end: int
    model: str
    """Name and version of the detector."""
    of_room: bool = False
    """It is a matter of the room, and is reported as it is: its detector has a grid of its own."""
    pause: int = PAUSE
    """After a longer pause, in samples, it is a new sound."""
    rise: float = math.inf
    """A score that is higher by this than that of the part before is reported at once."""

    @property
    def key(self) -> tuple[str, str]:
        """The same for all parts of one sound."""
        return self.heard.kind, self.heard.reference or self.label or self.heard.name


class SoundDetector(Protocol):
    """Listens to one stream of one speaker. Its memory does not grow.

    Where it needs a model that hears many speakers together, it gives a `DueWindow`, and goes on with its scores.
    """

    def push(self, samples: Samples) -> Iterable[SoundSpan | DueWindow]:
        """Give what sounds by the next second, shape (samples,). A sound that goes on is named again each time."""

    def flush(self) -> Iterable[SoundSpan | DueWindow]:
        """Give what sounds by the end of the stream. The detector is not used afterwards."""


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
