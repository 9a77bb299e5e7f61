"""Plays two weeks through the real store, and compares all that the product says with the truth."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from sqlalchemy import select

from benchmarks.assessment.comparing import ComparedLine, compared, facts
from benchmarks.assessment.facts import BEGIN, DAY, WorldHistory
from benchmarks.assessment.rectifying import Rectification
from benchmarks.assessment.settings import options, settings
from benchmarks.assessment.stores import url_of
from benchmarks.assessment.truth.figures import Fact, Key
from benchmarks.assessment.truth.rules import Rules
from benchmarks.assessment.truth.tallies import Counts, tallies
from benchmarks.assessment.truth.window import true_figures
from benchmarks.assessment.watching import DailyWatch
from benchmarks.assessment.world.core import END, World
from benchmarks.assessment.world.play import Play, expire
from pipeline.assessment.measure import measure
from pipeline.review import audit_log
from pipeline.review.quality.figure import Window
from pipeline.review.tables.assessment_tables import TALLIES

RULES = Rules()
WINDOWS = {
    "two weeks": Window(BEGIN, END),
    "second week": Window(BEGIN + 7 * DAY, END),
    "ragged": Window(BEGIN + 3 * DAY + 1_234.5, BEGIN + 9.7 * DAY + 77.7),
    "before": Window(BEGIN - 7 * DAY, BEGIN - DAY),
}
"""The second one is compared with its trend, and the last one has no speech."""
FIRST_WEEK = Window(BEGIN, BEGIN + 7 * DAY)
MEASURED_AGAIN = BEGIN + 8.5 * DAY
AS_IT_IS = {("I-22", "overdue"), ("I-23", "share")}
"""The catalogue says that these describe the store at the time of the calculation."""

Figures = dict[Key, Fact]


@dataclass
class Simulated:
    """The result of a simulation: all compared values, and the product's figures by the name of their window."""

    lines: list[ComparedLine] = field(default_factory=list)
    figures: dict[str, Figures] = field(default_factory=dict)
    history: WorldHistory = field(default_factory=WorldHistory)


def in_store(seed: int, utterances: int, store: str) -> Simulated:
    """Play a world in an empty store of this kind."""
    with url_of(store) as url:
        return run(url, seed, utterances)


def run(url: str, seed: int, utterances: int, windows: Mapping[str, Window] = WINDOWS) -> Simulated:
    """Play a world in the empty database at `url`. Compare all, and the figures also after the retention job."""
    world = World(url, seed)
    try:
        return Simulation(world, utterances).compare(windows)
    finally:
        world.close()


class Simulation:
    """A world, and the people who watch it."""

    def __init__(self, world: World, utterances: int) -> None:
        self._world = world
        Play(world, settings(RULES), utterances)
        self._watch = DailyWatch(world, RULES)
        self._rectification = Rectification(world, RULES)
        self._result = Simulated(history=world.history)

    def compare(self, windows: Mapping[str, Window]) -> Simulated:
        """Let everything happen, and compare."""
        self._world.run(MEASURED_AGAIN)
        early = self._figures("first week, early", FIRST_WEEK)
        self._world.run(END)
        late = self._figures("first week", FIRST_WEEK)
        self._result.lines += compared("measured again", settled(late), settled(early))
        for name, window in windows.items():
            self._figures(name, window)
        self._trend()
        self._records()
        expire(self._world)
        for name, window in windows.items():
            self._figures(f"{name}, expired", window)
        return self._result

    def _figures(self, name: str, window: Window) -> Figures:
        """Compare the figures of a window. Return those of the product."""
        world = self._world
        with world.database.read() as connection:
            found = facts(measure(connection, window, options(RULES, world.evidence)))
        truth = true_figures(world.history, RULES, window.since, window.until)
        self._result.lines += compared(name, found, truth)
        self._result.figures[name] = found
        return found

    def _trend(self) -> None:
        """Compare what the second week says about the week before with the figures of the first week."""
        second, first = (self._result.figures.get(name) for name in ("second week", "first week"))
        if second and first:
            said = {key: fact.previous for key, fact in second.items() if key in first}
            self._result.lines += compared("trend", said, {key: first[key].value for key in said})

    def _records(self) -> None:
        """Compare triggers, hazards and tallies. Check the chain of the audit log."""
        for part in (self._watch, self._rectification):
            self._result.lines += compared("records", part.product(), part.truth())
        self._result.lines += self._tallies()
        with self._world.database.read() as connection:
            chain = audit_log.verify_chain(connection)
        lines = len(self._world.history.lines)
        key: Key = ("log", "lines", ())
        self._result.lines.append(ComparedLine("records", key, (chain.lines, chain.broken), (lines, None)))

    def _tallies(self) -> Iterator[ComparedLine]:
        """Yield a line for each measure, and for each row that differs."""
        names = ("hour", "measure", "bucket", "room_type", "language", "label", "policy", "model", "count", "samples")
        with self._world.database.read() as connection:
            rows = connection.execute(select(*(TALLIES.c[name] for name in names))).all()
        found: Counts = {tuple(row[:8]): (row[8], row[9]) for row in rows if row[8] or row[9]}
        truth = tallies(self._world.history)
        for measure_ in sorted({cell[1] for cell in truth} | {cell[1] for cell in found}):
            both = [{cell: counts for cell, counts in each.items() if cell[1] == measure_} for each in (found, truth)]
            summed = [(len(each), sum(n for n, _ in each.values()), sum(s for _, s in each.values())) for each in both]
            yield ComparedLine("records", ("tallies", measure_, ()), *summed)
        for cell in sorted(cell for cell in found.keys() | truth.keys() if found.get(cell) != truth.get(cell)):
            yield ComparedLine("records", ("tallies", str(cell), ()), found.get(cell), truth.get(cell))


def settled(figures: Figures) -> Figures:
    """Return the figures of a window that later events cannot change."""
    return {key: fact for key, fact in figures.items() if key[:2] not in AS_IT_IS}
