"""What of a recording has to be heard by itself, because the mean of the channels of its first stream lacks it."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.audio.container import Part, opened
from pipeline.audio.decode import read_file, size_of
from pipeline.audio.resample import Samples
from pipeline.audio.vad import WINDOW, Memory, Vad
from pipeline.errors import AudioError

SPEECH, NO_SPEECH = 0.5, 0.3
"""Probabilities: a window is speech above the one, and certainly none below the other."""
SHORTEST_WORD = 8
"""Windows: a quarter of a second."""
BESIDE = 0.1
"""A channel's speech drowns in the rest if that is louder than this share of it, and rises and falls otherwise."""
ALIKE = 0.6
"""Correlation of the loudness of two channels with the same speech, also where one has it later than the other."""
STRETCH = 31
"""Windows, a second, over which loudness is compared."""
QUIET, USUAL, MAX_GAIN = 0.005, 0.1, 1_000.0
"""Root mean square of the loudest second: a recording below the first is raised to the second."""


@dataclass(frozen=True, slots=True)
class _Heard:
    """By windows of a stream: of the mean of its channels (row 0), and of each channel (row 1 and on)."""

    speech: NDArray[np.float32]
    """Probabilities, shape (1 + channels, windows)."""
    loudness: NDArray[np.float32]
    """Of each channel, in decibels, shape (channels, windows)."""
    rest: NDArray[np.float32]
    """Of all other channels together, in the same way."""


def parts_of(path: Path, vad: Vad, name: str | None = None) -> list[Part]:
    """Each audio stream, and each channel with speech that cancels out or drowns in the mean of its stream.

    Raises AudioError for what cannot be opened as audio; it calls the file `name`. Damage shows when a part is read.
    """
    size_of(path, name)
    with path.open("rb") as file, opened(file, name or str(path)) as container:
        channels = [stream.codec_context.channels for stream in container.streams.audio]
    found = (part for stream, count in enumerate(channels) for part in _parts(path, stream, count, vad))
    return [replace(part, gain=_gain(path, part)) for part in found]


def check_one_part(path: Path, vad: Vad) -> None:
    """For those who can hear but one; raises AudioError if the mean of the first stream is not all."""
    if len(parts_of(path, vad)) > 1:
        raise AudioError(
            f"{path} holds several audio streams, or channels that cancel or cover each other",
            "Save each as a mono file, and name them all.",
        )


def _parts(path: Path, stream: int, channels: int, vad: Vad) -> Iterator[Part]:
    yield Part(stream)
    if channels > 1:
        heard = _heard(path, stream, channels, vad)
        yield from (Part(stream, channel) for channel in sorted({*_lost(heard), *_covered(heard)}))


def _lost(heard: _Heard) -> Iterator[int]:
    """Channels with speech where the mean has none, as few as hold all of it."""
    unheard = heard.speech[0] < NO_SPEECH
    while True:
        added = ((heard.speech[1:] > SPEECH) & unheard).sum(axis=1)
        best = int(added.argmax())
        if added[best] < SHORTEST_WORD:
            return
        unheard &= heard.speech[1 + best] < NO_SPEECH
        yield best


def _covered(heard: _Heard) -> Iterator[int]:
    """Channels with speech while the rest is as loud, but is not the same speech."""
    for channel, speech in enumerate(heard.speech[1:]):
        own, rest = heard.loudness[channel], heard.rest[channel]
        beside = (speech > SPEECH) & (rest > own + 10 * np.log10(BESIDE))
        stretches = (slice(at, at + STRETCH) for at in range(0, speech.size, STRETCH))
        covered = sum(int(beside[each].sum()) for each in stretches if not _alike(own[each], rest[each]))
        if covered >= 2 * SHORTEST_WORD:
            yield channel


def _alike(own: NDArray[np.float32], rest: NDArray[np.float32]) -> bool:
    spread = float(own.std() * rest.std())
    return spread < 1e-3 or float(((own - own.mean()) * (rest - rest.mean())).mean()) / spread > ALIKE


def _heard(path: Path, stream: int, channels: int, vad: Vad) -> _Heard:
    parts = [Part(stream), *(Part(stream, channel) for channel in range(channels))]
    memories = [Memory() for _ in parts]
    nothing = np.zeros((channels, 0), np.float32)
    found = [(np.zeros((len(parts), 0), np.float32), nothing, nothing)]
    with suppress(AudioError):
        for blocks in zip(*(read_file(path, part) for part in parts), strict=True):
            rows = np.stack([np.pad(block, (0, -block.size % WINDOW)) for block in blocks])
            speech = np.stack([vad.probabilities(row, memory) for row, memory in zip(rows, memories, strict=True)])
            found.append((speech, _decibels(rows[1:]), _decibels(rows[:1] * channels - rows[1:])))
    return _Heard(*(np.concatenate(each, axis=1) for each in zip(*found, strict=True)))


def _decibels(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    windows = rows.reshape(len(rows), -1, WINDOW)
    return np.asarray(10 * np.log10((windows**2).mean(axis=2) + 1e-9), np.float32)


def _gain(path: Path, part: Part) -> float:
    loudest = 0.0
    with suppress(AudioError):
        for block in read_file(path, part):
            loudest = max(loudest, _loudness(block))
            if loudest >= QUIET:
                return 1.0
    return min(MAX_GAIN, USUAL / loudest) if loudest else 1.0


def _loudness(block: Samples) -> float:
    return float(np.sqrt((block**2).mean()))
