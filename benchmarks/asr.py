"""How fast and how well speech is recognised: ours, beside openai-whisper and faster-whisper, on the same weights.

    python -m benchmarks.asr --clips DIR [--repeat 3] [--limit N] [--only NAME ...] [--model base] [--given]

`DIR` is as benchmarks/clips.py says; clips of more than 30 s are left out. Contenders take turns, `--repeat` times, so
that what else the machine does hits all alike; speeds are the median, with least and most. Each tells the languages
itself, unless `--given`. Ours is the whole transcribe stage, from FLAC through triage to marks, every clip a room of
its own. A latency is the time of the call that a clip was in. Words for sounds without words count as invented unless
the recogniser itself says that nobody spoke.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.clips import Reference, errors, references, samples_of, wordless
from pipeline.asr import weights
from pipeline.asr.ct2_engine import device_of
from pipeline.asr.recordings import utterance_of
from pipeline.asr.transcribe import Transcribe
from pipeline.asr.transcriber import MAX_SAMPLES, Samples, load
from pipeline.cores import cores
from pipeline.messages import Transcript
from pipeline.metrics import Metrics
from pipeline.settings import Asr
from pipeline.topology import TRANSCRIBE


@dataclass(frozen=True, slots=True)
class Heard:
    text: str
    seconds: float
    """Of the call."""
    silent: bool = False
    """The recogniser says that nobody spoke."""


Recognise = Callable[[Sequence[Samples]], list[Heard]]


@dataclass
class Score:
    """Of one contender on one language."""

    speeds: list[float] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)


def ours(asr: Asr, take: int = TRANSCRIBE.batch) -> Recognise:
    """The transcribe stage, `take` clips at a time."""
    stage, rooms = Transcribe(load(asr), asr, Metrics()), count()

    def recognise(clips: Sequence[Samples]) -> list[Heard]:
        found: list[Heard] = []
        for at in range(0, len(clips), take):
            batch = [utterance_of(f"room-{next(rooms)}", clip) for clip in clips[at : at + take]]
            began = time.perf_counter()
            results = stage.process(batch)
            took = time.perf_counter() - began
            found += [
                Heard(each.text, took, "no_speech" in each.marks) for each in results if isinstance(each, Transcript)
            ]
        return found

    return recognise


def openai_as_called(asr: Asr) -> Recognise:
    from pipeline.asr.checkpoint import model_of
    from pipeline.asr.openai_whisper import device_of as torch_device

    model = model_of(weights.find(asr), torch_device(asr.device))
    return one_by_one(partial(_openai, model, asr.language))


def _openai(model: Any, language: str | None, clip: Samples) -> str:
    text: str = model.transcribe(clip, language=language, fp16=model.device.type == "cuda")["text"]
    return text


def faster(asr: Asr, *, threads: int, callers: int = 1, batched: bool = False) -> Recognise:
    """faster-whisper with its defaults: beam 5, int8 on CPU."""
    from faster_whisper import BatchedInferencePipeline, WhisperModel

    device = device_of(asr.device).partition(":")[0]
    model: Any = WhisperModel(
        folder_of(asr),
        device=device,
        compute_type="float16" if device == "cuda" else "int8",
        cpu_threads=threads,
        num_workers=callers,
    )
    if batched:
        model = BatchedInferencePipeline(model)
    return one_by_one(partial(_faster, model, asr.language), callers)


def _faster(model: Any, language: str | None, clip: Samples) -> str:
    segments, _ = model.transcribe(clip, language=language)
    return " ".join(segment.text for segment in segments)


def folder_of(asr: Asr) -> str:
    """The weights as a folder, which faster-whisper wants."""
    found, folder = weights.find(asr), Path(tempfile.mkdtemp(prefix="voxwarden-weights-"))
    for file in found.files:
        (folder / file).write_bytes(found.read(file))
    return str(folder)


def one_by_one(recognise: Callable[[Samples], str], callers: int = 1) -> Recognise:
    def timed(clip: Samples) -> Heard:
        began = time.perf_counter()
        return Heard(recognise(clip), time.perf_counter() - began)

    def run(clips: Sequence[Samples]) -> list[Heard]:
        with ThreadPoolExecutor(callers) as pool:
            return list(pool.map(timed, clips))

    return run


def contenders(asr: Asr) -> dict[str, Callable[[], Recognise]]:
    torch = asr.model_copy(update={"engine": "openai-whisper"})
    return {
        "faster-whisper": partial(faster, asr, threads=cores()),
        "faster-whisper, a caller a core": partial(faster, asr, threads=1, callers=cores()),
        "faster-whisper, batched": partial(faster, asr, threads=cores(), batched=True),
        "ours, ctranslate2": partial(ours, asr),
        "ours, ctranslate2, one at a time": partial(ours, asr, take=1),
        "openai-whisper": partial(openai_as_called, torch),
        "ours, openai-whisper": partial(ours, torch),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--limit", type=int, help="clips of each language; else all")
    parser.add_argument("--only", nargs="+", help="some of the contenders")
    parser.add_argument("--languages", nargs="+", default=["en", "zh"])
    parser.add_argument("--model", default="base")
    parser.add_argument("--given", action="store_true", help="tell all of them the language")
    options = parser.parse_args()
    scores = measure(options)
    for language, refs, seconds in sets(options):
        show(language, refs, seconds, scores)
    if (options.clips / "noise").is_dir():
        show_invented(options, scores)


def sets(options: argparse.Namespace) -> Iterator[tuple[str, list[Reference], float]]:
    """Each language with its clips, spread over the folder, and their length in sum."""
    for language in options.languages:
        refs = [ref for ref in references(options.clips) if ref.language == language and ref.seconds <= 30]
        refs = refs[:: max(1, len(refs) // options.limit)] if options.limit else refs
        yield language, refs, sum(ref.seconds for ref in refs)


def measure(options: argparse.Namespace) -> dict[tuple[str, str], Score]:
    """Of each contender on each language; its sounds without words, under the language `none`, are heard once."""
    scores: dict[tuple[str, str], Score] = {}
    made: dict[tuple[str, str | None], Recognise] = {}
    turns = [(turn, each) for turn in range(options.repeat) for each in sets(options)]
    for turn, (language, refs, seconds) in track(turns, "measuring", console=Console(stderr=True)):
        clips = [samples_of(options.clips / ref.file)[:MAX_SAMPLES] for ref in refs]
        given = language if options.given else None
        for name, make in contenders(Asr(model=options.model, language=given)).items():
            if options.only and name not in options.only:
                continue
            recognise = made[name, given] = made.get((name, given)) or make()
            score = scores.setdefault((name, language), Score())
            began = time.perf_counter()
            score.heard = recognise(clips)
            score.waits += [heard.seconds for heard in score.heard]
            score.speeds.append(seconds / (time.perf_counter() - began))
            if turn == 0 and (name, "none") not in scores and (options.clips / "noise").is_dir():
                scores[name, "none"] = Score(heard=recognise([*wordless(options.clips).values()]))
    return scores


def show(language: str, refs: Sequence[Reference], seconds: float, scores: dict[tuple[str, str], Score]) -> None:
    rate = "WER" if language == "en" else "CER"
    table = Table("contender", "speech s/s", "least–most", "ratio", f"{rate} %", "p50 s", "p95 s")
    table.title = f"{language}: {len(refs)} clips, {seconds:.0f} s"
    found = {name: score for (name, each), score in scores.items() if each == language}
    first = statistics.median(next(iter(found.values())).speeds)
    for name, score in found.items():
        speed = statistics.median(score.speeds)
        table.add_row(
            name,
            f"{speed:.1f}",
            f"{min(score.speeds):.1f}–{max(score.speeds):.1f}",
            f"{speed / first:.1f}",
            "  ".join(f"{group} {wrong:.2f}" for group, wrong, _ in errors(refs, [each.text for each in score.heard])),
            *(f"{np.percentile(score.waits, share):.2f}" for share in (50, 95)),
        )
    Console(width=150).print(table)


def show_invented(options: argparse.Namespace, scores: dict[tuple[str, str], Score]) -> None:
    names = list(wordless(options.clips))
    table = Table("contender", "words on", "which", title=f"{len(names)} sounds without words")
    for (name, language), score in scores.items():
        if language == "none":
            words = [sound for sound, heard in zip(names, score.heard, strict=True) if heard.text and not heard.silent]
            table.add_row(name, str(len(words)), ", ".join(words))
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
