"""Makes singing of speech: the vowels and consonants of a speaker, drawn out, on the notes of a melody.

It is a channel vocoder (H. Dudley, "Remaking speech", 1939): the envelope of the speech's spectrum shapes harmonics of
the melody, and noise where the speech hisses. It sounds like a machine, but it has what tells singing from talk: steady
notes, long vowels, vibrato.
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.audio.resample import Samples
from pipeline.messages import SAMPLE_RATE

Random = np.random.Generator
Wave = NDArray[np.float64]

FRAME = 1_024
STEP = FRAME // 4
LIFTER = 40
"""Samples of the cepstrum that make the envelope: 2.5 ms, so that no pitch is left in it."""
SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 7, 9))
"""Major, minor, pentatonic; in semitones."""
PAUSE = 1e-3
"""Speech that is quieter than this ratio to its loudest frame, in power, is left out."""


def sung(random: Random, speech: Samples, size: int) -> Samples:
    """Singing of `size` samples, with the sounds of `speech`, shape (samples,), at least FRAME long."""
    envelope, hiss = _sounds(speech)
    count = size // STEP + 4
    slower = random.uniform(1.3, 3.0)
    at = ((random.integers(len(envelope)) + np.arange(count) / slower) % len(envelope)).astype(int)
    melody = _melody(random, count * STEP + FRAME)
    noise = random.normal(0, 1, melody.size)
    voiced, unvoiced = spectra(harmonics(melody)), spectra(noise)
    share = hiss[at][:, None] + random.uniform(0.02, 0.15)
    return joined(envelope[at] * (voiced[:count] * (1 - hiss[at][:, None]) + unvoiced[:count] * share))[:size]


def _sounds(speech: Samples) -> tuple[Wave, Wave]:
    """The envelope of each frame that sounds, shape (frames, bins), and how much of it is hiss, shape (frames,)."""
    found = np.abs(spectra(speech.astype(np.float64)))
    power = np.square(found).sum(axis=1)
    found = found[power > PAUSE * power.max()]
    cepstra = np.fft.irfft(np.log(found + 1e-6))
    cepstra[:, LIFTER:-LIFTER] = 0
    envelope = np.exp(np.fft.rfft(cepstra).real)
    low = np.square(found[:, : round(1_500 * FRAME / SAMPLE_RATE)]).sum(axis=1)
    return envelope, 1 - low / np.square(found).sum(axis=1)


def spectra(sound: Wave) -> NDArray[np.complex128]:
    """The spectra of frames of FRAME samples, STEP apart: shape (frames, bins)."""
    frames = np.lib.stride_tricks.sliding_window_view(sound, FRAME)[::STEP]
    return np.fft.rfft(frames * np.hanning(FRAME))


def joined(frames: NDArray[np.complex128]) -> Samples:
    """The sound of overlapping frames, with a root mean square of 0.1."""
    sound = np.zeros(len(frames) * STEP + FRAME)
    for number, frame in enumerate(np.fft.irfft(frames) * np.hanning(FRAME)):
        sound[number * STEP : number * STEP + FRAME] += frame
    made: Samples = (0.1 * sound / max(float(np.sqrt(np.square(sound).mean())), 1e-9)).astype(np.float32)
    return made


def _melody(random: Random, size: int) -> Wave:
    """The pitch of each sample in Hz: notes that glide into each other, some with vibrato."""
    scale = SCALES[random.integers(len(SCALES))]
    base, beat = random.uniform(100, 350), random.uniform(0.25, 0.6)
    step, notes, length = int(random.integers(len(scale))), [], 0
    while length < size:
        step = int(np.clip(step + random.integers(-2, 3), -3, len(scale) + 3))
        octave, degree = divmod(step, len(scale))
        samples = round(beat * SAMPLE_RATE * float(random.choice([0.5, 1, 1, 2, 3])))
        notes.append(np.full(samples, 12 * octave + scale[degree], np.float64))
        length += samples
    glide = round(random.uniform(0.03, 0.1) * SAMPLE_RATE)
    semitones = np.convolve(np.concatenate(notes)[: size + glide - 1], np.ones(glide) / glide, "valid")
    semitones = np.pad(semitones, (0, max(0, size - semitones.size)), "edge")
    time = np.arange(size) / SAMPLE_RATE
    semitones = semitones + random.uniform(0, 0.6) * np.sin(2 * np.pi * random.uniform(4.5, 6.5) * time)
    pitch: Wave = base * 2 ** (semitones / 12)
    return pitch


def harmonics(melody: Wave) -> Wave:
    """All overtones below 7 kHz of a pitch, with equal power: the closed form of their sum (Dirichlet's kernel)."""
    half = np.pi * np.cumsum(melody) / SAMPLE_RATE
    count = np.floor(7_000 / melody)
    below = np.sin(half)
    at_peak = np.abs(below) < 1e-6
    kernel = np.where(at_peak, 2 * count + 1, np.sin((2 * count + 1) * half) / np.where(at_peak, 1, below))
    sound: Wave = (kernel - 1) / np.sqrt(2 * count)
    return sound
