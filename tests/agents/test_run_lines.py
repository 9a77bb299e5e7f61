"""`voxwarden run --format jsonl` as a process: each verdict is one line on standard output, and nothing else is."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest
from websockets.sync.client import connect

from pipeline.contract.messages import SAMPLE_RATE
from tests.agents.test_one_machine import spoken

SETTINGS = ["gateway.port=0", "metrics.port=0", "console.port=0", "asr.model=tiny.en", "asr.languages=[en]"]


@pytest.mark.full
@pytest.mark.weights
def test_each_verdict_is_a_line(tmp_path: Path) -> None:
    chosen = [f"--set={one}" for one in (*SETTINGS, f"data_dir={tmp_path}", "gateway.burst_seconds=60")]
    command = [sys.executable, "-m", "agents", *chosen, "run", "--format", "jsonl"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            port, token = found(process.stderr, r"ws://127\.0\.0\.1:(\d+)"), found(process.stderr, r"Token +(\S+)")
            speak(port, token)
            line = json.loads(process.stdout.readline())
            assert (line["kind"], line["room"], line["speaker"]) == ("utterance", "lounge", "ben")
            assert set(line) > {"id", "start", "end", "text", "suggestion", "labels"}
            process.send_signal(signal.SIGTERM)
            rest = process.stdout.read().splitlines()
            assert all(json.loads(one)["kind"] == "utterance" for one in rest)
            assert process.wait() == 0
        finally:
            process.kill()


def found(stream: IO[str], pattern: str) -> str:
    """Read lines until one matches, and return its first group."""
    match = next(match for line in stream if (match := re.search(pattern, line)))
    return match[1]


def speak(port: str, token: str) -> None:
    url = f"ws://127.0.0.1:{port}/v1/rooms/lounge/speakers/ben/audio?sample_rate={SAMPLE_RATE}"
    pcm = spoken()
    with connect(url, additional_headers={"Authorization": f"Bearer {token}"}) as gateway:
        for at in range(0, len(pcm), 6_400):
            gateway.send(pcm[at : at + 6_400])
