"""Measure what a bot in a LiveKit room loses and costs.

    python -m benchmarks.livekit [--tracks 20] [--speakers 20] [--seconds 20]

First, people open a microphone and speak at once, one after the other: what of their first second is not heard? The
bot comes by webhook for the first of them. Then `--speakers` people speak at the same time for `--seconds`, from
another process: what CPU time does the bot need for one of them? It runs against a real LiveKit server on loopback.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from pipeline.base.metrics import Metrics
from pipeline.connect.livekit.livekit_process import quiet
from pipeline.connect.livekit.livekit_webhooks import Signature, receiving
from pipeline.connect.livekit.room_bots import RoomBots
from pipeline.connect.livekit.server_access import client
from tests.livekit import KEY, SECRET, LiveKit, joined, until
from tests.pipeline.connect.livekit.conftest import KeepingGateway, tone

HERTZ = 440.0
SPOKEN = 1.0
"""Seconds that each person speaks from the moment in which the microphone is open."""


@dataclass
class LiveKitBench:
    """A bot, and the server that it listens on."""

    server: LiveKit
    rooms: RoomBots
    gateway: KeepingGateway
    metrics: Metrics

    def unheard(self, reason: str) -> float:
        value = self.metrics.registry.get_sample_value
        return value("voxwarden_livekit_unheard_seconds_total", {"reason": reason}) or 0.0


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[LiveKitBench]:
    """Run server, bot and webhooks. The bot sweeps only once in five minutes, so that webhooks bring it."""
    with LiveKit(folder) as server:
        settings, metrics, gateway = server.settings(sweep_seconds=300), Metrics(), KeepingGateway()
        async with AsyncExitStack() as stack:
            service = (await stack.enter_async_context(client(settings))).room
            rooms = RoomBots(settings, service, gateway.speech, metrics, lambda room, who: None)
            signature = Signature(KEY, SECRET)
            await stack.enter_async_context(receiving("127.0.0.1", server.webhook, signature, rooms.hint, metrics))
            task = asyncio.create_task(rooms.run())
            yield LiveKitBench(server, rooms, gateway, metrics)
            task.cancel()
            await asyncio.wait({task})
            await rooms.close()


async def time_to_join(bench: LiveKitBench, times: int) -> list[float]:
    """Seconds from the moment in which the first person is in a room until the bot is."""
    found = []
    for number in range(times):
        async with joined(bench.server.url, f"new-{number}", "ann"):
            began = time.perf_counter()
            await until(lambda: f"new-{number}" in bench.rooms.bots)  # noqa: B023 - it is called in this turn only
            found.append(time.perf_counter() - began)
    return found


async def lost_beginnings(bench: LiveKitBench, tracks: int) -> list[float]:
    """Seconds that are missing of what each person says first."""
    found = []
    async with joined(bench.server.url, "lobby", "keeper"):
        await until(lambda: "lobby" in bench.rooms.bots)
        for number in range(tracks):
            async with joined(bench.server.url, "lobby", f"p{number}") as person:
                await person.say(tone(HERTZ, SPOKEN))
                await asyncio.sleep(1.0)
            found.append(SPOKEN - bench.gateway.loud_seconds("lobby", f"p{number}", HERTZ))
    return found


async def cost_of_a_speaker(bench: LiveKitBench, speakers: int, seconds: float) -> float:
    """Seconds of CPU time of this process for a second of one speaker."""
    command = [sys.executable, "-m", "benchmarks.livekit", "talk", bench.server.url, str(speakers), str(seconds + 5)]
    talk = await asyncio.create_subprocess_exec(*command)
    await until(lambda: "crowd" in bench.rooms.bots and len(bench.rooms.bots["crowd"].heard) == speakers)
    cpu = time.process_time()
    await asyncio.sleep(seconds)
    cost = (time.process_time() - cpu) / seconds / speakers
    await talk.wait()
    return cost


async def measure(tracks: int, speakers: int, seconds: float) -> Table:
    with tempfile.TemporaryDirectory() as folder:
        async with running(Path(folder)) as bench:
            joins = await time_to_join(bench, 10)
            before = bench.unheard("start")
            lost = await lost_beginnings(bench, tracks)
            told = (bench.unheard("start") - before) / tracks
            cost = await cost_of_a_speaker(bench, speakers, seconds)
            missing = {reason: bench.unheard(reason) for reason in ("gap", "loss")}
    return report(joins, lost, told, cost, missing)


def report(joins: list[float], lost: list[float], told: float, cost: float, missing: dict[str, float]) -> Table:
    table = Table("figure", "value")
    table.add_row(
        "until the bot is in a new room, by webhook", f"{statistics.median(joins):.2f} s, at most {max(joins):.2f} s"
    )
    table.add_row(
        "lost at the beginning of a track",
        f"{statistics.median(lost) * 1000:.0f} ms, at most {max(lost) * 1000:.0f} ms",
    )
    table.add_row("what the metric says of it, on average", f"{told * 1000:.0f} ms")
    table.add_row("CPU for a speaker", f"{cost * 100:.2f} % of a core")
    for reason, seconds in missing.items():
        table.add_row(f"seconds of {reason} in all", f"{seconds:.2f}")
    return table


async def talk(url: str, speakers: int, seconds: float) -> None:
    """Let people speak at the same time, in a process of their own."""
    quiet()
    async with AsyncExitStack() as stack:
        people = [await stack.enter_async_context(joined(url, "crowd", f"p{n}")) for n in range(speakers)]
        await asyncio.gather(*(person.say(tone(HERTZ, seconds)) for person in people))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracks", type=int, default=20)
    parser.add_argument("--speakers", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=20.0)
    given = parser.parse_args()
    quiet()
    Console().print(asyncio.run(measure(given.tracks, given.speakers, given.seconds)))


if __name__ == "__main__":
    if sys.argv[1:2] == ["talk"]:
        asyncio.run(talk(sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
    else:
        main()
