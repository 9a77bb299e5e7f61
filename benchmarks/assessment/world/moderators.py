"""The moderators: they take cases, decide, escalate and undo."""

from collections.abc import Callable, Sequence

from benchmarks.assessment.facts import BEGIN, CHECKS, DAY, HOUR, LABELS, LEADS, MODERATORS, CaseFact, Given
from benchmarks.assessment.world.core import END, Process, World
from pipeline.contract.messages import Action, Verdict
from pipeline.review import audit_log
from pipeline.review.accounts import accounts
from pipeline.review.accounts.accounts import Role
from pipeline.review.cases import deciding, leases
from pipeline.review.cases.values import Choice, Evidence
from pipeline.review.evidence.evidence_store import checksum

WAITS = (5_000.0, 1_500.0, 400.0, 120.0)
"""Mean seconds that a case waits for a moderator, by severity."""
ACTIONS: tuple[Action, ...] = ("warn", "mute", "remove")

Follow = Callable[[CaseFact, Given], None]


class Moderators:
    """The staff of the console. `follow` starts what a final decision leads to."""

    def __init__(self, world: World, follow: Follow) -> None:
        self._world = world
        self._follow = follow

    def hire(self) -> None:
        """Make the accounts."""
        for name in MODERATORS + LEADS:
            role: Role = "lead" if name in LEADS else "moderator"
            self._world.write(accounts.add_account, name, role, self._world.now, "setup")
            self._world.line()

    def receive(self, case: CaseFact) -> None:
        """Note a new case. Most cases have a clip. Somebody will review it."""
        self._world.history.cases.append(case)
        if self._world.rng.random() < 0.92 and case.flags:
            self._attach(case)
        self._world.start(self._review(case), self._world.now)

    def free(self, case: CaseFact, people: Sequence[str] = MODERATORS + LEADS) -> str | None:
        """Return one of `people` who had no part in a case."""
        root = case.original or case
        family = [root, *(one for one in self._world.history.cases if one.original is root)]
        barred = {person for one in family for person in one.deciders()}
        free = [name for name in people if name not in barred and (case.kind != "golden" or name != "lea")]
        return self._world.rng.choice(free) if free else None

    def undo(self, case: CaseFact, given: Given) -> None:
        """Undo a decision."""
        self._world.write(deciding.undo, given.id, given.person, self._world.now)
        given.undone = self._world.now
        case.reopen()
        self._world.act(given.person, "case.undo", case.id)

    def _attach(self, case: CaseFact) -> None:
        """Store a clip. Some clips are damaged on disk."""
        clip, evidence = f"clip of {case.id}".encode(), self._world.evidence
        stored = Evidence(
            path=evidence.put(case.id, case.start, clip),
            case=case.id,
            bytes=len(clip),
            sha256=checksum(clip),
            start=case.start,
            end=case.end,
            seconds=case.end - case.start,
        )
        self._world.repeat(lambda: self._world.store.attach(stored))
        case.clip = self._world.rng.random() < 0.96
        if not case.clip:
            evidence.put(case.id, case.start, b"damaged")

    def _review(self, case: CaseFact) -> Process:
        world, rng = self._world, self._world.rng
        if rng.random() < 0.06:
            return
        yield world.now + rng.expovariate(1 / WAITS[case.severity])
        yield self._on_duty(world.now)
        person = self.free(case)
        if person is None:
            return
        if rng.random() < 0.95:
            self._claim(case, person)
            yield world.now + rng.uniform(3, 90)
        if rng.random() < 0.04:
            self._decide(case, person, "escalate")
            yield world.now + rng.uniform(600, 5 * HOUR) if rng.random() < 0.8 else END
            if (person := self.free(case, LEADS)) is None:  # a lead decides an escalated case
                return
        given = self._decide(case, person, self._verdict(case))
        if rng.random() < 0.05:
            yield world.now + rng.uniform(1, 9)
            self.undo(case, given)
            yield world.now + rng.uniform(30, 300)
            given = self._decide(case, person, self._verdict(case))
        if case.kind not in CHECKS:
            self._follow(case, given)

    def _on_duty(self, at: float) -> float:
        """Return the next time at which moderators work. On every second night, nobody does from 2 to 6 h."""
        day, second = divmod(at - BEGIN, DAY)
        if day % 2 or not 2 * HOUR <= second < 6 * HOUR:
            return at
        return BEGIN + day * DAY + 6 * HOUR + self._world.rng.uniform(0, 1_800)

    def _verdict(self, case: CaseFact) -> Verdict:
        right: Verdict = "uphold" if case.violates else "dismiss"
        wrong: Verdict = "dismiss" if case.violates else "uphold"
        return right if self._world.rng.random() < 0.92 else wrong

    def _claim(self, case: CaseFact, person: str) -> None:
        world = self._world
        world.write(leases.claim, case.id, person, world.now)
        world.act(person, "case.claim", case.id)
        for viewer in (person, "leo") if world.rng.random() < 0.1 else (person,):
            world.write(audit_log.append, world.now, viewer, "case.view", case.id)
            world.act(viewer, "case.view", case.id)

    def _decide(self, case: CaseFact, person: str, verdict: Verdict) -> Given:
        world, rng = self._world, self._world.rng
        ordered = verdict == "uphold" and rng.random() < 0.8
        action = rng.choice(ACTIONS) if ordered else None
        label = self._label(case) if verdict == "uphold" else None
        choice = Choice(verdict=verdict, action=action, label=label)
        made = world.write(deciding.decide, case.id, person, choice, world.now)
        given = Given(made.id, world.now, person, verdict, label, action)
        case.decisions.append(given)
        case.reopen()
        world.act(person, "case.decide", case.id)
        return given

    def _label(self, case: CaseFact) -> str | None:
        """Return the label that a moderator gives: mostly for passed speech, and rarely to correct the machine."""
        return self._world.rng.choice(LABELS) if self._world.rng.random() < (0.06 if case.label else 0.8) else None
