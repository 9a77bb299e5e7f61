"""A cool-down lasts as long as the policy says, whoever else is blocked meanwhile."""

from pipeline.judge.cooldowns import Blocked, CoolDowns

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
