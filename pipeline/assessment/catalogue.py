"""The 32 indicators: their texts in English and Chinese, their values, and the functions that compute them.

The texts are in `catalogue.yaml`. The report, the console and docs/metrics.md read them from here.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from pipeline.base import yaml_reading
from pipeline.review.quality.figure import Figure, Unit, Unmeasured

Better = Literal["higher", "lower"]
Source = Literal[
    "tallies",
    "ledger",
    "cases",
    "flags",
    "decisions",
    "audits",
    "opinions",
    "reports",
    "appeals",
    "actions",
    "evidence",
    "audit_log",
    "duty",
    "accounts",
    "drills",
    "register",
    "settings",
]


SPACE_IN_CHINESE = re.compile(r"(?<=[^\x00-\x7f]) (?=[^\x00-\x7f])")
"""YAML joins lines with a space, and Chinese text has none."""


class Bilingual(Struct, frozen=True):
    """A text in English and in simplified Chinese."""

    en: str
    zh: str

    @property
    def chinese(self) -> str:
        """The Chinese text without the spaces of line breaks."""
        return SPACE_IN_CHINESE.sub("", self.zh)


class Value(Struct, frozen=True):
    """One value of an indicator."""

    unit: Unit
    en: str
    zh: str
    better: Better | None = None
    """The direction of a better value. None: neither direction is better."""
    cases: str = ""
    """The list of cases behind it (`pipeline/assessment/figure_cases.py`). Empty: there is none."""
    now: bool = False
    """It describes the store at the time of the calculation, so nobody can compute it for a past window again."""


class Indicator(Struct, frozen=True, kw_only=True):
    """An indicator. `name`, `definition` and `formula` are English, those with `_zh` are Chinese."""

    id: str
    name: str
    name_zh: str
    definition: str
    """The meaning of the values and their limits."""
    definition_zh: str
    formula: str
    formula_zh: str
    sources: tuple[Source, ...]
    """The parts of the review store that it reads. `SOURCES` has their names."""
    values: dict[str, Value]
    """By `Figure.key`. The first one is the main value."""
    items: tuple[str, ...]
    """The items of article 5 for which it is evidence, e.g. 5(4)."""
    compute: str
    """The function that computes it: a module of `pipeline/assessment/indicators/` and a name, e.g. coverage:loss."""

    def source(self, language: Literal["en", "zh"]) -> str:
        """Return the names of its sources, separated by commas."""
        return ("、" if language == "zh" else ", ").join(getattr(SOURCES[name], language) for name in self.sources)


class _Entry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):  # a misspelt key must not be ignored
    """An indicator as the file writes it."""

    name: Bilingual
    definition: Bilingual
    formula: Bilingual
    sources: tuple[Source, ...]
    items: tuple[str, ...]
    compute: str
    values: dict[str, Value]


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    sources: dict[Source, Bilingual]
    indicators: dict[str, _Entry]


def _indicator(identity: str, entry: _Entry) -> Indicator:
    return Indicator(
        id=identity,
        name=entry.name.en,
        name_zh=entry.name.chinese,
        definition=entry.definition.en,
        definition_zh=entry.definition.chinese,
        formula=entry.formula.en,
        formula_zh=entry.formula.chinese,
        sources=entry.sources,
        values=entry.values,
        items=entry.items,
        compute=entry.compute,
    )


_FILE = msgspec.convert(yaml_reading.read_yaml(Path(__file__).with_name("catalogue.yaml")), _File)

SOURCES: dict[Source, Bilingual] = _FILE.sources
INDICATORS: dict[str, Indicator] = {name: _indicator(name, entry) for name, entry in _FILE.indicators.items()}


def figure(
    indicator: str,
    key: str,
    value: float | None,
    n: int,
    split: Mapping[str, str] | None = None,
    unmeasured: Unmeasured = "no_data",
    **more: Any,
) -> Figure:
    """Return a figure with the unit of the catalogue. Without a `value`, `unmeasured` is the reason.

    `more` are further fields of Figure. Raises KeyError if the catalogue has no such value.
    """
    about = INDICATORS[indicator].values[key]
    reason, cases = (unmeasured, "") if value is None else ("", about.cases)  # a missing value has no cases behind it
    return Figure(
        indicator=indicator,
        key=key,
        split=dict(split or {}),
        unit=about.unit,
        value=value,
        n=n,
        unmeasured=reason,
        cases=cases,
        **more,
    )


def quotient(
    indicator: str, key: str, top: float, bottom: float, n: int, split: Mapping[str, str] | None = None, **more: Any
) -> Figure:
    """Return the figure `top` / `bottom`. It has no value if `bottom` is 0."""
    return figure(indicator, key, top / bottom if bottom else None, n, split, **more)
