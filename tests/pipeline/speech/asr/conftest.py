"""Engines with real weights, which all tests of this folder share, and human speech."""

import pytest

from pipeline.settings import Asr
from pipeline.speech.asr.recogniser import ENGINES, Recogniser, load_recogniser


@pytest.fixture(scope="session", params=ENGINES)
def tiny(request: pytest.FixtureRequest) -> Recogniser:
    """A fast model, for English only."""
    return load_recogniser(Asr(engine=request.param, model="tiny.en", download=False, device="cpu"))


@pytest.fixture(scope="session", params=ENGINES)
def base(request: pytest.FixtureRequest) -> Recogniser:
    """The default model, which is multilingual."""
    return load_recogniser(Asr(engine=request.param, model="base", download=False, device="cpu"))
