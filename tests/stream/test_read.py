"""The second reader on Kafka: its findings become cases, and flags become cases with and without it."""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from pipeline.contract.messages import Flag
from pipeline.contract.topology import FLAGS, READ
from pipeline.review.cases.case_values import Case, Filters
from pipeline.review.review_store import open_store
from pipeline.settings import Settings
from tests.builders import flag
from tests.pipeline.judge.reader.model import by_word, settings_of
from tests.pipeline.review.delivery.receiver import ReceivingApp, receiving
from tests.stream.kafka_io import committed, put, wait_until
from tests.stream.processes import Process, environment

pytestmark = [pytest.mark.broker, pytest.mark.timeout(900)]

COUNT = 12
KEPT = 4
PATIENCE = 400.0
"""Seconds for two workers that start on a busy machine."""


@pytest.fixture
def server() -> Iterator[ReceivingApp]:
    with receiving() as made:
        made.answer = by_word({"miss": {"self_harm": 0.9}})
        yield made


def flags() -> list[Flag]:
    """Return unsure flags that passed; the second reader finds something in every third. The last ones are reviewed."""
    passed = {"suggestion": "pass", "flagged": (), "hits": (), "reasons": (), "risk": 0.4, "language": "en"}
    texts = ["nobody would miss you", "nice weather", "good evening"]
    unsure = [
        flag(f"u{n}", 10 * n, 10 * n + 2, room=f"room-{n % 3}", text=texts[n % 3], **passed) for n in range(COUNT)
    ]
    return [*unsure, *(flag(f"k{n}", 10 * n, 10 * n + 2, room=f"kept-{n}", risk=0.9) for n in range(KEPT))]


def run(settings: Settings, reader: dict[str, str], logs: Path, expected: int) -> list[Case]:
    """Run both workers until read has taken all flags, and there are as many cases as expected. Return the cases."""
    made = flags()
    put(settings, FLAGS, made)
    with ExitStack() as stack:
        workers = []
        for role in ("read", "deliver"):
            command = [sys.executable, "-m", "agents", "worker", role]
            workers.append(Process(command, os.environ | environment(settings) | reader, logs / role))
            stack.callback(workers[-1].close)

        def alive() -> None:
            for worker in workers:
                worker.running()

        wait_until(lambda: sum(committed(settings, READ).values()) >= len(made), alive, PATIENCE)
        wait_until(lambda: len(cases(settings)) >= expected, alive, PATIENCE)
        assert [worker.stop() for worker in workers] == [0, 0]
    return cases(settings)


def cases(settings: Settings) -> list[Case]:
    with closing(open_store(settings)) as store:
        return store.cases(Filters(), limit=100)


def variables(server: ReceivingApp) -> dict[str, str]:
    chosen = settings_of(server.url)
    return {
        "VOXWARDEN_READER__URL": server.url,
        "VOXWARDEN_READER__PLAIN_HTTP": "true",
        "VOXWARDEN_READER__MODEL": chosen.model,
        "VOXWARDEN_READER__SECONDS": "10",
        "VOXWARDEN_READER__PER_MINUTE": "600",
        "VOXWARDEN_READER__STALE_SECONDS": "3600",  # on a busy machine, a worker needs a minute to start
    }


def test_what_it_finds_becomes_a_case(settings: Settings, tmp_path: Path, server: ReceivingApp) -> None:
    found = run(settings, variables(server), tmp_path, COUNT // 3 + KEPT)
    reader = [case for case in found if case.source == "reader"]
    assert {(case.label, case.text, case.suggestion) for case in reader} == {
        ("self_harm", "nobody would miss you", "review")
    }
    assert (len(reader), len(found)) == (COUNT // 3, COUNT // 3 + KEPT)
