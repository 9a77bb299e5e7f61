"""Automatic rules: which action a flag asks for, without a person."""

from collections.abc import Iterable

from pipeline.review.cases.values import SEVERITY
from pipeline.review.delivery.enforcements import Enforcement, FlaggedSpeech
from pipeline.settings import ActionRule


def asked(flag: FlaggedSpeech, rules: Iterable[ActionRule]) -> Enforcement | None:
    """Return the action of the first rule that matches the flag; None if none does."""
    for rule in rules:
        if _matches(rule, flag):
            label = next((label for label in flag.flagged if label in rule.labels or not rule.labels), "")
            return Enforcement(
                id=flag.id,
                case=flag.case,
                room=flag.room,
                speaker=flag.speaker,
                action=rule.action,
                label=label,
                asked_at=flag.stored_at,
                decided=False,
            )
    return None


def _matches(rule: ActionRule, flag: FlaggedSpeech) -> bool:
    severe = SEVERITY[flag.suggestion] >= SEVERITY[rule.suggestion]
    return severe and (not rule.labels or not set(rule.labels).isdisjoint(flag.flagged))
