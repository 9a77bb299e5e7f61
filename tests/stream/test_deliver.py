"""Flags that arrive again after a crash create no second case and no second clip."""

import os
import sys
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.contract.messages import Flag
from pipeline.contract.topology import DELIVER, FLAGS, UTTERANCES
from pipeline.review.cases.case_values import Case, Filters
from pipeline.review.review_store import open_store
from pipeline.settings import Settings
from pipeline.speech.audio.decode import read_file
from pipeline.speech.audio.encode import encode_flac
from tests.broker import ROOT
from tests.builders import NOON, flag, utterance
from tests.stream.kafka_io import committed, put, wait_until
from tests.stream.processes import Process, environment

pytestmark = pytest.mark.broker

COUNT = 12


def flags(settings: Settings) -> list[Flag]:
    """Return flags whose audio is in the log."""
    audio = encode_flac(next(read_file(ROOT / "tests" / "data" / "tt-weasels.flac")))
    said = [
        utterance(f"utterance-{n}", NOON + 10 * n, NOON + 10 * n + 1, room=f"room-{n % 3}", data=audio)
        for n in range(COUNT)
    ]
    written = [f"{at.topic}/{at.partition}/{at.offset}" for at in put(settings, UTTERANCES, said)]
    return [
        flag(str(n), 10 * n, 10 * n + 2, room=f"room-{n % 3}", address=address) for n, address in enumerate(written)
    ]


def deliver(settings: Settings, log: Path) -> Process:
    command = [sys.executable, "-m", "agents", "worker", "deliver"]
    return Process(command, os.environ | environment(settings), log)


def done(settings: Settings) -> int:
    """Return how many flags deliver has committed."""
    return sum(committed(settings, DELIVER).values())


def cases(settings: Settings) -> list[Case]:
    with closing(open_store(settings)) as store:
        return store.cases(Filters(), limit=1_000)


@pytest.mark.scenario
def test_flags_that_arrive_again_create_no_second_case(settings: Settings, tmp_path: Path) -> None:
    made = flags(settings)
    put(settings, FLAGS, made)
    put(settings, FLAGS, made[::-1])
    process = deliver(settings, tmp_path / "log")
    try:
        wait_until(lambda: done(settings) >= COUNT // 2, process.running)
        process.kill()
        put(settings, FLAGS, made)
        process.start()
        wait_until(lambda: done(settings) >= 3 * COUNT, process.running)
        assert process.stop() == 0
    finally:
        process.close()
    assert sorted((case.room, case.start) for case in cases(settings)) == sorted(
        (each.room, each.start) for each in made
    )
    assert len(list((settings.data_dir / "evidence").rglob("*.ogg"))) == COUNT
