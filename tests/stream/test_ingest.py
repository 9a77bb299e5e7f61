"""`voxwarden ingest` and the producer of docs/integrate.md write whole recordings into a real broker."""

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
from pipeline.speech.audio.recording_parts import chunks_of
from tests.agents.test_integrate import block, recording, samples_of
from tests.broker import ROOT
from tests.stream.kafka_io import wait_for
from tests.stream.processes import environment

__all__ = ["recording"]

pytestmark = pytest.mark.broker

CLIPS = [ROOT / "tests" / "data" / name for name in ("tt-weasels.flac", "dir-nomatch.flac")]
START = 1_700_000_000.0


def ingest(settings: Settings, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "agents", "ingest", *map(str, arguments), "--room", "lobby", "--speaker", "ann"]
    told = os.environ | environment(settings)
    return subprocess.run(command, capture_output=True, text=True, env=told, check=False, timeout=120)


def test_recordings_arrive_one_after_another_and_a_bad_one_is_named(settings: Settings, tmp_path: Path) -> None:
    bad = tmp_path / "notes.txt"
    bad.write_text("no audio", "utf-8")
    options = ["--speed", "max", "--start", "2023-11-14T22:13:20", "--room-type", "kids"]
    shown = ingest(settings, CLIPS[0], bad, CLIPS[1], *options)
    assert shown.returncode == 3, shown.stderr
    assert sum("notes.txt" in line for line in shown.stderr.splitlines()) == 1
    assert "Traceback" not in shown.stderr
    expected = [chunk for clip in CLIPS for chunk in chunks_of(clip, "lobby", "ann")]
    records = wait_for(settings, AUDIO, lambda found: len(found) >= len(expected), lambda: None)
    chunks = [decode_event(AudioChunk, record.value, record.headers) for record in records]
    assert [chunk.data for chunk in chunks] == [chunk.data for chunk in expected]
    assert {chunk.room_type for chunk in chunks} == {"kids"}
    assert chunks[0].start == START
    assert len({record.partition for record in records}) == 1, "all chunks of a speaker are on one partition"


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
