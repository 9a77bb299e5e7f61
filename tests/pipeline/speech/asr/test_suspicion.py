import pytest

from pipeline.speech.asr.hypothesis import Hypothesis
from pipeline.speech.asr.suspicion import is_suspicious


@pytest.mark.parametrize(
    ("text", "language", "tokens", "logprob", "no_speech", "suspicious"),
    [
        ("fine", "en", 4, -0.3, 0.1, False),
        ("sure enough", "en", 4, -0.59, 0.1, False),
        ("unsure", "en", 4, -0.61, 0.1, True),
        ("你好", "zh", 4, -0.6, 0.1, False),
        ("你好", "zh", 4, -1.1, 0.1, True),
        ("silence", "en", 4, -1.2, 0.8, False),
        ("no " * 9, "en", 9, -0.1, 0.1, True),
        ("wait for me at home wait for me at home", "en", 10, -0.1, 0.1, True),
        ("more than anybody says in a second", "en", 15, -0.1, 0.1, True),
    ],
)
def test_suspicious_texts_are_decoded_again(
    text: str, language: str, tokens: int, logprob: float, no_speech: float, suspicious: bool
) -> None:
    heard = Hypothesis(language, (1,) * tokens, text, logprob, no_speech, seconds=1.0)
    assert is_suspicious(heard) is suspicious
