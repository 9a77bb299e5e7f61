"""A label that needs words and second ear gives the same flags and cases on both runners.

Two people say the same threat in a game room, and one of them shouts it: a siren stands for the shout.
"""

import asyncio
import os
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from sqlalchemy import func, select

from agents.broker import kafka_topics
from pipeline.base.metrics import Metrics
from pipeline.contract.cloud_events import decode_event
from pipeline.contract.messages import SAMPLE_RATE, AudioChunk, Flag
from pipeline.contract.topology import AUDIO, FLAGS, JUDGE, LISTEN, SEGMENT, STAGES, TRANSCRIBE, Stage
from pipeline.review.cases.case_values import CaseFile, Filters
from pipeline.review.database import Database
from pipeline.review.review_store import open_store
from pipeline.review.tables.assessment_tables import TALLIES
from pipeline.runner.local import LocalRunner
from pipeline.settings import JudgeSettings, ListenSettings, Settings
from pipeline.speech.audio.decode import samples_of
from tests.broker import ROOT
from tests.pipeline.sound import tiny_model
from tests.pipeline.speech.audio.sound import chunks
from tests.stream.conftest import settings_of
from tests.stream.kafka_io import put, wait_for, wait_for_members
from tests.stream.processes import Process, environment

pytestmark = [pytest.mark.broker, pytest.mark.weights]

START = 1_700_000_000.0
SHOUT = slice(22 * SAMPLE_RATE, 28 * SAMPLE_RATE)
"""Around the threat."""
POLICY = """
name: both
every: {enabled: false}
labels: {violence: {enabled: true, review: 0.8}}
room_types:
  game: {labels: {violence: {sources: both}}}
"""


def audio() -> list[AudioChunk]:
    """Return one second of each speaker at a time."""
    calm = samples_of(ROOT / "pipeline" / "runner" / "demo" / "lounge-ben.ogg")
    loud = calm.copy()
    loud[SHOUT] += tiny_model.siren(6)
    sizes = [SAMPLE_RATE] * (calm.size // SAMPLE_RATE)
    streams = [chunks(sound, sizes, "arena", name, START) for name, sound in (("calm", calm), ("loud", loud))]
    heard = (structs.replace(chunk, room_type="game") for stream in streams for chunk in stream)
    return sorted(heard, key=lambda chunk: chunk.start)


@pytest.fixture
def chosen(bootstrap: str, tmp_path: Path) -> Settings:
    """Return settings with the policy and with an ear that hears sirens as violence."""
    (tmp_path / "both.yaml").write_text(POLICY, "utf-8")
    ear, labels = tiny_model.save(tmp_path / "tiny"), tiny_model.save_map(tmp_path, "Siren: violence\nTalk: null\n")
    made = settings_of(bootstrap, tmp_path / "there")
    kafka_topics.create(made.kafka)
    judge = JudgeSettings(policy=str(tmp_path / "both.yaml"))
    listen = ListenSettings(ear=str(ear), ear_label_map=labels)
    return made.model_copy(update={"judge": judge, "listen": listen})


def flags_here(settings: Settings) -> list[Flag]:
    """Return the flags from one process."""
    flags: list[Flag] = []

    def tap(stage: Stage, batch: Sequence[Any], outputs: Sequence[Any]) -> None:
        del batch
        if stage is JUDGE:
            flags.extend(output for output in outputs if isinstance(output, Flag))

    async def run() -> None:
        stages = (SEGMENT, LISTEN, TRANSCRIBE, JUDGE)
        async with LocalRunner(settings, Metrics(), tap, stages=stages, clock=None) as runner:
            for chunk in audio():
                await runner.put(chunk)

    asyncio.run(run())
    return flags


def run_on_kafka(settings: Settings, count: int, logs: Path) -> list[Flag]:
    """Return the flags from one worker of each role on Kafka, when their case is complete."""
    names = {
        "VOXWARDEN_JUDGE__POLICY": settings.judge.policy,
        "VOXWARDEN_LISTEN__EAR": settings.listen.ear or "",
        "VOXWARDEN_LISTEN__EAR_LABEL_MAP": str(settings.listen.ear_label_map),
    }
    roles = [role for role in STAGES if not role.switch]
    with ExitStack() as stack:
        workers = [
            Process(
                [sys.executable, "-m", "agents", "worker", role.name],
                os.environ | environment(settings) | names,
                logs / role.name,
            )
            for role in roles
        ]
        for worker in workers:
            stack.callback(worker.close)

        def alive() -> None:
            for worker in workers:
                worker.running()

        for role in roles:  # on a busy machine, the imports of an ear take longer than a flag may
            wait_for_members(settings, role, 1)
        put(settings, AUDIO, audio())
        records = wait_for(settings, FLAGS, lambda found: len(found) >= count, alive)
        with closing(open_store(settings)) as store:
            while not any(_is_complete(store.case(case.id)) for case in store.cases(Filters())):
                alive()
                time.sleep(0.5)
    return [decode_event(Flag, record.value, record.headers) for record in records]


def _is_complete(file: CaseFile) -> bool:
    """Whether the case has a clip and the flags of both sources. The second one comes later than the first."""
    return bool(file.evidence) and {flag.source for flag in file.flags} == {"words", "ear"}


def counted(settings: Settings) -> dict[tuple[str, str], int]:
    """Return how many utterances were flagged, and how many with each label, by suggestion."""
    columns = (TALLIES.c.measure, TALLIES.c.bucket, func.sum(TALLIES.c["count"]))
    query = select(*columns).where(TALLIES.c.measure.in_(["judged", "flagged"]), TALLIES.c.bucket != "pass")
    with closing(Database(settings.database_url)) as database, database.read() as connection:
        rows = connection.execute(query.group_by(TALLIES.c.measure, TALLIES.c.bucket)).all()
    return {(measure, bucket): int(count) for measure, bucket, count in rows}


def told(flags: Sequence[Flag]) -> dict[str, tuple[Any, ...]]:
    return {flag.id: (flag.speaker, flag.source, flag.suggestion, flag.withheld, flag.released) for flag in flags}


@pytest.mark.timeout(400)
def test_only_the_shouted_threat_is_a_case_and_both_runners_agree(chosen: Settings, tmp_path: Path) -> None:
    here = flags_here(chosen.model_copy(update={"data_dir": tmp_path / "here"}))
    there = run_on_kafka(chosen, len(here), tmp_path)
    assert told(there) == told(here)
    withheld = {(flag.speaker, flag.source) for flag in here if flag.withheld}
    assert withheld == {("calm", "words"), ("loud", "words"), ("loud", "ear")}
    flagged = {(flag.speaker, flag.source, flag.released) for flag in here if flag.suggestion != "pass"}
    assert flagged == {("loud", "words", "violence"), ("loud", "ear", "violence")}
    with closing(open_store(chosen)) as store:
        (case,) = store.cases(Filters())
        file = store.case(case.id)
        assert case.speaker == "loud"
        assert {flag.text for flag in file.flags if flag.source == "words"} == {
            "I know where you live and I'm going to kill you."
        }
    assert counted(chosen) == {("judged", "review"): 1, ("flagged", "review"): 1}
