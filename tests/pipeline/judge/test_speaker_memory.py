from dataclasses import dataclass

from pipeline.judge.speaker_memory import SpeakerMemory


@dataclass(frozen=True)
class Thing:
    speaker: str
    start: float


def memory(most: int = 10, most_in_room: int = 10, most_each: int = 10) -> SpeakerMemory[Thing]:
    return SpeakerMemory(most, most_in_room, most_each)


def test_the_things_of_a_speaker_come_in_order_and_only_in_that_room() -> None:
    known = memory(most_each=2)
    for start in (3.0, 1.0, 2.0):
        known.keep("lobby", Thing("ann", start))
    assert [thing.start for thing in known.of("lobby", "ann")] == [1.0, 2.0]
    assert list(known.of("lobby", "bob")) == list(known.of("attic", "ann")) == []


def test_a_room_forgets_its_own_speakers_first() -> None:
    known = memory(most=4, most_in_room=3)
    known.keep("attic", Thing("ann", 0.0))
    for number in range(5):
        known.keep("lobby", Thing(f"s{number}", 1.0))
    assert known.speakers == 4
    assert [bool(known.of("lobby", f"s{number}")) for number in range(5)] == [False, False, True, True, True]
    known.keep("cellar", Thing("bob", 2.0))
    assert known.speakers == 4
    assert known.of("attic", "ann")
    assert not known.of("lobby", "s2"), "the fullest room makes place"


def test_old_things_expire_by_the_time_of_the_speech() -> None:
    known = memory()
    known.keep("lobby", Thing("ann", 1.0))
    known.keep("lobby", Thing("bob", 5.0))
    known.expire("lobby", 5.0)
    assert (known.speakers, len(known.of("lobby", "bob"))) == (1, 1)
    known.expire("lobby", 6.0)
    known.expire("attic", 6.0)
    assert known.speakers == 0
