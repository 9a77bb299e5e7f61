"""HateCheck: which kinds of hate are found, and which clean texts are flagged as hate. No model trains on it."""

from collections.abc import Iterator, Sequence

import numpy as np
from rich.table import Table

from benchmarks.judging.bench import Bench
from benchmarks.judging.cases import TextCase, hatecheck
from benchmarks.judging.heldout import best_threshold, known, shown
from benchmarks.judging.systems import System
from pipeline.judge.model_outputs import Numbers
from pipeline.learning.model_comparison import auroc

OUTPUT = "hate"


def tables(bench: Bench) -> Iterator[Table]:
    for language, cases in bench.languages(hatecheck(bench.data)):
        table = Table("functionality", "hateful", "texts", title=f"HateCheck {language}: accuracy by `{OUTPUT}`")
        columns = []
        for system in bench.of(language):
            table.add_column(system.name, justify="right")
            columns.append(_column(bench, system, language, cases))
        for row in zip(_heads(cases), *columns, strict=True):
            table.add_row(*row[0], *row[1:])
        yield table


def _heads(cases: Sequence[TextCase]) -> list[tuple[str, str, str]]:
    truth = _truth(cases)
    parts = [(kind, "yes" if truth[at[0]] else "no", str(len(at))) for kind, at in _kinds(cases)]
    return [("AUROC", "", str(len(cases))), ("accuracy", "", str(len(cases))), *parts]


def _column(bench: Bench, system: System, language: str, cases: Sequence[TextCase]) -> list[str]:
    """AUROC, then accuracy at the threshold with the best macro-F1 on the validation side: for all cases and for each
    functionality.
    """
    scores, truth = bench.scores(system, cases)[OUTPUT], _truth(cases)
    tuning = [case for case in dict(bench.languages(bench.sides.validation))[language] if OUTPUT in case.labels]
    right = (scores >= best_threshold(*known(OUTPUT, tuning, bench.scores(system, tuning)))) == truth
    return [shown(auroc(truth, scores)), shown(right.mean()), *(shown(right[at].mean()) for _, at in _kinds(cases))]


def _kinds(cases: Sequence[TextCase]) -> list[tuple[str, list[int]]]:
    kinds = sorted({case.kind for case in cases})
    return [(kind, [at for at, case in enumerate(cases) if case.kind == kind]) for kind in kinds]


def _truth(cases: Sequence[TextCase]) -> Numbers:
    return np.array([case.labels[OUTPUT] for case in cases])
