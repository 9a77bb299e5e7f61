"""Every word in both languages, and every key told."""

import re
from pathlib import Path

import pytest

from pipeline.console import texts
from pipeline.console.keys import KEYS
from pipeline.console.texts import LANGUAGES, Texts, preferred
from pipeline.errors import ConfigError

SAID = re.compile(r"""\bt\("([a-z_.]+)"[,)]""")
HOLE = re.compile(r"\{\w+\}")


def test_templates_say_only_what_is_in_the_catalogues() -> None:
    known = Texts().catalogue("en")
    templates = Path(texts.__file__).parent / "templates"
    said = {key for file in templates.glob("*.html") for key in SAID.findall(file.read_text(encoding="utf-8"))}
    assert said
    assert said <= known.keys()


def test_both_languages_fill_the_same_holes() -> None:
    catalogues = [Texts().catalogue(language) for language in LANGUAGES]
    for key, text in catalogues[0].items():
        assert sorted(HOLE.findall(text)) == sorted(HOLE.findall(catalogues[1][key])), key


def test_chinese_is_chinese() -> None:
    catalogue = Texts().catalogue("zh")
    latin = {key for key, text in catalogue.items() if text.isascii() and re.search("[A-Za-z]", HOLE.sub("", text))}
    assert latin <= {"app.name", "nav.docs", "docs.title"}


def test_every_key_is_told_and_no_two_do_the_same() -> None:
    assert {f"keys.{name}" for name in KEYS} <= Texts().catalogue("en").keys()
    assert len(set(KEYS.values())) == len(KEYS)


def test_a_catalogue_that_lacks_a_text(tmp_path: Path) -> None:
    (tmp_path / "en.yaml").write_text("a: {b: x, c: y}")
    (tmp_path / "zh.yaml").write_text("a: {b: x}")
    with pytest.raises(ConfigError, match=r"a\.c"):
        Texts(tmp_path)


@pytest.mark.parametrize(
    ("wanted", "header", "language"),
    [
        ("", "", "en"),
        ("", "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("", "fr-FR,zh-Hans;q=0.5", "zh"),
        ("en", "zh-CN", "en"),
        ("zh", "en", "zh"),
        ("", "\x00;;,,", "en"),
    ],
)
def test_whose_language(wanted: str, header: str, language: str) -> None:
    assert preferred(wanted, header) == language
