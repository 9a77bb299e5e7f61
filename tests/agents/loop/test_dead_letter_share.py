"""When dead letters halt a worker, which senders cannot halt it, and what a restart may cost."""

import pytest

from agents.loop.dead_letter_share import ENOUGH, SENDERS, WEIGHT, DeadLetterShare, HaltError
from pipeline.contract.topology import STAGES, Stage


def people(count: int, first: int = 0) -> list[str]:
    return [f"person-{number}" for number in range(first, first + count)]


def test_a_few_bad_messages_do_not_halt() -> None:
    window = DeadLetterShare("judge", 0.5)
    for _ in range(50):
        window.add(people(10), people(4))
    assert window.share == 0.4


def test_a_bad_deploy_halts_and_names_the_remedy() -> None:
    window = DeadLetterShare("judge", 0.5)
    window.add(people(50), [])
    with pytest.raises(HaltError, match=r"judge halts: 52 of the last 76 messages.*dead_letter_share"):
        window.add(people(26) * 3, people(26) * 3)


def test_a_few_senders_cannot_halt_whatever_they_send() -> None:
    window = DeadLetterShare("segment", 0.5)
    for _ in range(75):
        window.add(people(3) * 20, people(3) * 20)
    assert window.share == 1.0


def test_a_sender_that_floods_does_not_hide_the_others() -> None:
    window = DeadLetterShare("segment", 0.5)
    window.add(people(20), [])
    for _ in range(100):
        window.add(["flood"] * 60, ["flood"] * 60)
    with pytest.raises(HaltError):
        window.add(people(20) * 2, people(20) * 2)


def test_a_little_garbage_of_many_senders_does_not_outvote_a_few_who_talk() -> None:
    window = DeadLetterShare("segment", 0.5)
    for number in range(100):
        garbage = people(3, first=100 + 3 * number)
        window.add([*people(6) * 35, *garbage], garbage)
    assert window.share > 0.5, "only the share of all messages is small"


def test_a_few_bad_messages_after_a_start_do_not_halt() -> None:
    window = DeadLetterShare("judge", 0.5)
    window.add(people(ENOUGH - 1), people(ENOUGH - 1))
    window.add(people(ENOUGH - 1), [])
    assert window.share == 0.5


@pytest.mark.parametrize("stage", STAGES)
def test_a_restart_halts_at_its_first_full_batch_and_sends_none_of_it(stage: Stage) -> None:
    with pytest.raises(HaltError):
        DeadLetterShare("any", 0.5).add(people(4) * (stage.batch // 4), people(4) * (stage.batch // 4))


def test_a_limit_of_one_never_halts() -> None:
    window = DeadLetterShare("judge", 1.0)
    window.add(people(500), people(500))
    assert window.share == 1.0


def test_dead_letters_of_a_tick_need_no_messages() -> None:
    window = DeadLetterShare("segment", 0.5)
    window.add([], people(1))
    window.add(people(9, first=1), [])
    assert window.share == 0.1


def test_the_number_of_remembered_senders_is_limited() -> None:
    window = DeadLetterShare("judge", 0.5)
    for number in range(3 * SENDERS):
        window.add(people(1, first=number) * 5, [])
    assert window._count() == SENDERS * WEIGHT
