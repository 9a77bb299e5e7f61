"""The adapter's clips: training lines only, recorded as in production, and factors that both engines read."""

from collections import Counter
from pathlib import Path
from random import Random
from shlex import quote
from shutil import copy

import numpy as np
import pytest

from pipeline.base.errors import ConfigError
from pipeline.contract.messages import SAMPLE_RATE
from pipeline.learning.duplicates import Seen
from pipeline.settings import Asr
from pipeline.speech.asr import whisper_adapter, whisper_weights
from pipeline.speech.asr.recogniser import Samples
from training.adapter import __main__ as command
from training.adapter import lessons
from training.speech import transcribed
from training.speech.round_trips import TrainingLine

CLIPS = Path(__file__).parents[2] / "data"


@pytest.fixture(scope="module")
def lines() -> list[TrainingLine]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lessons, "SETS", ("authored",))  # the other sets are outside the repository
        return lessons.lines(Path(), 2000)


def test_no_line_is_close_to_a_test_line(lines: list[TrainingLine]) -> None:
    held = Seen(sentence.text for sentence in transcribed.sentences() if sentence.language == "zh")
    assert not [line.text for line in lines if line.text in held]


def test_lines_are_mandarin_and_as_long_as_an_utterance(lines: list[TrainingLine]) -> None:
    assert len(lines) == len({line.id for line in lines}) == 2000
    assert all(line.language == "zh" and len(line.text) in lessons.LENGTHS for line in lines)


@pytest.fixture
def said(tmp_path: Path) -> list[TrainingLine]:
    found = [TrainingLine("zh", "", text) for text in ("手表充电了没", "这房间真热闹", "明天见")]
    for line, clip in zip(found, ("auth-incorrect", "conf-invalid", "dir-nomatch"), strict=True):
        copy(CLIPS / f"{clip}.flac", transcribed.recording(tmp_path, line))
    return found


def dice() -> Random:
    return Random(1)  # noqa: S311


def takes(said: list[TrainingLine], audio: Path, count: int) -> list[tuple[str, Samples]]:
    return [lessons.clip(said, audio, 0, take) for take in range(count)]


def test_a_take_has_a_line_alone_or_with_the_next_ones(said: list[TrainingLine], tmp_path: Path) -> None:
    texts = Counter(text for text, _ in takes(said, tmp_path, 60))
    whole = "，".join(line.text for line in said)
    assert set(texts) == {said[0].text, whole, whole.rpartition("，")[0]}
    assert texts[said[0].text] > sum(texts.values()) / 2


def test_takes_differ_and_are_deterministic(said: list[TrainingLine], tmp_path: Path) -> None:
    some, again = (takes(said, tmp_path, 4) for _ in range(2))
    assert len({samples.tobytes() for _, samples in some}) == 4
    for (text, samples), (same, others) in zip(some, again, strict=True):
        assert text == same
        np.testing.assert_array_equal(samples, others)
        assert samples.dtype == np.float32
        assert np.abs(samples).max() <= 1


def test_different_takes_sound_different(said: list[TrainingLine], tmp_path: Path) -> None:
    def heard_in(takes: range) -> list[bytes]:
        return [clip.mel.tobytes() for clip in lessons.lessons(said, tmp_path, 80, takes)]

    some, others = heard_in(range(2)), heard_in(range(2, 4))
    assert len({*some, *others}) == 4 * len(said)
    assert some == heard_in(range(2))


def test_joined_lines_have_pauses_between_them() -> None:
    parts = [np.ones(size, np.float32) for size in (300, 200, 100)]
    found = lessons.joined(parts, dice())
    assert found.sum() == 600
    pauses = (len(found) - 600) / SAMPLE_RATE / 2
    assert lessons.PAUSES[0] <= pauses <= lessons.PAUSES[1]
    assert found[-1] == 1


@pytest.mark.parametrize("pace", [1.25, 0.9])
def test_faster_clips_are_shorter(pace: float) -> None:
    samples = np.ones(16000, np.float32)
    assert len(lessons.paced(samples, pace)) == pytest.approx(16000 / pace, abs=2)


def test_reverberation_is_quieter_and_fades() -> None:
    impulse = lessons.room(dice())
    assert np.abs(impulse).argmax() == 0
    third = len(impulse) // 3
    powers = [float(np.square(impulse[at:][:third]).mean()) for at in (1, third, 2 * third)]
    assert powers == sorted(powers, reverse=True)
    assert 0 < powers[0] < 0.01


@pytest.mark.weights
def test_the_command_writes_an_adapter_for_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = [TrainingLine("zh", "clean", "今晚一起打游戏吧"), TrainingLine("zh", "clean", "手表充电了没")]
    monkeypatch.setattr(command, "lines", lambda data, count: said)
    voices = f"cut -f1 | xargs -n1 cp {quote(str(CLIPS / 'auth-incorrect.flac'))}"
    out = tmp_path / "base.zh.npz"
    options = ["--data", str(tmp_path), "--audio", str(tmp_path / "audio"), "--voices", voices, "--out", str(out)]
    command.make(command.arguments(options))
    made = whisper_adapter.read_adapter(out, "zh")
    before = whisper_weights.find_weights(Asr(download=False)).read("model.bin")
    assert len(made.added_to(before)) == len(before)
    assert made.added_to(before) != before


@pytest.mark.parametrize("content", [None, b"", b"no adapter"])
def test_a_file_that_is_no_adapter_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "base.zh.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"The adapter .*base.zh.npz cannot be read"):
        lessons.begun(path)
