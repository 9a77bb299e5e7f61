"""When the speech of a recording ends. tests/agents/test_drill.py sends recordings to a live gateway."""

import numpy as np
import pytest

from pipeline.assessment.drill_sending import send, speech_seconds
from pipeline.base.errors import DependencyError
from pipeline.contract.messages import SAMPLE_RATE


def test_silence_at_the_end_is_no_speech() -> None:
    speech, silence = np.full(SAMPLE_RATE, 0.5, np.float32), np.full(SAMPLE_RATE // 2, 0.001, np.float32)
    assert speech_seconds(np.concatenate([silence, speech, silence])) == 1.5
    assert speech_seconds(silence) == 0.0


def test_a_gateway_that_does_not_answer_is_named() -> None:
    with pytest.raises(DependencyError, match=r"127\.0\.0\.1:9"):
        send("ws://127.0.0.1:9", "x" * 16, "drill", "room", np.zeros(16, np.float32))
