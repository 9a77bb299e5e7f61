"""Stored transcripts are read from a real broker, by time, and judged again."""

import json
import time
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest
from kafka import KafkaProducer
from msgspec import structs
from typer.testing import CliRunner

from agents.broker.history import History
from agents.broker.kafka_clients import producer, topic_name
from agents.commands.command_line import app
from pipeline.base.errors import ConfigError
from pipeline.contract.cloud_events import Event, encode_event
from pipeline.contract.messages import Message
from pipeline.contract.topology import TRANSCRIPTS
from pipeline.judge import policy_comparison
from pipeline.settings import Settings
from tests.builders import transcript
from tests.pipeline.judge.fakes import WordClassifier

pytestmark = pytest.mark.broker


def put(settings: Settings, *records: tuple[Message | Event, float]) -> None:
    """Write records with these timestamps, in UTC seconds."""
    with closing(producer(settings.kafka)) as client:
        for record, at in records:
            event = encode_event(record, "test") if isinstance(record, Message) else record
            name = topic_name(TRANSCRIPTS, settings.kafka)
            stamp = round(at * 1000)
            client.send(name, key=event.key, value=event.value, headers=event.headers, timestamp_ms=stamp).get(60)


def numbers(settings: Settings, since: float | None = None, until: float | None = None) -> list[int]:
    with closing(History(settings.kafka, TRANSCRIPTS, since, until)) as history:
        found = [int(json.loads(record.value)["start"]) for record in history.read()]
        assert len(found) == history.total
    return found


def test_a_time_span_is_read_once_with_each_room_in_order(settings: Settings) -> None:
    now = time.time() - 100
    put(settings, *((transcript("fine", n, room=f"room-{n % 5}"), now + n) for n in range(40)))
    assert sorted(numbers(settings)) == list(range(40))
    assert sorted(numbers(settings, now + 10, now + 20)) == list(range(10, 20))
    assert sorted(numbers(settings, since=now + 35)) == list(range(35, 40))
    assert sorted(numbers(settings, until=now + 3)) == [0, 1, 2]
    assert numbers(settings, since=now + 40) == numbers(settings, until=now) == []
    for room in range(5):
        assert all(a < b for a, b in pairwise(n for n in numbers(settings) if n % 5 == room))


def test_gaps_in_the_offsets_do_not_end_the_reading(settings: Settings) -> None:
    """The marker that ends a transaction takes an offset, but no reader gets it."""
    event = encode_event(transcript("fine", 1), "test")
    client = KafkaProducer(bootstrap_servers=settings.kafka.bootstrap, transactional_id=settings.kafka.prefix)
    with closing(client):
        client.init_transactions()
        client.begin_transaction()
        client.send(topic_name(TRANSCRIPTS, settings.kafka), event.value, event.key, event.headers)
        client.commit_transaction()
    with closing(History(settings.kafka, TRANSCRIPTS)) as history:
        assert history.total == 2
        assert len(list(history.read())) == 1


def test_a_missing_topic_is_named_with_the_remedy(bare: Settings) -> None:
    with pytest.raises(ConfigError, match="voxwarden topics create"):
        History(bare.kafka, TRANSCRIPTS)


def test_backtest_judges_the_transcripts_on_kafka(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    policy = tmp_path / "lax.yaml"
    policy.write_text("name: lax\nevery: {review: 0.97}\n")
    known = WordClassifier({"idiots": {"abuse": 0.96, "risk": 0.96}})
    monkeypatch.setattr(policy_comparison, "load_classifier", lambda _: known)
    said = transcript("idiots", 1)
    unheard = structs.replace(transcript("", 2), skipped=True)
    now = time.time()
    broken = Event(b"lobby", b"{", encode_event(said, "test").headers)
    put(settings, (transcript("idiots", 0), now - 7_200), *((each, now - 60) for each in (said, said, unheard, broken)))

    options = ["--set", f"kafka.bootstrap={settings.kafka.bootstrap}", "--set", f"kafka.prefix={settings.kafka.prefix}"]
    command = ["backtest", "--policy", str(policy), "--from", "1h", "--format", "jsonl"]
    result = CliRunner().invoke(app, [*options, *command])
    *differences, total = [json.loads(line) for line in result.stdout.splitlines()]
    assert (total["transcripts"], total["repeated"], total["skipped"], total["unreadable"]) == (1, 1, 1, 1)
    assert [(each["kind"], each["transcript"]) for each in differences] == [("gone", "transcript-1")]
    assert "The Transcript cannot be decoded" in result.stderr
    assert result.exit_code == 3
