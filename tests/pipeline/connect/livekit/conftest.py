"""A LiveKit server for all tests of this folder, and a gateway that keeps what it hears."""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import numpy as np
import pytest

from pipeline.connect.livekit.microphone import Speech
from pipeline.contract.messages import SAMPLE_RATE
from tests.livekit import RATE, LiveKit

LOUD = 3_000


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveKit]:
    with LiveKit(tmp_path_factory.mktemp("livekit")) as running:
        yield running


class KeptSpeech:
    """The speech of one speaker, from one reader."""

    dropped_seconds = 0.0

    def __init__(self) -> None:
        self._pcm = b""
        self.heard_by: int | None = None
        self.open = True

    async def send(self, frame: bytes) -> None:
        self._pcm += frame

    async def end_speech(self) -> None:
        """Keeps nothing: the audio is the same."""

    async def listeners(self, number: int) -> None:
        self.heard_by = number

    @property
    def seconds(self) -> float:
        return len(self._pcm) / (2 * SAMPLE_RATE)

    def loud_seconds(self, hertz: float) -> float:
        """The seconds in which a tone of about this frequency is heard."""
        blocks = np.frombuffer(self._pcm, np.int16)[: len(self._pcm) // 640 * 320].reshape(-1, 320)
        loud = blocks[np.abs(blocks).max(axis=1, initial=0) > LOUD]
        pitch = np.abs(np.fft.rfft(loud, 4_096, axis=1)).argmax(axis=1) * SAMPLE_RATE / 4_096 if len(loud) else loud
        return float((np.abs(pitch - hertz) < 40).sum()) * 320 / SAMPLE_RATE


class KeepingGateway:
    """Keeps the speech of all speakers, by room and identity. A reader that follows another one is one more entry."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], list[KeptSpeech]] = defaultdict(list)

    @asynccontextmanager
    async def speech(self, room: str, speaker: str) -> AsyncIterator[Speech]:
        speeches = self.kept[room, speaker]
        assert not any(each.open for each in speeches), "two connections of one speaker"
        speeches.append(KeptSpeech())
        try:
            yield speeches[-1]
        finally:
            speeches[-1].open = False

    def loud_seconds(self, room: str, speaker: str, hertz: float) -> float:
        return sum(each.loud_seconds(hertz) for each in self.kept[room, speaker])


@pytest.fixture
def gateway() -> KeepingGateway:
    return KeepingGateway()


def tone(hertz: float, seconds: float) -> bytes:
    """16-bit PCM at the rate of the microphones."""
    samples = 12_000 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)
    return samples.astype(np.int16).tobytes()
