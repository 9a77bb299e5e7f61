"""The clips, alarms and intervals of the benchmark of sound events."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.sound import (
    CLIP,
    CLIPS_EVERY,
    Heard,
    Stream,
    alarms,
    best,
    ours,
    per_hour,
    places,
    plain,
    rates,
    show_rivals,
    write,
    written,
)
from pipeline.base.errors import InputError
from pipeline.contract.messages import EventKind
from training.sound.sources import Kind


def heard(name: str, *labels: EventKind, found: tuple[EventKind, ...] = ()) -> Heard:
    return Heard(name, "speech", frozenset(labels), frozenset(found))


def test_a_sound_that_comes_again_soon_is_one_alarm() -> None:
    assert alarms([]) == 0
    assert alarms([(0, 5), (8, 30), (39, 41), (52, 60)]) == 2


def test_alarms_an_hour_have_the_interval_of_their_count() -> None:
    assert per_hour(0, 2) == "0.0 (0.0–1.5)"
    assert per_hour(5, 2) == "2.5 (0.9–5.5)"


def test_clips_of_one_disturbance_are_no_negatives_of_another() -> None:
    clips = [
        heard("a", "howl", found=("howl", "clipping")),
        heard("b", "howl"),
        heard("c", found=("howl",)),
        heard("d"),
        heard("e", "clipping", found=("howl",)),
    ]
    found = rates("howl", clips, ours("howl", clips))
    assert (found.hits, found.missed, found.false, found.clean) == (1, 1, 1, 1)


def test_the_best_limit_divides_the_clips() -> None:
    clips = [heard("a", "music"), heard("b", "music"), heard("c"), heard("d")]
    assert best("music", clips, {"a": 0.9, "b": 0.7, "c": 0.4, "d": 0}) == 0.7


def test_the_folders_of_the_kinds_are_the_sources(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no recordings"):
        places(tmp_path)
    for folder in ("music/game", "speech/people", "speech/empty", "unknown/source"):
        (tmp_path / folder).mkdir(parents=True)
    for folder in ("music/game", "speech/people", "unknown/source"):
        (tmp_path / folder / "1.flac").touch()
    assert places(tmp_path) == [("music", tmp_path / "music/game"), ("speech", tmp_path / "speech/people")]


def test_models_are_compared_on_the_clips_that_were_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    random = np.random.default_rng(3)
    size = (CLIPS_EVERY + 1) * CLIP
    kinds: tuple[Kind, ...] = ("music", "speech")
    for kind in kinds:
        write([*plain(Stream(kind, "source", random.normal(0, 0.01, size).astype(np.float32)))], tmp_path)
    clips = [*written(tmp_path)]
    assert [(clip.name, [*clip.labels]) for clip in clips] == [
        ("music-source-000", ["music"]),
        ("music-source-001", ["music"]),
        ("speech-source-000", []),
        ("speech-source-001", []),
    ]
    scores = {"music-source-000": 0.9, "music-source-001": 0.3, "speech-source-000": 0.2, "speech-source-001": 0.1}
    rows = [f"rival\t{name}\tmusic\t{score}" for name, score in scores.items()]
    (tmp_path / "rivals.tsv").write_text("\n".join(["model\tclip\tlabel\tscore", *rows]) + "\n", "utf-8")
    show_rivals(tmp_path, tmp_path / "rivals.tsv")
    printed = capsys.readouterr().out
    assert "rival from 0.50" in printed
    assert "rival from 0.30" in printed
