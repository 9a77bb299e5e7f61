"""`voxwarden run` as a process: a kill loses no speech, strangers keep nobody out, and a second run is refused."""

import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import httpx
import numpy as np
import pytest
from websockets.sync.client import ClientConnection, connect

from pipeline.base import open_files
from pipeline.base.metrics import Metrics
from pipeline.contract.messages import SAMPLE_RATE, AudioChunk, Utterance
from pipeline.review.cases.case_values import Filters
from pipeline.review.evidence.lookback import open_lookback
from pipeline.review.evidence.segments import Finish
from pipeline.review.review_store import open_store
from pipeline.settings import Settings
from pipeline.speech.audio import segment_stage
from pipeline.speech.audio.cutter import PAD_SECONDS
from pipeline.speech.audio.decode import read_file
from pipeline.speech.audio.encode import to_pcm16
from pipeline.speech.audio.vad import WINDOW

SPEECH = Path(__file__).parents[2] / "pipeline" / "runner" / "demo" / "lounge-ben.ogg"
STEP_SECONDS = 0.01
MOST_MISSING = PAD_SECONDS + 2 * WINDOW / SAMPLE_RATE
"""Seconds.

At the start of a session the voice detector has no earlier audio: a pad and a window at each end may differ.
"""

OPEN_UNTIL = 26.5
"""Seconds: after the threat and before the silence that ends it, so that a kill leaves unfinished speech."""
WAIT_SECONDS = 300.0


class Process:
    """A `voxwarden run` with the model tiny.en."""

    def __init__(self, data: Path, files: int | None = None) -> None:
        """`files` limits the open files of the process."""
        ports = [f"--set={name}.port=0" for name in ("gateway", "metrics", "console", "api")]
        fast = ["--set=asr.model=tiny.en", "--set=asr.language=en", "--set=asr.languages=[en]"]
        fast.append("--set=gateway.burst_seconds=60")  # all speech arrives at once
        self.errors = data.parent / f"{data.name}.{time.monotonic_ns()}.err"
        with self.errors.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "agents", f"--set=data_dir={data}", *ports, *fast, "run", "--api"], stderr=file
            )
        if files:
            resource.prlimit(self.process.pid, resource.RLIMIT_NOFILE, (files, files))

    def told(self, pattern: str) -> str:
        """Wait until stderr matches `pattern` and return the match."""
        return str(until(lambda: re.search(pattern, self.errors.read_text()), self)[1])

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(WAIT_SECONDS)


def until(look, process: Process):  # type: ignore[no-untyped-def]
    """Return the first true result of `look`. Fails if the process ends before."""
    end = time.monotonic() + WAIT_SECONDS
    while not (found := look()):
        assert process.process.poll() is None, process.errors.read_text()
        assert time.monotonic() < end, "the time-out has passed"
        time.sleep(0.02)
    return found


@contextmanager
def started(data: Path, files: int | None = None) -> Iterator[Process]:
    process = Process(data, files)
    try:
        process.told("(Press Ctrl-C to stop)")
        yield process
    finally:
        process.process.kill()
        process.process.wait()


@contextmanager
def connection(process: Process) -> Iterator[ClientConnection]:
    url = process.told(r"Gateway  (ws://127\.0\.0\.1:\d+)/")
    token = process.told(r"Token    (\S+)")
    with connect(
        f"{url}/v1/rooms/lounge/speakers/ben/audio?sample_rate={SAMPLE_RATE}&session=of-the-tests",
        additional_headers={"Authorization": f"Bearer {token}"},
    ) as socket:
        yield socket


def spoken() -> bytes:
    pcm = b"".join(to_pcm16(block) for block in read_file(SPEECH))
    return pcm[: round(OPEN_UNTIL * SAMPLE_RATE) * 2]


def expected(settings: Settings) -> list[Utterance]:
    """Return the utterances that one process cuts without a kill."""
    stage = segment_stage.build(settings, Metrics())
    chunk = AudioChunk(room="lounge", speaker="ben", start=0, sequence=0, data=spoken(), final=True)
    found = stage.process([chunk])
    stage.close()
    return [utterance for utterance in found if isinstance(utterance, Utterance)]


def missing(wanted: Utterance, found: list[Utterance], shift: float) -> float:
    """Return the seconds of `wanted` that are missing in `found`, whose times are `shift` later."""
    times = np.arange(wanted.start, wanted.end, STEP_SECONDS) + shift
    return STEP_SECONDS * sum(not any(one.start <= at <= one.end for one in found) for at in times)


def journaled(data: Path) -> int:
    return sum(page.stat().st_size for page in (data / "journal").glob("*.audio"))


@pytest.mark.weights
def test_a_killed_run_loses_no_speech(tmp_path: Path) -> None:
    data, pcm = tmp_path / "data", spoken()
    settings = Settings(data_dir=data)
    with started(data) as process, connection(process) as socket:
        for at in range(0, len(pcm), 6_400):
            socket.send(pcm[at : at + 6_400])
        while json.loads(socket.recv(WAIT_SECONDS))["received_samples"] < len(pcm) // 2:
            pass
        assert process.end(signal.SIGKILL) == -signal.SIGKILL
    in_hand = open_lookback(settings).unfinished()
    whole = expected(settings)
    assert in_hand or len(list(open_lookback(settings).marked())) < len(whole)

    with started(data) as process:
        assert process.end(signal.SIGINT) == 0
    kept = list(open_lookback(settings).marked())
    assert {mark.outcome if mark else None for _, _, mark in kept} == {Finish.JUDGED}
    found = [utterance for _, utterance, _ in kept]
    shift = min(one.start for one in found) - whole[0].start
    assert [seconds for one in whole if (seconds := missing(one, found, shift)) > MOST_MISSING] == []
    with closing(open_store(settings)) as store:
        cases = store.cases(Filters())
    assert "violence" in {case.label for case in cases}
    assert len({case.start for case in cases}) == len(cases)
    assert journaled(data) == 0


@pytest.mark.weights
def test_a_second_run_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with started(data) as first:
        second = Process(data)
        assert second.process.wait(WAIT_SECONDS) == 2
        said = second.errors.read_text()
        assert f"{data} is in use by another voxwarden process ({first.process.pid})" in said
        assert "Traceback" not in said
        os.kill(first.process.pid, signal.SIGINT)
        assert first.process.wait(WAIT_SECONDS) == 0


def stranger(port: int, data: bytes) -> socket.socket:
    """A connection that sends `data`, if the server does not end it before."""
    made = socket.create_connection(("127.0.0.1", port), WAIT_SECONDS)
    with suppress(ConnectionError):
        made.sendall(data)
    return made


def asked(port: int, path: str) -> int:
    """Return the status of an answer."""
    return httpx.get(f"http://127.0.0.1:{port}{path}", trust_env=False, timeout=WAIT_SECONDS).status_code


@pytest.mark.full
@pytest.mark.weights
def test_a_thousand_connections_that_ask_nothing_keep_nobody_out(tmp_path: Path) -> None:
    """Silence and half a header on each port, from the address of the honest clients, with 1,024 open files."""
    open_files.raise_limit()
    with started(tmp_path / "data", files=1024) as process, ExitStack() as held:
        names = ("Gateway", "Metrics", "Console", "API")
        gateway, metrics, console, api = (int(process.told(rf"{name}  .*127\.0\.0\.1:(\d+)")) for name in names)
        before = process.errors.stat().st_size
        for port in (gateway, metrics, console, api):
            for number in range(1_000):
                held.enter_context(stranger(port, b"" if number % 2 else b"GET / HTTP/1.1\r\nHost:"))
            assert asked(metrics, "/healthz") == 200
            assert asked(console, "/login") == 200
            assert asked(api, "/v1/models") == 401  # it asks for a token
            with connection(process) as socket:
                socket.send(bytes(6_400))
                assert json.loads(socket.recv(WAIT_SECONDS))["received_samples"] > 0
        assert process.errors.read_bytes()[before:] == b""
