"""The classifier as `transformers` knows it."""

from tokenizers import Tokenizer
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

from pipeline.judge.training.encoder import Encoder
from pipeline.judge.training.rows import OUTPUTS

SPECIAL = {
    "bos_token": "<s>",
    "cls_token": "<s>",
    "eos_token": "</s>",
    "sep_token": "</s>",
    "pad_token": "<pad>",
    "unk_token": "<unk>",
}
MAX_TOKENS = 128


def new_model(encoder: Encoder) -> BertForSequenceClassification:
    """`encoder` with a new head, one output a label. Mishearings are noise enough: there is no dropout."""
    config = BertConfig(
        **encoder.model.config.to_dict()
        | {
            "hidden_dropout_prob": 0.0,
            "attention_probs_dropout_prob": 0.0,
            "problem_type": "multi_label_classification",
            "id2label": dict(enumerate(OUTPUTS)),
            "label2id": {output: at for at, output in enumerate(OUTPUTS)},
        }
    )
    config._attn_implementation = "eager"
    model = BertForSequenceClassification(config)
    model.bert.load_state_dict(encoder.model.state_dict(), strict=False)
    model.train()
    return model


def wrapped(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=MAX_TOKENS, **SPECIAL)
