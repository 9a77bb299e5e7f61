"""The console verifies the audit log in the background, and its page shows the result."""

import re

import pytest
from sqlalchemy import Connection, text

from pipeline.base.metrics import Metrics
from pipeline.console import audit_watch
from pipeline.console.audit_watch import WHOLE_SECONDS, ChainWatch
from pipeline.console.console_app import create_app
from pipeline.console.services import open_services
from pipeline.review import audit_log
from pipeline.review.database import Database
from pipeline.settings import Settings
from tests.builders import NOON
from tests.pipeline.console.conftest import Clock, Console, Enter
from tests.pipeline.console.servers import served, words
from tests.pipeline.review.test_audit_log import unguarded, write


def change(database: Database, line: int) -> None:
    unguarded(database)
    with database.write() as connection:
        connection.execute(text("UPDATE audit SET actor = 'eve' WHERE seq = :line"), {"line": line})


def look(watch: ChainWatch) -> audit_log.ChainReport:
    watch.look()
    assert watch.report is not None
    return watch.report


def test_new_lines_are_checked_at_each_look_and_all_lines_once_a_day(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    watch = ChainWatch(database, Metrics(), clock)
    assert watch.report is None
    assert (look(watch).last, watch.at) == (5, NOON)
    change(database, 2)
    write(database, 1)
    clock.now += 300
    report = look(watch)
    assert (report.broken, report.last, watch.at) == (None, 6, NOON + 300)
    assert caplog.text == ""
    clock.now += WHOLE_SECONDS
    assert look(watch).broken == 2
    assert "The audit log is broken at line 2: line 2 was changed" in caplog.text


def figures(metrics: Metrics) -> tuple[float | None, float | None]:
    names = ("voxwarden_audit_broken", "voxwarden_audit_checked_timestamp_seconds")
    broken, checked = (metrics.registry.get_sample_value(name) for name in names)
    return broken, checked


def test_the_metrics_say_whether_it_is_broken_and_when_it_was_checked(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    clock, metrics = Clock(), Metrics()
    watch = ChainWatch(database, metrics, clock)
    look(watch)
    assert figures(metrics) == (0, NOON)
    write(database, 3)
    change(database, 7)
    clock.now += 300
    assert look(watch).broken == 7
    assert figures(metrics) == (1, NOON + 300)
    clock.now += 300
    look(watch)
    assert figures(metrics) == (1, NOON + 300), "a broken log is read again only once a day"
    clock.now += WHOLE_SECONDS
    assert look(watch).broken == 7
    assert figures(metrics) == (1, clock.now)
    assert caplog.text.count("broken at line 7") == 2


def test_a_long_log_is_read_in_parts(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    parts: list[tuple[int, int]] = []
    real = audit_log.verify_chain

    def verify(connection: Connection, known: audit_log.ChainReport | None, most: int) -> audit_log.ChainReport:
        report = real(connection, known, most)
        parts.append((report.last, report.unchecked))
        return report

    monkeypatch.setattr(audit_watch, "MOST", 4)
    monkeypatch.setattr(audit_watch, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(audit_log, "verify_chain", verify)
    write(database, 5)
    watch = ChainWatch(database, Metrics(), Clock())
    assert look(watch).broken is None
    assert parts == [(4, 6), (8, 2), (10, 0)]
    watch.close()
    change(database, 9)
    closed = ChainWatch(database, Metrics(), Clock())
    closed.close()
    closed.look()
    assert (closed.report, closed.at) == (None, 0.0), "half a check is no result"
    assert look(ChainWatch(database, Metrics(), Clock())).broken == 9


def test_the_page_shows_the_state_of_the_chain(console: Console, enter: Enter) -> None:
    services = open_services(Settings(data_dir=console.evidence.parent), console.database, console.clock)
    auditor = enter("aud")
    with served(create_app(services)) as url:
        services.audit_watch.look()
        page = words(auditor.get(f"{url}/audit"))
        assert "Newest first. Chain verified 12:00 UTC." in page
        assert "It holds from the first line." in page
        assert "No anchors are written outside the database." in page
        change(console.database, 2)
        console.clock.now += WHOLE_SECONDS
        services.audit_watch.look()
        page = enter("aud").get(f"{url}/audit").text
        assert "The chain is broken at line 2" in page
        assert "Keep a copy of the database now." in page
        [row] = re.findall(r'<tr class="wrong"><td class="num faint">2</td>.*?</tr>', page, re.DOTALL)
        assert "Chain breaks here" in row
