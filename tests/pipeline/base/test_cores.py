"""The number of cores is what this process may use, not what the machine has."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.base.cores import cores


def test_a_process_that_is_bound_to_one_core_counts_one() -> None:
    assert 1 <= cores() <= (os.cpu_count() or 1)
    script = (
        "import os; from pipeline.base.cores import cores\n"
        "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "import sys; print(cores(), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "False"]


@pytest.mark.parametrize(("written", "expected"), [("150000 100000\n", 2), ("50000 100000\n", 1), ("max 100000\n", 9)])
def test_the_limit_of_a_container_counts(
    written: str, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cpu.max").write_text(written)
    monkeypatch.setattr("pipeline.base.cores.QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(9)))
    assert cores() == expected
