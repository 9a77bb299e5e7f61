"""A stream against a real gateway that stops, restarts, stalls, refuses and speaks nonsense."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from agents.gateway.connection_request import voice_of_url
from pipeline.base.errors import DependencyError, InputError
from pipeline.connect.client import reconnecting
from pipeline.connect.client import speaker_stream as client
from pipeline.connect.client.reconnecting import StreamError
from pipeline.connect.client.speaker_stream import SpeakerStream, speaker_address
from pipeline.contract.messages import AudioChunk
from pipeline.speech.audio.chunk_order import ReceivedSamples
from tests.agents.gateway.test_gateway_server import ended, heard, running, until
from tests.dead_hosts import UNKNOWN, refusing, self_signed
from tests.pipeline.speech.audio.test_stream_codecs import opus_packets
from tests.ports import free_port

BEARER = "an-ascii-token-of-the-tests"
SPEECH = bytes(range(256)) * 25
"""0.2 s."""


@pytest.fixture(autouse=True)
def _direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy stands between, and a failed connection is tried again soon."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(reconnecting, "LONGEST_PAUSE", 0.05)


def stream(port: int, **changes: Any) -> SpeakerStream:
    return SpeakerStream(f"ws://127.0.0.1:{port}", changes.pop("token", BEARER), "聊天室/1", "ü", **changes)


def place(**changes: Any) -> Any:
    return running(**{"tokens": (BEARER,)} | changes)


def fresh(chunks: list[AudioChunk]) -> bytes:
    """Return the audio that the segment stage would use: each sample once."""
    received = ReceivedSamples()
    return b"".join(chunk.data for each in chunks if (chunk := received.fresh(each)))


async def test_a_stream_sends_all_audio_and_ends_the_speech() -> None:
    async with place() as there:
        began = time.time()
        async with stream(there.gateway.port, room_type="game", identity_verified=True, drill="d-1") as speaker:
            for _ in range(3):
                await speaker.send(SPEECH)
        assert (speaker.received_samples, speaker.unacknowledged_seconds, speaker.dropped_seconds) == (9_600, 0, 0)
        await until(lambda: ended(there))
        assert heard(there) == SPEECH * 3
        [first, *_] = there.sink.chunks
        assert (first.room, first.speaker, first.room_type) == ("聊天室/1", "ü", "game")
        assert (first.identity_verified, first.drill, first.sample_rate, first.channels) == (True, "d-1", 16_000, 1)
        assert began - 0.3 < first.start < began + 10


async def test_opus_packets_go_one_by_one() -> None:
    packets = opus_packets("20", "voip")
    async with place() as there:
        async with stream(there.gateway.port, codec="opus") as speaker:
            for packet in [*packets, b"\xff", b""]:
                await speaker.send(packet)
        assert (speaker.received_samples, speaker.skipped_frames) == (960 * len(packets), 2)
        assert (there.skipped("invalid"), there.skipped("empty")) == (0, 0)


async def test_the_end_of_speech_comes_after_its_audio_and_once() -> None:
    async with place() as there:
        async with stream(there.gateway.port) as speaker:
            for _ in range(2):
                await speaker.send(SPEECH)
                await speaker.end_speech()
                await speaker.end_speech()
                await until(lambda: there.sink.chunks and there.sink.chunks[-1].final)
        assert heard(there) == SPEECH * 2
        finals = [chunk.final for chunk in there.sink.chunks]
        assert (finals.count(True), finals[-1]) == (2, True), "the end of the stream adds none"


async def test_listeners_go_with_the_address_and_in_messages() -> None:
    async with place() as there:
        async with stream(there.gateway.port, listeners=3) as speaker:
            await speaker.send(SPEECH)
            await until(lambda: bool(there.sink.chunks))
            await speaker.listeners(12)
            while there.sink.chunks[-1].listeners != 12:
                await speaker.send(SPEECH)
                await asyncio.sleep(0.01)
        assert there.sink.chunks[0].listeners == 3


async def test_a_gateway_that_restarts_gets_the_unacknowledged_audio_again() -> None:
    """The gateway stops in the middle. Another one takes its place at the same port."""
    async with place() as first:
        port = first.gateway.port
        async with stream(port) as speaker:
            await speaker.send(SPEECH)
            await until(lambda: speaker.received_samples == 3_200)
            first.sink.fault = DependencyError("Kafka does not answer")
            await speaker.send(SPEECH)
            await until(lambda: first.refused("try_later") > 0)
            await first.gateway.__aexit__(None, None, None)
            await speaker.send(SPEECH)
            async with place(port=port) as second:
                await until(lambda: speaker.received_samples == 9_600)
                chunks = first.sink.chunks + second.sink.chunks
    assert fresh(chunks) == SPEECH * 3
    assert speaker.dropped_seconds == 0
    again = next(chunk for chunk in second.sink.chunks if chunk.sequence == 0)
    assert again.start - chunks[0].start == pytest.approx(again.first_sample / 16_000, abs=2e-3)
    assert {chunk.session for chunk in chunks} == {again.session}


async def test_a_killed_connection_is_replaced() -> None:
    async with place() as there:
        async with stream(there.gateway.port) as speaker:
            for count in range(1, 6):
                await speaker.send(SPEECH)
                await until(lambda count=count: speaker.received_samples >= 3_200 * (count - 1))  # type: ignore[misc]
                for live in list(there.gateway._live.values()):
                    live.connection.transport.abort()
        assert speaker.received_samples == 5 * 3_200
        assert fresh(there.sink.chunks) == SPEECH * 5


async def test_a_slow_gateway_makes_a_full_queue_drop_the_oldest_audio(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left keeps its numbers, so the gap is known."""
    monkeypatch.setattr(client, "QUEUE_SECONDS", 1.0)
    async with place() as there:
        there.sink.open.clear()
        async with stream(there.gateway.port) as speaker:
            for _ in range(10):
                await speaker.send(SPEECH)
            assert speaker.dropped_seconds == pytest.approx(1.0)
            assert speaker.unacknowledged_seconds == pytest.approx(1.0)
            there.sink.open.set()
        assert speaker.received_samples == 32_000
        await until(lambda: ended(there))
        assert sum(len(chunk.data) for chunk in there.sink.chunks if chunk.first_sample >= 16_000) >= 32_000


async def test_a_pause_in_late_audio_keeps_its_length() -> None:
    """The audio before the pause and after it waits for the gateway together, and both keep their times."""
    now = time.time() - 20
    async with place() as there:
        there.sink.fault = DependencyError("Kafka does not answer")
        async with stream(there.gateway.port) as speaker:
            await speaker.send(SPEECH, now)
            await speaker.send(SPEECH, now + 10)
            await until(lambda: there.refused("try_later") > 0)
            there.sink.fault = None
        await until(lambda: ended(there))
        starts = {chunk.first_sample: chunk.start for chunk in there.sink.chunks if chunk.data}
        assert starts[0] == pytest.approx(now, abs=2e-3)
        assert starts[3_200] == pytest.approx(now + 10, abs=2e-3)


async def test_a_wrong_clock_is_corrected_by_the_acknowledgements() -> None:
    """The gateway ignores a start from tomorrow. After a reconnect, the audio still continues where it was."""
    async with place() as there:
        async with stream(there.gateway.port, clock=lambda: time.time() + 86_400) as speaker:
            await speaker.send(SPEECH)
            await until(lambda: speaker.received_samples == 3_200)
            for live in list(there.gateway._live.values()):
                live.connection.transport.abort()
            await until(lambda: there.figure("connections") == 0)
            await speaker.send(SPEECH)
        await until(lambda: ended(there))
        again = next(chunk for chunk in there.sink.chunks if chunk.first_sample == 3_200)
        assert again.start == pytest.approx(there.sink.chunks[0].start + 0.2, abs=2e-3)


async def test_nonsense_as_time_does_not_end_the_stream() -> None:
    """The gateway's acknowledgement says that the audio is of 1970. The next address must still be valid."""
    paths = []

    async def talk(connection: ServerConnection) -> None:
        assert connection.request is not None
        paths.append(connection.request.path)
        await connection.recv()
        await connection.send(json.dumps({"received_samples": 3_200 * len(paths), "start": 0.0}))

    async with odd_gateway(talk) as port, stream(port) as speaker:
        for count in (1, 2):
            await speaker.send(SPEECH)
            await until(lambda count=count: speaker.received_samples == 3_200 * count)  # type: ignore[misc]
    assert [voice_of_url(path).first_sample for path in paths] == [0, 3_200]


async def test_a_refusal_is_raised_by_the_next_call() -> None:
    async with place() as there:
        speaker = await stream(there.gateway.port, token="wrong").__aenter__()  # noqa: S106
        await speaker.send(SPEECH)
        await until(lambda: there.refused("unauthorized") == 1)
        await until(speaker._task.done)
        with pytest.raises(StreamError, match=r"4401.*gateway\.tokens") as caught:
            await speaker.send(SPEECH)
        assert caught.value.code == 4401


async def test_a_refusal_is_raised_at_the_end_if_no_call_is_left() -> None:
    async with place() as there:
        with pytest.raises(StreamError, match="4400"):
            async with stream(there.gateway.port, sample_rate=1_000) as speaker:
                await speaker.send(bytes(200))


async def test_a_replaced_stream_ends_and_the_newer_one_goes_on() -> None:
    async with place() as there, stream(there.gateway.port) as newer:
        older = await stream(there.gateway.port).__aenter__()
        await older.send(SPEECH)
        await until(lambda: older.received_samples > 0)
        await newer.send(SPEECH)
        await until(lambda: newer.received_samples > 0)
        with pytest.raises(StreamError, match="4409"):
            await older.__aexit__(None, None, None)


async def test_an_abandoned_connection_that_arrives_late_does_not_end_the_stream(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The gateway stalls, so three handshakes time out. Their requests arrive after the fourth, which is live."""
    waits = iter((0.1, 0.1, 0.1))
    monkeypatch.setattr(client, "connect", lambda *a, **k: connect(*a, **k, open_timeout=next(waits, 100)))
    async with place() as there, late_network(there.gateway.port, held=3) as (port, release):
        async with stream(port) as speaker:
            await speaker.send(SPEECH)
            await until(lambda: speaker.received_samples == 3_200)
            await release()
            await speaker.send(SPEECH)
            await until(lambda: speaker.received_samples == 6_400)
        assert (there.refused("outdated"), there.refused("replaced")) == (3, 0)
        await until(lambda: ended(there))
        assert heard(there) == SPEECH * 2


async def test_the_end_does_not_wait_for_ever() -> None:
    async with place() as there:
        there.sink.open.clear()
        async with stream(there.gateway.port, close_seconds=0.1) as speaker:
            await speaker.send(SPEECH)
            await until(lambda: there.figure("connections") == 1)
        assert speaker.unacknowledged_seconds == pytest.approx(0.2)
        there.sink.open.set()


@pytest.mark.parametrize("host", [UNKNOWN, refusing()], ids=["unknown", "refusing"])
async def test_a_dead_host_is_named_at_the_end(host: str) -> None:
    with pytest.raises(
        StreamError, match=f"The gateway at ws://{host} cannot be reached: .*Check the address"
    ) as caught:
        async with SpeakerStream(f"ws://{host}", BEARER, "room", "ben", close_seconds=0.3) as speaker:
            await speaker.send(SPEECH)
    assert caught.value.code == 1006


async def test_a_dead_host_is_named_when_audio_would_be_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "QUEUE_SECONDS", 0.1)
    speaker = await stream(free_port()).__aenter__()
    await speaker.send(SPEECH)
    await until(speaker._task.done)
    with pytest.raises(StreamError, match="Connection refused"):
        await speaker.send(SPEECH)


async def test_a_certificate_that_nobody_trusts_is_named_at_once(tmp_path: Path) -> None:
    async with self_signed(tmp_path) as host:
        with pytest.raises(StreamError, match=r"its certificate is not accepted.*SSL_CERT_FILE"):
            async with SpeakerStream(f"wss://{host}", BEARER, "room", "ben", close_seconds=60) as speaker:
                await speaker.send(SPEECH)


async def test_a_stream_without_audio_makes_no_connection() -> None:
    async with place() as there:
        async with stream(there.gateway.port):
            await asyncio.sleep(0.05)
        assert there.refused("unauthorized") == there.figure("received_bytes_total") == 0


async def test_a_recording_waits_while_it_is_ahead_of_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    slept = asyncio.sleep

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await slept(0)

    async with place() as there, stream(there.gateway.port, close_seconds=0.1) as speaker:
        monkeypatch.setattr(client.asyncio, "sleep", sleep)  # type: ignore[attr-defined]
        for _ in range(40):
            await speaker.send(SPEECH)
        monkeypatch.undo()
        assert max(waits) > 2, "8 s of audio at once: the last wait is near 3 s"


@asynccontextmanager
async def odd_gateway(talk: Callable[[ServerConnection], Any]) -> AsyncIterator[int]:
    async def handle(connection: ServerConnection) -> None:
        try:
            await talk(connection)
        except ConnectionClosed:
            return

    async with serve(handle, "127.0.0.1", 0) as server:
        yield next(iter(server.sockets)).getsockname()[1]


@asynccontextmanager
async def late_network(port: int, held: int) -> AsyncIterator[tuple[int, Callable[[], Any]]]:
    """A way to the gateway that holds the first `held` connections back until `release` is called."""
    requests: list[bytes] = []
    writers: list[asyncio.StreamWriter] = []

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65_536):
                writer.write(data)
        writer.close()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        if len(writers) <= held:
            requests.append(await reader.readuntil(b"\r\n\r\n"))
            return
        there, back = await asyncio.open_connection("127.0.0.1", port)
        writers.append(back)
        await asyncio.gather(copy(reader, back), copy(there, writer))

    async def release() -> None:
        for request in requests:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writers.append(writer)
            writer.write(request)
            await reader.readuntil(b"\r\n\r\n")

    async with await asyncio.start_server(carry, "127.0.0.1", 0) as server:
        try:
            yield server.sockets[0].getsockname()[1], release
        finally:
            for writer in writers:
                writer.close()


NONSENSE = st.one_of(
    st.text(max_size=20),
    st.binary(max_size=20),
    st.builds(
        lambda samples, start: json.dumps({"received_samples": samples, "start": start}),
        st.one_of(st.integers(-(10**20), 0), st.integers(3_201, 10**20), st.text(max_size=3), st.floats(), st.none()),
        st.one_of(st.floats(), st.text(max_size=3), st.none(), st.integers()),
    ),
)


@settings(max_examples=20)
@given(st.lists(NONSENSE, max_size=5))
async def test_nonsense_acknowledges_nothing(messages: list[str | bytes]) -> None:
    async def talk(connection: ServerConnection) -> None:
        await connection.recv()
        for message in messages:
            await connection.send(message)
        await connection.send('{"received_samples": 3200, "start": 1764000000.25}')
        await connection.wait_closed()

    async with odd_gateway(talk) as port, stream(port) as speaker:
        await speaker.send(SPEECH)
        await until(lambda: speaker.received_samples > 0)
        assert (speaker.received_samples, speaker.unacknowledged_seconds) == (3_200, 0)


async def test_a_message_that_is_too_large_costs_the_connection_and_no_audio() -> None:
    calls = []

    async def talk(connection: ServerConnection) -> None:
        calls.append(await connection.recv())
        await connection.send("x" * 10_000 if len(calls) == 1 else '{"received_samples": 3200, "start": 1.0}')
        await connection.wait_closed()

    async with odd_gateway(talk) as port:
        async with stream(port) as speaker:
            await speaker.send(SPEECH)
        assert calls == [SPEECH, SPEECH]


@pytest.mark.parametrize("url", ["http://a", "ws://", "ws://a b", "ws://a?x=1", "ws://u:p@a", "", "ws://a:b"])
def test_an_address_of_another_kind_is_an_error(url: str) -> None:
    with pytest.raises(InputError, match="ws://127"):
        speaker_address(url, "lobby", "alice")


@pytest.mark.parametrize("token", ["", "a\nb"])
def test_a_token_that_is_no_header_is_an_error(token: str) -> None:
    with pytest.raises(InputError, match="token"):
        stream(1, token=token)


def test_an_address_may_have_a_path() -> None:
    assert speaker_address("wss://a:1/voice/", "x/y", "ü") == "wss://a:1/voice/v1/rooms/x%2Fy/speakers/%C3%BC/audio"
