"""SIGTERM and SIGINT as an asyncio event."""

import asyncio
import signal


def stop_on_signals() -> asyncio.Event:
    """Return an event of the running loop. The first SIGTERM or SIGINT sets it."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop
