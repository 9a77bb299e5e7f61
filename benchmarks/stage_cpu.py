"""The CPU time of each stage of the local runner, as the kernel counts it for each thread. Only Linux has it.

A stage is built in its own thread. There it gives the thread its name. On Linux, a thread that is started by another
one inherits the name: also the threads of a recogniser, which Python does not know. Python 3.14 names its own threads
itself, so use an older one.
"""

import os
import threading
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.contract.stage import Processor
from pipeline.contract.topology import Stage
from pipeline.runner.stage_processor import build_processor

TASKS = Path("/proc/self/task")
"""A folder for each thread, by its number. `stat` is described in proc_pid_stat(5), `comm` in proc_pid_comm(5)."""
USER, SYSTEM = 11, 12
"""The fields of CPU time in `stat`, counted from the first one after the name. They are in ticks of the kernel."""


def build_named(stage: Stage, *parts: Any) -> Processor[Any, Any]:
    """Build a stage's processor in its thread, after the thread has got the stage's name in the kernel."""
    if TASKS.is_dir():
        (TASKS / str(threading.get_native_id()) / "comm").write_text(stage.name, "utf-8")
    return build_processor(stage, *parts)


class StageTimes:
    """Measures from its creation on."""

    def __init__(self) -> None:
        self._before = _threads()

    def seconds(self) -> Mapping[str, float]:
        """CPU seconds by the name of the stage; other threads have other names. Empty if the kernel does not tell."""
        spent: Counter[str] = Counter()
        for thread, (name, ticks) in _threads().items():
            before = self._before.get(thread, (name, 0))[1]
            spent[name] += ticks - before
        return {name: ticks / os.sysconf("SC_CLK_TCK") for name, ticks in spent.items()}


def _threads() -> dict[str, tuple[str, int]]:
    """The name and the CPU ticks of each thread that runs."""
    found = {}
    for folder in TASKS.glob("*"):
        try:
            head, _, rest = (folder / "stat").read_text("utf-8", "replace").rpartition(")")
        except OSError:  # the thread has ended meanwhile
            continue
        values = rest.split()
        found[folder.name] = head.partition("(")[2], int(values[USER]) + int(values[SYSTEM])
    return found
