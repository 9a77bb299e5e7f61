from dataclasses import dataclass

from pipeline.judge.speaker_memory import Blocked, CoolDowns, SpeakerMemory


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


ABUSE = frozenset({"abuse"})


def remembering(*blocks: Blocked, seconds: float = 10.0) -> CoolDowns:
    cooldowns = CoolDowns()
    for block in blocks:
        cooldowns.remember("lobby", block, seconds)
    return cooldowns


def test_a_block_cools_its_labels_for_its_speaker_for_the_given_time() -> None:
    cooldowns = remembering(Blocked("ann", 100.0, ABUSE))
    assert cooldowns.cooling("lobby", "ann", 110.0, 10.0) == ABUSE
    assert cooldowns.cooling("lobby", "ann", 110.1, 10.0) == frozenset()
    assert cooldowns.cooling("lobby", "bob", 101.0, 10.0) == frozenset()
    assert cooldowns.cooling("attic", "ann", 101.0, 10.0) == frozenset()


def test_a_replayed_utterance_does_not_cool_itself_or_earlier_ones() -> None:
    cooldowns = remembering(Blocked("ann", 100.0, ABUSE))
    assert cooldowns.cooling("lobby", "ann", 100.0, 10.0) == frozenset()
    assert cooldowns.cooling("lobby", "ann", 99.0, 10.0) == frozenset()


def test_labels_of_several_blocks_add_up() -> None:
    cooldowns = remembering(Blocked("ann", 100.0, ABUSE), Blocked("ann", 101.0, frozenset({"hate"})))
    assert cooldowns.cooling("lobby", "ann", 102.0, 10.0) == {"abuse", "hate"}


def test_blocks_of_others_do_not_end_a_cool_down() -> None:
    others = [Blocked(f"other{number}", 101.0 + number / 100, ABUSE) for number in range(900)]
    cooldowns = remembering(Blocked("ann", 100.0, ABUSE), *others)
    assert cooldowns.cooling("lobby", "ann", 110.0, 10.0) == ABUSE


def test_a_speaker_whose_speech_comes_later_than_that_of_others_still_cools() -> None:
    """The shards of a room may be processed by several workers, and one of them may be behind."""
    cooldowns = remembering(Blocked("ann", 100.0, ABUSE), Blocked("bob", 600.0, ABUSE))
    assert cooldowns.cooling("lobby", "ann", 109.0, 10.0) == ABUSE


def test_an_ended_cool_down_is_forgotten() -> None:
    cooldowns = remembering(*(Blocked(f"s{number}", 1_000.0 * number, ABUSE) for number in range(50)))
    assert cooldowns.speakers == 1
    assert cooldowns.cooling("lobby", "s49", 49_001.0, 10.0) == ABUSE


def test_without_a_cool_down_no_block_is_kept() -> None:
    assert remembering(Blocked("ann", 100.0, ABUSE), seconds=0.0).speakers == 0


def test_a_crowded_room_forgets_its_own_speakers() -> None:
    cooldowns = CoolDowns(max_in_room=2)
    cooldowns.remember("attic", Blocked("ann", 100.0, ABUSE), 10.0)
    for number in range(5):
        cooldowns.remember("lobby", Blocked(f"s{number}", 100.0, ABUSE), 10.0)
    assert cooldowns.cooling("attic", "ann", 101.0, 10.0) == ABUSE
    assert [bool(cooldowns.cooling("lobby", f"s{number}", 101.0, 10.0)) for number in range(5)] == [False] * 3 + [
        True
    ] * 2


def test_when_all_is_full_the_fullest_room_forgets_first() -> None:
    cooldowns = CoolDowns(max_speakers=4)
    for room, count in (("quiet", 1), ("loud", 6)):
        for number in range(count):
            cooldowns.remember(room, Blocked(f"s{number}", 100.0, ABUSE), 10.0)
    assert cooldowns.cooling("quiet", "s0", 101.0, 10.0) == ABUSE
    assert cooldowns.speakers == 4
