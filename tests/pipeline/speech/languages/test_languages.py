"""A language is found by its code: the user's files first, then the shipped ones, then the defaults."""

from pathlib import Path

import pytest

from pipeline.base.errors import ConfigError
from pipeline.settings.speech import CODES
from pipeline.speech import languages
from pipeline.speech.languages import SHIPPED, Language


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VOXWARDEN_CONFIG", str(tmp_path / "voxwarden.yaml"))
    return tmp_path / "languages"


def write(folder: Path, code: str, content: str) -> None:
    (folder / code).mkdir(parents=True, exist_ok=True)
    (folder / code / "language.yaml").write_text(content, "utf-8")


def test_the_shipped_languages_are_complete() -> None:
    assert languages.known() == ("en", "zh")
    for code in languages.known():
        assert all(languages.file(code, name) for name in ("language.yaml", "lexicon.yaml", "console.yaml"))
        phrases = languages.read_language(code).silence_phrases
        assert len(phrases.credits) > 10
        assert len(phrases.doubtful) > 10


def test_every_other_language_has_the_defaults() -> None:
    assert {languages.read_language(code) for code in CODES - {"en", "zh"}} == {Language()}


def test_a_users_file_replaces_the_shipped_one_and_no_other(own: Path) -> None:
    write(own, "en", "recogniser: {beam: 7}")
    assert languages.read_language("en").recogniser.beam == 7
    assert languages.read_language("en").silence_phrases.credits == ()
    assert languages.file("en", "lexicon.yaml") == SHIPPED / "en" / "lexicon.yaml"
    assert languages.files("en", "language.yaml") == [own / "en/language.yaml", SHIPPED / "en/language.yaml"]


def test_what_is_no_language_folder_does_not_count(own: Path) -> None:
    (own / "..data").mkdir(parents=True)
    (own / "README.md").write_text("notes")
    assert languages.known() == ("en", "zh")


def test_a_folder_that_is_not_named_by_a_code_is_an_error(own: Path) -> None:
    write(own, "cn", "")
    with pytest.raises(ConfigError, match=r"languages/cn: 'cn' is no language code of Whisper \(did you mean zh\?\)"):
        languages.known()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("recognizer: {beam: 2}", r"es/language\.yaml: recognizer: Extra inputs"),
        ("recogniser: {beam: 0}", r"es/language\.yaml: recogniser\.beam"),
        ("recogniser: {sure_logprob: 0.6}", r"recogniser\.sure_logprob"),
        ("silence_phrases: {credits: ['*']}", r"silence_phrases\.credits\.0: '\*' has no letters"),
    ],
)
def test_a_mistake_is_named_by_file_and_key(own: Path, content: str, message: str) -> None:
    write(own, "es", content)
    with pytest.raises(ConfigError, match=message):
        languages.read_language("es")


@pytest.mark.parametrize(
    ("text", "language"), [("ok 好", "zh"), ("hi", "en"), ("ok ひ", "en"), ("12", "en"), ("", "en")]
)
def test_a_script_tells_the_language(text: str, language: str) -> None:
    assert languages.script_language(text) == language


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("иди отсюда", True),
        ("안녕하세요 everyone", False),
        ("안녕하세요 hi", True),
        ("ひらがな", True),
        ("nice game, Иван", False),
        ("ｎｉｃｅ 𝓰𝓪𝓶𝓮", False),
        ("¿qué? 👍 12", False),
        ("好 Иван Иванович", False),
        ("", False),
    ],
)
def test_a_text_in_another_script_is_told(text: str, other: bool) -> None:
    assert languages.is_in_other_script(text) is other
