"""Log levels of libraries, so that their messages contain no names, words or audio."""

import logging


def without_debug(*libraries: str) -> None:
    """Turn off DEBUG messages of these loggers, also if the root logger is at DEBUG.

    At DEBUG these libraries log keys and values of the records they carry.
    """
    for name in libraries:
        logger = logging.getLogger(name)
        logger.setLevel(max(logging.INFO, logger.getEffectiveLevel()))
