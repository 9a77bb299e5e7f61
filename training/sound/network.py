"""The network: it finds patterns in time and frequency, and takes their mean and their greatest value over the time."""

from itertools import pairwise
from pathlib import Path

import torch
from torch import nn

from pipeline.learning import onnx_file
from pipeline.sound.events.mel import BANDS
from pipeline.sound.events.music import CONTEXT

WIDTHS = (8, 16, 24, 32)
"""Channels of the layers. Each layer halves time and frequency."""
COARSER = 2
"""Frames that are joined before the first layer: 31 ms."""
HIDDEN = 24


class MusicNetwork(nn.Module):
    """Takes levels, shape (batch, CONTEXT, BANDS); gives logits, shape (batch,)."""

    def __init__(self, dropped: float = 0.2) -> None:
        super().__init__()
        widths = (1, *WIDTHS)
        self.layers = nn.Sequential(*(_layer(*pair) for pair in pairwise(widths)))
        size = WIDTHS[-1] * (BANDS // 2 ** len(WIDTHS))
        self.decide = nn.Sequential(nn.Dropout(dropped), nn.Linear(2 * size, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1))

    def forward(self, levels: torch.Tensor) -> torch.Tensor:
        found = (
            self.layers(nn.functional.avg_pool2d(levels[:, None] / 4, (COARSER, 1))).transpose(1, 2).flatten(2)
        )  # batch, time, channels x bands
        logits: torch.Tensor = self.decide(torch.cat([found.mean(1), found.amax(1)], 1))[:, 0]
        return logits


def _layer(before: int, after: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(), nn.MaxPool2d(2)
    )


class _Scores(nn.Module):
    """The network with probabilities as its output."""

    def __init__(self, network: MusicNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, levels: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.network(levels))


def export(network: MusicNetwork, path: Path) -> None:
    """Write the network as ONNX: input `levels`, output `score`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx_file.write(
        _Scores(network).eval(),
        (torch.zeros(1, CONTEXT, BANDS),),
        path,
        input_names=["levels"],
        output_names=["score"],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
    )
