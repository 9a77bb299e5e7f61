"""Reads a recording as audio chunks, as if one speaker had sent it."""

from collections.abc import Iterator
from pathlib import Path

from pipeline.base.errors import AudioError
from pipeline.contract.messages import SAMPLE_RATE, AudioChunk
from pipeline.speech.audio.container import MAIN, Part
from pipeline.speech.audio.decode import read_file
from pipeline.speech.audio.encode import to_pcm16
from pipeline.speech.audio.resample import Samples


def chunks_of(
    path: Path,
    room: str,
    speaker: str,
    room_type: str = "default",
    start: float = 0.0,
    part: Part = MAIN,
    name: str | None = None,
) -> Iterator[AudioChunk]:
    """One part of the file as chunks of one second of 16-bit PCM, 16 kHz mono. Chunk n starts at `start` + n seconds.

    `start` is UTC seconds. The last chunk is final. A damaged file first yields all chunks that could be decoded, with
    a final one. Then it raises AudioError with `name`.
    """
    held: Samples | None = None
    sequence = 0

    def chunk(samples: Samples, *, final: bool) -> AudioChunk:
        return AudioChunk(
            room=room,
            speaker=speaker,
            room_type=room_type,
            start=start + sequence,
            sequence=sequence,
            sample_rate=SAMPLE_RATE,
            final=final,
            data=to_pcm16(samples),
        )

    damage: AudioError | None = None
    try:
        for block in read_file(path, part, name):
            if held is not None:
                yield chunk(held, final=False)
                sequence += 1
            held = block
    except AudioError as error:
        damage = error
    if held is not None:
        yield chunk(held, final=True)
    if damage:
        raise damage
