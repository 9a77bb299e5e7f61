"""The words of the report in Chinese and English: its texts, numbers, times and splits."""

from datetime import UTC, datetime, tzinfo
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pipeline.base import yaml_reading
from pipeline.review.quality.figure import Unit
from pipeline.review.quality.statistics import Interval

Language = Literal["zh", "en"]
LANGUAGES: tuple[Language, ...] = ("zh", "en")

SECONDS = {"zh": ("毫秒", "秒", "分钟", "小时", "天"), "en": ("ms", "s", "min", "h", "d")}
"""Units of time, each with its size in SCALES."""
SCALES = (0.001, 1.0, 60.0, 3_600.0, 86_400.0)
STEPS = (1.0, 120.0, 7_200.0, 172_800.0)
"""Seconds at which the next larger unit begins."""
DAYS = {"zh": "天", "en": "days"}
LARGE = 1e7
MILLIONS = {"zh": (1e4, "万"), "en": (1e6, "M")}
"""The unit of large numbers. Chinese counts in ten thousands."""
MINUS = "\u2212"
"""The typographic minus. In a table, a hyphen is too short to be seen."""
ROUNDING = 1e-12


def shown(value: float, unit: Unit, language: Language) -> str:
    """Return a value with its unit, for example 99.2%, 2.4 s or 1,204."""
    match unit:
        case "share":
            return f"{percent(value)}%"
        case "seconds":
            return seconds(value, language)
        case "days":
            return f"{plain(value, language)} {DAYS[language]}"
        case _:
            return plain(value, language)


def interval(bounds: Interval, unit: Unit, language: Language) -> str:
    """Return the bounds of an interval, for example 98.9–99.4%."""
    low, high = bounds
    if unit == "share":
        return f"{percent(low)}–{percent(high)}%"
    if unit == "seconds":
        first, last = seconds(low, language), seconds(high, language)
        number, _, name = first.partition(" ")
        return f"{number}–{last}" if last.endswith(f" {name}") else f"{first} – {last}"  # 2–3 s, or 50 s – 2 min
    return f"{plain(low, language)}–{plain(high, language)}"


def percent(share: float) -> str:
    """Return a share as a percentage with 3 significant digits, but never 100 or 0 for a share between them."""
    value = _exact(share) * 100
    # More digits near 0 and 100, where the difference counts: 99.97 % must not read as 100 %.
    digits = 3 if 0 < value < 0.1 or 99.95 <= value < 100 else 2 if value < 1 or 99.5 <= value < 100 else 1
    text = f"{value:.{digits}f}"
    if 0 < value < 0.0005:
        return "< 0.001"
    if 99.9995 <= value < 100:
        return "> 99.999"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _exact(share: float) -> float:
    """Return 0 and 1 for shares that differ from them by the rounding of floats only."""
    return float(round(share)) if abs(share - round(share)) < ROUNDING else share


def seconds(value: float, language: Language) -> str:
    place = sum(abs(value) >= step for step in STEPS) if value else 1  # "0 s" and not "0 ms"
    return f"{plain(value / SCALES[place], language)} {SECONDS[language][place]}"


def plain(value: float, language: Language) -> str:
    """Return a number with 3 significant digits; a whole number with all its digits, unless it has 8 or more."""
    if abs(value) >= LARGE:
        unit, name = MILLIONS[language]
        text = f"{value / unit:,.0f} {name}" if abs(value) >= 100 * unit else f"{value / unit:.3g} {name}"
    elif float(value).is_integer():
        text = f"{int(value):,}"
    else:
        text = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return text.replace("-", MINUS)


def moment(at: float, zone: tzinfo) -> str:
    """Return UTC seconds as a date with the time in minutes."""
    return f"{datetime.fromtimestamp(at, zone):%Y-%m-%d %H:%M}"


def day(at: float, zone: tzinfo) -> str:
    return f"{datetime.fromtimestamp(at, zone):%Y-%m-%d}"


def zone_name(zone: str, language: Language) -> str:
    """Return the name of a time zone, for example Beijing time."""
    return str(texts(language)["zones"].get(zone, zone))


def iso(at: float) -> str:
    """Return UTC seconds as HTML and PDF metadata write a time."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"


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
