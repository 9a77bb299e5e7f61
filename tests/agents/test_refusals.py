"""A rejected password is noticed in the library's log, and the log shows no more and no less than without us."""

import logging
from collections.abc import Iterator

import pytest
from kafka.errors import KafkaConnectionError, SaslAuthenticationFailedError

from agents.refusals import BOOTSTRAP, refusals

KAFKA = logging.getLogger("kafka")
REJECTED = SaslAuthenticationFailedError("wrong password")


@pytest.fixture(autouse=True)
def level() -> Iterator[None]:
    before = KAFKA.level
    yield
    KAFKA.setLevel(before)


@pytest.mark.parametrize("shown", [logging.INFO, logging.CRITICAL])
def test_a_rejection_is_seen_also_if_the_log_is_silent(caplog: pytest.LogCaptureFixture, shown: int) -> None:
    KAFKA.setLevel(shown)
    with refusals() as found:
        BOOTSTRAP.warning("%s: %s", "node 1", KafkaConnectionError("down"))
        assert not found.seen
        BOOTSTRAP.warning("%s: %s", "node 1", REJECTED)
        BOOTSTRAP.warning("tries again")
    assert found.seen
    assert len(caplog.records) == (3 if shown == logging.INFO else 0)


def test_a_rejection_outside_the_block_is_not_seen() -> None:
    with refusals() as found:
        pass
    BOOTSTRAP.critical("%s", REJECTED)
    assert not found.seen


def test_a_silent_log_is_silent_again_after_the_last_block() -> None:
    KAFKA.setLevel(logging.CRITICAL)
    with refusals() as outer:
        with refusals() as inner:
            BOOTSTRAP.warning("%s", REJECTED)
        assert outer.seen
        assert inner.seen
        assert BOOTSTRAP.isEnabledFor(logging.WARNING)
    assert not BOOTSTRAP.isEnabledFor(logging.WARNING)
