"""Measure how surely sound events are heard, how often they are false, and how long it takes.

    OPENBLAS_NUM_THREADS=1 python -m benchmarks.sound --data DIR [--yamnet FILE] [--processes N]

`DIR` has recordings in `KIND/SOURCE/`, of sources that the models were not trained on: `python -m
training.sound.collect --side test` makes it. All audio goes through Opus at 24 kbit/s. A process holds one source in
memory at a time. With `--yamnet`, the sounds of YAMNet are measured, too.

Clips: every tenth ten seconds of `music`, `singing`, `speech` and `other`. Shorter recordings of a source are put one
after the other. The label `music` is true for music and singing. For howl, clipping and loudness, talk is made to
howl, to clip and to be loud, and all other clips are negatives. A clip has a label if the detector reports it there.

Recordings: the kinds `scream`, `moan`, `crying` and `gunshot` hold the sound of this name. Each recording begins at one
of four moments of a second, in faint noise. It is heard if the detector reports the sound anywhere in it.

Alarms: whole streams of each kind, by the hour, with the 95% interval of a Poisson count. A sound that is reported
again within ten seconds is the same alarm. A column beside another kind shows what is taken for the sound.

Cost: the time of one core (process time) for a second of talk.
"""

import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.progress import track
from rich.table import Table

from benchmarks import report
from pipeline.base.errors import InputError
from pipeline.contract.messages import OF_YAMNET, SAMPLE_RATE, EventKind
from pipeline.review.quality.statistics import Share, poisson_interval
from pipeline.sound.event_detector import RULES, EventDetector
from pipeline.sound.sound_detector import SoundDetector, SoundSpan
from pipeline.sound.yamnet_detector import RULES as YAMNET_RULES
from pipeline.sound.yamnet_detector import Yamnet, YamnetDetector
from pipeline.speech.audio.decode import samples_of
from pipeline.speech.audio.encode import decode_flac, encode_opus_clip
from pipeline.speech.audio.resample import Samples
from tests.pipeline.sound.disturbances import clipped, deafening, howl
from training.sound.sources import KINDS, MUSICAL, Kind

SEED = 37
BITRATE = 24_000
CLIP = 10 * SAMPLE_RATE
PIECE = 60 * SAMPLE_RATE
"""Samples that are coded at once."""
PAUSE = 10.0
"""Seconds after which a sound is a new alarm."""
CLIPS_EVERY = 10
"""Of this many clips, one is measured. The streams have all of the audio."""
MADE_EVERY = 4
"""Of this many clips of talk that are measured, one is made to howl, to clip and to be loud."""
NOISE = 0.001
"""Root mean square of the noise around a recording: -60 dB of full scale."""

MADE: Mapping[EventKind, Callable[[np.random.Generator, Samples], Samples]] = {
    "howl": howl,
    "clipping": clipped,
    "loudness": deafening,
}
MUSIC: frozenset[EventKind] = frozenset({"music"})
NONE: frozenset[EventKind] = frozenset()


class Heard(NamedTuple):
    """What the detectors reported in a clip whose true labels are known."""

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


class Measured(NamedTuple):
    """A source: its alarms as a stream, its clips, and how many of its recordings were heard."""

    kind: Kind
    source: str
    hours: float
    alarms: Mapping[EventKind, int]
    clips: Sequence[Heard]
    recordings: Share


def places(folder: Path) -> list[tuple[Kind, Path]]:
    """The kinds and folders of all sources. Raises InputError if there are none."""
    found = [(kind, path) for kind in KINDS for path in sorted((folder / kind).glob("*")) if any(path.glob("*"))]
    if not found:
        raise InputError(f"{folder} has no recordings", "Put audio files into KIND/SOURCE/, e.g. music/a-game/.")
    return found


def measured(yamnet: Path | None, place: tuple[Kind, Path]) -> Measured:
    """Hear a source: its recordings one after the other with half a second between them, its clips, and each alone."""
    kind, folder = place
    recordings, pause = [samples_of(path) for path in sorted(folder.iterdir())], np.zeros(SAMPLE_RATE // 2, np.float32)
    stream = sent(np.concatenate([part for each in recordings for part in (each, pause)]))
    counts = {label: alarms(spans) for label, spans in heard(stream, yamnet).items()}
    if kind in OF_YAMNET:
        rooms = [sent(in_room(each, number)) for number, each in enumerate(recordings)]
        alone = Share(sum(kind in heard_in(each, yamnet) for each in rooms), len(rooms))
        return Measured(kind, folder.name, hours(stream), counts, (), alone)
    plain = stream[: stream.size // CLIP * CLIP].reshape(-1, CLIP)[::CLIPS_EVERY]
    random = np.random.default_rng([SEED, zlib.crc32(folder.name.encode())])
    made = disturbed(random, plain[::MADE_EVERY] if kind == "speech" else ())
    labels = MUSIC if kind in MUSICAL else NONE
    clips = [Heard(labels, heard_in(samples, yamnet)) for samples in plain]
    clips += [Heard(frozenset({label}), heard_in(samples, yamnet)) for label, samples in made]
    return Measured(kind, folder.name, hours(stream), counts, clips, Share(0, 0))


def hours(samples: Samples) -> float:
    return samples.size / SAMPLE_RATE / 3_600


def disturbed(random: np.random.Generator, talk: Iterable[Samples]) -> Iterator[tuple[EventKind, Samples]]:
    """Talk that howls, clips or is loud."""
    for samples in talk:
        for label, make in MADE.items():
            yield label, sent(make(random, samples))


def in_room(samples: Samples, number: int) -> Samples:
    """Let recording `number` begin at one of four moments of a second, with noise before, in and after it."""
    before, after = 2 * SAMPLE_RATE + number % 4 * SAMPLE_RATE // 4, 2 * SAMPLE_RATE
    noise = np.random.default_rng(number).normal(0, NOISE, before + samples.size + after).astype(np.float32)
    return noise + np.pad(samples, (before, after))


def sent(samples: Samples) -> Samples:
    """The samples after Opus."""
    coded = [
        decode_flac(encode_opus_clip(samples[at : at + PIECE], BITRATE))[:PIECE] for at in range(0, samples.size, PIECE)
    ]
    return np.concatenate(coded)[: samples.size]


def heard_in(samples: Samples, yamnet: Path | None) -> frozenset[EventKind]:
    return frozenset(label for label, spans in heard(samples, yamnet).items() if spans)


def heard(samples: Samples, yamnet: Path | None) -> dict[EventKind, list[tuple[float, float]]]:
    """The spans of each kind in a stream, in seconds."""
    seconds = np.split(samples, range(SAMPLE_RATE, samples.size, SAMPLE_RATE))
    found: dict[EventKind, list[tuple[float, float]]] = {kind: [] for kind in kinds(yamnet)}
    for detector in detectors(yamnet):
        for span in [*(span for second in seconds for span in detector.push(second)), *detector.flush()]:
            for kind, spans in found.items():
                if isinstance(span, SoundSpan) and span.heard.kind == kind:
                    spans.append((span.start / SAMPLE_RATE, span.end / SAMPLE_RATE))
    return found


def kinds(yamnet: Path | None) -> list[EventKind]:
    return [*RULES, *(YAMNET_RULES if yamnet else ())]


def detectors(yamnet: Path | None) -> list[SoundDetector]:
    own: list[SoundDetector] = [EventDetector([*RULES], 0)]
    return [*own, YamnetDetector(network(yamnet), [*YAMNET_RULES], 0)] if yamnet else own


@cache
def network(file: Path) -> Yamnet:
    return Yamnet(file)


def alarms(spans: Sequence[tuple[float, float]]) -> int:
    """The number of sounds, if one that comes again within PAUSE is the same."""
    count, last = 0, -PAUSE - 1
    for begin, end in spans:
        count += begin > last + PAUSE
        last = max(last, end)
    return count


def rates(label: EventKind, clips: Sequence[Heard]) -> Rates:
    """How a label was heard in the clips. Clips of one disturbance are left out for another: a howl may also clip."""
    fair = [clip for clip in clips if label in clip.labels or clip.plain]
    hits = sum(label in clip.labels & clip.found for clip in fair)
    positives = sum(label in clip.labels for clip in fair)
    false = sum(label in clip.found - clip.labels for clip in fair)
    return Rates(hits, positives - hits, false, len(fair) - positives - false)


def share(value: Share) -> str:
    low, high = value.interval
    return f"{100 * value.value:.1f}% ({100 * low:.1f}–{100 * high:.1f})" if value.n else "–"


def per_hour(count: int, hours: float) -> str:
    """Alarms an hour with the interval."""
    low, high = poisson_interval(count)
    return f"{count / hours:.1f} ({low / hours:.1f}–{high / hours:.1f})"


def clips_table(clips: Sequence[Heard]) -> Table:
    table = Table("label", "clips", "precision", "recall", "F1", title="clips")
    for label in RULES:
        each = rates(label, clips)
        count = f"{each.hits + each.missed} + {each.false + each.clean}"
        table.add_row(label, count, share(each.precision), share(each.recall), f"{each.f1:.3f}")
    return table


def recordings_table(sources: Sequence[Measured]) -> Table:
    table = Table("sound", "source", "recordings", "heard", title="recordings")
    for each in sources:
        if each.kind in OF_YAMNET:
            table.add_row(each.kind, each.source, str(each.recordings.n), share(each.recordings))
    return table


def alarms_table(sources: Sequence[Measured], labels: Sequence[EventKind]) -> Table:
    """The alarms of each source, and an hour of each kind with the interval."""
    table = Table("recordings", "source", "hours", *labels, title="alarms")
    for kind in KINDS:
        of_kind = [each for each in sources if each.kind == kind]
        for each in of_kind:
            table.add_row(kind, each.source, f"{each.hours:.3f}", *(str(each.alarms[label]) for label in labels))
        if total := sum(each.hours for each in of_kind):
            counts = [sum(each.alarms[label] for each in of_kind) for label in labels]
            table.add_row(kind, "an hour", f"{total:.2f}", *(per_hour(n, total) for n in counts), end_section=True)
    return table


def cost(wanted: Sequence[tuple[Kind, Path]], yamnet: Path | None) -> str:
    """The time of one core for the first minute of some talk. The first time is not counted."""
    talk = next((samples_of(min(folder.iterdir()))[:PIECE] for kind, folder in wanted if kind == "speech"), None)
    if talk is None:
        return "no talk: the cost was not measured"
    heard(talk, yamnet)
    began = time.process_time()
    heard(talk, yamnet)
    milliseconds = 1_000 * (time.process_time() - began) * SAMPLE_RATE / talk.size
    return f"all detectors together: {milliseconds:.2f} ms of one core for a second of talk"


def main() -> None:
    parser = report.parser(__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of recordings by kind and source")
    parser.add_argument("--yamnet", type=Path, help="the file of YAMNet")
    parser.add_argument("--processes", type=int, default=1, help="number of processes that hear sources")
    options = parser.parse_args()
    wanted = [place for place in places(options.data) if options.yamnet or place[0] not in OF_YAMNET]
    # The encoder has threads, so the processes are new ones and no forks.
    with get_context("spawn").Pool(options.processes) as pool:
        found = pool.imap(partial(measured, options.yamnet), wanted)
        sources = [*track(found, "sources", len(wanted), console=report.notes)]
    tables = [clips_table([clip for each in sources for clip in each.clips])]
    tables += [recordings_table(sources)] if options.yamnet else []
    report.show(*tables, alarms_table(sources, kinds(options.yamnet)), cost(wanted, options.yamnet))


if __name__ == "__main__":
    main()
