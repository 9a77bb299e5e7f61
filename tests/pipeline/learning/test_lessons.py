"""Sides share no room and no speaker, golden cases never teach, and decided labels become targets."""

from hashlib import sha256

import numpy as np

from pipeline.learning.lessons import HELD, LARGEST, filled, rows, split
from pipeline.learning.rows import CLEAN, OUTPUTS
from pipeline.review.quality.exporting import Example, PlacedExample


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


def test_decided_labels_are_targets_and_the_present_model_fills_the_others() -> None:
    upheld = example(1, labels={"abuse": 0.0, "hate": 1.0, "risk": 1.0, "strange": 1.0})
    one, other = rows([upheld, example(2, labels={"abuse": 0.0, "risk": 0.0})])
    assert one.labels == {"abuse": 0.0, "hate": 1.0, "risk": 1.0}
    assert other.labels == CLEAN
    scores = np.full((2, len(OUTPUTS)), 0.25)
    first, second = filled([one, other], scores)
    assert first.labels == dict.fromkeys(OUTPUTS, 0.25) | dict(one.labels)
    assert second.labels == CLEAN
