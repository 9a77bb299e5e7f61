"""Measure how well the judge finds risky conversations, whose risk lies in several utterances.

    python -m benchmarks.conversations [--data DIR [--validation]] [--model FOLDER] [--policy NAME] [--limit N]
                                       [--least RISK]

The judge reads each conversation twice in one run: each utterance alone, and with the speech before it. The project's
authors wrote the conversations of `conversations.yaml`; training never reads them. `DIR` holds public sets, one folder
each. With it, there are also the test sides of DiaSafety and TeleAntiFraud, and ordinary talk (Switchboard, KdConv).
`--validation` reads the validation sides instead, and our own training lines of that side, cut in two. Use it to choose
`LEAST` of pipeline/judge/detection.py: `--least` tries another one.

A risky conversation is found if an utterance of a speaker who breaks a rule is flagged. A flag of another speaker in it
blames the wrong person. In DiaSafety only the reply counts. Intervals hold 95% of 2,000 bootstrap samples of the
conversations.
"""

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from benchmarks import report
from benchmarks.judging.conversations import Dialogue, cut, ordinary, ours, public
from pipeline.base.errors import VoxwardenError
from pipeline.base.metrics import Metrics
from pipeline.contract.messages import Flag
from pipeline.judge import detection
from pipeline.judge.classifier import Classifier, load_classifier
from pipeline.judge.judge_stage import Judge, JudgeConfig, read_config
from pipeline.learning.model_comparison import auroc, recall_at
from pipeline.settings import JudgeSettings

Numbers = NDArray[np.float64]
Measure = Callable[["Outcome"], float]

BATCH = 32
SAMPLES = 2_000
MOST_TURNS = 2_000
"""Of ordinary talk in each language."""


class Alone:
    """A classifier that reads no context."""

    context = False

    def __init__(self, classifier: Classifier) -> None:
        self.name, self.labels = classifier.name, classifier.labels
        self.classify = classifier.classify


@dataclass(frozen=True, slots=True)
class Outcome:
    """One entry for each conversation."""

    risky: NDArray[np.bool_]
    found: NDArray[np.bool_]
    """Whether a speaker was flagged who breaks a rule, or, in a harmless one, anybody."""
    blamed: NDArray[np.bool_]
    """Whether somebody else was flagged."""
    risk: Numbers
    """The highest risk of an utterance."""

    def part(self, places: NDArray[np.int64]) -> "Outcome":
        return Outcome(self.risky[places], self.found[places], self.blamed[places], self.risk[places])


MEASURES: Mapping[str, Measure] = {
    "risky ones found": lambda o: _share(o.found[o.risky]),
    "harmless ones flagged": lambda o: _share(o.found[~o.risky]),
    "wrong person flagged": lambda o: _share(o.blamed[o.risky]),
    "AUROC of the highest risk": lambda o: auroc(o.risky.astype(float), o.risk),
    "found if 10% of harmless ones are": lambda o: recall_at(o.risky.astype(float), o.risk, 0.1),
}


class Readers:
    """The same judge, once without context and once with it."""

    def __init__(self, config: JudgeConfig, classifier: Classifier) -> None:
        self._config = config
        self._classifiers: Sequence[Classifier] = (Alone(classifier), classifier)

    def outcomes(self, found: Sequence[Dialogue]) -> tuple[Outcome, Outcome]:
        alone, both = (_outcome(found, self._judged(each, found)) for each in self._classifiers)
        return alone, both

    def flags(self, found: Sequence[Dialogue]) -> tuple[list[Flag], list[Flag], float]:
        """The flags without and with context, and the share of utterances that were read in context."""
        metrics = Metrics()
        alone, both = (self._judged(each, found, metrics) for each in self._classifiers)
        value = metrics.registry.get_sample_value
        read = [value("voxwarden_context_total", {"result": result}) or 0.0 for result in ("same", "raised")]
        return alone, both, sum(read) / len(both)

    def _judged(self, classifier: Classifier, found: Iterable[Dialogue], metrics: Metrics | None = None) -> list[Flag]:
        """A flag for each utterance, in order, by a judge that has heard nothing before."""
        judge = Judge(self._config, classifier, metrics or Metrics())
        turns = [turn for each in found for turn in each.turns]
        batches = (turns[at : at + BATCH] for at in range(0, len(turns), BATCH))
        return [flag for batch in batches for flag in judge.process(batch) if isinstance(flag, Flag)]


def main() -> None:
    options = arguments()
    try:
        chosen = JudgeSettings(model=options.model, policy=options.policy)
        readers = Readers(read_config(chosen), classifier := load_classifier(chosen))
        detection.LEAST_RISK = options.least
        reads = f"{classifier.name} reads {'context' if classifier.context else 'no context'}"
        report.show(reads, *tables(readers, options.data, options.limit, validation=options.validation))
    except VoxwardenError as error:
        report.notes.print(f"[red]{error}[/]")
        raise SystemExit(2) from error


def tables(
    readers: Readers, data: Path | None, limit: int | None = None, *, validation: bool = False
) -> Iterable[Table]:
    """One table for each source and language, and ordinary talk, if there are sets."""
    if data and validation:
        found = [*cut(data), *public(data, "validation")]
    else:
        found = [*ours(), *(public(data, "test") if data else ())]
    for (source, language), group in groupby(found, key=lambda each: (each.source, each.language)):
        dialogues = _some([*group], limit)
        yield compared(f"{source}, {language}: {len(dialogues)} conversations", *readers.outcomes(dialogues))
    talk = [*_first(ordinary(data))] if data else []
    if talk:
        yield _talk(readers, talk)


def compared(title: str, alone: Outcome, both: Outcome) -> Table:
    """Each measure without context, with it, and the difference, with intervals over the same samples."""
    table = Table("", "alone", "in context", "difference", title=title)
    random = np.random.default_rng(1)
    size = len(alone.risky)
    drawn = [random.integers(size, size=size) for _ in range(SAMPLES)]
    for name, measure in MEASURES.items():
        sampled = np.array([[measure(each.part(places)) for each in (alone, both)] for places in drawn])
        one, other = measure(alone), measure(both)
        cells = zip((one, other, other - one), (*sampled.T, sampled[:, 1] - sampled[:, 0]), strict=True)
        table.add_row(name, *(_cell(value, samples) for value, samples in cells))
    return table


def _talk(readers: Readers, talk: Sequence[Dialogue]) -> Table:
    table = Table("language", "utterances", "read in context", "flagged alone", "in context", title="Ordinary talk")
    for language, group in groupby(talk, key=lambda each: each.language):
        alone, both, read = readers.flags([*group])
        shares = (f"{sum(flag.suggestion != 'pass' for flag in flags) / len(flags):.2%}" for flags in (alone, both))
        table.add_row(language, str(len(both)), f"{read:.1%}", *shares)
    return table


def _some(dialogues: Sequence[Dialogue], limit: int | None) -> Sequence[Dialogue]:
    """At most `limit` of them, from all parts of the list."""
    return dialogues[:: -(-len(dialogues) // limit)] if limit else dialogues


def _first(dialogues: Iterable[Dialogue]) -> Iterable[Dialogue]:
    """The first ones of each language."""
    for _, group in groupby(dialogues, key=lambda each: each.language):
        turns = 0
        for each in group:
            if turns < MOST_TURNS:
                yield each
            turns += len(each.turns)


def _outcome(found: Sequence[Dialogue], flags: Sequence[Flag]) -> Outcome:
    rest = iter(flags)
    judged = [[flag for _ in each.turns if (flag := next(rest)).speaker in each.rated] for each in found]
    flagged = [{flag.speaker for flag in each if flag.suggestion != "pass"} for each in judged]
    return Outcome(
        np.array([each.risky for each in found]),
        np.array([bool(who & each.breaking if each.risky else who) for each, who in zip(found, flagged, strict=True)]),
        np.array([bool(who - each.breaking) for each, who in zip(found, flagged, strict=True)]),
        np.array([max(flag.risk for flag in each) for each in judged]),
    )


def _share(found: NDArray[np.bool_]) -> float:
    return float(found.mean()) if found.size else float("nan")


def _cell(value: float, samples: Numbers) -> str:
    known = samples[~np.isnan(samples)]
    if not known.size:
        return "–"
    low, high = np.quantile(known, (0.025, 0.975))
    return f"{value:.3f} ({low:.3f} to {high:.3f})"


def arguments() -> argparse.Namespace:
    parser = report.parser(__doc__)
    parser.add_argument("--data", type=Path, help="folder with one folder for each public set")
    parser.add_argument("--model", help="folder of another classifier; unset: the shipped one")
    parser.add_argument("--policy", default="default", help="a policy by name or path")
    parser.add_argument("--limit", type=int, help="maximum number of conversations in each table")
    parser.add_argument("--validation", action="store_true", help="read the validation sides; needs --data")
    parser.add_argument("--least", type=float, default=detection.LEAST_RISK, help="lowest risk that is read in context")
    options = parser.parse_args()
    if options.validation and not options.data:
        parser.error("--validation needs --data")
    return options


if __name__ == "__main__":
    main()
