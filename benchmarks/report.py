"""What the benchmarks share: their options, the report with the machine, and the CPU time of a process."""

import argparse
import os
import platform
import re
import statistics
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console, RenderableType

from pipeline.base.cpu_cores import cores

TICKS = os.sysconf("SC_CLK_TCK")
WIDTH = 140
"""Width of a report that goes to a file."""

notes = Console(stderr=True, highlight=False)
"""Progress and remarks. Only results go to stdout."""
say = partial(notes.print, soft_wrap=True)


def parser(doc: str | None) -> argparse.ArgumentParser:
    """A parser of options that shows the docstring of the benchmark as its help."""
    return argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)


def folder(given: Path | None) -> TemporaryDirectory[str] | nullcontext[str]:
    """The folder for logs and data: the given one, or a temporary one."""
    if given is None:
        return TemporaryDirectory(prefix="voxwarden-")
    given.mkdir(parents=True, exist_ok=True)
    return nullcontext(str(given))


def show(*parts: RenderableType) -> None:
    """Print tables and lines, and the machine below them: no figure can be read without it."""
    screen = Console()
    if not screen.is_terminal:
        screen = Console(width=WIDTH)
    screen.print(*parts, machine(), sep="\n")


def machine() -> str:
    """The date, the cores, the processor and the load average (1 min)."""
    known = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.+)", known.read_text()) if known.exists() else None
    processor = found[1] if found else platform.machine()
    return f"{datetime.now(UTC):%Y-%m-%d}, {cores()} cores of {processor}, load {os.getloadavg()[0]:.1f}"


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def spread(values: Sequence[float], form: str) -> str:
    """The median, with the lowest and highest."""
    return f"{statistics.median(values):{form}} ({min(values):{form}}–{max(values):{form}})"
