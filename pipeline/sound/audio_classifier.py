"""A `transformers` audio classifier, from a folder or the Hugging Face hub, run by PyTorch."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from transformers import AutoFeatureExtractor, AutoModelForAudioClassification, Wav2Vec2FeatureExtractor

from pipeline.base.compute_device import find_device
from pipeline.base.errors import ConfigError
from pipeline.base.gpu_memory import to_device
from pipeline.contract.messages import SAMPLE_RATE
from pipeline.judge.model_outputs import Numbers, sigmoid, softmax
from pipeline.judge.transformers_model import Pretrained
from pipeline.settings import ListenSettings
from pipeline.speech.audio.resample import Samples

SETTING = "listen.ear"
EXTRACTOR = "preprocessor_config.json"
BATCH = 16
"""Windows that the model hears at once."""


class AudioClassifier:
    """A model in evaluation mode. `exclusive`: exactly one label applies, so the scores of a window add up to 1."""

    def __init__(self, model: Any, extractor: Any, labels: tuple[str, ...], name: str, exclusive: bool) -> None:
        self.name = name
        """Name and version of the model."""
        self.labels = labels
        self.exclusive = exclusive
        self._model = model
        self._extractor = extractor

    def probabilities(self, windows: Sequence[Samples]) -> Numbers:
        """Probabilities, shape (windows, labels). All windows have the same length: 16 kHz samples from -1 to 1.

        A window's numbers do not depend on the others, except for their last digits. They may be NaN.
        """
        found = np.empty((len(windows), len(self.labels)))
        with torch.inference_mode():
            for begin in range(0, len(windows), BATCH):
                part = [*windows[begin : begin + BATCH]]
                features = self._extractor(part, sampling_rate=SAMPLE_RATE, return_tensors="pt")
                logits = self._model(**features.to(self._model.device)).logits
                found[begin : begin + len(part)] = logits.cpu().numpy()
        return softmax(found) if self.exclusive else sigmoid(found)


def load_audio_classifier(settings: ListenSettings) -> AudioClassifier:
    """Load the model of `listen.ear`, and let it hear noise once.

    Raises ConfigError if it is no audio classifier for 16 kHz, DependencyError if the hub does not answer.
    """
    source = Pretrained(settings.ear or "", SETTING, "audio classifier")
    model = to_device(source.model(AutoModelForAudioClassification), find_device("auto"))
    name, exclusive = source.name(model.config, EXTRACTOR), source.is_exclusive(model.config)
    loaded = AudioClassifier(model, _extractor(source), source.labels(model.config), name, exclusive)
    _try(loaded, settings.ear_seconds)
    return loaded


def _extractor(source: Pretrained) -> Any:
    """What turns samples into the input of the model. A model that comes without one takes the samples as they are."""
    if not source.has(EXTRACTOR):
        return Wav2Vec2FeatureExtractor(do_normalize=False, return_attention_mask=False)
    extractor = source.part(AutoFeatureExtractor)
    if (rate := getattr(extractor, "sampling_rate", None)) != SAMPLE_RATE:
        given = repr(rate) if rate else "no known number of"  # a text, too, is no number
        raise ConfigError(
            f"{SETTING}: {source.source} hears {given} samples a second, not {SAMPLE_RATE}",
            "Name a model for 16 kHz.",
        )
    return extractor


def _try(loaded: AudioClassifier, seconds: int) -> None:
    """Find out now, and not with the first speaker, whether the model can hear a window."""
    # A fixed seed, so that the result is the same at each start.
    noise = np.random.default_rng(0).normal(0, 0.1, seconds * SAMPLE_RATE).astype(np.float32)
    try:
        found = loaded.probabilities([noise])
    except Exception as error:  # the configuration of others may raise anything
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ConfigError(
            f"{SETTING}: {loaded.name} cannot hear {seconds} s of audio: {reason}",
            f"Check listen.ear_seconds, and that the model comes with its {EXTRACTOR}.",
        ) from error
    if not np.isfinite(found).all():
        raise ConfigError(f"{SETTING}: {loaded.name} gives scores that are no numbers", "Its weights may be damaged.")
