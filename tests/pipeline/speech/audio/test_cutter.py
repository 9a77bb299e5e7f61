"""The cutter sees only probabilities and loudness, so these tests generate both."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.settings import Audio
from pipeline.speech.audio.cutter import MIN_SECONDS, PAD_SECONDS, SOFT_SECONDS, Cut, Cutter
from pipeline.speech.audio.vad import WINDOW

WINDOWS_A_SECOND = SAMPLE_RATE / WINDOW
SETTINGS = Audio()

Drawn = list[tuple[float, float]]
"""Speech probability and loudness of each window."""


def speech(seconds: float, probability: float = 0.95, loudness: float = 0.3) -> Drawn:
    return [(probability, loudness)] * round(seconds * WINDOWS_A_SECOND)


def pause(seconds: float) -> Drawn:
    return speech(seconds, 0.02, 0.001)


def cut(drawn: Drawn, settings: Audio = SETTINGS, block: int | None = None) -> list[Cut]:
    """All samples of a window have its loudness, except the first sample, which has the window's number."""
    cutter = Cutter(settings)
    cuts: list[Cut] = []
    for first in range(0, len(drawn), block or len(drawn) or 1):
        part = drawn[first : first + (block or len(drawn))]
        windows = np.repeat(np.array([loudness for _, loudness in part], np.float32), WINDOW)
        cuts += cutter.push(windows, np.array([probability for probability, _ in part], np.float32))
    return [*cuts, *cutter.flush()]


def spans(cuts: list[Cut]) -> list[tuple[float, float]]:
    return [(each.start / SAMPLE_RATE, (each.start + each.samples.size) / SAMPLE_RATE) for each in cuts]


def near(seconds: float) -> object:
    return pytest.approx(seconds, abs=0.12)


def test_speech_is_cut_with_its_padding() -> None:
    (span,) = spans(cut(pause(2) + speech(1) + pause(2)))
    assert span == (near(1.8), near(3.2))


def test_silence_gives_no_utterance() -> None:
    assert cut(pause(30)) == []
    assert cut([]) == []


def test_a_pause_shorter_than_the_hangover_time_does_not_cut() -> None:
    assert spans(cut(pause(1) + speech(1) + pause(0.5) + speech(1) + pause(1))) == [(near(0.8), near(3.7))]
    assert len(cut(pause(1) + speech(1) + pause(0.8) + speech(1) + pause(1))) == 2


def test_speech_that_becomes_quieter_stays_open() -> None:
    assert len(cut(speech(1) + speech(1, 0.4) + speech(1))) == 1
    assert cut(speech(3, 0.4)) == []


def test_a_click_is_dropped_but_a_short_word_is_not() -> None:
    assert cut(pause(1) + speech(0.2) + pause(1)) == []
    assert len(cut(pause(1) + speech(0.35) + pause(1))) == 1


def test_neighbours_do_not_share_their_padding() -> None:
    one, two = spans(cut(speech(1) + pause(0.3) + speech(1) + pause(1), Audio(hangover_seconds=0.25)))
    assert one[1] <= two[0]


def test_a_monologue_is_cut_in_its_first_pause_after_the_soft_limit() -> None:
    drawn = speech(5) + pause(0.2) + speech(4) + pause(0.2) + speech(3)
    one, two = cut(drawn)
    assert not one.forced
    assert two.overlap == 0
    assert spans([one, two]) == [(0, near(9.3)), (near(9.3), near(12.4))]
    assert spans([one])[0][1] == spans([two])[0][0]


def test_later_a_gap_between_words_is_enough_for_a_cut() -> None:
    """The audio gets quieter, but the detector finds no pause. The cut repeats some audio, to keep words whole."""
    gap = speech(0.16, 0.8, 0.01)
    one, two = cut(speech(8.5) + gap + speech(2.5) + gap + speech(2))
    assert one.forced
    assert spans([one]) == [(0, near(11.3))]
    assert two.overlap == 16 * WINDOW
    assert spans([two])[0][0] == near(11.3 - 0.5)


def test_speech_without_a_quiet_moment_is_cut_at_its_quietest_at_the_hard_limit() -> None:
    one, two, *_ = cut(speech(10) + speech(0.2, 0.9, 0.25) + speech(30))
    assert one.forced
    assert spans([one]) == [(0, near(10.1))]
    assert two.start + two.overlap == one.start + one.samples.size


def test_silence_after_a_cut_gives_no_utterance() -> None:
    one, *rest = cut(speech(14.8) + pause(3))
    assert not one.forced
    assert spans([one]) == [(0, near(14.9))]
    assert rest == []


def test_padding_is_removed_from_the_last_window() -> None:
    cutter = Cutter(SETTINGS)
    windows = np.full(31 * WINDOW, 0.3, np.float32)
    assert list(cutter.push(windows, np.full(31, 0.9, np.float32))) == []
    (last,) = cutter.flush(padding=100)
    assert last.samples.size == 31 * WINDOW - 100


def test_open_since_is_the_start_of_unfinished_speech() -> None:
    cutter = Cutter(SETTINGS)
    list(cutter.push(np.zeros(31 * WINDOW, np.float32), np.zeros(31, np.float32)))
    assert cutter.open_since is None
    list(cutter.push(np.ones(WINDOW, np.float32), np.ones(1, np.float32)))
    assert cutter.open_since == (31 - 7) * WINDOW
    list(cutter.push(np.zeros(31 * WINDOW, np.float32), np.zeros(31, np.float32)))
    assert cutter.open_since is None


drawings = st.lists(
    st.tuples(st.integers(1, 200), st.sampled_from([0.0, 0.3, 0.4, 0.6, 1.0]), st.sampled_from([0.0, 0.01, 0.3])),
    max_size=25,
).map(lambda runs: [(probability, loudness) for count, probability, loudness in runs for _ in range(count)])

audios = st.builds(
    Audio,
    max_seconds=st.floats(3, 30),
    hangover_seconds=st.floats(0.05, 2),
)


@given(drawings, audios, st.integers(1, 100))
def test_cuts_keep_the_limits_for_any_input(drawn: Drawn, settings: Audio, block: int) -> None:
    cuts = cut(drawn, settings)
    assert [(c.start, c.samples.size, c.forced, c.overlap) for c in cuts] == [
        (c.start, c.samples.size, c.forced, c.overlap) for c in cut(drawn, settings, block)
    ]
    heard = np.repeat(np.array([loudness for _, loudness in drawn], np.float32), WINDOW)
    end = 0
    for each in cuts:
        assert each.samples.size <= settings.max_seconds * SAMPLE_RATE
        assert np.array_equal(each.samples, heard[each.start : each.start + each.samples.size])
        assert each.start >= end - each.overlap
        end = each.start + each.samples.size


@given(drawings)
def test_no_speech_is_lost(drawn: Drawn) -> None:
    """Every window above the threshold is in an utterance, except in runs that are shorter than the minimum."""
    kept = np.zeros(len(drawn), bool)
    for each in cut(drawn):
        kept[each.start // WINDOW : (each.start + each.samples.size) // WINDOW] = True
    lost = [probability >= 0.5 and not there for (probability, _), there in zip(drawn, kept, strict=True)]
    longest = max((len(run) for run in "".join("x" if one else " " for one in lost).split()), default=0)
    assert longest < MIN_SECONDS * WINDOWS_A_SECOND + 1


@given(drawings)
def test_the_held_audio_is_bounded(drawn: Drawn) -> None:
    cutter = Cutter(SETTINGS)
    for probability, loudness in drawn:
        list(cutter.push(np.full(WINDOW, loudness, np.float32), np.array([probability], np.float32)))
        held = cutter.held / SAMPLE_RATE
        assert held <= (SETTINGS.max_seconds if cutter.open_since is not None else PAD_SECONDS + 0.04)


def paused(drawn: Drawn, settings: Audio = SETTINGS) -> tuple[list[Cut], list[Cut]]:
    """The cuts, and what the cutter gives in pauses, asked after each window."""
    cutter, cuts, early = Cutter(settings), list[Cut](), list[Cut]()
    for probability, loudness in drawn:
        cuts += cutter.push(np.full(WINDOW, loudness, np.float32), np.array([probability], np.float32))
        early += [each for each in [cutter.paused()] if each]
    return cuts, early


def same(one: Cut, other: Cut) -> bool:
    return one.start == other.start and np.array_equal(one.samples, other.samples)


def test_a_pause_gives_the_speech_once_as_it_will_be_cut() -> None:
    (cut_,), (early,) = paused(pause(1) + speech(2) + pause(2))
    assert same(cut_, early)
    assert (cut_.forced, cut_.overlap) == (early.forced, early.overlap) == (False, 0)


def test_speech_after_a_short_pause_gives_it_again_with_more_audio() -> None:
    (cut_,), (first, second) = paused(pause(1) + speech(1) + pause(0.4) + speech(1) + pause(1))
    assert same(cut_, second)
    assert first.start == second.start
    assert first.samples.size < second.samples.size


def so_far(drawn: Drawn, **audio: float) -> list[float]:
    """Seconds of the speech so far that the cutter gives, with the padding before it, asked after each window."""
    cutter, given = Cutter(Audio.model_validate(audio)), list[float]()
    for probability, loudness in drawn:
        cuts = list(cutter.push(np.full(WINDOW, loudness, np.float32), np.array([probability], np.float32)))
        if piece := cutter.so_far():
            assert not cuts
            assert piece.so_far
            assert piece.samples[-1] == np.float32(loudness)
            given.append(piece.samples.size / SAMPLE_RATE)
    return given


def test_long_speech_is_given_again_and_again_while_it_goes_on() -> None:
    assert so_far(pause(1) + speech(6.5) + pause(2)) == pytest.approx([3.2, 6.2], abs=0.1)
    assert so_far(pause(1) + speech(6.5) + pause(2), early_seconds=5) == pytest.approx([5.2], abs=0.1)
    assert so_far(pause(1) + speech(6.5) + pause(2), early_seconds=0) == []


def test_short_speech_and_a_pause_are_not_given_so_far() -> None:
    assert so_far(pause(1) + speech(2.9) + pause(0.5) + speech(2.5) + pause(1)) == pytest.approx([3.7], abs=0.1)
    assert so_far((speech(2.9) + pause(1)) * 3) == []


@pytest.mark.parametrize(
    ("drawn", "audio"),
    [
        (pause(1) + speech(1) + pause(0.19) + speech(1), {}),
        (pause(1) + speech(0.1) + pause(1), {}),
        (pause(1) + speech(1) + pause(2), {"hangover_seconds": 0.2}),
    ],
    ids=["before the padding is complete", "too short", "the padding needs the whole pause"],
)
def test_nothing_is_given(drawn: Drawn, audio: dict[str, float]) -> None:
    assert paused(drawn, Audio.model_validate(audio))[1] == []


@given(
    st.lists(st.tuples(st.floats(0.1, 4), st.floats(0.05, 1.2)), min_size=1, max_size=8),
)
def test_each_cut_at_a_pause_was_given_before_and_asking_changes_no_cut(talk: list[tuple[float, float]]) -> None:
    drawn = pause(1) + [each for said, silent in talk for each in speech(said) + pause(silent)] + pause(1)
    cuts, early = paused(drawn)
    assert all(any(same(each, given_) for given_ in early) for each in cuts if is_within_limits(each))
    never_asked = cut(drawn)[: len(cuts)]
    assert all(same(*each) for each in zip(cuts, never_asked, strict=True))


def is_within_limits(each: Cut) -> bool:
    """Whether the cut is so short that a pause has ended it, and no limit of the length."""
    return each.samples.size < (SOFT_SECONDS - 0.2) * SAMPLE_RATE
