"""Songs, and what happens to them in a room."""

from collections.abc import Sequence
from functools import cache

import numpy as np

from benchmarks.songs import song
from pipeline.contract.messages import SAMPLE_RATE
from pipeline.sound.fingerprints.fingerprint import Ban, Fingerprint, fingerprint
from pipeline.sound.fingerprints.landmark_index import LandmarkIndex
from pipeline.sound.fingerprints.matching import RecordingMatcher, RecordingPlayback, joined_playbacks
from pipeline.speech.audio.resample import Samples
from tests.pipeline.speech.audio.sound import clip

BAN = Ban(title="A song", reason="a test", added_by="lin", added_at=1.8e9)


@cache
def tune(seed: int, seconds: float = 20.0) -> Samples:
    """A song. Each seed is another one."""
    return song(np.random.default_rng(seed), round(seconds * SAMPLE_RATE))


@cache
def banned(seed: int) -> Fingerprint:
    """The fingerprint of a song."""
    return fingerprint([tune(seed)], BAN)


def part(sound: Samples, begin: float, end: float) -> Samples:
    """The samples between two times in seconds."""
    return sound[round(begin * SAMPLE_RATE) : round(end * SAMPLE_RATE)]


def talk(size: int) -> Samples:
    """Speech of that many samples."""
    return np.resize(np.concatenate([clip("sense-and-sensibility"), clip("queue-periodic-announce")]), size)


def heard(sound: Samples, fingerprints: Sequence[Fingerprint]) -> list[RecordingPlayback]:
    """The playbacks in a stream."""
    matcher = RecordingMatcher(LandmarkIndex(fingerprints))
    return [*joined_playbacks([*matcher.push(sound), *matcher.flush()])]
