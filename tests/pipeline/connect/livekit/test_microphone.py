"""One microphone: what is sent, what is counted, and how it ends. LiveKit's frames are made by hand here."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from livekit import rtc
from livekit.rtc._proto.stats_pb2 import RtcStats

from pipeline.base.errors import InputError
from pipeline.base.metrics import Metrics
from pipeline.connect.livekit.microphone import SILENT_FRAMES, Speech, TrackReader, added
from pipeline.contract.messages import SAMPLE_RATE
from tests.livekit import until

FRAME = SAMPLE_RATE // 10
SOUND, SILENCE = b"\1\2" * FRAME, bytes(2 * FRAME)

END = b"end"


class HandMade:
    """A track, its stream of frames, and the gateway. The clock is at the end of the last frame."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.frames: asyncio.Queue[bytes] = asyncio.Queue()
        self.metrics, self.now, self.sent, self.lost = Metrics(), 100.0, list[bytes](), 0.0
        self.stats = RtcStats()
        self.ended = self.closed = self.muted = False
        self.refusal: Exception | None = None
        monkeypatch.setattr(rtc.AudioStream, "from_track", lambda **given: self)
        self.reader = TrackReader(self, self.speech, self.metrics, 98.0, lambda: self.now)  # type: ignore[arg-type]

    def __aiter__(self) -> "HandMade":
        return self

    async def __anext__(self) -> rtc.AudioFrameEvent:
        data = await self.frames.get()
        self.now += 0.1
        return rtc.AudioFrameEvent(rtc.AudioFrame(data, SAMPLE_RATE, 1, FRAME))

    async def aclose(self) -> None:
        self.closed = True

    async def get_stats(self) -> list[RtcStats]:
        return [RtcStats(), self.stats]

    @asynccontextmanager
    async def speech(self) -> AsyncIterator[Speech]:
        yield self
        self.ended = True

    @property
    def dropped_seconds(self) -> float:
        return self.lost

    async def send(self, frame: bytes) -> None:
        if self.refusal:
            raise self.refusal
        self.sent.append(frame)

    async def end_speech(self) -> None:
        self.sent.append(END)

    async def listeners(self, number: int) -> None:
        self.told = number

    async def hear(self, *frames: bytes) -> None:
        for frame in frames:
            self.frames.put_nowait(frame)
        await until(self.frames.empty)
        await asyncio.sleep(0)

    def unheard(self, reason: str) -> float | None:
        value = self.metrics.registry.get_sample_value
        return value("voxwarden_livekit_unheard_seconds_total", {"reason": reason})


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> HandMade:
    return HandMade(monkeypatch)


async def test_frames_are_sent_until_the_stop_and_the_last_words_arrive(made: HandMade) -> None:
    task = asyncio.create_task(made.reader.run())
    await made.hear(SOUND, SOUND, SOUND)
    await made.reader.tell(7)
    made.lost = 1.5
    made.reader.stop()
    await task
    await made.reader.close()
    assert (made.sent, made.told, made.ended, made.closed) == ([SOUND] * 3, 7, True, True)
    assert made.unheard("start") == pytest.approx(2.0)
    assert (made.unheard("gap"), made.unheard("gateway")) == (0, 1.5)


async def test_a_stop_before_the_start_sends_nothing(made: HandMade) -> None:
    made.reader.stop()
    made.frames.put_nowait(SOUND)
    await made.reader.run()
    await made.reader.tell(7)
    assert (made.sent, made.ended) == ([], True)


async def test_long_silence_is_left_out_and_what_follows_is_not(made: HandMade) -> None:
    task = asyncio.create_task(made.reader.run())
    await made.hear(SOUND, *[SILENCE] * (SILENT_FRAMES + 50), SOUND, SILENCE)
    made.reader.stop()
    await task
    assert made.sent == [SOUND, *[SILENCE] * SILENT_FRAMES, SOUND, SILENCE]


async def test_a_mute_ends_the_speech_after_its_last_words(made: HandMade) -> None:
    task = asyncio.create_task(made.reader.run())
    made.muted = True  # the event comes before the last frames
    await made.hear(SOUND, SILENCE)
    made.muted = False
    await made.hear(SILENCE, SOUND)
    made.reader.stop()
    await task
    assert made.sent == [SOUND, END, SILENCE, SOUND]


async def test_dropped_frames_are_counted(made: HandMade) -> None:
    task = asyncio.create_task(made.reader.run())
    await made.hear(*[SOUND] * 30)
    made.now += 3
    await made.hear(*[SOUND] * 60)
    made.reader.stop()
    await task
    assert made.unheard("gap") == pytest.approx(3)


async def test_what_the_decoder_concealed_is_counted_once(made: HandMade) -> None:
    inbound: Any = made.stats.inbound_rtp.inbound
    inbound.concealed_samples, inbound.silent_concealed_samples = 60_000, 12_000
    await made.reader.count_loss()
    await made.reader.count_loss()
    assert made.unheard("loss") == 1
    inbound.concealed_samples = 84_000
    await made.reader.count_loss()
    assert made.unheard("loss") == 1.5


async def test_a_refusal_of_the_gateway_is_raised(made: HandMade) -> None:
    made.refusal = InputError("no such room")
    made.frames.put_nowait(SOUND)
    with pytest.raises(InputError):
        await made.reader.run()


def test_frames_are_added_without_an_overflow() -> None:
    loud = (30_000).to_bytes(2, "little") * 3
    assert added([loud, loud[:4]]) == (32_767).to_bytes(2, "little") * 2 + loud[:2]
    assert added([loud, b"", loud + loud]) == (32_767).to_bytes(2, "little") * 3
    assert added([loud, b"", bytes(6)]) == loud
