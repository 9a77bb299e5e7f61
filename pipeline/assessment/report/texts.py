"""The texts of the report in one language, from `texts/`."""

from functools import cache
from pathlib import Path
from typing import Any

from pipeline.assessment.report.numbers import Language
from pipeline.base import yaml_reading

FOLDER = Path(__file__).parent / "texts"


@cache
def texts(language: Language) -> dict[str, Any]:
    """Return all texts of a language."""
    found: dict[str, Any] = yaml_reading.read_yaml(FOLDER / f"{language}.yaml")
    return found


def signal(name: str, language: Language) -> str:
    """Return the name of a trigger's signal, for example "New room type: quiz"."""
    kind, _, subject = name.partition(":")
    words = texts(language)
    shown = words["signals"].get(kind, kind)
    subject = words["values"].get(kind, {}).get(subject, subject)
    return f"{shown}{words['colon']}{subject}" if subject else str(shown)
