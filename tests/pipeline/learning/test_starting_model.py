"""An 8-bit model can be trained further: its weights are restored within the rounding error."""

from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification, BertModel

from pipeline.base.errors import ConfigError
from pipeline.judge.classifier_text import MAX_TOKENS
from pipeline.judge.onnx_classifier import MODEL
from pipeline.learning import starting_model
from pipeline.learning.model_export import export
from pipeline.learning.starting_model import new_model, restored, wrapped
from pipeline.learning.training_rows import OUTPUTS
from tests.training.classifier import tiny


@pytest.mark.full
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


@pytest.mark.full
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
        starting_model.load_encoder(str(tmp_path))


def test_the_body_is_kept_and_the_head_has_our_outputs() -> None:
    config = BertConfig(
        vocab_size=50, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, pad_token_id=1
    )
    body = BertModel(config, add_pooling_layer=False)
    model = new_model(body)
    for name, values in body.state_dict().items():
        torch.testing.assert_close(model.bert.state_dict()[name], values)
    assert [model.config.id2label[at] for at in range(len(OUTPUTS))] == list(OUTPUTS)
    assert model(torch.tensor([[5, 6, 7]])).logits.shape == (1, len(OUTPUTS))
    assert model.config.pad_token_id == 1


def test_a_model_in_training_gives_the_same_twice() -> None:
    """There is no dropout."""
    model, ids = tiny.encoder(["good morning"]).model.train(), torch.tensor([[0, 4, 5, 2]])
    torch.testing.assert_close(model(ids).logits, model(ids).logits, rtol=0, atol=0)


def test_the_tokenizer_marks_beginning_end_and_padding() -> None:
    tokenizer = wrapped(tiny.encoder(["good morning", "good"]).tokenizer)
    assert tokenizer.model_max_length == MAX_TOKENS
    long, short = tokenizer(["good morning", "good"], padding=True)["input_ids"]
    assert (long[0], long[-1]) == (tokenizer.bos_token_id, tokenizer.eos_token_id) == (0, 2)
    assert short[-1] == tokenizer.pad_token_id == 1
