"""A trained model as a folder that `transformers` and `pipeline.judge.classifier` load."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
from transformers import BertForSequenceClassification, PreTrainedTokenizerFast

from pipeline.judge import transformer
from pipeline.judge.training.batches import targets_of
from pipeline.judge.training.calibrate import Thresholds, temperature, thresholds
from pipeline.judge.training.noise import LIGHT, Mishearing
from pipeline.judge.training.rows import CLEAN, OUTPUTS, Row
from pipeline.judge.training.sets import TALK


def save(folder: Path, model: BertForSequenceClassification, tokenizer: PreTrainedTokenizerFast) -> None:
    """Write weights (float16), configuration and tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    model.half().save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def calibrate(folder: Path, validation: Sequence[Row], seed: int) -> Thresholds:
    """Write `calibration.json` and `thresholds.json`, both from `validation` as it would be heard."""
    hear = Mishearing([row.text for row in validation], LIGHT, seed)
    heard = [hear(row.text) for row in validation]
    logits = transformer.load(str(folder)).logits(heard)
    truth, weights = (tensor.double().numpy() for tensor in targets_of(validation))
    temperatures = [temperature(*columns) for columns in zip(logits.T, truth.T, weights.T, strict=True)]
    _write(folder / "calibration.json", {"temperature": dict(zip(OUTPUTS, temperatures, strict=True))})

    talk = [at for at, row in enumerate(validation) if row.source in TALK and row.labels is CLEAN]
    table = transformer.load(str(folder)).probabilities([heard[at] for at in talk])
    found = thresholds([validation[at].language for at in talk], table)
    _write(folder / "thresholds.json", found)
    return found


def _write(path: Path, content: object) -> None:
    path.write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")
