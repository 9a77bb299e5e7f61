"""A language that the model does not know is named by its setting."""

import pytest

from pipeline.base.errors import ConfigError
from pipeline.settings import Asr
from pipeline.speech.asr.recogniser import check_languages

KNOWN = {"en", "zh", "es"}.__contains__


def complaint(asr: Asr, multilingual: bool) -> str:
    """Return the error of the check; empty if it accepts the settings."""
    try:
        check_languages(asr, KNOWN, multilingual=multilingual)
    except ConfigError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("asr", "multilingual"),
    [
        (Asr(), True),
        (Asr(language="es", languages=("en", "zh")), True),
        (Asr(language="en"), False),
        (Asr(languages=("en", "yue")), False),
    ],
)
def test_known_languages_are_accepted_and_an_english_model_ignores_the_rooms(asr: Asr, multilingual: bool) -> None:
    assert complaint(asr, multilingual) == ""


@pytest.mark.parametrize(
    ("asr", "multilingual", "said"),
    [
        (Asr(language="yue"), True, "asr.language: Whisper does not know 'yue'"),
        (Asr(languages=("en", "yue")), True, "asr.languages: Whisper does not know 'yue'"),
        (Asr(language="zh", model="base.en"), False, "asr.language: base.en knows only English, not 'zh'"),
    ],
)
def test_another_language_is_named_with_its_setting(asr: Asr, multilingual: bool, said: str) -> None:
    assert said in complaint(asr, multilingual)
