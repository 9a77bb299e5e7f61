"""An 8-bit model can be trained further: its weights are restored within the rounding error."""

from pathlib import Path

import pytest
import torch
from transformers import BertForSequenceClassification

from pipeline.base.errors import ConfigError
from pipeline.judge.onnx_classifier import MODEL
from pipeline.learning import encoder
from pipeline.learning.export import export
from pipeline.learning.restore import restored


def test_each_weight_is_restored_within_half_a_step(
    written: tuple[BertForSequenceClassification, Path],
) -> None:
    model, out = written
    found = restored(out).state_dict()
    wanted = model.state_dict()
    assert found.keys() == wanted.keys()
    for name, values in wanted.items():
        largest = values.abs().max().item()
        assert (found[name] - values).abs().max().item() <= 0.51 * largest / 127 + 1e-3 * largest, name


def test_a_restored_model_exports_to_the_same_model(
    written: tuple[BertForSequenceClassification, Path], tmp_path: Path
) -> None:
    _, out = written
    first = restored(out)
    export(first, tmp_path / MODEL)
    (tmp_path / "config.json").write_bytes((out / "config.json").read_bytes())
    again = restored(tmp_path).state_dict()
    assert all(torch.allclose(values, again[name], atol=1e-6) for name, values in first.state_dict().items())


@pytest.mark.parametrize("content", [b"", b"no model", b"\x08\x07"])
def test_another_onnx_file_is_named(
    written: tuple[BertForSequenceClassification, Path], tmp_path: Path, content: bytes
) -> None:
    _, out = written
    for each in out.iterdir():
        (tmp_path / each.name).write_bytes(content if each.name == MODEL else each.read_bytes())
    with pytest.raises(ConfigError, match="No encoder at"):
        encoder.load(str(tmp_path))
