"""Helpers for the tests of the transcribe stage."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.contract.messages import SAMPLE_RATE, Utterance
from pipeline.speech.asr.recogniser import Clip, HasRoom, Recognition, Samples, always_room
from pipeline.speech.audio.decode import samples_of
from pipeline.speech.audio.encode import encode_flac
from tests import builders

DATA = Path(__file__).parents[3] / "data"


def speech(name: str) -> Samples:
    return samples_of(DATA / f"{name}.flac")


def plain(text: str) -> str:
    """Only the words of a text, so that a different comma does not fail a test."""
    return " ".join(re.findall(r"[\w']+", text.lower()))


def recognition(text: str, **changes: object) -> Recognition:
    sure: dict[str, object] = {"language": "en", "language_probability": 0.99, "avg_logprob": -0.2, "no_speech": 0.02}
    return Recognition(text=text, **(sure | {"compression_ratio": 1.2} | changes))  # type: ignore[arg-type]


@dataclass
class Scripted:
    """A Transcriber that returns given results in order, and remembers the clips."""

    script: list[Recognition]
    batches: list[int] = field(default_factory=list)
    name: str = "scripted/none@00000000"

    def transcribe(
        self, clips: Sequence[Clip], *, words: bool = False, has_room: HasRoom = always_room
    ) -> list[Recognition]:
        self.batches.append(len(clips))
        return [self.script.pop(0) for _ in clips]


def utterance(start: float = 0.0, seconds: float = 1.0, room: str = "lounge", **changes: Any) -> Utterance:
    """An utterance with a real voice, so that triage accepts it."""
    fields = {"room": room, "speaker": "ana", "data": _encoded(seconds)} | changes
    return builders.utterance(f"{room}@{start}", start, start + seconds, **fields)


@cache
def _encoded(seconds: float) -> bytes:
    return encode_flac(np.resize(speech("conf-invalidpin"), round(seconds * SAMPLE_RATE)))
