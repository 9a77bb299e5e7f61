"""The verdict of benchmarks/chaos: each fault is seen, so that its zeros mean something."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import insert, select
from websockets.asyncio.server import ServerConnection, serve

from benchmarks.chaos import records, verdict
from benchmarks.chaos.clients import Client
from benchmarks.chaos.marks import FRAME, FRAME_BYTES, FRAME_SECONDS, marked, number_of
from benchmarks.chaos.troubles import TROUBLES, plan
from benchmarks.chaos.verdict import Heard, Stretch, Verdict
from benchmarks.speech import Span, voices
from pipeline.audio.resample import Samples
from pipeline.review.cases import Choice
from pipeline.review.database import Database
from pipeline.review.schema import CASES
from pipeline.review.store import open_store
from pipeline.settings import Settings
from tests.stream.kafka_io import flag

ALICE = ("lobby", "alice")
ALLOWED = 0.54


def alice(start: float, end: float) -> Span:
    return Span(*ALICE, start, end)


def speech(seconds: float) -> Samples:
    [samples] = voices(1, 1, seconds, seed=1).values()
    return samples


def heard(count: int, start: float = 1_000.0) -> Heard:
    """All frames, one after the other."""
    return {ALICE: {number: [start + number * FRAME_SECONDS] for number in range(count)}}


STRETCH = Stretch(ALICE, 0, 99)
"""Ten seconds."""


def test_a_lost_tail_of_a_twentieth_is_seen() -> None:
    [lost] = verdict.lost([STRETCH], heard(100), [alice(1_000, 1_009.5)])
    assert lost.untold == (95, 96, 97, 98, 99)
    assert lost.unsent == ()


def test_a_hole_of_a_tenth_of_a_second_is_seen() -> None:
    [lost] = verdict.lost([STRETCH], heard(100), [alice(1_000, 1_004.95), alice(1_005.0, 1_010)])
    assert lost.untold == (49,)


def test_frames_that_never_reached_the_log_are_seen() -> None:
    places = {ALICE: {number: starts for number, starts in heard(100)[ALICE].items() if number != 50}}
    [lost] = verdict.lost([STRETCH], places, [alice(1_000, 1_010)])
    assert lost.unsent == (50,)


def test_speech_of_another_speaker_is_no_substitute() -> None:
    assert verdict.lost([STRETCH], heard(100), [Span("lobby", "bob", 1_000, 1_010)])


def test_a_stretch_may_be_told_in_parts_and_a_frame_by_any_of_its_copies() -> None:
    places = {ALICE: {number: [500.0, *starts] for number, starts in heard(100)[ALICE].items()}}
    assert not verdict.lost([STRETCH], places, [alice(999.9, 1_004), alice(1_003.5, 1_010.2)])


def test_what_a_real_segmenter_finds_is_all_wanted() -> None:
    samples = speech(40)
    wanted = verdict.stretches(ALICE, samples, Settings())
    places = heard(-(-samples.size // FRAME), start=0.0)
    whole = [alice(s.first * FRAME_SECONDS, (s.last + 1) * FRAME_SECONDS) for s in wanted]
    assert len(wanted) > 3
    assert not verdict.lost(wanted, places, whole)
    shorter = [replace(span, end=span.end - max(0.05 * (span.end - span.start), FRAME_SECONDS)) for span in whole]
    assert len(verdict.lost(wanted, places, shorter)) == len(wanted)


def test_an_overlap_with_a_decided_case_is_seen(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    store = open_store(settings)
    [outcome] = store.add([flag(1, "review")], 0.0)
    store.decide(outcome.case, "carol", Choice(verdict="uphold"), 1.0)
    store.close()
    copy_case(settings, 0.6)
    found = records.stored(settings)
    assert len(found.cases) == 2
    assert verdict.again(found.cases, ALLOWED)


def copy_case(settings: Settings, later: float) -> None:
    """Another case of the same speaker, that begins so much later than the only one."""
    database = Database(settings.database_url)
    with database.write() as connection:
        row = dict(connection.execute(select(CASES)).one()._mapping)
        again = {"id": "another", "status": "pending", "start": row["start"] + later, "end": row["end"] + later}
        connection.execute(insert(CASES).values(row | again))
    database.close()


def test_an_overlap_with_any_case_before_is_seen_not_only_with_the_last() -> None:
    assert verdict.again([alice(0, 30), alice(5, 6), alice(20, 25)], ALLOWED) == [alice(5, 6), alice(20, 25)]


def test_what_a_forced_cut_repeats_is_no_overlap() -> None:
    assert not verdict.again([alice(0, 8), alice(7.5, 15), Span("lobby", "bob", 0, 8)], ALLOWED)


def test_the_allowance_does_not_cover_a_short_case() -> None:
    assert verdict.again([alice(0, 8), alice(1, 1.4)], ALLOWED) == [alice(1, 1.4)]


def test_a_flag_where_nobody_spoke_is_seen() -> None:
    stray = alice(2_000, 2_003)
    assert verdict.unexpected([alice(1_000, 1_010), stray], [STRETCH], heard(100)) == [stray]


def test_each_fault_spoils_the_verdict() -> None:
    good = Verdict(stretches=400, flags=400, again=[alice(0, 1)] * 2)
    assert good.good
    lost = verdict.Lost(STRETCH, (1,), ())
    for fault in (
        {"lost": [lost]},
        {"overlapping": [alice(0, 1)]},
        {"again": [alice(0, 1)] * 3},
        {"unexpected": [alice(0, 1)]},
        {"hung": ["judge-0"]},
        {"letters_lost": ["noise"]},
        {"stretches": 0},
    ):
        assert not replace(good, **fault).good, fault


def test_the_last_line_has_the_counts() -> None:
    line = str(Verdict(stretches=10, flags=200, again=[alice(0, 1)], hung=["judge-0"], malformed=3, redelivered=1))
    assert line == (
        "stretches 10: lost 0, overlapping cases 0, told again 1 of 200 (0.50%), unexpected 0, hung 1; "
        "malformed 3: lost 0, redelivered 1"
    )


def test_frames_tell_which_they_are_and_whose() -> None:
    samples = np.concatenate([speech(3), np.full(7, 0.9, np.float32)])
    frames = marked(ALICE, samples)
    assert [number_of(ALICE, frame) for frame in frames] == list(range(len(frames)))
    assert number_of(("lobby", "bob"), frames[5]) is None
    assert number_of(ALICE, bytes(FRAME_BYTES)) is None


def test_a_seed_makes_one_schedule_in_which_nothing_is_left_out() -> None:
    every = list(TROUBLES.values())
    first = plan(600, every, 1)
    assert first == plan(600, every, 1) != plan(600, every, 2)
    assert {planned.trouble for planned in first} == set(every)
    assert {planned.trouble for planned in plan(30, every, 1)} == set(every)
    assert all(0 < planned.at < 600 for planned in first)
    assert [planned.at for planned in first] == sorted(planned.at for planned in first)


@asynccontextmanager
async def gateway_that(code: int, after: int, received: list[bytes]) -> AsyncIterator[str]:
    """Takes `after` frames, acknowledges all but the last of them, and closes with `code`; then takes all."""
    visits = iter(range(100))

    async def handle(connection: ServerConnection) -> None:
        first = next(visits) == 0
        count = 0
        async for frame in connection:
            assert isinstance(frame, bytes)
            count += 1
            if first and count == after:
                await connection.close(code)
                return
            received.append(frame)
            await connection.send(json.dumps({"received_samples": count * FRAME}))

    async with serve(handle, "127.0.0.1", 0) as server:
        yield f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"


async def test_a_client_comes_back_and_sends_again_what_was_not_acknowledged() -> None:
    frames = marked(ALICE, speech(1))[:20]
    received: list[bytes] = []
    async with gateway_that(1012, 7, received) as address:
        client = Client(ALICE, frames, address)
        await asyncio.wait_for(client.talk(time.monotonic()), 30)
    assert received == frames
    assert client.codes == {"1012": 1}
    assert client.dropped == 0


async def test_a_client_does_not_come_back_after_what_it_must_mend() -> None:
    async with gateway_that(4400, 2, []) as address:
        with pytest.raises(RuntimeError, match="4400"):
            await asyncio.wait_for(Client(ALICE, [bytes(FRAME_BYTES)] * 20, address).talk(time.monotonic()), 30)
