"""Detect that the broker rejected our name or password. kafka-python reports this only in its log.

While it looks for a broker, the library treats a rejection as a temporary fault. In the end it reports only a time-out.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from kafka.errors import SaslAuthenticationFailedError

BOOTSTRAP = logging.getLogger("kafka.net.manager")


class Refusals(logging.Filter):
    """A log filter that notes rejected credentials. It passes the log records that would be shown without it."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = False

    def filter(self, record: logging.LogRecord) -> bool:
        arguments = record.args if isinstance(record.args, tuple) else ()
        self.seen = self.seen or any(isinstance(each, SaslAuthenticationFailedError) for each in arguments)
        return logging.getLogger("kafka").isEnabledFor(record.levelno)


@contextmanager
def refusals() -> Iterator[Refusals]:
    """Note rejections in this process while the block runs."""
    listener = Refusals()
    BOOTSTRAP.setLevel(logging.WARNING)  # the command line silences the library's log, and we need this logger
    BOOTSTRAP.addFilter(listener)
    try:
        yield listener
    finally:
        BOOTSTRAP.removeFilter(listener)
