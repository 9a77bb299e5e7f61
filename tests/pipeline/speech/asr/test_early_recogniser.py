"""Early recognition uses idle workers only, wastes at most its share, and gives a result to its own utterance only."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from pipeline.base.metrics import Metrics
from pipeline.contract.messages import EarlyUtterance, Utterance
from pipeline.contract.stage import BEHIND_SECONDS
from pipeline.speech.asr import early_recogniser
from pipeline.speech.asr.early_recogniser import (
    BEGUN_AT_ONCE,
    CREDIT_SECONDS,
    KEEP_SECONDS,
    MAX_OFFERS,
    PAUSE_SECONDS,
    EarlyRecogniser,
    EarlyResult,
    key_of,
)
from tests.builders import transcript, utterance
from tests.pipeline.speech.asr.parts import recognition


def offered(speaker: str, seconds: float = 5.0, start: float = 100.0, data: bytes = b"flac") -> EarlyUtterance:
    return EarlyUtterance(
        room="lounge", speaker=speaker, start=start, id=f"{speaker}@{start}", end=start + seconds, data=data
    )


def so_far(speaker: str, seconds: float, start: float = 100.0) -> EarlyUtterance:
    return replace(offered(speaker, seconds, start), id=f"{speaker}@{start}+{seconds}", so_far=True)


def follows(message: EarlyUtterance, **changes: Any) -> Utterance:
    """The utterance that follows the early one."""
    fields: dict[str, Any] = {"room": message.room, "speaker": message.speaker, "data": message.data}
    return utterance(message.id, message.start, message.end, **(fields | changes))


class Ear:
    """Recognises early utterances when the test lets it."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.calls = 0
        self.open = threading.Event()
        self.error: Exception | None = None

    def __call__(self, utterances: Sequence[EarlyUtterance]) -> Sequence[EarlyResult | None]:
        self.heard += [each.speaker for each in utterances]
        self.calls += 1
        assert self.open.wait(60)
        if self.error:
            raise self.error
        return [None if each.data == b"noise" else _result(each) for each in utterances]


def _result(heard: EarlyUtterance) -> EarlyResult:
    words = transcript(heard.id, heard.start, early=True) if heard.so_far else None
    return EarlyResult(recognition(heard.id), so_far=words)


class Bench:
    """An EarlyRecogniser with an `Ear` and a clock that the test moves."""

    def __init__(self, workers: int = 1, share: float = 0.5) -> None:
        self.metrics, self.ear, self.now = Metrics(), Ear(), 0.0
        self.early = EarlyRecogniser(self.ear, workers, share, self.metrics, lambda: self.now)

    @property
    def counts(self) -> tuple[float, ...]:
        get = self.metrics.registry.get_sample_value
        names = ("used", "discarded", "declined")
        return tuple(get("voxwarden_early_utterances_total", {"result": name}) or 0.0 for name in names)

    def until_heard(self, count: int) -> None:
        until(lambda: len(self.ear.heard) >= count)

    def waste(self, count: int, seconds: float = 5.0) -> None:
        """Let the recogniser hear speech of one speaker, again and again, that is no utterance afterwards."""
        self.ear.open.set()
        for number in range(count):
            heard = len(self.ear.heard)
            self.early.offer([offered("waster", seconds, start=100.0 + number)])
            self.until_heard(heard + 1)
        self.early.take(follows(offered("waster", seconds, start=0.0)))


def until(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.002)


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.ear.open.set()
    made.early.close()


def test_the_result_goes_to_the_utterance_with_the_same_id_and_audio(bench: Bench) -> None:
    bench.ear.open.set()
    message = offered("ana")
    bench.early.offer([message])
    bench.until_heard(1)
    offer = bench.early.take(follows(message))
    assert offer is not None
    found = offer.result.result()
    assert found is not None
    assert found.recognition.text == message.id
    bench.early.settle(offer, used=True)
    assert bench.counts == (1, 0, 0)
    assert bench.early.take(follows(message)) is None, "a result is used once"


@pytest.mark.parametrize("changes", [{"data": b"other audio"}, {"speaker": "ben"}, {"room": "hall"}])
def test_another_utterance_does_not_get_the_result(bench: Bench, changes: dict[str, Any]) -> None:
    bench.ear.open.set()
    bench.early.offer([offered("ana")])
    bench.until_heard(1)
    assert bench.early.take(follows(offered("ana"), **changes)) is None


def test_an_utterance_waits_for_work_that_has_begun(bench: Bench) -> None:
    bench.early.offer([offered("ana")])
    bench.until_heard(1)
    offer = bench.early.take(follows(offered("ana")))
    assert offer is not None
    assert not offer.result.done()
    bench.ear.open.set()
    assert offer.result.result(60) is not None


def test_work_that_has_not_begun_is_left_to_the_stage(bench: Bench) -> None:
    with bench.early.beside(1):
        bench.early.offer([offered("ana")])
        assert bench.early.take(follows(offered("ana"))) is None
    assert bench.counts == (0, 0, 1)
    assert bench.ear.heard == []


def test_work_begins_when_the_stage_leaves_a_worker_idle(bench: Bench) -> None:
    bench.ear.open.set()
    with bench.early.beside(1):
        bench.early.offer([offered("ana")])
        assert bench.ear.heard == []
    bench.until_heard(1)
    assert bench.ear.heard == ["ana"]


def test_nothing_begins_after_its_pause(bench: Bench) -> None:
    bench.ear.open.set()
    with bench.early.beside(3):
        bench.early.offer([offered("ana")])
        bench.now += 1.1 * PAUSE_SECONDS
    bench.early.offer([offered("ben")])
    bench.until_heard(1)
    assert bench.ear.heard == ["ben"]


def test_idle_workers_share_the_offers() -> None:
    made = Bench(workers=2)
    with made.early.beside(2):
        made.early.offer([offered(name) for name in "abcd"])
    made.until_heard(2)
    made.ear.open.set()
    made.until_heard(4)
    made.early.close()
    assert sorted(made.ear.heard) == list("abcd")


def test_an_utterance_waits_for_no_other_clips_than_its_own(bench: Bench) -> None:
    with bench.early.beside(1):  # the offers of a second have piled up when the worker becomes idle
        bench.early.offer([offered(name) for name in "abcdefgh"])
    bench.until_heard(1)
    assert bench.ear.heard == ["a"]
    assert bench.early.ready([follows(offered("h"))]) == []
    bench.ear.open.set()
    bench.until_heard(8)
    assert bench.ear.heard[:2] == ["a", "h"], "one that has come is recognised before those that may come"
    assert bench.ear.calls == 8


@pytest.mark.parametrize(("workers", "size"), [(1, 1), (4, 1), (16, 4)])
def test_all_workers_have_work(workers: int, size: int) -> None:
    made = Bench(workers)
    made.early.offer([offered(f"speaker-{n}") for n in range(40)])
    made.until_heard(workers)
    assert len(made.ear.heard) == workers, "and no clip waits beside another one"
    assert made.ear.calls == workers // size
    made.ear.open.set()
    made.early.close()


def test_speech_that_continues_discards_its_result(bench: Bench) -> None:
    bench.ear.open.set()
    first, second = offered("ana", 2.0), offered("ana", 6.0)
    bench.early.offer([first])
    bench.until_heard(1)
    bench.early.offer([second])
    bench.until_heard(2)
    assert bench.counts == (0, 1, 0)
    assert bench.early.take(follows(second)) is not None


def test_while_the_stage_is_behind_offers_are_declined(bench: Bench) -> None:
    bench.ear.open.set()
    bench.early.behind(is_behind=True)
    bench.early.offer([offered("ana")])
    bench.early.behind(is_behind=False)
    bench.early.offer([offered("ben")])
    bench.until_heard(1)
    assert bench.ear.heard == ["ben"]
    assert bench.counts == (0, 0, 1)


def test_discarded_seconds_stay_below_their_share_of_recognised_ones() -> None:
    made = Bench(share=0.25)
    made.waste(round(CREDIT_SECONDS / 5))
    made.early.offer([offered("ana")])
    assert made.counts == (0, 6, 1), "the credit is spent"
    made.early.recognised(16)
    made.waste(1)
    made.early.offer([offered("ana")])
    assert made.counts == (0, 7, 2), "16 recognised seconds allow at most one more"
    made.early.close()


def test_noise_without_speech_costs_nothing(bench: Bench) -> None:
    bench.ear.open.set()
    for number in range(12):
        bench.early.offer([offered("ana", start=float(number), data=b"noise")])
        bench.until_heard(number + 1)
        offer = bench.early.take(follows(offered("ana", start=float(number), data=b"noise")))
        assert offer is not None
        assert offer.result.result(60) is None
        bench.early.settle(offer, used=False)
    assert len(bench.ear.heard) == 12


def test_an_error_leaves_the_utterance_to_the_stage(bench: Bench) -> None:
    bench.ear.error = ValueError("broken")
    bench.ear.open.set()
    bench.early.offer([offered("ana")])
    bench.until_heard(1)
    offer = bench.early.take(follows(offered("ana")))
    assert offer is not None
    assert offer.result.result(60) is None
    bench.ear.error = None
    bench.early.offer([offered("ben")])
    bench.until_heard(2)


def test_old_offers_and_too_many_are_forgotten(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_OFFERS > 3
    monkeypatch.setattr(early_recogniser, "MAX_OFFERS", 3)
    with bench.early.beside(1):
        bench.early.offer([offered(name) for name in "abcde"])
        assert bench.counts == (0, 0, 2)
        bench.now += 1.1 * KEEP_SECONDS
        bench.early.offer([offered("f")])
        assert bench.counts == (0, 0, 5)


def said(speaker: str, start: float = 100.0, room: str = "lounge") -> Utterance:
    return follows(offered(speaker, start=start), room=room)


def test_a_later_utterance_of_another_room_is_ready_before_a_slow_one() -> None:
    made = Bench(workers=2)
    slow, quick = said("ana"), said("ben", room="hall")
    assert made.early.ready([slow, quick]) == []
    made.until_heard(2)
    made.ear.open.set()
    until(lambda: made.early.ready([slow, quick]) == [slow, quick])
    taken = [made.early.take(each) for each in (slow, quick)]
    assert all(each and each.result.done() for each in taken)
    assert made.counts == (0, 0, 0), "utterances that have come are no early ones"
    made.early.close()


def test_a_room_is_ready_one_by_one_and_in_order() -> None:
    made = Bench(workers=2)
    made.ear.open.set()
    first, second, other = said("ana"), said("ben", start=101.0), said("ana", start=109.0)
    order: list[str] = []
    left = [first, second, other]
    while left:
        for each in made.early.ready(left):
            assert made.early.take(each) is not None
            order.append(each.id)
            left.remove(each)
    made.early.close()
    assert order == [first.id, second.id, other.id]


def test_an_early_offer_becomes_the_work_of_its_utterance(bench: Bench) -> None:
    message = offered("ana")
    with bench.early.beside(1):
        bench.early.offer([message])
        assert bench.early.ready([follows(message)]) == []
        bench.until_heard(1)
    bench.early.offer([offered("ana", start=107.0)])
    bench.ear.open.set()
    until(lambda: bench.early.ready([follows(message)]) == [follows(message)])
    assert bench.counts == (0, 0, 1), "speech in the next pause does not take the place of work that is due"


def test_an_utterance_that_was_skipped_blocks_no_later_one(bench: Bench) -> None:
    bench.ear.open.set()
    until(lambda: bench.early.ready([said("ana")]) != [])
    later = said("ana", start=109.0)
    until(lambda: bench.early.ready([later]) == [later])
    assert bench.ear.heard == ["ana", "ana"]


def test_everything_is_ready_if_the_stage_is_behind_or_a_batch_is_large_or_nobody_works_early(bench: Bench) -> None:
    many = [said("ana", start=float(n), room=f"room-{n}") for n in range(BEGUN_AT_ONCE + 1)]
    assert bench.early.ready(many) == many
    bench.early.behind(is_behind=True)
    assert bench.early.ready(many[:1]) == many[:1]
    nobody = Bench(workers=0, share=0.0)
    assert nobody.early.ready(many[:1]) == many[:1]
    assert bench.ear.heard == []


def test_without_workers_nothing_is_recognised_early() -> None:
    made = Bench(workers=0, share=0.0)
    made.early.offer([offered("ana")])
    assert made.early.take(follows(offered("ana"))) is None
    made.early.close()
    assert made.counts == (0, 0, 1)


def test_only_utterances_that_have_come_and_are_not_begun_wait(bench: Bench) -> None:
    first, second, maybe = offered("ana"), offered("ben", start=200.0), offered("eve", start=300.0)
    bench.early.offer([first, maybe])
    bench.until_heard(1)
    bench.now = 2.0
    assert bench.early.waited == 0, "one is begun, the other may be discarded"
    bench.early.ready([follows(second, room="hall")])
    bench.now = 2.5
    assert bench.early.waited == 0.5


def test_many_utterances_wait_until_their_batch_is_recognised(bench: Bench) -> None:
    many = [follows(offered(f"{number}"), room=f"{number}") for number in range(BEGUN_AT_ONCE + 1)]
    assert bench.early.ready(many) == many
    with bench.early.beside(len(many)):
        assert bench.early.waited == BEHIND_SECONDS
    assert bench.early.waited == 0


def test_words_so_far_have_a_transcript_once_and_use_no_credit(bench: Bench) -> None:
    bench.ear.open.set()
    for seconds in (3.0, 6.0):
        bench.early.offer([so_far("ana", seconds)])
        until(lambda: any(offer.result.done() for offer in bench.early._offers.values()))
        assert [each.text for each in bench.early.take_so_far()] == [f"ana@100.0+{seconds}"]
        assert bench.early.take_so_far() == []
    assert bench.counts == (2, 0, 0)
    assert bench.early._credit == CREDIT_SECONDS


def test_words_so_far_end_with_their_utterance_and_not_with_the_one_before(bench: Bench) -> None:
    bench.ear.open.set()
    bench.early.offer([so_far("ana", 3.0, start=110.0)])
    bench.until_heard(1)
    assert bench.early.take(follows(offered("ana", 9.9))) is None, "the utterance before"
    bench.early.ready([follows(offered("ana", 9.9))])
    assert key_of(so_far("ana", 3.0), so_far=True) in bench.early._offers
    bench.early.take(follows(offered("ana", 4.0, start=110.0)))
    assert bench.early.take_so_far() == []
    assert bench.counts == (0, 1, 0)


def test_words_so_far_begin_last_and_are_left_out_first(bench: Bench) -> None:
    with bench.early.beside(1):
        bench.early.offer([so_far("ben", 3.0), offered("ana")])
        bench.early.ready([follows(offered("cleo"))])
    bench.ear.open.set()
    bench.until_heard(3)
    assert bench.ear.heard == ["cleo", "ana", "ben"]
    bench.early.behind(is_behind=True)
    bench.early.offer([so_far("dan", 3.0)])
    assert bench.counts[2] == 1
