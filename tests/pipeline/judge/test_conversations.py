"""An utterance follows the speech before it, in the time of the speech, and the memory has limits."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.contract.messages import Transcript
from pipeline.judge import conversations
from pipeline.judge.conversations import Conversations, SpeechBefore
from tests.builders import transcript


def before(*said: Transcript, memory: Conversations | None = None) -> SpeechBefore:
    """What comes before the last of these utterances."""
    return (memory or Conversations()).follow(said)[-1]


def test_the_speakers_own_words_and_the_last_two_of_others_come_before_it() -> None:
    found = before(
        transcript("one", 100.0),
        transcript("bob one", 103.0, speaker="bob"),
        transcript("cat one", 106.0, speaker="cat"),
        transcript("bob two", 109.0, speaker="bob"),
        transcript("two", 112.0),
        transcript("three", 115.0),
    )
    assert (found.own_text, found.room_text) == ("one two", "cat one bob two")


def test_old_words_are_no_context() -> None:
    own, other = transcript("mine", 100.0), transcript("theirs", 100.0, speaker="bob")
    found = [before(own, other, transcript("now", at)) for at in (119.0, 121.0, 131.0)]
    assert [each.own_text for each in found] == ["mine", "", ""]
    assert [each.room_text for each in found] == ["theirs", "theirs", ""]


def test_other_rooms_and_words_at_the_same_time_are_no_context() -> None:
    elsewhere = transcript("elsewhere", 100.0, room="attic")
    meanwhile = transcript("meanwhile", 103.0, speaker="bob")
    found = before(elsewhere, meanwhile, transcript("now", 104.0))
    assert (found.own_text, found.room_text) == ("", "")


def test_a_speaker_who_comes_late_has_the_same_context() -> None:
    first, other, last = transcript("one", 100.0), transcript("bob", 103.0, speaker="bob"), transcript("two", 106.0)
    in_order, late = before(first, other, last), Conversations().follow([first, last, other])
    assert (late[1].own_text, in_order.own_text) == ("one", "one")
    assert (late[2].own_text, late[2].room_text) == ("", "one"), "what bob says was said before two"


def test_an_utterance_after_a_forced_cut_follows_the_part_that_it_repeats() -> None:
    assert before(transcript("one", 100.0, end=115.0), transcript("two", 114.7)).own_text == "one"


def test_invented_and_empty_words_are_no_context() -> None:
    said = [transcript("loop loop", 100.0, marks=("repetition",)), transcript("", 103.0), transcript(" ", 105.5)]
    assert before(*said, transcript("now", 108.0)).own_text == ""


def test_a_repeated_utterance_counts_once() -> None:
    once = transcript("once", 100.0)
    assert before(once, once, transcript("now", 103.0)).own_text == "once"


def test_long_words_are_kept_only_as_far_as_a_classifier_reads_them() -> None:
    memory = Conversations()
    memory.follow([transcript("word " * 10_000)])
    [said] = memory._said.of("lobby", "ann")
    assert len(said.text) <= 100


def test_a_crowded_room_forgets_its_own_speakers() -> None:
    memory = Conversations(max_in_room=2)
    memory.follow([transcript("quiet", 100.0, room="attic")])
    memory.follow([transcript(f"hello {at}", 100.0 + at, speaker=f"s{at}", end=100.0 + at) for at in range(9)])
    assert before(transcript("now", 109.0, room="attic"), memory=memory).own_text == "quiet"
    assert before(transcript("now", 109.0), memory=memory).room_text == "hello 7 hello 8"
    assert memory._said.speakers == 3


def test_when_all_is_full_the_room_that_was_silent_longest_forgets_first() -> None:
    memory = Conversations(max_speakers=3)
    for room in ("old", "attic", "lobby", "hall"):
        memory.follow([transcript(f"in {room}", 100.0, room=room)])
    found = [before(transcript("now", 103.0, room=room), memory=memory).own_text for room in ("hall", "lobby", "attic")]
    assert found == ["in hall", "in lobby", "in attic"]
    assert "old" not in memory._said._rooms


def test_a_sweep_forgets_rooms_that_are_silent_since_the_last_one() -> None:
    memory = Conversations()
    memory.follow([transcript("one", 100.0, room="attic"), transcript("two", 100.0)])
    memory.sweep()
    memory.follow([transcript("three", 103.0)])
    memory.sweep()
    assert [*memory._said._rooms] == ["lobby"]
    assert memory._said.speakers == 1
    memory.sweep()
    assert (memory._said._rooms, memory._said.speakers) == ({}, 0)


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("xyz"), st.integers(0, 60)), max_size=60))
def test_the_memory_has_its_limits_in_any_order(told: list[tuple[str, str, int]]) -> None:
    memory = Conversations(max_speakers=4, max_in_room=3)
    for speaker, room, start in told:
        memory.follow([transcript("words", float(start), speaker=speaker, room=room)])
        kept = [len(found) for speakers in memory._said._rooms.values() for found in speakers.values()]
        assert len(kept) == memory._said.speakers <= 4
        assert all(len(speakers) <= 3 for speakers in memory._said._rooms.values())
        assert all(0 < count <= conversations.MAX_UTTERANCES for count in kept)
