"""The room and the noise between a speaker and a microphone."""

from collections.abc import Mapping
from math import sqrt
from pathlib import Path
from random import Random
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.base.errors import ConfigError
from pipeline.contract.messages import SAMPLE_RATE
from pipeline.speech.asr.recogniser import Samples
from pipeline.speech.audio.decode import samples_of
from pipeline.speech.audio.encode import encode_flac
from training.speech.sounds import SEED, SOUNDS

SURROUNDINGS: Mapping[str, int] = {"quiet": 12, "room": 2, "noise": 3, "room and noise": 3}
"""How often each kind is drawn, out of twenty."""
SNR = (5.0, 20.0)
"""Signal-to-noise ratio in decibels."""
SILENCE = 1e-12
"""Samples with less power than this are not amplified."""
REVERBERATION = (0.15, 0.3, 0.5, 0.8)
"""Reverberation times (60 dB) in seconds, from a bedroom to a hall."""
NOISES = ("pink", "brown", "hum", "knocks", "music")
NOISE_SECONDS = 20


class Surroundings(NamedTuple):
    kind: str
    room: Path | None
    """A room impulse response."""
    noise: Path | None
    snr: float
    """Decibels."""
    at: float
    """Where the noise starts, as a share of its length."""


def furnish(folder: Path) -> Path:
    """Make room impulse responses and noises, always the same, and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(SEED)
    for seconds in REVERBERATION:
        fading = echo(random, seconds, 0.1)
        fading[0] = 1.0
        (folder / f"rirs_{seconds}.flac").write_bytes(encode_flac((fading / 2).astype(np.float32)))
    for name in NOISES:
        noise = SOUNDS[name](random, NOISE_SECONDS * SAMPLE_RATE).clip(-1, 1)
        (folder / f"noise_{name}.flac").write_bytes(encode_flac(noise))
    return folder


def echo(random: np.random.Generator, seconds: float, level: float) -> NDArray[np.float64]:
    """Noise that fades by 60 dB in `seconds`."""
    size = round(seconds * SAMPLE_RATE)
    return random.normal(size=size) * 10 ** (-3 * np.arange(size) / size) * level


def surroundings(text: str, folder: Path) -> Surroundings:
    """The surroundings of a text, always the same, from the files `rirs_*` and `noise_*` of a folder.

    Raises ConfigError if the folder has none.
    """
    rooms, noises = sorted(folder.glob("rirs_*")), sorted(folder.glob("noise_*"))
    if not rooms or not noises:
        raise ConfigError(f"--noise: no rirs_* or no noise_* in {folder}", "Name a folder that has both.")
    random = Random(f"around: {text}")
    (kind,) = random.choices([*SURROUNDINGS], [*SURROUNDINGS.values()])
    room, noise, snr, at = random.choice(rooms), random.choice(noises), random.uniform(*SNR), random.random()
    return Surroundings(kind, room if "room" in kind else None, noise if "noise" in kind else None, snr, at)


def among(samples: Samples, around: Surroundings) -> Samples:
    """The speech as a microphone there records it, shape (samples,), limited to full scale."""
    if around.room:
        samples = reverberated(samples, samples_of(around.room))
    if around.noise:
        noise = samples_of(around.noise)
        samples = noisy(samples, np.roll(noise, -int(around.at * len(noise))), around.snr)
    return _times(samples, 1 / max(1.0, float(np.abs(samples).max())))


def reverberated(samples: Samples, impulse: Samples) -> Samples:
    """`samples` in the room of `impulse`, with the same loudness, length and position of the direct sound."""
    size = len(samples) + len(impulse) - 1
    wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(impulse, size), size)
    direct = int(np.abs(impulse).argmax())
    kept = wet[direct : direct + len(samples)].astype(np.float32)
    return _times(kept, sqrt(_power(samples) / max(_power(kept), SILENCE)))


def noisy(samples: Samples, noise: Samples, snr: float) -> Samples:
    """`samples` plus `noise`, which is repeated as needed and `snr` dB quieter on average."""
    under = np.resize(noise, len(samples))
    return samples + _times(under, sqrt(_power(samples) / max(_power(under), SILENCE) / 10 ** (snr / 10)))


def _times(samples: Samples, factor: float) -> Samples:
    return samples * np.float32(factor)


def _power(samples: Samples) -> float:
    return float(np.mean(np.square(samples, dtype=np.float64)))
