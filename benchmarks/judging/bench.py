"""One run of the benchmark: systems, data, and how texts go through the systems."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from random import Random
from typing import TypeVar

import numpy as np
from rich.progress import track

from benchmarks.judging.cases import Sides, TextCase, held_out
from benchmarks.judging.systems import Found, Scores, System, systems
from benchmarks.report import notes
from pipeline.learning.training_rows import OUTPUTS, RISK
from training.classifier.sets import TALK

T = TypeVar("T")

CHUNK = 512
"""Cases between two steps of the progress bar."""

ORDINARY = 1_000
"""Texts of a language that set the threshold of a system without its own."""


@dataclass(frozen=True)
class Bench:
    data: Path
    model: str | None = None
    policy: str = "default"
    transcribed: Path | None = None
    sample: int | None = None
    """Maximum number of cases of a language in each table, drawn with a fixed seed; None: all."""

    @cached_property
    def sides(self) -> Sides:
        notes.print("reading the sets ...")
        return held_out(self.data)

    @cached_property
    def systems(self) -> list[System]:
        return systems(self.model, self.policy, self._ordinary())

    def of(self, language: str) -> list[System]:
        """The systems that support `language`."""
        return [system for system in self.systems if language in system.languages]

    def languages(self, cases: Iterable[TextCase]) -> Iterator[tuple[str, list[TextCase]]]:
        """Each language with its cases."""
        cases = [*cases]
        for language in sorted({case.language for case in cases}):
            yield language, self.drawn([case for case in cases if case.language == language])

    def drawn(self, items: list[T]) -> list[T]:
        return items if self.sample is None or len(items) <= self.sample else Random(1).sample(items, self.sample)

    def scores(self, system: System, cases: Sequence[TextCase]) -> Scores:
        parts = [system.scores(chunk) for chunk in _chunks(system, cases)]
        return {output: np.concatenate([part[output] for part in parts]) for output in OUTPUTS}

    def flags(self, system: System, cases: Sequence[TextCase]) -> Found:
        return np.concatenate([system.flags(chunk) for chunk in _chunks(system, cases)])

    def _ordinary(self) -> list[TextCase]:
        clean = [case for case in self.sides.validation if case.kind in TALK and case.labels.get(RISK) == 0]
        return [case for _, cases in self.languages(clean) for case in cases[:ORDINARY]]


def _chunks(system: System, cases: Sequence[TextCase]) -> Iterable[Sequence[TextCase]]:
    chunks = [cases[start : start + CHUNK] for start in range(0, len(cases), CHUNK)]
    return track(chunks, system.name, console=notes, transient=True, disable=not notes.is_terminal)
