"""Measure the delay of verdicts in one huge room, and in many rooms: from the end of speech to its flag on Kafka.

    python -m benchmarks.crowd [--room 1000 --talks 8 --shards 24] [--rooms 8 12 16] [--seconds 60] [--model base]

A real gateway and real workers, with Whisper and the classifier, take speech in real time. Two segment workers
share the partitions. In the huge room, `--room` people have their microphones open. `--talks` conversations go on at
the same time: in each one, somebody speaks 40% of the time, and the next sentence comes from any other microphone. A
microphone sends a second of silence after each sentence, and then nothing. In each of the many rooms, four people talk
like this.

A delay includes the 0.6 s of silence that end an utterance. The target is that 95% are within 1.5 s. `by worker` shows
how many records of the room each segment worker took, `waiting` the records that wait for the workers at the end.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from agents.loop.lag import Lag
from benchmarks.capacity.deployment import Deployment
from benchmarks.capacity.scene import LoadScene, Observation
from pipeline.contract.topology import STAGES
from tests.broker import Broker

TARGET_SECONDS = 1.5
PEOPLE = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--room", type=int, default=1_000)
    parser.add_argument("--talks", type=int, default=8)
    parser.add_argument("--shards", type=int, default=24)
    parser.add_argument("--rooms", type=int, nargs="*", default=[8, 12, 16])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--model", default="base")
    options = parser.parse_args()
    scenes = [LoadScene(rooms=1, microphones=options.room, talks=options.talks)] if options.room else []
    scenes += [LoadScene(rooms=number, microphones=PEOPLE) for number in options.rooms]
    table = Table("scene", "utterances", "p50 s", "p95 s", "p99 s", "in time", "by worker", "cores", "waiting", "load")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (
            Broker(folder) as broker,
            Deployment(
                folder, broker, options.shards, workers={"segment": 2}, model=options.model
            ).running() as deployment,
        ):
            for scene in scenes:
                before = deployment.taken("segment")
                found = deployment.observe(scene, options.seconds)
                shares = [after - seen for after, seen in zip(deployment.taken("segment"), before, strict=True)]
                table.add_row(*row(found, shares, waiting(deployment)))
    Console(width=160).print(table)


def row(found: Observation, shares: Sequence[float], behind: int) -> list[str]:
    p50, p95, p99 = found.delays
    total = max(sum(shares), 1)
    return [
        str(found.scene),
        str(found.utterances),
        *(f"{delay:.2f}" for delay in (p50, p95, p99)),
        "yes" if p95 <= TARGET_SECONDS else "no",
        " / ".join(f"{share / total:.0%}" for share in shares),
        f"{sum(found.cpu.values()) / found.sent.seconds:.2f}",
        str(behind),
        f"{found.load:.1f}",
    ]


def waiting(deployment: Deployment) -> int:
    """Return how many records wait for all roles together."""
    found = 0
    for stage in STAGES:
        lag = Lag(stage, deployment.settings)
        try:
            found += sum(each.lag for each in lag.places().values())
        finally:
            lag.close()
    return found


if __name__ == "__main__":
    main()
