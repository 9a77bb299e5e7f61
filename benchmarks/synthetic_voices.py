"""Measure how surely a model tells synthetic and converted voices from those of people, and what it costs.

    OPENBLAS_NUM_THREADS=1 python -m benchmarks.synthetic_voices --model FILE --data DIR [--sources]

`FILE` is a model that `python -m training.voices` made. `DIR` has recordings in `speech/SOURCE/` (of people) and
`synthetic/SOURCE/`, of people and synthesisers that the model was not trained on: docs/synthetic-voices.md tells how to
make it. The recordings of a source are put one after the other, before and after Opus at 24 kbit/s.

The score of a span is the mean over 5 s of speech. The 95% interval of the equal error rate is that of a bootstrap that
draws whole sources, because the spans of one voice are alike. *Found* is the share of the synthetic spans above a limit
that 1% of the people's spans reach. The cost is the time of one core (process time) for a second of audio.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.sound import sent
from pipeline.contract.messages import SAMPLE_RATE
from pipeline.sound.sound_windows import HOP
from pipeline.speech.audio.resample import Samples
from training.sound.sources import Kind, Recording, recordings
from training.voices.errors import equal_error
from training.voices.measure import VoiceMeasure, VoiceModel

SEED = 41
PAUSE = SAMPLE_RATE // 2
"""Samples between two recordings of a source."""
SPAN = 10
"""Half seconds with speech that make a span."""
FALSE = 0.01
"""Share of the people's spans above the limit."""
PROGRESS = Console(stderr=True)

ALL = "all"
FORMS: Mapping[str, Callable[[Samples], Samples]] = {
    "clean": lambda samples: samples,
    "after Opus at 24 kbit/s": sent,
}
FAMILIES: Mapping[str, str] = {
    "kokoro": "Kokoro, other voices",
    "festival": "Festival",
    "demo": "neural voices of demos",
    "world": "WORLD",
    "codec2": "Codec 2",
    "sox": "SoX, pitch",
}
"""Names of the groups of synthesisers, by the first part of the name of a source."""


class Voice(NamedTuple):
    """A source in one form, clean or coded."""

    kind: Kind
    source: str
    scores: Sequence[float]
    """Those of its spans."""

    @property
    def family(self) -> str:
        first = self.source.split("-")[0]
        return FAMILIES.get(first, first)


def whole(of_source: Sequence[Recording]) -> Samples:
    """The recordings, one after the other."""
    return np.concatenate([part for each in of_source for part in (each.samples, np.zeros(PAUSE, np.float32))])


def spans(model: VoiceModel, samples: Samples) -> list[float]:
    """The score of each span of a stream."""
    measure = VoiceMeasure(model)
    hops = samples[: samples.size // HOP * HOP].reshape(-1, HOP)
    logits = [logit for hop in hops if (logit := measure.push(hop)) is not None]
    return [float(np.mean(logits[at : at + SPAN])) for at in range(0, len(logits) - SPAN + 1, SPAN)]


def pooled(voices: Sequence[Voice]) -> list[float]:
    return [score for each in voices for score in each.scores]


def interval(people: Sequence[Voice], synthetic: Sequence[Voice], folds: int) -> tuple[float, float]:
    """The 95% interval of the equal error rate: a bootstrap of sources."""
    random = np.random.default_rng(SEED)

    def again(voices: Sequence[Voice]) -> list[float]:
        return pooled([voices[at] for at in random.integers(len(voices), size=len(voices))])

    low, high = np.quantile([equal_error(again(people), again(synthetic)) for _ in range(folds)], [0.025, 0.975])
    return float(low), float(high)


def groups(synthetic: Sequence[Voice]) -> Iterator[tuple[str, list[Voice]]]:
    """All synthetic voices, and then those of each family."""
    yield ALL, [*synthetic]
    for family in sorted({each.family for each in synthetic}):
        yield family, [each for each in synthetic if each.family == family]


def show_errors(title: str, voices: Sequence[Voice], folds: int) -> None:
    people = [each for each in voices if each.kind == "speech" and each.scores]
    limit = np.quantile(pooled(people), 1 - FALSE)
    about = f"{title}; people: {len(people)} sources, {len(pooled(people))} spans"
    table = Table("voices", "sources", "spans", "equal error rate", "95%", "found", title=about)
    for name, found in groups([each for each in voices if each.kind == "synthetic" and each.scores]):
        scores = pooled(found)
        low, high = interval(people, found, folds)
        rate = f"{100 * equal_error(pooled(people), scores):.0f}%"
        share = f"{100 * np.mean(np.array(scores) > limit):.0f}%"
        row = str(len(found)), str(len(scores)), rate, f"{100 * low:.0f}–{100 * high:.0f}", share
        table.add_row(name, *row, end_section=name == ALL)
    Console().print(table)


def show_sources(title: str, voices: Sequence[Voice]) -> None:
    table = Table("kind", "source", "spans", "lowest", "median", "highest", title=title)
    for each in voices:
        if each.scores:
            low, middle, high = np.quantile(each.scores, [0, 0.5, 1])
            figures = f"{low:.2f}", f"{middle:.2f}", f"{high:.2f}"
            table.add_row(each.kind, each.source, str(len(each.scores)), *figures)
    Console().print(table)


def show_cost(model: VoiceModel, sound: Samples) -> None:
    spans(model, sound[: 5 * SAMPLE_RATE])
    began = time.process_time()
    spans(model, sound)
    spent = time.process_time() - began
    Console().print(f"{1_000 * spent * SAMPLE_RATE / sound.size:.2f} core-ms for a second of speech")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="the model's file")
    parser.add_argument("--data", type=Path, required=True, help="folder of recordings by kind and source")
    parser.add_argument("--folds", type=int, default=1_000, help="draws of the bootstrap")
    parser.add_argument("--sources", action="store_true", help="show each source, too")
    options = parser.parse_args()
    model = VoiceModel(options.model)
    grouped = groupby(recordings(options.data), key=lambda each: (each.kind, each.source))
    found = [(kind, source, whole([*of_source])) for (kind, source), of_source in grouped]
    for form, change in FORMS.items():
        voices = [
            Voice(kind, source, spans(model, change(samples)))
            for kind, source, samples in track(found, form, console=PROGRESS)
        ]
        show_errors(form, voices, options.folds)
        if options.sources:
            show_sources(form, voices)
    show_cost(model, np.concatenate([samples[: 30 * SAMPLE_RATE] for kind, _, samples in found if kind == "speech"]))


if __name__ == "__main__":
    main()
