"""Writes a trained model as two folders: `transformers/` to fine-tune further, and `onnx/` for the judge."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec
from transformers import BertForSequenceClassification, PreTrainedTokenizerFast

from pipeline.judge.calibration import sigmoid
from pipeline.judge.classifier import load_model
from pipeline.judge.onnx import MODEL
from training.classifier.batches import targets_of
from training.classifier.calibrate import Thresholds, temperature, thresholds
from training.classifier.export import export
from training.classifier.noise import hearing
from training.classifier.rows import CLEAN, OUTPUTS, Row
from training.classifier.sets import TALK

SHARED = ("config.json", "tokenizer.json", "tokenizer_config.json")
CALIBRATION = "calibration.json"
THRESHOLDS = "thresholds.json"


def save(folder: Path, model: BertForSequenceClassification, tokenizer: PreTrainedTokenizerFast) -> None:
    """Write weights (float16), configuration and tokenizer in the format of `transformers`."""
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder, state_dict={name: values.half() for name, values in model.state_dict().items()})
    tokenizer.backend_tokenizer.no_truncation()  # Training texts are truncated, but the judge reads longer ones.
    tokenizer.save_pretrained(folder)


def convert(source: Path, target: Path) -> None:
    """Write the model of a `transformers` folder as ONNX."""
    target.mkdir(parents=True, exist_ok=True)
    model = BertForSequenceClassification.from_pretrained(source, attn_implementation="eager")
    export(model, target / MODEL)
    for name in SHARED:
        shutil.copy(source / name, target)


def calibrate(folder: Path, validation: Sequence[Row], seed: int) -> Thresholds:
    """Write `calibration.json` and `thresholds.json`, from `validation` with recognition errors added."""
    (folder / CALIBRATION).unlink(missing_ok=True)
    hear = hearing([row.text for row in validation], seed)
    logits = load_model(str(folder)).logits([hear(row.text) for row in validation])
    truth, weights = (tensor.double().numpy() for tensor in targets_of(validation))
    temperatures = [temperature(*columns) for columns in zip(logits.T, truth.T, weights.T, strict=True)]
    _write(folder / CALIBRATION, {"temperature": dict(zip(OUTPUTS, temperatures, strict=True))})

    talk = [at for at, row in enumerate(validation) if row.source in TALK and row.labels is CLEAN]
    found = thresholds([validation[at].language for at in talk], sigmoid(logits[talk] / temperatures))
    _write(folder / THRESHOLDS, found)
    return found


def _write(path: Path, content: object) -> None:
    path.write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")
