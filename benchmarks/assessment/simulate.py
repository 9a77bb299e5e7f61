"""Compares the product's figures of simulated weeks with the truth, on both databases."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.assessment.facts import BEGIN, DAY, ILLEGAL, WorldHistory
from benchmarks.assessment.truth import Fact, Key, Rules, Truth
from benchmarks.assessment.verdicts import Verdicts
from benchmarks.assessment.world import END, RETENTION, World
from pipeline.assessment.catalogue import INDICATORS
from pipeline.assessment.figure import Figure, Window
from pipeline.assessment.measure import measure
from pipeline.assessment.options import Options
from pipeline.review.evidence.store import EvidenceStore

RULES = Rules(illegal=ILLEGAL)
WINDOWS = {
    "two weeks": Window(BEGIN, END),
    "second week": Window(BEGIN + 7 * DAY, END),
    "ragged": Window(BEGIN + 3 * DAY + 1_234.5, BEGIN + 9.7 * DAY + 77.7),
    "before": Window(BEGIN - 7 * DAY, BEGIN - DAY),
}
"""The second one is compared with its trend, and the last one has no speech."""


@dataclass(frozen=True)
class ComparedLine:
    """One figure, as the product and as the truth have it. None: it has no such figure."""

    window: str
    key: Key
    product: Fact | None
    truth: Fact | None

    @property
    def ok(self) -> bool:
        if self.product is None or self.truth is None or self.product.n != self.truth.n:
            return False
        return same(self.product.value, self.truth.value)

    def __str__(self) -> str:
        indicator, key, split = self.key
        part = ",".join(f"{name}={value}" for name, value in split) or "-"
        shown = [_shown(self.product), _shown(self.truth), "ok" if self.ok else "DIFFERENT"]
        return f"{self.window:<24}{indicator}  {key:<20}{part:<24}{shown[0]:>26}{shown[1]:>26}  {shown[2]}"


def run(url: str, seed: int, utterances: int, windows: Mapping[str, Window] = WINDOWS) -> list[ComparedLine]:
    """Play a world in the empty database at `url`. Return all figures, before and after the retention job."""
    world = World(url, seed, utterances)
    try:
        history = world.play()
        lines = list(_compared(world, history, windows, ""))
        world.expire()
        return lines + list(_compared(world, history, windows, ", expired"))
    finally:
        world.close()


def same(one: float | None, other: float | None) -> bool:
    """Tell whether two values are equal, apart from the rounding of floats."""
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-6)


def options(clips: EvidenceStore | None = None) -> Options:
    """Return the options of the product that say the same as RULES."""
    return Options(
        low_confidence=RULES.low_confidence,
        languages=RULES.languages,
        illegal=RULES.illegal,
        settled=RULES.settled,
        lease=RULES.lease,
        acknowledge=RULES.acknowledge,
        report=RULES.report,
        appeal=RULES.appeal,
        spread_rooms=RULES.spread_rooms,
        spread_speakers=RULES.spread_speakers,
        spread=RULES.spread,
        stable_loss=RULES.stable_loss,
        retention=RETENTION,
        evidence=clips,
    )


def _compared(world: World, history: WorldHistory, windows: Mapping[str, Window], when: str) -> Iterator[ComparedLine]:
    for name, window in windows.items():
        with world.database.read() as connection:
            figures = measure(connection, window, options(world.evidence))
        yield from compared(f"{name}{when}", figures, true_figures(history, window))


def true_figures(history: WorldHistory, window: Window) -> dict[Key, Fact]:
    """Return all true figures of a window. Those of the only policy or model are left out, as the product does."""
    truth = Truth(history, RULES, window.since, window.until)
    verdicts = Verdicts(history, RULES, window.since, window.until)
    found = truth.figures | verdicts.figures
    if window.until <= history.lines[0]:  # nothing had happened yet, so nothing is measured
        found = {key: Fact(None, fact.n) for key, fact in found.items()}
    return {key: fact for key, fact in found.items() if truth.only().isdisjoint(dict(key[2]))}


def compared(window: str, figures: Sequence[Figure], truth: dict[Key, Fact]) -> Iterator[ComparedLine]:
    """Yield a line for each figure of the product, and for each figure that it lacks."""
    product = {key_of(figure): Fact(figure.value, figure.n) for figure in figures}
    computed = {name for name, indicator in INDICATORS.items() if indicator.compute}
    for key in sorted(product.keys() | {key for key in truth if key[0] in computed}):
        yield ComparedLine(window, key, product.get(key), truth.get(key))


def key_of(figure: Figure) -> Key:
    """Return the key under which the truth has this figure."""
    return figure.indicator, figure.key, tuple(sorted(figure.split.items()))


def _shown(fact: Fact | None) -> str:
    if fact is None:
        return "missing"
    value = "not measured" if fact.value is None else f"{fact.value:.9g}"
    return f"{value} (n={fact.n})"


def sqlite_url(folder: Path) -> str:
    """Return the URL of a new SQLite file in `folder`."""
    return f"sqlite:///{folder / 'store.db'}"
