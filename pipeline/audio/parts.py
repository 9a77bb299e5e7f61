"""What of a recording has to be heard by itself, because the mean of the channels of its first stream lacks it."""

from collections.abc import Iterator
from contextlib import suppress
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


def parts_of(path: Path, vad: Vad, name: str | None = None) -> list[Part]:
    """Each audio stream, and each channel with speech that cancels out or drowns in the mean of its stream.

    Raises AudioError for what cannot be opened as audio; it calls the file `name`. Damage shows when a part is read.
    """
    size_of(path, name)
    with path.open("rb") as file, opened(file, name or str(path)) as container:
        channels = [stream.codec_context.channels for stream in container.streams.audio]
    return [part for stream, count in enumerate(channels) for part in _parts(path, stream, count, vad)]


def check_one_part(path: Path, vad: Vad) -> None:
    """For those who can hear but one; raises AudioError if the mean of the first stream is not all."""
    if len(parts_of(path, vad)) > 1:
        raise AudioError(
            f"{path} holds several audio streams, or channels that cancel each other out",
            "Save each as a mono file, and name them all.",
        )


def _parts(path: Path, stream: int, channels: int, vad: Vad) -> Iterator[Part]:
    yield Part(stream)
    if channels > 1:
        for channel in _needed(_speech(path, stream, channels, vad)):
            yield Part(stream, channel)


def _needed(speech: NDArray[np.float32]) -> Iterator[int]:
    """Channels with speech that the mean lacks, the one that adds most first; `speech` is that of `_speech`."""
    unheard = speech[0] < NO_SPEECH
    while True:
        added = ((speech[1:] > SPEECH) & unheard).sum(axis=1)
        best = int(added.argmax())
        if added[best] < SHORTEST_WORD:
            return
        unheard &= speech[1 + best] < NO_SPEECH
        yield best


def _speech(path: Path, stream: int, channels: int, vad: Vad) -> NDArray[np.float32]:
    """Speech probabilities by window, shape (1 + channels, windows): first of the mean, then of each channel."""
    parts = [Part(stream), *(Part(stream, channel) for channel in range(channels))]
    memories = [Memory() for _ in parts]
    found = [np.zeros((len(parts), 0), np.float32)]
    with suppress(AudioError):
        for blocks in zip(*(read_file(path, part) for part in parts), strict=True):
            each = zip(blocks, memories, strict=True)
            found.append(np.stack([vad.probabilities(_windows(block), memory) for block, memory in each]))
    return np.concatenate(found, axis=1)


def _windows(block: Samples) -> Samples:
    return np.pad(block, (0, -block.size % WINDOW))
