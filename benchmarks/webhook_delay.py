"""Measure how soon an app learns of flagged speech: from the end of the speech to the webhook.

    python -m benchmarks.webhook_delay [--rooms 15] [--seconds 90] [--share 0.1] [--slow 0]

A real `voxwarden run` gets live audio by WebSocket, from one speaker in each room. They speak 40% of the time. One of
ten clips (`--share`) breaks the rules: a threat of the demo. An app in this process receives the webhooks `flag.raised`
and answers at once. It never answers for the first `--slow` rooms.

It prints the quantiles of three times: from the end of the speech to the webhook, to the stored flag, and from the
stored flag to the webhook, and the share of the first one within the target.
"""

import argparse
import asyncio
import base64
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from random import Random

import numpy as np
from rich.console import Console
from rich.table import Table
from websockets.asyncio.client import connect

from benchmarks.rooms import FRAME_SECONDS, SHARE, WARM_SECONDS
from benchmarks.speech import clips as bundled
from pipeline.contract.messages import SAMPLE_RATE
from pipeline.speech.asr.recogniser import Samples
from pipeline.speech.audio.encode import to_pcm16
from tests.agents.test_run import spoken
from tests.ports import free_port

TARGET_SECONDS = 1.5
TOKEN = "a-token-of-the-benchmark"  # noqa: S105
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
PATIENCE_SECONDS = 10.0
"""Seconds after the last audio in which webhooks still count."""


@dataclass
class ReceivingApp:
    """An HTTP server that notes when each event came. It never answers for the first `slow` rooms."""

    slow: int
    came: dict[str, tuple[float, dict[str, object]]] = field(default_factory=dict)
    repeated: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._answer(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the client or the run ends; Python 3.11 would print the last of these errors
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = next(int(line.split(":")[1]) for line in head.splitlines() if line.startswith("content-length:"))
        now, event = time.time(), json.loads(await reader.readexactly(length))
        if number(event["data"]["room"]) < self.slow:
            await asyncio.sleep(3_600)
        self.repeated += event["data"]["id"] in self.came
        self.came.setdefault(event["data"]["id"], (now, event))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        await writer.drain()
        return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rooms", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=90.0)
    parser.add_argument("--share", type=float, default=0.1)
    parser.add_argument("--slow", type=int, default=0)
    options = parser.parse_args()
    app = ReceivingApp(options.slow)
    asyncio.run(measure(app, options.rooms, options.seconds, options.share))
    show(app, options.rooms)


async def measure(app: ReceivingApp, rooms: int, seconds: float, share: float) -> None:
    gateway, hook = free_port(), free_port()
    harmless, flagged = bundled(), (np.frombuffer(spoken(), "<i2") / 32_768).astype(np.float32)
    server = await asyncio.start_server(app.serve, "127.0.0.1", hook)
    with tempfile.TemporaryDirectory() as folder:
        async with voxwarden(Path(folder), gateway, hook):
            began = time.time()
            talks = [talk(Random(room), harmless, flagged, share) for room in range(rooms)]
            await asyncio.gather(*(speak(gateway, room, began, seconds, each) for room, each in enumerate(talks)))
            await asyncio.sleep(PATIENCE_SECONDS)
    server.close()
    app.came = {flag: found for flag, found in app.came.items() if end_of(found[1]) > began + WARM_SECONDS}


@asynccontextmanager
async def voxwarden(folder: Path, gateway: int, hook: int) -> AsyncIterator[None]:
    """Run `voxwarden run` until the end of the block."""
    settings = {
        "DATA_DIR": str(folder),
        "GATEWAY__PORT": str(gateway),
        "GATEWAY__TOKENS": json.dumps([TOKEN]),
        "CONSOLE__PORT": "0",
        "METRICS__PORT": "0",
        "WEBHOOKS__URL": f"http://127.0.0.1:{hook}/",
        "WEBHOOKS__SECRET": SECRET,
        "WEBHOOKS__FLAGS__SUGGESTIONS": '["review", "block"]',
    }
    environment = os.environ | {f"VOXWARDEN_{name}": value for name, value in settings.items()}
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "agents", "run", env=environment)
    try:
        await listening(gateway)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        await process.wait()


async def listening(port: int) -> None:
    """Wait until the gateway takes audio: then the models are loaded, and the console is up."""
    while True:
        try:
            async with connecting(port, room=-1, began=time.time()):
                return
        except OSError:
            await asyncio.sleep(0.2)


def connecting(port: int, room: int, began: float) -> connect:
    url = f"ws://127.0.0.1:{port}/v1/rooms/room-{room}/speakers/a/audio?sample_rate={SAMPLE_RATE}&start={began}"
    return connect(url, additional_headers={"Authorization": f"Bearer {TOKEN}"}, open_timeout=120)


async def speak(port: int, room: int, began: float, seconds: float, frames: Iterator[bytes]) -> None:
    """Send frames in real time, each when it has been spoken to its end."""
    async with connecting(port, room, began) as gateway:
        for at in range(1, round(seconds / FRAME_SECONDS)):
            await asyncio.sleep(max(0.0, began + at * FRAME_SECONDS - time.time()))
            await gateway.send(next(frames))


def talk(random: Random, harmless: Sequence[Samples], flagged: Samples, share: float) -> Iterator[bytes]:
    """Yield the frames of a speaker, as 16-bit PCM."""
    samples = np.zeros(round(random.uniform(0, 8) * SAMPLE_RATE), np.float32)
    size = round(FRAME_SECONDS * SAMPLE_RATE)
    while True:
        while len(samples) < size:
            clip = flagged if random.random() < share else random.choice(harmless)
            samples = np.concatenate([samples, clip, np.zeros(round(len(clip) * (1 - SHARE) / SHARE), np.float32)])
        frame, samples = samples[:size], samples[size:]
        yield to_pcm16(frame)


def number(room: str) -> int:
    return int(room.rpartition("-")[2])


def end_of(event: dict[str, object]) -> float:
    """Return when the speech of an event ended, in UTC seconds."""
    data = event["data"]
    return float(data["end"]) if isinstance(data, dict) else 0.0


def stored_at(event: dict[str, object]) -> float:
    return datetime.fromisoformat(str(event["timestamp"])).timestamp()


def show(app: ReceivingApp, rooms: int) -> None:
    """Print the figures."""
    if not app.came:
        raise SystemExit("No webhook came. Use more --seconds or a larger --share.")
    events = list(app.came.values())
    delays = {
        "end of speech to webhook": [now - end_of(event) for now, event in events],
        "end of speech to stored flag": [stored_at(event) - end_of(event) for _, event in events],
        "stored flag to webhook": [now - stored_at(event) for now, event in events],
    }
    table = Table("seconds", "p50", "p95", "p99", "most")
    for name, found in delays.items():
        table.add_row(name, *(f"{value:.2f}" for value in (*np.percentile(found, (50, 95, 99)), max(found))))
    whole = np.array(delays["end of speech to webhook"])
    p95 = float(np.percentile(whole, 95))
    summary = (
        f"{len(events)} webhooks of {rooms} rooms, {app.repeated} repeated; within {TARGET_SECONDS} s: "
        f"{np.mean(whole <= TARGET_SECONDS):.0%}; p95 is {p95 / TARGET_SECONDS:.2f} of the target"
    )
    Console(width=120).print(table, summary, sep="\n")


if __name__ == "__main__":
    main()
