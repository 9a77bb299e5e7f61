"""Measure how surely YAMNet's sounds are heard, how often they are false, and how long it takes.

    OPENBLAS_NUM_THREADS=1 python -m benchmarks.yamnet --yamnet FILE --data DIR [--processes N]

`DIR` has recordings in `KIND/SOURCE/`: `python -m training.sound.collect --side test` makes it. Those of the kinds
`scream`, `moan`, `crying` and `gunshot` hold the sound. `music`, `singing`, `speech` and `other` are ordinary sounds.
All audio goes through Opus at 24 kbit/s.

Recordings: each begins at one of four moments of a second, with two seconds before and after it. They are measured
twice: in digital silence, and with white noise of -60 dB of full scale. A recording is heard if the detector reports
the sound anywhere in it. The AUC is the probability that its highest window scores above that of ten seconds of
ordinary sound.

Alarms: whole streams of ordinary sounds, by the hour, with the 95% interval of a Poisson count. A sound that is
reported again within ten seconds is the same alarm. The recall *at one alarm in ten hours of speech* has the limit that
the streams of speech need for it. It is chosen on the same streams, so it is a little too good.

Cost: the time of one core (process time) for a second of talk.
"""

import argparse
import time
from collections.abc import Mapping, Sequence
from functools import cache, partial
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.sound import PAUSE, PIECE, PROGRESS, minute, per_hour, places, sent, share, stream
from pipeline.contract.messages import SAMPLE_RATE, YamnetKind
from pipeline.review.quality.statistics import Share
from pipeline.sound.sound_windows import HOP, Windows
from pipeline.sound.yamnet_detector import RULES, Glances, Yamnet, YamnetDetector, YamnetRule
from pipeline.speech.audio.decode import samples_of
from pipeline.speech.audio.resample import Samples
from training.sound.sources import Kind

KINDS: tuple[YamnetKind, ...] = get_args(YamnetKind)
ORDINARY: Sequence[Kind] = ("speech", "other", "music", "singing")
TEN_SECONDS = 10 * SAMPLE_RATE // HOP
"""Windows that end in ten seconds."""
NOISES: Mapping[str, float] = {"silence": 0.0, "noise": 0.001}
"""The root mean square of the noise that is added to recordings."""
RARE = 10.0
"""Hours with one alarm."""

Windowed = NDArray[np.float32]
"""The highest score of a kind's classes in each window, shape (windows,)."""


class Measured(NamedTuple):
    """A source: the scores of its stream, or of each of its recordings with one of NOISES."""

    kind: Kind
    source: str
    noise: str
    hours: float
    scores: Sequence[Mapping[YamnetKind, Windowed]]


def measured(file: Path, place: tuple[Kind, Path]) -> list[Measured]:
    kind, folder = place
    if kind in ORDINARY:
        found = stream(place)
        return [Measured(kind, found.source, "", found.hours, [windowed(file, found.samples)])]
    recordings = [samples_of(path) for path in sorted(folder.iterdir())]
    hours = sum(each.size for each in recordings) / SAMPLE_RATE / 3_600
    scores = {
        noise: [windowed(file, sent(in_room(each, number, level))) for number, each in enumerate(recordings)]
        for noise, level in NOISES.items()
    }
    return [Measured(kind, folder.name, noise, hours, each) for noise, each in scores.items()]


def in_room(samples: Samples, number: int, level: float) -> Samples:
    """Let recording `number` begin at one of four moments of a second, with noise of this level."""
    before, after = 2 * SAMPLE_RATE + number % 4 * SAMPLE_RATE // 4, 2 * SAMPLE_RATE
    noise = np.random.default_rng(number).normal(0, level, before + samples.size + after).astype(np.float32)
    return noise + np.pad(samples, (before, after))


@cache
def network(file: Path) -> Yamnet:
    return Yamnet(file)


def windowed(file: Path, samples: Samples) -> dict[YamnetKind, Windowed]:
    """The score of each kind in each window of a stream, or 0 where the detector leaves one out."""
    each = [scores for _, scores in Glances(network(file), KINDS).push(Windows(0).push(samples))]
    return {kind: np.array([scores[kind] for scores in each], np.float32) for kind in KINDS}


def reports(scores: Windowed, rule: YamnetRule, limit: float) -> NDArray[np.intp]:
    """The numbers of the windows at whose end the sound lasts, as the detector finds it with another `limit`."""
    held = np.concatenate([np.zeros(rule.of - 1, np.int64), (scores >= limit).astype(np.int64)])
    return np.flatnonzero(np.convolve(held, np.ones(rule.of, np.int64), "valid") >= rule.least)


def alarms(scores: Windowed, rule: YamnetRule, limit: float) -> int:
    """The number of sounds in a stream, if one that comes again within PAUSE is the same."""
    at = reports(scores, rule, limit) * HOP / SAMPLE_RATE
    return int(at.size > 0) + int(np.count_nonzero(np.diff(at) > PAUSE))


def recall(positives: Sequence[Windowed], rule: YamnetRule, limit: float) -> Share:
    return Share(sum(reports(each, rule, limit).size > 0 for each in positives), len(positives))


def rare_limit(streams: Sequence[Windowed], hours: float, rule: YamnetRule) -> float:
    """The lowest limit at which there is at most one alarm in RARE hours."""
    allowed = hours / RARE
    limits = np.unique(np.concatenate([np.linspace(0.001, 0.1, 100), np.linspace(0.1, 1, 181)]))
    counts = (sum(alarms(each, rule, limit) for each in streams) for limit in limits)
    return next((float(limit) for limit, count in zip(limits, counts, strict=True) if count <= allowed), 1.0)


def auc(positives: Sequence[Windowed], streams: Sequence[Windowed]) -> float:
    """The probability that a recording scores higher than ten seconds of ordinary sound."""
    high = np.array([each.max() for each in positives])
    parts = [each[: each.size // TEN_SECONDS * TEN_SECONDS].reshape(-1, TEN_SECONDS).max(axis=1) for each in streams]
    ordinary = np.sort(np.concatenate(parts))
    below = np.searchsorted(ordinary, high, "left") + np.searchsorted(ordinary, high, "right")
    return float(below.mean() / 2 / ordinary.size)


def show_recordings(found: Sequence[Measured]) -> None:
    table = Table(
        "sound", "source", "in", "recordings", "AUC", "heard", f"at 1 alarm in {RARE:g} h of speech", "its limit"
    )
    ordinary = [each for each in found if each.kind in ORDINARY]
    talk = [each for each in ordinary if each.kind == "speech"]
    hours = sum(each.hours for each in talk)
    for kind in KINDS:
        rule = RULES[kind]
        streams = [each.scores[0][kind] for each in ordinary]
        limit = rare_limit([each.scores[0][kind] for each in talk], hours, rule)
        for each in (source for source in found if source.kind == kind):
            positives = [scores[kind] for scores in each.scores]
            shares = share(recall(positives, rule, rule.limit)), share(recall(positives, rule, limit))
            table.add_row(
                *(kind, each.source, each.noise, str(len(positives))),
                *(f"{auc(positives, streams):.3f}", *shares, f"{limit:.3f}"),
            )
    Console().print(table)


def show_alarms(found: Sequence[Measured]) -> None:
    """The alarms of each source, and an hour of each kind with the interval.

    Recordings of other sounds count, too, in silence.
    """
    table = Table("recordings", "source", "hours", *KINDS, title="alarms")
    for kind in dict.fromkeys(each.kind for each in found):
        of_kind = [each for each in found if each.kind == kind and each.noise != "noise"]
        counts = {each.source: [in_all(each, label) for label in KINDS] for each in of_kind}
        for each in of_kind:
            table.add_row(kind, each.source, f"{each.hours:.3f}", *map(str, counts[each.source]))
        hours = sum(each.hours for each in of_kind)
        totals = [sum(column) for column in zip(*counts.values(), strict=True)]
        table.add_row(kind, "all", f"{hours:.2f}", *map(str, totals))
        table.add_row(kind, "an hour", "", *(per_hour(total, hours) for total in totals), end_section=True)
    Console().print(table)


def in_all(of: Measured, label: YamnetKind) -> int:
    rule = RULES[label]
    return sum(alarms(scores[label], rule, rule.limit) for scores in of.scores)


def show_cost(file: Path, wanted: Sequence[tuple[Kind, Path]]) -> None:
    talk = np.concatenate([minute(folder) for kind, folder in wanted if kind == "speech"][:5])
    seconds = np.split(talk, range(SAMPLE_RATE, talk.size, SAMPLE_RATE))
    detector = YamnetDetector(network(file), KINDS, 0)
    for second in seconds[: PIECE // SAMPLE_RATE]:
        detector.push(second)
    began = time.process_time()
    for second in seconds:
        detector.push(second)
    milliseconds = 1_000 * (time.process_time() - began) * SAMPLE_RATE / talk.size
    Console().print(f"all kinds together: {milliseconds:.2f} ms of one core for a second of talk")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--yamnet", type=Path, required=True, help="the file of YAMNet")
    parser.add_argument("--data", type=Path, required=True, help="folder of recordings by kind and source")
    parser.add_argument("--processes", type=int, default=1, help="number of processes that hear sources")
    options = parser.parse_args()
    wanted = places(options.data)
    # The encoder has threads, so the processes are new ones and no forks.
    with get_context("spawn").Pool(options.processes) as pool:
        found = pool.imap(partial(measured, options.yamnet), wanted)
        sources = [*chain.from_iterable(track(found, "sources", len(wanted), console=PROGRESS))]
    show_recordings(sources)
    show_alarms(sources)
    show_cost(options.yamnet, wanted)


if __name__ == "__main__":
    main()
