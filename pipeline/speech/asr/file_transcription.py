"""Transcribes recordings with the transcribe stage, in batches with utterances of several files."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from msgspec import structs

from pipeline.base.errors import AudioError, VoxwardenError
from pipeline.contract.messages import SAMPLE_RATE, AudioChunk, EarlyUtterance, Transcript, Utterance, derive_id
from pipeline.contract.stage import Processor, Rejected
from pipeline.speech.asr.recogniser import MAX_SAMPLES, Samples
from pipeline.speech.audio import vad
from pipeline.speech.audio.container import Part, Rows
from pipeline.speech.audio.decode import read_rows
from pipeline.speech.audio.encode import encode_flac
from pipeline.speech.audio.recording_parts import by_stream, chunks_of, parts_of

SPEAKER = "file"

BATCH_SECONDS = 600.0
"""Seconds of speech in a call of the stage. Of so much, enough clips are alike to be decoded together: English takes
three quarters of the CPU time that it takes in calls of 16 clips. Nobody waits for one utterance, as in a room."""

Advance = Callable[[float], None]
"""A function that receives how many more seconds have been read, for progress bars."""

Found = tuple[Path, Utterance | VoxwardenError]
"""A file, and one of its utterances or its error."""


@dataclass(frozen=True, slots=True)
class UtteranceFiles:
    """Yields the utterances of files, in order. Times start at 0 in each file.

    A damaged file yields its error after its good part. With `whole`, a file of at most 30 s is one utterance.
    """

    paths: Sequence[Path]
    segment: Processor[AudioChunk, Utterance | EarlyUtterance]
    whole: bool = False
    advance: Advance = lambda _: None
    names: Mapping[Path, str] = field(default_factory=dict)
    """Display names of files that are copies, e.g. of standard input."""

    def __iter__(self) -> Iterator[Found]:
        for number, path in enumerate(self.paths):
            try:
                for parts in by_stream(parts_of(path, vad.shared(), self.names.get(path))):
                    # A room for each file, because stages keep their state by room and speaker.
                    for found in self._utterances(path, parts, f"file-{number}"):
                        yield path, found
            except AudioError as error:
                yield path, error

    def _utterances(self, path: Path, parts: Sequence[Part], room: str) -> Iterator[Utterance | VoxwardenError]:
        rows, damage = _short(path, parts, self.names.get(path)) if self.whole else (None, None)
        if rows is None:
            yield from self._cut(path, parts, room)
            return
        for samples in rows:
            self.advance(len(samples) / SAMPLE_RATE)
            if len(samples):
                yield utterance_of(room, samples)
        if damage:
            raise damage

    def _cut(self, path: Path, parts: Sequence[Part], room: str) -> Iterator[Utterance | VoxwardenError]:
        for chunk in chunks_of(path, room, SPEAKER, parts=parts, name=self.names.get(path)):
            for found in self.segment.process([chunk]):
                if not isinstance(found, EarlyUtterance):  # a recording has none
                    yield found.error if isinstance(found, Rejected) else found
            self.advance(len(chunk.data) / 2 / SAMPLE_RATE)  # chunks have 16-bit samples


def transcribed(
    recordings: UtteranceFiles, stage: Processor[Utterance, Transcript], seconds: float = BATCH_SECONDS
) -> Iterator[tuple[Path, Transcript | VoxwardenError]]:
    """Transcribe the files in order. A call of `stage` gets `seconds` of speech or little more, of one or more files.

    Yields the file with a transcript, or with the error of an utterance or of the file.
    """
    batches = _batches(recordings, seconds)
    # The files of the next call are read while the stage works.
    with ThreadPoolExecutor(1, thread_name_prefix="read") as reader:
        ahead = reader.submit(next, batches, None)
        while batch := ahead.result():
            ahead = reader.submit(next, batches, None)
            results = iter(stage.handle([item for _, item in batch if isinstance(item, Utterance)]))
            for path, item in batch:
                result = next(results) if isinstance(item, Utterance) else item
                yield path, result.error if isinstance(result, Rejected) else result


def _batches(found: Iterable[Found], seconds: float) -> Iterator[list[Found]]:
    batch: list[Found] = []
    speech = 0.0
    for path, item in found:
        batch.append((path, item))
        speech += item.end - item.start if isinstance(item, Utterance) else 0.0
        if speech >= seconds:
            yield batch
            batch, speech = [], 0.0
    if batch:
        yield batch


def _short(path: Path, parts: Sequence[Part], name: str | None) -> tuple[Rows | None, AudioError | None]:
    """All samples of parts of a stream, and the error that ended them. The samples are None if they exceed 30 s."""
    blocks: list[Rows] = [np.empty((len(parts), 0), np.float32)]  # `concatenate` needs at least one array
    damage: AudioError | None = None
    try:
        for block in read_rows(path, parts, name):
            blocks.append(block)
            if sum(block.shape[1] for block in blocks) > MAX_SAMPLES:
                return None, None
    except AudioError as error:
        damage = error
    return np.concatenate(blocks, axis=1), damage


def utterance_of(room: str, samples: Samples) -> Utterance:
    """An utterance of all `samples`, shape (samples,), 16 kHz. It starts at 0 s."""
    seconds = len(samples) / SAMPLE_RATE
    bare = Utterance(room=room, speaker=SPEAKER, start=0.0, end=seconds, id="", data=encode_flac(samples))
    return structs.replace(bare, id=derive_id("segment", bare))
