"""How far behind live speech a worker says it is."""

from collections.abc import Sequence
from types import SimpleNamespace

import pytest

from agents.records import Received
from agents.transcribe import Transcribing
from pipeline.messages import Transcript, Utterance
from pipeline.stage import Processor, Rejected

NOW = 1_000.0


class Stage(Processor[Utterance, Transcript]):
    """Remembers what it is told, and when."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def waited(self, seconds: float) -> None:
        self.told.append(seconds)

    def process(self, batch: Sequence[Utterance]) -> list[Transcript | Rejected]:
        self.told.append([utterance.id for utterance in batch])
        return []


def received(id_: str, written: float | None, end: float) -> Received:
    utterance = Utterance(room="r", speaker="s", start=end - 1, end=end, id=id_)
    return Received(SimpleNamespace(timestamp=written), utterance)


@pytest.mark.parametrize(
    ("written", "end", "waited"),
    [
        (990.0, 989.0, 10.0),
        (990.0, 10.0, 10.0),  # said long ago, and only now brought in
        (990.0, 5_000.0, -4_000.0),  # a recording played faster than it was spoken is not late
        (None, 995.0, 5.0),  # a record without a time
    ],
)
def test_an_utterance_waits_since_it_was_written_or_ends(written: float | None, end: float, waited: float) -> None:
    stage = Stage()
    Transcribing(stage, lambda: NOW).process([received("a", written, end)])
    assert stage.told == [waited, ["a"]]


def test_the_oldest_of_a_batch_counts_and_is_told_before_it() -> None:
    stage = Stage()
    batch = [received("a", 999.0, 998.0), received("b", 970.0, 969.0), received("c", 980.0, 979.0)]
    Transcribing(stage, lambda: NOW).process(batch)
    assert stage.told == [30.0, ["a", "b", "c"]]
