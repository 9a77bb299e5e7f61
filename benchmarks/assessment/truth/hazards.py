"""The hazards that a store must have, and their history."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from benchmarks.assessment.facts import DetectionDrill, StopDrill, WorldHistory
from benchmarks.assessment.truth.figures import Fact, Key, by

Source = Literal["threshold", "drill", "incident", "person"]
Proof = dict[str, Any]


class TrueStep(NamedTuple):
    """A step in the history of a hazard."""

    at: float
    state: Literal["open", "fixed", "closed"]
    proofs: tuple[Proof, ...] = ()


@dataclass
class TrueHazard:
    """A hazard with its steps, the oldest first."""

    source: Source
    about: str
    owner: str = ""
    steps: list[TrueStep] = field(default_factory=list)

    @property
    def state(self) -> str:
        return self.steps[-1].state

    @property
    def fixed_at(self) -> float:
        """When it was fixed. Steps that leave it fixed, e.g. another owner, change nothing."""
        fixed = self.steps[-1].at
        for step in reversed(self.steps):
            if step.state != "fixed":
                break
            fixed = step.at
        return fixed

    def add(self, step: TrueStep) -> None:
        self.steps.append(step)


class DrillPart(NamedTuple):
    """What a drill tested: how many of its sentences or rooms went right."""

    right: int
    every: int


@dataclass
class TrueHazards:
    """All hazards, by what they are about."""

    found: dict[str, TrueHazard] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        return sum(len(hazard.steps) for hazard in self.found.values())

    def find(self, source: Source, about: str, at: float) -> None:
        """Open a hazard if it is new. Open it again if it was closed, but an incident happens only once."""
        hazard = self.found.setdefault(about, TrueHazard(source, about))
        if not hazard.steps or (hazard.state == "closed" and source != "incident"):
            hazard.add(TrueStep(at, "open"))

    def find_all(self, figures: Mapping[Key, Fact], history: WorldHistory, at: float) -> None:
        """Find the figures that miss their limit, the incidents, and what the last drills missed."""
        for (indicator, key, part), fact in figures.items():
            if not part and fact.met is False:
                self.find("threshold", f"{indicator}.{key}", at)
        for entry in history.register:
            if entry.kind == "incident":
                self.find("incident", f"I-32.incident:{entry.id}", at)
        for drills in (history.stop_drills, history.detection_drills):
            ended = [drill for drill in drills if drill.ended is not None]
            for about, tested in tests(ended[-1]) if ended else ():
                if tested.right < tested.every:
                    self.find("drill", about, at)

    def recheck(self, figures: Mapping[Key, Fact], since: float, until: float) -> None:
        """Close the fixed hazards whose figure keeps its limit in a window after the fix."""
        for (indicator, key, part), fact in figures.items():
            hazard = self.found.get(f"{indicator}.{key}")
            if hazard and not part and fact.met and hazard.state == "fixed" and hazard.fixed_at <= since:
                proof = {"figure": hazard.about, "value": fact.value, "threshold": fact.threshold}
                hazard.add(TrueStep(until, "closed", (proof | {"since": since, "until": until},)))

    def recheck_drills(self, history: WorldHistory, at: float) -> None:
        """Close the fixed hazards of drills that went right in a drill after the fix: in the first such drill."""
        every: list[StopDrill | DetectionDrill] = [*history.stop_drills, *history.detection_drills]
        for drill in sorted(every, key=lambda one: one.at):
            for about, tested in tests(drill) if drill.ended is not None else ():
                hazard = self.found.get(about)
                if hazard and hazard.state == "fixed" and hazard.fixed_at <= drill.at and tested.right == tested.every:
                    hazard.add(TrueStep(at, "closed", ({"drill": drill.id, "lines": tested.every},)))


def tests(drill: StopDrill | DetectionDrill) -> Iterator[tuple[str, DrillPart]]:
    """Yield what a drill tested, with the name of its hazard."""
    if isinstance(drill, StopDrill):
        yield "I-28.drill", DrillPart(sum(told is not None for told in drill.rooms.values()), len(drill.rooms))
        return
    for (language, label), found in by(drill.sentences, lambda one: (one.language, one.label)).items():
        yield f"5(4).drill {language} {label or 'clean'}", DrillPart(sum(one.right for one in found), len(found))
