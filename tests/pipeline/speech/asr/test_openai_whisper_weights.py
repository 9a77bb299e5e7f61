import json
from pathlib import Path

import numpy as np
import pytest
import torch
from whisper.model import Whisper

from pipeline.base.errors import WeightsCorrupt
from pipeline.settings import Asr
from pipeline.speech.asr import whisper_weights
from pipeline.speech.asr.openai_whisper_weights import model_of
from tests.pipeline.speech.asr.models import ct2_bytes, ct2_variables, little_whisper, save_pt


@pytest.fixture(scope="module")
def model() -> Whisper:
    return little_whisper()


def found_at(path: Path) -> whisper_weights.WhisperWeights:
    return whisper_weights.find_weights(Asr(model=str(path), download=False))


def folder_of(tmp_path: Path, data: bytes) -> Path:
    folder = tmp_path / "fine-tune"
    folder.mkdir()
    (folder / "model.bin").write_bytes(data)
    (folder / "config.json").write_text(json.dumps({"alignment_heads": [[0, 1]]}))
    return folder


def test_a_ctranslate2_folder_gives_the_same_model(tmp_path: Path, model: Whisper) -> None:
    again = model_of(found_at(folder_of(tmp_path, ct2_bytes(ct2_variables(model)))), "cpu")
    assert again.dims == model.dims
    for (name, tensor), (other, same) in zip(again.state_dict().items(), model.state_dict().items(), strict=True):
        assert name == other
        assert torch.equal(tensor, same), name
    assert again.alignment_heads.to_dense().tolist() == [[False, True], [False, False]]


def test_an_openai_checkpoint_gives_the_same_model(tmp_path: Path, model: Whisper) -> None:
    save_pt(model, tmp_path / "ours.pt")
    again = model_of(found_at(tmp_path / "ours.pt"), "cpu")
    assert torch.equal(again.decoder.token_embedding.weight, model.decoder.token_embedding.weight)


def test_quantised_weights_are_refused(tmp_path: Path, model: Whisper) -> None:
    variables = ct2_variables(model)
    variables["decoder/embeddings/weight"] = np.ones((40, 8), np.int8)
    with pytest.raises(WeightsCorrupt, match=r"'fine-tune'.*float16 or float32"):
        model_of(found_at(folder_of(tmp_path, ct2_bytes(variables))), "cpu")


def test_a_model_without_a_layer_is_refused(tmp_path: Path, model: Whisper) -> None:
    variables = {name: array for name, array in ct2_variables(model).items() if "layer_1/ffn" not in name}
    with pytest.raises(WeightsCorrupt, match="'fine-tune'"):
        model_of(found_at(folder_of(tmp_path, ct2_bytes(variables))), "cpu")


@pytest.mark.parametrize("junk", [b"", b"not a checkpoint", b"\x80\x04]\x94."])
def test_an_invalid_pt_file_is_refused(tmp_path: Path, junk: bytes) -> None:
    (tmp_path / "ours.pt").write_bytes(junk)
    with pytest.raises(WeightsCorrupt, match="'ours'"):
        model_of(found_at(tmp_path / "ours.pt"), "cpu")
