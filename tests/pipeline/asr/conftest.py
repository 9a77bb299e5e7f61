"""Engines with real weights, loaded once for all tests here, and human speech."""

import pytest

from pipeline.asr.transcriber import Transcriber, load
from pipeline.settings import Asr


@pytest.fixture(scope="session")
def tiny() -> Transcriber:
    """English only, fast."""
    return load(Asr(model="tiny.en", download=False, device="cpu"))


@pytest.fixture(scope="session")
def base() -> Transcriber:
    """The default: multilingual."""
    return load(Asr(model="base", download=False, device="cpu"))
