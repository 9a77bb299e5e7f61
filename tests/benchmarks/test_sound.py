"""The clips, alarms and intervals of the benchmark of sound events."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.sound import Heard, alarms, heard_in, in_room, per_hour, places, rates
from pipeline.base.errors import InputError
from pipeline.contract.messages import SAMPLE_RATE, EventKind
from pipeline.sound.yamnet_detector import RULES
from tests.pipeline.sound.yamnet_networks import write


def heard(*labels: EventKind, found: tuple[EventKind, ...] = ()) -> Heard:
    return Heard(frozenset(labels), frozenset(found))


def test_a_sound_that_comes_again_soon_is_one_alarm() -> None:
    assert alarms([]) == 0
    assert alarms([(0, 5), (8, 30), (39, 41), (52, 60)]) == 2


def test_alarms_an_hour_have_the_interval_of_their_count() -> None:
    assert per_hour(0, 2) == "0.0 (0.0–1.5)"
    assert per_hour(5, 2) == "2.5 (0.9–5.5)"


def test_clips_of_one_disturbance_are_no_negatives_of_another() -> None:
    clips = [
        heard("howl", found=("howl", "clipping")),
        heard("howl"),
        heard(found=("howl",)),
        heard(),
        heard("clipping", found=("howl",)),
    ]
    assert rates("howl", clips) == (1, 1, 1, 1)


def test_the_folders_of_the_kinds_are_the_sources(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no recordings"):
        places(tmp_path)
    for folder in ("music/game", "speech/people", "speech/empty", "unknown/source"):
        (tmp_path / folder).mkdir(parents=True)
    for folder in ("music/game", "speech/people", "unknown/source"):
        (tmp_path / folder / "1.flac").touch()
    assert places(tmp_path) == [("music", tmp_path / "music/game"), ("speech", tmp_path / "speech/people")]


@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_a_recording_is_heard_at_each_moment_of_a_second(tmp_path: Path, number: int) -> None:
    write(network := tmp_path / "yamnet.tflite", RULES["scream"].places)
    loud = np.random.default_rng(1).uniform(-0.9, 0.9, 2 * SAMPLE_RATE).astype(np.float32)
    room = in_room(loud, number)
    assert "scream" in heard_in(room, network)
    assert np.std(room[: 2 * SAMPLE_RATE]) == pytest.approx(0.001, rel=0.05)
