"""Pieces of speech become one clip."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.errors import DependencyError
from pipeline.base.metrics import Metrics
from pipeline.contract.messages import SAMPLE_RATE, Utterance
from pipeline.review.cases import user_reports
from pipeline.review.cases.case_queue import Ranking
from pipeline.review.cases.case_values import ClipPiece, Evidence
from pipeline.review.cases.user_reports import Complaint, Report
from pipeline.review.database import Database
from pipeline.review.delivery.deliver_stage import Deliver
from pipeline.review.evidence.clip_cutting import MAX_SILENCE, READ_SECONDS, SETTLE_SECONDS, ReportCutter, compose
from pipeline.review.evidence.evidence_store import EvidenceFolder, EvidenceOutage
from pipeline.review.evidence.lookback import Lookback
from pipeline.review.privacy import erasure
from pipeline.review.review_store import SqlReviewStore
from pipeline.speech.audio.decode import read_bytes
from pipeline.speech.audio.resample import Samples
from tests.builders import NOON
from tests.pipeline.review.voices import utterance


def level(value: float, seconds: float) -> Samples:
    return np.full(round(seconds * SAMPLE_RATE), value, np.float32)


def heard(clip: Samples, second: float) -> float:
    """Return the level of the clip at a second."""
    return float(clip[round(second * SAMPLE_RATE)])


def test_pauses_keep_their_length() -> None:
    clip, timeline = compose([(12.0, level(0.2, 2)), (8.0, level(0.1, 2))], begin=5.0)
    assert len(clip) == 6 * SAMPLE_RATE
    assert [heard(clip, t) for t in (0, 1.9, 2.1, 3.9, 4, 5.9)] == pytest.approx([0.1, 0.1, 0, 0, 0.2, 0.2])
    assert timeline == (ClipPiece(0.0, 8.0, 2.0), ClipPiece(4.0, 12.0, 2.0))


def test_a_long_pause_is_shortened_in_clip_and_timeline() -> None:
    clip, timeline = compose([(0.0, level(0.1, 1)), (3_600.0, level(0.2, 1))], begin=0.0)
    assert len(clip) == (2 + MAX_SILENCE) * SAMPLE_RATE
    assert timeline == (ClipPiece(0.0, 0.0, 1.0), ClipPiece(1 + MAX_SILENCE, 3_600.0, 1.0))


def test_shared_speech_of_two_utterances_plays_once() -> None:
    clip, timeline = compose([(0.0, level(0.1, 8)), (7.5, level(0.2, 4))], begin=0.0)
    assert len(clip) == 11.5 * SAMPLE_RATE
    assert [heard(clip, t) for t in (7.9, 8.0)] == pytest.approx([0.1, 0.2])
    assert timeline == (ClipPiece(0.0, 0.0, 8.0), ClipPiece(8.0, 8.0, 3.5))


def test_the_clip_contains_nothing_from_before_its_beginning() -> None:
    clip, timeline = compose([(0.0, level(0.1, 8)), (9.0, level(0.2, 1))], begin=5.0)
    assert len(clip) == 5 * SAMPLE_RATE
    assert timeline[0] == ClipPiece(0.0, 5.0, 3.0)


def test_no_speech_gives_no_clip() -> None:
    assert compose([], begin=0.0)[1] == ()
    assert compose([(0.0, level(0.1, 2))], begin=3.0)[1] == ()


@given(
    st.lists(st.tuples(st.floats(0, 60), st.floats(0.3, 15)), max_size=6),
    st.floats(0, 30),
)
def test_the_timeline_is_right_for_every_moment(spans: list[tuple[float, float]], begin: float) -> None:
    pieces = [(start, level((number + 1) / 10, seconds)) for number, (start, seconds) in enumerate(spans)]
    clip, timeline = compose(pieces, begin)
    assert len(clip) == (round((timeline[-1].offset + timeline[-1].seconds) * SAMPLE_RATE) if timeline else 0)
    for piece in timeline:
        assert piece.start >= begin - 1 / SAMPLE_RATE
        assert np.all(clip[round(piece.offset * SAMPLE_RATE) :][: round(piece.seconds * SAMPLE_RATE)] > 0)
    gaps = [(a.start + a.seconds, b.start) for a, b in itertools.pairwise(timeline)]
    assert all(end <= following + 1 / SAMPLE_RATE for end, following in gaps)
    speech = sum(piece.seconds for piece in timeline)
    assert np.count_nonzero(clip) == round(speech * SAMPLE_RATE)


DUE = NOON + SETTLE_SECONDS


class Desk:
    def __init__(self, folder: Path, database: Database) -> None:
        self.database = database
        self.store = SqlReviewStore(self.database)
        self.evidence = EvidenceFolder(folder / "evidence")
        self.log = Lookback(folder / "lookback", 3_600, 10_000_000, lambda: NOON)
        self.stage = Deliver(self.store, EvidenceOutage(self.evidence), self.log, Metrics(), lambda: NOON)

    def say(self, name: str, start: float, end: float, hertz: float = 220.0, **changes: Any) -> None:
        self.log.put(utterance(name, start, end, hertz, **changes))

    def report(self, speaker: str = "ann", at: float = NOON) -> Report:
        complaint = Complaint(room="room", speaker=speaker, at=at)
        with self.database.write() as connection:
            return user_reports.file(connection, complaint, NOON, Ranking({}), 60.0)[0]

    def state(self, report: Report) -> str:
        with self.database.read() as connection:
            return user_reports.of_case(connection, report.case)[0].audio

    def clip(self, report: Report) -> tuple[Evidence, Samples]:
        [clip] = self.store.case(report.case).evidence
        return clip, read_bytes(self.evidence.get(clip.path) or b"", "the clip", 600)[0]

    def files(self) -> list[Path]:
        return [file for file in self.evidence.folder.rglob("*") if file.is_file()]


@pytest.fixture
def desk(tmp_path: Path, sqlite_url: str) -> Iterator[Desk]:
    made = Desk(tmp_path, Database(sqlite_url))
    yield made
    made.stage.close()


def pitches(samples: Samples, count: int = 1) -> list[int]:
    """Return the frequencies of the loudest tones in hertz, rounded to tens."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    found: list[int] = []
    for _ in range(count):
        loudest = int(np.argmax(spectrum))
        found.append(round(loudest * SAMPLE_RATE / len(samples) / 10) * 10)
        spectrum[max(0, loudest - 20) : loudest + 20] = 0
    return sorted(found)


def part(samples: Samples, start: float, end: float) -> Samples:
    return samples[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)]


def test_the_clip_contains_only_the_reported_speaker(desk: Desk) -> None:
    desk.say("too old", -80, -70, 880)
    desk.say("one", -30, -26, 220)
    desk.say("bob", -28, -22, 660, speaker="bob")
    desk.say("two", -20, -16, 440)
    report = desk.report()
    desk.stage.tick(DUE)
    clip, samples = desk.clip(report)
    assert (clip.start, clip.end) == (NOON - 60, NOON)
    assert [(piece.offset, piece.start - NOON, piece.seconds) for piece in clip.timeline] == [(0, -30, 4), (10, -20, 4)]
    assert pitches(part(samples, 0.5, 3.5)) == [220]
    assert pitches(part(samples, 10.5, 13.5)) == [440]
    assert np.abs(part(samples, 5, 9)).max() < 0.01
    assert desk.state(report) == "kept"


def test_the_clip_of_a_room_mixes_all_speakers(desk: Desk) -> None:
    desk.say("ann", -30, -24, 220)
    desk.say("bob", -28, -20, 660, speaker="bob")
    desk.say("elsewhere", -28, -20, 880, room="other")
    report = desk.report(speaker="")
    desk.stage.tick(DUE)
    clip, samples = desk.clip(report)
    assert [(piece.start - NOON, piece.seconds) for piece in clip.timeline] == [(-30, 10)]
    assert pitches(part(samples, 0.2, 1.8)) == [220]
    assert pitches(part(samples, 2.2, 5.8), 2) == [220, 660]
    assert pitches(part(samples, 6.2, 9.8)) == [660]


def test_the_clip_waits_for_an_unfinished_utterance(desk: Desk) -> None:
    report = desk.report()
    desk.stage.tick(DUE - 1)
    assert desk.state(report) == "waiting"
    desk.say("while reporting", -5, 8)
    desk.stage.tick(DUE)
    assert desk.clip(report)[0].seconds == pytest.approx(13, abs=0.01)


def test_a_later_report_makes_the_clip_longer(desk: Desk) -> None:
    desk.say("one", -30, -26, 220)
    first = desk.report()
    desk.stage.tick(DUE)
    desk.say("two", 40, 44, 440)
    second = desk.report(at=NOON + 50)
    desk.stage.tick(DUE)
    clip, samples = desk.clip(first)
    assert (second.case, desk.state(first)) == (first.case, "kept")
    assert (clip.start, clip.end, len(desk.files())) == (NOON - 60, NOON + 50, 1)
    assert [(piece.start - NOON, piece.seconds) for piece in clip.timeline] == [(-30, 4), (40, 4)]
    assert pitches(part(samples, 14.5, 17.5)) == [440]


def test_speech_that_the_log_has_deleted_stays_in_the_clip(desk: Desk, tmp_path: Path) -> None:
    desk.say("one", -30, -20)
    first = desk.report()
    desk.stage.tick(DUE)
    before = desk.clip(first)[0]
    empty = Lookback(tmp_path / "empty", 3_600, 10_000_000, lambda: NOON)
    empty.put(utterance("two", 40, 44))
    desk.report(at=NOON + 50)
    assert ReportCutter(desk.store, EvidenceOutage(desk.evidence), empty).run(DUE)
    assert desk.clip(first)[0] == before


class SlowLog(Lookback):
    """A log that yields one utterance per part. Each part takes longer than a run may read.

    If `fails` is set, the log fails once after this number of parts.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, 3_600, 10_000_000, lambda: NOON)
        self.now = 0.0
        self.fails: int | None = None

    def clock(self) -> float:
        return self.now

    def latest(self, room: str, speaker: str | None, end: float, seconds: float) -> Iterator[list[Utterance]]:
        [all_of_them] = super().latest(room, speaker, end, seconds)
        for number, one in enumerate(all_of_them):
            self.now += READ_SECONDS + 1
            if number == self.fails:
                self.fails = None
                raise DependencyError("The broker does not answer")
            yield [one]


@pytest.fixture
def slow(desk: Desk, tmp_path: Path) -> SlowLog:
    desk.log = SlowLog(tmp_path / "slow")
    for start in (-50, -30, -10):
        desk.say(f"at {start}", start, start + 4)
    return desk.log


def test_a_long_search_continues_in_the_next_run(desk: Desk, slow: SlowLog) -> None:
    report = desk.report()
    cutter = ReportCutter(desk.store, EvidenceOutage(desk.evidence), slow, slow.clock)
    assert [cutter.run(DUE) for _ in range(4)] == [False, False, False, True]
    clip, _ = desk.clip(report)
    assert [piece.start - NOON for piece in clip.timeline] == [-50, -30, -10]
    assert not cutter.run(DUE), "there is nothing left to do"


def test_a_failed_search_starts_again_and_misses_nothing(desk: Desk, slow: SlowLog) -> None:
    report = desk.report()
    slow.fails = 1
    cutter = ReportCutter(desk.store, EvidenceOutage(desk.evidence), slow, slow.clock)
    assert not cutter.run(DUE)
    with pytest.raises(DependencyError):
        cutter.run(DUE)
    while not cutter.run(DUE):
        assert desk.state(report) == "waiting"
    assert [piece.start - NOON for piece in desk.clip(report)[0].timeline] == [-50, -30, -10]


def test_a_tick_cuts_only_one_clip(desk: Desk) -> None:
    desk.say("ann", -30, -26)
    desk.say("bob", -30, -26, speaker="bob")
    reports_made = [desk.report("ann"), desk.report("bob")]
    desk.stage.tick(DUE)
    assert sorted(desk.state(one) for one in reports_made) == ["kept", "waiting"]
    desk.stage.tick(DUE)
    assert [desk.state(one) for one in reports_made] == ["kept", "kept"]


def test_a_case_without_audio_in_the_log_gets_no_clip(desk: Desk) -> None:
    report = desk.report()
    desk.stage.tick(DUE)
    assert desk.state(report) == "gone"
    assert desk.store.case(report.case).evidence == ()
    assert desk.files() == []


def test_an_erasure_during_the_cut_leaves_no_audio(desk: Desk) -> None:
    desk.say("one", -30, -26)
    report = desk.report()
    search = desk.stage._reports._begin(DUE)
    assert search
    with desk.database.write() as connection:
        request = erasure.ask_erasure(connection, "ann", "ada", NOON)
    erasure.carry_out(desk.database, desk.evidence, request, "ada", NOON)
    assert search.report == report
    desk.stage._reports._cut(search)
    assert desk.files() == []
