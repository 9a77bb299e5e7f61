"""The texts of the console: the file `console.yaml` of each language. English replaces a missing text."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from string import Formatter

from pipeline.base import yaml_reading
from pipeline.base.errors import ConfigError
from pipeline.speech import languages
from pipeline.speech.languages import FALLBACK, SHIPPED

FILE = "console.yaml"
SCRIPTS = "script."
TIMES = "time."


class Texts:
    """A catalogue for each language that has a `console.yaml`."""

    def __init__(self) -> None:
        """Read all catalogues.

        Raises ConfigError if a catalogue has a key or a placeholder that the English one does not have.
        """
        self._english = _flat(_read(SHIPPED / FALLBACK / FILE))
        self._catalogues = {
            code: self._catalogue(files) for code in languages.known() if (files := languages.files(code, FILE))
        }
        self._of_scripts = {code: _for_scripts(catalogue) for code, catalogue in self._catalogues.items()}
        self.names: Mapping[str, str] = {code: languages.read_language(code).name or code for code in self._catalogues}
        """Maps the code of each language of the console to its name."""

    def say(self, language: str, key: str, /, **values: object) -> str:
        """Return the text of `key` (e.g. `queue.title`) with `values` for its placeholders.

        Raises KeyError if the language or the key is unknown.
        """
        text = self._catalogues[language][key]
        return text.format(**values) if values else text

    def of_scripts(self, language: str) -> Mapping[str, str]:
        """Return the texts of scripts: those under `script`, without that word in their keys, and under `time`."""
        return self._of_scripts[language]

    def catalogue(self, language: str) -> Mapping[str, str]:
        return self._catalogues[language]

    def preferred(self, wanted: str, header: str) -> str:
        """Return the account's language; otherwise the first known one of Accept-Language; otherwise English."""
        tags = [part.partition(";")[0].strip() for part in header.lower().split(",")]
        asked = [wanted, *(tag.partition("-")[0] for tag in tags)]  # zh-CN counts as zh
        return next((language for language in asked if language in self._catalogues), FALLBACK)

    def _catalogue(self, files: list[Path]) -> Mapping[str, str]:
        """Return the English texts, replaced by the texts of `files`."""
        catalogue = dict(self._english)  # so that a language without a text still has one
        for file in reversed(files):  # the last one is loaded first, so that an earlier file overrides it
            texts = _flat(_read(file))
            for key, text in texts.items():
                self._check(key, text, file)
            catalogue |= texts
        return catalogue

    def _check(self, key: str, text: str, file: Path) -> None:
        if key not in self._english:
            raise ConfigError(f"{file}: the console has no text {key}", f"Use the keys of {SHIPPED / FALLBACK / FILE}.")
        placeholders = _placeholders(self._english[key])
        try:
            # A missing placeholder is allowed: a language may say it without the value. An unknown one would fail on
            # the page.
            unknown = _placeholders(text) - placeholders
        except ValueError as error:
            raise ConfigError(f"{file}: {key}: {error}", "Write {{ and }} for braces.") from error
        if unknown:
            known = ", ".join(f"{{{name}}}" for name in sorted(placeholders)) or "none"
            raise ConfigError(f"{file}: {key} has the placeholder {{{min(unknown)}}}", f"Its placeholders: {known}.")


def _for_scripts(catalogue: Mapping[str, str]) -> Mapping[str, str]:
    return {key.removeprefix(SCRIPTS): text for key, text in catalogue.items() if key.startswith((SCRIPTS, TIMES))}


def _placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


@cache
def _read(file: Path) -> Mapping[str, object]:
    tree = yaml_reading.read_yaml(file)
    if not isinstance(tree, dict):
        raise ConfigError(f"{file} is not a catalogue of texts", "Write a mapping from keys to texts.")
    return tree


def _flat(tree: Mapping[str, object], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = str(value)
    return flat
