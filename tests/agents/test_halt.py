"""When the share of dead letters halts a worker, and what a restart may cost."""

import pytest

from agents.halt import ENOUGH, DeadLetterShare, HaltError
from pipeline.topology import STAGES, Stage


def test_some_bad_ones_are_no_reason() -> None:
    window = DeadLetterShare("judge", 0.5)
    for _ in range(50):
        window.add(10, 4)
    assert window.share == 0.4


def test_a_bad_deploy_halts_and_says_what_to_do() -> None:
    window = DeadLetterShare("judge", 0.5)
    window.add(100, 0)
    window.add(100, 100)
    with pytest.raises(HaltError, match=r"judge halts: 101 of the last 200 messages.*dead_letter_share"):
        window.add(1, 1)


def test_a_few_bad_ones_after_a_start_do_not_halt() -> None:
    window = DeadLetterShare("judge", 0.5)
    window.add(ENOUGH - 1, ENOUGH - 1)
    window.add(ENOUGH - 1, 0)
    assert window.share == 0.5


@pytest.mark.parametrize("stage", STAGES)
def test_a_restart_finds_its_first_full_batch_bad_and_sends_none_of_it(stage: Stage) -> None:
    with pytest.raises(HaltError):
        DeadLetterShare("any", 0.5).add(stage.batch, stage.batch)


def test_one_is_never_passed() -> None:
    window = DeadLetterShare("judge", 1.0)
    window.add(500, 500)
    assert window.share == 1.0


def test_letters_of_the_timer_have_no_messages() -> None:
    window = DeadLetterShare("segment", 0.5)
    window.add(0, 1)
    window.add(9, 0)
    assert window.share == 0.1
