"""Backtests beside the console: without Kafka, and while another one runs."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from agents.broker.stored_transcripts import TopicSpeech
from pipeline.console.policy import draft_trials
from pipeline.console.policy.draft_trials import DraftTrials
from pipeline.judge.labels import load_labels
from pipeline.review.policies import backtests, drafts
from pipeline.review.policies.backtests import StoredBacktest
from pipeline.settings import Kafka, Settings
from tests.builders import NOON
from tests.pipeline.console.conftest import Console
from tests.pipeline.judge.fakes import WordClassifier
from tests.pipeline.review.policies.texts import texts
from tests.ports import free_port

PATIENCE_SECONDS = 60.0


@pytest.fixture
def lab(console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DraftTrials]:
    """A lab that is to read speech from a broker that is not there."""
    monkeypatch.setattr(draft_trials, "load_classifier", lambda _, threads: WordClassifier())
    nobody = Kafka(bootstrap=f"127.0.0.1:{free_port()}", connect_seconds=1)
    settings = Settings(data_dir=tmp_path, kafka=nobody)
    with closing(DraftTrials(settings, console.database, load_labels(), console.clock, TopicSpeech(settings))) as made:
        yield made


def begin(console: Console, hours: int = 0) -> StoredBacktest:
    with console.database.write() as connection:
        draft = drafts.begin_draft(connection, texts(), "A title", "checked", "lea", NOON)
        return backtests.begin_backtest(connection, draft.number, hours, "lea", NOON)


def stored(console: Console, number: int) -> StoredBacktest:
    with console.database.read() as connection:
        found = backtests.backtest_of(connection, number)
    assert found is not None
    return found


def test_without_kafka_the_figures_of_cases_count(console: Console, lab: DraftTrials) -> None:
    lab.start(begin(console, hours=1))
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (found := stored(console, 1)).state == "running":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert found.state == "done"
    assert found.result is not None
    assert (found.result.deaf, found.result.speech) == (True, None)


def test_a_backtest_that_waits_for_another_has_not_ended(console: Console, lab: DraftTrials) -> None:
    first, second = begin(console), begin(console)
    lab._waiting.append(second)
    console.clock.now += 2 * backtests.SILENT_SECONDS
    assert not stored(console, 2).running(console.clock())
    assert lab._progress(first)(1, 9)
    assert stored(console, 2).running(console.clock())
    assert stored(console, 1).done == 1


def test_a_backtest_that_was_cancelled_while_it_waited_does_not_begin(console: Console, lab: DraftTrials) -> None:
    run = begin(console)
    with console.database.write() as connection:
        backtests.stop(connection, run, "cancelled", NOON)
    lab.start(run)
    lab._thread.shutdown()
    assert stored(console, 1).state == "cancelled"
