"""Loads `transformers` classifiers with PyTorch, from a folder or the Hugging Face hub, and runs text classifiers."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from huggingface_hub import hf_hub_download, try_to_load_from_cache
from huggingface_hub.errors import RemoteEntryNotFoundError
from numpy.typing import NDArray
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils import logging

from pipeline.base.compute_device import find_device
from pipeline.base.errors import ConfigError, DependencyError
from pipeline.base.gpu_memory import in_batches, most_at_once, to_device
from pipeline.judge import model_outputs
from pipeline.judge.classifier import LATEST, commit_of, is_id
from pipeline.judge.classifier_text import MAX_TOKENS, view
from pipeline.judge.model_outputs import Calibrated, Calibration, Numbers

WEIGHTS = ("model.safetensors", "pytorch_model.bin")
UNUSED = "masked_spec_embed"
"""Weights that only a training uses."""
BATCH = 32
"""Texts in a batch on the CPU."""
TOKEN_BYTES = 1 << 19
"""An estimate of the memory that a token of a large model takes on a GPU."""


class Pretrained:
    """The model that a `setting` names, and what it should be (`kind`)."""

    def __init__(self, source: str, setting: str, kind: str) -> None:
        """Raises ConfigError for an id of the hub without a commit."""
        self.source = source
        self._setting, self._kind = setting, kind
        self._hub = is_id(source)
        self._place, self._commit = commit_of(source, setting) if self._hub else (source, LATEST)

    def model(self, auto: Any) -> Any:
        """Return the model in evaluation mode, loaded by a class such as `AutoModelForAudioClassification`.

        Raises ConfigError if it is no trained classifier, DependencyError if the hub does not answer.
        """
        config = self.part(AutoConfig)
        # A configuration may name a kernel of the hub, and the library `kernels` would run it. None: PyTorch's own.
        config._attn_implementation = None
        model, found = self.part(auto, config=config, dtype=torch.float32, output_loading_info=True)
        missing = [key for key in found["missing_keys"] if not key.endswith(UNUSED)]
        if missing or found["mismatched_keys"]:
            raise ConfigError(
                f"{self._setting}: {self.source} is not a trained classifier: weights of its head are missing",
                f"Name a model that was fine-tuned as a {self._kind}.",
            )
        return model.eval()

    def part(self, auto: Any, **options: Any) -> Any:
        """Return the model's part that `auto` loads, e.g. `AutoTokenizer`. Raises ConfigError or DependencyError."""
        try:
            with quietly():
                # False: code that lies beside a model never runs. Without a value, a terminal is asked whether it may.
                return auto.from_pretrained(
                    self._place,
                    revision=self._commit,
                    local_files_only=not self._hub,
                    trust_remote_code=False,
                    **options,
                )
        except Exception as error:  # the files of others may raise anything
            raise self._why(error) from error

    def labels(self, config: Any) -> tuple[str, ...]:
        """Return the model's own label for each of its outputs. Raises ConfigError if one has no printable label."""
        found = tuple(config.id2label.get(at, "") for at in range(config.num_labels))
        if not all(label and label.isprintable() for label in found):
            raise ConfigError(
                f"{self._setting}: {self.source} has an output without a printable label",
                "Correct id2label in its config.json.",
            )
        return found

    def has(self, name: str) -> bool:
        """Whether the model comes with a file of this name. Raises DependencyError if the hub does not answer."""
        if not self._hub:
            return (Path(self.source) / name).is_file()
        found = try_to_load_from_cache(self._place, name, revision=self._commit)
        if found is not None:
            return isinstance(found, str)  # or else the hub has said before that there is none
        try:
            hf_hub_download(self._place, name, revision=self._commit)
        except RemoteEntryNotFoundError:  # an OSError, too, so it comes first
            return False
        except OSError as error:
            raise self._why(error) from error
        return True

    def is_exclusive(self, config: Any) -> bool:
        """Whether exactly one label applies. Raises ConfigError for a regression."""
        if config.problem_type == "regression":
            raise ConfigError(f"{self._setting}: a regression model has no probabilities", "Name a classifier.")
        # Without a stated type, transformers takes several labels for exclusive ones.
        return bool(config.problem_type != "multi_label_classification" and config.num_labels > 1)

    def name(self, config: Any, *files: str) -> str:
        """Name and version. For a folder, the version is a hash of its weights and of other `files`."""
        if self._hub:
            return f"{self._place}@{self._commit[:8]}"
        folder = Path(self.source)
        # `default=str`: a configuration may hold types that JSON does not have, such as a dtype.
        digest = hashlib.sha256(json.dumps(config.to_dict(), sort_keys=True, default=str).encode())
        weights = [name for name in WEIGHTS if (folder / name).is_file()]
        for name in (*weights[:1], *files):  # the second one is not used
            if (folder / name).is_file():
                with (folder / name).open("rb") as file:
                    hashlib.file_digest(file, lambda: digest)
        return f"{folder.resolve().name}@{digest.hexdigest()[:8]}"

    def _why(self, error: Exception) -> ConfigError | DependencyError:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        if self._hub and isinstance(error, OSError):
            return DependencyError(
                f"{self._setting}: {self.source} cannot be fetched: {reason}",
                "Check the id and the network, or name a folder.",
            )
        return ConfigError(
            f"{self._setting}: {self.source} cannot be loaded: {reason}", f"Name a transformers {self._kind}."
        )


@contextmanager
def quietly() -> Iterator[None]:
    """Hides the progress bars and warnings of `transformers`. Real problems raise our own errors."""
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


class TransformersClassifier(Calibrated):
    """A model in evaluation mode, on the CPU or a GPU."""

    def __init__(
        self, model: Any, tokenizer: Any, labels: Sequence[str], found: Calibration, name: str, exclusive: bool
    ) -> None:
        super().__init__(name, labels, found, exclusive)
        self._model = model
        self._tokenizer = tokenizer

    def logits(self, texts: Sequence[str]) -> Numbers:
        """Runs batches of texts of similar length, so that a batch has little padding."""
        found = np.zeros((len(texts), len(self.labels)))
        if not texts:
            return found
        rows = self._rows([view(text) for text in texts])
        order = sorted(range(len(rows)), key=lambda at: len(rows[at]))
        most = most_at_once(self._model.device, len(rows[order[-1]]) * TOKEN_BYTES, BATCH)
        with torch.inference_mode():
            found[order] = in_batches(self._run, [rows[at] for at in order], most)
        return found

    def _rows(self, texts: Sequence[str]) -> list[list[int]]:
        """The token ids of each text."""
        limit = min(MAX_TOKENS, self._tokenizer.model_max_length)  # huge if the tokenizer states none
        found: list[list[int]] = self._tokenizer(texts, truncation=True, max_length=limit)["input_ids"]
        return found

    def _run(self, rows: Sequence[Sequence[int]]) -> Sequence[NDArray[np.float32]]:
        """The logits of each row."""
        padded = self._tokenizer.pad({"input_ids": [*rows]}, return_tensors="pt")
        return list(self._model(**padded.to(self._model.device)).logits.float().cpu().numpy())


def load_transformer(source: str) -> TransformersClassifier:
    """Load a model folder, or a model of the Hugging Face hub by its id `owner/name@commit`.

    Raises ConfigError if it is not a sequence classifier, DependencyError if the hub does not answer.
    """
    found = Pretrained(source, "judge.model", "sequence classifier")
    model, tokenizer = found.model(AutoModelForSequenceClassification), found.part(AutoTokenizer)
    exclusive, name = found.is_exclusive(model.config), found.name(model.config, "calibration.json")
    calibration, labels = model_outputs.load_calibration(Path(source)), found.labels(model.config)
    return TransformersClassifier(
        to_device(model, find_device("auto")), tokenizer, labels, calibration, name, exclusive
    )
