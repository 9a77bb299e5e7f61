"""Predicts what the store does with each flag: which case it opens or joins."""

from collections.abc import Callable
from typing import Any

from benchmarks.assessment.facts import CaseFact, WorldSpeech, severity, worst
from benchmarks.assessment.world.core import UnexpectedError, World
from pipeline.review.cases.values import Outcome

Receive = Callable[[CaseFact], None]


class CaseBook:
    """All cases of flags. `receive` gets each new case."""

    def __init__(self, world: World, receive: Receive) -> None:
        self._world = world
        self._receive = receive
        self._by_flag: dict[str, CaseFact] = {}
        self._of_speaker: dict[tuple[str, str], list[CaseFact]] = {}

    def note(self, outcome: Outcome, speech: WorldSpeech, share: float) -> None:
        """Note what one flag did to the cases. Raises UnexpectedError if the store differs.

        `share` is the probability with which passed speech is drawn for an audit.
        """
        if outcome.flag in self._by_flag:
            wanted = (self._by_flag[outcome.flag].id, "repeated")
        elif speech.suggestion == "pass":
            self._receive(self._case(outcome.case, "audit", speech, share))
            wanted = (outcome.case, "created")
        else:
            wanted = self._place(outcome, speech)
        if (outcome.case, outcome.result) != wanted:
            raise UnexpectedError(f"{outcome} differs from {wanted}")

    def _place(self, outcome: Outcome, speech: WorldSpeech) -> tuple[str, str]:
        """Note which case caught speech joins, by the times of the cases of its speaker."""
        near = [
            case
            for case in self._of_speaker.get((speech.room, speech.speaker), [])
            if case.end >= speech.start and case.start <= speech.end
        ]
        told = [case for case in near if not case.open and speech.start > case.start and speech.end <= case.end]
        joined = [case for case in near if case.open]
        if told:
            return self._link(told[0], speech), "linked"
        if joined:
            return self._join(joined[0], speech), "merged"
        case = self._case(outcome.case, "flagged", speech, 1.0)
        self._of_speaker.setdefault((speech.room, speech.speaker), []).append(case)
        self._receive(case)
        return case.id, "created"

    def _link(self, case: CaseFact, speech: WorldSpeech) -> str:
        case.linked.append(speech)
        self._world.line()
        self._by_flag[f"f{speech.number}"] = case
        return case.id

    def _join(self, case: CaseFact, speech: WorldSpeech) -> str:
        case.flags.append(speech)
        self._by_flag[f"f{speech.number}"] = case
        _sum_up(case)
        return case.id

    def _case(self, identity: str, kind: Any, speech: WorldSpeech, probability: float) -> CaseFact:
        case = CaseFact(
            id=identity,
            kind=kind,
            created=self._world.now,
            room=speech.room,
            room_type=speech.room_type,
            speaker=speech.speaker,
            start=speech.start,
            end=speech.end,
            label="",
            severity=0,
            language="",
            policy="",
            suggestion=speech.suggestion,
            violates="",
            drill=speech.drill,
            flags=[speech],
            probability=probability,
        )
        _sum_up(case)
        self._by_flag[f"f{speech.number}"] = case
        return case


def _sum_up(case: CaseFact) -> None:
    """Give a case the values of its worst flag."""
    lead = worst(case.flags)
    case.start, case.end = min(one.start for one in case.flags), max(one.end for one in case.flags)
    case.label, case.severity = lead.flagged[0] if lead.flagged else "", severity(lead)
    case.language, case.policy, case.suggestion = lead.language, lead.policy, lead.suggestion
    case.violates = next((one.violates for one in case.flags if one.violates), "")
