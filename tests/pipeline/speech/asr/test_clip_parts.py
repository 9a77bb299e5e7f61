"""The parts of a clip: where it changes its language, and how its parts are joined."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.speech.asr.clip_parts import WINDOW, Chances, Change, find_change, joined, quietest
from pipeline.speech.asr.recogniser import Reading, TimedWord
from tests.pipeline.speech.asr.parts import recognition

BOTH = frozenset({"en", "zh"})


@dataclass
class Heard:
    """Hears English until `change` seconds and then Mandarin. Of a window with both, it prefers the longer one."""

    change: float
    sure: float = 0.98
    odd: frozenset[float] = frozenset()
    """Windows that begin here are heard as the other language."""
    calls: list[Sequence[float]] = field(default_factory=list)

    def __call__(self, starts: Sequence[float]) -> list[Chances]:
        self.calls.append(starts)
        return [self._chances(start) for start in starts]

    def _chances(self, start: float) -> Chances:
        share = min(max((self.change - start) / WINDOW, 0), 1)
        before = min(max(share**3 / (share**3 + (1 - share) ** 3), 1 - self.sure), self.sure)
        english = 1 - before if start in self.odd else before
        return {"en": english, "zh": 1 - english, "cy": 0.01}


@pytest.mark.parametrize("change", [2.0, 2.5, 4.0, 6.0])
def test_a_change_is_found_within_a_step(change: float) -> None:
    found = find_change(Heard(change), 8.0, BOTH)
    assert found is not None
    assert (found.before, found.after) == ("en", "zh")
    assert found.seconds == pytest.approx(change, abs=0.5)


@pytest.mark.parametrize("change", [-9.0, 19.0])
def test_a_clip_in_one_language_is_heard_at_its_ends_only(change: float) -> None:
    hear = Heard(change)
    assert find_change(hear, 8.0, BOTH) is None
    assert hear.calls == [[0.0, 6.0]]


def test_a_window_that_is_heard_wrong_at_an_end_is_no_change() -> None:
    assert find_change(Heard(19.0, odd=frozenset({6.0})), 8.0, BOTH) is None


def test_windows_that_lean_to_a_language_are_no_change() -> None:
    assert find_change(Heard(4.0, sure=0.65), 8.0, BOTH) is None


@pytest.mark.parametrize(("seconds", "languages"), [(3.4, BOTH), (8.0, {"en"}), (8.0, {"en", "cy"})])
def test_short_clips_and_other_languages_do_not_change(seconds: float, languages: set[str]) -> None:
    assert find_change(Heard(seconds / 2), seconds, languages) is None


def test_the_shortest_clip_that_can_change() -> None:
    assert find_change(Heard(1.75), 3.5, BOTH) == Change(1.75, "en", "zh")


def test_the_cut_is_in_the_pause_near_the_change() -> None:
    samples = np.ones(5 * SAMPLE_RATE, np.float32)
    samples[int(2.3 * SAMPLE_RATE) : int(2.5 * SAMPLE_RATE)] = 0.01
    samples[int(3.5 * SAMPLE_RATE) : int(4.0 * SAMPLE_RATE)] = 0
    assert 2.3 < quietest(samples, 2.1) / SAMPLE_RATE < 2.5


def test_parts_are_joined_with_their_words_and_readings() -> None:
    first = recognition(
        "hello",
        avg_logprob=-0.2,
        no_speech=0.1,
        words=(TimedWord("hello", 0.1, 0.5, 0.9),),
        alternatives=(Reading("yellow", -0.5), Reading("halo", -0.8)),
    )
    second = recognition(
        "我想杀你",
        language="zh",
        avg_logprob=-0.5,
        compression_ratio=1.4,
        adapter="read",
        words=(TimedWord("我", 0.0, 0.2, 0.8),),
        alternatives=(Reading("我想杀泥", -0.8),),
    )
    found = joined([(1.0, first), (2.0, second)])
    assert (found.text, found.language, found.adapter) == ("hello 我想杀你", "zh", "read")
    assert (round(found.avg_logprob, 3), found.no_speech, found.compression_ratio) == (-0.4, 0.02, 1.4)
    assert [(word.text, word.start) for word in found.words] == [("hello", 0.1), ("我", 1.0)]
    assert [(other.text, round(other.avg_logprob, 3)) for other in found.alternatives] == [
        ("yellow 我想杀泥", -0.7),
        ("halo 我想杀你", -0.6),
    ]
    assert joined([(1.0, first)]) is first


def test_parts_that_were_not_decoded_only_count_if_there_are_no_others() -> None:
    french = recognition("", language="fr", avg_logprob=-math.inf, no_speech=0.0)
    threat = recognition("kill you", avg_logprob=-0.2, no_speech=0.1, words=(TimedWord("kill", 0.1, 0.5, 0.9),))
    found = joined([(2.0, french), (1.0, threat)])
    assert (found.text, found.language, found.avg_logprob, found.no_speech) == ("kill you", "en", -0.2, 0.1)
    assert [(word.start, word.end) for word in found.words] == [(2.1, 2.5)]
    assert joined([(2.0, french), (3.0, replace(french, language="ru"))]).language == "ru"
