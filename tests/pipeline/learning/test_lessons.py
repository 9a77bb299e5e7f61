"""Sides share no room and no speaker, golden cases never teach, and decided labels become targets."""

from hashlib import sha256

import numpy as np

from pipeline.judge.conversations import RecentUtterance, SpeechBefore
from pipeline.learning.before import Heard
from pipeline.learning.lessons import HELD, LARGEST, filled, rows, split, teaching
from pipeline.learning.rows import CLEAN, OUTPUTS
from pipeline.review.quality.exporting import Example, PlacedExample
from tests.builders import flag


def example(at: int, **changes: object) -> Example:
    fields: dict[str, object] = {
        "text": sha256(str(at).encode()).hexdigest(),
        "language": "en",
        "labels": {"risk": 0.0},
        "group": f"case-{at}",
        "room_type": "default",
        "suggestion": "review",
        "policy": "default@1",
        "reason": "",
        "opinions": 1,
        "golden": False,
        "probability": None,
        "decided_at": 0.0,
    }
    return Example(**fields | changes)  # type: ignore[arg-type]


def placed(count: int, speakers: int, rooms: int) -> list[PlacedExample]:
    """Each speaker is always in the same room if there are at least as many speakers as rooms."""
    return [
        PlacedExample(example(at), f"room {at % speakers % rooms}", f"speaker {at % speakers}") for at in range(count)
    ]


def test_no_room_and_no_speaker_is_on_both_sides() -> None:
    cases = placed(400, 60, 20)
    found = split(cases, 1)
    place = {each.example.group: (each.room, each.speaker) for each in cases}
    taught, held = ({place[each.group] for each in side} for side in (found.taught, found.held))
    assert found.apart == "rooms and speakers"
    for names in (0, 1):
        assert not {each[names] for each in taught} & {each[names] for each in held}
    assert HELD / 2 < len(found.held) / 400 <= LARGEST
    assert split(cases, 1) == found
    assert split(cases, 2) != found


def test_rooms_that_hang_together_are_not_kept_apart() -> None:
    """All speakers meet in one lobby."""
    cases = [PlacedExample(each.example, "lobby", each.speaker) for each in placed(400, 60, 20)]
    found = split(cases, 1)
    assert found.apart == "speakers"
    assert HELD / 2 < len(found.held) / 400 <= LARGEST


def test_golden_cases_and_texts_close_to_them_never_teach() -> None:
    cases = placed(100, 20, 10)
    golden = [PlacedExample(example(at, group=f"golden-{at}", golden=True), "room", "ann") for at in range(5)]
    found = split([*cases, *golden], 1)
    assert {each.group for each in found.golden} == {f"golden-{at}" for at in range(5)}
    assert not {f"case-{at}" for at in range(5)} & {each.group for each in found.taught}
    assert not {each.text for each in found.taught} & {each.text for each in (*found.held, *found.golden)}


def after(case: str) -> Heard:
    """An utterance that follows two of others: the speaker's own one, and one of the case `case`."""
    before = SpeechBefore(
        RecentUtterance("ann", "now", 5, 6),
        (RecentUtterance("ann", "mine", 0, 1),),
        (RecentUtterance("bob", "theirs", 2, 3),),
    )
    return Heard(flag(), before, frozenset({case, "undecided"}))


def test_cases_teach_alone_and_in_their_context() -> None:
    cases = placed(100, 20, 10)
    cases += [PlacedExample(example(100, group="golden", golden=True), "room", "ann")]
    sides = split(cases, 1)
    first, second, third = (each.group for each in sides.taught[:3])
    heard = {first: after(second), second: after(sides.held[0].group), third: after("golden")}
    found = split(cases, 1, heard)
    assert set(found.heard) == {first}, "cases that test are no context"
    taught = teaching(found)
    assert taught[:-1] == rows(found.taught)
    assert (taught[-1].text, taught[-1].own, taught[-1].room) == (taught[0].text, "mine", "theirs")
    assert taught[-1].labels == taught[0].labels
    assert filled(taught, np.zeros((len(taught), len(OUTPUTS))))[-1].room == "theirs"


def test_decided_labels_are_targets_and_the_present_model_fills_the_others() -> None:
    upheld = example(1, labels={"abuse": 0.0, "hate": 1.0, "risk": 1.0, "strange": 1.0})
    one, other = rows([upheld, example(2, labels={"abuse": 0.0, "risk": 0.0})])
    assert one.labels == {"abuse": 0.0, "hate": 1.0, "risk": 1.0}
    assert other.labels == CLEAN
    scores = np.full((2, len(OUTPUTS)), 0.25)
    first, second = filled([one, other], scores)
    assert first.labels == dict.fromkeys(OUTPUTS, 0.25) | dict(one.labels)
    assert second.labels == CLEAN
