"""The settings that the figures depend on, with names and units."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from pipeline.assessment.report import numbers
from pipeline.assessment.report.content import AssessmentReport
from pipeline.assessment.report.numbers import Language
from pipeline.assessment.report.texts import texts
from pipeline.judge.labels import SEVERITIES

TIMES = frozenset({"acknowledge", "appeal", "lease", "report", "settled", "spread"})
SHARES = frozenset({"low_confidence", "stable_loss"})


class ReportedSetting(Struct, frozen=True):
    """One setting."""

    key: str
    name: str
    text: str


def setting_rows(report: AssessmentReport, language: Language) -> list[ReportedSetting]:
    """Return the settings in the order of their texts."""
    words = texts(language)
    return [
        ReportedSetting(key, name, _text(report, key, report.options[key], language))
        for key, name in words["options"].items()
        if key in report.options
    ]


def _text(report: AssessmentReport, key: str, value: Any, language: Language) -> str:
    words = texts(language)
    if value is None or value in ({}, []):
        return str(words["none"])
    if key in TIMES:
        return numbers.seconds(value, language)
    if key in SHARES:
        return numbers.shown(value, "share", language)
    match key:
        case "limits":
            found = _limits(report, value, language)
        case "targets":
            found = _targets(value, language)
        case "retention":
            found = _retention(report, value, language)
        case "illegal":
            found = (_label(report, each, language) for each in value)
        case "languages":
            found = (words["values"]["language"].get(each, each) for each in value)
        case _:
            return numbers.plain(value, language)
    return str(words["list"]).join(found)


def _limits(report: AssessmentReport, limits: Mapping[str, float], language: Language) -> Iterator[str]:
    known = {each.id: each for each in report.definitions}
    for name, limit in sorted(limits.items()):
        indicator, _, key = name.partition(".")
        value = known[indicator].values[key]
        sign = "≤" if value.better == "lower" else "≥"
        yield f"{indicator} {getattr(value.name, language)} {sign} {numbers.shown(limit, value.unit, language)}"


def _targets(targets: Sequence[float], language: Language) -> Iterator[str]:
    for severity, seconds in zip(SEVERITIES, targets, strict=True):
        yield f"{texts(language)['values']['severity'][severity]} {numbers.seconds(seconds, language)}"


def _retention(report: AssessmentReport, kept: Mapping[str, Any], language: Language) -> Iterator[str]:
    words = texts(language)["retention"]
    own = {f"{_label(report, name, language)} ": states for name, states in sorted(kept["labels"].items())}
    for label, states in {"": kept, **own}.items():
        for state in ("open", "upheld", "dismissed"):
            if days := states[state]:
                name = f"{label}{words[state]}"
                yield words["class"].format(state=name, case=f"{days['case_days']:g}", audio=f"{days['audio_days']:g}")
    yield words["logs"].format(days=f"{kept['logs_days']:g}")


def _label(report: AssessmentReport, name: str, language: Language) -> str:
    return str(getattr(report.labels[name], language)) if name in report.labels else name
