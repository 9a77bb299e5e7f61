"""Measure what the recogniser's other readings give to the judge, on spoken lines as they were heard.

    python -m benchmarks.readings --heard PATH [--model FOLDER]

PATH is a TSV file, or a folder of them, as training/speech/validation.py writes it. The judge scores each line as text,
then with the recogniser's text alone, with two readings, and so on. For each number of readings the table gives the
AUROC of `risk`, the recall where 1% and 5% of the harmless lines score as high, and the shares of risky and harmless
lines that the default policy flags. The interval is that of the recall at 5% less that of one reading (95%, bootstrap
over lines, fixed seed).
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.judging.cases import CasePair, TextCase, transcribed
from benchmarks.judging.measures import Numbers
from benchmarks.judging.systems import Remembering, WholeJudge
from pipeline.base.metrics import Metrics
from pipeline.contract.messages import MAX_ALTERNATIVES
from pipeline.judge.classifier import load_classifier
from pipeline.judge.judge_stage import Judge, read_config
from pipeline.learning.model_comparison import auroc, recall_at
from pipeline.learning.training_rows import RISK
from pipeline.settings import JudgeSettings

DRAWS = 2_000
SEED = 4
RATES = (0.01, 0.05)


def views(pairs: Sequence[CasePair]) -> Mapping[str, list[TextCase]]:
    """The same lines as text, and with one reading, two, and so on."""
    heard = {
        f"{1 + others} heard": [replace(p.transcribed, alternatives=p.transcribed.alternatives[:others]) for p in pairs]
        for others in range(MAX_ALTERNATIVES + 1)
    }
    return {"text": [pair.read for pair in pairs]} | heard


def table(language: str, pairs: Sequence[CasePair], judge: WholeJudge) -> Table:
    truth = np.array([pair.read.labels[RISK] for pair in pairs])
    made = Table("read", "AUROC", "R@1%", "R@5%", "more R@5%", "flagged risky %", "harmless %")
    made.title = f"{language}: {int(truth.sum())} risky lines, {int((truth == 0).sum())} harmless"
    seen = views(pairs)
    first = judge.scores(seen["1 heard"])[RISK]
    for name, cases in seen.items():
        scores, flagged = judge.scores(cases)[RISK], 100 * judge.flags(cases)
        low, high = interval(truth, first, scores)
        made.add_row(
            name,
            f"{auroc(truth, scores):.3f}",
            *(f"{recall_at(truth, scores, rate):.2f}" for rate in RATES),
            f"{low:+.2f} to {high:+.2f}",
            *(f"{flagged[truth == side].mean():.1f}" for side in (1, 0)),
        )
    return made


def interval(truth: Numbers, before: Numbers, after: Numbers) -> tuple[float, float]:
    """95% interval of the gain in recall at 5%."""
    random = np.random.default_rng(SEED)
    picks = random.integers(0, len(truth), (DRAWS, len(truth)))
    gains = [recall_at(truth[p], after[p], 0.05) - recall_at(truth[p], before[p], 0.05) for p in picks]
    low, high = np.nanpercentile(gains, (2.5, 97.5))
    return float(low), float(high)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--heard", type=Path, required=True)
    parser.add_argument("--model", help="folder or hub id of another classifier; unset: the shipped one")
    options = parser.parse_args()
    settings = JudgeSettings(model=options.model)
    judge = WholeJudge(Judge(read_config(settings), Remembering(load_classifier(settings)), Metrics()))
    pairs = [*transcribed(options.heard)]
    for language in sorted({pair.read.language for pair in pairs}):
        Console(width=120).print(table(language, [p for p in pairs if p.read.language == language], judge))


if __name__ == "__main__":
    main()
