"""The operator's daily watch for the cases of article 3, in the product and in the truth."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from benchmarks.assessment.facts import BEGIN, DAY, HOUR
from benchmarks.assessment.settings import RECOGNISERS, settings
from benchmarks.assessment.truth.figures import Key
from benchmarks.assessment.truth.rules import Rules
from benchmarks.assessment.truth.signals import SeenMoment, TrueSignal
from benchmarks.assessment.truth.triggers import TrueTriggers
from benchmarks.assessment.world.core import Process, UnexpectedError, World
from pipeline.assessment import article3_signals, triggers
from pipeline.assessment.proofs import FileProof
from pipeline.assessment.triggers import Trigger
from pipeline.assessment.workdays import SHIPPED, Calendar
from pipeline.base.errors import CaseError

CALENDAR_KNOWN = BEGIN + 4 * DAY
"""Until then, the operator has no calendar of the year."""
NEW_RECOGNISER = BEGIN + 11 * DAY
NOTICE = BEGIN + 5.2 * DAY
NOTICE_DAY = date(2026, 4, 3)
SCAN = FileProof("/notice.pdf", "0" * 64)
AUTHORITY = "市网信办"


class DailyWatch:
    """What the watch finds and people decide. It compares nothing by itself."""

    def __init__(self, world: World, rules: Rules) -> None:
        self._world = world
        self._rules = rules
        self._truth = TrueTriggers()
        world.start(self._watch(), BEGIN + HOUR)
        world.start(self._notice(), NOTICE)

    def product(self) -> dict[Key, Any]:
        """Return the triggers of the store."""
        with self._world.database.read() as connection:
            return {_key(one.clause, one.signal, one.detail): _plain(one) for one in triggers.all_of(connection)}

    def truth(self) -> dict[Key, Any]:
        """Return the triggers that the store must have."""
        found = self._truth.found.values()
        return {_key(one.signal.clause, one.signal.name, one.signal.detail): one.plain() for one in found}

    def _watch(self) -> Process:
        """Watch once a day, and then once more in vain. A person decides about one trigger."""
        while True:
            known = len(self._truth.found)
            self._truth.calendar = self._world.now >= CALENDAR_KNOWN
            self._run()
            model = self._settings.asr
            self._truth.watch(
                SeenMoment(self._world.history, self._rules, self._world.now, f"{model.engine} {model.model}")
            )
            self._world.line(len(self._truth.found) - known)
            if self._run():
                raise UnexpectedError("the same signs made new triggers")
            self._decide()
            yield self._world.now + DAY

    def _run(self) -> list[Trigger]:
        world = self._world
        return world.repeat(lambda: article3_signals.watch(world.database, self._settings, self._calendar, world.now))

    @property
    def _settings(self) -> Any:
        return settings(self._rules, RECOGNISERS[self._world.now >= NEW_RECOGNISER])

    @property
    def _calendar(self) -> Calendar:
        return Calendar((SHIPPED if self._truth.calendar else Path("/nowhere"),))

    def _decide(self) -> None:
        """Decide about the first trigger that waits. A second decision is refused."""
        world = self._world
        with world.database.read() as connection:
            waiting = triggers.all_of(connection, "suggested")
        if not waiting:
            return
        chosen = min(waiting, key=lambda one: _key(one.clause, one.signal, one.detail))
        accept = world.rng.random() < 0.5
        world.write(triggers.decide, chosen.id, accept, "we looked at it", "lea", world.now)
        world.line()
        world.refused(CaseError, triggers.decide, chosen.id, not accept, "no", "lea", world.now)
        key = _key(chosen.clause, chosen.signal, chosen.detail)
        for one in self._truth.found.values():
            if _key(one.signal.clause, one.signal.name, one.signal.detail) == key:
                one.state = "accepted" if accept else "rejected"

    def _notice(self) -> Process:
        """Record the notice of an authority. It cannot be recorded twice."""
        world, calendar = self._world, Calendar((SHIPPED,))

        def record(connection: Connection) -> Trigger:
            return triggers.record_notice(connection, AUTHORITY, NOTICE_DAY, SCAN, "lea", calendar, world.now)

        world.write(record)
        detail = {"authority": AUTHORITY, "date": NOTICE_DAY.isoformat(), "scan": SCAN.plain()}
        self._truth.add(TrueSignal("3.5", "notice", SCAN.sha256, detail), world.now, NOTICE_DAY)
        world.line()
        world.refused(CaseError, record)
        yield from ()


def _key(clause: str, name: str, detail: Mapping[str, Any]) -> Key:
    """Return the key of a trigger: one sign makes a trigger for each day, version or assessment."""
    period = next((detail[each] for each in ("day", "version", "register", "assessment") if each in detail), "")
    return "trigger", f"{clause} {name}", (("period", str(period)),)


def _plain(found: Trigger) -> dict[str, Any]:
    return {name: getattr(found, name) for name in ("clause", "signal", "detail", "found_at", "due", "state")}
