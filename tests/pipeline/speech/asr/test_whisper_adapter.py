import json
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import jiwer
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pipeline.settings import Asr
from pipeline.speech.asr import ctranslate2_weights, whisper_adapter, whisper_weights
from pipeline.speech.asr.ctranslate2_engine import network_of
from pipeline.speech.asr.openai_whisper_engine import OpenAIWhisper
from pipeline.speech.asr.openai_whisper_weights import adapted, model_of
from pipeline.speech.asr.recogniser import ENGINES, Clip, Recogniser, Recognition, load_recogniser
from pipeline.speech.asr.whisper_adapter import PLACES, Adapter
from pipeline.speech.asr.whisper_input import as_trained, log_mel
from pipeline.speech.asr.whisper_recogniser import WhisperNetwork
from tests.pipeline.speech.asr.models import ct2_bytes, ct2_variables, little_whisper
from tests.pipeline.speech.asr.parts import DATA, speech
from training.speech.words import normalisers

WIDTH = {"ffn/linear_1": 32}
"""Input widths in the small Whisper model that are not 8, by place."""
HEIGHT = {"self_attention/linear_0": 24, "ffn/linear_0": 32}
"""Output widths in the small Whisper model that are not 8, by place."""
ALL = [(side, where) for side, wheres in PLACES.items() for where in wheres]
SPOKEN = DATA / "mandarin"
"""Ten harmless lines of benchmarks/heard_validation, spoken by a synthesiser."""


def little_adapter() -> Adapter:
    random = np.random.default_rng(1)
    factors: dict[str, NDArray[np.float16]] = {}
    for layer in range(2):
        for side, where in ALL:
            place = f"{side}/layer_{layer}/{where}"
            factors[f"{place}/a"] = random.normal(size=(3, WIDTH.get(where, 8))).astype(np.float16)
            factors[f"{place}/b"] = random.normal(size=(HEIGHT.get(where, 8), 3)).astype(np.float16)
    return Adapter("zh", "0" * 64, factors)


def test_only_the_named_weights_change() -> None:
    before = ct2_variables(little_whisper())
    ours = little_adapter()
    after = ctranslate2_weights.read_model_bin(ours.added_to(ct2_bytes(before)))
    additions = {f"{place}/weight": addition for place, addition in ours.additions()}
    assert len(additions) == 2 * len(ALL)
    for name, weight in before.items():
        expected = (weight.astype(np.float32) + additions[name]).astype(np.float16) if name in additions else weight
        np.testing.assert_array_equal(after[name], expected, err_msg=name)


def test_both_engines_apply_the_same_additions(tmp_path: Path) -> None:
    model, ours = little_whisper(), little_adapter()
    (tmp_path / "model.bin").write_bytes(ours.added_to(ct2_bytes(ct2_variables(model))))
    (tmp_path / "config.json").write_text(json.dumps({}))
    there = model_of(whisper_weights.find_weights(Asr(model=f"{tmp_path}/", download=False)), "cpu").state_dict()
    for name, tensor in adapted(model, ours).state_dict().items():
        torch.testing.assert_close(tensor, there[name], rtol=0, atol=4e-3, msg=name)  # one engine adds in float16


def test_unchanged_weights_are_shared_and_the_model_is_not_changed() -> None:
    model = little_whisper()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    other = adapted(model, little_adapter())
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    own = {name for name, tensor in other.named_parameters() if tensor is not dict(model.named_parameters())[name]}
    assert own == {
        f"{side}.blocks.{layer}.{name}.weight"
        for layer in range(2)
        for side, where in ALL
        for name in PLACES[side][where]
    }


def test_long_clips_and_other_languages_use_the_plain_model() -> None:
    adapted = {"zh": "adapted"}
    assert whisper_adapter.fitting("plain", adapted, "zh", 12.0) == "adapted"
    assert whisper_adapter.fitting("plain", adapted, "zh", 17.0) == "plain"
    assert whisper_adapter.fitting("plain", adapted, "en", 3.0) == "plain"


@pytest.mark.weights
def test_base_has_a_mandarin_adapter_and_a_fine_tuned_model_has_none(tmp_path: Path) -> None:
    found = whisper_weights.find_weights(Asr(download=False))
    (ours,) = whisper_adapter.shipped_adapters(Asr(), found)
    assert ours.language == "zh"
    assert (
        whisper_adapter.recogniser_name("ctranslate2", found, (ours,))
        == f"ctranslate2/base@905e5bf8+zh@{ours.sha256[:8]}"
    )
    assert whisper_adapter.shipped_adapters(Asr(adapters=False), found) == ()
    assert whisper_adapter.shipped_adapters(Asr(model=str(tmp_path / "base")), found) == ()


@cache
def network(engine: str) -> WhisperNetwork:
    found = whisper_weights.find_weights(Asr(download=False))
    adapters = whisper_adapter.shipped_adapters(Asr(), found)
    if engine == "ctranslate2":
        return network_of(Asr(), found, adapters)
    model = model_of(found, "cpu")
    return OpenAIWhisper(model, 1, {each.language: adapted(model, each) for each in adapters})


@pytest.mark.full
@pytest.mark.weights
@pytest.mark.parametrize("engine", ENGINES)
def test_only_short_mandarin_is_encoded_with_the_adapter(engine: str) -> None:
    ours, mel = network(engine), log_mel(speech("vm-newuser"), 80)

    def encoded(seconds: float, language: str = "") -> NDArray[np.float32]:
        return np.asarray(ours.encode([as_trained(mel, seconds)], language)[0])

    assert not np.allclose(encoded(12.0, "zh"), encoded(12.0), atol=0.1)
    np.testing.assert_array_equal(encoded(12.0, "en"), encoded(12.0))
    np.testing.assert_array_equal(encoded(17.0, "zh"), encoded(17.0))
    assert [ours.adapts(*clip) for clip in (("zh", 12.0), ("en", 12.0), ("zh", 17.0))] == [True, False, False]


@pytest.mark.full
@pytest.mark.weights
@pytest.mark.filterwarnings("ignore:unclosed file .*english.json:ResourceWarning")  # openai-whisper does not close it
def test_the_adapter_adds_better_readings_and_changes_no_text(base: Recogniser) -> None:
    said = dict(line.split("\t") for line in (SPOKEN / "said.tsv").read_text("utf-8").splitlines()[::2])
    mandarin = [Clip(speech(f"mandarin/{name}"), "zh") for name in said]
    english = [Clip(speech(name), "en") for name in ("conf-invalidpin", "tt-weasels")]
    engine = base.name.split("/")[0]
    plain = load_recogniser(
        Asr.model_validate({"engine": engine, "adapters": False, "download": False, "device": "cpu"})
    )
    ours, whispers = (heard.transcribe([*mandarin, *english]) for heard in (base, plain))
    assert [found.text for found in ours] == [found.text for found in whispers]
    assert _least_wrong(said.values(), ours) < _least_wrong(said.values(), whispers)
    assert [found.alternatives for found in ours[len(said) :]] == [
        found.alternatives for found in whispers[len(said) :]
    ]


def _least_wrong(said: Iterable[str], heard: Sequence[Recognition]) -> float:
    """The error rate of the best reading of each clip."""
    characters = normalisers()["zh"]
    return sum(
        min(jiwer.wer(characters(text), characters(other)) for other in (found.text, *_others(found)))
        for text, found in zip(said, heard, strict=False)
    )


def _others(found: Recognition) -> list[str]:
    return [other.text for other in found.alternatives]
