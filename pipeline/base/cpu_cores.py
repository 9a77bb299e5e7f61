"""The CPU: the cores that this process may use, what they can do, and the priority of threads."""

import math
import os
import sys
import threading
from pathlib import Path

# A container's CPU time and its period, in microseconds, as `400000 100000`; `max` is no limit.
QUOTA = Path("/sys/fs/cgroup/cpu.max")
INFO = Path("/proc/cpuinfo")
BEHIND = 5  # nice levels behind other threads: a third of their time, if there are more threads than cores (sched(7))
_thread = threading.local()


def cores() -> int:
    """Number of CPU cores that this process may use."""
    # A container may have fewer than the machine. `sched_getaffinity` exists only on Linux.
    seen = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(seen, _quota() or seen)


def _quota() -> int | None:
    """The limit of the container in cores, rounded up. None if there is none."""
    try:
        time, period = QUOTA.read_text("ascii").split()
    except OSError:  # not Linux, or no cgroup of version 2
        return None
    return None if time == "max" else math.ceil(int(time) / int(period))


def multiplies_bfloat16() -> bool:
    """Whether the CPU multiplies bfloat16 in hardware."""
    # If it does, bfloat16 is about twice as fast as float32. If not, bfloat16 is a third slower.
    import torch  # here, because the import takes seconds and most callers of this module do not need it

    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name) for name in ("amx_bf16", "avx512_bf16"))


def multiplies_bytes() -> bool:
    """Whether the CPU adds products of bytes in 32 bits (VNNI). An older one adds them in 16 bits, which overflow."""
    try:
        flags = INFO.read_text("ascii", "replace").split()
    except OSError:  # not Linux
        return False
    return bool({"avx512_vnni", "avx_vnni"} & {*flags})


def step_back() -> None:
    """Let other threads go before this one and before its child threads. Only Linux has priorities of threads."""
    _thread.is_back = True
    if sys.platform == "linux":
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + BEHIND)


def is_back() -> bool:
    """Whether this thread has stepped back."""
    return getattr(_thread, "is_back", False)
