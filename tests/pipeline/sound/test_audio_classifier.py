"""A `transformers` audio classifier is run as it was saved, and what cannot hear our audio is refused."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    ASTConfig,
    ASTFeatureExtractor,
    ASTForAudioClassification,
    AutoConfig,
    AutoModelForAudioClassification,
    Wav2Vec2Config,
    Wav2Vec2Model,
)

from pipeline.base.errors import ConfigError, DependencyError
from pipeline.judge.classifier import COMMIT
from pipeline.settings import ListenSettings
from pipeline.sound import audio_classifier
from pipeline.sound.audio_classifier import AudioClassifier
from pipeline.speech.audio.resample import Samples
from tests.pipeline.sound.tiny_model import chatter, siren

WINDOWS: list[Samples] = [
    siren(6),
    chatter(6),
    np.concatenate([siren(3), chatter(3)]),
    np.random.default_rng(0).normal(0, 0.01, 6 * 16_000).astype(np.float32),
]


def load(folder: Path | str, **changes: Any) -> AudioClassifier:
    return audio_classifier.load_audio_classifier(ListenSettings(ear=str(folder), **changes))


@pytest.fixture
def own_ear(tiny_ear: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model that a test may change."""
    return Path(shutil.copytree(tiny_ear, tmp_path / "own"))


def change(path: Path, **values: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_it_tells_a_siren_from_talk(tiny_ear: Path) -> None:
    loaded = load(tiny_ear)
    assert loaded.labels == ("Siren", "Talk")
    assert not loaded.exclusive
    found = loaded.probabilities(WINDOWS[:2])
    assert found[0] == pytest.approx([1, 0], abs=0.01)
    assert found[1] == pytest.approx([0, 1], abs=0.01)


def test_a_windows_scores_do_not_depend_on_the_others(tiny_ear: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load(tiny_ear)
    together = loaded.probabilities(WINDOWS)
    alone = np.concatenate([loaded.probabilities([window]) for window in WINDOWS])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(loaded.probabilities(WINDOWS[::-1])[::-1], alone, atol=1e-5)
    monkeypatch.setattr(audio_classifier, "BATCH", 3)
    np.testing.assert_allclose(loaded.probabilities(WINDOWS), alone, atol=1e-5)
    assert loaded.probabilities([]).shape == (0, 2)


@pytest.mark.parametrize(("problem", "exclusive"), [("single_label_classification", True), (None, True)])
def test_labels_that_exclude_each_other_add_up_to_one(own_ear: Path, problem: str | None, exclusive: bool) -> None:
    change(own_ear / "config.json", problem_type=problem)
    loaded = load(own_ear)
    assert loaded.exclusive is exclusive
    np.testing.assert_allclose(loaded.probabilities(WINDOWS).sum(axis=1), 1)


def test_a_spectrogram_transformer_is_heard_too(tmp_path: Path) -> None:
    config = ASTConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_length=128,
        num_mel_bins=32,
        num_labels=3,
    )
    ASTForAudioClassification(config).save_pretrained(tmp_path)
    ASTFeatureExtractor(num_mel_bins=32, max_length=128).save_pretrained(tmp_path)
    loaded = load(tmp_path)
    assert loaded.probabilities(WINDOWS).shape == (4, 3)
    assert loaded.exclusive


def test_a_model_without_a_feature_extractor_takes_the_samples(own_ear: Path) -> None:
    (own_ear / "preprocessor_config.json").unlink()
    loaded = load(own_ear)
    model = AutoModelForAudioClassification.from_pretrained(own_ear).eval()
    with torch.inference_mode():
        expected = torch.sigmoid(model(torch.from_numpy(WINDOWS[2])[None]).logits).numpy()
    np.testing.assert_allclose(loaded.probabilities([WINDOWS[2]]), expected, atol=1e-5)


def test_a_spectrogram_transformer_without_its_feature_extractor_is_refused(tmp_path: Path) -> None:
    config = ASTConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, num_labels=3)
    ASTForAudioClassification(config).save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match=r"cannot hear 6 s of audio.*preprocessor_config\.json"):
        load(tmp_path)


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"listen.ear: {tmp_path} cannot be loaded.*audio classifier"):
        load(tmp_path)
    with pytest.raises(ConfigError, match=r"listen\.ear: /nowhere/at/all cannot be loaded"):
        load("/nowhere/at/all")


def test_a_text_model_is_refused(own_ear: Path) -> None:
    change(own_ear / "config.json", model_type="bert")
    with pytest.raises(ConfigError, match=r"listen\.ear: .*cannot be loaded"):
        load(own_ear)


def test_a_model_with_its_own_code_is_refused(own_ear: Path) -> None:
    change(own_ear / "config.json", model_type="voice", auto_map={"AutoConfig": "code.py--Config"})
    (own_ear / "code.py").write_text("raise SystemExit('this code must not run')")
    with pytest.raises(ConfigError, match=r"listen\.ear: .*cannot be loaded"):
        load(own_ear)


def test_nobody_is_asked_whether_the_models_own_code_may_run(own_ear: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`transformers` asks on the terminal. Somebody who answers yes would run the code."""
    ran = own_ear / "ran"
    (own_ear / "code.py").write_text(f"from pathlib import Path\nPath({str(ran)!r}).touch()\nclass Config: ...\n")
    change(own_ear / "config.json", model_type="voice", auto_map={"AutoConfig": "code.Config"})
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    with pytest.raises(ConfigError, match=r"listen\.ear: .*cannot be loaded"):
        load(own_ear)
    assert not ran.exists()


def test_code_that_the_configuration_names_on_the_hub_is_not_fetched(own_ear: Path) -> None:
    kernel = "kernels-community/flash-attn2"
    change(own_ear / "config.json", attn_implementation=kernel, _attn_implementation=kernel)
    assert load(own_ear)._model.config._attn_implementation == "sdpa"


class Harmful:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("this-code-must-not-run",)


def pickled(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save({"weights": Harmful()}, folder / "pytorch_model.bin")


def halved(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])


@pytest.mark.parametrize(
    "harm",
    [
        pickled,
        halved,
        lambda folder: (folder / "model.safetensors").write_bytes(b"\xff" * 100),
        lambda folder: (folder / "config.json").write_text("[1]"),
        lambda folder: (folder / "config.json").write_text("[" * 100_000),
        lambda folder: change(folder / "config.json", num_attention_heads=0),
        lambda folder: change(folder / "config.json", hidden_size="16"),
        lambda folder: change(folder / "config.json", id2label={"0": "Siren", "7": "Talk"}),
        lambda folder: change(folder / "config.json", id2label={"0": "Siren\x1b[2J", "1": "Talk"}),
        lambda folder: change(folder / "config.json", id2label={"0": "Siren", "1": "\ud800"}),
        lambda folder: change(folder / "config.json", quantization_config={"load_in_8bit": True}),
        lambda folder: (folder / "preprocessor_config.json").write_text("[1]"),
        lambda folder: change(folder / "preprocessor_config.json", sampling_rate="16000"),
    ],
)
def test_a_hostile_or_broken_folder_is_one_line(
    own_ear: Path, harm: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    harm(own_ear)
    with pytest.raises(ConfigError, match=r"^listen\.ear: ") as raised:
        load(own_ear)
    assert str(raised.value).isprintable()
    assert not (tmp_path / "this-code-must-not-run").exists()


def test_weights_that_are_not_used_are_not_read(own_ear: Path) -> None:
    name = load(own_ear).name
    with (own_ear / "pytorch_model.bin").open("wb") as file:
        file.truncate(2**42)  # 4 TiB without a byte on the disk
    assert load(own_ear).name == name


def test_an_encoder_without_a_trained_head_is_refused(tmp_path: Path) -> None:
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    convolutions = {"conv_dim": [16], "conv_kernel": [16], "conv_stride": [320]}
    shape = sizes | convolutions | {"num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 2}
    Wav2Vec2Model(Wav2Vec2Config(**shape)).save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match=r"listen\.ear: .*weights of its head are missing"):
        load(tmp_path)


def test_another_sampling_rate_is_refused(own_ear: Path) -> None:
    change(own_ear / "preprocessor_config.json", sampling_rate=8_000)
    with pytest.raises(ConfigError, match=r"hears 8000 samples a second, not 16000\. Name a model for 16 kHz"):
        load(own_ear)


def test_broken_weights_are_refused(own_ear: Path) -> None:
    model = AutoModelForAudioClassification.from_pretrained(own_ear)
    with torch.no_grad():
        model.classifier.bias.fill_(float("nan"))
    model.save_pretrained(own_ear)
    with pytest.raises(ConfigError, match="scores that are no numbers"):
        load(own_ear)


def test_the_name_changes_with_the_weights_and_the_feature_extractor(own_ear: Path) -> None:
    names = [load(own_ear).name]
    change(own_ear / "preprocessor_config.json", do_normalize=False)
    names.append(load(own_ear).name)
    model = AutoModelForAudioClassification.from_pretrained(own_ear)
    with torch.no_grad():
        model.classifier.bias.add_(1)
    model.save_pretrained(own_ear)
    names.append(load(own_ear).name)
    assert len(set(names)) == 3
    assert all(name.startswith("own@") for name in names)


def test_a_hub_model_needs_a_commit_and_is_asked_for_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"listen\.ear: .*Write owner/name@COMMIT"):
        load("owner/name")
    asked: list[Any] = []

    def fetch(place: str, **options: Any) -> None:
        asked.append((place, options["revision"]))
        raise OSError("out of reach")

    monkeypatch.setattr(AutoConfig, "from_pretrained", fetch)
    commit = "0123456789abcdef" * 2 + "01234567"
    assert COMMIT.fullmatch(commit)
    with pytest.raises(DependencyError, match=r"listen\.ear: .*out of reach"):
        load(f"owner/name@{commit}")
    assert asked == [("owner/name", commit)]
