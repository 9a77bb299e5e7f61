"""Which sounds last, and how sure a value is."""

import numpy as np
import pytest

from pipeline.sound.sound_windows import HOP, WINDOW, Lasting, Persistence, Windows, above
from pipeline.speech.audio.resample import Samples


def lasting(scores: list[float], least: int = 3, of: int = 4) -> list[Lasting | None]:
    persistence = Persistence(least, of)
    return [persistence.add(WINDOW + number * HOP, score) for number, score in enumerate(scores)]


def test_a_sound_is_reported_when_enough_windows_hold_it() -> None:
    *before, found = lasting([0.1, 0.6, 0.8, 0.7])
    assert before == [None, None, None]
    assert found == pytest.approx(Lasting(HOP, WINDOW + 3 * HOP, 0.7))


def test_a_gap_does_not_end_it_and_its_start_stays() -> None:
    found = lasting([0.9, 0.9, 0.9, 0.1, 0.9, 0.9, 0.9])
    assert [each and (each.start, each.end) for each in found] == [
        None,
        None,
        (0, WINDOW + 2 * HOP),
        (0, WINDOW + 2 * HOP),
        (0, WINDOW + 4 * HOP),
        (0, WINDOW + 5 * HOP),
        (0, WINDOW + 6 * HOP),
    ]


def test_a_sound_that_ends_and_comes_again_has_a_new_start() -> None:
    found = lasting([0.9] * 3 + [0.0] * 4 + [0.9] * 3)
    assert [each.start for each in found if each] == [0, 0, 7 * HOP]


def test_windows_of_another_size_have_their_own_spans() -> None:
    persistence = Persistence(2, 2, window=100, hop=60)
    found = [persistence.add(100 + 60 * number, score) for number, score in enumerate([0.9, 0.9, 0.9, 0.1])]
    assert [each and (each.start, each.end) for each in found] == [None, (0, 160), (0, 220), None]


def test_single_windows_are_no_sound() -> None:
    assert not any(lasting([0.9, 0, 0, 0.9, 0.9, 0, 0] * 10))


@pytest.mark.parametrize(("value", "score"), [(-1, 0), (0, 0), (0.4, 0), (1, 0.5), (2, 0.75), (100, 0.995)])
def test_the_score_of_a_limit_is_one_half(value: float, score: float) -> None:
    assert above(value, 1) == pytest.approx(score)


DAY = 1_790_000_003 * WINDOW
NOISE = np.random.default_rng(1).normal(size=5 * WINDOW).astype(np.float32)


def cut(start: int, samples: Samples, size: int) -> list[tuple[int, Samples]]:
    windows = Windows(start)
    blocks = np.split(samples, range(size, samples.size, size))
    return [each for block in blocks for each in windows.push(block)]


@pytest.mark.parametrize("start", [DAY, DAY + 1, DAY + 12_345])
def test_windows_end_at_half_seconds_and_hold_the_last_second(start: int) -> None:
    found = cut(start, NOISE, WINDOW)
    first = found[0][0]
    assert [end for end, _ in found] == [first + number * HOP for number in range(len(found))]
    assert 0 < first - start <= HOP
    assert first % HOP == 0
    for end, window in found[2:]:
        assert np.array_equal(window, NOISE[end - WINDOW - start : end - start])


def test_before_the_stream_is_silence() -> None:
    [(end, window), *_] = cut(DAY + 100, NOISE, WINDOW)
    assert not window[: WINDOW - (end - DAY - 100)].any()
    assert window.shape == (WINDOW,)


@pytest.mark.parametrize("size", [1_000, 7_999, 8_000, 100_000])
def test_the_sizes_of_the_blocks_do_not_matter(size: int) -> None:
    one, other = cut(DAY + 5, NOISE, size), cut(DAY + 5, NOISE, 320)
    assert [end for end, _ in one] == [end for end, _ in other]
    assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(one, other, strict=True))


@pytest.mark.parametrize(("size", "left"), [(WINDOW, 0), (WINDOW + 10, 1), (0, 0)])
def test_the_end_of_the_stream_is_filled_up_with_silence(size: int, left: int) -> None:
    windows = Windows(DAY)
    pushed = [*windows.push(NOISE[:size])]
    rest = [*windows.flush()]
    assert len(rest) == left
    assert len(pushed) == size // HOP
    for _, window in rest:
        assert np.array_equal(window[-HOP:][:10], NOISE[WINDOW : WINDOW + 10])
        assert not window[-HOP + 10 :].any()
