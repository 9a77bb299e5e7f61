"""The messages of libraries: without names, words or audio, and not the same one again and again."""

import logging
import math
from contextvars import ContextVar

REQUEST: ContextVar[str] = ContextVar("request", default="")
"""Id of the HTTP request on which this code works; empty: on none."""

REPEAT_SECONDS = 60.0
# Messages that are remembered. A library has some dozens.
MAX_MESSAGES = 256


class LineFormatter(logging.Formatter):
    """Formats a line of the log. It ends with the id of the request on which the code works, if there is one."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name of the class above
        line = super().formatMessage(record)
        return f"{line} [request {identity}]" if (identity := REQUEST.get()) else line


def without_debug(*libraries: str) -> None:
    """Turn off DEBUG messages of these loggers, also if the root logger is at DEBUG."""
    for name in libraries:  # at DEBUG they log keys and values of the records that they carry
        logger = logging.getLogger(name)
        logger.setLevel(max(logging.INFO, logger.getEffectiveLevel()))


def without_repeats(*loggers: str) -> None:
    """Let these loggers log the same message once a minute. Its arguments may differ.

    Loggers below them keep all messages.
    """
    for name in loggers:  # a client whose broker is away logs ten lines every 0.1 s
        logging.getLogger(name).addFilter(_ONCE_A_MINUTE)


class _Repeats(logging.Filter):
    """Drops a message that was logged less than a minute ago. The next one tells how many were dropped."""

    def __init__(self) -> None:
        super().__init__()
        # The time of a message (UTC seconds), and how many were dropped since, by logger and unformatted text.
        self._logged: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        key = record.name, str(record.msg)
        at, dropped = self._logged.pop(key, (-math.inf, 0))
        if 0 <= record.created - at < REPEAT_SECONDS:  # the clock may be set back
            self._logged[key] = at, dropped + 1
            return False
        if len(self._logged) >= MAX_MESSAGES:
            self._logged.clear()  # rare; some messages then come twice in a minute
        self._logged[key] = record.created, 0
        if dropped:
            record.msg = f"{record.msg} ({dropped} more since the last line)"
        return True


_ONCE_A_MINUTE = _Repeats()
