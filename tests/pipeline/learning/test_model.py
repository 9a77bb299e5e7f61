"""A new classifier keeps the weights of its body, and its outputs have our labels."""

import torch
from transformers import BertConfig, BertModel

from pipeline.judge.classifier_text import MAX_TOKENS
from pipeline.learning.model import new_model, wrapped
from pipeline.learning.rows import OUTPUTS
from tests.training.classifier import tiny


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
