"""The same sentences as text and as a recogniser heard them, with and without its other readings."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from rich.table import Table

from benchmarks.judging.bench import Bench
from benchmarks.judging.cases import transcribed
from benchmarks.judging.heldout import enough, known, shown, with_interval
from pipeline.judge.model_outputs import Numbers
from pipeline.learning.model_comparison import Figure, auroc, recall_at
from pipeline.learning.training_rows import OUTPUTS, RISK

RATES = (0.01, 0.05)


def tables(bench: Bench) -> Iterator[Table]:
    """One table for each language. False-positive rates are shares of the clean sentences, for each view separately."""
    if bench.transcribed is None:
        return
    pairs = [*transcribed(bench.transcribed)]
    for language in sorted({pair.read.language for pair in pairs}):
        drawn = bench.drawn([pair for pair in pairs if pair.read.language == language])
        table = Table(
            "output",
            "system",
            "risky",
            "clean",
            title=f"As text → as heard (95% interval), its best reading alone, {language}",
        )
        for column in ("AUROC", *(f"R@{rate:.0%}" for rate in RATES)):
            table.add_column(column, justify="right")
        for system in bench.of(language):
            views = [
                [pair.read for pair in drawn],
                [pair.transcribed for pair in drawn],
                [replace(pair.transcribed, alternatives=()) for pair in drawn],
            ]
            scores = [bench.scores(system, view) for view in views]
            for output in OUTPUTS if system.name == "judge" else (RISK,):
                parts = [known(output, view, score) for view, score in zip(views, scores, strict=True)]
                if enough(parts[0][0]):
                    table.add_row(output, system.name, *_counts(parts[0][0]), *_figures(*parts))
        yield table


def _counts(truth: Numbers) -> list[str]:
    return [str(int((truth == value).sum())) for value in (1, 0)]


def _figures(*parts: tuple[Numbers, Numbers]) -> Iterator[str]:
    yield _row(parts, auroc)
    for rate in RATES:
        yield _row(parts, partial(recall_at, rate=rate))


def _row(parts: Sequence[tuple[Numbers, Numbers]], figure: Figure) -> str:
    typed, best, alone = parts
    return f"{shown(figure(*typed))} → {with_interval(figure, *best)}, {shown(figure(*alone))}"
