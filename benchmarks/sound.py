"""Measure how surely sound events are heard, how often they are false, and how long it takes.

    OPENBLAS_NUM_THREADS=1 python -m benchmarks.sound --data DIR [--rivals FILE] [--clips DIR]

`DIR` has recordings in `music/SOURCE/`, `singing/SOURCE/`, `speech/SOURCE/` and `other/SOURCE/`, of sources that the
model was not trained on: `python -m training.sound.collect --side test` makes it. All audio goes through Opus at 24
kbit/s.

Clips: the recordings in clips of ten seconds. Shorter recordings of a source are put one after the other. The label
`music` is true for music and singing. For the other labels, talk is made to howl, to clip and to be loud
(`benchmarks/disturbances.py`), and all other clips are negatives. A clip has a label if the detector reports it there.

False alarms: whole streams of speech, music and other sounds, by the hour. A sound that is reported again within ten
seconds is the same alarm.

Cost: the time of one core (process time) for a second of audio.

`--clips` writes the clips as FLAC files and ends. `--rivals` is a TSV file with the columns model, clip, label, score
that `benchmarks/rival_ears.py` makes of them. The table shows other models at the limit that is best for them, so their
figures are a little too good.
"""

import argparse
import csv
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.disturbances import clipped, deafening, howl
from pipeline.audio.encode import decode_flac, encode_flac, encode_opus_clip
from pipeline.audio.resample import Samples
from pipeline.messages import SAMPLE_RATE, EventKind
from pipeline.review.quality.statistics import Share
from pipeline.sound.events.ear import RULES, EventDetector
from training.sound.sources import KINDS, MUSICAL, Kind, Recording, recordings

SEED = 37
BITRATE = 24_000
CLIP = 10 * SAMPLE_RATE
PIECE = 60 * SAMPLE_RATE
"""Samples that are coded at once."""
PAUSE = 10.0
"""Seconds after which a sound is a new alarm."""
EVERY = 4
"""Of this many clips of talk, one is made to howl, clip or be loud."""

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


def streams(found: Sequence[Recording]) -> Iterator[Stream]:
    """The streams of all sources, with half a second between the recordings."""
    for (kind, source), of_source in groupby(found, key=lambda each: (each.kind, each.source)):
        pause = np.zeros(SAMPLE_RATE // 2, np.float32)
        whole = np.concatenate([part for each in of_source for part in (each.samples, pause)])
        yield Stream(kind, source, sent(whole))


def clips(found: Sequence[Stream]) -> Iterator[Clip]:
    """The clips of ten seconds, and those of talk that is disturbed."""
    random = np.random.default_rng(SEED)
    for kind, source, stream in found:
        whole = stream[: stream.size // CLIP * CLIP].reshape(-1, CLIP)
        for number, samples in enumerate(whole):
            name = f"{kind}-{source}-{number:03}"
            yield Clip(name, kind, MUSIC if kind in MUSICAL else NONE, samples)
            if kind == "speech" and number % EVERY == 0:
                for label, make in MADE.items():
                    yield Clip(f"{name}-{label}", kind, frozenset({label}), sent(make(random, samples)))


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


def rates(label: EventKind, wanted: Sequence[Clip], found: Mapping[str, frozenset[str]]) -> Rates:
    """How a label was heard in the clips. Clips of one disturbance are left out for another: a howl may also clip."""
    fair = [clip for clip in wanted if label in clip.labels or not clip.labels & MADE.keys()]
    hits = sum(label in clip.labels and label in found[clip.name] for clip in fair)
    positives = sum(label in clip.labels for clip in fair)
    false = sum(label not in clip.labels and label in found[clip.name] for clip in fair)
    return Rates(hits, positives - hits, false, len(fair) - positives - false)


def best(label: EventKind, wanted: Sequence[Clip], scores: Mapping[str, float]) -> tuple[float, Rates]:
    """The limit with the best F1, and its rates."""
    limits = sorted({*scores.values()})[:: max(1, len(scores) // 200)]
    tried = [
        (
            limit,
            rates(
                label, wanted, {name: frozenset([label] if score >= limit else []) for name, score in scores.items()}
            ),
        )
        for limit in limits
    ]
    return max(tried, key=lambda each: each[1].f1)


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


def show_rates(rows: Sequence[tuple[str, str, Rates]]) -> None:
    table = Table("label", "model", "clips", "precision", "recall", "F1", title="clips")
    for label, model, each in rows:
        count = f"{each.hits + each.missed} + {each.false + each.clean}"
        table.add_row(label, model, count, share(each.precision), share(each.recall), f"{each.f1:.3f}")
    Console().print(table)


def measure_clips(wanted: Sequence[Clip], others: Path | None) -> None:
    ours = {
        clip.name: frozenset(kind for kind, spans in heard(clip.samples).items() if spans)
        for clip in track(wanted, "clips", console=PROGRESS)
    }
    rows = [(str(label), "ours", rates(label, wanted, ours)) for label in RULES]
    for (model, label), scores in rivals(others).items() if others else ():
        limit, found_rates = best(label, [clip for clip in wanted if clip.name in scores], scores)
        rows.append((label, f"{model} from {limit:.2f}", found_rates))
    show_rates(rows)
    by_kind = Table("kind", "clips", *RULES, title="clips with each label, by kind of recording")
    for kind in KINDS:
        plain = [clip for clip in wanted if clip.kind == kind and not clip.labels & MADE.keys()]
        by_kind.add_row(
            kind, str(len(plain)), *(str(sum(label in ours[clip.name] for clip in plain)) for label in RULES)
        )
    Console().print(by_kind)


def measure_alarms(found: Sequence[Stream]) -> None:
    counts = {
        (each.kind, each.source): {label: alarms(spans) for label, spans in heard(each.samples).items()}
        for each in track(found, "streams", console=PROGRESS)
    }
    table = Table("recordings", "source", "hours", *RULES, title="alarms")
    for kind in KINDS:
        of_kind = [each for each in found if each.kind == kind]
        for each in of_kind:
            row = counts[kind, each.source]
            table.add_row(kind, each.source, f"{each.hours:.2f}", *(str(row[label]) for label in RULES))
        if hours := sum(each.hours for each in of_kind):
            totals = [sum(counts[kind, each.source][label] for each in of_kind) for label in RULES]
            table.add_row(
                kind, "an hour", f"{hours:.2f}", *(f"{total / hours:.1f}" for total in totals), end_section=True
            )
    Console().print(table)


def measure_cost(found: Sequence[Stream]) -> None:
    sound = np.concatenate([each.samples[:PIECE] for each in found])[: 10 * PIECE]
    heard(sound[:PIECE])
    table = Table("sounds", "core-ms a second of audio", title="cost")
    for kinds in (*((kind,) for kind in RULES), tuple(RULES)):
        began = time.process_time()
        heard(sound, kinds)
        spent = time.process_time() - began
        table.add_row(", ".join(kinds), f"{1_000 * spent * SAMPLE_RATE / sound.size:.2f}")
    Console().print(table)


def write(wanted: Sequence[Clip], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for clip in wanted:
        (folder / f"{clip.name}.flac").write_bytes(encode_flac(clip.samples))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of recordings by kind and source")
    parser.add_argument("--rivals", type=Path, help="TSV file with scores of other models")
    parser.add_argument("--clips", type=Path, help="write the clips into this folder, and end")
    options = parser.parse_args()
    found = [*track(streams([*recordings(options.data)]), "Opus", console=PROGRESS)]
    wanted = [*clips(found)]
    if options.clips:
        write(wanted, options.clips)
        return
    measure_clips(wanted, options.rivals)
    measure_alarms(found)
    measure_cost(found)


if __name__ == "__main__":
    main()
