"""The producer of docs/integrate.md writes records that the contract allows, and that hold the whole recording."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from agents.broker.kafka_clients import topic_name
from pipeline.contract.cloud_events import decode_event
from pipeline.contract.messages import AudioChunk
from pipeline.contract.topology import AUDIO
from pipeline.settings import Settings
from tests.agents.test_integrate import block, recording, samples_of
from tests.stream.kafka_io import wait_for

__all__ = ["recording"]


def test_the_producer_of_the_manual_writes_a_recording(settings: Settings, recording: Path) -> None:
    script = recording.with_name("producer.py")
    script.write_text(block("python", "KafkaProducer"), encoding="utf-8")
    given = {"BOOTSTRAP": settings.kafka.bootstrap, "TOPIC": topic_name(AUDIO, settings.kafka)}
    command = [sys.executable, str(script), str(recording), "聊天室/1", "ü"]
    done = subprocess.run(command, env=os.environ | given, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    records = wait_for(settings, AUDIO, lambda found: len(found) == 3, lambda: None)
    chunks = [decode_event(AudioChunk, record.value, record.headers) for record in records]
    assert {record.key for record in records} == {"聊天室/1".encode()}
    assert [(chunk.sequence, chunk.final) for chunk in chunks] == [(0, False), (1, False), (2, True)]
    assert b"".join(chunk.data for chunk in chunks) == samples_of(recording)
    assert {(c.room, c.speaker, c.sample_rate, c.channels) for c in chunks} == {("聊天室/1", "ü", 16_000, 2)}
    assert chunks[-1].start - chunks[0].start == pytest.approx(0.25, abs=1e-6)
