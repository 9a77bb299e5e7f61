"""The time axis of the case page: lanes of flagged speech, and the clip's wave at its place."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.console.cases.case_timeline import (
    AFTER,
    BARS_PER_SECOND,
    BEFORE,
    MOST_LANES,
    Outline,
    case_axis,
    clip_sound,
    outline,
    severity,
)
from pipeline.console.cases.case_view import PageView, RoomFlag
from pipeline.contract.messages import SAMPLE_RATE
from pipeline.judge import labels
from pipeline.review.cases.case_values import CaseFile, ClipPiece, Evidence
from pipeline.review.evidence.evidence_store import EvidenceFolder
from pipeline.speech.audio.encode import encode_opus_clip
from tests.builders import NOON, case, flag
from tests.pipeline.review.voices import tone

LABELS = labels.load_labels()
SECONDS = 10.0
PICTURE = Outline((0.5,) * int(SECONDS * BARS_PER_SECOND), 1.0)


def clip(*pieces: ClipPiece) -> Evidence:
    start = min((piece.start for piece in pieces), default=NOON)
    return Evidence(
        path="a.ogg", case="c", start=start, end=start + 60, seconds=SECONDS, bytes=1, sha256="", timeline=pieces
    )


def page_view(start: float, end: float, *clips: Evidence, around: Sequence[RoomFlag] = ()) -> PageView:
    """Return the page of a case of ann, from `start` to `end` in seconds after NOON."""
    one = flag("a", start, end)
    file = CaseFile(case=case(start, end, text=one.text), flags=(one,), evidence=clips, decisions=())
    mine = RoomFlag(one, file.case.id, (), mine=True)
    return PageView(file, [file.case.id], (mine,), tuple(around), (), (), None, None, None)


def said(speaker: str, start: float, end: float, **changes: object) -> RoomFlag:
    return RoomFlag(flag(f"{speaker}{start}", start, end, speaker=speaker, **changes), f"case of {speaker}")


def test_each_speaker_has_a_lane_and_the_case_s_own_comes_first() -> None:
    other = [said("bob", -30, -28), said("cat", 5, 9), said("bob", 12, 13)]
    found = case_axis(page_view(0, 4, around=other), LABELS)
    assert [(lane.speaker, lane.mine) for lane in found.lanes] == [("ann", True), ("bob", False), ("cat", False)]
    assert [(block.first, block.last) for block in found.lanes[1].blocks] == [(-30, -28), (12, 13)]
    assert [block.opened for lane in found.lanes for block in lane.blocks] == [True, False, False, False]
    assert {block.case for block in found.lanes[1].blocks} == {"case of bob"}


def test_a_crowd_has_a_bounded_number_of_lanes() -> None:
    crowd = [said(f"s{n:02}", n, n + 1) for n in range(20)]
    found = case_axis(page_view(0, 4, around=crowd), LABELS)
    assert (len(found.lanes), found.more) == (MOST_LANES, 21 - MOST_LANES)


@pytest.mark.parametrize(("end", "right"), [(4, AFTER), (15, AFTER), (16, 30), (1_000, 300)])
def test_the_axis_ends_after_the_case(end: float, right: float) -> None:
    found = case_axis(page_view(0, end), LABELS)
    assert (found.left, found.right) == (BEFORE, right)
    assert (found.percent(found.left), found.percent(found.right)) == (0, 100)
    assert len(found.ticks) <= 9
    assert 0.0 in found.ticks


def test_a_block_has_the_severity_of_its_worst_label() -> None:
    assert severity(flag("a", 0, 1, flagged=("abuse", "minor_safety")), LABELS) == 3
    assert severity(flag("a", 0, 1, flagged=("no such label",)), LABELS) == 1
    assert severity(flag("a", 0, 1, flagged=()), LABELS) == 0


def test_the_wave_stands_where_the_clip_was_spoken() -> None:
    found = clip_sound(page_view(0, 4, clip(ClipPiece(0.0, NOON - 5, SECONDS))), PICTURE)
    assert found is not None
    assert found.span == (5.0, 9.0)
    [bars] = found.bars
    assert (bars.first, bars.last, bars.count) == (-5, 5, SECONDS * BARS_PER_SECOND)
    places = [[float(at) for at in re.findall(r"M([\d.]+) ", path)] for path in (bars.quiet, bars.flagged)]
    assert all(5 <= at / BARS_PER_SECOND < 9 for at in places[1])
    assert len(places[0]) + len(places[1]) == bars.count


def test_a_pause_that_the_clip_leaves_out_splits_the_wave() -> None:
    pieces = ClipPiece(0.0, NOON, 4.0), ClipPiece(4.0, NOON + 35, 6.0)
    found = clip_sound(page_view(0, 40, clip(*pieces)), PICTURE)
    assert found is not None
    assert found.span == (0.0, 9.0)
    assert [(bars.first, bars.last) for bars in found.bars] == [(0, 4), (35, 41)]
    assert found.pieces == ((0.0, 0.0, 4.0), (4.0, 35.0, 6.0))


def test_without_a_clip_or_a_picture_there_is_no_sound() -> None:
    assert clip_sound(page_view(0, 4), None) is None
    assert clip_sound(page_view(0, 4, clip(ClipPiece(0.0, NOON, SECONDS))), None) is None


@given(
    st.tuples(st.floats(-20, 40), st.floats(0, 30)),
    st.floats(0.1, 9.9),
    st.floats(0, 20),
)
def test_the_flagged_part_is_in_the_clip(span: tuple[float, float], cut: float, pause: float) -> None:
    pieces = ClipPiece(0.0, NOON, cut), ClipPiece(cut, NOON + cut + pause, SECONDS - cut)
    found = clip_sound(page_view(span[0], span[0] + span[1], clip(*pieces)), PICTURE)
    assert found is not None
    assert 0 <= found.span[0] <= found.span[1] <= SECONDS
    assert all(bars.count >= 1 for bars in found.bars)


@pytest.fixture
def folder(tmp_path: Path) -> EvidenceFolder:
    return EvidenceFolder(tmp_path / "evidence")


def stored_clip(path: str) -> Evidence:
    return Evidence(path=path, case="c", start=NOON, end=NOON + 2, seconds=2.0, bytes=1, sha256="")


def kept(folder: EvidenceFolder, data: bytes) -> Evidence:
    return stored_clip(folder.put("c", NOON, data))


def test_the_bars_follow_the_sound_and_fill_the_picture(folder: EvidenceFolder) -> None:
    silence = np.zeros(SAMPLE_RATE, np.float32)
    found = outline(folder, kept(folder, encode_opus_clip(np.concatenate([tone(1.0), silence]))))
    assert found is not None
    assert len(found.peaks) == 2 * BARS_PER_SECOND
    assert max(found.peaks) == 1.0
    assert min(found.peaks[: BARS_PER_SECOND - 1]) > 0.5
    assert max(found.peaks[BARS_PER_SECOND + 1 :]) < 0.1


def test_a_quiet_clip_looks_like_a_loud_one_but_has_more_gain(folder: EvidenceFolder) -> None:
    loud, quiet = (outline(folder, kept(folder, encode_opus_clip(tone(2.0) * level))) for level in (2.0, 0.5))
    assert loud is not None
    assert quiet is not None
    assert max(loud.peaks) == max(quiet.peaks) == 1.0
    assert quiet.gain - loud.gain == pytest.approx(12.04, abs=0.3)


def test_silence_has_flat_bars(folder: EvidenceFolder) -> None:
    found = outline(folder, kept(folder, encode_opus_clip(np.zeros(SAMPLE_RATE, np.float32))))
    assert found is not None
    assert max(found.peaks) < 0.1
    assert found.gain == 0.0


def test_a_clip_that_is_gone_or_broken_has_no_outline(folder: EvidenceFolder) -> None:
    assert outline(folder, stored_clip("2026-01-01/none.ogg")) is None
    assert outline(folder, kept(folder, b"no sound")) is None
    assert outline(folder, kept(folder, b"")) is None
