"""The configuration of the classifier in `transformers`."""

from typing import Any

from tokenizers import Tokenizer
from transformers import BertConfig, BertForSequenceClassification, BertModel, PreTrainedTokenizerFast

from pipeline.judge.classifier_text import MAX_TOKENS
from pipeline.learning.rows import OUTPUTS

SPECIAL = {
    "bos_token": "<s>",
    "cls_token": "<s>",
    "eos_token": "</s>",
    "sep_token": "</s>",
    "pad_token": "<pad>",
    "unk_token": "<unk>",
}


HEAD: dict[str, Any] = {
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "attn_implementation": "eager",
    "problem_type": "multi_label_classification",
    "id2label": dict(enumerate(OUTPUTS)),
    "label2id": {output: at for at, output in enumerate(OUTPUTS)},
}
"""One output for each label. There is no dropout, because recognition errors are noise enough. Eager attention trains
fastest on CPUs.
"""


def new_model(body: BertModel) -> BertForSequenceClassification:
    """A classifier from `body` with a new head."""
    model = BertForSequenceClassification(BertConfig(**body.config.to_dict() | HEAD))
    model.bert.load_state_dict(body.state_dict(), strict=False)
    return model


def wrapped(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=MAX_TOKENS, **SPECIAL)
