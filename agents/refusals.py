"""Detect that the broker rejected our name or password. kafka-python reports this only in its log.

While it looks for a broker, the library treats a rejection as a temporary fault. In the end it reports only a time-out.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

from kafka.errors import SaslAuthenticationFailedError

BOOTSTRAP = logging.getLogger("kafka.net.manager")


@dataclass(slots=True, eq=False)
class Refusals:
    """Whether the broker rejected our credentials while a block ran."""

    seen: bool = False


_OPEN: list[Refusals] = []
"""Those of all blocks that run now, in any thread."""
_LOCK = Lock()


@contextmanager
def refusals() -> Iterator[Refusals]:
    """Note rejections in this process while the block runs."""
    found = Refusals()
    with _LOCK:
        _OPEN.append(found)
        BOOTSTRAP.addFilter(_note)
        BOOTSTRAP.setLevel(logging.WARNING)  # the command line silences the library's log, and we need this logger
    try:
        yield found
    finally:
        with _LOCK:
            _OPEN.remove(found)
            if not _OPEN:
                BOOTSTRAP.setLevel(logging.NOTSET)
                BOOTSTRAP.removeFilter(_note)


def _note(record: logging.LogRecord) -> bool:
    """A log filter that passes the log records that would be shown without it."""
    arguments = record.args if isinstance(record.args, tuple) else ()
    if any(isinstance(each, SaslAuthenticationFailedError) for each in arguments):
        for each in [*_OPEN]:
            each.seen = True
    return logging.getLogger("kafka").isEnabledFor(record.levelno)
