"""The output of `voxwarden topics`. tests/stream/test_topics.py tests it on Kafka."""

import pytest
from typer.testing import CliRunner

from agents.broker import kafka_topics
from agents.broker.kafka_topics import Plan
from agents.commands.command_line import app
from agents.commands.terminal import stdout
from pipeline.contract.topology import UTTERANCES
from pipeline.settings import Kafka


def test_an_unlimited_retention_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = kafka_topics.wanted(UTTERANCES, Kafka())
    monkeypatch.setattr(
        kafka_topics, "plans", lambda _: [Plan("voice.utterances", wanted, {**wanted, "retention.ms": -1})]
    )
    monkeypatch.setattr(stdout, "width", 60)
    done = CliRunner().invoke(app, ["topics", "check"])
    assert done.exit_code == 3
    (row,) = (line for line in done.stdout.splitlines() if "voice.utterances" in line)
    assert "no limit" in row
    assert "retention.ms is -1, wanted 86400000" in row, "a pipe has no edge"


def test_the_command_that_fixes_a_topic_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = kafka_topics.wanted(UTTERANCES, Kafka())
    found = {**wanted, "segment.ms": 7 * 24 * kafka_topics.HOUR_MS}
    monkeypatch.setattr(kafka_topics, "plans", lambda _: [Plan("voice.utterances", wanted, found)])
    done = CliRunner().invoke(app, ["topics", "check"], env={"COLUMNS": "80"})
    assert done.exit_code == 3
    assert f"--bootstrap-server {Kafka().bootstrap} " in done.stdout
    assert "--entity-name voice.utterances --add-config segment.ms=7200000,segment.bytes=268435456" in done.stdout
