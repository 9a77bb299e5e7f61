"""Windows lie on a grid since 1970, whatever the sizes of the blocks."""

import numpy as np
import pytest

from pipeline.sound.events.windows import HOP, WINDOW, Windows
from pipeline.speech.audio.resample import Samples

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
