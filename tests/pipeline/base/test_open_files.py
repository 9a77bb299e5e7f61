"""A process raises its limit of open files by itself."""

import resource
import subprocess
import sys

from pipeline.base import open_files

SCRIPT = """
import resource
from pipeline.base import open_files
resource.setrlimit(resource.RLIMIT_NOFILE, (200, {hard}))
open_files.raise_limit()
print(*resource.getrlimit(resource.RLIMIT_NOFILE), open_files.limit())
"""


def raised(hard: int) -> list[int]:
    """Return the limits after a process with 200 open files has raised them: soft, hard, ours."""
    shown = subprocess.run([sys.executable, "-c", SCRIPT.format(hard=hard)], capture_output=True, check=True, text=True)
    return [int(number) for number in shown.stdout.split()]


def test_the_soft_limit_becomes_the_hard_one() -> None:
    assert raised(900) == [900, 900, 900]


def test_the_soft_limit_is_bounded_where_the_hard_one_is_not() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = open_files.MOST if hard == resource.RLIM_INFINITY else min(hard, open_files.MOST)
    assert raised(hard) == [wanted, hard, wanted]
