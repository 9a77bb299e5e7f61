"""Utterances made of tones, so that tests can recognise them by their pitch."""

from typing import Any

import numpy as np

from pipeline.contract.messages import SAMPLE_RATE, Utterance
from pipeline.speech.audio.encode import encode_flac
from pipeline.speech.audio.resample import Samples
from tests import builders
from tests.builders import NOON


def tone(seconds: float, hertz: float = 220.0) -> Samples:
    times = np.arange(round(seconds * SAMPLE_RATE), dtype=np.float32) / SAMPLE_RATE
    return (0.3 * np.sin(2 * np.pi * hertz * times)).astype(np.float32)


def utterance(name: str, start: float, end: float, hertz: float = 220.0, **changes: Any) -> Utterance:
    """Return the utterance of the flag with the same `name`: a tone from `start` to `end`, in seconds after NOON."""
    fields: dict[str, Any] = {"id": f"utterance-{name}", "data": encode_flac(tone(end - start, hertz))}
    return builders.utterance(name, NOON + start, NOON + end, **fields | changes)
