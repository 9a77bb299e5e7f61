from pipeline.judge.context import Blocked, Context

ABUSE = frozenset({"abuse"})


def remembering(*blocks: Blocked, utterances: int = 6) -> Context:
    context = Context(utterances)
    for block in blocks:
        context.remember("lobby", block)
    return context


def test_a_block_cools_its_labels_for_its_speaker_for_so_long() -> None:
    context = remembering(Blocked("ann", 100.0, ABUSE))
    assert context.cooling("lobby", "ann", 110.0, 10.0) == ABUSE
    assert context.cooling("lobby", "ann", 110.1, 10.0) == frozenset()
    assert context.cooling("lobby", "bob", 101.0, 10.0) == frozenset()
    assert context.cooling("attic", "ann", 101.0, 10.0) == frozenset()


def test_a_replayed_utterance_does_not_cool_itself_nor_what_came_before() -> None:
    context = remembering(Blocked("ann", 100.0, ABUSE))
    assert context.cooling("lobby", "ann", 100.0, 10.0) == frozenset()
    assert context.cooling("lobby", "ann", 99.0, 10.0) == frozenset()


def test_labels_of_several_blocks_add_up() -> None:
    context = remembering(Blocked("ann", 100.0, ABUSE), Blocked("ann", 101.0, frozenset({"hate"})))
    assert context.cooling("lobby", "ann", 102.0, 10.0) == {"abuse", "hate"}


def test_only_the_last_blocks_are_kept_and_none_if_none_may_be() -> None:
    blocks = [Blocked("ann", 100.0, ABUSE), Blocked("bob", 101.0, ABUSE)]
    assert remembering(*blocks, utterances=1).cooling("lobby", "ann", 102.0, 10.0) == frozenset()
    assert remembering(*blocks, utterances=0).cooling("lobby", "bob", 102.0, 10.0) == frozenset()


def test_the_room_longest_unheard_is_forgotten() -> None:
    context = Context(6, rooms=2)
    for room in ("one", "two", "one", "three"):
        context.remember(room, Blocked("ann", 100.0, ABUSE))
    known = [room for room in ("one", "two", "three") if context.cooling(room, "ann", 101.0, 10.0)]
    assert known == ["one", "three"]
