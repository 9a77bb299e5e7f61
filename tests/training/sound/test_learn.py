"""A small training tells songs from talk, and its model is the one that the listener loads."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from benchmarks.songs import song
from pipeline.messages import SAMPLE_RATE
from pipeline.sound.events.mel import BANDS
from pipeline.sound.events.music import CONTEXT
from tests.pipeline.sound.fingerprints.music import talk
from training.sound.learn import Recipe, learn
from training.sound.mixing import SIZE, Mixer
from training.sound.network import export
from training.sound.sources import Recording
from training.speech.sounds import SOUNDS

SECONDS = 20


def material() -> list[Recording]:
    """Songs, talk and noise, with sources on both sides."""
    random = np.random.default_rng(1)
    size = SECONDS * SAMPLE_RATE
    found = []
    for number in range(12):
        found += [
            Recording("music", f"band {number}", "1", song(np.random.default_rng(number), size)),
            Recording("speech", f"voice {number}", "1", np.roll(talk(size), number * SAMPLE_RATE)),
            Recording("other", f"noise {number}", "1", SOUNDS["pink"](random, size)),
        ]
    return found


def test_examples_have_the_shape_of_the_model() -> None:
    mixer = Mixer(material(), np.random.default_rng(1))
    drawn = [mixer.draw() for _ in range(60)]
    assert {each.levels.shape for each in drawn} == {(CONTEXT, BANDS)}
    assert {each.music for each in drawn} == {True, False}
    assert all(np.isfinite(each.levels).all() for each in drawn)
    assert pytest.approx(3.0, abs=0.05) == SIZE / SAMPLE_RATE


def test_the_same_seed_draws_the_same_examples() -> None:
    one, same = (Mixer(material(), np.random.default_rng(7)).draw() for _ in range(2))
    assert np.array_equal(one.levels, same.levels)


def test_a_training_learns_and_its_model_loads(tmp_path: Path) -> None:
    said: list[str] = []
    recipe = Recipe(rounds=8, examples=320, validating=80, batch=32)
    network = learn(material(), recipe, said.append)
    assert float(said[-1].split()[-1]) > 0.7, said
    export(network, tmp_path / "model" / "music.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model" / "music.onnx", providers=["CPUExecutionProvider"])
    [scores] = session.run(["score"], {"levels": np.zeros((3, CONTEXT, BANDS), np.float32)})
    assert scores.shape == (3,)
    assert np.all((scores >= 0) & (scores <= 1))


def test_a_training_ends_when_its_time_is_over() -> None:
    said: list[str] = []
    learn(material(), Recipe(rounds=50, examples=32, validating=8, batch=32, minutes=0), said.append)
    assert said[-1] == "the time is over"
    assert said[-2].startswith("round 1:")
