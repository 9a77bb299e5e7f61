"""The users: they report speech, and appeal against decisions."""

from benchmarks.assessment.facts import HOUR, LABELS, SEVERITIES, Appealed, CaseFact, Given, Reported, WorldSpeech
from benchmarks.assessment.world.core import Process, UnexpectedError, World
from benchmarks.assessment.world.moderators import Moderators
from pipeline.contract.messages import Verdict
from pipeline.review.appeals import appeals, reports
from pipeline.review.appeals.reports import Complaint
from pipeline.review.cases.ranking import Ranking
from pipeline.review.cases.values import Choice

REPORT_SECONDS = 120.0
UNDO = 10.0


class SimulatedUsers:
    """The speakers and listeners of the rooms."""

    def __init__(self, world: World, moderators: Moderators) -> None:
        self._world = world
        self._moderators = moderators

    # Appeals

    def appeal(self, case: CaseFact, given: Given) -> Process:
        """Appeal against a decision, if it still holds."""
        world, rng = self._world, self._world.rng
        if case.last(world.now) is not given:
            return
        lodged, _ = world.write(appeals.lodge, case.id, case.speaker, "I did not say that", world.now, UNDO)
        appealed = Appealed(world.now, given)
        case.appeals.append(appealed)
        world.line()
        yield world.now + rng.expovariate(1 / (10 * HOUR))
        again = rng.random() < 0.1
        for _ in range(1 + again):
            person = self._moderators.free(case)
            if person is None:
                return
            settled = self._settle(case, appealed, lodged.id, person)
            if again and settled.undone is None and len(case.decisions) < 4:
                yield world.now + rng.uniform(1, 9)
                self._moderators.undo(case, settled)
                yield world.now + rng.uniform(60, 5 * HOUR)

    def _settle(self, case: CaseFact, appealed: Appealed, identity: str, person: str) -> Given:
        world = self._world
        verdict: Verdict = "dismiss" if world.rng.random() < 0.35 else "uphold"
        choice = Choice(verdict=verdict)
        made = world.write(appeals.settle, identity, person, choice, world.now, UNDO)
        given = Given(made.id, world.now, person, verdict)
        case.decisions.append(given)
        appealed.settlements.append(given)
        world.act(person, "appeal.settle", case.id)
        return given

    # Reports

    def report(self, about: WorldSpeech) -> Process:
        """Report speech, more often if it is bad. Others may report it too."""
        world, rng = self._world, self._world.rng
        if not about.violates and rng.random() < 0.3:
            about = rng.choice([one for one in world.history.speech if one.violates and not one.drill])
        yield about.end + rng.uniform(2, 200)
        speaker = "" if rng.random() < 0.1 else about.speaker
        for number in range(rng.choice([1, 1, 1, 2, 3])):
            self._file(about, speaker, f"user {rng.randrange(10**9)}")
            if number < 3:
                yield world.now + rng.uniform(1, 20)

    def _file(self, about: WorldSpeech, speaker: str, reporter: str) -> None:
        world, moment = self._world, about.end + 1.0
        label = about.violates or world.rng.choice(LABELS)
        complaint = Complaint(room=about.room, speaker=speaker, reporter=reporter, label=label, at=moment)
        report, _ = world.write(reports.file, complaint, world.now, Ranking(SEVERITIES), REPORT_SECONDS)
        joined = self._joined(about.room, speaker, moment)
        if joined is None:
            joined = self._case(report.case, about, speaker, label, moment)
            self._moderators.receive(joined)
        elif joined.id != report.case:
            raise UnexpectedError(f"report {report.id} joined case {report.case}, not {joined.id}")
        world.line()
        _raise(joined, label, moment)
        if report.audio == "waiting":
            found = world.rng.random() < 0.85
            world.repeat(lambda: world.store.finish_search(report, [about.speaker] if found else []))
            joined.heard = joined.heard or found
        joined.reports.append(Reported(world.now, about.room, speaker, moment, label))

    def _joined(self, room: str, speaker: str, moment: float) -> CaseFact | None:
        """Return the open case of earlier reports about the same minutes."""
        fitting = [
            case
            for case in self._world.history.cases
            if case.kind == "report" and (case.room, case.speaker) == (room, speaker) and case.open
            if moment - 2 * REPORT_SECONDS <= case.start <= moment
        ]
        return min(fitting, key=lambda case: case.created, default=None)

    def _case(self, identity: str, about: WorldSpeech, speaker: str, label: str, moment: float) -> CaseFact:
        return CaseFact(
            id=identity,
            kind="report",
            created=self._world.now,
            room=about.room,
            room_type="default",
            speaker=speaker,
            start=moment - REPORT_SECONDS,
            end=moment,
            label=label,
            severity=SEVERITIES.get(label, 1),
            language="",
            policy="report",
            suggestion="review",
            violates=about.violates,
        )


def _raise(case: CaseFact, label: str, moment: float) -> None:
    if SEVERITIES.get(label, 1) > case.severity:
        case.label, case.severity = label, SEVERITIES.get(label, 1)
    case.end = max(case.end, moment)
