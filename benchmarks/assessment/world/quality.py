"""The console's regular work on quality: second and third opinions, and golden cases."""

from typing import Any

from benchmarks.assessment.facts import BEGIN, DAY, HOUR, CaseFact
from benchmarks.assessment.world.core import Process, World
from benchmarks.assessment.world.moderators import Moderators
from pipeline.contract.messages import Verdict
from pipeline.review.quality import drawing, quality_checks
from pipeline.review.quality.drawing import Shares

SHARES = Shares(second=0.12, golden=0.04)
DRAW_SECONDS = 4 * HOUR
UNDO = 10.0


def draw(world: World, moderators: Moderators) -> Process:
    """Draw second opinions, third opinions and golden cases every few hours."""
    while True:
        yield world.now + DRAW_SECONDS
        made = world.write(drawing.draw, world.evidence, world.now, SHARES, UNDO)
        with world.database.read() as connection:
            drawn = [check for case in made if (check := quality_checks.check_of(connection, case))]
        known = {case.id: case for case in world.history.cases}
        for check in sorted(drawn, key=lambda one: one.case_id):
            original = known[check.original or ""]
            moderators.receive(_copy(world, check.case_id, check.kind, original, check.probability))


def _copy(world: World, identity: str, kind: Any, original: CaseFact, probability: float) -> CaseFact:
    later = world.now - original.created if kind == "golden" else 0.0
    fields = {**vars(original), "id": identity, "kind": kind, "created": world.now, "original": original}
    fields |= {"start": original.start + later, "end": original.end + later, "probability": probability}
    for name in ("flags", "linked", "decisions", "appeals", "reports"):
        fields[name] = []
    return CaseFact(**fields)


def mark_golden(world: World) -> Process:
    """A lead marks decided cases with the right answer."""
    for day in (1.5, 4.5):
        yield BEGIN + day * DAY
        flagged = [case for case in world.history.cases if case.kind == "flagged" and not case.open and not case.drill]
        for case in world.rng.sample(flagged, min(4, len(flagged))):
            right: Verdict = "uphold" if case.violates else "dismiss"
            world.write(quality_checks.mark_golden, case.id, "lea", right, world.now)
