"""With both engines' tokenizers, a transcript never has a broken character, wherever its tokens are cut."""

from collections.abc import Callable, Sequence
from types import SimpleNamespace

import pytest
from whisper.tokenizer import get_tokenizer

from pipeline.settings import Asr
from pipeline.speech.asr import openai_whisper_engine, whisper_weights
from pipeline.speech.asr.ctranslate2_engine import CTranslate2, Vocabulary
from pipeline.speech.asr.hypothesis import BROKEN, legible
from pipeline.speech.asr.openai_whisper_decoding import Written
from pipeline.speech.asr.openai_whisper_engine import OpenAIWhisper

RARE = "你这个龌龊的饕餮 and 魑魅魍魉😀"
"""A text with rare characters: most have two or three tokens."""
WHISPER = get_tokenizer(multilingual=True, language="zh", task="transcribe")
TOKENS: list[int] = WHISPER.encode(RARE)

Read = Callable[[Sequence[int]], str]


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return Vocabulary(whisper_weights.find_weights(Asr(download=False)).read("tokenizer.json"), multilingual=True)


@pytest.fixture(params=["ctranslate2", "openai-whisper"])
def read(request: pytest.FixtureRequest, vocabulary: Vocabulary, monkeypatch: pytest.MonkeyPatch) -> Read:
    """The function of an engine that converts a decoder's tokens to text."""
    if request.param == "ctranslate2":
        ct2 = CTranslate2.__new__(CTranslate2)
        ct2.vocabulary = vocabulary
        return lambda tokens: ct2._hypotheses(result(tokens), "zh", 9.0, False)[0].text
    whisper = OpenAIWhisper.__new__(OpenAIWhisper)
    monkeypatch.setattr(openai_whisper_engine, "tokenizer_of", lambda model, language: WHISPER)
    whisper._model = SimpleNamespace()
    return lambda tokens: whisper._hypothesis(Written(list(tokens), -0.1, 0.0), "zh", 9.0, False).text


def result(tokens: Sequence[int]) -> SimpleNamespace:
    return SimpleNamespace(sequences_ids=[list(tokens)], scores=[-0.1], no_speech_prob=0.0)


def test_single_tokens_are_parts_of_characters() -> None:
    assert sum(BROKEN in WHISPER.decode(TOKENS[:end]) for end in range(len(TOKENS))) > 5


def test_a_text_cut_at_any_token_ends_with_a_whole_character(read: Read) -> None:
    assert read(TOKENS) == RARE
    for end in range(len(TOKENS)):
        text = read(TOKENS[:end])
        assert BROKEN not in text
        assert RARE.startswith(text)
        assert len(text) >= len(WHISPER.decode(TOKENS[:end]).rstrip(BROKEN).strip())


def test_a_missing_token_removes_only_its_character(read: Read) -> None:
    for gone in range(len(TOKENS)):
        text = read([*TOKENS[:gone], *TOKENS[gone + 1 :]])
        assert BROKEN not in text
        assert len(text) >= len(RARE) - 5  # a token may be a word, such as " and"


def test_tokens_and_text_agree(vocabulary: Vocabulary) -> None:
    for end in range(len(TOKENS)):
        kept, text = legible(TOKENS[:end], vocabulary.text)
        assert vocabulary.text(kept) == text
        assert "".join(word for word, _ in vocabulary.words(kept)).strip() == text
