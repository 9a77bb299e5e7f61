"""Finds hazards, fixes them and checks them again, in the product and in the truth."""

from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec

from sqlalchemy import Connection

from benchmarks.assessment.facts import BEGIN, DAY
from benchmarks.assessment.settings import options
from benchmarks.assessment.truth.figures import Fact, Key
from benchmarks.assessment.truth.hazards import TrueHazard, TrueHazards, TrueStep
from benchmarks.assessment.truth.rules import Rules
from benchmarks.assessment.truth.window import true_figures
from benchmarks.assessment.world.core import Process, World
from pipeline.assessment import drills, hazards, register
from pipeline.assessment.hazards import Finding, Hazard
from pipeline.assessment.measure import measure
from pipeline.assessment.proofs import FileProof
from pipeline.base.errors import CaseError, InputError
from pipeline.review.quality.figure import Figure, Window

P = ParamSpec("P")

OF_PERSON = Finding(source="person", about="5(5)", title="the clips are not encrypted", owner="ben")
LEFT_OPEN = "I-08.open"
FILE = FileProof("/proof.pdf", "1" * 64)


class Rectification:
    """What people do about hazards in two weeks. It compares nothing by itself."""

    def __init__(self, world: World, rules: Rules) -> None:
        self._world = world
        self._rules = rules
        self._truth = TrueHazards()
        world.start(self._rectify(), BEGIN + 3 * DAY)

    def product(self) -> dict[Key, Any]:
        """Return the hazards of the store."""
        with self._world.database.read() as connection:
            return {_key(one.source, one.about): _plain(one) for one in hazards.all_of(connection)}

    def truth(self) -> dict[Key, Any]:
        """Return the hazards that the store must have."""
        return {_key(one.source, one.about): _true_plain(one) for one in self._truth.found.values()}

    def _rectify(self) -> Process:
        """Go through two weeks. The times are days after the beginning of the world."""
        self._find(0)
        self._find(0)  # the same findings open nothing again
        self._add()
        self._refuse()
        yield BEGIN + 4 * DAY
        self._recheck(3)  # nothing is fixed yet
        yield BEGIN + 6 * DAY
        self._fix()
        yield BEGIN + 6.5 * DAY
        self._assign()
        yield BEGIN + 7 * DAY
        self._recheck(5)  # the window begins before the fix
        yield BEGIN + 9 * DAY
        self._recheck(6.2)
        self._close_with_file()
        yield BEGIN + 10.5 * DAY
        self._find(7)
        self._recheck(9.5)
        yield BEGIN + 12 * DAY
        self._reopen()
        self._fix()
        yield BEGIN + 13.6 * DAY
        self._recheck(12.1)

    def _do(
        self,
        note: Callable[[], None],
        action: Callable[Concatenate[Connection, P], object],
        *args: P.args,
        **options: P.kwargs,
    ) -> None:
        """Do something in the product, and note it in the truth. Each step is a line of the audit log."""
        steps = self._truth.steps
        self._world.write(action, *args, **options)
        note()
        self._world.line(self._truth.steps - steps)

    def _figures(self, first_day: float) -> tuple[list[Figure], dict[Key, Fact], Window]:
        window = Window(BEGIN + first_day * DAY, self._world.now)
        with self._world.database.read() as connection:
            found = measure(connection, window, options(self._rules, self._world.evidence))
        return found, true_figures(self._world.history, self._rules, window.since, window.until), window

    def _find(self, first_day: float) -> None:
        figures, true, _ = self._figures(first_day)
        now = self._world.now

        def find(connection: Connection) -> object:
            found = [*hazards.of_figures(figures), *register.incidents(connection), *drills.failures(connection)]
            return hazards.find_all(connection, found, "lea", now)

        self._do(lambda: self._truth.find_all(true, self._world.history, now), find)

    def _recheck(self, first_day: float) -> None:
        figures, true, window = self._figures(first_day)
        now = self._world.now

        def recheck(connection: Connection) -> object:
            return hazards.recheck(connection, figures, window, "lea", now), drills.recheck(connection, "lea", now)

        def note() -> None:
            self._truth.recheck(true, window.since, now)
            self._truth.recheck_drills(self._world.history, now)

        self._do(note, recheck)

    def _add(self) -> None:
        def note() -> None:
            self._truth.find("person", OF_PERSON.about, self._world.now)
            self._truth.found[OF_PERSON.about].owner = OF_PERSON.owner

        self._do(note, hazards.find_all, [OF_PERSON], "lea", self._world.now)

    def _refuse(self) -> None:
        """Try to close a hazard without a proof, and one that is not fixed."""
        identity, now = OF_PERSON.id, self._world.now
        self._world.refused(InputError, hazards.close, identity, "done", "lea", now, ())
        self._world.refused(CaseError, hazards.close, identity, "done", "lea", now, (FILE,))

    def _fix(self) -> None:
        """Fix all open hazards but one."""
        for one in self._ordered("open"):
            if one.about != LEFT_OPEN:
                self._step(one, TrueStep(self._world.now, "fixed"), hazards.fix, "done", "lea", self._world.now)

    def _assign(self) -> None:
        """Name another person for all fixed hazards. They stay fixed since the same time."""
        now = self._world.now
        for one in self._ordered("fixed"):
            self._step(one, TrueStep(now, "fixed"), hazards.assign, "cai", None, "lea", now)
            one.owner = "cai"

    def _close_with_file(self) -> None:
        """Close the fixed hazards that no figure proves, with a file."""
        now = self._world.now
        for one in self._ordered("fixed"):
            if one.source in {"incident", "person"}:
                self._step(one, TrueStep(now, "closed", (FILE.plain(),)), hazards.close, "", "lea", now, [FILE])

    def _reopen(self) -> None:
        """Open the first closed hazard again."""
        for one in self._ordered("closed")[:1]:
            self._step(one, TrueStep(self._world.now, "open"), hazards.reopen, "again", "lea", self._world.now)

    def _step(
        self,
        hazard: TrueHazard,
        step: TrueStep,
        action: Callable[Concatenate[Connection, str, P], Hazard],
        *args: P.args,
        **options: P.kwargs,
    ) -> None:
        with self._world.database.read() as connection:
            stored = {_key(one.source, one.about): one.id for one in hazards.all_of(connection)}
        self._do(lambda: hazard.add(step), action, stored[_key(hazard.source, hazard.about)], *args, **options)

    def _ordered(self, state: str) -> list[TrueHazard]:
        """Return the hazards in a state, in an order that is the same on all databases."""
        return sorted(
            (one for one in self._truth.found.values() if one.state == state),
            key=lambda one: (one.source, one.steps[0].at, one.about if one.source != "incident" else ""),
        )


def _key(source: str, about: str) -> Key:
    return "hazard", about, (("source", source),)


def _plain(found: Hazard) -> dict[str, Any]:
    steps = [(step.at, step.state, list(step.evidence)) for step in found.steps]
    return {"owner": found.owner, "state": found.state, "found_at": found.found_at, "steps": steps}


def _true_plain(found: TrueHazard) -> dict[str, Any]:
    steps = [(step.at, step.state, list(step.proofs)) for step in found.steps]
    return {"owner": found.owner, "state": found.state, "found_at": found.steps[0].at, "steps": steps}
