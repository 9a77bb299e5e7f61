"""Missing audio is found, and late audio is not taken for missing."""

from collections.abc import Iterable
from random import Random

import pytest

from pipeline.connect.livekit.microphone import GapMeter

FRAME = 0.1


def missing(arrivals: Iterable[float]) -> float:
    meter = GapMeter()
    return sum(meter.frame(at, FRAME) for at in arrivals)


def on_time(count: int) -> list[float]:
    return [50.0 + FRAME * number for number in range(count)]


def test_frames_in_real_time_have_no_gap() -> None:
    chance = Random(3)  # noqa: S311
    assert missing(at + chance.uniform(0, 0.15) for at in on_time(600)) == 0


def test_dropped_frames_are_counted() -> None:
    arrivals = on_time(200)
    assert missing(arrivals[:50] + arrivals[65:]) == pytest.approx(1.5)
    assert missing(arrivals[:50] + arrivals[60:100] + arrivals[107:]) == pytest.approx(1.7)


def test_frames_that_come_late_together_are_not_missing() -> None:
    arrivals = on_time(200)
    assert missing(max(at, 60.0) if at > 53 else at for at in arrivals) == 0


def test_a_late_first_frame_is_no_gap() -> None:
    """The reader may begin while some frames already wait."""
    assert missing(max(at, 55.0) for at in on_time(200)) == 0


@pytest.mark.parametrize("speed", [0.9999, 1.0001])
def test_a_clock_that_differs_a_little_makes_no_gap(speed: float) -> None:
    assert missing(at * speed for at in on_time(6_000)) == 0


def test_a_pause_of_the_whole_stream_is_a_gap() -> None:
    """A reconnect of the bot: no frames for 4 s, then frames in real time again."""
    assert missing([*on_time(50), *(at + 4 for at in on_time(150)[50:])]) == pytest.approx(4)
