"""Our cutting of a read gives the same messages as the library's parser. The close codes are part of the contract."""

import asyncio
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.frames import BINARY, CLOSE, CONT, PING, PONG, TEXT, Frame
from websockets.frames import Close as CloseFrame
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from agents.gateway import gateway_server
from agents.gateway.audio_receiver import BYTES_PER_SECOND, AudioReceiver
from agents.gateway.wire import DROPPED_BYTES, Close, Connection, RefusalError, whole_frames
from tests.agents.gateway.test_gateway_server import OTHER, PATH, Place, heard, running, until

LARGEST = 300
REASON = "No valid token. Send the header Authorization: Bearer <token>."
CLOSED = Frame(CLOSE, CloseFrame(4401, REASON).serialize()).serialize(mask=False)


def frame(head: int, payload: bytes, mask: bytes) -> bytes:
    """Return a masked frame. `head` has the opcode and all flags, valid or not."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else bytes([0x80 | 126]) + size.to_bytes(2, "big")
    return bytes([head]) + length + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


HEADS = st.sampled_from([0x82] * 6 + [0x81, 0x80, 0x02, 0x00, 0x89, 0x88, 0xC2, 0x83])
PAYLOADS = st.sampled_from([b"", b"{}", bytes(125), bytes(126), bytes(LARGEST), bytes(LARGEST + 1)])
FRAMES = st.builds(frame, HEADS, PAYLOADS | st.binary(max_size=20), st.binary(min_size=4, max_size=4))


def request(token: str) -> bytes:
    lines = [
        f"GET {PATH} HTTP/1.1", "Host: x", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", f"Authorization: Bearer {token}",
    ]  # fmt: skip
    return "\r\n".join([*lines, "", ""]).encode()


def by_library(data: bytes) -> tuple[list[Any], Any]:
    """Return the library's frames, and how the connection ends."""
    protocol = ServerProtocol(state=OPEN, max_size=LARGEST)
    protocol.receive_data(data)
    frames = [(event.opcode, bytes(event.data), event.fin) for event in protocol.events_received()]  # type: ignore[union-attr]
    return frames, protocol.close_sent and protocol.close_sent.code


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(FRAMES | st.binary(max_size=30), max_size=8).map(b"".join), st.integers(0, 40))
def test_the_library_continues_where_the_cut_ended(data: bytes, missing: int) -> None:
    data = data[: max(0, len(data) - missing)]
    messages, taken = whole_frames(data, LARGEST)
    frames, ended = by_library(data[taken:])
    assert ([*((BINARY, message, True) for message in messages), *frames], ended) == by_library(data)


def test_whole_frames_are_cut() -> None:
    data = b"".join(Frame(BINARY, bytes(size)).serialize(mask=True) for size in (0, 125, 126, 300))
    messages, taken = whole_frames(data, LARGEST)
    assert ([len(message) for message in messages], taken) == ([0, 125, 126, 300], len(data))


async def test_messages_arrive_whole_however_they_are_split() -> None:
    """The client sends fragments, with a ping between them, and each byte by itself."""
    sent = [
        Frame(BINARY, b"ab"), Frame(BINARY, b"cd", fin=False), Frame(PING, b"?"), Frame(CONT, b"", fin=False),
        Frame(CONT, b"ef"), Frame(TEXT, b'{"muted"', fin=False), Frame(CONT, b": true}"), Frame(BINARY, b"gh"),
    ]  # fmt: skip
    data = b"".join(frame.serialize(mask=True) for frame in sent)
    async with running(GATHER_SECONDS=0) as place:
        reader, writer = await asyncio.open_connection("127.0.0.1", place.gateway.port)
        writer.write(request(OTHER))
        await reader.readuntil(b"\r\n\r\n")
        writer.write(data)
        await until(lambda: heard(place) == b"abcdefgh")
        for byte in data:
            writer.write(bytes([byte]))
            await writer.drain()
        await until(lambda: len(heard(place)) >= len(b"abcdefgh" * 2))
        writer.close()
        await writer.wait_closed()
        assert heard(place) == b"abcdefgh" * 2


@pytest.mark.parametrize("size", [1, 7, 10_000])
async def test_frames_beside_the_request_wait_for_the_check_of_its_token(size: int) -> None:
    """However the network splits them: with a valid token they are heard, without one no ping has an answer."""
    data = Frame(PING, b"?").serialize(mask=True) + Frame(BINARY, b"ab").serialize(mask=True)
    async with running() as place:
        for token in (OTHER, "wrong"):
            reader, writer = await asyncio.open_connection("127.0.0.1", place.gateway.port)
            sent = request(token) + data
            for at in range(0, len(sent), size):
                writer.write(sent[at : at + size])
                await asyncio.sleep(0)
            assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
            if token == OTHER:
                await until(lambda: heard(place) == b"ab")
                assert await reader.readexactly(3) == Frame(PONG, b"?").serialize(mask=False)
            else:
                assert await reader.read() == CLOSED
            writer.close()
            await writer.wait_closed()
        assert heard(place) == b"ab"


async def opened(place: Place, token: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Return a connection after its handshake."""
    reader, writer = await asyncio.open_connection("127.0.0.1", place.gateway.port)
    writer.write(request(token))
    assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
    return reader, writer


async def pour(writer: asyncio.StreamWriter, data: bytes) -> None:
    """Send `data` again and again. Raises ConnectionError when the gateway hangs up."""
    while True:
        writer.write(data)
        await writer.drain()


class Counted(Connection):
    """Counts what all connections have read and parsed."""

    read: list[int]
    parsed: list[Any]

    def data_received(self, data: bytes) -> None:
        self.read.append(len(data))
        super().data_received(data)

    def process_event(self, event: Any) -> None:
        self.parsed.append(event)
        super().process_event(event)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> type[Counted]:
    Counted.read, Counted.parsed = [], []
    monkeypatch.setattr(gateway_server, "Connection", Counted)
    return Counted


async def test_a_flood_without_a_token_is_dropped_unparsed_and_ends_at_once(
    counted: type[Counted], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The peer gets the close code. A moment later, its flood ends the connection, whatever the close timeout is."""
    monkeypatch.setattr(gateway_server, "CLOSE_SECONDS", 1_000)
    flood = Frame(PING, b"").serialize(mask=True) * 50_000
    async with running() as place:
        reader, writer = await opened(place, "wrong")
        assert await reader.readexactly(len(CLOSED)) == CLOSED
        with pytest.raises(ConnectionError):
            await pour(writer, flood)
        await until(lambda: not place.gateway._server.all_connections)
    assert len(counted.parsed) == 1, "only the request"
    assert sum(counted.read) <= len(request("wrong")) + DROPPED_BYTES + 2**18, "the last read passed the limit"


@pytest.mark.parametrize(
    "frames",
    [
        [Frame(PING, b"")] * 50_000,
        [Frame(PONG, b"?")] * 50_000,
        [Frame(BINARY, b"", fin=False), *[Frame(CONT, b"", fin=False)] * 50_000],
        [Frame(BINARY, b""), Frame(PING, b"")] * 25_000,
    ],
    ids=["pings", "pongs", "fragments", "both"],
)
async def test_frames_without_audio_count_towards_the_limit(counted: type[Counted], frames: list[Frame]) -> None:
    """A few more are parsed than are allowed, but far from all that arrived. Nothing is parsed after the refusal."""
    async with running(FRAMES_PER_SECOND=50, burst_seconds=2) as place:
        _, writer = await opened(place, OTHER)
        with pytest.raises(ConnectionError):
            await pour(writer, b"".join(frame.serialize(mask=True) for frame in frames))
        await until(lambda: place.refused("too_fast") == 1)
        await until(lambda: not place.gateway._server.all_connections)
    assert len(counted.parsed) < 2_000


async def test_audio_after_the_refusal_is_parsed_up_to_the_limit_of_bytes(
    counted: type[Counted], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is counted as lost. But a client that does not stop must not keep the parser busy until the close timeout."""
    monkeypatch.setattr(gateway_server, "CLOSE_SECONDS", 0.3)
    monkeypatch.setattr(gateway_server, "AudioReceiver", partial(AudioReceiver, ticks=lambda: 1_000.0))
    async with running(burst_seconds=1) as place:
        _, writer = await opened(place, OTHER)
        with pytest.raises(ConnectionError):
            await pour(writer, Frame(BINARY, bytes(32_000)).serialize(mask=True))
        await until(lambda: not place.gateway._server.all_connections)
        assert place.refused("too_fast") == 1
        assert 1 < place.figure("lost_seconds_total") <= BYTES_PER_SECOND / 32_000 + 1
    assert sum(counted.read) <= BYTES_PER_SECOND + 2**18, "the last read passed the limit"


def test_the_close_codes_are_those_of_the_manual() -> None:
    assert {code.name: int(code) for code in Close} == {
        "RESTART": 1012, "TRY_LATER": 1013, "TOO_BIG": 1009, "BAD_REQUEST": 4400,
        "UNAUTHORIZED": 4401, "SWITCHED_OFF": 4403, "IDLE": 4408, "REPLACED": 4409, "OUTDATED": 4410, "BAD_AUDIO": 4415,
        "TOO_FAST": 4429,
    }  # fmt: skip


def test_a_refusal_has_its_code_and_says_what_to_do() -> None:
    refusal = RefusalError(Close.TOO_FAST, "Too much audio", "Send it as it is spoken.")
    assert refusal.code is Close.TOO_FAST
    assert str(refusal) == "Too much audio. Send it as it is spoken."
