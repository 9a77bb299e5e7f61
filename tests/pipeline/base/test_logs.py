"""Libraries that log the records which they carry never do so, and repeat no message all the time."""

import logging
from collections.abc import Iterator

import pytest

from pipeline.base.logs import MAX_MESSAGES, REPEAT_SECONDS, without_debug, without_repeats

NAME = "a_library_of_these_tests"


@pytest.fixture
def library() -> Iterator[logging.Logger]:
    logger = logging.getLogger(NAME)
    yield logger
    logger.setLevel(logging.NOTSET)
    logger.filters.clear()


def test_a_library_logs_no_record_although_everything_else_does(
    library: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    without_debug(NAME)
    library.debug("record %s", "private words")
    logging.getLogger(f"{NAME}.fetcher").debug("key %s", "private room")
    library.info("connected")
    logging.getLogger("another").debug("something")
    assert [record.getMessage() for record in caplog.records] == ["connected", "something"]


@pytest.mark.parametrize("level", [logging.INFO, logging.WARNING, logging.CRITICAL])
def test_a_library_that_is_quieter_stays_so(library: logging.Logger, level: int) -> None:
    library.setLevel(level)
    without_debug(NAME)
    assert library.level == level


def tell(library: logging.Logger, at: float, message: str, *arguments: object) -> None:
    record = library.makeRecord(NAME, logging.ERROR, __file__, 1, message, arguments, None)
    record.created = at
    library.handle(record)


def test_a_message_is_repeated_once_a_minute(library: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    without_repeats(NAME)
    without_repeats(NAME)
    for tenth in range(round(10 * REPEAT_SECONDS) + 1):
        tell(library, 1_000 + tenth / 10, "node %d is away", tenth % 3)
    tell(library, 1_000.5, "node %d is back", 1)
    assert [record.getMessage() for record in caplog.records] == [
        "node 0 is away",
        "node 0 is away (599 more since the last line)",
        "node 1 is back",
    ]


def test_a_message_is_logged_again_after_the_clock_was_set_back(
    library: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    without_repeats(NAME)
    tell(library, 90_000, "the broker is away")
    tell(library, 1_000, "the broker is away")
    assert len(caplog.records) == 2


def test_messages_without_end_are_all_logged(library: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    without_repeats(NAME)
    for number in range(2 * MAX_MESSAGES):
        tell(library, 200_000, f"odd {number}")
    assert len(caplog.records) == 2 * MAX_MESSAGES
