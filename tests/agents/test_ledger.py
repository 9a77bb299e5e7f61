"""The ledger: never acknowledges audio that is needed, never out of order, forgets nothing, keeps nothing for ever."""

from hypothesis import given
from hypothesis import strategies as st

from agents.ledger import Ledger

ALICE, BOB = ("lobby", "alice"), ("lobby", "bob")


def nobody(room: str, speaker: str) -> float | None:
    return None


def test_speech_in_progress_holds_its_records_back() -> None:
    ledger: Ledger[int] = Ledger()
    for second in range(5):
        ledger.add(0, second, ALICE, float(second))
    assert ledger.finished(lambda *_: 2.5) == [0, 1]
    assert ledger.finished(lambda *_: 4.2) == [2, 3]
    assert ledger.finished(nobody) == [4]
    assert len(ledger) == 0


def test_one_speaker_holds_back_what_came_after() -> None:
    """Faust's commit would skip a single un-acknowledged record, so nothing behind it may be acknowledged."""
    ledger: Ledger[int] = Ledger()
    ledger.add(0, 0, ALICE, 0.0)
    ledger.add(0, 1, BOB, 0.0)
    ledger.add(1, 100, BOB, 0.0)
    assert ledger.finished(lambda _, speaker: 0.0 if speaker == "alice" else None) == [100]
    assert ledger.finished(nobody) == [0, 1]


def test_a_dead_letter_holds_nothing_back_but_keeps_its_place() -> None:
    ledger: Ledger[int] = Ledger()
    ledger.add(0, 0, ALICE, 0.0)
    ledger.add(0, 1)
    assert ledger.finished(lambda *_: 0.0) == []
    assert ledger.finished(nobody) == [0, 1]


def test_a_late_chunk_is_held_as_long_as_the_speech_it_belongs_to() -> None:
    ledger: Ledger[int] = Ledger()
    for offset, start in enumerate((0.0, 2.0, 1.0, 3.0)):
        ledger.add(0, offset, ALICE, start)
    assert ledger.finished(lambda *_: 1.0) == [], "the first may reach into what begins with the late one"
    assert ledger.finished(lambda *_: 2.0) == [0]
    assert ledger.finished(lambda *_: 3.0) == [1, 2]


SPEAKERS = st.sampled_from([ALICE, BOB, ("stage", "alice")])
Record = tuple[int, tuple[str, str] | None, int]
"""Partition, speaker, start."""
RECORDS = st.lists(
    st.tuples(st.integers(0, 2), st.none() | SPEAKERS, st.integers(0, 40)),
    max_size=40,
    unique_by=lambda record: record[1:],  # a chunk sent twice holds the same audio: the second one keeps it
)


@given(RECORDS, st.dictionaries(SPEAKERS, st.integers(0, 45)))
def test_what_is_needed_stays_and_the_rest_goes_in_order(
    records: list[Record], held: dict[tuple[str, str], int]
) -> None:
    ledger: Ledger[int] = Ledger()
    for offset, (partition, speaker, start) in enumerate(records):
        ledger.add(partition, offset, speaker, float(start))
    early = ledger.finished(lambda room, speaker: held.get((room, speaker)))
    for offset in early:
        _, speaker, start = records[offset]
        following = [other for _, who, other in records if who == speaker and other > start]
        assert speaker not in held or (following and min(following) <= held[speaker])
    acknowledged = early + ledger.finished(nobody)
    for number in range(3):
        expected = [offset for offset, (partition, _, _) in enumerate(records) if partition == number]
        assert [offset for offset in acknowledged if records[offset][0] == number] == expected
    assert len(ledger) == 0
