"""Engines with real weights, which all tests of this folder share, and human speech."""

import pytest

from pipeline.settings import Asr
from pipeline.speech.asr.transcriber import ENGINES, Transcriber, load


@pytest.fixture(scope="session", params=ENGINES)
def tiny(request: pytest.FixtureRequest) -> Transcriber:
    """A fast model, for English only."""
    return load(Asr(engine=request.param, model="tiny.en", download=False, device="cpu"))


@pytest.fixture(scope="session", params=ENGINES)
def base(request: pytest.FixtureRequest) -> Transcriber:
    """The default model, which is multilingual."""
    return load(Asr(engine=request.param, model="base", download=False, device="cpu"))
