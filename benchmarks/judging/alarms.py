"""Flags by each system's own thresholds: on ordinary talk, look-alikes, disguised texts and texts like them."""

from collections.abc import Iterator, Sequence

import numpy as np
from rich.table import Table

from benchmarks.judging.bench import Bench
from benchmarks.judging.cases import TextCase, evasion, lookalikes, talk
from benchmarks.judging.systems import Found
from pipeline.learning.training_rows import RISK

HOURLY = {"en": 160 * 60, "zh": 260 * 60}
"""Words, or Chinese characters, in an hour of speech without pauses at normal speed."""


def ordinary(bench: Bench) -> Iterator[Table]:
    table = Table("talk", "system", title="Ordinary talk: false flags")
    for column in ("texts", "hours", "flagged", "per hour"):
        table.add_column(column, justify="right")
    for language, cases in bench.languages(talk(bench.data)):
        for system in bench.of(language):
            flags = bench.flags(system, cases)
            for kind, places in _kinds(cases):
                hours = sum(length(cases[at]) for at in places) / HOURLY[language]
                found = flags[places]
                counts = str(len(places)), f"{hours:.1f}", f"{found.mean():.2%}", f"{found.sum() / hours:.1f}"
                table.add_row(f"{kind} ({language})", system.name, *counts)
    yield table


def safe(bench: Bench) -> Iterator[Table]:
    for language, cases in bench.languages(lookalikes()):
        columns = {system.name: bench.flags(system, cases) for system in bench.of(language)}
        table = _compared(f"Safe look-alikes, {language}: share flagged", columns, "looks like", "texts")
        for kind, places in [("all", [*range(len(cases))]), *_kinds(cases)]:
            table.add_row(kind, str(len(places)), *(f"{found[places].mean():.1%}" for found in columns.values()))
        yield table


def tricks(bench: Bench) -> Iterator[Table]:
    for language, cases in bench.languages(evasion()):
        columns = {system.name: bench.flags(system, cases) for system in bench.of(language)}
        title = f"Evasion suite, {language}: recall / share of clean ones flagged"
        table = _compared(title, columns, "trick", "risky", "clean")
        for kind, places in [("all", [*range(len(cases))]), *_kinds(cases)]:
            risky = [at for at in places if cases[at].labels[RISK]]
            clean = [at for at in places if not cases[at].labels[RISK]]
            shares = (f"{_share(found, risky)} / {_share(found, clean)}" for found in columns.values())
            table.add_row(kind, str(len(risky)), str(len(clean)), *shares)
        yield table


def length(case: TextCase) -> int:
    """In words, or in characters for Chinese."""
    return len(case.text.split()) if case.language == "en" else sum(map(str.isalnum, case.text))


def _share(found: Found, places: Sequence[int]) -> str:
    return f"{np.mean(found[places]):.0%}" if places else "–"


def _kinds(cases: Sequence[TextCase]) -> list[tuple[str, list[int]]]:
    kinds = dict.fromkeys(case.kind for case in cases)
    return [(kind, [at for at, case in enumerate(cases) if case.kind == kind]) for kind in kinds]


def _compared(title: str, columns: dict[str, Found], *heads: str) -> Table:
    table = Table(*heads, title=title)
    for name in columns:
        table.add_column(name, justify="right")
    return table
