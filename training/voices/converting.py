"""Converts a person's speech, as voice changers and vocoders do: by rule, without weights of others.

So both classes have the same people, texts and microphones, and only the voice differs.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.speech.audio.resample import Samples
from training.sound.channel import Random
from training.sound.vocoder import FRAME, STEP, Wave, harmonics, joined, spectra

Powers = NDArray[np.float64]
"""Magnitudes, shape (frames, bins)."""

ROUNDS = (8, 48)
"""Of Griffin and Lim's method: few sound hoarse, many nearly natural."""
MEL_BANDS = (60, 100)
LOWEST, HIGHEST = 60, 400
"""The pitch of voices in Hz."""
VOICED = 0.35
"""Autocorrelation at the pitch, as a ratio to the power, from which a frame is voiced."""
LIFTER = 40
"""Samples of the cepstrum that make the envelope: 2.5 ms."""


def converted(random: Random, speech: Samples) -> Samples:
    """The speech, shape (samples,), in a converted voice. A little at the edges may be lost."""
    names = sorted(CONVERTERS)
    return CONVERTERS[names[random.integers(len(names))]](random, speech)


def from_mel(random: Random, speech: Samples) -> Samples:
    """Through a mel spectrogram and back. The phases are guessed (Griffin and Lim 1984), as in early neural voices."""
    found = np.abs(spectra(speech.astype(np.float64)))
    bands = _mel(int(random.integers(*MEL_BANDS)))
    wanted = np.maximum(found @ bands @ np.linalg.pinv(bands), 1e-9)
    frames = wanted * np.exp(2j * np.pi * random.random(wanted.shape))
    for _ in range(int(random.integers(*ROUNDS))):
        again = spectra(joined(frames).astype(np.float64))[: len(frames)]
        frames = wanted * again / np.maximum(np.abs(again), 1e-12)
    return joined(frames)


def vocoded(random: Random, speech: Samples) -> Samples:
    """A source and a filter: pulses at the pitch, or noise, through the envelope. Pitch and formants may move."""
    frames = speech.astype(np.float64)
    found = np.abs(spectra(frames))
    pitch, voiced = _pitch(found)
    envelope = _envelope(found)
    if random.random() < 0.6:
        envelope = _stretched(envelope, random.uniform(0.82, 1.22))
        pitch = pitch * random.uniform(0.6, 1.7)
    if random.random() < 0.2:
        pitch = np.full_like(pitch, np.median(pitch))
    size = len(pitch) * STEP + FRAME
    melody = np.interp(np.arange(size), np.arange(len(pitch)) * STEP + FRAME / 2, pitch)
    pulses, noise = spectra(harmonics(melody)), spectra(random.normal(0, 1, size))
    hertz = np.arange(envelope.shape[1]) * SAMPLE_RATE / FRAME
    highest = random.uniform(3_000, 7_500)
    buzz = voiced[:, None] / (1 + (hertz / highest) ** 8)
    count = len(pitch)
    level = np.sqrt(STEP)
    return joined(envelope * (pulses[:count] * buzz + noise[:count] * (1 - buzz + random.uniform(0, 0.1))) / level)


def shifted(random: Random, speech: Samples) -> Samples:
    """Another pitch, by a phase vocoder and resampling, as voice changers do. Half of them keep the formants."""
    factor = float(random.choice([random.uniform(0.65, 0.87), random.uniform(1.15, 1.7)]))
    found = spectra(speech.astype(np.float64))
    if random.random() < 0.5:
        envelope = _envelope(np.abs(found))
        found = found / envelope * _stretched(envelope, 1 / factor)
    slower = joined(_spread(found, factor)).astype(np.float64)
    at = np.arange(0, slower.size - 1, factor)
    made: Samples = np.interp(at, np.arange(slower.size), slower).astype(np.float32)
    return made


CONVERTERS: Mapping[str, Callable[[Random, Samples], Samples]] = {
    "from_mel": from_mel,
    "shifted": shifted,
    "vocoded": vocoded,
}


def _spread(frames: NDArray[np.complex128], slower: float) -> NDArray[np.complex128]:
    """The frames of the same sound, `slower` times as long (Flanagan and Golden 1966)."""
    at = np.arange(0, len(frames) - 1, 1 / slower)
    whole = at.astype(int)
    rest = (at - whole)[:, None]
    size = np.abs(frames[whole]) * (1 - rest) + np.abs(frames[whole + 1]) * rest
    expected = 2 * np.pi * STEP * np.arange(frames.shape[1]) / FRAME
    turn = np.angle(frames[whole + 1]) - np.angle(frames[whole]) - expected
    turn = expected + turn - 2 * np.pi * np.round(turn / (2 * np.pi))
    phase = np.angle(frames[0]) + np.concatenate([np.zeros((1, frames.shape[1])), np.cumsum(turn, axis=0)[:-1]])
    found: NDArray[np.complex128] = size * np.exp(1j * phase)
    return found


def _pitch(found: Powers) -> tuple[Wave, Wave]:
    """The pitch of each frame in Hz, and whether it is voiced, smoothed: both of shape (frames,)."""
    periods = np.fft.irfft(np.square(found))
    first, last = SAMPLE_RATE // HIGHEST, SAMPLE_RATE // LOWEST
    best = first + periods[:, first:last].argmax(axis=1)
    strength = periods[np.arange(len(best)), best] / np.maximum(periods[:, 0], 1e-12)
    voiced = strength > VOICED
    hertz = SAMPLE_RATE / best
    if not voiced.any():
        return np.full(len(best), 150.0), np.zeros(len(best))
    at = np.arange(len(best))
    steady = np.interp(at, at[voiced], hertz[voiced])
    near = np.lib.stride_tricks.sliding_window_view(np.pad(steady, 2, "edge"), 5)
    return np.median(near, axis=1), np.convolve(voiced, np.ones(3) / 3, "same")


def _envelope(found: Powers) -> Powers:
    cepstra = np.fft.irfft(np.log(found + 1e-6))
    cepstra[:, LIFTER:-LIFTER] = 0
    envelope: Powers = np.exp(np.fft.rfft(cepstra).real)
    return envelope


def _stretched(envelope: Powers, factor: float) -> Powers:
    """The envelope with its formants at `factor` times their frequencies."""
    bins = np.arange(envelope.shape[1])
    at = np.minimum(bins / factor, bins[-1])
    low = at.astype(int)
    high = np.minimum(low + 1, bins[-1])
    stretched: Powers = envelope[:, low] * (1 - at + low) + envelope[:, high] * (at - low)
    return stretched


def _mel(count: int) -> Powers:
    """The weight of each bin in each of `count` mel bands, shape (bins, count)."""
    hertz = np.arange(FRAME // 2 + 1) * SAMPLE_RATE / FRAME
    edges = 700 * (10 ** (np.linspace(0, 2_840, count + 2) / 2_595) - 1)
    low = np.minimum(edges[:-2], edges[1:-1] - hertz[1])
    high = np.maximum(edges[2:], edges[1:-1] + hertz[1])
    rising = (hertz[:, None] - low) / (edges[1:-1] - low)
    falling = (high - hertz[:, None]) / (high - edges[1:-1])
    weights: Powers = np.clip(np.minimum(rising, falling), 0, None)
    return weights
