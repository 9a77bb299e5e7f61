"""YAMNet, a network that knows 521 classes of sound, in the file that its authors publish. LiteRT runs it.

The method is that of S. Hershey et al., "CNN architectures for large-scale audio classification" (ICASSP 2017), with
the classes of AudioSet (J. Gemmeke et al., ICASSP 2017).
"""

from pathlib import Path
from typing import Any

import numpy as np

from pipeline.base.errors import ConfigError
from pipeline.base.libraries import require
from pipeline.judge.calibration import Numbers
from pipeline.speech.audio.resample import Samples

SETTING = "listen.yamnet"
SAMPLES = 15_600
"""The network hears 0.975 s at once."""
CLASSES = 521
REMEDY = "docs/sounds.md has the command that downloads the file."


class Yamnet:
    """Raises ConfigError if `path` is not YAMNet, or if LiteRT is not installed."""

    def __init__(self, path: Path) -> None:
        self._run = _interpreter(path)
        [heard, *_] = self._run.get_input_details()
        [told, *_] = self._run.get_output_details()
        if not _takes(heard) or told["shape"][-1] != CLASSES:
            raise ConfigError(
                f"{SETTING}: {path} is not YAMNet, which hears {SAMPLES} samples and knows {CLASSES} classes",
                REMEDY,
            )
        self._run.resize_tensor_input(heard["index"], _shape(heard))
        self._run.allocate_tensors()
        self._shape, self._heard, self._told = _shape(heard), heard["index"], told["index"]

    def scores(self, samples: Samples) -> Numbers:
        """The score of each class, shape (CLASSES,), from 0 to 1, for 16 kHz samples of shape (SAMPLES,)."""
        self._run.set_tensor(self._heard, samples.astype(np.float32, copy=False).reshape(self._shape))
        self._run.invoke()
        scores: Numbers = self._run.get_tensor(self._told)[0]
        return scores


def _interpreter(path: Path) -> Any:
    _check_readable(path)
    require("ai-edge-litert", SETTING)
    from ai_edge_litert.interpreter import Interpreter  # only a user of YAMNet has it

    try:
        return Interpreter(str(path), num_threads=1)
    except (ValueError, RuntimeError) as error:
        raise ConfigError(f"{SETTING}: {path} is damaged, or no model for LiteRT", REMEDY) from error


def _check_readable(path: Path) -> None:
    """LiteRT says the same about a file that it may not read as about a damaged one."""
    try:
        path.open("rb").close()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise ConfigError(f"{SETTING}: there is no file {path.absolute()}", REMEDY) from error
    except OSError as error:
        raise ConfigError(
            f"{SETTING}: {path} cannot be read: {error.strerror}", "Let the user of the listen worker read it."
        ) from error


def _takes(heard: dict[str, Any]) -> bool:
    """Whether the input is one window of samples. Some files leave its length open."""
    return heard["dtype"] is np.float32 and int(np.prod(_shape(heard))) == SAMPLES and heard["shape"].size <= 2


def _shape(heard: dict[str, Any]) -> list[int]:
    return [SAMPLES if size == -1 else int(size) for size in heard["shape_signature"]]
