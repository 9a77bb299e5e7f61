"""Keeps the names of rooms and participants out of the log: LiveKit's library writes them there."""

import logging

CALLBACK = "error running user callback"
"""The beginning of a message of the library to the root logger. A whole event follows it."""


def quiet() -> None:
    """Silence the library. Of an error in our own code, keep the traceback and leave the event out."""
    logging.getLogger("livekit").setLevel(logging.CRITICAL)
    logging.getLogger().addFilter(_without_event)


def _without_event(record: logging.LogRecord) -> bool:
    if str(record.msg).startswith(CALLBACK) and isinstance(record.args, tuple):
        record.args = (record.args[0], "(left out)")
    return True
