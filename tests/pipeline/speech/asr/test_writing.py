from pipeline.speech.asr.hypothesis import Hypothesis, in_variant, respelt
from pipeline.speech.asr.recogniser import TimedWord


def heard(text: str, language: str) -> Hypothesis:
    return Hypothesis(language, (1,), text, -0.2, 0.1, seconds=1.0)


def words(*texts: str) -> tuple[TimedWord, ...]:
    return tuple(TimedWord(text, at, at + 1.0, 0.9) for at, text in enumerate(texts))


def test_only_the_texts_of_a_scripts_language_change() -> None:
    assert in_variant(heard("歡迎", "zh"), "simplified").text == "欢迎"
    assert in_variant(heard("歡迎", "ja"), "simplified").text == "歡迎"


def test_words_have_the_characters_of_their_text() -> None:
    """Alone, 著 would stay as it is: only its sentence tells the variant."""
    found = in_variant(heard("他吃著飯, ok go", "zh"), "simplified").text
    assert respelt(words("他", "吃", "著", "飯,", "ok", "go"), found) == words("他", "吃", "着", "饭,", "ok", "go")
