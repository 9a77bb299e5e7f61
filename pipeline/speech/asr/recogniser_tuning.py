"""Measures which workers and batch are fastest on this machine, with the English speech of the demo."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.base.compute_device import CPU
from pipeline.base.cpu_cores import cores
from pipeline.contract.messages import SAMPLE_RATE
from pipeline.settings import Asr
from pipeline.speech.asr.recogniser import Clip, Recogniser, Samples, load_recogniser, placed
from pipeline.speech.audio.decode import read_file

BATCHES = (4, 8, 16, 32)
LENGTHS = (1.5, 2.5, 3.5, 5.0, 7.0, 4.0, 2.0, 6.0)
"""Lengths of the clips in seconds, as utterances in rooms have them."""
CLIPS = 32  # one batch of the largest size
SPEECH = Path(__file__).parents[2] / "runner" / "demo"


@dataclass(frozen=True, slots=True)
class TuningFigure:
    """The speed with some settings."""

    changes: dict[str, Any]
    """Changed settings under `asr`."""
    speed: float
    """Seconds of speech transcribed per second."""


def figures(asr: Asr) -> Iterator[TuningFigure]:
    """Measure all useful combinations of `workers` and `batch`. Yields each when it is measured."""
    clips = shipped()
    workers = sorted({1, max(1, cores() // 2), cores()}) if placed(asr).device == CPU else [1]  # a GPU has one
    for number in workers:
        yield from (_figure(asr, clips, {"workers": number, "batch": batch}) for batch in BATCHES)


def shipped() -> list[Samples]:
    """Clips from the demo's English room. Each (samples,)."""
    whole = np.concatenate([block for path in sorted(SPEECH.glob("lounge-*.ogg")) for block in read_file(path)])
    starts = np.linspace(0, len(whole) - max(LENGTHS) * SAMPLE_RATE, CLIPS).astype(int)
    return [whole[start : start + round(LENGTHS[i % len(LENGTHS)] * SAMPLE_RATE)] for i, start in enumerate(starts)]


def _figure(asr: Asr, clips: Sequence[Samples], changes: dict[str, Any]) -> TuningFigure:
    spoken = [Clip(samples, "en") for samples in clips]
    # Loading also warms the model up, so the first measurement is not slower than the others.
    return TuningFigure(changes, speed(load_recogniser(asr.model_copy(update=changes)), spoken))


def speed(recogniser: Recogniser, clips: Sequence[Clip]) -> float:
    """Seconds of speech transcribed per second."""
    began = time.perf_counter()
    recogniser.transcribe(clips)
    return sum(len(clip.samples) for clip in clips) / SAMPLE_RATE / (time.perf_counter() - began)
