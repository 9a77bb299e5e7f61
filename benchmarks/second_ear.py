"""Measure the cost of second ears of the usual sizes: architectures of `transformers` with random weights.

    python -m benchmarks.second_ear [--models NAME ...] [--windows 8] [--batch 8]

The cost depends on the architecture, not on the weights. It is the CPU time of one thread, features included.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from transformers import (
    ASTConfig,
    ASTFeatureExtractor,
    ASTForAudioClassification,
    PretrainedConfig,
    PreTrainedModel,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForSequenceClassification,
    WavLMConfig,
    WavLMForSequenceClassification,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForAudioClassification,
)

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.settings import ListenSettings
from pipeline.sound.audio_classifier import AudioClassifier

LARGE = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096}

Build = Callable[[], tuple[PreTrainedModel, Any]]


def _wave(model: type[PreTrainedModel], config: PretrainedConfig) -> tuple[PreTrainedModel, Any]:
    return model(config), Wav2Vec2FeatureExtractor()


def _ast() -> tuple[PreTrainedModel, Any]:
    return ASTForAudioClassification(ASTConfig(num_labels=527)), ASTFeatureExtractor()


def _whisper(width: int, layers: int, heads: int) -> tuple[PreTrainedModel, Any]:
    config = WhisperConfig(
        d_model=width, encoder_layers=layers, encoder_attention_heads=heads, encoder_ffn_dim=4 * width
    )
    return WhisperForAudioClassification(config), WhisperFeatureExtractor()


MODELS: dict[str, Build] = {
    "whisper-tiny": lambda: _whisper(384, 4, 6),
    "whisper-base": lambda: _whisper(512, 6, 8),
    "ast-base": _ast,
    "wav2vec2-base": lambda: _wave(Wav2Vec2ForSequenceClassification, Wav2Vec2Config()),
    "wavlm-base": lambda: _wave(WavLMForSequenceClassification, WavLMConfig()),
    "wavlm-large": lambda: _wave(WavLMForSequenceClassification, WavLMConfig(**LARGE)),
}


def measure(build: Build, seconds: int, windows: int, batch: int) -> tuple[float, float]:
    """Return millions of weights, and CPU seconds for a window of `seconds`."""
    model, extractor = build()
    ear = AudioClassifier(model.eval(), extractor, "random", exclusive=False)
    noise = np.random.default_rng(0).normal(0, 0.1, (batch, seconds * SAMPLE_RATE)).astype(np.float32)
    ear.probabilities([*noise])  # the first time costs more
    start = time.process_time()
    for _ in range(windows // batch):
        ear.probabilities([*noise])
    spent = (time.process_time() - start) / (windows // batch * batch)
    return sum(each.numel() for each in model.parameters()) / 1e6, spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--windows", type=int, default=8)
    parser.add_argument("--batch", type=int, default=8)
    options = parser.parse_args()
    torch.set_num_threads(1)
    seconds = ListenSettings().ear_seconds
    print(f"windows of {seconds} s, which overlap by half; one thread")
    for name in options.models:
        weights, spent = measure(MODELS[name], seconds, max(options.windows, options.batch), options.batch)
        each_second = spent / (seconds / 2)
        print(
            f"{name:14} {weights:6.0f} million weights   {1000 * each_second:7.0f} ms for a second of sound"
            f"   {1 / each_second:5.1f} speakers on one core"
        )


if __name__ == "__main__":
    main()
