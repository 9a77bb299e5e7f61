"""Measure how much speech in other languages is found, how much other speech is wrongly reported, and what it costs.

    python -m benchmarks.other_languages --clips DIR [DIR ...] [--heard FILE] [--cost N]

Each `DIR` has clips and a `refs.tsv` with the columns file, language and source; speaker and style are optional.
Longer clips are cut at 15 s, like utterances. The rooms speak English and Mandarin. Two cases are measured: each clip
alone, as the first words of a new speaker; and in turn, where the clips of a speaker (or else source) follow each
other. Intervals are Wilson's, 95%. `--heard` keeps the recogniser's probabilities in a file of JSON lines, and uses
those that are in it. `--cost` measures the CPU time of N clips in other languages: encoded, with the language detected,
and transcribed.
"""

import argparse
import csv
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.progress import track
from rich.table import Table

from pipeline.contract.messages import SAMPLE_RATE, Utterance
from pipeline.review.quality.statistics import wilson
from pipeline.settings import Asr
from pipeline.speech.asr.recogniser import Clip, Recogniser, Samples, load_recogniser, most_likely
from pipeline.speech.asr.room_languages import RoomLanguages
from pipeline.speech.asr.triage import VOICED, triage
from pipeline.speech.audio.decode import samples_of

SPOKEN = Asr().languages
LONGEST = 15 * SAMPLE_RATE
NOWHERE = frozenset({"none"})
"""No language: nothing is decoded."""
KEPT = 1e-3
"""Smaller probabilities are not kept, except those of the settings' languages."""
LENGTHS = {"under 1 s": 1.0, "1 to 3 s": 3.0, "3 s and more": 15.1}


class LanguageClip(NamedTuple):
    """A clip with the language that is spoken in it. `style` is `read`, `dialect` and so on."""

    path: Path
    language: str
    speaker: str
    style: str

    @property
    def is_other(self) -> bool:
        return self.language not in SPOKEN


class HeardLanguages(NamedTuple):
    """What the recogniser hears in a clip: its length, the voice that triage finds, and the probabilities."""

    seconds: float
    voice: float
    probabilities: Mapping[str, float]


class LanguageResult(NamedTuple):
    clip: LanguageClip
    seconds: float
    alone: str
    """The language that is selected for the clip as the first of its speaker."""
    in_turn: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, nargs="+", required=True)
    parser.add_argument("--heard", type=Path)
    parser.add_argument("--cost", type=int, default=0)
    options = parser.parse_args()
    clips = [clip for folder in options.clips for clip in clips_of(folder)]
    recogniser = load_recogniser(Asr())
    results = evaluated(clips, heard(clips, options.heard, recogniser))
    console = Console(width=120)
    console.print(table_of([each for each in results if not each.clip.is_other], wrongly))
    console.print(table_of([each for each in results if each.clip.is_other], found))
    if options.cost:
        console.print(costs(recogniser, [clip for clip in clips if clip.is_other][: options.cost]))


def clips_of(folder: Path) -> list[LanguageClip]:
    with (folder / "refs.tsv").open(encoding="utf-8") as file:
        return [
            LanguageClip(
                folder / row["file"], row["language"], row.get("speaker") or row["source"], row.get("style") or "speech"
            )
            for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        ]


def heard(
    clips: Sequence[LanguageClip], file: Path | None, recogniser: Recogniser
) -> dict[LanguageClip, HeardLanguages]:
    """What the recogniser hears in each clip, from `file` as far as it is there."""
    kept = _kept(file) if file and file.exists() else {}
    for clip in track(clips, "hearing", console=Console(stderr=True)):
        if clip.path.name not in kept:
            kept[clip.path.name] = one = _listen(recogniser, samples_of(clip.path)[:LONGEST])
            if file:
                with file.open("a", encoding="utf-8") as out:
                    out.write(json.dumps({"file": clip.path.name, **one._asdict()}) + "\n")
    return {clip: kept[clip.path.name] for clip in clips}


def _kept(file: Path) -> dict[str, HeardLanguages]:
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    return {line["file"]: HeardLanguages(line["seconds"], line["voice"], line["probabilities"]) for line in lines}


def _listen(recogniser: Recogniser, samples: Samples) -> HeardLanguages:
    asked: list[Mapping[str, float]] = []

    def choose(probabilities: Mapping[str, float]) -> str:
        asked.append(probabilities)
        return most_likely(probabilities)

    recogniser.transcribe([Clip(samples, choose=choose, only=NOWHERE)])
    kept = {language: p for language, p in asked[0].items() if p >= KEPT or language in SPOKEN}
    return HeardLanguages(len(samples) / SAMPLE_RATE, triage(samples).voice, kept)


def evaluated(clips: Sequence[LanguageClip], known: Mapping[LanguageClip, HeardLanguages]) -> list[LanguageResult]:
    """The languages that Voxwarden selects, for each clip alone and in turn."""
    alone, in_turn = RoomLanguages(SPOKEN), RoomLanguages(SPOKEN)
    results = []
    for number, clip in enumerate(clips):
        one = known[clip]
        chosen = [
            rooms.chooser(_utterance(room, one.seconds), voiced=one.voice >= VOICED)(one.probabilities)
            for rooms, room in ((alone, str(number)), (in_turn, clip.speaker))
        ]
        results.append(LanguageResult(clip, one.seconds, *chosen))
    return results


def _utterance(room: str, seconds: float) -> Utterance:
    return Utterance(room=room, speaker="person", start=0.0, end=seconds, id="")


def wrongly(results: Sequence[LanguageResult]) -> Iterator[tuple[str, Sequence[LanguageResult]]]:
    """English and Mandarin, whole and by style."""
    ordered = sorted(results, key=lambda each: (each.clip.language, each.clip.style))
    for language, own in groupby(ordered, key=lambda each: each.clip.language):
        found = list(own)
        yield language, found
        for style, part in groupby(found, key=lambda each: each.clip.style):
            yield f"{language} {style}", list(part)


def found(results: Sequence[LanguageResult]) -> Iterator[tuple[str, Sequence[LanguageResult]]]:
    """Other languages by the length of the clip, and clips of at least 3 s by language."""
    shortest = 0.0
    for name, longest in LENGTHS.items():
        yield name, [each for each in results if shortest <= each.seconds < longest]
        shortest = longest
    long = sorted(
        (each for each in results if each.seconds >= LENGTHS["1 to 3 s"]), key=lambda each: each.clip.language
    )
    for language, part in groupby(long, key=lambda each: each.clip.language):
        yield f"{language}, 3 s and more", list(part)


Groups = Callable[[Sequence[LanguageResult]], Iterator[tuple[str, Sequence[LanguageResult]]]]


def table_of(results: Sequence[LanguageResult], groups: Groups) -> Table:
    """A table of the clips that are reported as speech in another language."""
    table = Table("clips", "n", "seconds", "reported alone", "reported in turn", "of the seconds", "rightly named")
    for name, part in groups(results):
        reported = [each for each in part if each.in_turn not in SPOKEN]
        whole = sum(each.seconds for each in part)
        named = sum(each.in_turn == each.clip.language for each in reported)
        table.add_row(
            name,
            str(len(part)),
            f"{whole:.0f}",
            _share(sum(each.alone not in SPOKEN for each in part), len(part)),
            _share(len(reported), len(part)),
            f"{100 * sum(each.seconds for each in reported) / whole:.1f}%" if part else "",
            f"{named} of {len(reported)}",
        )
    return table


def _share(hits: int, n: int) -> str:
    if not n:
        return ""
    low, high = wilson(hits / n, n)
    return f"{100 * hits / n:.1f}% ({100 * low:.1f}–{100 * high:.1f})"


def costs(recogniser: Recogniser, clips: Sequence[LanguageClip]) -> Table:
    """CPU seconds for each second of speech. Other processes change it less than they change the time of the clock."""
    sounds = [samples_of(clip.path)[:LONGEST] for clip in clips]
    seconds = sum(len(sound) for sound in sounds) / SAMPLE_RATE
    ways = {
        "encoded": [Clip(sound, "en", only=NOWHERE) for sound in sounds],
        "encoded, language detected: speech that is reported": [Clip(sound, only=NOWHERE) for sound in sounds],
        "transcribed in its own language": [Clip(sound) for sound in sounds],
        "transcribed as English": [Clip(sound, "en") for sound in sounds],
    }
    table = Table("", "CPU s for each s of speech", "ratio")
    took = {name: _cpu(recogniser, part) / seconds for name, part in ways.items()}
    for name, cost in took.items():
        table.add_row(name, f"{cost:.4f}", f"{cost / took['encoded']:.2f}")
    return table


def _cpu(recogniser: Recogniser, clips: Sequence[Clip]) -> float:
    began = time.process_time()
    for clip in clips:
        recogniser.transcribe([clip])
    return time.process_time() - began


if __name__ == "__main__":
    main()
