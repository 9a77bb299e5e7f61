"""The samples that a listener keeps for the audio of a span."""

import numpy as np
import pytest

from pipeline.contract.messages import SAMPLE_RATE, HeardSound
from pipeline.sound.listener import LONGEST_SPAN, REPORT, RecentSamples, Spans
from pipeline.sound.sound_detector import SoundSpan


def test_the_last_seconds_are_kept() -> None:
    recent = RecentSamples(1_000)
    sound = np.linspace(-1, 0.99, 60 * SAMPLE_RATE, dtype=np.float32)
    for begin in range(0, sound.size, SAMPLE_RATE):
        recent.add(sound[begin : begin + SAMPLE_RATE])
    end = 1_000 + sound.size
    start, found = recent.cut(end - LONGEST_SPAN, end - 10)
    assert start == end - LONGEST_SPAN
    assert np.allclose(found, sound[-LONGEST_SPAN:-10], atol=1e-4)
    start, found = recent.cut(0, end)
    assert LONGEST_SPAN <= found.size < LONGEST_SPAN + 6 * SAMPLE_RATE
    assert start == end - found.size
    assert recent.cut(0, 1_000)[1].size == 0


GRID = 1_800_000_000
"""A second at which a report is due: a multiple of 15."""


def span(start: float, end: float, name: str = "song", score: float = 0.5) -> SoundSpan:
    """A sound between two times in seconds after GRID."""
    heard = HeardSound(kind="recording", name=name, score=score)
    begin, stop = (round((GRID + seconds) * SAMPLE_RATE) for seconds in (start, end))
    return SoundSpan(heard, "", begin, stop, "model@1")


def heard(spans: Spans, begin: int, end: int, late: float = 2.0, window: float = 5.0) -> list[tuple[int, float, float]]:
    """Hear a sound that plays from `begin` to `end`, as the matcher does: (second of the report, start, end)."""
    found = []
    for at in range(begin + 4, end + 20):
        latest = min(at - late, end)
        playing = [span(max(begin, at - window - late), latest)] if latest > at - window - late else []
        found += [(at, *times(each)) for each in spans.hear((GRID + at) * SAMPLE_RATE, playing)]
    return found


def times(found: SoundSpan) -> tuple[float, float]:
    return found.start / SAMPLE_RATE - GRID, found.end / SAMPLE_RATE - GRID


def test_a_sound_is_reported_at_once_and_then_every_fifteen_seconds() -> None:
    assert heard(Spans(), 3, 40) == [(7, 3, 5), (15, 5, 13), (30, 13, 28), (45, 28, 40)]


def test_reports_fall_on_the_same_seconds_wherever_reading_begins() -> None:
    whole = heard(Spans(), 3, 60)
    later = heard(Spans(), 22, 60)
    assert [each for each in later if each[0] >= 45] == [each for each in whole if each[0] >= 45]


def test_a_sound_that_goes_on_after_a_pause_is_reported_at_once_and_a_long_pause_ends_it() -> None:
    spans = Spans()
    assert [times(each) for each in spans.hear((GRID + 1) * SAMPLE_RATE, [span(-4, 0)])] == [(-4, 0)]
    assert [times(each) for each in spans.hear((GRID + 9) * SAMPLE_RATE, [span(6, 8)])] == [(0, 8)]
    assert spans.hear((GRID + 15) * SAMPLE_RATE, []) == []
    assert [times(each) for each in spans.hear((GRID + 24) * SAMPLE_RATE, [span(20, 22)])] == [(20, 22)]


def test_each_sound_has_its_own_spans_and_the_surest_score() -> None:
    spans = Spans()
    found = spans.hear((GRID + 1) * SAMPLE_RATE, [span(-4, 0), span(-3, 0, "speech")])
    assert [each.heard.name for each in found] == ["song", "speech"]
    spans.hear((GRID + 8) * SAMPLE_RATE, [span(0.5, 7, score=0.9)])
    [rest] = spans.hear((GRID + 15) * SAMPLE_RATE, [span(8, 14, score=0.6)])
    assert (times(rest), rest.heard.score) == ((0, 14), 0.9)


def test_a_part_has_the_surest_score_of_its_own_time() -> None:
    spans = Spans()
    spans.hear((GRID + 1) * SAMPLE_RATE, [span(-4, 0, score=0.9)])
    spans.hear((GRID + 8) * SAMPLE_RATE, [span(0.5, 7, score=0.6)])
    [rest] = spans.hear((GRID + 15) * SAMPLE_RATE, [span(8, 14, score=0.7)])
    assert rest.heard.score == 0.7


def test_a_detector_may_ask_for_a_report_of_a_higher_score_and_for_a_shorter_pause() -> None:
    spans, told = Spans(), []
    scores = {0: 0.5, 3: 0.55, 6: 0.7, 9: 0.7, 18: 0.7}
    for at in range(19):
        asked = [span(at - 6, at, score=scores[at])._replace(rise=0.1, pause=3 * SAMPLE_RATE)] if at in scores else []
        told += [(at, *times(each), each.heard.score) for each in spans.hear((GRID + at) * SAMPLE_RATE, asked)]
    assert told == [(0, -6, 0, 0.5), (6, 0, 6, 0.7), (13, 6, 9, 0.7), (18, 12, 18, 0.7)]


def test_a_sound_with_a_label_of_its_own_is_known_by_it() -> None:
    spans = Spans()
    one, other = span(-6, 0, "Slur")._replace(label="hate"), span(-3, 3, "Racism")._replace(label="hate")
    assert len(spans.hear(GRID * SAMPLE_RATE, [one, one._replace(label="abuse")])) == 2
    assert spans.hear((GRID + 3) * SAMPLE_RATE, [other]) == []


def test_no_span_is_longer_than_its_audio_is_kept() -> None:
    spans = Spans()
    [found] = spans.hear((GRID + 1) * SAMPLE_RATE, [span(-300, 0)])
    assert found.end - found.start == LONGEST_SPAN


@pytest.mark.parametrize(("end", "rests"), [(5.5, []), (9, [(5, 9)])])
def test_the_end_of_the_stream_gives_a_rest_that_is_worth_it(end: float, rests: list[tuple[float, float]]) -> None:
    spans = Spans()
    spans.hear((GRID + 7) * SAMPLE_RATE, [span(3, 5)])
    spans.hear((GRID + 11) * SAMPLE_RATE, [span(4, end)])
    assert [times(each) for each in spans.flush()] == rests


def test_what_is_over_is_forgotten() -> None:
    spans = Spans()
    for number in range(100):
        spans.hear((GRID + number) * SAMPLE_RATE, [span(number - 3, number - 1, str(number))])
    spans.hear((GRID + 1_000) * SAMPLE_RATE, [])
    assert spans.flush() == []
    assert REPORT < LONGEST_SPAN


def test_a_sound_of_the_room_is_reported_as_it_is() -> None:
    spans, of_room = Spans(), span(0, 15)._replace(of_room=True)
    for at in (20, 21, 35):
        assert spans.hear((GRID + at) * SAMPLE_RATE, [of_room]) == [of_room]
    assert spans.flush() == []
