from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pipeline.contract.messages import Transcript
from pipeline.review.evidence.lookback import Lookback
from pipeline.review.evidence.segments import Finish
from pipeline.runner.transcription_coverage import Coverage, of_lookback
from tests.builders import transcript, utterance


def said(number: int, skipped: bool, room_type: str = "game") -> Transcript:
    return transcript("", id=str(number), utterance=str(number), room_type=room_type, skipped=skipped)


def test_room_types_are_counted_separately() -> None:
    found = Coverage()
    for number, (kind, skipped) in enumerate([("game", True), ("game", False), ("kids", False), ("game", True)]):
        found.add(said(number, skipped, kind))
    assert found.room_types == ["game", "kids"]
    assert (found.share("game"), found.share("kids"), found.share("unheard-of")) == (1 / 3, 1.0, 1.0)


@given(st.lists(st.tuples(st.integers(0, 8), st.booleans())))
def test_each_utterance_counts_once_and_as_heard_if_it_was_ever_heard(seen: list[tuple[int, bool]]) -> None:
    found = Coverage()
    for number, skipped in seen:
        found.add(said(number, skipped))
    heard = {number for number, skipped in seen if not skipped}
    assert found.heard["game"] == len(heard)
    assert found.skipped["game"] == len({number for number, _ in seen} - heard)


def test_the_number_of_remembered_utterances_is_bounded() -> None:
    found = Coverage(remembered=2)
    for number in (1, 2, 3, 1):
        found.add(said(number, skipped=False))
    assert found.heard["game"] == 4, "the first utterance is forgotten"


def test_the_marks_of_one_machine_are_counted(tmp_path: Path) -> None:
    now = [100.0]
    lookback = Lookback(tmp_path, 3_600, 1_000_000, clock=lambda: now[0])
    for second, outcome in enumerate([Finish.JUDGED, Finish.SKIPPED, Finish.JUDGED, Finish.FAILED, None]):
        address = lookback.put(utterance(str(second), room_type="kids"))
        if outcome:
            lookback.finish([address], outcome)
        now[0] += 1
    found, failed = of_lookback(lookback, 0, 1_000)
    assert (found.heard["kids"], found.skipped["kids"], failed) == (2, 1, 1)
    found, failed = of_lookback(lookback, 101, 103)
    assert (found.heard["kids"], found.skipped["kids"], failed) == (1, 1, 0)
