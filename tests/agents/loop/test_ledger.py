"""The ledger holds needed records, keeps the order, loses no record, and releases every record in the end."""

from hypothesis import given
from hypothesis import strategies as st

from agents.loop.ledger import Ledger, Speaker

ALICE, BOB = ("lobby", "alice"), ("lobby", "bob")


def nobody(partition: int, speaker: Speaker) -> int:
    return 0


def test_speech_in_progress_holds_its_records() -> None:
    ledger: Ledger[int, int] = Ledger()
    for number in range(5):
        ledger.add(0, number, ALICE)
    assert ledger.finished(lambda *_: 3) == [0, 1]
    assert ledger.finished(lambda *_: 1) == [2, 3]
    assert ledger.finished(nobody) == [4]
    assert len(ledger) == 0


def test_one_speaker_holds_the_records_behind_it() -> None:
    """Faust's commit would skip a single unacknowledged record, so no record behind it may be acknowledged."""
    ledger: Ledger[int, int] = Ledger()
    ledger.add(0, 0, ALICE)
    ledger.add(0, 1, BOB)
    ledger.add(1, 100, BOB)
    assert ledger.finished(lambda _, speaker: 1 if speaker == ALICE else 0) == [100]
    assert ledger.finished(nobody) == [0, 1]


def test_speech_holds_only_the_records_of_its_partition() -> None:
    """A speaker's audio is on two partitions after a change of their number, or of the shards of a room."""
    ledger: Ledger[int, int] = Ledger()
    ledger.add(0, 0, ALICE)
    ledger.add(1, 100, ALICE)
    assert ledger.finished(lambda partition, _: 1 if partition == 0 else 0) == [100]


def test_a_dead_letter_holds_nothing_but_keeps_its_place() -> None:
    ledger: Ledger[int, int] = Ledger()
    ledger.add(0, 0, ALICE)
    ledger.add(0, 1)
    assert ledger.finished(lambda *_: 1) == []
    assert ledger.finished(nobody) == [0, 1]


def test_more_records_may_be_needed_than_are_in_hand() -> None:
    """A new worker also hears audio before its first record."""
    ledger: Ledger[int, int] = Ledger()
    ledger.add(0, 0, ALICE)
    assert ledger.finished(lambda *_: 40) == []
    assert ledger.finished(nobody) == [0]


SPEAKERS = st.sampled_from([ALICE, BOB, ("stage", "alice")])
Record = tuple[int, tuple[str, str] | None]
"""Partition and speaker."""


@given(
    st.lists(st.tuples(st.integers(0, 2), st.none() | SPEAKERS), max_size=40),
    st.dictionaries(SPEAKERS, st.integers(0, 45)),
)
def test_needed_records_stay_and_the_others_go_in_order(
    records: list[Record], needed: dict[tuple[str, str], int]
) -> None:
    ledger: Ledger[int, int] = Ledger()
    for offset, (partition, speaker) in enumerate(records):
        ledger.add(partition, offset, speaker)
    early = ledger.finished(lambda _, speaker: needed.get(speaker, 0))
    for who, count in needed.items():
        last = [offset for offset, (_, speaker) in enumerate(records) if speaker == who][-count or len(records) :]
        assert not set(last) & set(early)
    acknowledged = early + ledger.finished(nobody)
    for number in range(3):
        expected = [offset for offset, (partition, _) in enumerate(records) if partition == number]
        assert [offset for offset in acknowledged if records[offset][0] == number] == expected
    assert len(ledger) == 0
