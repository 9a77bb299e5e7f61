"""The adapter's clips: training lines only, recorded as in production, and factors that both engines read."""

from collections import Counter
from pathlib import Path
from random import Random
from shlex import quote
from shutil import copy

import numpy as np
import pytest

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.judge.classifier_text import view
from pipeline.learning.training_rows import part_of
from pipeline.settings import Asr
from pipeline.speech.asr import whisper_adapter, whisper_weights
from tests.training.classifier import tiny
from training.adapter import __main__ as command
from training.adapter import clips
from training.classifier.sets import authored
from training.speech.recordings import TrainingLine, recording

CLIPS = Path(__file__).parents[2] / "data"


def test_lines_are_mandarin_and_as_long_as_an_utterance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clips, "SETS", ("authored",))  # the other sets are outside the repository
    monkeypatch.setattr(authored, "EXAMPLES", tiny.examples(tmp_path / "few"))
    lines = clips.lines(tmp_path, 100)
    assert len(lines) == len({line.id for line in lines}) == 100
    assert all(line.language == "zh" and len(line.text) in clips.LENGTHS for line in lines)
    rows = {view(row.text): part_of(row) for row in authored.spoken(tmp_path)}
    assert {rows[line.text] for line in lines} == {"train"}


@pytest.fixture
def said(tmp_path: Path) -> list[TrainingLine]:
    found = [TrainingLine("zh", "", text) for text in ("手表充电了没", "这房间真热闹", "明天见")]
    for line, clip in zip(found, ("auth-incorrect", "conf-invalid", "dir-nomatch"), strict=True):
        copy(CLIPS / f"{clip}.flac", recording(tmp_path, line))
    return found


def dice() -> Random:
    return Random(1)  # noqa: S311


def test_a_take_has_a_line_alone_or_with_the_next_ones(said: list[TrainingLine], tmp_path: Path) -> None:
    found = [clips.clip(said, tmp_path, 0, take) for take in range(30)]
    assert all(samples.dtype == np.float32 and np.abs(samples).max() <= 1 for _, samples in found)
    texts = Counter(text for text, _ in found)
    whole = "，".join(line.text for line in said)
    assert set(texts) == {said[0].text, whole, whole.rpartition("，")[0]}
    assert texts[said[0].text] > sum(texts.values()) / 2


def test_takes_sound_different_and_the_same_again(said: list[TrainingLine], tmp_path: Path) -> None:
    some, again = ([*clips.training_clips(said, tmp_path, 80, takes=4)] for _ in range(2))
    assert len({clip.mel.tobytes() for clip in some}) == 4 * len(said)
    assert [clip.mel.tobytes() for clip in again] == [clip.mel.tobytes() for clip in some]


def test_joined_lines_have_pauses_between_them() -> None:
    parts = [np.ones(size, np.float32) for size in (300, 200, 100)]
    found = clips.joined(parts, dice())
    assert found.sum() == 600
    pauses = (len(found) - 600) / SAMPLE_RATE / 2
    assert clips.PAUSES[0] <= pauses <= clips.PAUSES[1]
    assert found[-1] == 1


@pytest.mark.parametrize("pace", [1.25, 0.9])
def test_faster_clips_are_shorter(pace: float) -> None:
    samples = np.ones(16000, np.float32)
    assert len(clips.paced(samples, pace)) == pytest.approx(16000 / pace, abs=2)


def test_reverberation_is_quieter_and_fades() -> None:
    impulse = clips.room(dice())
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
