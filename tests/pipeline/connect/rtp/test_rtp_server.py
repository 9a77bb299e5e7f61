"""Real packets over real UDP, through the API, to a real gateway. All that the gateway hears is compared."""

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.base.errors import ConfigError, InputError
from pipeline.base.metrics import Metrics
from pipeline.connect.client.speaker_stream import SpeakerStream
from pipeline.connect.rtp import stream_registry
from pipeline.connect.rtp.jitter_buffer import RtpPacket, is_rtcp, parse_packet
from pipeline.connect.rtp.rtp_server import Receiving, serve_rtp
from pipeline.connect.rtp.rtp_stream import RtpMapping
from pipeline.connect.rtp.rtp_timeline import CLOCK, RtpCodec
from pipeline.connect.rtp.stream_registry import RtpStreams
from pipeline.contract.messages import AudioChunk
from pipeline.settings import GatewaySettings, MetricsServer, RtpSettings, Settings
from pipeline.speech.audio.chunk_order import ReceivedSamples
from tests.agents.gateway.test_gateway_server import Place, ended, running, until
from tests.pipeline.connect.rtp.packets import SSRC, rtp, wire
from tests.pipeline.connect.rtp.speech import TICKS, heard, payloads
from tests.ports import free_port

GATEWAY_TOKEN, API_TOKEN = "the-token-of-the-gateway", "the-token-of-the-streams"
OPUS = payloads("opus")


class Receiver:
    """The process under test, and the media server's socket."""

    def __init__(self, receiving: Receiving, place: Place) -> None:
        self.url, self._metrics_url = receiving.api_url, receiving.metrics_url
        self.place = place
        self.api = httpx.AsyncClient(
            base_url=receiving.api_url, headers={"Authorization": f"Bearer {API_TOKEN}"}, trust_env=False
        )
        self._sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]

    async def put(self, name: str = "1", **changes: Any) -> Any:
        answer = await self.api.put(f"/{name}", json={"room": "聊/1", "speaker": "ü"} | changes)
        answer.raise_for_status()
        return answer.json()

    async def names(self) -> Any:
        return (await self.api.get(self.url)).json()

    async def status(self, name: str = "1") -> Any:
        return (await self.api.get(f"/{name}")).json()

    def send(self, port: int, *packets: RtpPacket | bytes, sender: int = 0) -> None:
        for packet in packets:
            data = packet if isinstance(packet, bytes) else wire(packet)
            self._sockets[sender].sendto(data, ("127.0.0.1", port))

    async def figures(self) -> dict[str, float]:
        """Return the metrics of RTP that are not 0."""
        async with httpx.AsyncClient(trust_env=False) as client:
            lines = (await client.get(self._metrics_url)).text.splitlines()
        told = (line.rsplit(" ", 1) for line in lines if line.startswith("voxwarden_rtp_"))
        return {name.removeprefix("voxwarden_rtp_"): float(value) for name, value in told if float(value)}

    async def until_figure(self, name: str, value: float) -> None:
        for _ in itertools.count():
            if (await self.figures()).get(name, 0) >= value:
                return
            await asyncio.sleep(0.01)

    def heard(self, speaker: str = "ü") -> bytes:
        """Return what segment would hear of a speaker: each sample once."""
        received = ReceivedSamples()
        chunks = [chunk for chunk in self.place.sink.chunks if chunk.speaker == speaker]
        return b"".join(chunk.data for each in chunks if (chunk := received.fresh(each)))

    async def ended(self, count: int = 1) -> list[AudioChunk]:
        """Wait until the gateway knows that speakers have left."""
        await until(lambda: sum(chunk.final for chunk in self.place.sink.chunks) >= count)
        return self.place.sink.chunks

    async def until_packets(self, name: str, count: int) -> None:
        for _ in itertools.count():
            if (await self.status(name))["packets"] >= count:
                return
            await asyncio.sleep(0.01)

    async def close(self) -> None:
        await self.api.aclose()
        for each in self._sockets:
            each.close()


@asynccontextmanager
async def receiver(**changes: Any) -> AsyncIterator[Receiver]:
    first = free_port()
    fields = {"first_port": first, "last_port": min(first + 200, 32_767), "http_port": 0, "tokens": [API_TOKEN]}
    stop, ready = asyncio.Event(), asyncio.Queue[Receiving]()
    async with running(tokens=(GATEWAY_TOKEN,)) as place:
        url = f"ws://127.0.0.1:{place.gateway.port}"
        settings = Settings(
            gateway=GatewaySettings(tokens=[GATEWAY_TOKEN]),
            rtp=RtpSettings(**fields | {"gateway_url": url} | changes),
            metrics=MetricsServer(port=0),
        )
        task = asyncio.create_task(serve_rtp(settings, ready.put_nowait, stop.wait))
        made = Receiver(await ready.get(), place)
        try:
            yield made
        finally:
            await made.close()
            stop.set()
            await task


@pytest.fixture(autouse=True)
def _direct(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def spoken(
    codec: RtpCodec = "opus", first: int = 65_530, begin: int = 2**32 - 9_600, **changes: int
) -> list[RtpPacket]:
    """Return a second of packets. Their numbers and timestamps wrap around."""
    kind = {"opus": 111, "pcma": 8, "pcmu": 0}[codec]
    return [
        rtp(first + number, begin + number * TICKS[codec], payload, payload_type=kind, **changes)
        for number, payload in enumerate(payloads(codec))
    ]


@pytest.mark.parametrize("codec", CLOCK)
async def test_a_stream_is_heard_as_it_was_spoken(codec: RtpCodec) -> None:
    async with receiver() as there:
        port = (await there.put(codec=codec, room_type="game", identity_verified=True))["port"]
        there.send(port, *spoken(codec))
        await there.until_figure("packets_total", 50)
        assert (await there.status())["state"] == "live"
        assert (await there.api.delete("/1")).status_code == 204
        chunks = await there.ended()
    assert there.heard() == heard(codec, payloads(codec))
    assert {(chunk.room, chunk.room_type, chunk.identity_verified) for chunk in chunks} == {("聊/1", "game", True)}


async def test_loss_disorder_duplicates_and_silence_move_no_sample() -> None:
    """Packets 10 and 11 are lost, 20 comes after 21, 25 comes twice, and the sender is silent for 0.4 s before 30."""
    packets = spoken()
    later = [rtp(p.sequence, p.timestamp + 19_200, p.payload, marker=at == 0) for at, p in enumerate(packets[30:])]
    order = [*packets[:10], *packets[12:20], packets[21], packets[20], *packets[22:26], packets[25], *packets[26:30]]
    async with receiver(jitter_seconds=1) as there:  # so that packet 20 is not late on a busy machine
        port = (await there.put())["port"]
        there.send(port, *order, *later)
        await there.until_figure("packets_total", 49)
        status = await there.status()
        await there.api.delete("/1")
        await there.ended()
        figures = await there.figures()
    assert there.heard() == heard("opus", [*OPUS[:10], 1_920, *OPUS[12:30], 19_200, *OPUS[30:]])
    assert status["unheard_seconds"] <= 0.041
    assert figures['unheard_seconds_total{reason="loss"}'] == pytest.approx(0.04)
    assert figures['dropped_packets_total{reason="duplicate"}'] == 1


async def test_a_media_server_that_restarts_is_followed() -> None:
    async with receiver() as there:
        port = (await there.put())["port"]
        there.send(port, *spoken()[:25])
        await there.until_figure("packets_total", 25)
        there.send(port, *spoken(first=7, begin=99, ssrc=5)[:25])
        await there.until_figure("packets_total", 50)
        await there.api.delete("/1")
        await there.ended()
    assert there.heard() == heard("opus", OPUS[:25]) + heard("opus", OPUS[:25])


async def test_streams_of_one_port_are_told_apart_by_their_ssrc() -> None:
    async with receiver() as there:
        port = (await there.put("a", speaker="ann", ssrc=1))["port"]
        assert (await there.put("b", speaker="ben", ssrc=2, port=port))["port"] == port
        both = zip(spoken(ssrc=1)[:20], spoken(ssrc=2)[20:40], strict=True)
        there.send(port, *itertools.chain.from_iterable(both), rtp(1, 1, ssrc=3))
        await there.until_figure("packets_total", 40)
        await there.until_figure('dropped_packets_total{reason="unmapped"}', 1)
        await there.api.delete("/a")
        await there.api.delete("/b")
        await there.ended(2)
    assert there.heard("ann") == heard("opus", OPUS[:20])
    assert there.heard("ben") == heard("opus", OPUS[20:40])


async def test_only_the_sender_is_heard_until_the_app_puts_the_stream_again() -> None:
    async with receiver() as there:
        port = (await there.put())["port"]
        packets = spoken()
        there.send(port, *packets[:5])
        await there.until_figure("packets_total", 5)
        there.send(port, *packets[:9], sender=1)
        await there.until_figure('dropped_packets_total{reason="source"}', 9)
        assert (await there.put())["packets"] == 5
        there.send(port, *packets[5:10], sender=1)
        await there.until_figure("packets_total", 10)
        await there.api.delete("/1")
        await there.ended()
    assert there.heard() == heard("opus", OPUS[:10])


async def test_another_address_than_the_one_that_the_app_names_is_not_heard() -> None:
    async with receiver() as there:
        port = (await there.put(source="192.0.2.1"))["port"]
        there.send(port, *spoken()[:3])
        await there.until_figure('dropped_packets_total{reason="source"}', 3)
        assert (await there.status())["state"] == "waiting"


async def test_a_flood_on_one_port_does_not_stop_another() -> None:
    async with receiver() as there:
        flooded = (await there.put("a", speaker="ann"))["port"]
        port = (await there.put("b", speaker="ben"))["port"]
        for number in range(50):
            there.send(flooded, *[rtp(number * 20 + each, 0) for each in range(20)])
            there.send(port, spoken()[number])
            await asyncio.sleep(0)
        await there.until_figure('dropped_packets_total{reason="flood"}', 1)
        await there.until_packets("b", 50)
        await there.api.delete("/b")
        await until(lambda: any(chunk.final and chunk.speaker == "ben" for chunk in there.place.sink.chunks))
    assert there.heard("ben") == heard("opus", OPUS)


async def test_what_is_not_speech_is_dropped_by_reason() -> None:
    async with receiver() as there:
        port = (await there.put())["port"]
        there.send(port, b"\x80\xc8" + bytes(26), b"hello", rtp(0, 0, payload_type=13), spoken()[0])
        for reason in ("rtcp", "invalid", "payload_type"):
            await there.until_figure(f'dropped_packets_total{{reason="{reason}"}}', 1)
        await there.until_figure("packets_total", 1)


HOSTILE = st.binary(max_size=80) | st.builds(
    lambda *fields: wire(rtp(*fields)), st.integers(0, 2**16), st.integers(0, 2**32), st.binary(max_size=40)
)


def is_taken(data: bytes) -> bool:
    try:
        return not is_rtcp(data) and RtpMapping(room="r", speaker="s").accepts(parse_packet(data).payload_type)
    except InputError:
        return False


@pytest.mark.full
@settings(max_examples=20)
@given(st.lists(HOSTILE, max_size=12))
async def test_nothing_that_a_sender_sends_stops_its_next_stream(hostile: list[bytes]) -> None:
    metrics = Metrics()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        async with running(tokens=(GATEWAY_TOKEN,)) as place:
            url = f"ws://127.0.0.1:{place.gateway.port}"
            streams = RtpStreams(RtpSettings(), lambda m: SpeakerStream(url, GATEWAY_TOKEN, m.room, m.speaker), metrics)
            stream = await streams.put("1", RtpMapping(room="r", speaker="s"))
            for data in (*hostile, *map(wire, spoken(ssrc=SSRC + 1))):
                sender.sendto(data, ("127.0.0.1", stream.port))
            await until(lambda: stream.packets == 50 + sum(map(is_taken, hostile)))
            await streams.close()
            await until(lambda: ended(place))
    assert b"".join(chunk.data for chunk in place.sink.chunks).endswith(heard("opus", OPUS))


async def test_a_stream_that_the_gateway_refuses_says_why_and_can_be_put_again() -> None:
    async with receiver() as there:
        port = (await there.put(room_type="kids"))["port"]
        there.place.settings.__dict__["closed_room_types"] = ("kids",)
        for number in itertools.count():
            there.send(port, rtp(number, 960 * number, OPUS[0]))
            await asyncio.sleep(0.01)
            if "4403" in (await there.status())["refusal"]:
                break
        there.send(port, *spoken()[5:7])
        await there.until_figure('dropped_packets_total{reason="refused"}', 2)
        assert (await there.status())["state"] == "refused"
        there.place.settings.__dict__["closed_room_types"] = ()
        again = await there.put(room_type="kids")
        assert (again["state"], again["port"]) == ("waiting", port)
        there.send(port, *spoken()[7:9])
        await until(lambda: len(there.heard()) > 0)


async def test_a_stop_ends_the_speech() -> None:
    async with receiver() as there:
        port = (await there.put())["port"]
        there.send(port, *spoken())
        await there.until_figure("packets_total", 50)
    assert there.place.sink.chunks[-1].final
    assert there.heard() == heard("opus", OPUS)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"speaker": ""}, 400), ({"room": "a\nb"}, 400), ({"codec": "g722"}, 400), ({"ssrc": -1}, 400),
        ({"odd": 1}, 400), ({"speaker": "ben", "port": 1}, 400), ({"port": 0}, 400), ({"source": "nowhere"}, 400),
        ({}, 409),
    ],
)  # fmt: skip
async def test_a_mapping_that_cannot_be_meant_is_refused(changes: dict[str, Any], status: int) -> None:
    async with receiver() as there:
        await there.put("first")
        answer = await there.api.put("/second", json={"room": "聊/1", "speaker": "ü"} | changes)
        assert answer.status_code == status
        assert answer.json()["error"]["message"]
        assert list(await there.names()) == ["first"]


async def test_ports_and_streams_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_registry, "MAX_STREAMS", 2)
    async with receiver() as there:
        first = (await there.put("a", speaker="ann"))["port"]
        for taken in ({"port": first}, {"port": first, "ssrc": 1}):
            answer = await there.api.put("/b", json={"room": "r", "speaker": "ben"} | taken)
            assert (answer.status_code, "port" in answer.text) == (409, True)
        second = (await there.put("b", speaker="ben"))["port"]
        assert (await there.api.put("/c", json={"room": "r", "speaker": "c"})).status_code == 409
        assert (await there.put("b", speaker="ben", codec="pcma"))["port"] == second
        assert (await there.api.delete("/a")).status_code == 204
        assert (await there.api.delete("/a")).status_code == 404
        assert (await there.put("c", speaker="c"))["port"] not in {first, second}, "its old sender may still be sending"


async def test_without_a_free_port_there_is_no_stream() -> None:
    taken = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    taken.bind(("127.0.0.1", 0))
    number = taken.getsockname()[1]
    async with receiver(first_port=number, last_port=number) as there:
        for port in (None, number):
            answer = await there.api.put("/a", json={"room": "r", "speaker": "ann", "port": port})
            assert (answer.status_code, "port" in answer.text) == (503, True)
    taken.close()


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {API_TOKEN}"}])
async def test_without_a_token_the_api_refuses(headers: dict[str, str]) -> None:
    async with receiver() as there:
        there.api.headers.pop("Authorization")
        for method, path in (("GET", ""), ("PUT", "/1"), ("DELETE", "/1")):
            assert (await there.api.request(method, path, headers=headers)).status_code == 401


async def no_stop() -> None:
    raise AssertionError("it started")


@pytest.mark.parametrize(
    ("fields", "said"),
    [({"http_host": "192.0.2.1"}, "VOXWARDEN_RTP__TOKENS"), ({"tokens": [API_TOKEN]}, "VOXWARDEN_GATEWAY__TOKENS")],
)
async def test_a_missing_token_is_named(fields: dict[str, Any], said: str) -> None:
    started: Callable[[Receiving], None] = list[Receiving]().append
    with pytest.raises(ConfigError, match=said):
        await serve_rtp(Settings(rtp=RtpSettings(**fields)), started, no_stop)
