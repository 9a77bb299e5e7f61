"""Songs, and what happens to them in a room."""

from collections.abc import Sequence
from functools import cache

import numpy as np

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.sound.fingerprints.fingerprint import Ban, Fingerprint, fingerprint
from pipeline.sound.fingerprints.landmark_index import LandmarkIndex
from pipeline.sound.fingerprints.matching import RecordingMatcher, RecordingPlayback, joined_playbacks
from pipeline.speech.audio.decode import read_bytes
from pipeline.speech.audio.encode import encode_opus_clip
from pipeline.speech.audio.resample import Resampler, Samples
from tests.pipeline.sound.songs import song
from tests.pipeline.speech.audio.sound import clip

BITRATE = 16_000
QUIETER = 10.0
"""Decibels by which the talk is quieter than the recording."""
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


def at_speed(sound: Samples, speed: float) -> Samples:
    """The sound as it plays at another speed: faster and higher."""
    if speed == 1:
        return sound
    resampler = Resampler(round(SAMPLE_RATE * speed))
    return np.concatenate([resampler.push(sound), resampler.flush()])


def under_talk(sound: Samples, talk: Samples, random: np.random.Generator) -> Samples:
    """The sound with a random part of the talk."""
    begin = random.integers(talk.size - sound.size)
    part = talk[begin : begin + sound.size]
    factor = np.sqrt(np.mean(sound**2) / max(float(np.mean(part**2)), 1e-9)) * 10 ** (-QUIETER / 20)
    both = sound + factor * part
    mixed: Samples = (both / max(1.0, float(np.abs(both).max()))).astype(np.float32)
    return mixed


def through_opus(sound: Samples) -> Samples:
    pieces = np.array_split(sound, sound.size // (300 * SAMPLE_RATE) + 1)
    return np.concatenate([read_bytes(encode_opus_clip(each, BITRATE), "clip", 600)[0] for each in pieces])
