"""The page of the audit log: newest line first, filters, and the way to older lines."""

import re
from html import unescape

import pytest
from sqlalchemy import Connection, text

from pipeline.base.metrics import Metrics
from pipeline.console.console_app import create_app
from pipeline.console.rendering import ZONE_COOKIE
from pipeline.console.services import open_services
from pipeline.review import audit_log, audit_watch
from pipeline.review.audit_watch import WHOLE_SECONDS, ChainWatch
from pipeline.review.database import Database
from pipeline.settings import Settings
from tests.builders import NOON
from tests.pipeline.console.conftest import Clock, Console, Enter
from tests.pipeline.console.servers import served, words
from tests.pipeline.review.test_audit_log import unguarded, write

LINE = re.compile(r'<tr class="hov"><td class="num faint">(\d+)</td>')
OLDER = re.compile(r'href="(/audit\?[^"]+)"')
EVIL = "<script>alert(1)</script>&x=1"


def write_lines(
    console: Console, count: int, actor: str, subject: str = "case", action: str = "case.view", at: float = NOON
) -> None:
    with console.database.write() as connection:
        for _ in range(count):
            audit_log.append(connection, at, actor, action, subject)


def test_the_newest_lines_come_first_and_older_ones_follow(console: Console, enter: Enter) -> None:
    write_lines(console, 120, EVIL)
    write_lines(console, 3, "ben")
    auditor = enter("aud")
    page = auditor.get("/audit", params={"actor": EVIL}).text
    first = [int(line) for line in LINE.findall(page)]
    assert "<script>alert" not in page
    [older] = {link for link in OLDER.findall(page) if "before=" in link}
    page = auditor.get(unescape(older)).text
    second = [int(line) for line in LINE.findall(page)]
    assert (len(first), len(second), "before=" in page) == (100, 20, False)
    assert first + second == sorted({*first, *second}, reverse=True)


def test_the_filters_narrow_the_log(console: Console, enter: Enter) -> None:
    write_lines(console, 2, "ana", "x")
    write_lines(console, 3, "ben", "x")
    write_lines(console, 4, "ben", "x", "case.play")
    lead = enter("lea")
    counts = {
        query: len(LINE.findall(lead.get(f"/audit?{query}").text))
        for query in (
            "actor=ana",
            "subject=x",
            "actor=ben&subject=x",
            "action=case.play",
            "action=case.view&actor=ben",
            "action=&actor=&subject=x&since=&until=",
            "actor=nobody",
        )
    }
    assert list(counts.values()) == [2, 9, 7, 4, 3, 9, 0]
    page = lead.get("/audit?actor=ana&action=case.view").text
    assert 'name="actor" value="ana"' in page
    assert '<option value="case.view" selected>opened the case</option>' in page
    assert "No line fits" in lead.get("/audit?actor=nobody").text


def test_an_id_may_be_typed_as_the_page_shows_it(console: Console, enter: Enter) -> None:
    case = "a38edf9c-0000-5000-8000-000000000000"
    write_lines(console, 2, "ana", case)
    write_lines(console, 1, "ana", "a38edf9d-0000-5000-8000-000000000000")
    auditor = enter("aud")
    for typed in (case, "a38edf9c", "a38edf9c…", "#a38edf9c"):
        assert len(LINE.findall(auditor.get("/audit", params={"subject": typed}).text)) == 2


def test_days_are_those_of_the_reader(console: Console, enter: Enter) -> None:
    for hours in range(-48, 48, 12):  # noon and midnight, UTC
        write_lines(console, 1, "ana", at=NOON + 3_600 * hours)
    aud = enter("aud")

    def found(query: str) -> list[int]:
        return [int(seq) for seq in LINE.findall(aud.get(f"/audit?actor=ana&{query}").text)]

    first = found("")[-1]
    assert found("since=2026-01-01") == [first + n for n in (7, 6, 5, 4, 3)]
    assert found("until=2026-01-01") == [first + n for n in (4, 3, 2, 1, 0)]
    assert found("since=2026-01-01&until=2026-01-01") == [first + 4, first + 3]
    assert found("since=2026-01-03") == [first + 7]
    assert found("since=2027-01-01") == found("until=2025-01-01") == []
    aud.cookies[ZONE_COOKIE] = "Asia/Shanghai"  # 8 hours ahead: midnight UTC is 8 o'clock of the same day there
    assert found("since=2026-01-02&until=2026-01-02") == [first + 6, first + 5]
    aud.cookies[ZONE_COOKIE] = "America/Los_Angeles"  # 8 hours behind: midnight UTC is 16 o'clock of the day before
    assert found("since=2026-01-01&until=2026-01-01") == [first + 5, first + 4]


def test_older_lines_keep_the_filters(console: Console, enter: Enter) -> None:
    write_lines(console, 101, "ana")
    write_lines(console, 1, "ben")
    auditor = enter("aud")
    page = auditor.get("/audit?action=case.view&since=2026-01-01&actor=ana").text
    [older] = [link for link in map(unescape, OLDER.findall(page)) if "before=" in link]
    assert len(LINE.findall(auditor.get(older).text)) == 1


@pytest.mark.parametrize(
    "query",
    [
        "before=-1",
        "before=2147483648",
        "before=x",
        "actor=a%00b",
        "action=case%20view",
        "since=2026-02-30",
        "until=x",
        "since=99999-01-01",
    ],
)
def test_invalid_filters_are_refused(enter: Enter, query: str) -> None:
    assert enter("aud").get(f"/audit?{query}").status_code == 422


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
