"""Writes a trained model as two folders: `transformers/` to fine-tune further, and `onnx/` for the judge."""

import shutil
from pathlib import Path

import msgspec
from transformers import BertForSequenceClassification, PreTrainedTokenizerFast

from pipeline.base.stopping import whole
from pipeline.judge.onnx_classifier import MODEL
from pipeline.learning.export import export

SHARED = ("config.json", "tokenizer.json", "tokenizer_config.json")
CALIBRATION = "calibration.json"
THRESHOLDS = "thresholds.json"


def save(folder: Path, model: BertForSequenceClassification, tokenizer: PreTrainedTokenizerFast) -> None:
    """Write weights (float16), configuration and tokenizer in the format of `transformers`."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    tokenizer.backend_tokenizer.no_truncation()  # Training texts are truncated, but the judge reads longer ones.
    with whole(folder) as new:
        model.save_pretrained(new, state_dict={name: values.half() for name, values in model.state_dict().items()})
        tokenizer.save_pretrained(new)


def convert(source: Path, target: Path) -> None:
    """Write the model of a `transformers` folder as ONNX."""
    target.mkdir(parents=True, exist_ok=True)
    model = BertForSequenceClassification.from_pretrained(source, attn_implementation="eager")
    export(model, target / MODEL)
    for name in SHARED:
        shutil.copy(source / name, target)


def write(path: Path, content: object) -> None:
    """Write JSON that a person can read."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")
