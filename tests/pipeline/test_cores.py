"""The number of cores is what this process may use, not what the machine has."""

import os
import subprocess
import sys

from pipeline.cores import cores


def test_a_process_that_is_bound_to_one_core_counts_one() -> None:
    assert 1 <= cores() <= (os.cpu_count() or 1)
    script = (
        "import os; from pipeline.cores import cores\n"
        "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "import sys; print(cores(), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "False"]
