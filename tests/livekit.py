"""A real LiveKit server for tests, on loopback, and people who talk in its rooms.

with LiveKit(folder) as server:
    async with joined(server.url, "lobby", "ann") as ann:
        await ann.say(pcm)
"""

import asyncio
import contextlib
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec
import yaml
from livekit import api, rtc

from pipeline.settings import LiveKitSettings
from tests.broker import ROOT
from tests.ports import free_port

BINARY = next(iter(sorted((ROOT / ".cache" / "livekit").glob("livekit-server-*"), reverse=True)), None)
KEY = "tester"
SECRET = "a secret of tests with 32 bytes or more"  # noqa: S105
START_SECONDS = 60.0
RATE = 48_000


def configuration(port: int, tcp: int, first_udp: int, webhook: int, key: str, secret: str) -> dict[str, Any]:
    """Settings of a server on loopback, as in docs/livekit.md."""
    return {
        "port": port,
        "bind_addresses": ["127.0.0.1"],
        "rtc": {
            "port_range_start": first_udp,
            "port_range_end": first_udp + 100,
            "tcp_port": tcp,
            "use_external_ip": False,
            "enable_loopback_candidate": True,
            "interfaces": {"includes": ["lo"]},
        },
        "keys": {key: secret},
        "webhook": {"api_key": key, "urls": [f"http://127.0.0.1:{webhook}/webhook"]},
    }


class LiveKit:
    """A server process. It sends its webhooks to the port `webhook`, whether anybody listens there or not."""

    def __init__(self, folder: Path) -> None:
        if BINARY is None:
            raise FileNotFoundError("There is no LiveKit server in .cache/livekit. Build it: make livekit")
        self._folder = folder
        self._port, self._tcp, self.webhook = free_port(), free_port(), free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self._port}"

    def settings(self, **changes: Any) -> LiveKitSettings:
        """Settings of a bot that listens in all rooms."""
        fields: dict[str, Any] = {"url": self.url, "api_key": KEY, "api_secret": SECRET}
        return LiveKitSettings(**fields | {"webhook_port": self.webhook} | changes)

    def client(self) -> api.LiveKitAPI:
        return api.LiveKitAPI(self.url, KEY, SECRET)

    def __enter__(self) -> "LiveKit":
        first_udp = 40_000 + (self._port % 100) * 101
        written = configuration(self._port, self._tcp, first_udp, self.webhook, KEY, SECRET)
        written |= {"logging": {"level": "warn"}, "room": {"empty_timeout": 3, "departure_timeout": 2}}
        (self._folder / "livekit.yaml").write_text(yaml.safe_dump(written))
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        with (self._folder / "livekit.log").open("ab") as output:
            command = [str(BINARY), "--config", str(self._folder / "livekit.yaml")]
            self._process = subprocess.Popen(command, stdout=output, stderr=output)
        deadline = time.monotonic() + START_SECONDS
        while not _answers(self._port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"LiveKit did not start: {(self._folder / 'livekit.log').read_text()[-2000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None


class Person:
    """A participant with a microphone."""

    def __init__(self, room: rtc.Room) -> None:
        self.room = room
        self.notices: list[dict[str, Any]] = []
        """The data messages that arrived, on the topic `moderation`."""
        self.disconnected: list[int] = []
        """The reasons of the end of the connection."""
        self._source: rtc.AudioSource | None = None
        self._track: str = ""
        room.on("data_received", self._note)
        room.on("disconnected", self.disconnected.append)

    @property
    def may_publish(self) -> bool:
        return bool(self.room.local_participant.permissions.can_publish)

    async def open_microphone(self) -> str:
        """Publish a microphone and return the sid of its track."""
        self._source = rtc.AudioSource(RATE, 1, queue_size_ms=100)
        track = rtc.LocalAudioTrack.create_audio_track("microphone", self._source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        self._track = (await self.room.local_participant.publish_track(track, options)).sid
        return self._track

    async def close_microphone(self) -> None:
        await self.room.local_participant.unpublish_track(self._track)

    async def say(self, pcm: bytes, rate: int = RATE) -> None:
        """Speak 16-bit mono PCM in real time."""
        if self._source is None:
            await self.open_microphone()
        assert self._source
        step = RATE // 100
        for data in rtc.AudioResampler(rate, RATE).push(bytearray(pcm)) if rate != RATE else ():
            await self._speak(bytes(data.data), step)
        if rate == RATE:
            await self._speak(pcm, step)

    async def _speak(self, pcm: bytes, step: int) -> None:
        assert self._source
        for at in range(0, len(pcm) - 2 * step + 1, 2 * step):
            await self._source.capture_frame(rtc.AudioFrame(pcm[at : at + 2 * step], RATE, 1, step))

    def _note(self, packet: rtc.DataPacket) -> None:
        if packet.topic == "moderation":
            self.notices.append(msgspec.json.decode(packet.data))


@asynccontextmanager
async def joined(
    url: str, room: str, identity: str, options: rtc.RoomOptions | None = None, **grants: Any
) -> AsyncIterator[Person]:
    """A person in a room of the server at `url`, until the block ends."""
    allowed = api.VideoGrants(room_join=True, room=room, **grants)
    token = api.AccessToken(KEY, SECRET).with_identity(identity).with_grants(allowed).to_jwt()
    person = Person(rtc.Room())
    await person.room.connect(url, token, options or rtc.RoomOptions(auto_subscribe=False))
    try:
        yield person
    finally:
        await person.room.disconnect()


async def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - LiveKit's library has many threads
            await asyncio.sleep(0.02)


def _answers(port: int) -> bool:
    import socket

    with socket.socket() as probe, contextlib.suppress(OSError):
        return probe.connect_ex(("127.0.0.1", port)) == 0
    return False
