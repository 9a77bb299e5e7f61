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


def test_of_equally_full_rooms_the_one_that_was_silent_longest_forgets() -> None:
    known = memory(most=2)
    for room, start in (("lobby", 1.0), ("attic", 2.0), ("lobby", 3.0), ("cellar", 4.0)):
        known.keep(room, Thing("ann", start))
    assert [bool(known.of(room, "ann")) for room in ("lobby", "attic", "cellar")] == [True, False, True]


def test_the_speaker_of_the_last_thing_comes_first() -> None:
    known = memory()
    for speaker, start in (("ann", 1.0), ("bob", 2.0), ("ann", 3.0)):
        known.keep("lobby", Thing(speaker, start))
    assert [(name, [thing.start for thing in things]) for name, things in known.latest("lobby")] == [
        ("ann", [1.0, 3.0]),
        ("bob", [2.0]),
    ]
    assert list(known.latest("attic")) == []
