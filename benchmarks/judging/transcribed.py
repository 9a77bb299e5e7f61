"""The same sentences as text and as a recogniser heard them, with and without its other readings."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from rich.table import Table

from benchmarks.judging.bench import Bench
from benchmarks.judging.cases import CasePair, transcribed
from benchmarks.judging.heldout import enough, known, shown, with_interval
from benchmarks.judging.systems import WholeJudge
from pipeline.contract.messages import Flag
from pipeline.judge.model_outputs import Numbers
from pipeline.learning.model_comparison import Figure, auroc, recall_at
from pipeline.learning.training_rows import LABELS, OUTPUTS, RISK
from pipeline.review.quality.statistics import wilson

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
        judges = (system for system in bench.of(language) if isinstance(system, WholeJudge))
        yield from (_decisions(judge, f"{bench.policy}, {language}", drawn) for judge in judges)


def _decisions(judge: WholeJudge, name: str, pairs: Sequence[CasePair]) -> Table:
    """What the policy does by label, as text and as heard: the lines that it flags, and the labels that it shows."""
    views = ("as text", "as heard")
    table = Table("label", "lines", title=f"Decisions of the policy {name} (95% interval)")
    for column in (f"{part}, {view}" for view in views for part in ("flagged", "blocked", "shown and right")):
        table.add_column(column, justify="right")
    flags = [judge.decided([pair.read for pair in pairs]), judge.decided([pair.transcribed for pair in pairs])]
    for label, places in _by_label(pairs).items():
        cells = [cell for view in flags for cell in _cells(label, places, pairs, view)]
        table.add_row(label, str(len(places)), *cells)
    return table


def _cells(label: str, places: Sequence[int], pairs: Sequence[CasePair], view: Sequence[Flag]) -> Iterator[str]:
    """The shares of the lines at `places` that are flagged and blocked, and of the shown labels that are right."""
    yield _share([view[at].suggestion != "pass" for at in places])
    yield _share([view[at].suggestion == "block" for at in places])
    yield _share(_right(label, pairs, view))


def _by_label(pairs: Sequence[CasePair]) -> dict[str, list[int]]:
    """The places of the risky lines, of the clean ones, and of those with each label."""
    rows = [(at, pair.read.labels) for at, pair in enumerate(pairs)]
    found = {"risky": [at for at, labels in rows if labels[RISK]], "clean": [at for at, each in rows if not each[RISK]]}
    return found | {label: places for label in LABELS if (places := [at for at, labels in rows if labels.get(label)])}


def _right(name: str, pairs: Sequence[CasePair], flags: Sequence[Flag]) -> list[bool]:
    """For each time that a flagged risky line shows the label, or any label, whether the line has it."""
    return [
        bool(pair.read.labels.get(label))
        for pair, flag in zip(pairs, flags, strict=True)
        for label in flag.flagged
        if pair.read.labels[RISK] and name in {label, "risky"}
    ]


def _share(hits: Sequence[bool]) -> str:
    if not hits:
        return "–"
    low, high = wilson(sum(hits) / len(hits), len(hits))
    return f"{sum(hits) / len(hits):.0%} ({low:.0%}–{high:.0%})"


def _counts(truth: Numbers) -> list[str]:
    return [str(int((truth == value).sum())) for value in (1, 0)]


def _figures(*parts: tuple[Numbers, Numbers]) -> Iterator[str]:
    yield _row(parts, auroc)
    for rate in RATES:
        yield _row(parts, partial(recall_at, rate=rate))


def _row(parts: Sequence[tuple[Numbers, Numbers]], figure: Figure) -> str:
    typed, best, alone = parts
    return f"{shown(figure(*typed))} → {with_interval(figure, *best)}, {shown(figure(*alone))}"
