"""Two people's speech."""

from functools import cache

import numpy as np

from pipeline.speech.audio.resample import Samples
from tests.pipeline.speech.audio.sound import clip

PAUSE = np.zeros(8_000, np.float32)


@cache
def allison() -> Samples:
    """About 40 s of one voice."""
    names = ("demo-echotest", "demo-abouttotry", "vm-newuser")
    return np.concatenate([part for name in names for part in (clip(name), PAUSE)])


@cache
def reader() -> Samples:
    """About 15 s of another voice."""
    return np.concatenate([clip("sense-and-sensibility"), PAUSE] * 2)
