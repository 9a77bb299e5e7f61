"""A tiny audio classifier of `transformers`, with a few thousand weights, that tells a siren from talk."""

from pathlib import Path

import numpy as np
import torch
from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2ForSequenceClassification

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.speech.audio.resample import Samples
from tests.pipeline.sound.fingerprints.music import talk

OWN = ("Siren", "Talk")
MAP = "Siren: abuse\nTalk: null\n"
SURE = 8.0
"""The logit of a clear siren."""


def siren(seconds: float) -> Samples:
    """A tone of 3 kHz at a tenth of full scale."""
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (0.1 * np.sin(2 * np.pi * 3_000 * time)).astype(np.float32)


def chatter(seconds: float) -> Samples:
    found: Samples = 0.2 * talk(round(seconds * SAMPLE_RATE))
    return found


def save(folder: Path, problem: str | None = "multi_label_classification", seconds: int = 6) -> Path:
    """Save the model with its feature extractor in a `folder`. Its head is set by what the encoder makes of both."""
    torch.manual_seed(0)
    config = Wav2Vec2Config(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        conv_dim=(16, 16),
        conv_kernel=(16, 16),
        conv_stride=(16, 20),
        num_conv_pos_embeddings=8,
        num_conv_pos_embedding_groups=2,
        feat_extract_norm="layer",
        classifier_proj_size=8,
        id2label=dict(enumerate(OWN)),
        label2id={name: at for at, name in enumerate(OWN)},
        problem_type=problem,
    )
    model = Wav2Vec2ForSequenceClassification(config).eval()
    extractor = Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=True)
    with torch.inference_mode():
        given = extractor([siren(seconds), chatter(seconds)], sampling_rate=SAMPLE_RATE, return_tensors="pt")
        hidden = model.projector(model.wav2vec2(given["input_values"]).last_hidden_state).mean(dim=1)
        towards = hidden[0] - hidden[1]
        weight = 2 * SURE * towards / towards.square().sum()
        model.classifier.weight.copy_(torch.stack([weight, -weight]))
        middle = (weight * hidden.mean(dim=0)).sum()
        model.classifier.bias.copy_(torch.stack([-middle, middle]))
    model.save_pretrained(folder)
    extractor.save_pretrained(folder)
    return folder


def save_map(folder: Path, text: str = MAP) -> Path:
    path = folder / "ear.yaml"
    path.write_text(text, "utf-8")
    return path
