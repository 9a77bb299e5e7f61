"""Utterances per second of the whole judge, beside a float32 `transformers` pipeline with a model of that shape."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from rich.table import Table
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer, pipeline

from benchmarks.judging.bench import Bench
from benchmarks.judging.cases import TextCase, spoken
from benchmarks.judging.systems import transcript
from pipeline.base.metrics import Metrics
from pipeline.judge import judge_stage
from pipeline.judge.classifier import SHIPPED
from pipeline.settings import JudgeSettings, Settings

BATCH = 32
ROUNDS = 3
"""The fastest round counts, because other load only slows a round down."""


def tables(bench: Bench) -> Iterator[Table]:
    """Both on the same sentences, in turn, with all cores that they may use."""
    cases = [case for _, found in bench.languages(spoken()) for case in found]
    runs = {
        "the whole judge": _judge(bench.model),
        "transformers pipeline, float32": _plain(Path(bench.model or SHIPPED)),
    }
    best = dict.fromkeys(runs, 0.0)
    for _ in range(ROUNDS):
        for name, run in runs.items():
            best[name] = max(best[name], _rate(run, cases))
    table = Table(
        "what", title=f"Throughput, {len(cases)} utterances in batches of {BATCH}, {torch.get_num_threads()} cores"
    )
    for column in ("utterances/s", "against plain"):
        table.add_column(column, justify="right")
    plain = best["transformers pipeline, float32"]
    for name, rate in best.items():
        table.add_row(name, f"{rate:.0f}", f"{rate / plain:.1f}×")
    yield table


def _rate(run: Callable[[Sequence[TextCase]], object], cases: Sequence[TextCase]) -> float:
    start = time.perf_counter()
    for first in range(0, len(cases), BATCH):
        run(cases[first : first + BATCH])
    return len(cases) / (time.perf_counter() - start)


def _judge(model: str | None) -> Callable[[Sequence[TextCase]], object]:
    built = judge_stage.build(Settings(judge=JudgeSettings(model=model)), Metrics())
    return lambda cases: built.process([*map(transcript, cases)])


def _plain(folder: Path) -> Callable[[Sequence[TextCase]], object]:
    """The weights are random, since they do not affect the time and the shipped folder has none for PyTorch."""
    model = AutoModelForSequenceClassification.from_config(AutoConfig.from_pretrained(folder)).float().eval()
    classify = pipeline("text-classification", model, tokenizer=AutoTokenizer.from_pretrained(folder), top_k=None)
    return lambda cases: classify([case.text for case in cases], batch_size=BATCH)
