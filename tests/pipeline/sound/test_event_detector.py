"""The kinds of sound in a stream, with their spans."""

from collections.abc import Sequence

import numpy as np
import pytest

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.sound.event_detector import LIMIT, RULES, Clipping, EventDetectors
from pipeline.sound.sound_detector import SoundSpan
from pipeline.sound.sound_windows import HEARD, HOP, WINDOW
from pipeline.speech.audio.resample import Samples
from tests.pipeline.sound.disturbances import clipped, howl
from tests.pipeline.sound.fingerprints.music import talk, through_opus
from tests.pipeline.speech.audio.sound import clip

DAY = 1_790_000_003 * SAMPLE_RATE + 77
BEGIN, END = 10, 20


def stream() -> Samples:
    """Talk that is clipped for some seconds."""
    sound = 0.2 * talk(30 * SAMPLE_RATE)
    part = slice(BEGIN * SAMPLE_RATE, END * SAMPLE_RATE)
    sound[part] = clipped(np.random.default_rng(1), sound[part])
    return sound


def spans(sound: Samples, kinds: Sequence[str] = tuple(RULES), size: int = SAMPLE_RATE) -> list[SoundSpan]:
    detector = EventDetectors([kind for kind in RULES if kind in kinds]).detector(DAY, ("r", "s"))
    blocks = np.split(sound, range(size, sound.size, size))
    return [span for block in blocks for span in detector.push(block)] + [*detector.flush()]


def test_a_sound_is_named_with_its_span_as_long_as_it_lasts() -> None:
    found = spans(stream(), ["clipping"])
    assert {span.heard.kind for span in found} == {"clipping"}
    assert {span.key for span in found} == {("clipping", "")}
    begin, end = (found[0].start - DAY) / SAMPLE_RATE, (found[-1].end - DAY) / SAMPLE_RATE
    assert (begin, end) == pytest.approx((BEGIN, END), abs=1.0)
    assert all(0.5 <= span.heard.score <= 1 for span in found)
    assert {span.label for span in found} == {""}


@pytest.mark.parametrize("begin", [6, 10, 13])
def test_music_between_talk_is_named_with_its_span(begin: int) -> None:
    """Its windows have five seconds. So each end of the span may be wrong by as much."""
    speech, piece = talk(begin * SAMPLE_RATE), clip("sounds/new-journey")
    found = spans(np.concatenate([speech, piece, piece, speech, speech]), ["music"])
    first, last = (found[0].start - DAY) / SAMPLE_RATE, (found[-1].end - DAY) / SAMPLE_RATE
    assert (first, last) == pytest.approx((begin, begin + 20), abs=5)
    assert all(span.heard.score > 0.5 for span in found)


def test_several_kinds_are_heard_at_once() -> None:
    both = howl(np.random.default_rng(2), 0.1 * talk(12 * SAMPLE_RATE))
    assert {span.heard.kind for span in spans(clipped(np.random.default_rng(2), both))} >= {"howl", "clipping"}


def test_only_the_chosen_kinds_are_heard() -> None:
    assert not EventDetectors([]).awake
    assert not EventDetectors(["dead_air"]).awake, "a matter of the room has no measure"
    ear = EventDetectors(["howl"])
    ear.look()
    assert (ear.awake, ear.edition) == (True, 0)
    assert spans(stream(), ["howl"]) == []


def test_ordinary_talk_has_none_of_them() -> None:
    loud = talk(40 * SAMPLE_RATE)
    assert spans(loud / np.abs(loud).max()) == []


TALK = clip("sense-and-sensibility")


def scores(sound: Samples) -> list[float]:
    return [Clipping().score(sound[at : at + WINDOW]) for at in range(0, sound.size - WINDOW + 1, HOP)]


@pytest.mark.parametrize("seed", range(5))
def test_overdriven_talk_is_clipped(seed: int) -> None:
    found = scores(clipped(np.random.default_rng(seed), TALK))
    assert np.mean(np.array(found) >= HEARD) > 0.7


def test_talk_a_little_over_full_scale_is_clipped_also_after_a_codec() -> None:
    over = (4 * TALK / np.abs(TALK).max()).clip(-1, 1).astype(np.float32)  # 12 dB
    assert np.mean(np.array(scores(through_opus(over))) >= HEARD) > 0.9


def test_talk_at_full_scale_is_not() -> None:
    assert max(scores(TALK / np.abs(TALK).max())) < HEARD


def test_the_score_is_one_half_at_the_limit() -> None:
    window = np.zeros(WINDOW, np.float32)
    window[: round(LIMIT * WINDOW)] = -1
    assert Clipping().score(window) == pytest.approx(0.5)
    assert Clipping().score(np.zeros(WINDOW, np.float32)) == 0
