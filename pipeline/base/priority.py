"""The priority of threads for the CPU."""

import os
import sys
import threading

BEHIND = 5
"""Nice levels behind other threads: a third of their time, if there are more threads than cores (sched(7))."""


def step_back() -> None:
    """Let other threads go before this one, and before those that it starts. Only Linux has priorities of threads."""
    if sys.platform == "linux":
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + BEHIND)
