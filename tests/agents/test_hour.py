"""An hour of three speakers goes through segment and its ledger, with every fault that an app can have.

Each chunk of speech has its own loudness, so that the test can identify every chunk in the output.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import cast

import numpy as np
import pytest
from msgspec import structs
from numpy.typing import NDArray

from agents.loop.holding_work import Ledger
from pipeline.base.metrics import Metrics
from pipeline.contract.messages import SAMPLE_RATE, AudioChunk, Utterance
from pipeline.settings import Audio
from pipeline.speech.audio.encode import decode_flac, to_pcm16
from pipeline.speech.audio.resample import Samples
from pipeline.speech.audio.segment_stage import Segment
from pipeline.speech.audio.vad import WINDOW, Memory, Vad

pytestmark = pytest.mark.full  # an hour of audio

SIZE = 6_400
SECONDS = SIZE / SAMPLE_RATE
NOW = 1_790_000_000.0
QUIET = 2_000
"""The lowest loudness of speech, of 32,768."""


class Loud:
    """A voice detector that takes loud audio for speech."""

    def probabilities(self, samples: Samples, memory: Memory) -> NDArray[np.float32]:
        del memory
        loud = np.abs(samples.reshape(-1, WINDOW)).mean(axis=1) > QUIET / 2 / 32_768
        return np.asarray(loud, np.float32)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A chunk and its time of arrival."""

    at: float
    chunk: AudioChunk


def spoken(speaker: str, random: Random) -> Iterator[AudioChunk]:
    """Yield 20 minutes of speech and pauses from a faultless app. One stretch of five minutes has no pause."""
    number, loud = 0, QUIET
    while number * SECONDS < 1_200:
        talk = 750 if number // 750 == 1 else random.randrange(3, 75)
        for place in range(talk + random.randrange(4, 12)):
            loud = loud + 1 if place < talk else loud
            level = loud if place < talk else 0
            data = to_pcm16(np.full(SIZE, level / 32_768, np.float32))
            yield AudioChunk(room="r", speaker=speaker, start=NOW + number * SECONDS, sequence=number, data=data)
            number += 1


def hurt(stream: list[AudioChunk], random: Random) -> Iterator[Arrival]:
    """Yield the chunks with faults: lost, repeated, misordered or misdated chunks, clock jumps, new sessions, mutes."""
    shift, first, wait = 0.0, 0, 0.0
    stray: AudioChunk | None = None
    for place, plain in enumerate(stream):
        fault, way = random.random(), random.random()
        if fault < 0.002:
            shift -= 3_600
        elif fault < 0.004:
            shift, wait = shift + 10, wait + 10
        elif fault < 0.006:
            shift, first = shift - random.uniform(0, 5), place
            stray = structs.replace(plain, sequence=place + 3)
        chunk = structs.replace(plain, sequence=place - first, start=plain.start + shift)
        chunk = structs.replace(chunk, start=NOW + 3e8) if 0.006 <= fault < 0.01 else chunk
        at = plain.start + wait
        if way > 0.01:
            yield Arrival(at + (random.uniform(0.5, 1.5) if way < 0.05 else 0), chunk)
        if way > 0.97:
            yield Arrival(at + random.uniform(0, 3), chunk)
        if stray and place == first + 2:
            yield Arrival(at, structs.replace(stray, data=b""))


@dataclass
class Clock:
    now: float = NOW

    def __call__(self) -> float:
        return self.now


class Hour:
    """Handles arrivals as the loop does, one second at a time, and measures how many records are held."""

    def __init__(self) -> None:
        self.clock, self.metrics = Clock(), Metrics()
        self.segment = Segment(Audio(), self.metrics, cast(Vad, Loud()), self.clock)
        self.ledger: Ledger[int, int] = Ledger()
        self.acknowledged: list[int] = []
        self.heard: Counter[tuple[str, int]] = Counter()
        """Samples of each speaker's chunks, by loudness."""
        self.most_records, self.most_seconds = 0, 0.0

    def carry(self, arrivals: list[Arrival]) -> None:
        for offset, arrival in enumerate(arrivals):
            while self.clock.now < arrival.at:
                self.clock.now += 1
                self._take(self.segment.tick(self.clock.now))
            self.ledger.add(0, offset, (arrival.chunk.room, arrival.chunk.speaker))
            self._take(self.segment.process([arrival.chunk]))
        self._take(self.segment.drain())

    def _take(self, results: Sequence[object]) -> None:
        for result in results:
            assert isinstance(result, Utterance)
            levels, counts = np.unique(np.rint(np.abs(decode_flac(result.data)) * 32_768), return_counts=True)
            keys = [(result.speaker, level) for level in levels.astype(int).tolist()]
            self.heard.update(dict(zip(keys, counts.tolist(), strict=True)))
        self.acknowledged += self.ledger.finished(lambda _, speaker: self.segment.needed(*speaker))
        self.most_records = max(self.most_records, len(self.ledger))
        self.most_seconds = max(self.most_seconds, *self.segment.held_seconds(), 0.0)

    def faults(self, result: str) -> float:
        return self.metrics.registry.get_sample_value("voxwarden_sequence_faults_total", {"result": result}) or 0


def loudness(arrival: Arrival) -> tuple[str, int]:
    return arrival.chunk.speaker, int(np.frombuffer(arrival.chunk.data, "<i2").max(initial=0))


def test_an_hour_of_faults_loses_no_speech_and_blocks_no_commits() -> None:
    hour, random = Hour(), Random(1)  # noqa: S311
    arrivals = [each for name in ("ann", "bo", "cy") for each in hurt(list(spoken(name, random)), random)]
    arrivals.sort(key=lambda arrival: arrival.at)
    hour.carry(arrivals)
    sent = {key for key in map(loudness, arrivals) if key[1]}
    lost = [key for key in sent if hour.heard[key] < SIZE - WINDOW]
    assert len(sent) > 4_000
    assert len(lost) <= hour.faults("late"), "only late audio that segment had given up"
    assert min(map(hour.faults, ("late", "duplicate", "reordered", "gap", "restart", "clock"))) > 0
    assert hour.acknowledged == list(range(len(arrivals)))
    assert hour.most_seconds <= 15
    assert hour.most_records <= 3 * (15 / SECONDS + 20), "three longest utterances, and chunks out of order"
