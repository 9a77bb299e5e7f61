"""Which chunks unfinished speech still needs, whatever their order of arrival."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.speech.audio.marks import ChunkMark, ChunkMarks


def marked(*arrivals: int) -> ChunkMarks:
    """Chunks of 100 samples, in the order of their audio; the numbers are their order of arrival."""
    marks = ChunkMarks()
    for place, arrival in enumerate(arrivals, start=1):
        marks.add(ChunkMark(100 * place, arrival, start=float(place)))
    return marks


def test_the_chunk_that_holds_the_sample_is_the_oldest_needed() -> None:
    marks = marked(1, 2, 3)
    assert marks.oldest(150) == ChunkMark(200, 2, 2.0)
    assert marks.oldest(300) is None


def test_forgotten_chunks_are_needed_no_more() -> None:
    marks = marked(1, 2, 3)
    marks.forget(200)
    assert marks.oldest(0) == ChunkMark(300, 3, 3.0)
    marks.clear()
    assert marks.oldest(0) is None


@given(st.permutations(range(6)), st.integers(0, 600))
def test_no_chunk_that_is_needed_arrived_before_the_oldest(arrivals: list[int], since: int) -> None:
    needed = [arrival for place, arrival in enumerate(arrivals, start=1) if 100 * place > since]
    found = marked(*arrivals).oldest(since)
    assert (found and found.arrival) == (min(needed) if needed else None)
