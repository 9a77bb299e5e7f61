"""Finds the parts of a recording that need separate processing, because the mean of the channels would lose speech.

It also reads a part as audio chunks, as if one speaker had sent it.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from pipeline.base.errors import AudioError
from pipeline.contract.messages import SAMPLE_RATE, AudioChunk
from pipeline.speech.audio.container import MAIN, Part, Rows
from pipeline.speech.audio.decode import facts_of, read_rows
from pipeline.speech.audio.encode import to_pcm16
from pipeline.speech.audio.vad import WINDOW, Memory, Vad

SPEECH, NO_SPEECH = 0.5, 0.3
"""Speech probabilities. Above SPEECH a window is speech. Below NO_SPEECH it certainly is not."""
SHORTEST_WORD = 8
"""Length of the shortest word in windows: a quarter of a second."""
BESIDE = 0.1
"""The other channels can cover a channel's speech if their power is more than this share of the channel's power."""
ALIKE = 0.6
"""Correlation of loudness above which two channels have the same speech, also if one is delayed."""
STRETCH = 31
"""Windows over which the loudness of channels is compared: one second."""
QUIET, USUAL, MAX_GAIN = 0.005, 0.1, 1_000.0
"""If the root mean square of the loudest second is below QUIET, it is amplified to USUAL, at most by MAX_GAIN."""


@dataclass(frozen=True, slots=True)
class _Activity:
    """Speech and loudness of a stream, by window."""

    speech: NDArray[np.float32]
    """Speech probabilities, shape (1 + channels, windows). Row 0 is the mean of the channels, then each channel."""
    loudness: NDArray[np.float32]
    """Loudness of each channel in decibels, shape (channels, windows)."""
    rest: NDArray[np.float32]
    """Loudness of the sum of all other channels in decibels, shape (channels, windows)."""


def parts_of(path: Path, vad: Vad, name: str | None = None, longest: float = math.inf) -> list[Part]:
    """Each audio stream, and each channel whose speech cancels out or is covered in the mean of its stream.

    Only the first `longest` seconds are searched. Raises AudioError with `name` if the file cannot be opened as audio.
    Damage is reported when a part is read.
    """
    found: list[Part] = []
    for stream, channels in enumerate(facts_of(path, name).channels):
        parts = [Part(stream), *_hidden(path, stream, channels, vad, longest)]
        gains = _gains(path, parts, longest)
        found += (replace(part, gain=gain) for part, gain in zip(parts, gains, strict=True))
    return found


def by_stream(parts: Sequence[Part]) -> Iterator[tuple[Part, ...]]:
    """The parts of each stream, which are decoded together."""
    for _, same in groupby(parts, key=lambda part: part.stream):
        yield tuple(same)


def check_one_part(path: Path, vad: Vad) -> None:
    """Raise AudioError if the recording has more than one part. For callers that can process only one."""
    if len(parts_of(path, vad)) > 1:
        raise AudioError(
            f"{path} has several audio streams, or channels that cancel or cover each other",
            "Save each of them as a mono file, and name all files.",
        )


def chunks_of(
    path: Path,
    room: str,
    speaker: str,
    room_type: str = "default",
    start: float = 0.0,
    parts: Sequence[Part] = (MAIN,),
    name: str | None = None,
    longest: float = math.inf,
) -> Iterator[AudioChunk]:
    """Parts of the file as chunks of one second of 16-bit PCM, 16 kHz mono. Chunk n starts at `start` + n seconds.

    `start` is UTC seconds. `Part.of` names the speaker of each part. The last chunk of each is final. Parts of one
    stream come together. A damaged file first yields all chunks that could be decoded, with final ones. Then it raises
    AudioError with `name`, also after `longest` seconds.
    """
    damage: AudioError | None = None
    for same in by_stream(parts):
        held: list[AudioChunk] = []  # held back, because only the last chunks are final
        try:
            for sequence, block in enumerate(read_rows(path, same, name)):
                if sequence + block.shape[1] / SAMPLE_RATE > longest:
                    raise AudioError(f"{name or path} is longer than {longest:g} s", "Send it in parts.")
                yield from held
                held = [
                    AudioChunk(
                        room=room,
                        speaker=part.of(speaker),
                        room_type=room_type,
                        start=start + sequence,
                        sequence=sequence,
                        sample_rate=SAMPLE_RATE,
                        data=to_pcm16(samples),
                    )
                    for part, samples in zip(same, block, strict=True)
                ]
        except AudioError as error:
            damage = error
        yield from (structs.replace(chunk, final=True) for chunk in held)
    if damage:
        raise damage


def _lost(activity: _Activity) -> Iterator[int]:
    """The smallest set of channels that hold all speech that is missing in the mean."""
    missing = activity.speech[0] < NO_SPEECH
    while True:
        # Greedy set cover: take the channel with the most of the speech that is still missing.
        added = ((activity.speech[1:] > SPEECH) & missing).sum(axis=1)
        best = int(added.argmax())
        if added[best] < SHORTEST_WORD:
            return
        missing &= activity.speech[1 + best] < NO_SPEECH
        yield best


def _covered(activity: _Activity) -> Iterator[int]:
    """The channels whose speech is covered by different sound in the other channels."""
    for channel, speech in enumerate(activity.speech[1:]):
        own, rest = activity.loudness[channel], activity.rest[channel]
        beside = (speech > SPEECH) & (rest > own + 10 * np.log10(BESIDE))
        stretches = (slice(at, at + STRETCH) for at in range(0, speech.size, STRETCH))
        covered = sum(int(beside[each].sum()) for each in stretches if not _alike(own[each], rest[each]))
        if covered >= 2 * SHORTEST_WORD:
            yield channel


def _alike(own: NDArray[np.float32], rest: NDArray[np.float32]) -> bool:
    spread = float(own.std() * rest.std())
    # Constant loudness has no correlation. It counts as alike.
    return spread < 1e-3 or float(((own - own.mean()) * (rest - rest.mean())).mean()) / spread > ALIKE


def _hidden(path: Path, stream: int, channels: int, vad: Vad, longest: float) -> list[Part]:
    """The channels of a stream whose speech its mean would lose."""
    if channels < 2:
        return []
    activity = _activity_of(path, stream, channels, vad, longest)
    return [Part(stream, channel) for channel in sorted({*_lost(activity), *_covered(activity)})]


def _activity_of(path: Path, stream: int, channels: int, vad: Vad, longest: float) -> _Activity:
    parts = [Part(stream), *(Part(stream, channel) for channel in range(channels))]
    memories = [Memory() for _ in parts]
    nothing = np.zeros((channels, 0), np.float32)
    found = [(np.zeros((len(parts), 0), np.float32), nothing, nothing)]
    for block in _blocks(path, parts, longest):
        rows = np.pad(block, ((0, 0), (0, -block.shape[1] % WINDOW)))
        speech = np.stack([vad.probabilities(row, memory) for row, memory in zip(rows, memories, strict=True)])
        rest = rows[:1] * channels - rows[1:]  # sum of all channels, without the own one
        found.append((speech, _decibels(rows[1:]), _decibels(rest)))
    return _Activity(*(np.concatenate(each, axis=1) for each in zip(*found, strict=True)))


def _blocks(path: Path, parts: Sequence[Part], longest: float) -> Iterator[Rows]:
    """The blocks of the first `longest` seconds, as far as they can be decoded."""
    with suppress(AudioError):  # reported when the part is read
        for number, block in enumerate(read_rows(path, parts)):
            if number >= longest:
                return
            yield block


def _decibels(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    windows = rows.reshape(len(rows), -1, WINDOW)
    return np.asarray(10 * np.log10((windows**2).mean(axis=2) + 1e-9), np.float32)


def _gains(path: Path, parts: Sequence[Part], longest: float) -> list[float]:
    """The gain of each part of a stream. Reads until all parts are loud enough."""
    loudest = np.zeros(len(parts))
    for block in _blocks(path, parts, longest):
        loudest = np.maximum(loudest, np.sqrt((block**2).mean(axis=1)))
        if (loudest >= QUIET).all():
            break
    return [min(MAX_GAIN, USUAL / most) if 0 < most < QUIET else 1.0 for most in loudest.tolist()]
