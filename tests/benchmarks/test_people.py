"""The comparison on people's recordings counts errors fairly and separates chance from effect."""

from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from benchmarks.people import ClipTexts, PersonClip, as_numbers, by_digit, clips, errors, interval, kept, rate, table

FOUND = [PersonClip(Path("a.flac"), "phone", "我有二十五块"), PersonClip(Path("b.flac"), "phone", "你好吗")]


@pytest.mark.parametrize(
    ("number", "said"),
    [("5", "五"), ("10", "十"), ("25", "二十五"), ("105", "一百零五"), ("110", "一百一十"), ("1010", "一千零一十")],
)
def test_numbers_are_spelt_as_people_say_them(number: str, said: str) -> None:
    assert as_numbers(number) == said


def test_long_numbers_are_spelt_digit_by_digit() -> None:
    assert as_numbers("打13800138000") == by_digit("打13800138000") == "打一三八零零一三八零零零"


def test_the_better_reading_of_a_number_counts() -> None:
    assert errors(["我有二十五块", "房间二五"], ["我有25块", "房间25"], " ".join).tolist() == [[0, 6], [0, 4]]


def test_an_interval_separates_chance_from_effect() -> None:
    random = np.random.default_rng(1)
    before = np.stack([random.integers(0, 5, 300), np.full(300, 10)], axis=1)
    same, worse = before.copy(), before + np.array([1, 0])
    random.shuffle(same)
    low, high = interval(before, same)
    assert low < 0 < high
    low, high = interval(before, worse)
    assert low == pytest.approx(10) == high == rate(worse) - rate(before)


def test_kept_transcripts_are_scored_without_transcribing_again(tmp_path: Path) -> None:
    file = tmp_path / "texts.tsv"
    file.write_text("a.flac\t我有25块\t我有二十五块\nb.flac\t你号吗\t你好吗\n", "utf-8")
    texts = kept(FOUND, file)
    assert texts == ClipTexts(["我有25块", "你号吗"], ["我有二十五块", "你好吗"])
    console = Console(width=112, record=True)
    console.print(table(FOUND, texts))
    cells = [cell.strip() for cell in console.export_text().split("│")]
    assert cells[3:6] == ["11.1", "0.0", "-11.1"]  # 你号吗 has one wrong character out of nine


def test_only_mandarin_clips_of_the_split_are_used(tmp_path: Path) -> None:
    head = "file\tlanguage\tsource\tseconds\treference\tsplit\n"
    rows = "a.flac\tzh\tphone\t1\t你好\tdev\nb.flac\ten\tphone\t1\thello\tdev\nc.flac\tzh\tplaces\t1\t法国\tdev\n"
    (tmp_path / "refs.tsv").write_text(head + rows + "d.flac\tzh\tphone\t1\t再见\ttrain\n", "utf-8")
    assert [clip.reference for clip in clips(tmp_path, ["places"], "dev")] == ["你好"]
    assert len(clips(tmp_path, [], None)) == 3
