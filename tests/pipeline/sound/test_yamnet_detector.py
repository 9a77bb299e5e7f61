"""The kinds of sound that a network of YAMNet's form hears in a stream."""

import errno
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn, get_args

import numpy as np
import pytest

from pipeline.base import libraries
from pipeline.base.errors import ConfigError
from pipeline.contract.messages import SAMPLE_RATE, YamnetKind
from pipeline.judge.model_outputs import Numbers
from pipeline.settings import ListenSettings
from pipeline.sound.sound_detector import SoundSpan
from pipeline.sound.sound_windows import HOP, WINDOW
from pipeline.sound.yamnet_detector import (
    CLASSES,
    QUIETEST,
    RULES,
    SAMPLES,
    TRACE,
    Glances,
    Yamnet,
    YamnetDetectors,
    yamnet_detectors,
)
from pipeline.speech.audio.resample import Samples
from tests.pipeline.sound.fingerprints.music import talk
from tests.pipeline.sound.yamnet_networks import write

DAY = 1_790_000_003 * SAMPLE_RATE + 77
BEGIN, END = 4, 9


def ear(folder: Path, *classes: int, kinds: Sequence[YamnetKind] = get_args(YamnetKind)) -> YamnetDetectors:
    return YamnetDetectors(Yamnet(write(folder / "yamnet.tflite", classes)), kinds)


def stream() -> Samples:
    """Talk with some seconds of loud noise."""
    sound = 0.2 * talk(14 * SAMPLE_RATE)
    size = (END - BEGIN) * SAMPLE_RATE
    sound[BEGIN * SAMPLE_RATE : END * SAMPLE_RATE] = np.random.default_rng(1).uniform(-0.95, 0.95, size)
    return sound


def spans(of: YamnetDetectors, sound: Samples, size: int = SAMPLE_RATE) -> list[SoundSpan]:
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
    assert {span.heard.kind for span in spans(ear(tmp_path, *classes), stream())} == {*RULES} - {"moan"}


@pytest.mark.parametrize("number", [*RULES["scream"].places, *RULES["crying"].places])
def test_what_is_a_scream_or_crying_is_no_moan(tmp_path: Path, number: int) -> None:
    """YAMNet takes most of both for moans, too. So moans are hidden also if only moans are to be reported."""
    assert spans(ear(tmp_path, *RULES["moan"].places, number, kinds=["moan"]), stream()) == []


def test_only_the_chosen_kinds_are_heard(tmp_path: Path) -> None:
    [number] = RULES["scream"].places
    assert spans(ear(tmp_path, number, kinds=["crying"]), stream()) == []


def test_other_classes_and_talk_are_nothing(tmp_path: Path) -> None:
    speech = 0
    assert spans(ear(tmp_path, speech), stream()) == []
    [number] = RULES["scream"].places
    assert spans(ear(tmp_path, number), talk(20 * SAMPLE_RATE)) == []


def test_without_its_kinds_the_file_is_not_read(tmp_path: Path) -> None:
    missing = tmp_path / "none.tflite"
    assert yamnet_detectors(ListenSettings(sounds=("howl",), yamnet=missing)) is None
    assert yamnet_detectors(ListenSettings(sounds=("howl",))) is None


def test_the_settings_choose_the_kinds(tmp_path: Path) -> None:
    path = write(tmp_path / "yamnet.tflite", [*RULES["moan"].places, *RULES["gunshot"].places])
    made = yamnet_detectors(ListenSettings(sounds=("howl", "moan", "gunshot"), yamnet=path))
    assert made
    made.look()
    assert (made.awake, made.edition) == (True, 0)
    assert {span.heard.kind for span in spans(made, stream())} == {"moan", "gunshot"}


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


class Shrill(Yamnet):
    """Hears a moan in every sound, and a scream in a loud one, too."""

    def __init__(self) -> None: ...

    def scores(self, samples: Samples) -> Numbers:
        found = np.zeros(CLASSES)
        found[RULES["moan"].places], found[SCREAM.places] = 0.9, samples.max() > 0.5
        return found


@pytest.mark.parametrize("kinds", [["moan"], ["scream", "moan"]])
def test_the_end_of_a_scream_is_no_moan(kinds: Sequence[YamnetKind]) -> None:
    """The last window with the scream ends at 2.5 s, so moans begin with the window that ends at 4 s."""
    sound = np.repeat([0.9, 0.9, 0.1, 0.1, 0.1, 0.1], SAMPLE_RATE).astype(np.float32)
    detector = YamnetDetectors(Shrill(), kinds).detector(0, ("r", "s"))
    found = [span for second in np.split(sound, 6) for span in detector.push(second)]
    assert min(span.start for span in found if span.heard.kind == "moan") == 3 * SAMPLE_RATE


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


SCREAMING = 11
LOUD: Samples = np.full(SAMPLES, 0.8, np.float32)
SILENT: Samples = np.zeros(SAMPLES, np.float32)


@pytest.mark.parametrize(
    ("shape", "unsized"),
    [((SAMPLES,), False), ((1, SAMPLES), False), ((SAMPLES,), True)],
    ids=["samples", "a batch of one", "any length"],
)
def test_each_class_has_a_score_whatever_the_form_of_the_input(tmp_path: Path, shape: list[int], unsized: bool) -> None:
    network = Yamnet(write(tmp_path / "yamnet.tflite", [SCREAMING], shape, unsized=unsized))
    loud, silent = network.scores(LOUD), network.scores(SILENT)
    assert loud.shape == (CLASSES,)
    assert np.flatnonzero(loud > 0.5).tolist() == [SCREAMING]
    assert silent.max() < 0.5


def test_scores_do_not_depend_on_the_windows_before(tmp_path: Path) -> None:
    network = Yamnet(write(tmp_path / "yamnet.tflite", [SCREAMING]))
    first = network.scores(SILENT)
    network.scores(LOUD)
    assert np.array_equal(network.scores(SILENT), first)


@pytest.mark.parametrize(("samples", "known"), [(16_000, CLASSES), (SAMPLES, 527)])
def test_another_model_is_refused(tmp_path: Path, samples: int, known: int) -> None:
    path = write(tmp_path / "birds.tflite", shape=(samples,), known=known)
    with pytest.raises(ConfigError, match=r"listen\.yamnet: .*birds\.tflite is not YAMNet"):
        Yamnet(path)


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>" * 9, b"\x1c\x00\x00\x00TFL3" + bytes(64)])
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "yamnet.tflite"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"yamnet\.tflite is damaged, or no model for LiteRT"):
        Yamnet(path)


def test_a_part_of_a_file_is_refused(tmp_path: Path) -> None:
    """A download may break off."""
    path = write(tmp_path / "yamnet.tflite", [SCREAMING])
    whole = path.read_bytes()
    for size in range(0, len(whole), 97):
        path.write_bytes(whole[:size])
        with pytest.raises(ConfigError, match="yamnet"):
            Yamnet(path)


@pytest.mark.parametrize("name", ["yamnet.tflite", "folder", "file/yamnet.tflite"])
def test_a_file_that_is_not_there_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=rf"listen\.yamnet: there is no file .*{name}.*docs/sounds\.md"):
        Yamnet(tmp_path / name)


def test_a_relative_path_is_told_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It counts from the folder in which the worker starts, which may not be that of the settings."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=f"there is no file {re.escape(str(tmp_path))}/models/yamnet"):
        Yamnet(Path("models/yamnet.tflite"))


def test_a_file_that_may_not_be_read_is_not_called_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "yamnet.tflite")

    def refuse(*_: object) -> NoReturn:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "open", refuse)  # root may read every file
    with pytest.raises(ConfigError, match=r"yamnet\.tflite cannot be read: Permission denied\. Let the user"):
        Yamnet(path)


def test_a_missing_library_is_named_with_its_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libraries, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"needs ai_edge_litert, .*`pip install ai-edge-litert`") as caught:
        Yamnet(write(tmp_path / "yamnet.tflite"))
    assert "FULL" not in str(caught.value), "a full install does not have it either"
