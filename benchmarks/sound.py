"""Measure how surely sound events are heard, how often they are false, and how long it takes.

    OPENBLAS_NUM_THREADS=1 python -m benchmarks.sound --data DIR [--processes N] [--clips DIR]
    OPENBLAS_NUM_THREADS=1 python -m benchmarks.sound --clips DIR --rivals FILE

`DIR` has recordings in `music/SOURCE/`, `singing/SOURCE/`, `speech/SOURCE/` and `other/SOURCE/`, of sources that the
model was not trained on: `python -m training.sound.collect --side test` makes it. All audio goes through Opus at 24
kbit/s. A process holds one source in memory at a time.

Clips: every tenth ten seconds of the recordings. Shorter recordings of a source are put one after the other. The label
`music` is true for music and singing. For the other labels, talk is made to howl, to clip and to be loud
(`benchmarks/disturbances.py`), and all other clips are negatives. A clip has a label if the detector reports it there.

Alarms: whole streams of speech, music and other sounds, by the hour, with the 95% interval of a Poisson count. A sound
that is reported again within ten seconds is the same alarm.

Cost: the time of one core (process time) for a second of audio, of talk and of music.

Other models: `--clips` also writes the clips as FLAC files, without those that are made.
`benchmarks/rival_ears.py` scores them in a TSV file with the columns model, clip, label, score. Then `--rivals`
compares the models with ours on these clips. It shows other models from a score of 0.5, and from the limit that is best
for them here, which is a little too good.
"""

import argparse
import csv
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.disturbances import clipped, deafening, howl
from pipeline.base.errors import InputError
from pipeline.contract.messages import SAMPLE_RATE, EventKind
from pipeline.review.quality.statistics import Share, poisson_interval
from pipeline.sound.event_detector import RULES, EventDetector
from pipeline.speech.audio.decode import samples_of
from pipeline.speech.audio.encode import decode_flac, encode_flac, encode_opus_clip
from pipeline.speech.audio.resample import Samples
from training.sound.sources import KINDS, MUSICAL, Kind

SEED = 37
BITRATE = 24_000
CLIP = 10 * SAMPLE_RATE
PIECE = 60 * SAMPLE_RATE
"""Samples that are coded at once."""
PAUSE = 10.0
"""Seconds after which a sound is a new alarm."""
CLIPS_EVERY = 10
"""Of this many clips, one is measured, by us and by other models. The streams have all of the audio."""
MADE_EVERY = 4
"""Of this many clips of talk that are measured, one is made to howl, to clip and to be loud."""
COSTED: Sequence[Kind] = ("speech", "music")
SOURCES_COSTED = 5
FAIR = 0.5
"""The score from which another model is taken at its word."""

MADE: Mapping[EventKind, Callable[[np.random.Generator, Samples], Samples]] = {
    "howl": howl,
    "clipping": clipped,
    "loudness": deafening,
}
MUSIC: frozenset[EventKind] = frozenset({"music"})
NONE: frozenset[EventKind] = frozenset()
PROGRESS = Console(stderr=True)


class Clip(NamedTuple):
    name: str
    kind: Kind
    labels: frozenset[EventKind]
    samples: Samples


class Heard(NamedTuple):
    """What the detector reported in a clip."""

    name: str
    kind: Kind
    labels: frozenset[EventKind]
    found: frozenset[EventKind]

    @property
    def plain(self) -> bool:
        return not self.labels & MADE.keys()


class Rates(NamedTuple):
    """Counts of clips."""

    hits: int
    missed: int
    false: int
    clean: int

    @property
    def precision(self) -> Share:
        return Share(self.hits, self.hits + self.false)

    @property
    def recall(self) -> Share:
        return Share(self.hits, self.hits + self.missed)

    @property
    def f1(self) -> float:
        return 2 * self.hits / max(1, 2 * self.hits + self.missed + self.false)


class Stream(NamedTuple):
    """All recordings of a source, one after the other, after Opus."""

    kind: Kind
    source: str
    samples: Samples

    @property
    def hours(self) -> float:
        return self.samples.size / SAMPLE_RATE / 3_600


class Measured(NamedTuple):
    """A source: its alarms as a stream, and its clips."""

    kind: Kind
    source: str
    hours: float
    alarms: Mapping[EventKind, int]
    clips: Sequence[Heard]


def places(folder: Path) -> list[tuple[Kind, Path]]:
    """The kinds and folders of all sources. Raises InputError if there are none."""
    found = [(kind, path) for kind in KINDS for path in sorted((folder / kind).glob("*")) if any(path.glob("*"))]
    if not found:
        raise InputError(f"{folder} has no recordings", "Put audio files into KIND/SOURCE/, e.g. music/a-game/.")
    return found


def stream(place: tuple[Kind, Path]) -> Stream:
    """The recordings of a source, with half a second between them, after Opus."""
    kind, folder = place
    pause = np.zeros(SAMPLE_RATE // 2, np.float32)
    whole = np.concatenate([part for path in sorted(folder.iterdir()) for part in (samples_of(path), pause)])
    return Stream(kind, folder.name, sent(whole))


def plain(of: Stream) -> Iterator[Clip]:
    """The clips of ten seconds, one of CLIPS_EVERY."""
    whole = of.samples[: of.samples.size // CLIP * CLIP].reshape(-1, CLIP)
    for number, samples in enumerate(whole[::CLIPS_EVERY]):
        yield Clip(f"{of.kind}-{of.source}-{number:03}", of.kind, labels_of(of.kind), samples)


def disturbed(random: np.random.Generator, talk: Iterable[Clip]) -> Iterator[Clip]:
    """Talk that howls, clips or is loud."""
    for clip in talk:
        for label, make in MADE.items():
            yield Clip(f"{clip.name}-{label}", clip.kind, frozenset({label}), sent(make(random, clip.samples)))


def labels_of(kind: Kind) -> frozenset[EventKind]:
    return MUSIC if kind in MUSICAL else NONE


def measured(folder: Path | None, place: tuple[Kind, Path]) -> Measured:
    """Hear a source, its stream and its clips, and write the clips into a folder."""
    found = stream(place)
    counts = {label: alarms(spans) for label, spans in heard(found.samples).items()}
    of_stream = [*plain(found)]
    if folder:
        write(of_stream, folder)
    random = np.random.default_rng([SEED, zlib.crc32(found.source.encode())])
    made = disturbed(random, of_stream[::MADE_EVERY] if found.kind == "speech" else ())
    return Measured(found.kind, found.source, found.hours, counts, [heard_in(clip) for clip in (*of_stream, *made)])


def heard_in(clip: Clip) -> Heard:
    spans_of = heard(clip.samples)
    return Heard(clip.name, clip.kind, clip.labels, frozenset(label for label, spans in spans_of.items() if spans))


def sent(samples: Samples) -> Samples:
    """The samples after Opus."""
    coded = [
        decode_flac(encode_opus_clip(samples[at : at + PIECE], BITRATE))[:PIECE] for at in range(0, samples.size, PIECE)
    ]
    return np.concatenate(coded)[: samples.size]


def heard(samples: Samples, kinds: Sequence[EventKind] = tuple(RULES)) -> dict[EventKind, list[tuple[float, float]]]:
    """The spans of each kind in a stream, in seconds."""
    detector = EventDetector(kinds, 0)
    seconds = np.split(samples, range(SAMPLE_RATE, samples.size, SAMPLE_RATE))
    spans = [span for second in seconds for span in detector.push(second)] + [*detector.flush()]
    return {
        kind: [(span.start / SAMPLE_RATE, span.end / SAMPLE_RATE) for span in spans if span.heard.kind == kind]
        for kind in kinds
    }


def alarms(spans: Sequence[tuple[float, float]]) -> int:
    """The number of sounds, if one that comes again within PAUSE is the same."""
    count, last = 0, -PAUSE - 1
    for begin, end in spans:
        count += begin > last + PAUSE
        last = max(last, end)
    return count


def rates(label: EventKind, wanted: Sequence[Heard], found: Mapping[str, bool]) -> Rates:
    """How a label was heard in the clips. Clips of one disturbance are left out for another: a howl may also clip."""
    fair = [clip for clip in wanted if label in clip.labels or clip.plain]
    hits = sum(label in clip.labels and found[clip.name] for clip in fair)
    positives = sum(label in clip.labels for clip in fair)
    false = sum(label not in clip.labels and found[clip.name] for clip in fair)
    return Rates(hits, positives - hits, false, len(fair) - positives - false)


def ours(label: EventKind, wanted: Sequence[Heard]) -> dict[str, bool]:
    return {clip.name: label in clip.found for clip in wanted}


def best(label: EventKind, wanted: Sequence[Heard], scores: Mapping[str, float]) -> float:
    """The limit with the best F1."""
    limits = sorted({*scores.values()})
    tried = limits[:: max(1, len(limits) // 200)]
    return max(tried, key=lambda limit: rates(label, wanted, above(limit, scores)).f1)


def above(limit: float, scores: Mapping[str, float]) -> dict[str, bool]:
    return {name: score >= limit for name, score in scores.items()}


def rivals(path: Path) -> dict[tuple[str, EventKind], dict[str, float]]:
    """The scores of other models, by model and label."""
    found: dict[tuple[str, EventKind], dict[str, float]] = defaultdict(dict)
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            label = next(kind for kind in RULES if kind == row["label"])
            found[row["model"], label][row["clip"]] = float(row["score"])
    return found


def share(value: Share) -> str:
    low, high = value.interval
    return f"{100 * value.value:.1f}% ({100 * low:.1f}–{100 * high:.1f})" if value.n else "–"


def per_hour(count: int, hours: float) -> str:
    """Alarms an hour with the interval."""
    low, high = poisson_interval(count)
    return f"{count / hours:.1f} ({low / hours:.1f}–{high / hours:.1f})"


def rates_row(label: str, model: str, each: Rates) -> tuple[str, ...]:
    count = f"{each.hits + each.missed} + {each.false + each.clean}"
    return label, model, count, share(each.precision), share(each.recall), f"{each.f1:.3f}"


def show_clips(wanted: Sequence[Heard]) -> None:
    table = Table("label", "model", "clips", "precision", "recall", "F1", title="clips")
    for label in RULES:
        table.add_row(*rates_row(label, "ours", rates(label, wanted, ours(label, wanted))))
    Console().print(table)


def show_rivals(folder: Path, path: Path) -> None:
    """Other models and ours on the clips of a folder, and the clips with the label by kind of recording."""
    table = Table("label", "model", "clips", "precision", "recall", "F1", title="the same clips")
    wanted = [heard_in(clip) for clip in track([*written(folder)], "clips", console=PROGRESS)]
    kinds = sorted({clip.kind for clip in wanted}, key=KINDS.index)
    by_kind = Table("label", "model", *kinds, title="clips with the label, by kind of recording")
    for (model, label), scores in rivals(path).items():
        same = [clip for clip in wanted if clip.name in scores]
        limit = best(label, same, scores)
        for name, found in (
            ("ours", ours(label, same)),
            (f"{model} from {FAIR:.2f}", above(FAIR, scores)),
            (f"{model} from {limit:.2f}", above(limit, scores)),
        ):
            table.add_row(*rates_row(label, name, rates(label, same, found)))
            of_kinds = [[found[clip.name] for clip in same if clip.kind == kind] for kind in kinds]
            by_kind.add_row(label, name, *(f"{sum(each)} of {len(each)}" for each in of_kinds))
    Console().print(table, by_kind)


def show_alarms(sources: Sequence[Measured]) -> None:
    """The alarms of each source, and an hour of each kind with the interval."""
    table = Table("recordings", "source", "hours", *RULES, title="alarms")
    for kind in KINDS:
        of_kind = [each for each in sources if each.kind == kind]
        for each in of_kind:
            table.add_row(kind, each.source, f"{each.hours:.3f}", *(str(each.alarms[label]) for label in RULES))
        if hours := sum(each.hours for each in of_kind):
            totals = [sum(each.alarms[label] for each in of_kind) for label in RULES]
            table.add_row(kind, "all", f"{hours:.2f}", *map(str, totals))
            table.add_row(kind, "an hour", "", *(per_hour(total, hours) for total in totals), end_section=True)
    Console().print(table)


def show_cost(wanted: Sequence[tuple[Kind, Path]]) -> None:
    """The cost for talk, and for music: a minute each of some sources."""
    table = Table("sounds", *COSTED, title="core-ms a second of audio")
    some = {kind: [place for place in wanted if place[0] == kind][:SOURCES_COSTED] for kind in COSTED}
    sounds = [np.concatenate([minute(folder) for _, folder in some[kind]]) for kind in COSTED if some[kind]]
    for kinds in (*((kind,) for kind in RULES), tuple(RULES)):
        table.add_row(", ".join(kinds), *(f"{cost(samples, kinds):.2f}" for samples in sounds))
    Console().print(table)


def minute(folder: Path) -> Samples:
    """The first minute of the recordings of a source, or all of them."""
    found = [np.empty(0, np.float32)]
    for path in sorted(folder.iterdir()):
        found.append(samples_of(path))
        if sum(part.size for part in found) >= PIECE:
            break
    return np.concatenate(found)[:PIECE]


def cost(samples: Samples, kinds: Sequence[EventKind]) -> float:
    """Milliseconds of one core for a second of audio."""
    heard(samples[:PIECE], kinds)
    began = time.process_time()
    heard(samples, kinds)
    return 1_000 * (time.process_time() - began) * SAMPLE_RATE / samples.size


def write(wanted: Sequence[Clip], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for clip in wanted:
        (folder / f"{clip.name}.flac").write_bytes(encode_flac(clip.samples))


def written(folder: Path) -> Iterator[Clip]:
    """The clips that `write` wrote: their names begin with the kind."""
    for path in sorted(folder.glob("*.flac")):
        kind = next(each for each in KINDS if path.stem.startswith(f"{each}-"))
        yield Clip(path.stem, kind, labels_of(kind), samples_of(path))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of recordings by kind and source")
    parser.add_argument("--processes", type=int, default=1, help="number of processes that hear sources")
    parser.add_argument("--clips", type=Path, help="folder of clips for other models: written, or read with --rivals")
    parser.add_argument("--rivals", type=Path, help="TSV file with scores of other models")
    options = parser.parse_args()
    if options.rivals and options.clips:
        show_rivals(options.clips, options.rivals)
    elif options.data:
        measure(options.data, options.processes, options.clips)
    else:
        parser.error("Name --data to measure, or --clips and --rivals to compare.")


def measure(data: Path, processes: int, folder: Path | None) -> None:
    wanted = places(data)
    # The encoder has threads, so the processes are new ones and no forks.
    with get_context("spawn").Pool(processes) as pool:
        found = pool.imap(partial(measured, folder), wanted)
        sources = [*track(found, "sources", len(wanted), console=PROGRESS)]
    show_clips([clip for each in sources for clip in each.clips])
    show_alarms(sources)
    show_cost(wanted)


if __name__ == "__main__":
    main()
