"""Does anything get lost when everything breaks? Workers are killed, the broker restarts, the store refuses.

    python -m benchmarks.chaos [--minutes 3] [--rooms 6] [--seed 1]

Rooms talk into a real Kafka; workers of all four roles carry it, Whisper and the classifier replaced by something
instant (benchmarks/fast_worker.py). Meanwhile, every few seconds, one of them gets SIGKILL or SIGTERM; the broker is
killed once and comes back; the store is locked for 20 s; 1% of the chunks are malformed.

Afterwards every stretch of speech must be in the store exactly once: four fifths of it covered by cases, and no two
cases of a speaker overlapping. A segmenter that starts anew in the middle of speech may cut it elsewhere; how often is
counted, and how many flags tell of speech that an earlier one told of: the store makes one case of them. Every
malformed chunk must be in the dead letters exactly once, by where it came from: a crash between sending a dead letter
and acknowledging its source repeats the record, and is counted as redelivered. The last line has the counts; the exit
code is 1 if anything is lost or doubled.
"""

import argparse
import itertools
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any

from kafka import TopicPartition
from rich.console import Console
from sqlalchemy import select

from agents import topics
from agents.kafka import producer, reader, topic_name
from agents.lag import Lag, Place
from benchmarks.speech import Span, merged, rooms
from pipeline.audio.segment import Segment
from pipeline.audio.segment import build as build_segment
from pipeline.errors import DependencyError
from pipeline.events import encode
from pipeline.messages import AudioChunk, Utterance
from pipeline.metrics import Metrics
from pipeline.review.cases import Filters
from pipeline.review.database import Database
from pipeline.review.schema import FLAGS
from pipeline.review.store import open_store
from pipeline.settings import Kafka, Settings
from pipeline.topology import AUDIO, DEAD_LETTERS, STAGES, Stage
from tests.broker import Broker
from tests.stream.processes import Worker

SPEED = 4.0
"""Times as fast as people speak."""
SPEAKERS = 2
KICK_SECONDS = (3.0, 8.0)
LOCK_SECONDS = 20.0
COVERED = 0.8
SETTLE_SECONDS = 240.0
"""After the last chunk, all of it has to be stored within so many seconds."""

say = Console(stderr=True).print


def main(kind: "type[Chaos]", about: str | None) -> int:
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--rooms", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="voxwarden-chaos-") as folder:
        return kind(Path(folder), options.seed).run(options.minutes * 60, options.rooms)


class Chaos:
    """One run: what is sent, what is broken meanwhile, and what arrives."""

    copies = 1
    """Workers of each role."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder = folder
        self._seed = seed
        self._random = Random(seed)
        self._malformed = 0
        self.kicks: Counter[str] = Counter()
        self.workers: dict[str, Worker] = {}

    def run(self, seconds: float, count: int) -> int:
        chunks = list(rooms(count, SPEAKERS, seconds * SPEED, self._seed))
        expected = merged(list(spoken(chunks)))
        say(f"{len(chunks)} chunks of {count * SPEAKERS} speakers, {len(expected)} stretches of speech")
        with Broker(self._folder) as broker, ExitStack() as stack:
            kafka = Kafka(bootstrap=broker.bootstrap, partitions=4, connect_seconds=60)
            settings = Settings(kafka=kafka, data_dir=self._folder / "data")
            topics.create(kafka)
            for stage, number in itertools.product(STAGES, range(self.copies)):
                name = f"{stage.name}-{number}"
                worker = Worker(settings, ["benchmarks.fast_worker", stage.name], self._folder / f"{name}.log")
                stack.callback(worker.close)
                self.workers[name] = worker
            self._send(chunks, settings, broker)
            self._settle(settings, expected)
            return self._report(settings, expected)

    def _send(self, chunks: list[AudioChunk], settings: Settings, broker: Broker) -> None:
        """Pace the chunks, and break something in between."""
        client = producer(settings.kafka)
        name = topic_name(AUDIO, settings.kafka)
        started = time.monotonic()
        total = (chunks[-1].start - chunks[0].start) / SPEED
        troubles = self.troubles(total, settings, broker)
        due, trouble = next(troubles)
        futures = []
        for chunk in chunks:
            at = (chunk.start - chunks[0].start) / SPEED
            while at >= due:
                trouble()
                due, trouble = next(troubles)
            time.sleep(max(0.0, started + at - time.monotonic()))
            event = encode(chunk, "chaos")
            futures.append(client.send(name, key=event.key, value=event.value, headers=event.headers))
            if self._random.random() < 0.01:
                self._malformed += 1
                futures.append(client.send(name, key=event.key, value=b"noise", headers=[]))
        for future in futures:
            future.get(120)
        client.close()

    def troubles(self, total: float, settings: Settings, broker: Broker) -> Iterator[tuple[float, Any]]:
        """When, in seconds of the run, and what."""
        planned = [(total * 0.4, lambda: self._restart(broker)), (total * 0.6, lambda: self._lock(settings))]
        at = 0.0
        while at < total:
            at += self._random.uniform(*KICK_SECONDS)
            while planned and planned[0][0] <= at:
                yield planned.pop(0)
            yield at, self._kick
        yield from ((float("inf"), lambda: None) for _ in itertools.count())

    def _kick(self) -> None:
        role = self._random.choice(sorted(self.workers))
        how = self._random.choice([signal.SIGKILL, signal.SIGTERM])
        worker = self.workers[role]
        self.kicks[how.name] += 1
        say(f"{how.name} {role}", style="dim")
        if worker.alive:
            self.stop(worker, how)
        worker.start()
        for other in self.workers.values():
            if not other.alive:
                self.kicks["ended by itself"] += 1
                other.start()

    def stop(self, worker: Worker, how: signal.Signals) -> None:
        try:
            worker.stop(how)
        except subprocess.TimeoutExpired:
            self.kicks["killed after the grace period"] += 1
            worker.kill()

    def _restart(self, broker: Broker) -> None:
        say("broker killed and started again", style="dim")
        self.kicks["broker killed"] += 1
        broker.stop()
        broker.start()

    def _lock(self, settings: Settings) -> None:
        """Another process holds the store, as a stuck backup would."""
        say(f"store locked for {LOCK_SECONDS:.0f} s", style="dim")
        self.kicks["store locked"] += 1
        code = (
            "import sqlite3, sys, time; c = sqlite3.connect(sys.argv[1], timeout=60); "
            "c.execute('BEGIN EXCLUSIVE'); time.sleep(float(sys.argv[2]))"
        )
        path = settings.data_dir / "voxwarden.db"
        subprocess.Popen([sys.executable, "-c", code, str(path), str(LOCK_SECONDS)])

    def _settle(self, settings: Settings, expected: list[Span]) -> None:
        """Wait until all is stored, or nothing more can be hoped for."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < deadline and not self._settled(settings, expected):
            for worker in self.workers.values():
                if not worker.alive:
                    worker.start()
            time.sleep(2)
        for worker in self.workers.values():
            self.stop(worker, signal.SIGTERM)

    def _settled(self, settings: Settings, expected: list[Span]) -> bool:
        """Nothing waits any more, and nothing is missing."""
        try:
            if any(place.lag for stage in STAGES for place in lags(stage, settings)):
                return False
            return not lost(expected, stored(settings)) and len(dead_letters(settings)) >= self._malformed
        except DependencyError:  # a locked store, a broker that elects
            return False

    def _report(self, settings: Settings, expected: list[Span]) -> int:
        found, letters = stored(settings), dead_letters(settings)
        missing, double, stray = lost(expected, found), doubled(found), [s for s in found if not touching(s, expected)]
        letters_lost = self._malformed - len(letters)
        say(f"troubles: {dict(self.kicks)}")
        for span in (*missing, *double, *stray)[:10]:
            say(f"  {span}")
        print(
            f"utterances {len(expected)}: lost {len(missing)}, duplicate {len(double)}, unexpected {len(stray)}, "
            f"cut anew {sum(len(touching(span, found)) > 1 for span in expected)}, "
            f"flags told again {told_again(flagged(settings), settings.audio.overlap_seconds)}; "
            f"malformed {self._malformed}: lost {letters_lost}, redelivered {sum(letters.values()) - len(letters)}"
        )
        return int(bool(missing or double or stray or letters_lost))


def spoken(chunks: list[AudioChunk]) -> Iterator[Span]:
    """What the segmenter cuts of it when nothing breaks."""
    segment: Segment = build_segment(Settings(), Metrics())
    for chunk in chunks:
        for found in segment.process([chunk]):
            if isinstance(found, Utterance):
                yield Span(found.room, found.speaker, found.start, found.end)


def stored(settings: Settings) -> list[Span]:
    """Every case in the store."""
    store = open_store(settings)
    cases = store.cases(Filters(), limit=1_000_000)
    store.close()
    return [Span(case.room, case.speaker, case.start, case.end) for case in cases]


def flagged(settings: Settings) -> list[Span]:
    """Every flag in the store, by room, speaker and time."""
    database = Database(settings.database_url)
    columns = (FLAGS.c.room, FLAGS.c.speaker, FLAGS.c.start, FLAGS.c.end)
    with database.read() as connection:
        found = [Span(*row) for row in connection.execute(select(*columns).order_by(*columns))]
    database.close()
    return found


def told_again(flags: list[Span], overlap: float) -> int:
    """How many of `flags`, in order, share more than a forced cut's `overlap` with the one before."""
    return sum(
        (one.room, one.speaker) == (next_.room, next_.speaker) and one.end - next_.start > overlap
        for one, next_ in itertools.pairwise(flags)
    )


def lags(stage: Stage, settings: Settings) -> Iterable[Place]:
    lag = Lag(stage, settings)
    places = lag.places().values()
    lag.close()
    return places


def dead_letters(settings: Settings) -> Counter[str]:
    """How many records there are for each place a bad one came from."""
    consumer = reader(settings.kafka)
    name = topic_name(DEAD_LETTERS, settings.kafka)
    partitions = [TopicPartition(name, number) for number in range(settings.kafka.partitions)]
    consumer.assign(partitions)
    consumer.seek_to_beginning()
    ends = consumer.end_offsets(partitions)
    found: Counter[str] = Counter()
    while any(consumer.position(place) < ends[place] for place in partitions):
        for records in consumer.poll(500).values():
            for record in records:
                headers = {key: (value or b"").decode(errors="replace") for key, value in record.headers}
                found["/".join(headers[f"voxwarden-{key}"] for key in ("topic", "partition", "offset"))] += 1
    consumer.close()
    return found


def lost(wanted: list[Span], found: list[Span]) -> list[Span]:
    """Those of which less than four fifths are covered."""
    return [span for span in wanted if covered(span, found) < COVERED * (span.end - span.start)]


def covered(span: Span, found: list[Span]) -> float:
    """Seconds of `span` that are in `found`, whose spans do not overlap."""
    return sum(min(span.end, other.end) - max(span.start, other.start) for other in touching(span, found))


def doubled(found: list[Span]) -> list[Span]:
    """Those that another one of the same speaker overlaps."""
    return [span for span in found if len(touching(span, found)) > 1]


def touching(span: Span, others: list[Span]) -> list[Span]:
    return [
        other for other in others if (other.room, other.speaker) == (span.room, span.speaker) and other.overlaps(span)
    ]


if __name__ == "__main__":
    sys.exit(main(Chaos, __doc__))
