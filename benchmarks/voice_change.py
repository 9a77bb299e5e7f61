"""Measure how surely a change of the voice is heard, how often it is false, and how long it takes.

    OPENBLAS_NUM_THREADS=1 python -m benchmarks.voice_change --data DIR [--without SOURCES] [--half first|second]

`DIR` has clips, and `refs.tsv` with the columns file, language, source, speaker. `--without` leaves out sources, for
example those that have several people under one name. A stream is the speech of one person, or of two people, one after
the other. The people are in two halves: the first one was used to choose the limit, and the second one measures it.

Equal error rate: the similarity of the first 13 s of a person's speech with later speech of 6.5 s, and with that of all
others who speak the same language. The 95% interval comes from a bootstrap that draws people.

At the limit: the share of the changes that is heard within 13 s of speech of the second; and false alarms by the
hour of speech in the streams of one person, where each stream also begins at every other part of its speech. `source`:
only people who were recorded in the same way, for example by the same phone call.

The same person, otherwise: after 13 s, the rest of the stream sounds through a telephone, from far away, quiet, or with
another microphone. `converted` shifts pitch and formants by four semitones, as simple voice changers do, and is a
change.

Cost: the time of one core (process time) for a second of speech.
"""

import argparse
import csv
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.sound import sent
from pipeline.contract.messages import SAMPLE_RATE
from pipeline.review.quality.statistics import Share
from pipeline.sound.voice_change_detector import (
    FRESH,
    KNOWN,
    LIMIT,
    SURE,
    WINDOWS,
    Embedding,
    SpeechParts,
    VoiceChangeDetectors,
    Voices,
    similarity,
)
from pipeline.sound.voice_embedding import Embeddings, embed
from pipeline.speech.audio.encode import decode_flac
from pipeline.speech.audio.resample import Samples
from pipeline.speech.audio.vad import WINDOW

SEED = 29
LONGEST = 45 * SAMPLE_RATE
"""Samples of a person at most, so that nobody counts for all."""
SHORTEST = 8 * SAMPLE_RATE
"""People with fewer samples are left out."""
LATER = 16 * SAMPLE_RATE
"""Samples that sound otherwise."""
PAUSE = SAMPLE_RATE // 3
"""Samples between two clips."""
WITHIN = 2 * FRESH
"""Parts of speech within which a change must be heard. People who speak less are not the second of a change."""
DRAWS = 500
"""Of the bootstrap."""
PROGRESS = Console(stderr=True)
Random = np.random.Generator
Floats = NDArray[np.floating]


class Person(NamedTuple):
    name: str
    language: str
    source: str
    samples: Samples


class Heard(NamedTuple):
    """A person's voice, part by part, and the sample at which each part begins."""

    person: Person
    parts: Embeddings
    starts: Sequence[int]


class Pair(NamedTuple):
    """One comparison: the numbers of the two people and the similarity."""

    first: int
    second: int
    similarity: float


def people(folder: Path, without: frozenset[str]) -> list[Person]:
    """All people of `refs.tsv`, by name."""
    clips: dict[tuple[str, str, str], list[Samples]] = {}
    with (folder / "refs.tsv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            if row["source"] not in without:
                key = row["speaker"], row["language"], row["source"]
                clips.setdefault(key, []).append(decode_flac((folder / row["file"]).read_bytes()))
    pause = np.zeros(PAUSE, np.float32)
    found = [
        Person(*key, np.concatenate([part for clip in of_person for part in (clip, pause)])[:LONGEST])
        for key, of_person in sorted(clips.items())
    ]
    return [each for each in found if each.samples.size >= SHORTEST]


def half(found: Sequence[Person], second: bool) -> list[Person]:
    """Half of the people of each source."""
    return [each for number, each in enumerate(sorted(found, key=lambda each: each.source)) if number % 2 == second]


def telephone(_: Random, sound: Samples) -> Samples:
    return _filtered(sound, lambda hertz: ((hertz > 300) & (hertz < 3_400)).astype(float))


def microphone(random: Random, sound: Samples) -> Samples:
    """Another microphone: its response changes by up to 6 dB from one octave to the next."""
    octaves = np.log2([63, 125, 250, 500, 1_000, 2_000, 4_000, 8_000])
    gains = random.uniform(-6, 6, octaves.size)
    return _filtered(sound, lambda hertz: 10 ** (np.interp(np.log2(np.maximum(hertz, 63)), octaves, gains) / 20))


def far(random: Random, sound: Samples) -> Samples:
    """From the other end of a room: the echo, which fades by 60 dB in 0.5 s, is as loud as the direct sound."""
    size = SAMPLE_RATE // 2
    room = random.normal(size=size) * 10 ** (-3 * np.arange(size) / size)
    room /= np.sqrt(np.square(room).sum())
    room[0] += 1
    return _convolved(sound, room) * np.float32(0.3)


def quiet(random: Random, sound: Samples) -> Samples:
    faint: Samples = (sound * 0.05 + random.normal(0, 0.0005, sound.size)).astype(np.float32)
    return faint


def converted(_: Random, sound: Samples) -> Samples:
    """Four semitones higher, and faster."""
    places = np.arange(0, sound.size - 1, 2 ** (4 / 12))
    higher: Samples = np.interp(places, np.arange(sound.size), sound).astype(np.float32)
    return higher


OTHERWISE: Mapping[str, Callable[[Random, Samples], Samples]] = {
    "telephone": telephone,
    "microphone": microphone,
    "far": far,
    "quiet": quiet,
    "converted": converted,
}


def _filtered(sound: Samples, gain: Callable[[Floats], Floats]) -> Samples:
    spectrum = np.fft.rfft(sound)
    return np.fft.irfft(spectrum * gain(np.fft.rfftfreq(sound.size, 1 / SAMPLE_RATE)), sound.size).astype(np.float32)


def _convolved(sound: Samples, room: Floats) -> Samples:
    size = sound.size + room.size
    return np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(room, size), size)[: sound.size].astype(np.float32)


def hear(person: Person) -> Heard:
    """A person's voice, as the listener makes its embeddings."""
    parts = [*SpeechParts(0).push(person.samples)]
    return Heard(person, embed([part.samples for part in parts]), [part.start for part in parts])


def coded(person: Person) -> Person:
    """The person after Opus."""
    return person._replace(samples=sent(person.samples))


def otherwise(each: Heard) -> dict[str, Embeddings]:
    """The voice from the part on after which it is known, as it sounds otherwise and after Opus."""
    later = each.person.samples[each.starts[KNOWN] :][:LATER]
    random = np.random.default_rng(SEED)
    changed = {name: each.person._replace(samples=make(random, later)) for name, make in OTHERWISE.items()}
    return {name: hear(coded(person)).parts for name, person in changed.items()}


def enough(each: Heard) -> bool:
    """Whether there is enough speech to know the voice and to compare it."""
    return len(each.parts) >= KNOWN + FRESH


def known(voices: Sequence[Heard]) -> Iterator[tuple[int, Heard]]:
    return ((number, each) for number, each in enumerate(voices) if enough(each))


def parts_of(each: Heard, begin: int) -> Iterator[Embeddings]:
    """Speech of 6.5 s each, from the part `begin` on."""
    bounds = range(begin, len(each.parts) + 1, FRESH)
    return (each.parts[low:high] for low, high in pairwise(bounds))


def comparisons(voices: Sequence[Heard]) -> list[Pair]:
    """All comparisons of the first speech of a person with later speech, or with the speech of another person."""
    return [
        Pair(one, two, similarity(first.parts[:KNOWN].sum(axis=0), fresh.sum(axis=0)))
        for one, first in known(voices)
        for two, second in enumerate(voices)
        if first.person.language == second.person.language
        for fresh in parts_of(second, KNOWN if one == two else 0)
    ]


def error_rate(pairs: Sequence[Pair], weights: Floats) -> float:
    """The equal error rate, if each person counts `weights` times, shape (people,)."""
    first, second = (np.array(each) for each in list(zip(*pairs, strict=True))[:2])
    scores = np.array([each.similarity for each in pairs])
    alike = first == second
    weight = np.where(alike, weights[first], weights[first] * weights[second])
    order = np.argsort(scores)
    own, others = (weight * alike)[order], (weight * ~alike)[order]
    if not (own.any() and others.any()):  # a draw of the bootstrap
        return float("nan")
    missed, false = np.cumsum(own) / own.sum(), 1 - np.cumsum(others) / others.sum()
    at = int(np.argmin(np.abs(missed - false)))
    return float((missed[at] + false[at]) / 2)


def interval(count: int, measure: Callable[[Floats], float]) -> tuple[float, float]:
    """The 95% interval of a measure of people with weights, by a bootstrap."""
    random = np.random.default_rng(SEED)
    drawn = [measure(random.multinomial(count, np.full(count, 1 / count)).astype(float)) for _ in range(DRAWS)]
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return float(low), float(high)


def alarms(parts: Iterable[Embedding]) -> int:
    """The number of changes that are reported in a stream. After a part that is sure, the next one is left out."""
    voices, heard, found = Voices(), iter(parts), 0
    for part in heard:
        found += voices.add(part) is not None
        if voices.sure:
            next(heard, None)
    return found + (voices.flush() is not None)


def changes(voices: Sequence[Heard], chosen: Callable[[Person, Person], bool]) -> Share:
    """The changes from one person to another that are heard, of those that are `chosen`.

    Every second change comes a part of speech later, when the first part of the other person may be left out.
    """
    tried = [
        bool(alarms([*first.parts[: KNOWN + (one + two) % 2], *second.parts[:WITHIN]]))
        for one, first in known(voices)
        for two, second in enumerate(voices)
        if one != two and len(second.parts) >= WITHIN and chosen(first.person, second.person)
    ]
    return Share(sum(tried), len(tried))


def false_alarms(voices: Sequence[Heard]) -> tuple[Floats, Floats]:
    """The alarms in streams of each person, and the hours of speech, shape (people,)."""
    counts, hours = np.zeros(len(voices)), np.zeros(len(voices))
    for number, each in known(voices):
        turned = [np.roll(each.parts, begin, axis=0) for begin in range(len(each.parts))]
        counts[number] = float(np.mean([*map(alarms, turned)]))
        hours[number] = len(each.parts) * WINDOWS * WINDOW / SAMPLE_RATE / 3_600
    return counts, hours


def share(value: Share) -> str:
    low, high = value.interval
    return f"{100 * value.value:.0f}% ({100 * low:.0f}–{100 * high:.0f}) of {value.n}" if value.n else "–"


def rate(counts: Floats, hours: Floats) -> str:
    """The alarms by the hour with their 95% interval. Without an alarm, its upper end is that of the rule of three."""
    if not counts.any():
        return f"0 (0–{3 / hours.sum():.0f}) in {hours.sum():.2f} h"
    low, high = interval(counts.size, lambda weights: float(weights @ counts) / max(float(weights @ hours), 1e-9))
    return f"{counts.sum() / hours.sum():.1f} ({low:.1f}–{high:.1f}) in {hours.sum():.2f} h"


def measure(name: str, voices: Sequence[Heard], table: Table) -> None:
    """Add the figures of one language and codec to the table."""
    pairs = comparisons(voices)
    if {pair.first == pair.second for pair in pairs} != {True, False}:
        return
    even = np.ones(len(voices))
    low, high = interval(len(voices), lambda weights: error_rate(pairs, weights))
    counts, hours = false_alarms(voices)
    table.add_row(
        name,
        f"{sum(1 for _ in known(voices))} of {len(voices)}",
        f"{100 * error_rate(pairs, even):.1f}% ({100 * low:.1f}–{100 * high:.1f})",
        share(changes(voices, lambda one, two: one.language == two.language)),
        share(changes(voices, lambda one, two: (one.language, one.source) == (two.language, two.source))),
        rate(counts, hours),
    )


def measure_otherwise(clean: Sequence[Heard], voices: Sequence[Heard]) -> None:
    """Print how often the same person is reported who sounds otherwise. `voices` went through Opus."""
    able = [(one, other) for one, other in zip(clean, voices, strict=True) if enough(one) and enough(other)]
    found = [(other, otherwise(one)) for one, other in track(able, "otherwise", console=PROGRESS)]
    table = Table("then", "reported", title="the same person, otherwise")
    for name in OTHERWISE:
        tried = [bool(alarms([*each.parts[:KNOWN], *later[name][:WITHIN]])) for each, later in found]
        table.add_row(name, share(Share(sum(tried), len(tried))))
    Console().print(table)


def measure_limits(voices: Sequence[Heard]) -> None:
    """The errors at other limits, one comparison at a time: this table chose the limit."""
    pairs = comparisons(voices)
    own = np.array([pair.similarity for pair in pairs if pair.first == pair.second])
    others = np.array([pair.similarity for pair in pairs if pair.first != pair.second])
    table = Table("limit", "same person below it", "other person below it", title="limits")
    for limit in np.arange(0.5, 0.9, 0.025):
        table.add_row(f"{limit:.3f}", f"{100 * (own < limit).mean():.1f}%", f"{100 * (others < limit).mean():.1f}%")
    Console().print(table)


def measure_sure(voices: Sequence[Heard]) -> None:
    """Print how many parts of speech are sure, so that the next one is left out."""
    own, others = (
        np.array([
            similarity(first.parts[:KNOWN].sum(axis=0), part) >= SURE
            for one, first in known(voices)
            for two, second in enumerate(voices)
            if (one == two) == same and first.person.language == second.person.language
            for part in second.parts[KNOWN if same else 0 :]
        ])
        for same in (True, False)
    )  # fmt: skip
    Console().print(f"sure: {own.mean():.1%} of the parts of the same person, {others.mean():.1%} of others")


def measure_cost(sound: Samples) -> None:
    """`sound` is speech."""
    seconds = np.split(sound, range(SAMPLE_RATE, sound.size, SAMPLE_RATE))
    ear = VoiceChangeDetectors(True, 2)
    ear.detector(0, ("", "")).push(sound[: 10 * SAMPLE_RATE])
    detector, began = ear.detector(0, ("", "another")), time.process_time()
    for second in seconds:
        detector.push(second)
    spent = time.process_time() - began
    Console().print(f"cost: {1_000 * spent * SAMPLE_RATE / sound.size:.1f} core-ms a second of audio")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with refs.tsv and clips")
    parser.add_argument("--without", default="", help="sources to leave out, with commas")
    parser.add_argument("--half", choices=("first", "second"), default="second", help="half of the people")
    options = parser.parse_args()
    chosen = half(people(options.data, frozenset(options.without.split(","))), options.half == "second")
    clean = [hear(each) for each in track(chosen, "clean", console=PROGRESS)]
    after = [hear(coded(each)) for each in track(chosen, "Opus", console=PROGRESS)]
    table = Table(
        "speech", "people", "equal error rate", "changes heard", "of one source", "false alarms an hour",
        title=f"limit {LIMIT}",
    )  # fmt: skip
    for name, voices in (("clean", clean), ("Opus 24 kbit/s", after)):
        for language in sorted({each.language for each in chosen}):
            measure(f"{language}, {name}", [each for each in voices if each.person.language == language], table)
        measure(f"all, {name}", voices, table)
    Console().print(table)
    measure_otherwise(clean, after)
    measure_limits(after)
    measure_sure(after)
    measure_cost(np.concatenate([each.samples for each in chosen])[:LONGEST])


if __name__ == "__main__":
    main()
