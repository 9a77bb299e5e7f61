"""Voice activity detection: Silero VAD on ONNX Runtime, without PyTorch. Triage finds utterances without speech.

Source of the model: https://github.com/snakers4/silero-vad (MIT), file `silero_vad_16k_sequence.onnx` of its package.
One call takes any number of windows of one speaker. The results are the same as with one window per call (58 μs per
window in calls of 31, 135 μs in calls of one). So a call with several speakers would not be faster.

Utterances without speech are not transcribed, because Whisper would invent words for them. The segment stage starts an
utterance when a few windows look like speech. Triage runs the detector again on the whole utterance, from a fresh
state. If somebody speaks, the speech probability stays high for some time. After a bang, a hum or a musical note, it
falls at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from pipeline.base.errors import WeightsMissing
from pipeline.base.libraries import data_file
from pipeline.contract.messages import SAMPLE_RATE
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


Reason = Literal["silence", "no_voice"]

GATE = "silero-vad"
"""The `model` of a transcript that no recogniser made."""

SILENT = 1e-4
"""An utterance with a lower root mean square is silence: -80 dB of full scale."""

VOICED = 0.6
"""An utterance is speech if the mean speech probability of a stretch reaches this. Silero's limit for one window is
0.5."""

POSSIBLE = 0.05
"""Below this probability nobody spoke. From here to VOICED there may be a voice under music, and only the recogniser
can decide."""

STRETCH_SECONDS = 0.2
"""Length of a stretch: about one syllable."""


@dataclass(frozen=True, slots=True)
class Triage:
    """The result of triage. `reason` is None if the utterance may be speech."""

    reason: Reason | None
    voice: float
    """Highest mean speech probability of a stretch."""


def triage(samples: Samples) -> Triage:
    """Check one utterance, shape (samples,), 16 kHz. It takes about 2 ms of CPU time per second of audio."""
    if float(np.sqrt(np.mean(np.square(samples)))) < SILENT:
        return Triage("silence", 0.0)
    voice = loudest_stretch(_probabilities(samples))
    return Triage(None if voice >= POSSIBLE else "no_voice", voice)


def loudest_stretch(probabilities: Sequence[float]) -> float:
    """Highest mean over a stretch of consecutive windows, or over all windows if there are fewer."""
    size = min(len(probabilities), round(STRETCH_SECONDS * SAMPLE_RATE / WINDOW))
    means = np.convolve(probabilities, np.full(size, 1 / size), mode="valid")
    return min(1.0, float(means.max()))  # rounding may exceed 1


def _probabilities(samples: Samples) -> Sequence[float]:
    windows = -(-len(samples) // WINDOW)
    padded = np.zeros(windows * WINDOW, np.float32)
    padded[: len(samples)] = samples
    found: list[float] = shared().probabilities(padded, Memory()).tolist()
    return found
