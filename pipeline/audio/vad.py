"""Is somebody speaking? Silero VAD on ONNX Runtime, without PyTorch.

Source of the model: https://github.com/snakers4/silero-vad (MIT), file `silero_vad_16k_sequence.onnx` of its package.
It takes any number of windows of one speaker in one call, with the very same answers as one window at a time (58 μs a
window by 31, 135 μs by one), so nothing is gained by mixing speakers in a call.
"""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from pipeline.audio.resample import Samples
from pipeline.errors import WeightsMissing
from pipeline.packages import data_file

WINDOW = 512
"""Samples in a window, 32 ms: what the model was trained on."""

CONTEXT = 64
"""Samples of the window before that it sees, too."""

MODEL = "silero_vad_16k_sequence.onnx"

LAYERS = (1, 1, 128)
"""Shape of the hidden and the cell state of its LSTM."""


@dataclass
class Memory:
    """What the model remembers of one speaker."""

    hidden: NDArray[np.float32] = field(default_factory=lambda: np.zeros(LAYERS, np.float32))
    cell: NDArray[np.float32] = field(default_factory=lambda: np.zeros(LAYERS, np.float32))
    context: Samples = field(default_factory=lambda: np.zeros(CONTEXT, np.float32))

    def reset(self) -> None:
        """Forget all but the last samples, which are the beginning of the next window."""
        self.hidden = self.cell = np.zeros(LAYERS, np.float32)


class Vad:
    """One model for all speakers; each brings its `Memory`."""

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3  # it warns of unused initialisers at every load
        self._session = onnxruntime.InferenceSession(str(_model()), options, providers=["CPUExecutionProvider"])

    def probabilities(self, samples: Samples, memory: Memory) -> NDArray[np.float32]:
        """Speech probability of each window, shape (windows,), of `samples`, shape (windows * 512,), 16 kHz."""
        if not samples.size:
            return np.zeros(0, np.float32)
        windows = samples.reshape(-1, WINDOW)
        before = np.vstack([memory.context, windows[:-1, -CONTEXT:]])
        inputs = {"input": np.hstack([before, windows]), "h": memory.hidden, "c": memory.cell}
        probabilities, memory.hidden, memory.cell = self._session.run(None, inputs)
        memory.context = windows[-1, -CONTEXT:].copy()
        return np.asarray(probabilities, np.float32)


@cache
def shared() -> Vad:
    """The process's one model: sessions may be used from any thread."""
    return Vad()


def _model() -> Path:
    """From the package silero-vad; its own dependency, PyTorch, is not needed. Raises WeightsMissing without it."""
    if file := data_file("silero-vad", f"silero_vad/data/{MODEL}"):
        return file
    raise WeightsMissing(
        f"No {MODEL} in the package silero-vad", "Install it: pip install --no-deps 'silero-vad>=6.2.3'"
    )
