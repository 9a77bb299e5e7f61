"""Published policies on Kafka: the topic `voice.policies` brings each release to the judges, and their reports back.

The store is the truth. Deliver has both store and broker: its exchange writes the newest release to the topic, and the
reports of the judges to the store. The topic is compacted, so it keeps the newest record of each key. The last release
in it counts: if two exchanges write in the wrong order, the next look of either one repairs it.

While no deliver runs, the store may have a newer release than the topic. So a judge that starts writes a question. The
exchange writes the store's release if it is newer, and then deletes the question: that is the answer.
"""

import logging
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from threading import Event, Thread
from typing import Any, TypeVar
from uuid import uuid4

import msgspec
from kafka import TopicPartition

from agents.broker.kafka_clients import broker_errors, discard, producer, reader, topic_name
from pipeline.base.errors import BadMessage, DependencyError
from pipeline.base.json_reading import read_json
from pipeline.base.metrics import Metrics
from pipeline.contract.topology import POLICIES
from pipeline.judge.policy_release import FOLLOW_SECONDS, FollowedRules, JudgeReport, Release
from pipeline.review.database import Database
from pipeline.review.policies import judge_rules, versions
from pipeline.settings import Kafka, Settings

RELEASE = b"release"  # the key of the release
JUDGE = b"judge/"  # the key of a report is this and the name of the judge
QUESTION = b"question/"  # the key of a question is this and a unique id
ANSWER_SECONDS = 10.0
"""A judge that starts waits this long for the answer: a deliver that starts at the same time needs some seconds."""

POLL_MS = 250
MAX_BYTES = 8 * 2**20  # maximum size of a record after it is unpacked

R = TypeVar("R", Release, JudgeReport)

log = logging.getLogger(__name__)


def packed(message: Release | JudgeReport) -> bytes:
    """Encode and compress a message."""
    # Always to the same bytes: the exchange compares them with the record of the topic.
    return zlib.compress(msgspec.json.encode(message, order="deterministic"), 9)


def unpacked(value: bytes, kind: type[R]) -> R:
    """Decode a record. Raises BadMessage."""
    try:
        reading = zlib.decompressobj()
        text = reading.decompress(value, MAX_BYTES)  # a small record could unpack to gigabytes
        return read_json(text, kind)
    except (zlib.error, msgspec.DecodeError) as error:
        raise BadMessage(f"A record of {POLICIES.name} cannot be read: {error}", "Publish the policy again.") from error


class PolicyTopic:
    """Reads and writes `voice.policies`. For one thread. After an error, the next call opens new connections."""

    def __init__(self, kafka: Kafka) -> None:
        self._kafka = kafka
        self._partition = TopicPartition(topic_name(POLICIES, kafka), 0)
        self._consumer: Any = None
        self._producer: Any = None

    def read(self) -> list[tuple[bytes, bytes | None]]:
        """Return the keys and values since the last call; at first, all that the topic has. Raises DependencyError."""
        with self._connected():
            if self._consumer is None:
                self._consumer = reader(self._kafka)
                self._consumer.assign([self._partition])
                self._consumer.seek_to_beginning()
            return [(record.key or b"", record.value) for record in self._waiting(self._consumer)]

    def write(self, key: bytes, value: bytes | None) -> None:
        """Write a record, and wait until the broker has it. Raises DependencyError."""
        with self._connected():
            if self._producer is None:
                self._producer = producer(self._kafka)
            self._producer.send(self._partition.topic, key=key, value=value).get(self._kafka.connect_seconds)

    def close(self) -> None:
        if self._consumer is not None:
            self._consumer.close()
        if self._producer is not None:
            discard(self._producer)
        self._consumer = self._producer = None

    @contextmanager
    def _connected(self) -> Iterator[None]:
        try:
            with broker_errors(self._kafka):
                yield
        except BaseException:
            self.close()
            raise

    def _waiting(self, consumer: Any) -> Iterator[Any]:
        end = consumer.end_offsets([self._partition])[self._partition]
        deadline = time.monotonic() + self._kafka.connect_seconds
        while consumer.position(self._partition) < end:
            yield from consumer.poll(POLL_MS).get(self._partition, [])
            if time.monotonic() > deadline:
                raise DependencyError(f"Kafka gives no more records of {self._partition.topic}", "Check the broker.")


class TopicReleases:
    """Gives a judge the newest release of the topic, and writes its reports there."""

    def __init__(self, topic: PolicyTopic) -> None:
        self._topic = topic
        self._last: bytes | None = None
        self._release: Release | None = None

    def wait_for_newest(self) -> None:
        """Wait until the topic has the newest release of the store, at most ANSWER_SECONDS. Raises DependencyError."""
        question = QUESTION + uuid4().hex.encode()
        self._topic.write(question, b"?")
        deadline = time.monotonic() + ANSWER_SECONDS
        while (question, None) not in self._read():
            if time.monotonic() > deadline:
                log.warning("policies: no deliver answers, so there may be newer policies than on %s", POLICIES.name)
                return
            time.sleep(POLL_MS / 1000)

    def newest(self) -> Release | None:
        before = self._last
        self._read()
        if self._last and (self._last != before or self._release is None):
            self._release = None  # a release that cannot be read is an error at each look, not only at the first
            self._release = unpacked(self._last, Release)
        return self._release

    def report(self, report: JudgeReport) -> None:
        self._topic.write(JUDGE + report.worker.encode(), packed(report))

    def close(self) -> None:
        self._topic.close()

    def _read(self) -> list[tuple[bytes, bytes | None]]:
        """Note the last release. Return all records since the last call."""
        records = self._topic.read()
        for key, value in records:
            if key == RELEASE:
                self._last = value
        return records


def follow_topic(settings: Settings, metrics: Metrics) -> FollowedRules:
    """Follow the releases of the topic, from the newest one on. Raises ConfigError for wrong files, DependencyError."""
    source = TopicReleases(PolicyTopic(settings.kafka))
    try:
        source.wait_for_newest()
        return FollowedRules(settings, source, metrics)
    except BaseException:
        with closing(source):
            raise


class Exchange:
    """Brings the newest release of the store to the topic, and the judges' reports to the store.

    For one thread. `clock` returns UTC seconds.
    """

    def __init__(self, database: Database, topic: PolicyTopic, clock: Callable[[], float] = time.time) -> None:
        self._database, self._topic, self._clock = database, topic, clock
        self._written: bytes | None = None  # the release that the topic has
        self._seen: dict[bytes, float] = {}  # the time of each judge's newest report in the topic
        self._questions: set[bytes] = set()

    def look(self) -> None:
        """Write the newest release to the topic, and the reports of judges to the store. Raises DependencyError."""
        reports = self._read()  # first, because it learns which release the topic has
        with self._database.read() as connection:
            release = versions.newest_release(connection)
        if release is not None and (wanted := packed(release)) != self._written:
            self._topic.write(RELEASE, wanted)
            log.info("policies: edition %d is on %s", release.edition, POLICIES.name)
        while self._questions:  # they were read before the release
            self._topic.write(self._questions.pop(), None)
        if reports:
            with self._database.write() as connection:
                for report in reports:
                    judge_rules.store_judge_report(connection, report)
        self._forget_ended()

    def close(self) -> None:
        self._topic.close()
        self._database.close()

    def _read(self) -> list[JudgeReport]:
        """Return the reports of judges that may still run."""
        found: dict[bytes, JudgeReport] = {}
        for key, value in self._topic.read():
            if key == RELEASE:
                self._written = value
            elif key.startswith(QUESTION):
                note = self._questions.discard if value is None else self._questions.add
                note(key)
            elif key.startswith(JUDGE):
                self._see(key, value, found)
        return [report for report in found.values() if self._clock() - report.at < judge_rules.JUDGE_SILENT_SECONDS]

    def _see(self, key: bytes, value: bytes | None, found: dict[bytes, JudgeReport]) -> None:
        if value is None:
            self._seen.pop(key, None)
            return
        try:
            report = unpacked(value, JudgeReport)
        except BadMessage as error:
            log.warning("policies: %s", error)
            return
        self._seen[key], found[key] = report.at, report

    def _forget_ended(self) -> None:
        """Delete the reports of judges that have ended, so that the topic stays small."""
        before = self._clock() - 4 * judge_rules.JUDGE_SILENT_SECONDS
        for key in [key for key, at in self._seen.items() if at < before]:
            self._topic.write(key, None)  # a record without a value: compaction deletes the key
            del self._seen[key]


@contextmanager
def exchanging(settings: Settings) -> Iterator[None]:
    """Exchange releases and reports while the block runs, in a thread."""
    over = Event()
    thread = Thread(target=_exchange, args=(settings, over), name="policies", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(settings.kafka.connect_seconds)


def _exchange(settings: Settings, over: Event) -> None:
    """Run until `over`. No error ends the thread: a later look repairs what an earlier one left."""
    answers = True
    while not over.is_set():
        try:
            with closing(Exchange(Database(settings.database_url), PolicyTopic(settings.kafka))) as exchange:
                while True:
                    exchange.look()
                    answers = True
                    if over.wait(FOLLOW_SECONDS):
                        return
        except DependencyError as error:
            if answers:  # an outage is in the log once
                log.warning("policies: nothing is exchanged: %s", error)
            answers = False
        except Exception:
            log.exception("policies: the exchange failed and starts again")
        over.wait(FOLLOW_SECONDS)
