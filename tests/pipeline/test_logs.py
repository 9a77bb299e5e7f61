"""Libraries that log the records which they carry never do so."""

import logging
from collections.abc import Iterator

import pytest

from pipeline.logs import without_debug

NAME = "a_library_of_these_tests"


@pytest.fixture
def library() -> Iterator[logging.Logger]:
    logger = logging.getLogger(NAME)
    yield logger
    logger.setLevel(logging.NOTSET)


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
