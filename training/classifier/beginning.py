"""Chooses the model to start from: multilingual-e5-small (Wang et al. 2024, MIT), or one that a user names."""

from pipeline.learning import encoder
from pipeline.learning.encoder import Encoder
from pipeline.learning.model import new_model
from training.classifier import packaged


def check(source: str | None = None) -> None:
    """Raise ConfigError where `start` would, but without reading the packaged encoder, which takes seconds."""
    if source is None:
        packaged.file()
    else:
        encoder.load(source)


def start(source: str | None = None) -> Encoder:
    """The model that `source` names, as in `encoder.load`. None: the packaged encoder. Raises ConfigError."""
    if source is not None:
        return encoder.load(source)
    weights = packaged.read()
    return Encoder(new_model(packaged.body(weights)), packaged.unigram(weights.pieces))
