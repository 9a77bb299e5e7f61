"""The kinds of sound that a network of YAMNet's form hears in a stream."""

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from pipeline.contract.messages import SAMPLE_RATE, YamnetKind
from pipeline.settings import ListenSettings
from pipeline.sound.detector import SoundSpan
from pipeline.sound.yamnet.network import Yamnet
from pipeline.sound.yamnet.rules import RULES
from pipeline.sound.yamnet.yamnet_detector import YamnetEar, build
from pipeline.speech.audio.resample import Samples
from tests.pipeline.sound.fingerprints.music import talk
from tests.pipeline.sound.yamnet.networks import write

DAY = 1_790_000_003 * SAMPLE_RATE + 77
BEGIN, END = 4, 9


def ear(folder: Path, *classes: int, kinds: Sequence[YamnetKind] = get_args(YamnetKind)) -> YamnetEar:
    return YamnetEar(Yamnet(write(folder / "yamnet.tflite", classes)), kinds)


def stream() -> Samples:
    """Talk with some seconds of loud noise."""
    sound = 0.2 * talk(14 * SAMPLE_RATE)
    size = (END - BEGIN) * SAMPLE_RATE
    sound[BEGIN * SAMPLE_RATE : END * SAMPLE_RATE] = np.random.default_rng(1).uniform(-0.95, 0.95, size)
    return sound


def spans(of: YamnetEar, sound: Samples, size: int = SAMPLE_RATE) -> list[SoundSpan]:
    detector = of.detector(DAY, ("r", "s"))
    blocks = np.split(sound, range(size, sound.size, size))
    return [span for block in blocks for span in detector.push(block)] + [*detector.flush()]


@pytest.mark.parametrize("kind", get_args(YamnetKind))
def test_each_class_of_a_kind_is_heard_as_this_kind_with_its_span(tmp_path: Path, kind: YamnetKind) -> None:
    for number in RULES[kind].places:
        found = spans(ear(tmp_path, number, kinds=[kind]), stream())
        assert {span.key for span in found} == {(kind, "")}
        begin, end = (found[0].start - DAY) / SAMPLE_RATE, (found[-1].end - DAY) / SAMPLE_RATE
        assert (begin, end) == pytest.approx((BEGIN, END), abs=1.0)
        assert all(0.5 <= span.heard.score <= 1 for span in found)


def test_several_kinds_are_heard_at_once(tmp_path: Path) -> None:
    classes = [number for rule in RULES.values() for number in rule.places]
    assert {span.heard.kind for span in spans(ear(tmp_path, *classes), stream())} == {*RULES}


def test_only_the_chosen_kinds_are_heard(tmp_path: Path) -> None:
    [number] = RULES["scream"].places
    assert spans(ear(tmp_path, number, kinds=["crying"]), stream()) == []


def test_other_classes_and_talk_are_nothing(tmp_path: Path) -> None:
    speech = 0
    assert spans(ear(tmp_path, speech), stream()) == []
    [number] = RULES["scream"].places
    assert spans(ear(tmp_path, number), talk(20 * SAMPLE_RATE)) == []


def test_the_sizes_of_the_blocks_do_not_matter(tmp_path: Path) -> None:
    [number] = RULES["scream"].places
    of = ear(tmp_path, number)
    last = {size: [*spans(of, stream(), size)][-1] for size in (4_000, SAMPLE_RATE, 50_000)}
    assert len({*last.values()}) == 1


def test_without_its_kinds_the_file_is_not_read(tmp_path: Path) -> None:
    missing = tmp_path / "none.tflite"
    assert build(ListenSettings(sounds=("howl",), yamnet=missing)) is None
    assert build(ListenSettings(sounds=("howl",))) is None


def test_the_settings_choose_the_kinds(tmp_path: Path) -> None:
    classes = [number for rule in RULES.values() for number in rule.places]
    path = write(tmp_path / "yamnet.tflite", classes)
    made = build(ListenSettings(sounds=("howl", "moan", "gunshot"), yamnet=path))
    assert made
    made.look()
    assert (made.awake, made.edition) == (True, 0)
    assert {span.heard.kind for span in spans(made, stream())} == {"moan", "gunshot"}
