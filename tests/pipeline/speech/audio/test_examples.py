"""A speaker's bad packets give at most one example a minute, however often the speaker connects."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.speech.audio.segment_stage import EVERY_SECONDS, REMEMBERED_EXAMPLES, FaultExamples


class Clock:
    now = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now


def test_the_next_example_is_due_after_a_minute() -> None:
    clock = Clock()
    examples = FaultExamples(clock)
    assert examples.due("ann")
    clock.now += EVERY_SECONDS - 1
    assert not examples.due("ann")
    assert examples.due("ben"), "another speaker has examples of his own"
    clock.now += 1
    assert examples.due("ann")
    assert not examples.due("ann")


def test_a_clock_that_is_set_back_delays_the_next_example_by_no_more_than_a_minute() -> None:
    clock = Clock()
    examples = FaultExamples(clock)
    assert examples.due("ann")
    clock.now -= 3_600
    assert examples.due("ann")
    assert not examples.due("ann")


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 100)), max_size=40))
def test_two_examples_of_a_speaker_are_never_closer_than_a_minute(packets: list[tuple[str, float]]) -> None:
    clock, kept = Clock(), dict[str, float]()
    examples = FaultExamples(clock)
    for speaker, wait in packets:
        clock.now += wait
        due = speaker not in kept or clock.now - kept[speaker] >= EVERY_SECONDS
        assert examples.due(speaker) == due
        if due:
            kept[speaker] = clock.now


def test_the_number_of_remembered_speakers_is_bounded() -> None:
    examples = FaultExamples(Clock())
    for number in range(REMEMBERED_EXAMPLES + 1):
        assert examples.due(number)
    assert not examples.due(REMEMBERED_EXAMPLES), "the latest is remembered"
    assert not examples.due(1)
    assert examples.due(0), "the oldest is forgotten"
