"""Measure speed, error rates and latency of our recogniser beside openai-whisper and faster-whisper, on the same
weights.

    python -m benchmarks.asr --clips DIR [--repeat 3] [--limit N] [--only NAME ...] [--model base] [--given]
        [--device cuda]

benchmarks/clips.py describes `DIR`. Clips of more than 30 s are skipped. Contenders take turns, each in a process of
its own, `--repeat` times, so that other load affects all alike. Speeds are the median, with the lowest and highest.
Each contender detects the languages itself, unless `--given`. With `--device cuda`, all use the GPU: those that cannot
are left out, and faster-whisper needs the CUDA libraries of CTranslate2 (docs/benchmarks.md). Ours is the whole
transcribe stage, from FLAC through triage to marks, with a room for each clip and 16 clips in a call. `ours, the
command` is `voxwarden transcribe --whole` on files of the clips. Its time includes writing these files. No time
includes loading a model. A latency is the time of the call that contained the clip. Words for sounds without words
count as invented, unless the recogniser itself reports that nobody spoke. The last column is the difference of all
error rates to the first contender in the first turn, with its 95% interval (bootstrap over clips).
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rich.progress import track
from rich.table import Table

from benchmarks import report
from benchmarks.clips import Errors, Reference, errors, interval, rates, references, wordless
from benchmarks.recognisers import CPU_ONLY, MAKE, Recognised
from pipeline.base.compute_device import CPU
from pipeline.settings import Asr


class Contender:
    """A recogniser in a process of its own. It loads at the first question."""

    def __init__(self, name: str, asr: Asr) -> None:
        command = [sys.executable, "-m", "benchmarks.contender", name, asr.model_dump_json()]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("a process without its pipes")
        self._questions, self._answers = self._process.stdin, self._process.stdout

    def ask(self, **question: object) -> tuple[list[Recognised], float]:
        """Its transcripts, and the seconds that they took."""
        self._questions.write(json.dumps(question) + "\n")
        self._questions.flush()
        line = self._answers.readline()
        if not line:
            raise SystemExit("a contender ended; its output is above")
        answer = json.loads(line)
        return [Recognised(*each) for each in answer["heard"]], answer["took"]

    def close(self) -> None:
        self._questions.close()
        self._process.wait()


@dataclass
class Score:
    """The results of one contender in one language, for each turn."""

    speeds: list[float] = field(default_factory=list)
    results: list[list[Recognised]] = field(default_factory=list)

    @property
    def waits(self) -> list[float]:
        return [each.seconds for turn in self.results for each in turn]

    def rates(self, refs: Sequence[Reference]) -> Iterator[str]:
        """For each group, the mean over the turns and the range. Some recognisers sample when they are unsure."""
        turns = [[*rates(refs, self.errors(refs, turn))] for turn in range(len(self.results))]
        for found in zip(*turns, strict=True):
            wrong = [rate for _, rate in found]
            spread = f" ({min(wrong):.1f}–{max(wrong):.1f})" if max(wrong) > min(wrong) else ""
            yield f"{found[0][0]} {statistics.mean(wrong):.2f}{spread}"

    def errors(self, refs: Sequence[Reference], turn: int) -> Errors:
        return errors(refs, [each.text for each in self.results[turn]])


def main() -> None:
    parser = report.parser(__doc__)
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--limit", type=int, help="clips of each language (default: all)")
    parser.add_argument("--only", nargs="+", choices=MAKE, metavar="NAME", help=f"some of: {'; '.join(MAKE)}")
    parser.add_argument("--languages", nargs="+", default=["en", "zh"])
    parser.add_argument("--model", default="base")
    parser.add_argument("--given", action="store_true", help="give all contenders the language")
    parser.add_argument("--device", default=CPU, help="as asr.device, e.g. cuda (default: %(default)s)")
    options = parser.parse_args()
    scores = measure(options)
    for language, refs, seconds in sets(options):
        show(language, refs, seconds, scores)
    if (options.clips / "noise").is_dir():
        show_invented(options, scores)


def sets(options: argparse.Namespace) -> Iterator[tuple[str, list[Reference], float]]:
    """Each language with its clips, spread over the folder, and their total length."""
    for language in options.languages:
        refs = [ref for ref in references(options.clips) if ref.language == language and ref.seconds <= 30]
        refs = refs[:: max(1, len(refs) // options.limit)] if options.limit else refs
        yield language, refs, sum(ref.seconds for ref in refs)


def measure(options: argparse.Namespace) -> dict[tuple[str, str], Score]:
    """The results of each contender in each language. The sounds without words have the language `none` and are
    transcribed once.
    """
    scores: dict[tuple[str, str], Score] = {}
    turns = [(turn, name, each) for turn in range(options.repeat) for each in sets(options) for name in names(options)]
    made: dict[tuple[str, str | None], Contender] = {}
    for turn, name, (language, refs, seconds) in track(turns, "measuring", console=report.notes):
        given = language if options.given else None
        if (name, given) not in made:
            made[name, given] = Contender(name, Asr(model=options.model, language=given, device=options.device))
        contender = made[name, given]
        score = scores.setdefault((name, language), Score())
        results, took = contender.ask(files=[str(options.clips / ref.file) for ref in refs])
        score.results.append(results)
        score.speeds.append(seconds / took)
        if turn == 0 and (name, "none") not in scores and (options.clips / "noise").is_dir():
            scores[name, "none"] = Score(results=[contender.ask(wordless=str(options.clips))[0]])
    for contender in made.values():
        contender.close()
    return scores


def names(options: argparse.Namespace) -> list[str]:
    able = [name for name in MAKE if options.device == CPU or name not in CPU_ONLY]
    return [name for name in able if not options.only or name in options.only]


def show(language: str, refs: Sequence[Reference], seconds: float, scores: dict[tuple[str, str], Score]) -> None:
    unit = "WER" if language == "en" else "CER"
    table = Table(
        "contender", "speech s/s", "least–most", "ratio", f"{unit} %", "p50 s", "p95 s", f"{unit} to the first"
    )
    table.title = f"{language}: {len(refs)} clips, {seconds:.0f} s"
    found = {name: score for (name, each), score in scores.items() if each == language}
    first = next(iter(found.values()))
    for name, score in found.items():
        speed = statistics.median(score.speeds)
        low, high = interval(first.errors(refs, 0), score.errors(refs, 0))
        table.add_row(
            name,
            f"{speed:.1f}",
            f"{min(score.speeds):.1f}–{max(score.speeds):.1f}",
            f"{speed / statistics.median(first.speeds):.1f}",
            "\n".join(score.rates(refs)),
            *(f"{np.percentile(score.waits, share):.2f}" for share in (50, 95)),
            f"{low:+.1f} to {high:+.1f}",
        )
    report.show(table)


def show_invented(options: argparse.Namespace, scores: dict[tuple[str, str], Score]) -> None:
    sounds = list(wordless(options.clips))
    table = Table("contender", "words on", "which", title=f"{len(sounds)} sounds without words")
    for (name, language), score in scores.items():
        if language == "none":
            (once,) = score.results
            words = [sound for sound, one in zip(sounds, once, strict=True) if one.text and not one.silent]
            table.add_row(name, str(len(words)), ", ".join(words))
    report.show(table)


if __name__ == "__main__":
    main()
