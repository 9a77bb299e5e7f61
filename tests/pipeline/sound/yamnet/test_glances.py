"""Which windows of a stream YAMNet hears."""

from collections.abc import Iterator

import numpy as np
import pytest

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.judge.calibration import Numbers
from pipeline.sound.events.windows import HOP, WINDOW
from pipeline.sound.yamnet.glances import QUIETEST, TRACE, Glances
from pipeline.sound.yamnet.network import CLASSES, Yamnet
from pipeline.sound.yamnet.rules import RULES
from pipeline.speech.audio.resample import Samples

SCREAM = RULES["scream"]


class Counting(Yamnet):
    """Gives a window of samples of size x the score x for a scream, and remembers it."""

    def __init__(self) -> None:
        self.heard: list[float] = []

    def scores(self, samples: Samples) -> Numbers:
        self.heard.append(round(float(samples.max()), 4))
        found = np.zeros(CLASSES)
        found[SCREAM.places] = samples.max()
        return found


def windows(*sizes: float, first: int = 2) -> Iterator[tuple[int, Samples]]:
    """Windows each half second, from one that ends on a whole second if `first` is even."""
    for number, size in enumerate(sizes, first):
        yield number * HOP, np.full(WINDOW, size, np.float32)


def heard(network: Counting, given: Iterator[tuple[int, Samples]]) -> list[tuple[int, float]]:
    glances = Glances(network, ["scream", "moan"])
    return [(end // HOP, round(scores["scream"], 4)) for end, scores in [*glances.push(given), *glances.flush()]]


def test_talk_is_heard_each_second() -> None:
    network = Counting()
    least = SCREAM.limit * TRACE * 0.9
    assert heard(network, windows(*[least] * 5)) == [(2, 0.0045), (3, 0), (4, 0.0045), (5, 0), (6, 0.0045)]
    assert len(network.heard) == 3


@pytest.mark.parametrize("at", [0, 2])
def test_a_window_beside_one_with_a_trace_is_heard(at: int) -> None:
    sizes = [0.002] * 3
    sizes[at] = SCREAM.limit * TRACE * 1.1
    sizes[1] = 0.5
    found = heard(Counting(), windows(*sizes))
    assert [end for end, _ in found] == [2, 3, 4]
    assert found[1] == (3, 0.5)


def test_the_last_window_is_heard_if_the_one_before_has_a_trace() -> None:
    assert heard(Counting(), windows(0.05, 0.5)) == [(2, 0.05), (3, 0.5)]
    assert heard(Counting(), windows(0.002, 0.5)) == [(2, 0.002), (3, 0)]
    assert heard(Counting(), windows(0.5, first=3)) == [(3, 0)], "there is no window before"


def test_silence_does_not_reach_the_network() -> None:
    network = Counting()
    assert heard(network, windows(*[0.9 * QUIETEST**0.5] * 4)) == [(2, 0), (3, 0), (4, 0), (5, 0)]
    assert not network.heard


def test_it_does_not_matter_how_many_windows_come_at_once() -> None:
    sizes = np.random.default_rng(1).uniform(0, 0.02, 40).tolist()
    glances = Glances(Counting(), ["scream"])
    one_by_one = [found for each in windows(*sizes) for found in glances.push(iter([each]))]
    again = Glances(Counting(), ["scream"])
    assert one_by_one == [*again.push(windows(*sizes))]
    assert {end % SAMPLE_RATE for end, _ in one_by_one} == {0, HOP}
