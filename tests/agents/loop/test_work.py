"""The backlog that a worker reports to its processor."""

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace

import pytest

from agents.broker.kafka_records import Received
from agents.loop.work import BatchWork
from pipeline.contract.messages import Transcript, Utterance
from pipeline.contract.stage import Backlog, Processor, Rejected
from tests.builders import utterance

NOW = 1_000.0
KNOWN = Backlog(waited=0.0, messages=7, arrivals=0.5)


class Stage(Processor[Utterance, Transcript]):
    """Keeps what it is told, in order."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def behind(self, backlog: Backlog) -> None:
        self.told.append(backlog)

    def process(self, batch: Sequence[Utterance]) -> list[Transcript | Rejected]:
        self.told.append([utterance.id for utterance in batch])
        return []


def work_of(stage: Stage) -> BatchWork:
    work = BatchWork(stage, retention=900.0, clock=lambda: NOW)
    work.backlog = lambda: KNOWN
    return work


def received(id_: str, written: float | None, end: float) -> Received:
    said = utterance(id_, end - 1, end)
    return Received(SimpleNamespace(timestamp=written), said)


@pytest.mark.parametrize(
    ("written", "end", "waited"),
    [
        (990.0, 989.0, 10.0),
        (990.0, 10.0, 10.0),  # spoken long ago, and written only now
        (990.0, 5_000.0, -4_000.0),  # a recording played faster than it was spoken is not late
        (None, 995.0, 5.0),  # a record without a timestamp
    ],
)
def test_an_utterance_waits_since_its_record_or_the_end_of_its_speech(
    written: float | None, end: float, waited: float
) -> None:
    stage = Stage()
    work_of(stage).process([received("a", written, end)])
    assert stage.told == [replace(KNOWN, waited=waited, retention=900.0), ["a"]]


def test_the_oldest_record_of_a_batch_counts_and_is_reported_first() -> None:
    stage = Stage()
    batch = [received("a", 999.0, 998.0), received("b", 970.0, 969.0), received("c", 980.0, 979.0)]
    work_of(stage).process(batch)
    assert stage.told == [replace(KNOWN, waited=30.0, retention=900.0), ["a", "b", "c"]]


def test_records_that_arrived_after_the_last_look_count() -> None:
    stage = Stage()
    work_of(stage).process([received(str(number), 999.0, 999.0) for number in range(9)])
    [backlog, _] = stage.told
    assert isinstance(backlog, Backlog)
    assert backlog.messages == 9
