"""The audio of an SDK's threads reaches a real gateway, each speaker in their own stream.

The callback has the shape of Agora's Python server SDK of July 2026 (AgoraIO-Extensions/Agora-Python-Server-SDK,
agora_rtc/agora/rtc/audio_frame_observer.py). The SDK itself does not run here.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from pipeline.connect.vendors import room_audio
from pipeline.connect.vendors.room_audio import AgoraAudio, RoomAudio
from pipeline.connect.vendors.vendor_events import RoomEvent
from pipeline.contract.messages import AudioChunk
from tests.agents.gateway.test_gateway_server import Place, running, until

TOKEN = "the-token-of-the-gateway"  # noqa: S105
TEN_MS = bytes(range(160)) * 2


@pytest.fixture(autouse=True)
def _direct(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def audio_for(place: Place, room_type: str | None = None) -> RoomAudio:
    return RoomAudio(f"ws://127.0.0.1:{place.gateway.port}", TOKEN, room_type)


def frame(pcm: bytes = TEN_MS, rate: int = 16_000, channels: int = 1) -> SimpleNamespace:
    """A frame with the fields of the SDK's AudioFrame that we read."""
    return SimpleNamespace(
        buffer=bytearray(pcm),
        samples_per_sec=rate,
        channels=channels,
        bytes_per_sample=2,
        samples_per_channel=len(pcm) // 2 // channels,
    )


def of(place: Place, speaker: str) -> list[AudioChunk]:
    return [chunk for chunk in place.sink.chunks if chunk.speaker == speaker]


def heard(place: Place, speaker: str) -> bytes:
    return b"".join(chunk.data for chunk in of(place, speaker))


async def in_thread(call: Callable[[], object]) -> None:
    with ThreadPoolExecutor(1) as pool:
        await asyncio.get_running_loop().run_in_executor(pool, call)


async def test_frames_of_agoras_threads_become_streams_by_channel_and_user() -> None:
    async with running(tokens=(TOKEN,)) as place, audio_for(place, room_type="game") as audio:
        observer = AgoraAudio(audio)

        def sdk(uid: str) -> None:
            for number in range(50):
                returned = observer.on_playback_audio_frame_before_mixing(
                    None, "lounge", uid, frame(bytes([number]) * 320), -1, None
                )
                assert returned == 1

        await asyncio.gather(in_thread(lambda: sdk("1")), in_thread(lambda: sdk("2")))
        await audio.__aexit__(None, None, None)
        await until(lambda: sum(chunk.final for chunk in place.sink.chunks) == 2)
        spoken = b"".join(bytes([number]) * 320 for number in range(50))
        assert (heard(place, "1"), heard(place, "2"), audio.dropped_seconds) == (spoken, spoken, 0)
        assert {(chunk.room, chunk.room_type) for chunk in place.sink.chunks} == {("lounge", "game")}


async def test_the_callback_copies_and_does_not_wait() -> None:
    """The SDK uses its buffer again. The event loop stands still meanwhile."""
    async with running(tokens=(TOKEN,)) as place:
        async with audio_for(place) as audio:
            given = frame()
            AgoraAudio(audio).on_playback_audio_frame_before_mixing(None, "lounge", "1", given, -1, None)
            given.buffer[:] = bytes(320)
        assert heard(place, "1") == TEN_MS


async def test_frames_that_are_no_16_bit_pcm_are_left_out() -> None:
    async with running(tokens=(TOKEN,)) as place:
        async with audio_for(place) as audio:
            odd = frame()
            odd.bytes_per_sample = 4
            AgoraAudio(audio).on_playback_audio_frame_before_mixing(None, "lounge", "1", odd, -1, None)
        assert place.sink.chunks == []


async def test_another_rate_is_another_stream() -> None:
    async with running(tokens=(TOKEN,)) as place:
        async with audio_for(place) as audio:
            audio.push("lounge", "1", TEN_MS, 16_000)
            audio.push("lounge", "1", TEN_MS * 6, 48_000, 2)
        forms = [(chunk.sample_rate, chunk.channels) for chunk in of(place, "1") if chunk.data]
        assert forms == [(16_000, 1), (48_000, 2)]


@pytest.mark.parametrize(
    ("event", "ended"),
    [
        (RoomEvent(kind="left", room="lounge", speaker="1"), {"1"}),
        (RoomEvent(kind="room_closed", room="lounge"), {"1", "2"}),
        (RoomEvent(kind="joined", room="lounge", speaker="1"), set[str]()),
    ],
)
async def test_events_end_the_speech_of_those_who_have_left(event: RoomEvent, ended: set[str]) -> None:
    async with running(tokens=(TOKEN,)) as place, audio_for(place) as audio:
        for room, speaker in (("lounge", "1"), ("lounge", "2"), ("other", "3")):
            audio.push(room, speaker, TEN_MS, 16_000)
        await until(lambda: len({chunk.speaker for chunk in place.sink.chunks}) == 3)
        audio.follow(event)
        await until(lambda: {chunk.speaker for chunk in place.sink.chunks if chunk.final} == ended)
        audio.push("lounge", "1", TEN_MS, 16_000)
        await until(lambda: heard(place, "1") == TEN_MS * 2)


async def test_too_much_audio_and_too_many_speakers_are_dropped_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room_audio, "MOST_SPEAKERS", 1)
    async with running(tokens=(TOKEN,), max_speed=100, burst_seconds=100) as place, audio_for(place) as audio:
        for _ in range(11):
            audio.push("lounge", "1", bytes(32_000), 16_000)
        audio.push("lounge", "2", bytes(32_000), 16_000)
        assert audio.dropped_seconds == 2


async def test_a_speaker_whom_the_gateway_refuses_does_not_stop_others() -> None:
    async with running(tokens=(TOKEN,)) as place, audio_for(place) as audio:
        while not audio.dropped_seconds:
            audio.push("lounge", "x" * 300, TEN_MS, 16_000)
            await asyncio.sleep(0.01)
        audio.push("lounge", "2", TEN_MS, 16_000)
        await until(lambda: heard(place, "2") == TEN_MS)


async def test_a_speaker_without_audio_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room_audio, "IDLE_SECONDS", 0.05)
    async with running(tokens=(TOKEN,)) as place, audio_for(place) as audio:
        audio.push("lounge", "1", TEN_MS, 16_000)
        await until(lambda: any(chunk.final for chunk in place.sink.chunks))
        await until(lambda: not audio._speakers)
