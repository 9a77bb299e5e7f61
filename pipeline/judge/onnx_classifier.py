"""A sequence classifier in ONNX Runtime: the shipped model, or one that `python -m training.classifier` wrote.

Its folder holds `model.onnx` (inputs `input_ids` and `attention_mask`, output `logits`), `tokenizer.json` and
`config.json` with the labels. It may hold `calibration.json`. PyTorch is not needed.
"""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

from pipeline.base.cpu_cores import cores, is_back, multiplies_bytes
from pipeline.base.errors import ConfigError
from pipeline.judge import model_outputs, pinyin_model
from pipeline.judge.classifier_text import Tokens, view
from pipeline.judge.model_outputs import Calibrated, Numbers

MODEL = "model.onnx"
FILES = (MODEL, pinyin_model.FILE, "tokenizer.json", "config.json", "calibration.json")
"""The files that determine a folder's version."""
UNFUSED = ["SkipLayerNormFusion", "BiasGeluFusion"]
"""Fusions of ONNX Runtime that make this model slower. Without them it takes a quarter less time."""
BATCH = 4
"""Texts in one run of a thread: a fifth faster than 1. A larger batch would split 32 texts over too few threads."""


class Config(msgspec.Struct):
    """The fields that we read from a `transformers` configuration."""

    id2label: dict[str, str]
    context: bool = False
    """Whether the model was trained to read an utterance with the speech before it."""

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(self.id2label[str(at)] for at in range(len(self.id2label)))


class OnnxClassifier(Calibrated):
    """A multi-label classifier on the CPU. Each thread takes batches of texts of similar length.

    A text's scores do not depend on the other texts: layers round their inputs for each token, and padding is masked.
    """

    def __init__(self, folder: Path, config: Config, threads: int) -> None:
        super().__init__(name_of(folder), config.labels, model_outputs.load_calibration(folder), context=config.context)
        self._tokens = Tokens(Tokenizer.from_file(str(folder / "tokenizer.json")))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # `_pool` has the threads
        if not multiplies_bytes():  # sums of products would saturate, and logits would be off by .3
            # With VNNI, logits are the same without it, and it takes 1.6 times as long.
            options.add_session_config_entry("session.x64quantprecision", "1")
        self._session = onnxruntime.InferenceSession(
            folder / MODEL, options, providers=["CPUExecutionProvider"], disabled_optimizers=UNFUSED
        )
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, "classify")

    def logits(self, texts: Sequence[str]) -> Numbers:
        rows = self._tokens.of([view(text) for text in texts])
        # Texts of similar length need little padding.
        order = sorted(range(len(rows)), key=lambda place: len(rows[place]))
        # With few texts, smaller batches give each thread some.
        size = max(1, min(BATCH, -(-len(rows) // self._threads)))
        batches = [order[at : at + size] for at in range(0, len(order), size)]
        found = np.zeros((len(texts), len(self.labels)))
        # Threads of the pool would not step back with their caller.
        each = map if is_back() else self._pool.map
        running = each(lambda batch: self._run([rows[place] for place in batch]), batches)
        for batch, logits in zip(batches, running, strict=True):
            found[batch] = logits
        return found

    def _run(self, batch: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Logits for token ids, shape (texts, labels)."""
        tokens = np.zeros((len(batch), max(map(len, batch))), np.int64)
        mask = np.zeros_like(tokens)
        for row, ids in enumerate(batch):
            tokens[row, : len(ids)] = ids
            mask[row, : len(ids)] = 1
        found: NDArray[np.float32] = self._session.run(["logits"], {"input_ids": tokens, "attention_mask": mask})[0]
        return found


def load_onnx(folder: Path, threads: int | None = None) -> OnnxClassifier:
    """The model in `folder`, on `threads` threads (None: one a core); raises ConfigError if it cannot be loaded."""
    try:
        config = msgspec.json.decode((folder / "config.json").read_bytes(), type=Config)
        return OnnxClassifier(folder, config, threads or cores())
    except ConfigError:
        raise
    except Exception as error:  # the tokenizer and the runtime share no narrower base class
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(f"judge.model: {folder} cannot be loaded: {reason}", "Train or copy it again.") from error


def name_of(folder: Path) -> str:
    """Name and version. The version is a hash of the files."""
    digest = hashlib.sha256()
    for name in FILES:
        if (folder / name).is_file():
            digest.update((folder / name).read_bytes())
    return f"{folder.resolve().name}@{digest.hexdigest()[:8]}"
