"""Voice activity detection: Silero VAD on ONNX Runtime, without PyTorch.

Source of the model: https://github.com/snakers4/silero-vad (MIT), file `silero_vad_16k_sequence.onnx` of its package.
One call takes any number of windows of one speaker. The results are the same as with one window per call (58 μs per
window in calls of 31, 135 μs in calls of one). So a call with several speakers would not be faster.
"""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from pipeline.base.errors import WeightsMissing
from pipeline.base.libraries import data_file
from pipeline.speech.audio.resample import Samples

WINDOW = 512
"""Samples in a window (32 ms). The model was trained with this size."""

CONTEXT = 64
"""Samples of the previous window that the model also receives."""

MODEL = "silero_vad_16k_sequence.onnx"

LAYERS = (1, 1, 128)
"""Shape of the hidden state and of the cell state of the model's LSTM."""


@dataclass
class Memory:
    """The model's state for one speaker."""

    hidden: NDArray[np.float32] = field(default_factory=lambda: np.zeros(LAYERS, np.float32))
    cell: NDArray[np.float32] = field(default_factory=lambda: np.zeros(LAYERS, np.float32))
    context: Samples = field(default_factory=lambda: np.zeros(CONTEXT, np.float32))

    def reset(self) -> None:
        """Reset the LSTM state. The last samples stay, because they are the context of the next window."""
        self.hidden = self.cell = np.zeros(LAYERS, np.float32)


class Vad:
    """The model. All speakers share it, and each has its own `Memory`. Raises WeightsMissing without silero-vad."""

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors only: ONNX Runtime warns of unused initialisers at every load
        self._session = onnxruntime.InferenceSession(str(_model()), options, providers=["CPUExecutionProvider"])

    def probabilities(self, samples: Samples, memory: Memory) -> NDArray[np.float32]:
        """Speech probability of each window, shape (windows,). `samples` has shape (windows * 512,), at 16 kHz."""
        if not samples.size:
            return np.zeros(0, np.float32)
        windows = samples.reshape(-1, WINDOW)
        before = np.vstack([memory.context, windows[:-1, -CONTEXT:]])
        inputs = {"input": np.hstack([before, windows]), "h": memory.hidden, "c": memory.cell}
        probabilities, memory.hidden, memory.cell = self._session.run(None, inputs)
        memory.context = windows[-1, -CONTEXT:].copy()  # a view would keep all windows in memory
        return np.asarray(probabilities, np.float32)


@cache
def shared() -> Vad:
    """The one model of this process. It may be used from any thread."""
    return Vad()


def _model() -> Path:
    """The model's file in the package silero-vad. Raises WeightsMissing if it is not installed.

    The package depends on PyTorch, but its model runs without PyTorch.
    """
    if file := data_file("silero-vad", f"silero_vad/data/{MODEL}"):
        return file
    raise WeightsMissing(
        f"The package silero-vad has no {MODEL}", "Install it: pip install --no-deps 'silero-vad>=6.2.3'"
    )
