"""A worker of this version takes over a topic with records of 0.1.0."""

import os
import sys
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.contract.topology import DEAD_LETTERS, DELIVER, FLAGS
from pipeline.review.cases.case_values import Filters
from pipeline.review.review_store import open_store
from pipeline.settings import Settings
from tests.pipeline.review import release
from tests.stream.kafka_io import committed, put, wait_for, wait_until
from tests.stream.processes import Process, environment

pytestmark = pytest.mark.broker


def test_flags_of_the_last_release_become_cases(settings: Settings, tmp_path: Path) -> None:
    old = [event for name, _, event in release.records() if name == FLAGS.name]
    put(settings, FLAGS, old)
    command = [sys.executable, "-m", "agents", "worker", DELIVER.name]
    process = Process(command, os.environ | environment(settings), tmp_path / "log")
    try:
        wait_until(lambda: sum(committed(settings, DELIVER).values()) == len(old), process.running)
        assert process.stop() == 0
    finally:
        process.close()
    assert wait_for(settings, DEAD_LETTERS, lambda letters: True, lambda: None) == []
    with closing(open_store(settings)) as store:
        assert {case.speaker for case in store.cases(Filters())} == {"pending", "new"}
