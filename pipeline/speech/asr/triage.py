"""Triage before Whisper: utterances without speech are not transcribed, because Whisper would invent words for them.

The segment stage starts an utterance when a few windows look like speech. This module runs the detector again on the
whole utterance, from a fresh state. If somebody speaks, the speech probability stays high for some time. After a bang,
a hum or a musical note, it falls at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.speech.asr.recogniser import Samples
from pipeline.speech.audio.vad import WINDOW, Memory, shared

Reason = Literal["silence", "no_voice"]

GATE = "silero-vad"
"""The `model` of a transcript that no recogniser made."""

SILENT = 1e-4
"""An utterance with a lower root mean square is silence: -80 dB of full scale."""

VOICED = 0.6
"""An utterance is speech if the mean speech probability of a stretch reaches this. Silero's limit for one window is
0.5."""

POSSIBLE = 0.05
"""Below this probability nobody spoke. From here to VOICED there may be a voice under music, and only the recogniser
can decide."""

STRETCH_SECONDS = 0.2
"""Length of a stretch: about one syllable."""


@dataclass(frozen=True, slots=True)
class Triage:
    """The result of triage. `reason` is None if the utterance may be speech."""

    reason: Reason | None
    voice: float
    """Highest mean speech probability of a stretch."""


def triage(samples: Samples) -> Triage:
    """Check one utterance, shape (samples,), 16 kHz. It takes about 2 ms of CPU time per second of audio."""
    if float(np.sqrt(np.mean(np.square(samples)))) < SILENT:
        return Triage("silence", 0.0)
    voice = loudest_stretch(_probabilities(samples))
    return Triage(None if voice >= POSSIBLE else "no_voice", voice)


def loudest_stretch(probabilities: Sequence[float]) -> float:
    """Highest mean over a stretch of consecutive windows, or over all windows if there are fewer."""
    size = min(len(probabilities), round(STRETCH_SECONDS * SAMPLE_RATE / WINDOW))
    means = np.convolve(probabilities, np.full(size, 1 / size), mode="valid")
    return min(1.0, float(means.max()))  # rounding may exceed 1


def _probabilities(samples: Samples) -> Sequence[float]:
    windows = -(-len(samples) // WINDOW)
    padded = np.zeros(windows * WINDOW, np.float32)
    padded[: len(samples)] = samples
    found: list[float] = shared().probabilities(padded, Memory()).tolist()
    return found
