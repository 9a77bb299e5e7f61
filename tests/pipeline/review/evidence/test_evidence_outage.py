"""Cases while the store of the clips is away, and their clips when it is back, with a real database and real audio."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy import func, select

from pipeline.base.errors import ConfigError, DependencyError
from pipeline.base.metrics import Metrics
from pipeline.contract.messages import Flag
from pipeline.review.cases import awaited_clips, user_reports
from pipeline.review.cases.awaited_clips import RETRY_SECONDS
from pipeline.review.cases.case_queue import Ranking
from pipeline.review.cases.case_values import Choice, Filters, Outcome
from pipeline.review.cases.user_reports import Complaint
from pipeline.review.database import Database
from pipeline.review.delivery.deliver_stage import Deliver
from pipeline.review.delivery.event_outbox import FlagEventChoice
from pipeline.review.evidence import evidence_store
from pipeline.review.evidence.evidence_maintenance import all_clips, read_clip
from pipeline.review.evidence.evidence_store import EvidenceFolder, EvidenceOutage
from pipeline.review.evidence.lookback import Lookback
from pipeline.review.privacy import erasure
from pipeline.review.review_store import SqlReviewStore
from pipeline.review.tables.case_tables import AWAITED_CLIPS
from pipeline.review.tables.core import OUTBOX
from tests.builders import NOON, flag
from tests.pipeline.review.voices import utterance

pytestmark = pytest.mark.dialect

PATIENCE_SECONDS = 60.0


class Away(EvidenceFolder):
    """A folder of clips that can be away, and can refuse clips although it answers. It counts what it was asked."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.away = self.full = False
        self.writes = self.checks = 0

    def write(self, path: str, clip: bytes) -> None:
        self.writes += 1
        if self.away or self.full:
            raise DependencyError("The server does not answer", "Check it.")
        super().write(path, clip)

    def check(self) -> str:
        self.checks += 1
        if self.away:
            raise DependencyError("The server does not answer", "Check it.")
        return super().check()


class Desk:
    """A deliver stage whose store of clips may be away. Pauses end when the test says so."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.database = database
        self.now = NOON + 30
        self.evidence = Away(folder / "evidence")
        self.log = Lookback(folder / "lookback", 3_600, 10_000_000, lambda: self.now)
        self.metrics = Metrics()
        self.pauses: list[float] = []
        self._go = threading.Semaphore(0)
        self.start()

    def start(self) -> None:
        """Start the stage, as a new process does."""
        self.store = SqlReviewStore(self.database, flag_events=FlagEventChoice(frozenset({"review"}), most=100))
        self.outage = EvidenceOutage(self.evidence, self._sleep)
        self.outage.ask()
        self.stage = Deliver(self.store, self.outage, self.log, self.metrics, clock=lambda: self.now)

    def ends(self) -> None:
        """Let the store answer again, and wait until the stage knows."""
        self.evidence.away = self.evidence.full = False
        self._go.release()
        until(lambda: not self.outage.lasts)

    def asks_again(self) -> None:
        """Let a pause end."""
        asked = self.evidence.checks
        self._go.release()
        until(lambda: self.evidence.checks > asked)

    def said(self, name: str, start: float, end: float) -> Flag:
        return flag(name, start, end, address=self.log.put(utterance(name, start, end)))

    def deliver(self, *flags: Flag) -> list[str]:
        """Return the cases of the flags."""
        return [outcome.case for outcome in self.stage.process(flags) if isinstance(outcome, Outcome)]

    def state(self, case: str) -> str | None:
        with self.database.read() as connection:
            return awaited_clips.state_of(connection, case)

    def seconds(self, case: str) -> list[float]:
        """Return the lengths of the clips of a case. Each is in the store, with the SHA-256 of the database."""
        for clip in all_clips(self.database):
            assert isinstance(read_clip(self.evidence, clip), bytes)
        return [clip.seconds for clip in self.store.case(case).evidence]

    def events(self) -> int:
        with self.database.read() as connection:
            return connection.scalar(select(func.count()).select_from(OUTBOX)) or 0

    def missing(self) -> float:
        return self.metrics.registry.get_sample_value("voxwarden_evidence_missing_total") or 0.0

    def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self._go.acquire()

    def close(self) -> None:
        self.stage.close()
        self._go.release(10)


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def desk(tmp_path: Path, database: Database) -> Iterator[Desk]:
    made = Desk(tmp_path, database)
    yield made
    made.close()


def test_cases_and_events_come_at_once_and_the_clips_when_the_store_is_back(desk: Desk) -> None:
    desk.evidence.away = True
    cases = desk.deliver(desk.said("a", 0, 4)) + desk.deliver(desk.said("b", 20, 23), desk.said("c", 40, 42))
    assert [desk.state(case) for case in cases] == ["awaited"] * 3
    assert desk.events() == 3
    assert desk.evidence.writes == 1, "only the first case meets the timeouts of the store"
    desk.stage.tick(desk.now)
    assert desk.evidence.writes == 1
    desk.ends()
    desk.stage.tick(desk.now)
    assert [desk.seconds(case) for case in cases] == [[4.0], [3.0], [2.0]]
    assert [desk.state(case) for case in cases] == [None] * 3
    assert desk.missing() == 0


def test_awaited_clips_survive_a_restart_and_a_process_may_start_meanwhile(desk: Desk) -> None:
    desk.evidence.away = True
    [before] = desk.deliver(desk.said("a", 0, 4))
    desk.outage.close()
    desk.start()
    [after] = desk.deliver(desk.said("b", 20, 23))
    assert desk.evidence.writes == 1
    desk._go.release()  # the thread of the process that is gone
    desk.ends()
    desk.stage.tick(desk.now)
    assert (desk.seconds(before), desk.seconds(after)) == ([4.0], [3.0])


def test_a_case_that_grows_meanwhile_gets_one_clip_of_all_its_time(desk: Desk) -> None:
    desk.evidence.away = True
    desk.deliver(desk.said("a", 0, 5), desk.said("c", 6, 10))
    desk.deliver(desk.said("b", 4, 7))
    [case] = desk.store.cases(Filters())
    desk.ends()
    desk.stage.tick(desk.now)
    assert desk.seconds(case.id) == [10.0]
    with desk.database.read() as connection:
        assert connection.scalar(select(func.count()).select_from(AWAITED_CLIPS)) == 0


def test_a_decision_needs_no_clip_and_the_clip_follows_it(desk: Desk) -> None:
    desk.evidence.away = True
    [case] = desk.deliver(desk.said("a", 0, 4))
    desk.store.decide(case, "mia", Choice(verdict="uphold"), desk.now)
    desk.ends()
    desk.stage.tick(desk.now)
    assert desk.seconds(case) == [4.0]


def test_a_clip_whose_audio_is_gone_ends_as_missing(desk: Desk) -> None:
    desk.evidence.away = True
    [case] = desk.deliver(desk.said("a", 0, 4))
    for file in desk.log.folder.iterdir():
        file.unlink()
    desk.ends()
    desk.stage.tick(desk.now)
    assert desk.seconds(case) == []
    assert desk.state(case) == "gone"
    assert desk.missing() == 1
    desk.stage.tick(desk.now + 1_000)
    assert desk.missing() == 1
    found = [part.id for part in desk.store.case(case).flags]
    assert found == ["a"]


def test_a_store_that_answers_but_takes_no_clip_is_asked_less_and_less(desk: Desk) -> None:
    """A full bucket. Each try may last as long as the timeouts, and flags wait for it."""
    desk.evidence.full = True
    [case] = desk.deliver(desk.said("a", 0, 4))
    for number in range(1, 6):
        desk.asks_again()
        until(lambda: not desk.outage.lasts)
        desk.stage.tick(desk.now + number * (RETRY_SECONDS + 1))  # tries again, and the outage begins again
    until(lambda: len(desk.pauses) == 6)
    assert desk.pauses == [5.0, 10.0, 20.0, 40.0, 60.0, 60.0]
    assert desk.evidence.writes == 6
    desk.ends()
    desk.stage.tick(desk.now + 1_000)
    assert desk.seconds(case) == [4.0]
    desk.evidence.away = True
    desk.deliver(desk.said("b", 20, 24))
    until(lambda: len(desk.pauses) == 7)
    assert desk.pauses[-1] == 5.0


def test_a_clip_that_the_store_refuses_holds_up_no_other(desk: Desk) -> None:
    desk.evidence.full = True
    refused, other = desk.deliver(desk.said("a", 0, 4)) + desk.deliver(desk.said("b", 20, 24))
    desk.asks_again()
    until(lambda: not desk.outage.lasts)
    desk.stage.tick(desk.now)
    assert desk.evidence.writes == 2
    desk.ends()
    desk.stage.tick(desk.now + 1)
    assert [desk.seconds(refused), desk.seconds(other)] == [[], [4.0]]
    desk.stage.tick(desk.now + RETRY_SECONDS + 1)
    assert desk.seconds(refused) == [4.0]


def test_a_clip_that_cannot_be_cut_holds_up_no_other(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.evidence.away = True
    broken, other = desk.deliver(desk.said("a", 0, 4)) + desk.deliver(desk.said("b", 20, 24))
    read = desk.store.case

    def fail_once(case: str) -> object:
        if case == broken:
            raise ZeroDivisionError
        return read(case)

    monkeypatch.setattr(desk.store, "case", fail_once)
    desk.ends()
    desk.stage.tick(desk.now)
    monkeypatch.undo()
    assert (desk.state(broken), desk.seconds(other)) == ("gone", [4.0])


def test_a_wrong_setting_stops_no_case_but_no_process_starts_with_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str, clip: bytes | None = None) -> str:
        raise ConfigError("There are no credentials", "Set them.")

    monkeypatch.setattr(desk.evidence, "write", refuse)
    [case] = desk.deliver(desk.said("a", 0, 4))
    assert desk.state(case) == "awaited"
    monkeypatch.setattr(desk.evidence, "check", lambda: refuse(""))
    with pytest.raises(ConfigError, match="no credentials"):
        EvidenceOutage(desk.evidence).ask()


def test_no_audio_comes_after_an_erasure(desk: Desk) -> None:
    desk.evidence.away = True
    desk.deliver(desk.said("a", 0, 4))
    desk.ends()
    with desk.database.write() as connection:
        request = erasure.ask_erasure(connection, "ann", "ada", desk.now)
    erasure.carry_out(desk.database, desk.evidence, request, "ada", desk.now)
    desk.stage.tick(desk.now)
    assert list(desk.evidence.paths(time.time() + 60)) == []


def test_a_clip_that_is_put_off_during_a_try_stays_awaited(desk: Desk) -> None:
    """Another process may put another flag into the case meanwhile."""
    desk.evidence.away = True
    [case] = desk.deliver(desk.said("a", 0, 4))
    tried = desk.store.claim_clip(desk.now)
    assert tried is not None
    assert desk.store.claim_clip(desk.now) is None, "one process tries at a time"
    desk.store.put_off_clip(case, desk.now + 1)
    desk.store.settle_clip(tried)
    assert desk.state(case) == "awaited"


def test_the_clip_of_a_report_waits_for_the_store_and_not_for_ever(desk: Desk) -> None:
    desk.log.put(utterance("a", 0, 4))
    with desk.database.write() as connection:
        report, _ = user_reports.file(connection, Complaint(room="room", speaker="ann", at=NOON + 5), NOON, Ranking({}))
    desk.evidence.away = True
    for _ in range(2):
        desk.stage.tick(desk.now)
    assert desk.evidence.writes == 1
    assert desk.store.case(report.case).evidence == ()
    desk.ends()
    desk.stage.tick(desk.now)
    assert desk.seconds(report.case) == [4.0]


def test_speech_that_was_awaited_with_its_first_words_gets_the_clip_of_all_words(desk: Desk) -> None:
    desk.evidence.away = True
    whole = desk.said("a", 0, 12)
    [case] = desk.deliver(replace(whole, end=NOON + 3, address="early/gone", early=True))
    assert desk.deliver(whole) == [case]
    desk.ends()
    desk.stage.tick(desk.now)
    assert desk.seconds(case) == [12.0]


def test_the_pauses_are_shorter_than_the_turn_of_a_clip() -> None:
    assert evidence_store.LONGEST_PAUSE_SECONDS <= RETRY_SECONDS
