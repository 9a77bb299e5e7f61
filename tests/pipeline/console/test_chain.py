"""The console verifies the audit log in the background, and its page shows the result."""

import pytest
from sqlalchemy import text

from pipeline.console.app import create_app, open_desk
from pipeline.console.chain import WHOLE_SECONDS, ChainWatch
from pipeline.review import audit
from pipeline.review.database import Database
from pipeline.settings import Settings
from tests.builders import NOON
from tests.pipeline.console.conftest import Clock, Console, Enter
from tests.pipeline.console.servers import served, words
from tests.pipeline.review.test_audit import unguarded, write


def change(database: Database, line: int) -> None:
    unguarded(database)
    with database.write() as connection:
        connection.execute(text("UPDATE audit SET actor = 'eve' WHERE seq = :line"), {"line": line})


def look(watch: ChainWatch) -> audit.ChainReport:
    watch.look()
    assert watch.report is not None
    return watch.report


def test_new_lines_are_checked_at_each_look_and_all_lines_once_a_day(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    watch = ChainWatch(database, clock)
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


def test_the_page_shows_the_state_of_the_chain(console: Console, enter: Enter) -> None:
    desk = open_desk(Settings(data_dir=console.evidence.parent), console.database, console.clock)
    auditor = enter("aud")
    with served(create_app(desk)) as url:
        desk.chain.look()
        page = words(auditor.get(f"{url}/audit"))
        assert "Newest first. Chain verified 12:00 UTC." in page
        assert "It holds from the first line." in page
        assert "No anchors are written outside the database." in page
        change(console.database, 2)
        console.clock.now += WHOLE_SECONDS
        desk.chain.look()
        assert "The chain is broken at line 2" in enter("aud").get(f"{url}/audit").text
