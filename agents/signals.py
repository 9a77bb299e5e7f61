"""SIGTERM and SIGINT as an event to wait for."""

import asyncio
import signal


def stop_on_signals() -> asyncio.Event:
    """An event of the running loop that is set by the first of them."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop
