"""Puts the parts of a simulated world together, and runs its retention job."""

from benchmarks.assessment.facts import BEGIN, DAY, CaseFact, Given
from benchmarks.assessment.settings import RETENTION
from benchmarks.assessment.speech import Talk
from benchmarks.assessment.world import drilling, quality, register
from benchmarks.assessment.world.app import SimulatedApp
from benchmarks.assessment.world.assessing import assess
from benchmarks.assessment.world.casebook import CaseBook
from benchmarks.assessment.world.core import END, UnexpectedError, World
from benchmarks.assessment.world.delivery import Delivery
from benchmarks.assessment.world.moderators import Moderators
from benchmarks.assessment.world.users import UNDO, SimulatedUsers
from pipeline.review.privacy import retention_job
from pipeline.settings import Settings

EXPIRY = END - 60.0
ASSESSED = BEGIN + 5.4 * DAY


class Play:
    """Starts everything that goes on in a world with about `utterances` utterances."""

    def __init__(self, world: World, settings: Settings, utterances: int) -> None:
        self._world = world
        self._moderators = Moderators(world, self._follow)
        self._delivery = Delivery(world, CaseBook(world, self._moderators.receive))
        self._app = SimulatedApp(world)
        self._users = SimulatedUsers(world, self._moderators)
        self._begin(utterances)
        self._keep_records(settings)

    def _begin(self, utterances: int) -> None:
        world = self._world
        self._moderators.hire()
        world.history.speech = speech = Talk(world.rng, utterances).speech()
        app = (self._app.keep_ledger(), self._app.take_events())
        checks = (quality.draw(world, self._moderators), quality.mark_golden(world))
        for process in (self._delivery.deliver(speech), self._delivery.forget(), *app, *checks):
            world.start(process, BEGIN)
        for _ in range(max(20, utterances // 130)):
            world.start(self._users.report(world.rng.choice(speech)), BEGIN)

    def _keep_records(self, settings: Settings) -> None:
        for entry in register.ENTRIES:
            self._world.start(register.keep(self._world, entry), entry.opened)
        for at, broken in drilling.STOPS.items():
            self._world.start(drilling.stop(self._world, self._app, broken), at)
        for at, sentences in drilling.SPOKEN:
            self._world.start(drilling.speak(self._world, self._delivery, sentences), at)
        self._world.start(assess(self._world, settings), ASSESSED)

    def _follow(self, case: CaseFact, given: Given) -> None:
        """Start what a final decision leads to."""
        world, rng = self._world, self._world.rng
        if given.action:
            world.start(self._app.carry_out(given, given.action), world.now + UNDO + rng.uniform(0.5, 60))
        if given.verdict == "uphold" and case.speaker and rng.random() < 0.15:
            world.start(self._users.appeal(case, given), world.now + rng.uniform(0.2, 48) * 3_600)
        if case.kind == "flagged" and not case.drill and rng.random() < 0.06:
            world.start(self._delivery.tell_again(case), world.now + rng.uniform(30, 7_200))


def expire(world: World) -> None:
    """Run the retention job shortly before the end of the world."""
    world.now = world.history.expired = EXPIRY
    due = [case for case in world.history.cases if _over(case, RETENTION.dismissed.case_days)]
    audio = [case for case in world.history.cases if _over(case, RETENTION.dismissed.audio_days)]
    done = retention_job.run_retention(world.database, world.evidence, RETENTION, EXPIRY)
    for case in due:
        case.deleted = True
    for case in audio:
        if not case.deleted and case.clip is not None:
            case.clip = None
            world.history.clips_deleted += 1
    world.line(len(due) + world.history.clips_deleted + 1)
    if (done.cases, done.clips) != (len(due), world.history.clips_deleted):
        raise UnexpectedError(f"retention deleted {done}, not {len(due)} cases")


def _over(case: CaseFact, days: float) -> bool:
    """Tell whether retention deletes a part of a case: it is dismissed, `days` old, and has no open appeal.

    A copy for a check goes with its original.
    """
    case, before = case.original or case, EXPIRY - days * DAY
    kept = [one for one in case.decisions if one.undone is None]
    last = max((one.at for one in case.decisions), default=case.created)
    waits = any(appeal.waits for appeal in case.appeals)
    return bool(kept) and kept[-1].verdict == "dismiss" and max(case.created, last) < before and not waits
