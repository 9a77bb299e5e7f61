"""Published policies reach running judges, are rolled back, and a bad one stops nobody."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from agents.broker.kafka_clients import producer, topic_name
from agents.broker.policy_topic import QUESTION, RELEASE, Exchange, PolicyTopic, exchanging, follow_topic, packed
from agents.broker.stored_transcripts import TopicSpeech
from pipeline.base.metrics import Metrics
from pipeline.contract.cloud_events import decode_event
from pipeline.contract.messages import Flag
from pipeline.contract.topology import FLAGS, POLICIES, TRANSCRIPTS
from pipeline.judge.judge_stage import read_config
from pipeline.judge.labels import load_labels
from pipeline.judge.policy_release import JudgeReport, MarkedTexts, Release
from pipeline.judge.rule_texts import RuleTexts
from pipeline.review.database import Database
from pipeline.review.policies import judge_rules, versions
from pipeline.review.policies.versions import PublishedPolicy
from pipeline.settings import Settings
from tests.builders import transcript
from tests.pipeline.review.policies.texts import texts
from tests.stream.kafka_io import put, wait_for, wait_until
from tests.stream.processes import worker

pytestmark = pytest.mark.broker

TERM = "purple banana"
PATIENCE_SECONDS = 120.0


class Talk:
    """Says the same sentence again and again, until its newest flag is as wanted."""

    def __init__(self, settings: Settings, alive: Callable[[], None]) -> None:
        self._settings, self._alive = settings, alive
        self._said = 0

    def until(self, version: str) -> Flag:
        """Return the first flag of a version."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            self._said += 1
            said = transcript(f"eat a {TERM}", 100.0 + 10 * self._said, id=f"said-{self._said}")
            put(self._settings, TRANSCRIPTS, [said])
            flag = self._flag_of(said.id)
            if flag.policy == version:
                return flag
        raise AssertionError(f"no flag of {version} after {PATIENCE_SECONDS} s; the last one is of {flag.policy}")

    def _flag_of(self, said: str) -> Flag:
        found: list[Flag] = []

        def enough(records: list[object]) -> bool:
            found[:] = [each for each in map(_flag, records) if each.transcript == said]
            return bool(found)

        wait_for(self._settings, FLAGS, enough, self._alive)
        return found[0]


def _flag(record: object) -> Flag:
    return decode_event(Flag, record.value, record.headers)  # type: ignore[attr-defined]


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    with closing(Database(settings.database_url)) as opened:
        yield opened


@pytest.mark.timeout(600)
def test_a_published_policy_changes_a_running_worker_and_is_rolled_back(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    labels = load_labels()

    def roll_back(version: PublishedPolicy) -> None:
        with database.write() as connection:
            versions.roll_back(connection, version, labels, "Back", "lea", time.time())

    with (
        worker(settings, tmp_path / "judge.log", "agents", "worker", "judge") as judge,
        worker(settings, tmp_path / "deliver.log", "agents", "worker", "deliver") as deliver,
    ):

        def alive() -> None:
            judge.running()
            deliver.running()

        talk = Talk(settings, alive)
        assert talk.until(read_config(settings.judge).policy.version).suggestion == "pass"
        with database.write() as connection:
            first = versions.publish(connection, texts(TERM), labels, "Fruit", ["lea"], "ada", time.time())
        flag = talk.until("mine@1")
        assert (flag.suggestion, flag.flagged) == ("review", ("abuse",))
        roll_back(versions.from_files(settings, labels))
        assert talk.until("default@2").suggestion == "pass"
        roll_back(first)
        assert talk.until("mine@3").suggestion == "review"
        assert judge.exits == [], "the worker was never restarted"

        def told() -> bool:
            with database.read() as connection:
                return [each.edition for each in judge_rules.running_judges(connection, time.time())] == [3]

        wait_until(told, alive)


def test_a_judge_that_starts_before_deliver_judges_nothing_by_an_older_policy(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    with database.write() as connection:
        versions.publish(connection, texts(), load_labels(), "Old", ["lea"], "ada", 0.0)
    with closing(Exchange(Database(settings.database_url), PolicyTopic(settings.kafka))) as exchange:
        exchange.look()
    with database.write() as connection:  # no deliver runs, so the topic does not have it
        versions.publish(connection, texts(TERM), load_labels(), "New", ["lea"], "ada", 1.0)
    said = [transcript(f"eat a {TERM}", 100.0 + 10 * n, id=f"said-{n}") for n in range(20)]
    put(settings, TRANSCRIPTS, said)

    def asked() -> bool:
        with closing(PolicyTopic(settings.kafka)) as topic:
            return any(key.startswith(QUESTION) for key, _ in topic.read())

    with worker(settings, tmp_path / "judge.log", "agents", "worker", "judge") as judge:
        wait_until(asked, judge.running)
        with exchanging(settings):
            records = wait_for(settings, FLAGS, lambda found: len(found) >= len(said), judge.running)
    assert {(flag.policy, flag.suggestion) for flag in map(_flag, records)} == {("mine@2", "review")}
    with closing(PolicyTopic(settings.kafka)) as topic:
        last = dict(topic.read())
    assert [value for key, value in last.items() if key.startswith(QUESTION)] == [None], "the topic stays small"


def test_without_any_deliver_a_judge_begins_with_what_the_topic_has(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(follow_topic(settings, Metrics())) as rules:
        assert rules.now().policy.version == read_config(settings.judge).policy.version
    assert "no deliver answers" in caplog.text
    write(settings, RELEASE, release(3, texts()))
    with closing(follow_topic(settings, Metrics())) as rules:
        assert rules.now().policy.version == "mine@3"


def write(settings: Settings, key: bytes, value: bytes) -> None:
    client = producer(settings.kafka)
    client.send(topic_name(POLICIES, settings.kafka), key=key, value=value).get(20)
    client.close()


def release(edition: int, these: RuleTexts) -> bytes:
    return packed(Release(edition, MarkedTexts(str(edition), these)))


def test_a_release_that_cannot_be_used_stops_nobody(settings: Settings) -> None:
    write(settings, RELEASE, release(1, texts()))
    metrics = Metrics()
    value = metrics.registry.get_sample_value
    with closing(follow_topic(settings, metrics)) as rules:
        assert rules.now().policy.version == "mine@1"
        for bad in (b"not even packed", release(2, texts(policy="name: [x")), packed(Release(3))[:-9]):
            before = value("voxwarden_policy_refusals_total")
            write(settings, RELEASE, bad)
            wait_until(lambda before=before: value("voxwarden_policy_refusals_total") != before, lambda: None)  # type: ignore[misc]
            assert value("voxwarden_policy_refused") == 1
            assert rules.now().policy.version == "mine@1"
        write(settings, RELEASE, release(4, texts("green banana")))
        wait_until(lambda: rules.now().policy.version == "mine@4", lambda: None)
        assert value("voxwarden_policy_refused") == 0
        assert value("voxwarden_policy_edition") == 4


def test_the_exchange_repairs_the_topic_and_keeps_it_small(settings: Settings, database: Database) -> None:
    with database.write() as connection:
        versions.publish(connection, texts(), load_labels(), "A title", ["lea"], "ada", 0.0)
    now = 1_000_000.0
    with closing(Exchange(Database(settings.database_url), PolicyTopic(settings.kafka), lambda: now)) as exchange:
        exchange.look()
        write(settings, RELEASE, release(9, texts("of another store")))
        write(settings, b"judge/one", packed(JudgeReport("one", 1, "mine@1", now - 5, now - 1)))
        write(settings, b"judge/two", b"not a report")
        write(settings, b"something else", b"")
        exchange.look()
        with closing(follow_topic(settings, Metrics())) as rules:
            assert rules.now().policy.version == "mine@1", "the store is the truth"
        with database.read() as connection:
            assert [each.worker for each in judge_rules.running_judges(connection, now)] == ["one"]
            assert judge_rules.running_judges(connection, now + judge_rules.JUDGE_SILENT_SECONDS) == []
        now += 10 * judge_rules.JUDGE_SILENT_SECONDS
        exchange.look()
        with closing(PolicyTopic(settings.kafka)) as topic:
            last = dict(topic.read())
        assert last[b"judge/one"] is None, "a judge that ended is forgotten"


def test_a_backtest_draws_from_the_speech_of_the_last_hours(settings: Settings) -> None:
    put(settings, TRANSCRIPTS, [transcript(f"words {n}", 10.0 * n, id=f"said-{n}") for n in range(60)])
    speech = TopicSpeech(settings)
    total, found = speech.read(time.time() - 3_600, 1_000)
    assert (total, {each.id for each in found}) == (60, {f"said-{n}" for n in range(60)})
    total, some = speech.read(time.time() - 3_600, 20)
    assert total == 60
    assert 0 < len(list(some)) < 60, "drawn by chance: all or none has a probability below 1e-9"
    assert speech.read(time.time() + 3_600, 10)[0] == 0, "nothing of the future"
