"""Whether the broker has refused our name or password, which kafka-python tells to nobody but its log.

While it looks for a broker it takes a refusal for a fault that may pass, and in the end says only that time is up.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from kafka.errors import SaslAuthenticationFailedError

BOOTSTRAP = logging.getLogger("kafka.net.manager")


class Refusals(logging.Filter):
    """Listens to the library's log; lets through what would be shown anyway."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = False

    def filter(self, record: logging.LogRecord) -> bool:
        arguments = record.args if isinstance(record.args, tuple) else ()
        self.seen = self.seen or any(isinstance(each, SaslAuthenticationFailedError) for each in arguments)
        return logging.getLogger("kafka").isEnabledFor(record.levelno)


@contextmanager
def refusals() -> Iterator[Refusals]:
    """Those of this process while the block runs."""
    listener = Refusals()
    BOOTSTRAP.setLevel(logging.WARNING)  # the command line turns the library's log off, and with it what we look for
    BOOTSTRAP.addFilter(listener)
    try:
        yield listener
    finally:
        BOOTSTRAP.removeFilter(listener)
