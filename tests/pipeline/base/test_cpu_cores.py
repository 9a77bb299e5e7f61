"""The number of cores is what this process may use, not what the machine has."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.base.cpu_cores import BEHIND, cores, multiplies_bytes, step_back


def test_a_process_that_is_bound_to_one_core_counts_one() -> None:
    assert 1 <= cores() <= (os.cpu_count() or 1)
    script = (
        "import os; from pipeline.base.cpu_cores import cores\n"
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
    monkeypatch.setattr("pipeline.base.cpu_cores.QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(9)))
    assert cores() == expected


@pytest.mark.parametrize(
    ("flags", "expected"),
    [("fpu avx512f avx512_vnni", True), ("avx2 avx_vnni", True), ("avx512_bf16", False)],
)
def test_vnni_is_a_flag_of_the_processor(
    flags: str, expected: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\nflags\t\t: {flags}\n")
    monkeypatch.setattr("pipeline.base.cpu_cores.INFO", tmp_path / "cpuinfo")
    assert multiplies_bytes() is expected
    monkeypatch.setattr("pipeline.base.cpu_cores.INFO", tmp_path / "none")
    assert not multiplies_bytes()


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has priorities of threads")


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def in_thread(begin: Callable[[], None] | None) -> int:
    with ThreadPoolExecutor(1, initializer=begin) as thread:
        return thread.submit(niceness).result()


def test_a_thread_steps_back_and_the_others_stay() -> None:
    usual = niceness()
    assert in_thread(step_back) == min(usual + BEHIND, 19)
    assert in_thread(None) == niceness() == usual


def test_threads_that_it_starts_are_behind_too() -> None:
    usual, found = niceness(), []

    def begin() -> None:
        step_back()
        found.append(in_thread(None))

    assert in_thread(begin) == found[0] == min(usual + BEHIND, 19)
