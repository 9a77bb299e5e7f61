"""Every word that the console shows: one catalogue for English, one for Chinese (`texts/en.yaml`, `texts/zh.yaml`)."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Literal

from pipeline import yamlfiles
from pipeline.errors import ConfigError

Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = ("en", "zh")
TAGS: dict[Language, str] = {"en": "en", "zh": "zh-CN"}
FOLDER = Path(__file__).parent / "texts"


class Texts:
    """Catalogues by language; all have the same keys."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._catalogues = {language: _flat(_read(folder / f"{language}.yaml")) for language in LANGUAGES}
        for language, catalogue in self._catalogues.items():
            if missing := self._catalogues["en"].keys() ^ catalogue.keys():
                raise ConfigError(f"texts/{language}.yaml and en.yaml differ in {min(missing)}", "Write it in both.")

    def say(self, language: Language, key: str, /, **values: object) -> str:
        """The text of `key` (e.g. `queue.title`); raises KeyError for one that is not in the catalogue."""
        text = self._catalogues[language][key]
        return text.format(**values) if values else text

    def catalogue(self, language: Language) -> Mapping[str, str]:
        return self._catalogues[language]


def preferred(wanted: str, header: str) -> Language:
    """As the account says, else as the browser's Accept-Language does, else English."""
    if wanted in LANGUAGES:
        return "zh" if wanted == "zh" else "en"
    for part in header.lower().split(","):
        tag = part.partition(";")[0].strip()
        if tag[:2] in LANGUAGES:
            return "zh" if tag[:2] == "zh" else "en"
    return "en"


@cache
def _read(file: Path) -> Mapping[str, object]:
    tree = yamlfiles.read(file)
    if not isinstance(tree, dict):
        raise ConfigError(f"{file} is no catalogue", "Write texts under keys.")
    return tree


def _flat(tree: Mapping[str, object], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = str(value)
    return flat
