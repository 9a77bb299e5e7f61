"""The verdict of benchmarks/chaos detects each fault, so that its zeros mean something."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import insert, select

from benchmarks.chaos import records, tallied, verdict
from benchmarks.chaos.marks import FRAME_SECONDS, Pcm, marked, said_in
from benchmarks.chaos.people import voices
from benchmarks.chaos.troubles import TROUBLES, plan
from benchmarks.chaos.verdict import ChaosVerdict
from pipeline.base.metrics import Metrics
from pipeline.contract.messages import SAMPLE_RATE, AudioChunk, Utterance
from pipeline.contract.speech_status import status_of
from pipeline.review.cases.case_values import Choice
from pipeline.review.database import Database
from pipeline.review.review_store import open_store
from pipeline.review.tables.core import CASES
from pipeline.settings import Settings
from pipeline.speech.audio.encode import decode_flac, to_pcm16
from pipeline.speech.audio.resample import Samples
from pipeline.speech.audio.segment_stage import build as build_segment
from tests.builders import NOON, flag
from tests.speech import SpokenSpan

ALICE = ("lobby", "alice")
ALLOWED = 0.54
HOLE = verdict.allowed_hole(Settings())
WHOLE = [SpokenSpan(*ALICE, 0, 60)]


def alice(start: float, end: float) -> SpokenSpan:
    return SpokenSpan(*ALICE, start, end)


def speech(seconds: float) -> Samples:
    [samples] = voices(1, 1, seconds, seed=1).values()
    return samples


def pcm_of(frames: Sequence[bytes]) -> Pcm:
    return np.frombuffer(b"".join(frames), "<i2")


def test_a_lost_tail_is_detected() -> None:
    [lost] = verdict.lost([alice(0, 10)], [alice(0, 9.5)], WHOLE, HOLE)
    assert lost.holes == (alice(9.5, 10),)
    assert lost.in_log


def test_a_hole_and_its_place_are_detected() -> None:
    told = [alice(0, 5), alice(5.25, 10)]
    [lost] = verdict.lost([alice(0, 10)], told, told, HOLE)
    assert [hole.start for hole in lost.holes] == [5]
    assert not lost.in_log


def test_a_pad_and_a_window_may_be_missing_at_a_break() -> None:
    assert pytest.approx(0.232) == HOLE
    assert not verdict.lost([alice(0, 10)], [alice(0.1, 5), alice(5.23, 10)], WHOLE, HOLE)


def test_speech_of_another_speaker_does_not_fill_a_hole() -> None:
    assert verdict.lost([alice(0, 10)], [SpokenSpan("lobby", "bob", 0, 10)], WHOLE, HOLE)


def test_a_stretch_may_be_stored_in_parts() -> None:
    assert not verdict.lost([alice(1, 10)], [alice(5, 10.2), alice(0.8, 3), alice(2.5, 5)], WHOLE, HOLE)


def test_a_stretch_that_is_not_stored_at_all_is_detected() -> None:
    [lost] = verdict.lost([alice(1, 10)], [alice(20, 30)], [], HOLE)
    assert lost.holes == (alice(1, 10),)


def test_the_utterances_of_a_real_segmenter_cover_every_stretch() -> None:
    """Uses the marks in the segmenter's own utterances. Without the last twentieth of each, every stretch is lost."""
    samples = speech(40)
    frames = marked(ALICE, samples)
    wanted = verdict.stretches(ALICE, samples, Settings())
    utterances = [np.frombuffer(to_pcm16(decode_flac(each.data)), "<i2") for each in segmented(frames)]
    told = [span for pcm in utterances for span in said_in(ALICE, pcm, len(frames))]
    assert len(told) >= len(wanted) > 3
    assert not verdict.lost(wanted, told, WHOLE, HOLE)
    shorter = [pcm[: -(pcm.size // 20 + 5_000)] for pcm in utterances]
    told = [span for pcm in shorter for span in said_in(ALICE, pcm, len(frames))]
    assert len(verdict.lost(wanted, told, WHOLE, HOLE)) == len(wanted)


def segmented(frames: Sequence[bytes]) -> list[Utterance]:
    segment = build_segment(Settings(), Metrics())
    stream = [
        AudioChunk(room="lobby", speaker="alice", start=7.77 + number * FRAME_SECONDS, sequence=number, data=frame)
        for number, frame in enumerate(frames)
    ]
    return [found for found in [*segment.process(stream), *segment.drain()] if isinstance(found, Utterance)]


def test_an_overlap_with_a_decided_case_is_detected(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    with closing(open_store(settings)) as store:
        [outcome] = store.add([flag(end=2)], 0.0)
        store.decide(outcome.case, "carol", Choice(verdict="uphold"), 1.0)
    copy_case(settings, 0.6)
    found = records.cases(settings)
    assert len(found) == 2
    assert verdict.again(found, ALLOWED)


def copy_case(settings: Settings, later: float) -> None:
    """Another case of the same speaker, which starts this much later than the only one."""
    with closing(Database(settings.database_url)) as database, database.write() as connection:
        row = dict(connection.execute(select(CASES)).one()._mapping)
        again = {"id": "another", "status": "pending", "start": row["start"] + later, "end": row["end"] + later}
        connection.execute(insert(CASES).values(row | again))


def test_an_overlap_with_any_earlier_case_is_detected() -> None:
    assert verdict.again([alice(0, 30), alice(5, 6), alice(20, 25)], ALLOWED) == [alice(5, 6), alice(20, 25)]


def test_the_repetition_of_a_forced_cut_is_no_overlap() -> None:
    assert not verdict.again([alice(0, 8), alice(7.5, 15), SpokenSpan("lobby", "bob", 0, 8)], ALLOWED)


def test_the_allowed_overlap_does_not_cover_a_short_case() -> None:
    assert verdict.again([alice(0, 8), alice(1, 1.4)], ALLOWED) == [alice(1, 1.4)]


def test_each_fault_makes_the_verdict_bad() -> None:
    good = ChaosVerdict(stretches=400, flags=400, again=[alice(0, 1)] * 2)
    assert good.good
    lost = verdict.Lost(alice(0, 1), (alice(0, 1),), in_log=True)
    for fault in (
        {"lost": [lost]},
        {"overlapping": [alice(0, 1)]},
        {"again": [alice(0, 1)] * 3},
        {"unexpected": ["an utterance"]},
        {"silent": ["a case"]},
        {"hung": ["judge-0"]},
        {"letters_lost": ["noise"]},
        {"stretches": 0},
    ):
        assert not replace(good, **fault).good, fault


def test_the_last_line_has_the_counts() -> None:
    line = str(ChaosVerdict(stretches=10, flags=200, again=[alice(0, 1)], hung=["judge-0"], malformed=3, redelivered=1))
    assert line == (
        "stretches 10: lost 0, overlapping cases 0, told again 1 of 200 (0.50%), unexpected 0, without a clip 0, "
        "hung 1; malformed 3: lost 0, redelivered 1; tallies: wrong 0"
    )


def test_speech_is_identified_wherever_it_is_cut() -> None:
    frames = marked(ALICE, np.concatenate([speech(3), np.full(7, 0.9, np.float32)]))
    pcm = pcm_of(frames)
    [span] = said_in(ALICE, pcm[1_000:20_123], len(frames))
    assert span.start == pytest.approx(1_000 / SAMPLE_RATE)
    assert span.end == pytest.approx(20_123 / SAMPLE_RATE)


def test_a_gap_inside_a_span_is_detected() -> None:
    frames = marked(ALICE, speech(3))
    spans = said_in(ALICE, pcm_of([*frames[2:8], *frames[9:12]]), len(frames))
    assert [(round(span.start, 6), round(span.end, 6)) for span in spans] == [(0.2, 0.8), (0.9, 1.2)]


def test_speakers_have_different_marks() -> None:
    frames = marked(ALICE, speech(3))
    assert said_in(("lobby", "bob"), pcm_of(frames), len(frames)) == []
    assert said_in(ALICE, np.zeros(16_000, np.int16), len(frames)) == []
    assert said_in(ALICE, np.zeros(3, np.int16), len(frames)) == []


def test_a_seed_gives_one_schedule_with_every_trouble() -> None:
    every = list(TROUBLES.values())
    first = plan(600, every, 1)
    assert first == plan(600, every, 1) != plan(600, every, 2)
    assert {planned.trouble for planned in first} == set(every)
    assert {planned.trouble for planned in plan(30, every, 1)} == set(every)
    assert all(0 < planned.at < 600 for planned in first)
    assert [planned.at for planned in first] == sorted(planned.at for planned in first)


def test_tallies_are_compared_with_the_messages() -> None:
    one = flag("a", 0, 2)
    status = status_of(flag("b", 2, 3), "segmented")
    counted = tallied.counted([one, one], [status, status_of(one, "segmented")])
    hour = int(NOON) // 3_600
    assert counted == {
        ("segmented", "", hour, 2, 3 * SAMPLE_RATE),
        ("monitored", "", hour, 1, 2 * SAMPLE_RATE),
        ("judged", "review", hour, 1, 2 * SAMPLE_RATE),
    }
    assert tallied.differences(counted, counted) == []
    assert len(tallied.differences(counted, {("judged", "review", hour, 2, 4 * SAMPLE_RATE)})) == 4
