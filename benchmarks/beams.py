"""Measure what a wider search costs: speed, error rate and number of readings by the width of the beam.

    python -m benchmarks.beams --clips DIR [--language en] [--beams 3 5] [--limit N] [--repeat 3]

benchmarks/clips.py describes `DIR`. All widths transcribe the same batch in turn, in changing order, so that other load
affects all alike. `Ratio` is the speed divided by that of the first width, with the lowest and highest of the turns. A
reading counts if its words differ from those of the other readings.
"""

import argparse
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.clips import Reference, errors, references
from pipeline.asr.recordings import utterance_of
from pipeline.asr.transcribe import Transcribe
from pipeline.asr.transcriber import load
from pipeline.audio.decode import samples_of
from pipeline.messages import Transcript, Utterance
from pipeline.metrics import Metrics
from pipeline.settings import Asr
from pipeline.topology import TRANSCRIBE
from training.speech.words import normalisers


@dataclass
class Width:
    """One width of the beam, and its results."""

    stage: Transcribe
    took: list[float] = field(default_factory=list)
    """Seconds of each turn."""
    found: list[Transcript] = field(default_factory=list)
    """The transcripts of the last turn."""

    def hear(self, batch: Sequence[Utterance]) -> None:
        began = time.perf_counter()
        results = self.stage.process(batch)
        self.took[-1] += time.perf_counter() - began
        self.found += [each for each in results if isinstance(each, Transcript)]


def width(language: str, beam: int) -> Width:
    asr = Asr(language=language, beams={language: beam})
    return Width(Transcribe(load(asr), asr, Metrics()))


def measure(widths: Sequence[Width], refs: Sequence[Reference], folder: Path, repeat: int) -> None:
    rooms = count()
    said = [utterance_of(f"room-{next(rooms)}", samples_of(folder / ref.file)) for ref in refs]
    size = TRANSCRIBE.batch
    for _ in range(repeat):
        for each in widths:
            each.took.append(0.0)
            each.found.clear()
        for turn, at in enumerate(range(0, len(said), size)):
            for each in widths if turn % 2 == 0 else widths[::-1]:
                each.hear(said[at : at + size])


def readings(found: Sequence[Transcript], language: str) -> float:
    """Different readings of an utterance, on average."""
    words = normalisers()[language]
    return statistics.mean(len({words(t) for t in (one.text, *(a.text for a in one.alternatives))}) for one in found)


def table(beams: Sequence[int], widths: Sequence[Width], refs: Sequence[Reference], language: str) -> Table:
    seconds = sum(ref.seconds for ref in refs)
    made = Table("beam", "speech s/s", "ratio", "least–most", "errors %", "readings")
    made.title = f"{language}: {len(refs)} clips, {seconds:.0f} s"
    for beam, each in zip(beams, widths, strict=True):
        ratios = [first / own for first, own in zip(widths[0].took, each.took, strict=True)]
        texts = [one.text for one in each.found]
        made.add_row(
            str(beam),
            f"{seconds / statistics.median(each.took):.1f}",
            f"{statistics.median(ratios):.2f}",
            f"{min(ratios):.2f}–{max(ratios):.2f}",
            "\n".join(f"{group} {rate:.2f}" for group, rate, _ in errors(refs, texts)),
            f"{readings(each.found, language):.2f}",
        )
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--language", default="en")
    parser.add_argument("--beams", type=int, nargs="+", default=[3, 5])
    parser.add_argument("--limit", type=int, help="number of clips, spread over the folder (default: all)")
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    refs = [ref for ref in references(options.clips) if ref.language == options.language and ref.seconds <= 30]
    refs = refs[:: max(1, len(refs) // options.limit)] if options.limit else refs
    widths = [width(options.language, beam) for beam in options.beams]
    measure(widths, refs, options.clips, options.repeat)
    Console(width=120).print(table(options.beams, widths, refs, options.language))


if __name__ == "__main__":
    main()
