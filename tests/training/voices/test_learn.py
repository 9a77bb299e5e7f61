"""A small training tells voices of people from those of machines, and its model is the one that the listener loads."""

from pathlib import Path

import numpy as np
import onnxruntime

from pipeline.speech.audio.decode import samples_of
from pipeline.speech.audio.resample import Samples
from tests.pipeline.speech.audio.sound import clip
from training.sound.sources import Recording
from training.voices.learn import Lessons, learn
from training.voices.mixing import VoiceMixer
from training.voices.network import export
from training.voices.spectrogram import BINS, CONTEXT

MANDARIN = sorted((Path(__file__).parents[2] / "data" / "mandarin").glob("*.flac"))
PEOPLE = ("demo-echotest", "sense-and-sensibility", "queue-periodic-announce", "vm-newuser")


def recorded(kind: str, name: str, samples: Samples) -> Recording:
    return Recording("speech" if kind == "speech" else "synthetic", name, "1", samples)


def material(first: int) -> list[Recording]:
    """Every other recording, from the first on."""
    people = [recorded("speech", name, clip(name)) for name in PEOPLE[first::2]]
    return people + [recorded("synthetic", path.stem, samples_of(path)) for path in MANDARIN[first::2]]


def test_examples_have_the_shape_of_the_model() -> None:
    mixer = VoiceMixer(material(0), np.random.default_rng(1))
    drawn = [mixer.draw() for _ in range(40)]
    assert {each.shape.shape for each in drawn} == {(CONTEXT, BINS)}
    assert {each.synthetic for each in drawn} == {True, False}
    assert all(np.isfinite(each.shape).all() for each in drawn)


def test_the_same_seed_draws_the_same_examples() -> None:
    one, same = (VoiceMixer(material(0), np.random.default_rng(7)).draw() for _ in range(2))
    assert np.array_equal(one.shape, same.shape)


def test_a_training_learns_and_its_model_loads(tmp_path: Path) -> None:
    said: list[str] = []
    lessons = Lessons(rounds=6, examples=256, validating=80, batch=16)
    network = learn(material(0), material(1), lessons, said.append)
    assert min(float(line.split()[-1]) for line in said[2:]) < 0.35, said
    export(network, tmp_path / "model" / "voices.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model" / "voices.onnx", providers=["CPUExecutionProvider"])
    [logits] = session.run(["logit"], {"shape": np.zeros((3, CONTEXT, BINS), np.float32)})
    assert logits.shape == (3,)


def test_a_training_ends_when_its_time_is_over() -> None:
    said: list[str] = []
    learn(material(0), material(1), Lessons(rounds=50, examples=16, validating=8, batch=8, minutes=0), said.append)
    assert said[-1] == "the time is over"
    assert said[-2].startswith("round 1:")
