"""The figures of YAMNet's sounds."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.yamnet import alarms, auc, in_room, rare_limit, recall, reports, windowed
from pipeline.contract.messages import SAMPLE_RATE
from pipeline.sound.sound_windows import HOP, Persistence, above
from pipeline.sound.yamnet_detector import RULES, YamnetRule
from tests.pipeline.sound.yamnet_networks import write

ONE = YamnetRule(("Screaming",), 0.5, 1, 1)


def scores(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


@pytest.mark.parametrize("rule", [ONE, YamnetRule((), 0.3, 2, 3), YamnetRule((), 0.7, 3, 3)])
def test_it_reports_where_the_detector_does(rule: YamnetRule) -> None:
    found = np.random.default_rng(1).uniform(size=500).astype(np.float32)
    persistence = Persistence(rule.least, rule.of)
    lasting = [at for at, each in enumerate(found) if persistence.add(at * HOP, above(float(each), rule.limit))]
    assert reports(found, rule, rule.limit).tolist() == lasting


def test_a_sound_that_comes_again_soon_is_the_same_alarm() -> None:
    windows_a_second = SAMPLE_RATE // HOP
    stream = np.zeros(100 * windows_a_second, np.float32)
    for second in (20, 29, 60):
        stream[second * windows_a_second] = 0.9
    assert alarms(stream, ONE, 0.5) == 2
    assert alarms(stream, ONE, 0.95) == 0


def test_recordings_that_are_heard_are_a_share_of_all() -> None:
    found = recall([scores(0.1, 0.6), scores(0.1, 0.2), scores(0.9)], ONE, 0.5)
    assert (found.hits, found.n) == (2, 3)


def test_the_auc_is_the_share_of_pairs_in_the_right_order() -> None:
    ordinary = [np.repeat(scores(0.2, 0.4), 20), np.repeat(scores(0.6), 20)]
    assert auc([scores(0.1, 0.5)], ordinary) == pytest.approx(2 / 3)
    assert auc([scores(0.9), scores(0.6)], ordinary) == pytest.approx((1 + 2.5 / 3) / 2)


def test_the_rare_limit_leaves_one_alarm_in_ten_hours() -> None:
    stream = np.zeros(10_000, np.float32)
    stream[[100, 2_000]] = 0.42, 0.31
    assert rare_limit([stream], 5, ONE) == pytest.approx(0.425, abs=0.005)
    assert rare_limit([stream], 10, ONE) == pytest.approx(0.315, abs=0.005)


@pytest.mark.parametrize(("number", "window"), [(0, 5), (2, 6), (4, 5)])
def test_recordings_begin_at_different_moments_and_are_scored_window_by_window(
    tmp_path: Path, number: int, window: int
) -> None:
    network = write(tmp_path / "yamnet.tflite", RULES["scream"].places)
    loud = in_room(np.random.default_rng(1).uniform(-0.9, 0.9, 2 * SAMPLE_RATE).astype(np.float32), number, 0.001)
    found = windowed(network, loud)
    assert {kind for kind, each in found.items() if each.max() > 0.5} == {"scream"}
    assert found["scream"].argmax() == window
    assert np.std(loud[: 2 * SAMPLE_RATE]) == pytest.approx(0.001, rel=0.05)
