"""A real worker that comes to a backlog: it sheds by policy, loses nothing, and coverage can be told afterwards."""

import json
import time
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agents.cli import app
from agents.kafka import producer, topic_name
from pipeline.audio.encode import encode_flac
from pipeline.events import decode, encode
from pipeline.messages import Transcript, Utterance
from pipeline.settings import Settings
from pipeline.topology import TRANSCRIBE, TRANSCRIPTS, UTTERANCES
from tests.pipeline.asr.parts import speech
from tests.stream.kafka_io import committed, wait_for
from tests.stream.processes import worker

pytestmark = [pytest.mark.broker, pytest.mark.weights]

AUDIO = encode_flac(speech("tt-weasels"))
OVERLOAD = {"enabled": True, "room_types": [{"name": "game", "share": 0}]}


def backlog(settings: Settings, count: int, minutes: float) -> None:
    """Utterances of two room types in turn that have waited so long."""
    at = time.time() - minutes * 60
    with closing(producer(settings.kafka)) as client:
        for number in range(count):
            kind = ("game", "kids")[number % 2]
            said = Utterance(
                room=f"room-{number % 4}", speaker="ann", room_type=kind, id=f"u{number}",
                start=at + number, end=at + number + 2, data=AUDIO,
            )  # fmt: skip
            event = encode(said, "test")
            name = topic_name(UTTERANCES, settings.kafka)
            client.send(name, event.value, event.key, event.headers, timestamp_ms=round(1000 * said.end)).get(60)


def test_a_backlog_is_shed_by_policy_and_accounted_for(settings: Settings, tmp_path: Path) -> None:
    settings = settings.model_copy(update={"asr": settings.asr.model_copy(update={"model": "tiny.en"})})
    backlog(settings, 12, minutes=10)
    command = ("agents", "--set", f"overload={json.dumps(OVERLOAD)}", "worker", "transcribe")
    with worker(settings, tmp_path / "log", *command) as process:
        records = wait_for(settings, TRANSCRIPTS, lambda found: len(found) >= 12, process.running)
        assert process.stop() == 0
    found = [decode(Transcript, record.value, record.headers) for record in records]
    assert sorted(each.utterance for each in found) == sorted(f"u{number}" for number in range(12))
    assert {each.room_type: each.skipped for each in found} == {"game": True, "kids": False}
    assert all(("weasels" in each.text.lower()) != each.skipped for each in found)
    assert all(each.address for each in found), "the audio of what was skipped can be found"
    assert sum(committed(settings, TRANSCRIBE).values()) == 12

    kafka = settings.kafka
    options = ["--set", f"kafka.bootstrap={kafka.bootstrap}", "--set", f"kafka.prefix={kafka.prefix}"]
    result = CliRunner().invoke(app, [*options, "coverage", "--from", "7d", "--format", "jsonl"])
    assert result.exit_code == 0, result.output
    assert [json.loads(line) for line in result.stdout.splitlines()] == [
        {"room_type": "game", "heard": 0, "skipped": 6, "coverage": 0.0},
        {"room_type": "kids", "heard": 6, "skipped": 0, "coverage": 1.0},
    ]
    assert "0.0 %" in CliRunner().invoke(app, [*options, "coverage"]).stdout
