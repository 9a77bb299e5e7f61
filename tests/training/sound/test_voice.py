"""The export of the voice model."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from pipeline.sound.voice_embedding import BANDS, FRAMES, SIZE
from training.sound.voice import LAYERS, export


@pytest.fixture
def lstm() -> torch.nn.LSTM:
    torch.manual_seed(1)
    return torch.nn.LSTM(BANDS, SIZE, LAYERS)


def test_the_model_computes_what_the_weights_compute(lstm: torch.nn.LSTM, tmp_path: Path) -> None:
    linear = torch.nn.Linear(SIZE, SIZE)
    weights = {f"lstm.{name}": value for name, value in lstm.state_dict().items()}
    weights |= {f"linear.{name}": value for name, value in linear.state_dict().items()}
    file = tmp_path / "voice.onnx"
    export(weights, file)
    powers = np.random.default_rng(1).exponential(size=(FRAMES, 3, BANDS)).astype(np.float32)
    with torch.no_grad():
        _, (hidden, _) = lstm(torch.from_numpy(powers))
        wanted = torch.nn.functional.normalize(torch.relu(linear(hidden[-1]))).numpy()
    [found] = onnxruntime.InferenceSession(file).run(["embeddings"], {"powers": powers})
    assert (wanted * found).sum(axis=1) == pytest.approx(1, abs=2e-3)
    assert np.abs(found - wanted).max() < 0.03
    assert file.stat().st_size < 2_000_000
