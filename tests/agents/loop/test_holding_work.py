"""Segment's work: each partition has its own state, which starts again after a rebalance."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.broker.kafka_records import Received
from agents.loop.holding_work import STANDSTILL_SECONDS, HoldingWork, Ledger, Speaker
from agents.loop.segmenter_lead_in import Earlier
from pipeline.base.errors import BadMessage, DependencyError
from pipeline.contract.messages import AudioChunk, Utterance
from pipeline.contract.stage import Backlog
from pipeline.speech.audio.segment_stage import Segment


@dataclass
class Record:
    partition: int
    offset: int
    generation_id: int
    value: bytes | None = b"audio"
    topic: str = "voice.audio"
    timestamp: float = 0.0


class FakeSegment:
    """A segmenter that needs the last chunk of every speaker."""

    def __init__(self) -> None:
        self.heard: list[AudioChunk] = []
        self.led_in: list[AudioChunk] = []
        self.closed = False
        self.waited: list[float] = []

    def behind(self, backlog: Backlog) -> None:
        self.waited.append(backlog.waited)

    def process(self, batch: Sequence[AudioChunk]) -> list[Any]:
        self.heard += batch
        return []

    def lead_in(self, earlier: Sequence[AudioChunk], told: Sequence[Utterance]) -> None:
        self.led_in += earlier

    def tick(self, now: float) -> list[Any]:
        return [f"tick at {now}"]

    def needed(self, room: str, speaker: str) -> int:
        return any(chunk.speaker == speaker for chunk in self.heard)

    def close(self) -> None:
        self.closed = True


@dataclass
class Group:
    """The generation of a consumer group, and the segmenters that were built."""

    generation: int = 1
    made: list[FakeSegment] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)
    """Offsets of the records for which the lead-in was read."""

    def build(self) -> Segment:
        self.made.append(FakeSegment())
        return cast(Segment, self.made[-1])

    def segmenting(self) -> HoldingWork:
        return HoldingWork(self.build, lambda: self.generation, self.before)

    def before(self, first: Record) -> Earlier:
        """Return one chunk for each earlier offset."""
        self.asked.append(first.offset)
        return Earlier([chunk(offset) for offset in range(first.offset)])


def taken(work: HoldingWork, batch: list[Received]) -> list[Received]:
    for each in batch:
        work.take(each)
    return batch


def record(offset: int, generation: int) -> Record:
    return Record(0, offset, generation)


def received(one: Record, start: float) -> Received:
    return Received(one, chunk(start))


def chunk(start: float) -> AudioChunk:
    return AudioChunk(room="lobby", speaker="alice", start=float(start), sequence=int(start))


def carry(work: HoldingWork, records: list[Record]) -> list[int]:
    """Run the loop once, and return the offsets that may be acknowledged."""
    batch = taken(work, [received(one, float(one.offset)) for one in work.choose(records)])
    work.process(batch)
    return [one.offset for one in work.finished(batch)]


def test_only_records_that_unfinished_speech_does_not_need_are_acknowledged() -> None:
    work = Group().segmenting()
    assert carry(work, [record(0, 1), record(1, 1), record(2, 1)]) == [0, 1]
    assert carry(work, [record(3, 1)]) == [2]


def test_records_fetched_before_a_rebalance_are_dropped() -> None:
    group = Group()
    work = group.segmenting()
    assert carry(work, [record(0, 1), record(1, 1)]) == [0]
    group.generation = 2
    assert carry(work, [record(2, 1), record(1, 2), record(2, 2)]) == [1]
    assert [chunk.start for chunk in group.made[-1].heard] == [1.0, 2.0]
    assert group.made[0].closed
    assert len(group.made) == 2


def test_each_processor_learns_how_long_the_audio_has_waited() -> None:
    group = Group()
    work = group.segmenting()
    carry(work, [Record(0, 7, 1, timestamp=time.time() - 60)])
    assert group.made[0].waited == pytest.approx([60], abs=5)


def test_a_rebalance_during_a_batch_acknowledges_nothing() -> None:
    group = Group()
    work = group.segmenting()
    batch = taken(work, [received(one, 0.0) for one in work.choose([record(0, 1), record(1, 1)])])
    work.process(batch)
    group.generation = 2
    assert work.finished(batch) == []


def test_the_tick_after_a_rebalance_uses_the_new_state() -> None:
    group = Group()
    work = group.segmenting()
    carry(work, [record(0, 1)])
    group.generation = 2
    assert work.finished([]) == []
    assert work.tick(5.0) == []
    assert group.made[0].closed
    carry(work, [record(0, 2)])
    assert work.tick(6.0) == ["tick at 6.0"]
    assert len(group.made) == 2


def test_audio_of_one_speaker_on_two_partitions_is_heard_apart() -> None:
    """After a change of the shards, old audio waits on one partition, and new audio on another."""
    group = Group()
    work = group.segmenting()
    acknowledged = carry(work, [Record(1, 10, 1), Record(0, 7, 1), Record(1, 11, 1), Record(0, 8, 1)])
    assert acknowledged == [10, 7]
    assert [[chunk.start for chunk in made.heard] for made in group.made] == [[10.0, 11.0], [7.0, 8.0]]
    assert group.asked == [10, 7]
    assert work.tick(5.0) == []
    assert work.tick(5.0 + STANDSTILL_SECONDS) == [f"tick at {5.0 + STANDSTILL_SECONDS}"] * 2


def test_audio_is_released_after_its_processing() -> None:
    """Records wait in the ledger for seconds. With their audio, 1,000 speakers would fill half a gigabyte."""
    work = Group().segmenting()
    one = record(0, 1)
    assert carry(work, [one]) == []
    assert one.value is None


def test_a_bad_record_keeps_its_place_in_the_order() -> None:
    work = Group().segmenting()
    good, bad = record(0, 1), record(1, 1)
    work.choose([good, bad])
    batch = taken(work, [received(good, 0.0), Received(bad, error=BadMessage("broken"))])
    work.process([batch[0]])
    assert work.finished(batch) == []


def test_audio_before_a_partitions_first_record_is_heard_once() -> None:
    group = Group()
    work = group.segmenting()
    carry(work, [record(2, 1), record(3, 1)])
    carry(work, [record(4, 1)])
    [made] = group.made
    assert group.asked == [2]
    assert [chunk.start for chunk in made.led_in] == [0.0, 1.0]
    assert [chunk.start for chunk in made.heard] == [2.0, 3.0, 4.0]


def test_earlier_audio_is_heard_again_after_a_rebalance() -> None:
    group = Group()
    work = group.segmenting()
    carry(work, [record(2, 1)])
    group.generation = 2
    carry(work, [record(1, 2)])
    assert group.asked == [2, 1]
    assert [chunk.start for chunk in group.made[-1].led_in] == [0.0]


def test_a_broker_that_gives_no_earlier_audio_changes_nothing() -> None:
    """The loop tries the batch again."""
    group = Group()
    answers = iter([DependencyError("away", ""), None])

    def before(first: Record) -> Earlier:
        if error := next(answers):
            raise error
        return group.before(first)

    work = HoldingWork(group.build, lambda: group.generation, before)
    with pytest.raises(DependencyError):
        carry(work, [record(1, 1)])
    assert not group.made
    carry(work, [record(1, 1)])
    assert len(group.made[-1].led_in) == 1


def test_a_tick_gives_nothing_for_a_while_after_a_standstill() -> None:
    """Other workers have sent all of it, and the notice of the rebalance has not arrived yet."""
    work = Group().segmenting()
    carry(work, [record(0, 1)])
    told = [bool(work.tick(now)) for now in (100.0, 101.0, 110.0, 150.0, 151.0, 159.9, 160.0, 169.0)]
    assert told == [True, True, True, False, False, False, True, True]


def test_a_tick_gives_nothing_for_a_while_after_earlier_audio_was_heard_again() -> None:
    """The rest of speech that seems overdue may wait on the broker."""
    work = Group().segmenting()
    carry(work, [record(1, 1)])
    assert [bool(work.tick(now)) for now in (100.0, 101.0, 109.9, 110.0)] == [False, False, False, True]


def test_a_clock_that_is_set_back_ends_the_silence() -> None:
    work = Group().segmenting()
    carry(work, [record(0, 1)])
    assert [bool(work.tick(now)) for now in (100.0, 5_000.0, 101.0, 102.0)] == [True, False, True, True]


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
LedgerRecord = tuple[int, tuple[str, str] | None]
"""Partition and speaker."""


@given(
    st.lists(st.tuples(st.integers(0, 2), st.none() | SPEAKERS), max_size=40),
    st.dictionaries(SPEAKERS, st.integers(0, 45)),
)
def test_needed_records_stay_and_the_others_go_in_order(
    records: list[LedgerRecord], needed: dict[tuple[str, str], int]
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
