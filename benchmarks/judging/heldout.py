"""Held-out rows: how well each output ranks them, by label and language, and by set, with 95% intervals."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from benchmarks.judging.bench import Bench
from benchmarks.judging.cases import TextCase
from benchmarks.judging.systems import Scores
from pipeline.judge.model_outputs import Numbers
from pipeline.learning.model_comparison import Figure, auroc, average_precision, interval, recall_at
from pipeline.learning.training_rows import OUTPUTS

BY_SET = (
    ("cold", "risk"),
    ("davidson", "abuse"),
    ("jigsaw", "risk"),
    ("sms_spam", "risk"),
    ("hatexplain", "hate"),
    ("edos", "hate"),
    ("cssrs_reddit", "self_harm"),
    ("teleantifraud", "fraud"),
)
Scored = Mapping[str, tuple[Scores, Scores]]
"""For each system, the scores of the test side and of the validation side."""
FEWEST = 10
"""With fewer risky or clean texts no figure is shown."""


def tables(bench: Bench) -> Iterator[Table]:
    for language, cases in bench.languages(bench.sides.test):
        tuning = dict(bench.languages(bench.sides.validation))[language]
        scored = {
            system.name: (bench.scores(system, cases), bench.scores(system, tuning)) for system in bench.of(language)
        }
        yield _by_label(f"Held out, {language}: by label", cases, tuning, scored)
        yield _by_set(f"Held out, {language}: by set", cases, scored)


def _by_label(title: str, cases: Sequence[TextCase], tuning: Sequence[TextCase], scored: Scored) -> Table:
    table = _table(title, "macro-F1")
    for output in OUTPUTS:
        for name, (scores, tuned) in scored.items():
            if cells := _cells(*known(output, cases, scores)):
                table.add_row(output, name, *cells, _f1(output, cases, scores, tuning, tuned))
    return table


def _by_set(title: str, cases: Sequence[TextCase], scored: Scored) -> Table:
    table = _table(title)
    for kind, output in BY_SET:
        for name, (scores, _) in scored.items():
            if cells := _cells(*known(output, cases, scores, kind)):
                table.add_row(f"{kind} ({output})", name, *cells)
    return table


def known(output: str, cases: Sequence[TextCase], scores: Scores, name: str | None = None) -> tuple[Numbers, Numbers]:
    """Truth and scores of the cases (of set `name`) that are annotated for `output`."""
    places = [at for at, case in enumerate(cases) if output in case.labels and name in {None, case.kind}]
    return np.array([cases[at].labels[output] for at in places]), scores[output][places]


def enough(truth: Numbers) -> bool:
    return bool(min((truth == 1).sum(), (truth == 0).sum()) >= FEWEST)


def shown(value: float) -> str:
    return f"{value:.3f}"


def with_interval(figure: Figure, truth: Numbers, found: Numbers) -> str:
    """A figure and its 95% interval."""
    low, high = interval(figure, truth, found)
    return f"{shown(figure(truth, found))} ({shown(low)}–{shown(high)})"


def _cells(truth: Numbers, found: Numbers) -> list[str]:
    """Empty cells if there are too few risky or clean texts."""
    if not enough(truth):
        return []
    counts = [str(int((truth == value).sum())) for value in (1, 0)]
    return [*counts, *(with_interval(figure, truth, found) for figure in (auroc, average_precision, recall_at_1))]


def recall_at_1(truth: Numbers, found: Numbers) -> float:
    return recall_at(truth, found, 0.01)


def _f1(output: str, cases: Sequence[TextCase], scores: Scores, tuning: Sequence[TextCase], tuned: Scores) -> str:
    """F1 at the threshold that is best on the validation side."""
    truth, found = known(output, cases, scores)
    before, tried = known(output, tuning, tuned)
    return shown(macro_f1(truth, found >= best_threshold(before, tried))) if enough(truth) and enough(before) else "–"


def _table(title: str, *more: str) -> Table:
    table = Table("output", "system", title=title)
    for column in ("risky", "clean", "AUROC", "AP", "R@1%", *more):
        table.add_column(column, justify="right")
    return table


def macro_f1(truth: Numbers, found: NDArray[np.bool_]) -> float:
    """The mean of both classes' F1. `found` says which texts are predicted risky."""
    sides = ((truth == 1, found), (truth == 0, ~found))
    return float(np.mean([2 * (true & taken).sum() / max(true.sum() + taken.sum(), 1) for true, taken in sides]))


def best_threshold(truth: Numbers, scores: Numbers) -> float:
    """The score with the highest macro-F1, if all texts with this score or more are predicted risky."""
    return float(max(np.unique(scores)[::-1], key=lambda score: macro_f1(truth, scores >= score)))
