"""The benchmark of everything breaking, in small: all roles, kills, a broker restart, a locked store, bad chunks."""

from pathlib import Path

import pytest

from benchmarks.chaos import Chaos


@pytest.mark.broker
@pytest.mark.timeout(400)
def test_nothing_is_lost_and_nothing_doubled(tmp_path: Path) -> None:
    assert Chaos(tmp_path, seed=2).run(seconds=20, count=2) == 0
