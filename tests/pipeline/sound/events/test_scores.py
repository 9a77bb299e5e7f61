"""Which sounds last, and how sure a value is."""

import pytest

from pipeline.sound.events.scores import Lasting, Persistence, above
from pipeline.sound.events.windows import HOP, WINDOW


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
