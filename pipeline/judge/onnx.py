"""A sequence classifier in ONNX Runtime: the shipped model, and whatever `voxwarden train` writes beside the weights.

Its folder holds `model.onnx` (inputs `input_ids` and `attention_mask`, output `logits`), `tokenizer.json`,
`config.json` with the labels, and may hold `calibration.json`. PyTorch is not needed.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import msgspec
import onnxruntime
from tokenizers import Tokenizer

from pipeline.errors import ConfigError
from pipeline.judge import calibration, sounds
from pipeline.judge.calibration import Numbers
from pipeline.judge.sequence import MAX_TOKENS, Ids, SequenceClassifier

MODEL = "model.onnx"
FILES = (MODEL, sounds.FILE, "tokenizer.json", "config.json", "calibration.json")
"""What a folder's version is made from."""


class Config(msgspec.Struct):
    """What is needed of a `transformers` configuration."""

    id2label: dict[str, str]
    pad_token_id: int = 0

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(self.id2label[str(at)] for at in range(len(self.id2label)))


class OnnxClassifier(SequenceClassifier):
    """Multi-label, on the CPU."""

    def __init__(self, folder: Path, config: Config, threads: int | None) -> None:
        super().__init__(_name(folder), config.labels, calibration.load(folder))
        self.padding = config.pad_token_id
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(MAX_TOKENS)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        self._session = onnxruntime.InferenceSession(folder / MODEL, options, providers=["CPUExecutionProvider"])

    def _encode(self, texts: Sequence[str]) -> Sequence[Sequence[int]]:
        return [encoding.ids for encoding in self._tokenizer.encode_batch_fast(texts)]

    def _run(self, ids: Ids, mask: Ids) -> Numbers:
        logits: Numbers = self._session.run(["logits"], {"input_ids": ids, "attention_mask": mask})[0]
        return logits


def load(folder: Path, threads: int | None = None) -> OnnxClassifier:
    """The model in `folder`, on so many threads (None: one a core); raises ConfigError for what is not one."""
    try:
        config = msgspec.json.decode((folder / "config.json").read_bytes(), type=Config)
        return OnnxClassifier(folder, config, threads)
    except ConfigError:
        raise
    except Exception as error:  # the tokenizer and the runtime have no common error but this one
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(f"judge.model: {folder} cannot be loaded: {reason}", "Train or copy it again.") from error


def _name(folder: Path) -> str:
    """Name and version, from the content."""
    digest = hashlib.sha256()
    for name in FILES:
        if (folder / name).is_file():
            digest.update((folder / name).read_bytes())
    return f"{folder.resolve().name}@{digest.hexdigest()[:8]}"
