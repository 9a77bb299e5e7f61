"""`voxwarden ingest` into a real broker: a bad file is named, and the others arrive complete."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.contract.cloud_events import decode_event
from pipeline.contract.messages import AudioChunk
from pipeline.contract.topology import AUDIO
from pipeline.settings import Settings
from pipeline.speech.audio.recording_parts import chunks_of
from tests.broker import ROOT
from tests.stream.kafka_io import wait_for
from tests.stream.processes import environment

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
