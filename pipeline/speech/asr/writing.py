"""Writes recognised texts in one variant of their script. Whisper mixes Simplified and Traditional characters."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

from pipeline.speech import languages
from pipeline.speech.asr.hypothesis import Hypothesis
from pipeline.speech.asr.transcriber import TimedWord


def written(heard: Hypothesis, variant: str) -> Hypothesis:
    """The hypothesis with its text in a variant of the language's script: a value of `asr.chinese`."""
    for script in languages.scripts():
        if script.language == heard.language:
            return replace(heard, text=script.written(heard.text, variant))
    return heard


def respelt(words: Sequence[TimedWord], text: str) -> tuple[TimedWord, ...]:
    """The words with the characters of `text`, which has as many. A character's variant can depend on its sentence."""
    letters = iter("".join(text.split()))
    return tuple(replace(word, text="".join(islice(letters, len("".join(word.text.split()))))) for word in words)
