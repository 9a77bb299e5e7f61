"""Makes the adapter's training clips: training lines and ordinary talk in synthesised voices, rooms and noise.

All lines come from the training side. Each voice is a mix of two of Kokoro's voices, and rooms and noise are made here.
So a clip shares no line, voice, room or noise with the test sets.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import numpy as np
from rich.progress import track

from pipeline.base.cpu_cores import cores
from pipeline.contract.messages import SAMPLE_RATE
from pipeline.speech.asr import whisper_adapter
from pipeline.speech.asr.recogniser import Samples
from pipeline.speech.asr.whisper_input import as_trained, log_mel, with_margin
from pipeline.speech.audio.decode import samples_of
from training.adapter.teach import Taught
from training.classifier.sets import read
from training.classifier.sides import split
from training.commands import notes
from training.speech.recordings import Line, TrainingLine, recording
from training.speech.sounds import SOUNDS
from training.speech.surroundings import NOISE_SECONDS, NOISES, echo, noisy, reverberated

LANGUAGE = "zh"
SETS = ("authored", "kdconv", "crosswoz", "teleantifraud")
LENGTHS = range(5, 33)
"""Characters in a line."""
MOST_SECONDS = whisper_adapter.LONGEST - 1
"""Longer clips are not trained on, because Whisper transcribes them without the adapter."""
PACED = 0.7
"""Share of the clips that are played faster or slower."""
PACES = (0.85, 1.35)
JOINED = 0.25
"""Share of the clips that join a line with the next ones. People do not pause after each sentence."""
MOST_JOINED = 3
PAUSES = (0.1, 0.8)
"""Seconds between joined lines."""
KINDS = ("quiet", "quiet", "quiet", "room", "noise", "room and noise", "room and noise")
SNR = (3.0, 20.0)
"""Signal-to-noise ratio in decibels."""
BABBLE = 0.3
"""Share of the noises that are other lines."""
VOICES_OF_BABBLE = 4
FADING = (0.15, 1.0)
"""Reverberation time: seconds until the room's sound has faded by 60 dB."""
REFLECTED = (0.03, 0.15)
"""Loudness of the reverberation, relative to the direct sound."""
FIRST_REFLECTION = 0.0125
"""Maximum delay of the first reflection, in seconds."""


def lines(data: Path, count: int) -> list[Line]:
    """`count` lines, in the order of a hash, so that new lines change few of the selected ones."""
    rows = [row for row in split([*read(data, SETS)])["train"] if row.language == LANGUAGE]
    found: list[Line] = [TrainingLine(LANGUAGE, row.source, row.text) for row in rows if len(row.text) in LENGTHS]
    return sorted(found, key=lambda line: line.id)[:count]


def clip(wanted: Sequence[Line], audio: Path, at: int, take: int) -> tuple[str, Samples]:
    """The text and the samples of one take of a line. The result is deterministic."""
    random = Random(f"{take}: {wanted[at].text}")
    spoken = wanted[at : at + (random.randint(2, MOST_JOINED) if random.random() < JOINED else 1)]
    samples = joined([samples_of(recording(audio, line)) for line in spoken], random)
    if random.random() < PACED:
        samples = paced(samples, random.uniform(*PACES))
    kind = random.choice(KINDS)
    if "room" in kind:
        samples = reverberated(samples, room(random))
    if "noise" in kind:
        samples = noisy(samples, noise(wanted, audio, random), random.uniform(*SNR))
    return "，".join(line.text for line in spoken), samples / max(np.float32(1), np.abs(samples).max())


def room(random: Random) -> Samples:
    """An impulse response: the direct sound, then after a gap noise that fades."""
    seconds = random.uniform(*FADING)
    impulse = echo(_dice(random), seconds, random.uniform(*REFLECTED))
    impulse[: round(random.uniform(0, FIRST_REFLECTION) * SAMPLE_RATE)] = 0.0
    impulse[0] = 1.0
    return (impulse / 2).astype(np.float32)


def noise(wanted: Sequence[Line], audio: Path, random: Random) -> Samples:
    """Other speech, or one of the generated noises."""
    if random.random() < BABBLE:
        others = random.sample(wanted, min(random.randint(1, VOICES_OF_BABBLE), len(wanted)))
        clips = [samples_of(recording(audio, line)) for line in others]
        together: Samples = np.sum([np.resize(one, max(map(len, clips))) for one in clips], axis=0, dtype=np.float32)
        return together
    return SOUNDS[random.choice(NOISES)](_dice(random), NOISE_SECONDS * SAMPLE_RATE).clip(-1, 1)


def _dice(random: Random) -> np.random.Generator:
    return np.random.default_rng(random.getrandbits(32))


def paced(samples: Samples, pace: float) -> Samples:
    """`samples` played `pace` times as fast, which also raises the pitch."""
    places = np.arange(0, len(samples) - 1, pace)
    found: Samples = np.interp(places, np.arange(len(samples)), samples).astype(np.float32)
    return found


def joined(spoken: Sequence[Samples], random: Random) -> Samples:
    """Lines in sequence, with pauses between them."""
    sounds: list[Samples] = []
    for samples in spoken:
        sounds += [samples, np.zeros(round(random.uniform(*PAUSES) * SAMPLE_RATE), np.float32)]
    return np.concatenate(sounds[:-1])


def taught(text: str, samples: Samples, bands: int) -> Taught:
    mel = log_mel(samples, bands)
    return Taught(text, len(samples) / SAMPLE_RATE, as_trained(mel, with_margin(mel)).astype(np.float16))


def training_clips(wanted: Sequence[Line], audio: Path, bands: int, takes: int) -> Iterator[Taught]:
    """The clips of all lines, `takes` of each. Clips that are too long are skipped."""

    def of(at: int) -> list[Taught]:
        found = [clip(wanted, audio, at, take) for take in range(takes)]
        return [taught(*each, bands) for each in found if len(each[1]) <= MOST_SECONDS * SAMPLE_RATE]

    with ThreadPoolExecutor(cores()) as pool:
        for some in track(pool.map(of, range(len(wanted))), "clips", len(wanted), console=notes):
            yield from some
