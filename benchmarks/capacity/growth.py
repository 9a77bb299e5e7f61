"""A simulation of growth: which part of a deployment is full first, and the change that makes room.

An app grows from a hundred to a million open microphones. Its rooms have heavy-tailed sizes, and the real key and
partition of each speaker. At each size the parts are compared with their limits. The first full part gets its change,
and the comparison starts again.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from zlib import crc32

import numpy as np
from aiokafka.partitioner import murmur2
from numpy.typing import NDArray

from benchmarks.capacity.model import LARGEST_SHARE, REPLICAS, Model, Need, SpeechLoad, full
from benchmarks.capacity.scene import BROKER, GATEWAY
from pipeline.contract.shards import shard_key
from pipeline.contract.topology import TOPICS
from pipeline.settings import Settings

TAIL = 1.2
"""Exponent of the sizes of rooms: of a hundred rooms, six have ten times the size of the smallest ones or more."""
SMALLEST_ROOM, LARGEST_ROOM = 2, 1_000
POSITIVE = 0x7FFFFFFF
MOST_SHARDS = 1_000
"""The largest value of kafka.room_shards."""

Numbers = NDArray[np.float64]
Found = tuple[str, str, "State"] | None
"""The full part, the change that makes room, and the state after it. None if no part is full."""


@dataclass(frozen=True, slots=True)
class AssumedLimits:
    """Limits of parts that this machine cannot measure. Replace them with yours."""

    broker_bytes: float = 100e6
    """Bytes a second that one broker writes."""
    broker_disk: float = 4e12
    """Bytes on the disk of one broker."""
    prometheus_series: float = 1e6
    """Time series of one Prometheus."""
    case_seconds: float = 20.0
    """Seconds in which a moderator decides a case."""
    answer_seconds: float = 0.2
    """Seconds in which the app answers a webhook."""
    gpu_speed: float = 0.0
    """Seconds of speech that one GPU transcribes in a second. 0: transcribe uses CPUs."""


@dataclass(frozen=True, slots=True)
class GrowingApp:
    """The app at one size. `speech` is the share of the open microphones that speak at the same time."""

    microphones: int
    speech: float
    flagged: float
    silence: bool
    """The app also sends silence."""
    sizes: NDArray[np.int64]
    """Open microphones of each room."""

    @property
    def load(self) -> SpeechLoad:
        return SpeechLoad.of(
            self.microphones, self.microphones * self.speech, silence=self.silence, flagged=self.flagged
        )


@dataclass(frozen=True, slots=True)
class State:
    """The choices of the operator so far. They begin with the default settings."""

    partitions: int = Settings().kafka.partitions
    room_shards: int = 1
    brokers: int = 1
    database: str = "SQLite"
    prometheus: int = 1
    moderators: int = 1
    parallel: int = Settings().webhooks.parallel
    processes: dict[str, int] = field(default_factory=dict)
    """Processes of each role; one if not named."""


@dataclass(frozen=True, slots=True)
class Change:
    """A bottleneck, and the change that removes it."""

    microphones: int
    bottleneck: str
    remedy: str
    after: State


def world_of(microphones: int, speech: float, flagged: float, *, silence: bool, seed: int = 28) -> GrowingApp:
    """Return an app with this number of open microphones. The same seed gives the same rooms."""
    drawn = np.random.default_rng(seed).random(microphones // SMALLEST_ROOM + 1)
    sizes = np.minimum((SMALLEST_ROOM * drawn ** (-1 / TAIL)).astype(np.int64), LARGEST_ROOM)
    sizes = np.sort(sizes[: int(np.searchsorted(np.cumsum(sizes), microphones)) + 1])[::-1]
    return GrowingApp(microphones, speech, flagged, silence, sizes)


class Growth:
    """Compares a world with the limits, and changes the state until nothing is full."""

    def __init__(self, model: Model, limits: AssumedLimits) -> None:
        self._model, self._limits = model, limits
        self.state = State()

    def grow(self, world: GrowingApp) -> Iterator[Change]:
        """Yield the changes that this world needs, in their order."""
        while change := self._next(world):
            self.state = change.after
            yield change

    def need(self, world: GrowingApp) -> Need:
        return self._model.need(world.load)

    def workers(self, need: Need) -> dict[str, int]:
        """Return the processes of each role."""
        gpus = math.ceil(
            need.utterances / self._model.utterances / (LARGEST_SHARE * (self._limits.gpu_speed or math.inf))
        )
        return need.processes | ({"transcribe": max(1, gpus)} if self._limits.gpu_speed else {})

    def _next(self, world: GrowingApp) -> Change | None:
        need = self.need(world)
        for check in (
            self._partitions,
            self._busiest_partition,
            self._processes,
            self._store,
            self._brokers,
            self._prometheus,
            self._webhooks,
            self._moderators,
        ):
            if found := check(world, need):
                bottleneck, remedy, after = found
                return Change(world.microphones, bottleneck, remedy, after)
        return None

    def _partitions(self, world: GrowingApp, need: Need) -> Found:
        most, role = max((count, role) for role, count in self.workers(need).items() if role not in {GATEWAY, BROKER})
        if most <= self.state.partitions:
            return None
        few = f"{role} needs {most} workers, and there are {self.state.partitions} partitions"
        return self._more_partitions(few, 2 * most)

    def _busiest_partition(self, world: GrowingApp, need: Need) -> Found:
        state = self.state
        shares = partition_shares(world, state.room_shards, state.partitions)
        busiest = {role: shares.max() * need.cores[role] / full(role) for role in ("segment", "transcribe", "judge")}
        role, fill = max(busiest.items(), key=lambda each: each[1])
        if fill <= 1 or (role == "transcribe" and self._limits.gpu_speed):
            return None
        room = world.sizes[0] / world.microphones
        if state.room_shards == 1 and room > shares.max() / 2:
            cause = f"the largest room ({world.sizes[0]} microphones) fills a {role} worker"
            shards = 2 * state.partitions
            return cause, f"kafka.room_shards={shards}", replace(state, room_shards=shards)
        return self._more_partitions(f"the busiest partition fills a {role} worker", 2 * state.partitions)

    def _more_partitions(self, bottleneck: str, partitions: int) -> tuple[str, str, State]:
        shards = min(2 * partitions, MOST_SHARDS) if self.state.room_shards > 1 else 1
        remedy = f"kafka.partitions={partitions}" + (f", kafka.room_shards={shards}" if shards > 1 else "")
        return bottleneck, remedy, replace(self.state, partitions=partitions, room_shards=shards)

    def _processes(self, world: GrowingApp, need: Need) -> Found:
        for role, count in self.workers(need).items():
            have = self.state.processes.get(role, 1)
            if role != BROKER and count > have:
                first = f"one process of {role} is full ({full(role):g} of its cores)"
                after = replace(self.state, processes=self.state.processes | {role: count})
                return first, f"more processes of {role}", after
        return None

    def _store(self, world: GrowingApp, need: Need) -> Found:
        if self.state.database != "SQLite" or self.state.processes.get("deliver", 1) == 1:
            return None
        return (
            "SQLite takes one writer, on one host",
            "PostgreSQL (store.url), and S3 for the clips (evidence.store)",
            replace(self.state, database="PostgreSQL"),
        )

    def _brokers(self, world: GrowingApp, need: Need) -> Found:
        written, kept = REPLICAS * sum(kafka_bytes(need).values()), REPLICAS * kafka_disk(need)
        wanted = max(
            written / self._limits.broker_bytes, kept / self._limits.broker_disk, need.cores[BROKER] / full(BROKER)
        )
        if wanted <= self.state.brokers:
            return None
        count = max(REPLICAS, math.ceil(wanted))
        cause = (
            f"{written / 1e6:,.0f} MB/s with replicas, {kept / 1e12:,.1f} TB on disk, {need.cores[BROKER]:.1f} cores"
        )
        return f"Kafka: {cause}", f"{count} brokers", replace(self.state, brokers=count)

    def _prometheus(self, world: GrowingApp, need: Need) -> Found:
        series = sum(self._model.series.get(role, 0) * count for role, count in self.workers(need).items())
        wanted = math.ceil(series / self._limits.prometheus_series)
        if wanted <= self.state.prometheus:
            return None
        return (
            f"Prometheus: {series:,} series",
            f"{wanted} servers, each for some of the processes",
            replace(self.state, prometheus=wanted),
        )

    def _webhooks(self, world: GrowingApp, need: Need) -> Found:
        wanted = math.ceil(need.flags * self._limits.answer_seconds / LARGEST_SHARE)
        if wanted <= self.state.parallel:
            return None
        return (
            f"webhooks: {need.flags:.1f} flags a second, and {self.state.parallel} requests at the same time",
            f"webhooks.parallel={2 * wanted}",
            replace(self.state, parallel=2 * wanted),
        )

    def _moderators(self, world: GrowingApp, need: Need) -> Found:
        wanted = math.ceil(need.flags * self._limits.case_seconds)
        if wanted <= self.state.moderators:
            return None
        return (
            f"moderators: {need.flags * 3600:,.0f} flags an hour",
            "more moderators, or a stricter policy for what they see",
            replace(self.state, moderators=wanted),
        )


def kafka_bytes(need: Need) -> dict[str, float]:
    """Bytes a second that apps and workers write to Kafka, without replicas."""
    return {name: size for name, size in need.bytes.items() if name not in {"evidence", "database"}}


def kafka_disk(need: Need) -> float:
    """Bytes that Kafka keeps, without replicas, for the default retention."""
    kept = {topic.name: 3600 * topic.retention_hours for topic in TOPICS}
    return 1.13 * sum(size * kept.get(name, 86_400) for name, size in kafka_bytes(need).items())


def partition_shares(world: GrowingApp, shards: int, partitions: int) -> Numbers:
    """Return the share of the speakers on each partition: real keys, and the partitions that Kafka's clients choose."""
    hashes, speakers = _hashed(tuple(world.sizes.tolist()), shards)
    shares: Numbers = np.bincount(hashes % partitions, weights=speakers, minlength=partitions) / speakers.sum()
    return shares


@lru_cache(maxsize=4)
def _hashed(sizes: Sequence[int], shards: int) -> tuple[NDArray[np.int64], Numbers]:
    """Return the hash of each key, and its number of speakers."""
    shard_of = np.array([crc32(f"speaker-{number}".encode()) % shards for number in range(LARGEST_ROOM)])
    hashes, speakers = [], []
    for room, size in enumerate(sizes):
        numbers, counts = np.unique(shard_of[:size], return_counts=True)
        hashes += [murmur2(shard_key(f"room-{room}", number)) & POSITIVE for number in numbers]
        speakers += counts.tolist()
    return np.array(hashes), np.array(speakers, np.float64)


def simulate(growth: Growth, worlds: Iterable[GrowingApp]) -> Iterator[Change]:
    """Grow through `worlds`, the smallest first. Yields the changes."""
    for world in worlds:
        yield from growth.grow(world)
