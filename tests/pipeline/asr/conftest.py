"""Engines with real weights, loaded once for all tests here, and human speech."""

import pytest

from pipeline.asr.transcriber import ENGINES, Transcriber, load
from pipeline.settings import Asr


@pytest.fixture(scope="session", params=ENGINES)
def tiny(request: pytest.FixtureRequest) -> Transcriber:
    """English only, fast."""
    return load(Asr(engine=request.param, model="tiny.en", download=False, device="cpu"))


@pytest.fixture(scope="session", params=ENGINES)
def base(request: pytest.FixtureRequest) -> Transcriber:
    """The default: multilingual."""
    return load(Asr(engine=request.param, model="base", download=False, device="cpu"))
