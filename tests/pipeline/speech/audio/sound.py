"""Real speech for tests, in any container."""

import io
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

import av
import numpy as np

from pipeline.base.errors import AudioError
from pipeline.contract.messages import SAMPLE_RATE, AudioChunk
from pipeline.speech.audio.decode import samples_of
from pipeline.speech.audio.resample import Samples

DATA = Path(__file__).parents[3] / "data"


@cache
def clip(name: str) -> Samples:
    """A clip from tests/data, 16 kHz mono."""
    return samples_of(DATA / f"{name}.flac")


def silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * SAMPLE_RATE), np.float32)


def recording(samples: Samples, container: str, codec: str, rate: int = SAMPLE_RATE, layout: str = "mono") -> bytes:
    """Speech as a whole file. All channels have the same samples."""
    file = io.BytesIO()
    frame = av.AudioFrame.from_ndarray(samples[None], format="flt", layout="mono")
    frame.sample_rate = SAMPLE_RATE
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate, layout=layout)
        assert isinstance(stream, av.AudioStream)
        spread = av.AudioResampler(format=stream.format.name, layout=layout, rate=rate)
        for piece in [*spread.resample(frame), *spread.resample(None)]:
            output.mux(stream.encode(piece))
        output.mux(stream.encode(None))
    return file.getvalue()


def chunks(
    samples: Samples, sizes: list[int], room: str = "r", speaker: str = "s", start: float = 0.0
) -> list[AudioChunk]:
    """The samples as chunks of float PCM with the given sizes. The last, final chunk has all remaining samples."""
    edges = [0, *np.cumsum(sizes, dtype=int).tolist(), samples.size]
    return [
        AudioChunk(
            room=room,
            speaker=speaker,
            start=start + begin / SAMPLE_RATE,
            sequence=number,
            codec="pcm_f32le",
            final=number == len(edges) - 2,
            data=samples[begin:end].tobytes(),
        )
        for number, (begin, end) in enumerate(pairwise(edges))
    ]


def seconds(samples: Samples, start: float = 0.0) -> list[AudioChunk]:
    """The samples in chunks of one second. The last chunk is final."""
    return chunks(samples, [SAMPLE_RATE] * ((samples.size - 1) // SAMPLE_RATE), start=start)


def until_error(blocks: Iterator[Samples]) -> tuple[Samples, AudioError]:
    """The samples before the error. Fails if there is no error."""
    heard: list[Samples] = []
    try:
        heard.extend(blocks)
    except AudioError as error:
        return np.concatenate(heard), error
    raise AssertionError("No error came")
