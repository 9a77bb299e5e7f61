"""The adapter's lessons: lines of training alone, heard as production hears, and factors that the engines read."""

from pathlib import Path
from shlex import quote
from shutil import copy

import pytest

from benchmarks import adapter as lessons
from benchmarks import heard
from benchmarks.round_trips import Line, furnish
from pipeline.asr import adapter, weights
from pipeline.judge.training.duplicates import Seen
from pipeline.messages import SAMPLE_RATE
from pipeline.settings import Asr

CLIPS = Path(__file__).parents[1] / "data"


@pytest.fixture(scope="module")
def lines() -> list[Line]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lessons, "SETS", ("authored",))  # the others lie outside the repository
        return lessons.lines(Path(), 2000)


def test_no_line_is_nearly_one_to_test_on(lines: list[Line]) -> None:
    held = Seen(sentence.text for sentence in heard.sentences() if sentence.language == "zh")
    assert not [line.text for line in lines if line.text in held]


def test_lines_are_mandarin_and_an_utterance_long(lines: list[Line]) -> None:
    assert len(lines) == len({line.id for line in lines}) == 2000
    assert all(line.language == "zh" and len(line.text) in lessons.LENGTHS for line in lines)


def test_each_line_is_heard_twice_and_every_third_before_the_next_ones(tmp_path: Path) -> None:
    said = [Line("zh", "", text) for text in ("手表充电了没", "这房间真热闹", "明天见")]
    for line, clip in zip(said, ("auth-incorrect", "conf-invalid", "dir-nomatch"), strict=True):
        copy(CLIPS / f"{clip}.flac", heard.recording(tmp_path, line))
    furnish(tmp_path / "around")
    found = [clip for at in range(len(said)) for clip in lessons.clips(said, tmp_path, at)]
    alone = [text for text, _ in found if "，" not in text]
    assert alone == [line.text for line in said for _ in range(2)]
    (joined,) = (clip for clip in found if "，" in clip[0])
    parts = joined[0].split("，")
    assert parts == [line.text for line in said[: len(parts)]]
    own = dict(reversed(found))
    spoken = sum(len(own[part]) for part in parts)
    assert spoken < len(joined[1]) <= spoken + len(parts) * lessons.PAUSES[1] * SAMPLE_RATE
    for fast, pace in ((lessons.paced(own["明天见"], 1.25), 1.25), (lessons.paced(own["明天见"], 0.9), 0.9)):
        assert len(fast) == pytest.approx(len(own["明天见"]) / pace, abs=2)


@pytest.mark.weights
def test_what_is_made_is_an_adapter_for_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = [Line("zh", "clean", "今晚一起打游戏吧"), Line("zh", "clean", "手表充电了没")]
    monkeypatch.setattr(lessons, "lines", lambda data, count: said)
    voices = f"cut -f1 | xargs -n1 cp {quote(str(CLIPS / 'auth-incorrect.flac'))}"
    out = tmp_path / "base.zh.npz"
    options = ["--data", str(tmp_path), "--audio", str(tmp_path / "audio"), "--voices", voices, "--out", str(out)]
    lessons.make(lessons.arguments(options))
    made = adapter.read(out)
    before = weights.find(Asr(download=False)).read("model.bin")
    assert made.language == "zh"
    assert len(made.added_to(before)) == len(before)
    assert made.added_to(before) != before
