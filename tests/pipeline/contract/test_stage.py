"""An unexpected error rejects the message that raised it, and no other message."""

from collections.abc import Sequence

import pytest

from pipeline.base.errors import BadMessage, DependencyError
from pipeline.contract.messages import AudioChunk
from pipeline.contract.stage import Processor, Rejected, blamed


def chunk(number: int) -> AudioChunk:
    return AudioChunk(room="r", speaker="s", start=0.0, sequence=number)


class Fussy(Processor[AudioChunk, int]):
    """Returns each number, but raises `fault` for a number in `bad`."""

    def __init__(self, bad: set[int], fault: Exception) -> None:
        self._bad, self._fault = bad, fault

    def process(self, batch: Sequence[AudioChunk]) -> list[int | Rejected]:
        if any(each.sequence in self._bad for each in batch):
            raise self._fault
        return [each.sequence for each in batch]


def test_one_bad_message_does_not_reject_the_whole_batch() -> None:
    batch = [chunk(number) for number in range(5)]
    results = Fussy({2}, ZeroDivisionError("what alice said")).handle(batch)
    (rejected,) = [result for result in results if isinstance(result, Rejected)]
    assert results == [0, 1, rejected, 3, 4]
    assert rejected.message is batch[2]
    assert isinstance(rejected.error, BadMessage)


@pytest.mark.parametrize(
    "fault", [DependencyError("The store does not answer"), OSError("disk full"), MemoryError(), BadMessage("odd")]
)
@pytest.mark.parametrize("count", [1, 3])
def test_an_error_that_no_message_causes_is_raised(fault: Exception, count: int) -> None:
    with pytest.raises(type(fault)):
        Fussy({0}, fault).handle([chunk(number) for number in range(count)])


def test_the_error_names_the_place_in_the_code_and_no_speech(caplog: pytest.LogCaptureFixture) -> None:
    try:
        raise ValueError("what alice said")
    except ValueError as error:
        reason = str(blamed(error))
    assert "ValueError at test_stage.py:" in reason
    assert "alice" not in reason + caplog.text
    assert "ValueError at test_stage.py:" in caplog.text
