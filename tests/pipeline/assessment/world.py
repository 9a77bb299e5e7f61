"""A random week of cases in a real store, with the facts from which tests compute figures on their own."""

import random
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from pipeline.contract.messages import Flag, Hit, Verdict
from pipeline.review import audit_log
from pipeline.review.cases import deciding, reading, storing
from pipeline.review.cases.case_queue import Ranking
from pipeline.review.cases.case_values import Choice
from pipeline.review.cases.storing import Merge
from pipeline.review.database import Database
from pipeline.review.delivery import speech_tallies
from pipeline.review.delivery.enforcements import Confirmation, confirm
from tests.builders import flag
from tests.pipeline.assessment.reading import WEEK

DAY = 86_400.0
SEVERITIES = {"fraud": 2, "violence": 3, "ads_spam": 0}
LABELS = ("fraud", "violence", "ads_spam", "abuse")
"""The label abuse has no severity of its own, so it is medium."""


@dataclass
class Given:
    """A decision, and when the app confirmed its action."""

    at: float
    verdict: Verdict
    action: bool = False
    undone: float | None = None
    done: float | None = None


@dataclass
class Fact:
    """What happened to one case. Each case has one flag."""

    flag: Flag
    stored: float
    audited: bool
    decisions: list[Given] = field(default_factory=list)

    @property
    def flagged(self) -> bool:
        """Whether it counts in the figures of flagged cases."""
        return not self.audited and not self.flag.drill

    @property
    def severity(self) -> int:
        if self.audited:
            return 0
        own = SEVERITIES.get(self.flag.flagged[0], 1)
        return max(own, 2) if self.flag.suggestion == "block" else own

    def standing(self, until: float) -> list[Given]:
        return [
            one
            for one in self.decisions
            if one.at < until and one.verdict != "escalate" and (one.undone is None or one.undone >= until)
        ]

    def decided(self, until: float) -> float | None:
        return min((one.at for one in self.standing(until)), default=None)

    def upheld(self, until: float) -> bool:
        standing = self.standing(until)
        return bool(standing) and standing[-1].verdict == "uphold"


def week(rng: random.Random, cases: int) -> list[Fact]:
    """Return random cases from a week before WEEK until a day after it, in order of time."""
    ends = sorted(rng.uniform(-8 * DAY, 8 * DAY) for _ in range(cases))
    return [_fact(rng, number, end) for number, end in enumerate(ends)]


def store(database: Database, facts: list[Fact]) -> None:
    """Write the facts in the order of time, as the review store does, but in one transaction."""
    merge, ranking = Merge(120.0, 0.5), Ranking(SEVERITIES)
    with database.write() as connection:
        for fact in facts:
            if fact.audited:
                [outcome] = storing.add_audits(connection, [fact.flag], fact.stored, 0.5, ranking)
            else:
                [outcome] = storing.add_flags(connection, [fact.flag], fact.stored, merge, ranking)
            speech_tallies.count_batch(connection, [fact.flag], fact.stored)
            for number, given in enumerate(fact.decisions):
                _decide(connection, outcome.case, given, f"{fact.flag.id}-{number}")


def work(database: Database, at: float, person: str, action: str, case: str = "x") -> None:
    """Write a line of the audit log."""
    with database.write() as connection:
        audit_log.append(connection, at, person, action, case)


def _fact(rng: random.Random, number: int, end: float) -> Fact:
    audited, drill = rng.random() < 0.1, rng.random() < 0.1
    label = rng.choice(LABELS)
    changes: dict[str, Any] = {
        "room": f"room {number}",
        "speaker": f"speaker {number}",
        "room_type": rng.choice(["game", "kids"]),
        "language": rng.choice(["zh", "en"]),
        "suggestion": "pass" if audited else rng.choice(["review", "block"]),
        "flagged": () if audited else (label,),
        "hits": (Hit(f"term of {label}", label, "high", 0, 3),),
        "listeners": rng.choice([None, 0, 3, 250]),
        "drill": "drill-1" if drill else "",
    }
    spoken = flag(str(number), end - rng.uniform(0.5, 10), end, **changes)
    fact = Fact(spoken, spoken.end + rng.choice([0.05, 0.6, 1.7, 4.0, 45.0, 200.0]), audited)
    fact.decisions = list(_decisions(rng, fact.stored))
    return fact


def _decisions(rng: random.Random, stored: float) -> Any:
    at = stored + rng.choice([0.0, 30.0, 299.6, 300.0]) + rng.expovariate(1 / 600)
    if rng.random() < 0.2:
        yield Given(at, "dismiss", undone=at + 5)
        at += 20
    if rng.random() < 0.15:
        yield Given(at, "escalate")
        at += 2_000
    if rng.random() < 0.8:
        given = Given(at, rng.choice(["uphold", "uphold", "dismiss"]))
        given.action = given.verdict == "uphold" and rng.random() < 0.8
        given.done = at + rng.uniform(0.1, 90) if given.action and rng.random() < 0.7 else None
        yield given
        if rng.random() < 0.1:
            yield Given(at + rng.uniform(1, 3) * DAY, "dismiss")


def _decide(connection: Connection, case: str, given: Given, name: str) -> None:
    person = "ada" if given.verdict != "escalate" else "ben"
    choice = Choice(verdict=given.verdict, action="mute" if given.action else None, note=name)
    found = reading.case(connection, case)
    if found.status == "decided":  # as the settlement of an appeal does
        decision = deciding.add_decision(connection, found, "lea", choice, given.at)
        detail = {"verdict": choice.verdict, "label": None, "reason": "", "action": choice.action}
        audit_log.append(connection, given.at, "lea", "case.correct", case, detail | {"decision": decision.id})
    else:
        decision = deciding.decide(connection, case, person, choice, given.at)
    if given.undone is not None:
        deciding.undo(connection, decision.id, person, given.undone)
    if given.done is not None:
        done = Confirmation(decision=decision.id, action="mute", result="done", at=given.done, received_at=given.done)
        confirm(connection, done)


def in_week(facts: list[Fact]) -> list[Fact]:
    return [fact for fact in facts if WEEK.contains(fact.stored)]
