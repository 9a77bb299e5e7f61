"""The network: patterns in time and frequency, and for each frequency their mean and their greatest value over time."""

from itertools import pairwise
from pathlib import Path

import torch
from torch import nn

from pipeline.learning import onnx_file
from training.voices.spectrogram import BINS, CONTEXT

WIDTHS = (8, 16, 24, 32)
"""Channels of the layers. Each layer halves time and frequency."""
HIDDEN = 24


class VoiceNetwork(nn.Module):
    """Takes shapes, shape (batch, CONTEXT, BINS); gives logits, shape (batch,)."""

    def __init__(self, dropped: float = 0.3) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(_layer(*pair) for pair in pairwise((1, *WIDTHS))))
        size = WIDTHS[-1] * (BINS // 2 ** len(WIDTHS))
        self.decide = nn.Sequential(nn.Dropout(dropped), nn.Linear(2 * size, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1))

    def forward(self, shapes: torch.Tensor) -> torch.Tensor:
        found = self.layers(shapes[:, None] / 3).transpose(1, 2).flatten(2)  # batch, time, channels x bins
        logits: torch.Tensor = self.decide(torch.cat([found.mean(1), found.amax(1)], 1))[:, 0]
        return logits


def _layer(before: int, after: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU())


def export(network: VoiceNetwork, path: Path) -> None:
    """Write the network as ONNX: input `shape`, output `logit`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx_file.write(
        network.eval(),
        (torch.zeros(1, CONTEXT, BINS),),
        path,
        input_names=["shape"],
        output_names=["logit"],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
    )
