"""The stream benchmark on a new broker, which has no coordinator for any group yet."""

from pathlib import Path

import pytest

from benchmarks.stream import BARE, OURS, Setup, measure
from tests.broker import Broker

pytestmark = [pytest.mark.broker, pytest.mark.drill]


def test_both_kinds_of_worker_are_measured_on_a_new_broker(tmp_path: Path) -> None:
    with Broker(tmp_path) as broker:
        for kind in (BARE, OURS):
            figure = measure(Setup(kind, 1, 2, 8), broker.bootstrap, 4_000, tmp_path)
            assert figure.per_second > 0
            assert figure.cpu > 0
