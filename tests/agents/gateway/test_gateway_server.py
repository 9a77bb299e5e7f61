"""A real gateway on loopback with real clients. Only the clocks and the sink are replaced."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from functools import partial
from itertools import count
from typing import Any
from unittest.mock import patch

import pytest
from pydantic import SecretStr
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from agents.gateway import Gateway, audio_receiver, gateway_server, stalls
from agents.gateway.audio_receiver import MAX_FRAME_BYTES, AudioReceiver
from pipeline.base import logs, open_files
from pipeline.base.errors import ConfigError, DependencyError
from pipeline.base.metrics import Metrics
from pipeline.contract.messages import AudioChunk
from pipeline.settings import GatewaySettings
from pipeline.speech.audio.stream_codecs import split_packets

BEARER = "the-right-tøken-of-the-tests"
OTHER = "another-token-of-the-tests"
PATH = "/v1/rooms/lobby/speakers/alice/audio?sample_rate=16000"
OPUS = "/v1/rooms/lobby/speakers/alice/audio?codec=opus"
BOB = OPUS.replace("alice", "bob")
FRAME = bytes(640)
LONG_PACKET = bytes([3 << 3 | 1]) + b"ab"  # 120 ms of Opus


class Recorder:
    """A sink that keeps its chunks. It waits while `open` is cleared."""

    def __init__(self) -> None:
        self.chunks: list[AudioChunk] = []
        self.open = asyncio.Event()
        self.open.set()
        self.fault: Exception | None = None
        self.waits = False  # whether a chunk has waited for `open`

    async def __call__(self, chunk: AudioChunk) -> None:
        self.waits = self.waits or not self.open.is_set()
        await self.open.wait()
        if self.fault:
            raise self.fault
        self.chunks.append(chunk)


class Place:
    """A running gateway with its sink, metrics and clock."""

    def __init__(self, **changes: Any) -> None:
        tokens = (SecretStr(OTHER), SecretStr(BEARER))
        self.settings = GatewaySettings(**{"port": 0, "tokens": tokens} | changes)
        self.metrics = Metrics()
        self.sink = Recorder()
        self.gateway = Gateway(self.settings, self.metrics, self.sink)

    @asynccontextmanager
    async def client(self, path: str = PATH, headers: Any = None) -> AsyncIterator[ClientConnection]:
        sent = {"Authorization": f"Bearer {BEARER}"} if headers is None else headers
        url = f"ws://127.0.0.1:{self.gateway.port}{path}"
        async with connect(url, additional_headers=sent, proxy=None, max_queue=4) as connection:
            yield connection

    def refused(self, reason: str) -> float:
        return self.metrics.registry.get_sample_value("voxwarden_gateway_refused_total", {"reason": reason}) or 0.0

    def skipped(self, reason: str) -> float:
        return self.metrics.registry.get_sample_value("voxwarden_gateway_skipped_frames_total", {"reason": reason}) or 0

    def figure(self, name: str) -> float:
        return self.metrics.registry.get_sample_value(f"voxwarden_gateway_{name}") or 0.0


@asynccontextmanager
async def running(**changes: Any) -> AsyncIterator[Place]:
    """A gateway with these settings. Names in capitals are constants of the listener and its limits."""
    constants = {"GATHER_SECONDS": 0.01} | {name: value for name, value in changes.items() if name.isupper()}
    place = Place(**{name: value for name, value in changes.items() if name.islower()})
    with ExitStack() as patches:
        for name, value in constants.items():
            patches.enter_context(patch.object(audio_receiver, name, value))
        async with place.gateway:
            yield place


async def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds. The test's time-out limits the wait."""
    for _ in count():
        if condition():
            return
        await asyncio.sleep(0.005)


def heard(place: Place) -> bytes:
    """Return all audio that was passed on, in order."""
    return b"".join(chunk.data for chunk in place.sink.chunks)


def ended(place: Place) -> bool:
    return bool(place.sink.chunks) and place.sink.chunks[-1].final


async def closed_with(connection: ClientConnection) -> tuple[int, str]:
    await connection.wait_closed()
    assert connection.close_code is not None
    return connection.close_code, connection.close_reason or ""


async def test_frames_become_chunks_and_a_close_becomes_a_final_chunk() -> None:
    async with running() as place:
        async with place.client("/v1/rooms/%E8%81%8A%2F1/speakers/%C3%BC/audio?sample_rate=16000&channels=2") as client:
            for byte in range(3):
                await client.send(bytes([byte]) * 640)
        await until(lambda: ended(place))
        chunks = place.sink.chunks
        assert heard(place) == b"".join(bytes([byte]) * 640 for byte in range(3))
        assert [chunk.sequence for chunk in chunks] == list(range(len(chunks)))
        assert [chunk.final for chunk in chunks[:-1]] == [False] * (len(chunks) - 1)
        assert chunks[-1].start - chunks[0].start == pytest.approx(0.03, abs=1e-6)
        assert {(chunk.room, chunk.speaker, chunk.channels) for chunk in chunks} == {("聊/1", "ü", 2)}
        assert place.figure("received_bytes_total") == 3 * 640
        await until(lambda: place.figure("connections") == 0)


async def test_a_client_with_a_session_gets_acknowledgements_and_continues_after_a_reconnect() -> None:
    """The client sends back the acknowledged position. Only its own close ends the speech."""
    path = f"{PATH}&session=0123456789"
    async with running() as place:
        begun = time.time() - 30
        async with place.client(f"{path}&start={begun}&first_sample=800") as client:
            await client.send(FRAME)
            safe = json.loads(await client.recv())
            assert safe == {"received_samples": 1_120, "start": pytest.approx(begun + 0.02, abs=1e-3)}
            client.transport.abort()
            await until(lambda: place.figure("connections") == 0)
        async with place.client(f"{path}&start={safe['start']}&first_sample={safe['received_samples']}") as client:
            await client.send(FRAME)
        await until(lambda: ended(place))
        told = [(chunk.session, chunk.first_sample, chunk.sequence, chunk.final) for chunk in place.sink.chunks]
        assert told == [
            ("0123456789", 800, 0, False),
            ("0123456789", 1_120, 0, False),
            ("0123456789", 1_440, 1, True),
        ]
        assert place.sink.chunks[1].start == pytest.approx(begun + 0.02, abs=1e-3)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer "},
        {"Authorization": f"Basic {BEARER}"},
        {"Authorization": BEARER},
        [("Authorization", f"Bearer {BEARER}"), ("Authorization", f"Bearer {BEARER}")],
    ],
    ids=str,
)
async def test_a_connection_without_a_valid_token_is_refused(headers: Any) -> None:
    async with running() as place, place.client(headers=headers) as client:
        code, reason = await closed_with(client)
        assert (code, "Bearer" in reason) == (4401, True)
        assert place.refused("unauthorized") == 1
        assert place.sink.chunks == []


async def test_every_token_of_the_settings_is_accepted() -> None:
    async with running() as place:
        async with place.client(headers={"Authorization": f"bearer {OTHER}"}) as client:
            await client.send(FRAME)
        await until(lambda: ended(place))
        assert heard(place) == FRAME


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/v2/audio", "/v1/rooms/{room}"),
        (PATH.replace("16000", "1"), "$.sample_rate"),
        (PATH + "&token=abc", "Authorization: Bearer"),
        (PATH + "&codec=" + "x" * 300, "Invalid enum value"),
    ],
)
async def test_a_bad_url_is_refused_with_the_reason(path: str, said: str) -> None:
    async with running() as place, place.client(path) as client:
        code, reason = await closed_with(client)
        assert (code, said in reason) == (4400, True)
        assert place.refused("bad_request") == 1


@pytest.mark.parametrize(
    "frame",
    [
        "hello",
        '{"muted": 1}',
        '{"muted": true, "more": 1}',
        '{"end": false}',
        '{"listeners": -1}',
        '{"listeners": "12"}',
    ],
)
async def test_an_unknown_text_frame_ends_the_connection_but_earlier_audio_stays(frame: str) -> None:
    async with running() as place, place.client() as client:
        await client.send(FRAME)
        await client.send(frame)
        assert (await closed_with(client))[0] == 4400
        await until(lambda: [chunk.final for chunk in place.sink.chunks] == [False, True])


async def test_an_end_of_speech_is_passed_on_at_its_place() -> None:
    async with running() as place, place.client() as client:
        await client.send('{"end": true}')  # of nothing
        await client.send(FRAME)
        for _ in range(3):
            await client.send('{"end": true}')
        await until(lambda: [chunk.final for chunk in place.sink.chunks] == [False, True])
        await client.send(FRAME)
        await until(lambda: len(place.sink.chunks) == 3)
        assert [chunk.sequence for chunk in place.sink.chunks] == [0, 1, 2]


async def test_mute_notes_of_a_track_egress_are_ignored() -> None:
    async with running() as place:
        async with place.client() as client:
            await client.send('{"muted": true}')
            await client.send(FRAME)
            await client.send('{"muted": false}')
        await until(lambda: ended(place))
        assert heard(place) == FRAME


async def test_chunks_carry_the_listeners_of_their_moment() -> None:
    path = f"{PATH}&listeners=3&identity_verified=true&drill=d-1"
    async with running() as place:
        async with place.client(path) as client:
            await client.send(FRAME)
            await until(lambda: len(place.sink.chunks) == 1)
            await client.send('{"listeners": 12}')
            await client.send(FRAME)
        await until(lambda: ended(place))
    chunks = place.sink.chunks
    assert [chunk.listeners for chunk in chunks] == [3, 12, 12]
    assert {(chunk.identity_verified, chunk.drill) for chunk in chunks} == {(True, "d-1")}


async def test_a_frame_over_the_limit_is_refused_and_the_largest_is_accepted() -> None:
    async with running() as place, place.client() as client:
        await client.send(bytes(MAX_FRAME_BYTES))
        await client.send(bytes(MAX_FRAME_BYTES + 2))
        assert (await closed_with(client))[0] == 1009
        await until(lambda: place.refused("too_big") == 1)
        await until(lambda: ended(place))
        assert heard(place) == bytes(MAX_FRAME_BYTES)


async def test_too_many_bytes_a_second_end_the_connection() -> None:
    async with running(BYTES_PER_SECOND=1_000, burst_seconds=10) as place:
        async with place.client() as client:
            await client.send(FRAME)
            await until(lambda: len(place.sink.chunks) == 1)
            await client.send(bytes(10_000))
            assert (await closed_with(client))[0] == 4429
        assert place.refused("too_fast") == 1
        assert heard(place) == FRAME
        assert place.figure("lost_seconds_total") == pytest.approx(10_000 / 32_000)


async def test_audio_faster_than_speech_ends_the_connection() -> None:
    """Packets of two bytes hold 120 ms each: few bytes, but far more audio than anyone can speak."""
    async with running() as place, place.client(OPUS) as client:
        for _ in range(100):
            await client.send(bytes([3 << 3 | 1]))
        assert (await closed_with(client))[0] == 4429
        assert 120 * 100 / 1000 >= place.figure("lost_seconds_total") > 0


@pytest.mark.parametrize(("sent", "code"), [(60, 1000), (140, 4429)])
async def test_audio_that_waited_while_the_gateway_held_back_is_not_too_fast(
    sent: float, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sink takes nothing for a minute. The client goes on in real time, or much faster than allowed."""
    now = [1_000.0]
    monkeypatch.setattr(gateway_server, "AudioReceiver", partial(AudioReceiver, ticks=lambda: now[0]))
    packets = round(sent / 0.12)
    async with running() as place, place.client(OPUS) as client:
        place.sink.open.clear()
        await client.send(LONG_PACKET)
        await until(lambda: place.sink.waits)
        for _ in range(packets):
            await client.send(LONG_PACKET)
        now[0] += 60
        place.sink.open.set()
        await until(lambda: place.refused("too_fast") == 1 or heard(place).count(LONG_PACKET) == 1 + packets)
        await client.close()
        assert client.close_code == code


async def test_audio_that_waited_for_the_end_of_an_older_connection_is_not_too_fast(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The sink holds the last chunk of the older connection for a minute."""
    now = [1_000.0]
    monkeypatch.setattr(gateway_server, "AudioReceiver", partial(AudioReceiver, ticks=lambda: now[0]))
    path = f"{OPUS}&session=0123456789"
    async with running() as place, place.client(f"{path}&attempt=1") as older:
        place.sink.open.clear()
        await older.send(LONG_PACKET)
        await until(lambda: place.sink.waits)
        async with place.client(f"{path}&attempt=2&first_sample=5760") as newer:
            assert (await closed_with(older))[0] == 4410
            for _ in range(500):
                await newer.send(LONG_PACKET)
            now[0] += 60
            place.sink.open.set()
            await until(lambda: place.refused("too_fast") == 1 or heard(place).count(LONG_PACKET) == 501)
        assert newer.close_code == 1000


async def flooded(place: Place, path: str) -> None:
    """A client sends faster than allowed until the gateway refuses it."""
    async with place.client(path) as client:
        with suppress(ConnectionClosed):
            for _ in range(1_000):
                await client.send(LONG_PACKET)
        assert (await closed_with(client))[0] == 4429


async def test_a_client_that_was_too_fast_gets_no_new_burst_under_another_name() -> None:
    """New connections of its room are read when its burst of 100 s is used up. Other rooms do not wait."""
    async with running(burst_seconds=100, max_speed=1) as place:
        await flooded(place, BOB)
        async with place.client(OPUS) as again, place.client(OPUS.replace("lobby", "cellar")) as other:
            await again.send(LONG_PACKET)
            await other.send(LONG_PACKET)
            await until(lambda: "cellar" in {chunk.room for chunk in place.sink.chunks})
            assert "alice" not in {chunk.speaker for chunk in place.sink.chunks if chunk.room == "lobby"}
            again.transport.abort()


async def test_a_client_that_waits_for_the_end_of_a_burst_is_not_too_fast_behind_an_outage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It sends a minute of audio that it has kept. By the clock of the limits, it waits for a minute."""
    async with running(burst_seconds=0.5, max_speed=1) as place:
        await flooded(place, BOB)

        def ticks() -> float:
            return 1_060.0 if ("lobby", "alice") in place.gateway._live else 1_000.0

        monkeypatch.setattr(gateway_server, "AudioReceiver", partial(AudioReceiver, ticks=ticks))
        bobs = len(heard(place))
        async with place.client(f"{OPUS}&session=0123456789") as client:
            for _ in range(500):
                await client.send(LONG_PACKET)
            await until(lambda: place.refused("too_fast") == 2 or heard(place)[bobs:].count(LONG_PACKET) == 500)
        assert client.close_code == 1000


@pytest.mark.parametrize("session", [("", 4409, "replaced"), ("&session=0123456789&attempt=2", 4410, "outdated")])
async def test_the_newest_of_several_waiting_connections_follows_the_first(session: tuple[str, int, str]) -> None:
    """The first one cannot end, because the sink holds its chunk. Meanwhile the client connects twice more."""
    query, code, reason = session
    async with running() as place, place.client(PATH + query) as first:
        place.sink.open.clear()
        await first.send(FRAME)
        await until(lambda: place.sink.waits)
        async with place.client(PATH + query) as second, place.client(PATH + query) as third:
            assert [(await closed_with(each))[0] for each in (first, second)] == [code, code]
            place.sink.open.set()
            await third.send(bytes([1]) * 640)
            await until(lambda: heard(place) == FRAME + bytes([1]) * 640)
        assert third.close_code == 1000
        assert place.refused(reason) == 2


async def test_too_many_frames_a_second_end_the_connection() -> None:
    async with running(FRAMES_PER_SECOND=50) as place, place.client() as client:
        for _ in range(600):
            await client.send(b"\0\0")
        assert (await closed_with(client))[0] == 4429


async def test_frames_without_audio_are_skipped() -> None:
    packet = bytes([3 << 3]) + b"voice"
    async with running() as place:
        async with place.client(OPUS) as client:
            for frame in (packet, b"", b"\xff", packet + b"!", b"", packet):
                await client.send(frame)
        await until(lambda: ended(place))
        said = [each for chunk in place.sink.chunks for each in split_packets(chunk.data)]
        assert said == [packet, packet + b"!", packet]
        assert (place.skipped("empty"), place.skipped("invalid")) == (2, 1)


async def test_a_flood_of_broken_packets_ends_the_connection_with_a_code_that_allows_a_reconnect() -> None:
    async with running() as place, place.client(OPUS) as client:
        for _ in range(200):
            await client.send(b"\xff")
        code, reason = await closed_with(client)
        assert (code, "broken frames" in reason) == (4415, True)
        assert place.refused("bad_audio") == 1
        assert place.skipped("invalid") >= 51


async def test_empty_packets_never_end_a_connection() -> None:
    async with running() as place:
        async with place.client(OPUS) as client:
            for _ in range(300):
                await client.send(b"")
            await client.send(bytes([3 << 3]))
        await until(lambda: ended(place))
        assert place.skipped("empty") == 300


async def test_frames_of_one_read_are_one_chunk() -> None:
    """Frames that arrive during the pause are in the next chunk."""
    async with running(GATHER_SECONDS=1) as place, place.client() as client:
        await client.send(bytes([1]) * 640)
        await until(lambda: len(place.sink.chunks) == 1)
        for byte in (2, 3, 4):
            await client.send(bytes([byte]) * 640)
        await until(lambda: len(place.sink.chunks) == 2)
        assert [len(chunk.data) for chunk in place.sink.chunks] == [640, 3 * 640]


async def test_the_oldest_connection_without_a_token_gives_way_and_speakers_do_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(open_files, "limit", lambda: 16)
    async with running() as place, AsyncExitStack() as speakers:
        for number in range(5):  # more than strangers may be
            speaker = await speakers.enter_async_context(place.client(PATH.replace("alice", f"s{number}")))
            await speaker.send(FRAME)
        await until(lambda: len(place.sink.chunks) == 5)
        idle = [await asyncio.open_connection("127.0.0.1", place.gateway.port) for _ in range(3)]
        assert await asyncio.wait_for(idle[0][0].read(), 10) == b""
        assert not idle[1][0].at_eof()
        assert not idle[2][0].at_eof()
        idle[1][1].close()
        await until(lambda: len(place.gateway._strangers) == 1)
        async with place.client() as client:
            await client.send(FRAME)
            await until(lambda: place.sink.chunks[-1].speaker == "alice")
        for _, writer in idle:
            writer.close()


async def test_a_handshake_has_a_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_server, "HANDSHAKE_SECONDS", 0.05)
    async with running() as place:
        reader, writer = await asyncio.open_connection("127.0.0.1", place.gateway.port)
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()


async def test_beyond_max_connections_a_client_is_told_to_try_later() -> None:
    async with running(max_connections=1) as place:
        async with place.client() as first, place.client(PATH.replace("alice", "bob")) as second:
            assert (await closed_with(second))[0] == 1013
            await first.send(FRAME)
            await until(lambda: len(place.sink.chunks) == 1)
            assert place.refused("try_later") == 1
        await until(lambda: place.figure("connections") == 0)
        async with place.client(PATH.replace("alice", "bob")) as again:
            await again.send(FRAME)
            await until(lambda: place.sink.chunks[-1].speaker == "bob")


async def test_audio_of_a_type_of_room_that_is_switched_off_is_refused() -> None:
    async with running(closed_room_types=("kids",)) as place, place.client() as taken:
        async with place.client(PATH.replace("alice", "bob") + "&room_type=kids") as refused:
            assert (await closed_with(refused))[0] == 4403
        await taken.send(FRAME)
        await until(lambda: len(place.sink.chunks) == 1)
        assert place.refused("switched_off") == 1


async def test_a_reconnect_replaces_the_old_connection_and_begins_a_new_session() -> None:
    """It works also on a full gateway, because the old peer may be long gone."""
    async with running(max_connections=1) as place, place.client() as old:
        await old.send(FRAME)
        await until(lambda: len(place.sink.chunks) == 1)
        async with place.client() as new:
            await new.send(FRAME)
            assert (await closed_with(old))[0] == 4409
            await until(lambda: len(place.sink.chunks) == 3)
        chunks = place.sink.chunks
        assert [(chunk.sequence, chunk.final) for chunk in chunks[:3]] == [(0, False), (1, True), (0, False)]
        assert chunks[2].start > chunks[0].start
        assert place.figure("connections") <= 1


async def test_a_slow_sink_slows_the_client_and_loses_nothing() -> None:
    frames, size = 400, 100_000
    async with running(BYTES_PER_SECOND=10**9, max_speed=10**6) as place:
        place.sink.open.clear()
        sent = 0

        async def send(client: ClientConnection) -> None:
            nonlocal sent
            for number in range(frames):
                await client.send(number.to_bytes(2, "big") + bytes(size - 2))
                sent += 1

        async with place.client() as client:
            sending = asyncio.create_task(send(client))
            stalled, before = 0, -1
            while stalled < 20:
                stalled, before = (stalled + 1, sent) if sent == before else (0, sent)
                await asyncio.sleep(0.02)
            assert sent < frames, "only the gateway's memory could hold 40 MB"
            assert place.sink.chunks == []
            place.sink.open.set()
            await sending
        await until(lambda: ended(place))
        said = heard(place)
        assert len(said) == frames * size
        assert [int.from_bytes(said[at : at + 2], "big") for at in range(0, len(said), size)] == list(range(frames))


async def test_audio_that_waited_while_the_process_stood_still_is_not_new() -> None:
    with patch.object(stalls, "STALL_SECONDS", 0.05), patch.object(stalls, "LOOK_SECONDS", 0.01):
        async with running(LARGEST_GAP=0.1) as place, place.client() as client:
            await client.send(FRAME)
            await until(lambda: len(place.sink.chunks) == 1)
            await asyncio.sleep(0.1)  # the gateway waits for the client when it freezes
            time.sleep(0.5)  # noqa: ASYNC251 # the loop itself must stand still
            await client.send(FRAME)
            await until(lambda: len(place.sink.chunks) == 2)
            first, second = place.sink.chunks
            assert second.start - first.start == pytest.approx(0.02, abs=1e-3)


async def test_a_stop_closes_with_1012_after_the_last_chunk() -> None:
    place = Place()
    async with place.gateway:
        connection = await connect(
            f"ws://127.0.0.1:{place.gateway.port}{PATH}",
            additional_headers={"Authorization": f"Bearer {BEARER}"},
            proxy=None,
        )
        await connection.send(FRAME)
        await until(lambda: len(place.sink.chunks) == 1)
    assert [chunk.final for chunk in place.sink.chunks] == [False, True]
    assert (await closed_with(connection))[0] == 1012


async def test_a_silent_client_that_answers_pings_stays_until_it_idles() -> None:
    async with running(PING_SECONDS=0.05, IDLE_SECONDS=0.5) as place, place.client() as client:
        await client.send(FRAME)
        assert (await closed_with(client))[0] == 4408
        assert place.refused("idle") == 1


async def test_a_client_that_does_not_answer_pings_is_closed() -> None:
    async with running(PING_SECONDS=0.05, IDLE_SECONDS=10_000) as place:
        reader, writer = await asyncio.open_connection("127.0.0.1", place.gateway.port)
        lines = [
            f"GET {PATH} HTTP/1.1", "Host: x", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", f"Authorization: Bearer {OTHER}",
        ]  # fmt: skip
        writer.write("\r\n".join([*lines, "", ""]).encode())
        await reader.readuntil(b"\r\n\r\n")
        await until(lambda: place.refused("idle") == 1)
        assert (4408).to_bytes(2) in await reader.read()
        writer.close()
        await writer.wait_closed()


async def test_a_client_is_told_to_try_later_when_the_sinks_dependency_is_down(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs._ONCE_A_MINUTE, "_logged", {})
    async with running() as place, place.client() as client:
        place.sink.fault = DependencyError("Kafka at broker:9092 does not answer")
        await client.send(FRAME)
        assert (await closed_with(client))[0] == 1013
        assert "Kafka at broker:9092" in caplog.text
        async with place.client("/v1/rooms/lobby/speakers/bob/audio?sample_rate=16000") as other:
            await other.send(FRAME)
            assert (await closed_with(other))[0] == 1013
        assert caplog.text.count("cannot pass audio on") == 1, "thousands of streams would fill the log"


async def test_the_log_holds_no_token_name_or_audio(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("agents.gateway.gateway_server.websockets").setLevel(
        logging.DEBUG
    )  # the gateway turns it off again
    async with running() as place:
        async with place.client() as client:
            caplog.clear()
            await client.send("odd")
            await client.wait_closed()
        reader, writer = await asyncio.open_connection("127.0.0.1", place.gateway.port)
        writer.write(b"\x16\x03\x01 no HTTP at all\r\n\r\n")
        await reader.read()
        writer.close()
        await writer.wait_closed()
    ours = [record for record in caplog.records if record.name.startswith("agents")]
    assert [(record.getMessage(), record.exc_info) for record in ours] == []


async def test_an_unexpected_error_is_logged_with_its_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running() as place, place.client() as client:
        await client.send(FRAME)
        await until(lambda: len(place.sink.chunks) == 1)
        place.sink.fault = ZeroDivisionError("a bug of ours")
        await client.send(FRAME)
        assert (await closed_with(client))[0] == 1011
        await until(lambda: "a bug of ours" in caplog.text)


def test_a_gateway_without_tokens_starts_only_on_loopback_and_generates_one() -> None:
    with pytest.raises(ConfigError, match="VOXWARDEN_GATEWAY__TOKENS"):
        Place(tokens=(), host="192.0.2.1")
    with pytest.raises(ConfigError, match="VOXWARDEN_GATEWAY__TOKENS"):
        Place(tokens=(), host="gateway.example")
    made = {Place(tokens=(), host=host).gateway.generated_token for host in ("127.0.0.1", "::1", "localhost")}
    assert len(made) == 3
    assert all(token and len(token) >= 32 for token in made)
    assert Place().gateway.generated_token is None


async def test_a_generated_token_is_accepted() -> None:
    async with running(tokens=()) as place:
        token = place.gateway.generated_token
        async with place.client(headers={"Authorization": f"Bearer {token}"}) as client:
            await client.send(FRAME)
            await until(lambda: bool(place.sink.chunks))
        assert place.refused("unauthorized") == 0


async def test_a_used_port_is_one_clear_error() -> None:
    async with running() as place:
        with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1:{place.gateway.port}"):
            async with Place(port=place.gateway.port).gateway:
                pass


async def test_text_that_is_not_utf8_is_a_protocol_error() -> None:
    async with running() as place, place.client() as client:
        await client.send(b"\xff\xff", text=True)
        with pytest.raises(ConnectionClosed) as caught:
            await client.recv()
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1007
