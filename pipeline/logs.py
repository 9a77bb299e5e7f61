"""What libraries may log: nothing that holds names, words or audio."""

import logging


def without_debug(*libraries: str) -> None:
    """Turn off what these loggers say at DEBUG, whatever the root logger says: keys and values of what they carry."""
    for name in libraries:
        logger = logging.getLogger(name)
        logger.setLevel(max(logging.INFO, logger.getEffectiveLevel()))
