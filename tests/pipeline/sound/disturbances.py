"""Disruptive sounds, made from ordinary ones: howl, clipping, loudness. All are 16 kHz mono, shape (samples,)."""

import numpy as np
from numpy.typing import NDArray

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.speech.audio.resample import Samples

Random = np.random.Generator

REVERBERATION = (0.1, 0.5)
"""The least and the longest reverberation time (60 dB) of a room, in seconds."""
DELAY = (0.01, 0.15)
"""Seconds from the loudspeaker to the microphone: from one desk to a phone call."""
TOO_MUCH = (2.0, 10.0)
"""Decibels by which the loop amplifies the room's strongest frequency more than the loop can bear."""
OVERDRIVE = (12.0, 30.0)
"""Decibels by which a clipped wave would be above full scale."""


def howl(random: Random, voice: Samples) -> Samples:
    """What a microphone records that hears `voice` and its own loudspeaker. The amplifier limits softly.

    The loop is computed sample by sample, in blocks of its delay. The frequency is not chosen: it comes from the room.
    """
    delay = round(random.uniform(*DELAY) * SAMPLE_RATE)
    room = _room(random)
    gain = 10 ** (random.uniform(*TOO_MUCH) / 20)
    size = -(-voice.size // delay) * delay
    heard = np.zeros(size + delay + room.size)
    heard[: voice.size] = voice
    for begin in range(0, size, delay):
        played = np.tanh(gain * heard[begin : begin + delay])
        heard[begin + delay : begin + 2 * delay + room.size - 1] += np.convolve(played, room)
    return heard[: voice.size].clip(-1, 1).astype(np.float32)


def _room(random: Random) -> NDArray[np.float64]:
    """The way from loudspeaker to microphone: noise that fades. Its strongest frequency has a gain of one."""
    size = round(random.uniform(*REVERBERATION) * SAMPLE_RATE)
    time = np.arange(size) / size
    way = random.normal(size=size) * 10 ** (-3 * time)
    spectrum = np.fft.rfft(way, 4 * size)
    frequencies = np.fft.rfftfreq(4 * size, 1 / SAMPLE_RATE)
    passed = np.fft.irfft(spectrum * np.exp(-((200 / np.maximum(frequencies, 1)) ** 2) - (frequencies / 6_000) ** 2))
    way = passed[:size]
    levelled: NDArray[np.float64] = way / np.abs(np.fft.rfft(way, 4 * size)).max()
    return levelled


def clipped(random: Random, sound: Samples) -> Samples:
    """The sound, amplified far above full scale, and cut off there."""
    peak = float(np.abs(sound).max(initial=1e-6))
    return (sound / peak * 10 ** (random.uniform(*OVERDRIVE) / 20)).clip(-1, 1).astype(np.float32)


def deafening(random: Random, sound: Samples) -> Samples:
    """The sound behind a limiter that brings every passage to the same high level, without cutting it off."""
    block = SAMPLE_RATE // 20
    whole = np.resize(sound, -(-sound.size // block) * block)
    level = np.sqrt(np.square(whole).reshape(-1, block).mean(axis=1))
    smooth = np.convolve(np.pad(level, 4, "edge"), np.ones(9) / 9, "valid")
    gain = np.interp(np.arange(whole.size), np.arange(level.size) * block + block / 2, 1 / np.maximum(smooth, 1e-3))
    loudest = 10 ** (random.uniform(-7, -3) / 20)
    return np.tanh(1.6 * loudest * gain * whole)[: sound.size].astype(np.float32)
