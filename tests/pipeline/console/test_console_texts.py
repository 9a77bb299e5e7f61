"""Catalogues of texts: the shipped ones are complete, and mistakes in a catalogue are found."""

import re
from pathlib import Path
from typing import Any

import pytest

from pipeline.base import yaml_reading
from pipeline.base.errors import ConfigError
from pipeline.console import console_texts
from pipeline.console.console_texts import Texts
from pipeline.speech import languages

USED = re.compile(r"""\bt\("([a-z_.]+)"[,)]""")
PLACEHOLDER = re.compile(r"\{\w+\}")


def test_templates_use_only_texts_of_the_catalogues() -> None:
    known = Texts().catalogue("en")
    templates = Path(console_texts.__file__).parent / "templates"
    used = {key for file in templates.glob("*.html") for key in USED.findall(file.read_text(encoding="utf-8"))}
    assert used
    assert used <= known.keys()


def test_scripts_get_only_their_texts() -> None:
    console_texts = Texts()
    of_scripts = console_texts.of_scripts("zh")
    assert of_scripts
    catalogue = console_texts.catalogue("zh")
    assert all(text == catalogue.get(f"script.{key}", catalogue.get(key)) for key, text in of_scripts.items())
    assert len(of_scripts) == sum(key.startswith(("script.", "time.")) for key in catalogue)


def test_the_chinese_catalogue_is_complete() -> None:
    english, chinese = (
        _keys(yaml_reading.read_yaml(languages.SHIPPED / code / console_texts.FILE)) for code in ("en", "zh")
    )
    assert english == chinese


def _keys(tree: dict[str, Any], prefix: str = "") -> set[str]:
    parts = [
        _keys(part, f"{prefix}{name}.") if isinstance(part, dict) else {prefix + name} for name, part in tree.items()
    ]
    return set().union(*parts)


def test_both_languages_have_the_same_placeholders() -> None:
    catalogues = [Texts().catalogue(language) for language in ("en", "zh")]
    for key, text in catalogues[0].items():
        assert sorted(PLACEHOLDER.findall(text)) == sorted(PLACEHOLDER.findall(catalogues[1][key])), key


def test_the_chinese_catalogue_is_in_chinese() -> None:
    catalogue = Texts().catalogue("zh")
    latin = {
        key for key, text in catalogue.items() if text.isascii() and re.search("[A-Za-z]", PLACEHOLDER.sub("", text))
    }
    assert latin <= {"app.name", "docs.title", "time.today", "time.this_year", "time.another_year"}


@pytest.fixture
def spanish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path of a user's own catalogue, beside the configuration file."""
    monkeypatch.setenv("VOXWARDEN_CONFIG", str(tmp_path / "voxwarden.yaml"))
    file = tmp_path / "languages" / "es" / "console.yaml"
    file.parent.mkdir(parents=True)
    return file


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("quue: {title: Cola}", r"es/console\.yaml: the console has no text quue\.title"),
        ("queue: {count: '{m} abiertos'}", r"queue\.count has the placeholder \{m\}.* Its placeholders: \{n\}"),
        ("queue: {title: 'Cola {n}'}", r"queue\.title has the placeholder \{n\}.* Its placeholders: none"),
        ("queue: {count: '{n abiertos'}", r"queue\.count: .*Write \{\{ and \}\} for braces"),
        ("- Cola", r"es/console\.yaml is not a catalogue"),
    ],
)
def test_the_error_names_a_mistake_in_a_catalogue(spanish: Path, content: str, message: str) -> None:
    spanish.write_text(content)
    with pytest.raises(ConfigError, match=message):
        Texts()


def test_a_users_text_replaces_the_shipped_one(spanish: Path) -> None:
    own = spanish.parents[1] / "zh" / "console.yaml"
    own.parent.mkdir()
    own.write_text("queue: {title: 队列}")
    assert Texts().say("zh", "queue.title") == "队列"
    assert Texts().say("zh", "nav.me") == "个人设置"


@pytest.mark.parametrize(
    ("wanted", "header", "language"),
    [
        ("", "", "en"),
        ("", "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("", "fr-FR,zh-Hans;q=0.5", "zh"),
        ("en", "zh-CN", "en"),
        ("zh", "en", "zh"),
        ("", "\x00;;,,", "en"),
        ("fr", "zh", "zh"),
    ],
)
def test_the_preferred_language(wanted: str, header: str, language: str) -> None:
    assert Texts().preferred(wanted, header) == language
