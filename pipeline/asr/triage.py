"""Triage before Whisper: what nobody can have said is not given to a recogniser, which would make words of it.

The segmenter cuts wherever a few windows seem to be speech. Here the whole utterance is looked at again, from a fresh
start: a voice keeps the detector sure for a while, a bang, a hum, a note does not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.asr.transcriber import Samples
from pipeline.audio.vad import WINDOW, Memory, shared
from pipeline.messages import SAMPLE_RATE

Reason = Literal["silence", "no_voice"]

GATE = "silero-vad"
"""What stands as the model of a transcript that no recogniser made."""

SILENT = 1e-4
"""Root mean square over an utterance below which it is silence: -80 dB of full scale."""

VOICED = 0.6
"""Speech probability that some stretch of an utterance reaches on average if it is speech; Silero's own limit is 0.5 a
window."""

POSSIBLE = 0.05
"""Below it nobody spoke. From there to VOICED it may be a voice under music, and only a recogniser can tell."""

STRETCH_SECONDS = 0.2
"""A syllable."""


@dataclass(frozen=True, slots=True)
class Triage:
    """What the gates found: `reason` is None for what may be speech."""

    reason: Reason | None
    voice: float
    """Highest mean speech probability over a stretch."""


def triage(samples: Samples) -> Triage:
    """Of one utterance, at about 2 ms of CPU a second of audio."""
    if float(np.sqrt(np.mean(np.square(samples)))) < SILENT:
        return Triage("silence", 0.0)
    voice = loudest_stretch(_probabilities(samples))
    return Triage(None if voice >= POSSIBLE else "no_voice", voice)


def loudest_stretch(probabilities: Sequence[float]) -> float:
    """Highest mean of as many neighbours as make a stretch, or of all if there are fewer."""
    size = min(len(probabilities), round(STRETCH_SECONDS * SAMPLE_RATE / WINDOW))
    means = np.convolve(probabilities, np.full(size, 1 / size), mode="valid")
    return min(1.0, float(means.max()))


def _probabilities(samples: Samples) -> Sequence[float]:
    windows = -(-len(samples) // WINDOW)
    padded = np.zeros(windows * WINDOW, np.float32)
    padded[: len(samples)] = samples
    found: list[float] = shared().probabilities(padded, Memory()).tolist()
    return found
