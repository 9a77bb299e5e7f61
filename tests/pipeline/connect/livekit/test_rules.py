"""The first rule that matches a flag acts."""

from typing import Any

import pytest

from pipeline.connect.livekit import rules
from pipeline.review.delivery.enforcements import FlaggedSpeech
from pipeline.settings import ActionRule
from tests.builders import NOON


def flagged(**changes: Any) -> FlaggedSpeech:
    fields: dict[str, Any] = {"id": "f", "case": "c", "room": "lobby", "speaker": "ann", "stored_at": NOON}
    return FlaggedSpeech(**fields | {"suggestion": "review", "flagged": ("abuse", "hate")} | changes)


@pytest.mark.parametrize(
    ("rule", "suggestion", "matches"),
    [
        (ActionRule(action="mute"), "block", True),
        (ActionRule(action="mute"), "review", False),
        (ActionRule(action="mute", suggestion="review"), "review", True),
        (ActionRule(action="mute", suggestion="review"), "block", True),
        (ActionRule(action="mute", labels=("hate", "threat")), "block", True),
        (ActionRule(action="mute", labels=("threat",)), "block", False),
        (ActionRule(action="mute", labels=("hate",)), "review", False),
    ],
)
def test_a_rule_matches_by_suggestion_and_label(rule: ActionRule, suggestion: str, matches: bool) -> None:
    found = rules.asked(flagged(suggestion=suggestion), [rule])
    assert (found is not None) is matches


def test_the_first_match_acts_and_says_for_which_label() -> None:
    given = [
        ActionRule(action="remove", labels=("threat",)),
        ActionRule(action="mute", suggestion="review", labels=("hate",)),
    ]
    found = rules.asked(flagged(), [*given, ActionRule(action="close_room", suggestion="review")])
    assert found
    assert (found.id, found.case, found.room, found.speaker) == ("f", "c", "lobby", "ann")
    assert (found.action, found.label, found.asked_at, found.decided) == ("mute", "hate", NOON, False)
    assert rules.asked(flagged(), []) is None
