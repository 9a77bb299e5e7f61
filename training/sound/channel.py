"""What lies between a mouth and the server: a room, a microphone, its noise, a codec."""

import numpy as np

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.speech.audio.encode import decode_flac, encode_opus_clip
from pipeline.speech.audio.resample import Samples

Random = np.random.Generator


def in_room(random: Random, sound: Samples) -> Samples:
    """The sound with an echo: noise that fades by 60 dB."""
    size, level = round(random.uniform(0.1, 0.6) * SAMPLE_RATE), random.uniform(0.02, 0.1)
    room = random.normal(size=size) * 10 ** (-3 * np.arange(size) / size) * level
    room[0] = 1.0
    padded = 1 << (sound.size + size).bit_length()
    reverberated = np.fft.irfft(np.fft.rfft(sound, padded) * np.fft.rfft(room, padded))
    return reverberated[: sound.size].astype(np.float32)


def tilted(sound: Samples, per_octave: float, highest: float, padded: int) -> Samples:
    """The sound with a tilt of its spectrum in decibels per octave from 1 kHz, and nothing above `highest` Hz.

    `padded` is at least its size, and a number for which the Fourier transform is fast.
    """
    spectrum = np.fft.rfft(sound, padded)
    hertz = np.maximum(np.fft.rfftfreq(padded, 1 / SAMPLE_RATE), 50)
    gains = 10 ** (per_octave * np.log2(hertz / 1_000).clip(-2, 2) / 20) / (1 + (hertz / highest) ** 16)
    found: Samples = np.fft.irfft(spectrum * gains)[: sound.size].astype(np.float32)
    return found


def coded(sound: Samples, bitrate: int) -> Samples:
    """The sound after Opus, with the same size."""
    return np.resize(decode_flac(encode_opus_clip(sound, bitrate)), sound.size)


def levelled(sound: Samples) -> Samples:
    """The sound with a root mean square of 1."""
    return sound / max(float(np.sqrt(np.square(sound).mean())), 1e-6)


def gain(decibels: float) -> float:
    return float(10 ** (decibels / 20))
