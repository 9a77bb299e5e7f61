"""Flags that arrive again after a crash create no second case and no second clip. Cases wait for no store of clips."""

import os
import sys
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.contract.messages import Flag
from pipeline.contract.topology import DELIVER, FLAGS, UTTERANCES
from pipeline.review.cases.case_values import Case, Filters
from pipeline.review.evidence.evidence_store import checksum, open_evidence
from pipeline.review.review_store import open_store
from pipeline.settings import EvidenceSettings, Settings
from pipeline.speech.audio.decode import read_file
from pipeline.speech.audio.encode import encode_flac
from tests.broker import ROOT
from tests.builders import NOON, flag, utterance
from tests.s3 import running
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


def intact(settings: Settings) -> int:
    """Return how many cases have a clip that is in the store of clips, with the SHA-256 of the database."""
    evidence = open_evidence(settings)
    with closing(open_store(settings)) as store:
        clips = [clip for case in store.cases(Filters(), limit=1_000) for clip in store.case(case.id).evidence]
    return sum(checksum(evidence.get(clip.path) or b"") == clip.sha256 for clip in clips)


def test_cases_come_while_s3_is_down_and_their_clips_when_it_is_back(settings: Settings, tmp_path: Path) -> None:
    with running() as s3:
        evidence = EvidenceSettings(store="s3", s3=s3.settings(s3.make_bucket("clips")))
        settings = settings.model_copy(update={"evidence": evidence})
        made = flags(settings)
        process = deliver(settings, tmp_path / "log")
        try:
            put(settings, FLAGS, made[:2])
            wait_until(lambda: done(settings) == 2 and intact(settings) == 2, process.running)
            s3.kill()
            put(settings, FLAGS, made[2:6])
            wait_until(lambda: len(cases(settings)) == 6 and done(settings) == 6, process.running)
            process.kill()
            process.start()
            put(settings, FLAGS, made[6:])
            wait_until(lambda: len(cases(settings)) == COUNT and done(settings) == COUNT, process.running)
            s3.start()
            wait_until(lambda: intact(settings) == COUNT, process.running)
            assert process.stop() == 0
        finally:
            process.close()
    assert len(cases(settings)) == COUNT
